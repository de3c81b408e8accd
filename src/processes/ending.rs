//! Ending processes that are not children.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// After SIGKILL a process is gone as soon as its memory is given back.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A process that cannot be taken for another one.
#[derive(Debug)]
pub struct Held {
    /// Its process id.
    pub pid: u32,
    descriptor: OwnedFd,
}

/// Holds a process if `is_it` still says so when its descriptor is open: what that names cannot change any more.
pub fn hold(pid: u32, is_it: impl FnOnce(u32) -> bool) -> Option<Held> {
    let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let descriptor = pidfd_open(raw, PidfdFlags::empty()).ok()?;
    is_it(pid).then_some(Held { pid, descriptor })
}

/// Ends processes: SIGTERM, and SIGKILL to those that are there after `grace`; no SIGTERM where there is no grace. Waits for
/// their end and gives the ids of those that are still there. Blocks.
pub fn end(processes: Vec<Held>, grace: Duration) -> Vec<u32> {
    end_by(Signal::TERM, processes, grace)
}

/// [`end`], with another signal before SIGKILL.
pub fn end_by(first: Signal, processes: Vec<Held>, grace: Duration) -> Vec<u32> {
    let mut left = processes;
    if !grace.is_zero() {
        left.iter().for_each(|process| process.signal(first));
        wait(&mut left, grace);
    }
    left.iter().for_each(|process| process.signal(Signal::KILL));
    wait(&mut left, GONE_WITHIN);
    left.into_iter().map(|process| process.pid).collect()
}

impl Held {
    /// Sends it a signal; that it ended meanwhile is no error.
    pub fn signal(&self, signal: Signal) {
        // It may have ended meanwhile.
        let _ended = pidfd_send_signal(&self.descriptor, signal);
    }

    fn has_ended(&self, within: Duration) -> bool {
        let timeout = Timespec::try_from(within).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        poll(&mut [PollFd::new(&self.descriptor, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
    }
}

/// Leaves those that have not ended.
fn wait(processes: &mut Vec<Held>, within: Duration) {
    let deadline = Instant::now() + within;
    processes.retain(|process| !process.has_ended(deadline.saturating_duration_since(Instant::now())));
}
