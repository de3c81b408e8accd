//! Reaching hosts: this machine through the agent's socket, others through SSH.
//!
//! Owns how a host is reached, that its agent runs, and the upload of the program. Does not know what a release is for:
//! that is said to the agent, through [`Session::agent`]. It never prints and never asks; whoever may ask hands in a
//! [`Prompt`].
//!
//! Invariants: every step has a deadline; a host that gives no answer costs nothing but its own result; one named thread
//! owns each SSH session, and only the files that it runs through (`login.rs`, `tunnel.rs`, `channel.rs`) know
//! libssh2; host keys are judged by [`known_hosts`] alone. Where the installed `ssh` is asked for, `system/` knows it, it
//! judges host keys, and everything above `link.rs` is the same.

mod admission;
mod bastion;
mod channel;
mod command;
mod doubles;
mod early;
mod error;
mod exam;
mod fault;
mod host;
mod keys;
pub mod known_hosts;
mod link;
mod local;
mod login;
mod mailbox;
mod packing;
mod parallel;
mod policy;
mod ports;
mod presence;
mod private;
mod probe;
mod reasons;
mod received;
mod revoked_keys;
mod route;
mod settings;
mod ssh;
mod ssh_agent;
mod ssh_config;
mod system;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_config;
#[cfg(test)]
mod tests_system;
mod tunnel;
mod upload;

pub use command::{Ended, Piece, Shell, Source};
pub use doubles::{Double, doubles};
pub use error::{ReachError, ReachKind, Step};
pub use exam::{Answer, Exam, Origin, Passed, Setting, Sockets};
pub use host::{Binary, ExecOutput, Host, Presence, Session, hosts, log_in_early};
pub use keys::Answers;
pub use parallel::each;
pub use ports::{Listener, NeededPort, Owner, needed_ports, parse_listener, parse_listeners, ports_script};
pub use probe::quote;
pub use settings::{Deadlines, Prompt, Question, Settings, Typed};
pub use system::answer_question;
