//! The kernel's log (`/dev/kmsg`), for the one thing that is told nowhere else: which process was ended for lack of memory.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How far the clock of the log may lag behind the time since boot: it is another one, and stands still in suspend.
const LAG: Duration = Duration::from_secs(60);

/// The end of a process for lack of memory, in words.
pub const OUT_OF_MEMORY: &str = "the kernel ended it for lack of memory";

/// The time since boot, as [`was_out_of_memory`] takes it.
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

/// Whether the log says that the kernel ended the process of that number, which was started `started` after boot, for
/// lack of memory. False where the log cannot be read (`kernel.dmesg_restrict`, a container).
pub fn was_out_of_memory(pid: u32, started: Duration) -> bool {
    let mut options = OpenOptions::new();
    let Ok(mut log) = options.read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg") else { return false };
    // Another process may have had the number before it.
    let since = started.saturating_sub(LAG);
    // One record for each read, the oldest first. Source: Documentation/ABI/testing/dev-kmsg.
    let mut record = [0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(0) => return false,
            Ok(length) if names(&String::from_utf8_lossy(&record[..length]), pid, since) => return true,
            Ok(_) => {}
            // It was overwritten while it was read: the next one is there.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            // Without more it would block.
            Err(_) => return false,
        }
    }
}

/// `3,1234,98765432,-;Memory cgroup out of memory: Killed process 4321 (zeek) total-vm:…`.
fn names(record: &str, pid: u32, since: Duration) -> bool {
    let at = record.split(',').nth(2).and_then(|at| at.parse().ok()).map_or(Duration::ZERO, Duration::from_micros);
    at >= since && record.contains("ut of memory") && record.contains(&format!("Killed process {pid} ("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_one_process_at_one_time() {
        let of_a_cgroup =
            "3,812,98765432,-;Memory cgroup out of memory: Killed process 4321 (zeek) total-vm:1kB, UID:0\n";
        let of_the_host = "3,813,98765432,-;Out of memory: Killed process 4321 (zeek) total-vm:1kB, UID:0\n";
        for record in [of_a_cgroup, of_the_host] {
            assert!(names(record, 4321, Duration::from_secs(98)));
            assert!(!names(record, 4321, Duration::from_secs(99)), "it had the number later");
            assert!(!names(record, 432, Duration::ZERO));
        }
        assert!(!names("6,1,98765432,-;Killed process 4321 (zeek)", 4321, Duration::ZERO));
        assert!(!names("", 1, Duration::ZERO));
    }
}
