//! How many handshakes are begun at one server, and when one that it refused is tried again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Handshakes under way at one address and port. From 10 unauthenticated connections on, sshd refuses at random
/// (`MaxStartups 10:30:100`, sshd_config(5)); at 8 none was refused (measured with OpenSSH 9.2).
const UNFINISHED_HANDSHAKES: usize = 8;

/// How often a server that closed during its banner is tried again.
pub(super) const BANNER_ATTEMPTS: u32 = 6;

/// How long to wait after an attempt that was refused.
pub(super) fn pause_before(attempt: u32) -> Duration {
    jitter(Duration::from_millis(100) * attempt)
}

/// Between half of a duration and one and a half of it, so that many clients do not come back together.
fn jitter(duration: Duration) -> Duration {
    let random = RandomState::new().hash_one(Instant::now()) % 1000;
    duration / 2 + duration.mul_f64(random as f64 / 1000.0)
}

/// A place among the [`UNFINISHED_HANDSHAKES`] of one address and port, given back when the login is over.
pub(super) struct Admission {
    address: String,
}

type Counts = Mutex<HashMap<String, usize>>;

static ADMITTED: std::sync::LazyLock<Arc<(Counts, Condvar)>> = std::sync::LazyLock::new(Arc::default);

impl Admission {
    /// Waits for a place. Whoever holds one is bound to deadlines, so this ends.
    pub fn to(address: String) -> Admission {
        let (counts, given_back) = &**ADMITTED;
        let counts = counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let full =
            |counts: &mut HashMap<String, usize>| counts.get(&address).is_some_and(|&n| n >= UNFINISHED_HANDSHAKES);
        let mut counts = given_back.wait_while(counts, full).unwrap_or_else(|poisoned| poisoned.into_inner());
        *counts.entry(address.clone()).or_default() += 1;
        Admission { address }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let (counts, given_back) = &**ADMITTED;
        let mut counts = counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
        given_back.notify_all();
    }
}
