//! Polls the disk and the clock, which send no notification.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::log::EventLog;
use crate::api::events::Happening;
use crate::api::paths::ClusterDir;

/// How often both are looked at, and what could not be written is tried again.
const EVERY: Duration = Duration::from_secs(2);

/// A clock that is adjusted by less is being slewed, not set.
const STEP_S: f64 = 1.0;

/// Less than a hundredth of a file system is little, and less than this of a large one.
const LITTLE: u64 = 1 << 20;

/// Until the task is dropped.
pub async fn watch(events: Arc<EventLog>, dir: ClusterDir) {
    let mut every = tokio::time::interval(EVERY);
    let mut clock = Clock::now();
    let path = dir.path().display().to_string();
    let mut disk = Disk { full: events.is_open(&format!("disk {path}")) };
    loop {
        every.tick().await;
        if let Some(by_s) = clock.look() {
            events.host(Happening::ClockStepped { by_s });
        }
        let refused = events.flush() == Err(std::io::ErrorKind::StorageFull);
        let room = tokio::task::block_in_place(|| Room::of(dir.path()));
        // A folder that is away has no room to speak of.
        if let Some(what) = room.and_then(|room| disk.look(&path, room, refused)) {
            events.host(what);
        }
    }
}

/// Compares the wall clock with `CLOCK_BOOTTIME`, which cannot be set and includes suspend.
struct Clock {
    /// Wall clock minus time since the boot, seconds.
    offset: f64,
}

impl Clock {
    fn now() -> Clock {
        Clock { offset: offset() }
    }

    /// By how much the clock was set since the last look.
    fn look(&mut self) -> Option<f64> {
        self.moved_to(offset())
    }

    fn moved_to(&mut self, offset: f64) -> Option<f64> {
        let by = offset - std::mem::replace(&mut self.offset, offset);
        (by.abs() >= STEP_S).then_some(by)
    }
}

fn offset() -> f64 {
    let seconds = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    seconds(ClockId::Realtime) - seconds(ClockId::Boottime)
}

/// Bytes of a file system.
#[derive(Clone, Copy)]
struct Room {
    total: u64,
    free: u64,
}

impl Room {
    fn of(path: &Path) -> Option<Room> {
        let system = rustix::fs::statvfs(path).ok()?;
        Some(Room { total: system.f_blocks * system.f_frsize, free: system.f_bavail * system.f_frsize })
    }

    fn little(self) -> u64 {
        (self.total / 100).min(LITTLE)
    }
}

struct Disk {
    full: bool,
}

impl Disk {
    /// Returns the event of a change; `refused` when a write of the agent failed for lack of space. The disk counts as
    /// recovered only with twice the space, so that a disk at the threshold does not flap.
    fn look(&mut self, path: &str, room: Room, refused: bool) -> Option<Happening> {
        let (path, free_bytes) = (path.to_owned(), room.free);
        match self.full {
            false if refused || room.free < room.little() => {
                self.full = true;
                Some(Happening::DiskFull { path, free_bytes })
            }
            true if !refused && room.free >= 2 * room.little() => {
                self.full = false;
                Some(Happening::DiskBack { path, free_bytes })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_once_and_a_slew_never() {
        let mut clock = Clock { offset: 100.0 };
        assert_eq!(clock.moved_to(100.5), None);
        assert_eq!(clock.moved_to(40.5), Some(-60.0));
        assert_eq!(clock.moved_to(40.5), None);
        assert_eq!(Clock::now().look(), None);
    }

    #[test]
    fn a_disk_is_full_once_and_back_once() {
        let mut disk = Disk { full: false };
        let room = |free: u64| Room { total: 1 << 30, free };
        let mut look = |free, refused| disk.look("/d", room(free), refused).map(|what| what.word());
        assert_eq!(look(1 << 25, false), None);
        assert_eq!(look(1000, false), Some("disk_full"));
        assert_eq!(look(1000, true), None);
        assert_eq!(look(LITTLE + 1, false), None);
        assert_eq!(look(3 * LITTLE, false), Some("disk_back"));
        assert_eq!(look(3 * LITTLE, true), Some("disk_full"));
    }
}
