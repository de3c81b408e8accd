//! SSH as the installed OpenSSH speaks it (`--ssh system`), for what the library cannot do: FIDO keys, GSSAPI,
//! ProxyCommand, certificate authorities, and whatever else `ssh_config` says.
//!
//! For each host one `ssh` is started that logs in and then only waits (a control master, in the foreground). Commands,
//! streams to the agent and uploads are further `ssh` processes that go through its control socket; they read no
//! configuration and can reach nothing but that socket. What `ssh` says on the way is read for the step that it is in.
//!
//! Invariants: every process is a child of this one; the master is told by the kernel to end when this process is no more,
//! and the others end with it. Control sockets lie in a folder of mode 0700. Questions reach the operator through this
//! process alone, one at a time.

mod arguments;
mod askpass;
mod gates;
mod lines;
mod master;
mod session;
mod words;

pub(super) use arguments::Destination;
pub use askpass::answer_question;
pub(super) use gates::{Gates, Stop, Way};
#[cfg(test)]
pub(super) use master::cannot_start;
pub(super) use session::System;
