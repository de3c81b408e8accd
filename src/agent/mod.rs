//! The agent of one host and one cluster: receives releases, starts, watches, restarts and stops the host's nodes, and
//! answers on a Unix socket. Nodes outlive it. [`client`] is the other end of that socket.
//!
//! It refuses everything about other hosts, ssh and the meaning of a node's work.

pub mod client;
mod connect;
mod core_file;
mod detach;
mod diag;
mod durable;
mod events;
mod folder;
mod folder_id;
mod foreground;
mod guard;
mod history;
mod inspect;
mod install;
mod keep;
mod leftovers;
mod lines;
mod lock;
mod logfeed;
mod logtail;
mod manifest;
mod notify;
mod operate;
mod redact;
mod refusal;
mod releases;
mod roster;
mod run;
mod serve;
mod service_manager;
mod supervise;
mod survivors;
mod systemd;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod usage;

pub use connect::{CONNECT_MAGIC, ConnectError, connect};
pub use detach::{DetachError, Detached, Hung, START_DEADLINE, start_detached};
pub use foreground::{ForegroundError, foreground};
pub use install::{InstallError, Installed, install, uninstall};
pub use keep::{KeeperEnd, keep};
pub use lines::{JsonLines, LineError, MAX_LINE_BYTES, TextLines};
pub use run::{AgentError, AgentOptions, AtEnd, run};
pub use supervise::free_cgroup;
