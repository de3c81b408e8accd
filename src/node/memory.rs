//! Keeps an idle node small.

use std::ffi::c_void;
use std::time::Duration;

use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};

/// When a node that has started does only what it does all day.
const STARTED: Duration = Duration::from_secs(5);
/// How often it is looked at after that.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A node that used less of a core than this since the last look is idle: half a percent.
const IDLE: Duration = Duration::from_millis(150);

/// One heap for the few threads of a node: glibc would give each thread its own, and none ever returns what it took.
/// Called before the first thread starts.
pub(super) fn use_one_heap() {
    // SAFETY: mallopt only sets a number inside the allocator, and no other thread runs yet.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what a node does not need while it is idle, once when its start is over and again whenever it has been busy:
/// free memory of the heap, and the pages of code, of which the kernel maps sixteen for each one that is touched. What is
/// needed again comes back from the page cache.
pub(super) async fn give_back_when_idle() {
    tokio::time::sleep(STARTED).await;
    give_back_all();
    let mut used = cpu_time();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let before = std::mem::replace(&mut used, cpu_time());
        if used.saturating_sub(before) < IDLE {
            give_back_all();
        }
    }
}

fn give_back_all() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim locks the heap itself.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = Process::myself().and_then(|process| process.maps());
    maps.into_iter().flatten().filter(is_code).for_each(|code| give_back(&code));
}

/// What all threads of this process have used of the processors.
fn cpu_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// Code from a file: executable, never written to.
fn is_code(map: &MemoryMap) -> bool {
    let wanted = MMPermissions::READ | MMPermissions::EXECUTE | MMPermissions::PRIVATE;
    map.perms == wanted && matches!(map.pathname, MMapPath::Path(_))
}

fn give_back(code: &MemoryMap) {
    let (Ok(start), Ok(end)) = (usize::try_from(code.address.0), usize::try_from(code.address.1)) else { return };
    let address = std::ptr::without_provenance_mut::<c_void>(start);
    // SAFETY: the mapping is of a file, and without the right to write no page of it can differ from that file, so that
    // every page that is touched later is the same again. Failure leaves all as it was.
    let _unchanged = unsafe { libc::madvise(address, end - start, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_runs_on_after_it_was_given_back() {
        let maps: Vec<MemoryMap> = Process::myself().unwrap().maps().unwrap().into_iter().filter(is_code).collect();
        assert!(maps.len() > 1, "this program and the C library");
        maps.iter().for_each(give_back);
        assert_eq!(format!("{:.2}", std::hint::black_box(2.5f64).sqrt()), "1.58");
    }
}
