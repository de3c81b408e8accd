//! A node that is a real Zeek: a thin parent process starts `zeek`, passes signals on, and tells on `node.sock` what the
//! cluster sees of it, so that the agent treats it as one of ours.
//!
//! Locking: as of any node, `run/NAME/node.sock`. Zeek's working directory belongs to it alone and is never wiped:
//! `logs/current/NAME/` where Zeek writes logs, else `run/NAME/work/`.
//! Compatibility: command line and environment are zeekctl's (`zeekctl.md` 10) without its script package; the
//! differences of 8.0, 8.1 and 8.2 (`protocol/zeromq.md` 0.3) are settled by asking `zeek --version`.
//! Failure: Zeek never outlives the parent, and the parent ends when Zeek does; its last line is Zeek's fatal one.

mod archive;
mod check;
mod child;
mod error;
mod follow;
mod hints;
mod install;
mod launch;
mod pulse;
mod run;
mod sight;
mod traffic;

pub use archive::{ArchiveRequest, archive_log};
pub use check::check;
pub use error::ZeekError;
pub(super) use run::run;
