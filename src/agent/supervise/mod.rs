//! Supervision: one task for each node, the only owner of its process.

mod cgroup;
mod crash;
mod fatal;
mod job;
mod limits;
mod link;
mod messages;
mod output;
mod process;
mod saved;
mod spawn;
mod state;
mod task;

#[cfg(test)]
mod simulation;

pub use cgroup::free as free_cgroup;
pub(super) use cgroup::take_up as take_up_cgroup;
pub(super) use fatal::fatal_line;
pub(super) use job::{Job, JobView, Listeners, TaskEnded};
pub(super) use messages::{Answer, Verb};
pub(super) use output::{bound, follow, last_lines, open as open_output, read_end, tail};
pub(super) use process::boot_id;
pub(super) use saved::{Saved, Spec};
pub(super) use state::Timing;
