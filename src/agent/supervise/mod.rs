//! Supervision: one task for each node, the only owner of its process.

mod crash;
mod fatal;
mod job;
mod link;
mod messages;
mod output;
mod process;
mod saved;
mod spawn;
mod state;
mod task;

pub(super) use fatal::fatal_line;
pub(super) use job::{Job, JobView, TaskEnded};
pub(super) use messages::{Answer, Verb};
pub(super) use output::{bound, follow, open as open_output, read_end, tail};
pub(super) use saved::{Saved, Spec};
pub(super) use state::Timing;
