//! Places where a test can end or hold the program in the middle of a step, in programs built for debugging only.
//!
//! `ZEEK_CLUSTER_FAULT` names them, with commas: `POINT:kill` ends the process there as `kill -9` does;
//! `POINT:hold=FILE` makes FILE and goes on when it is gone. A program built for release has no such points, whatever its
//! environment says.

#[cfg(debug_assertions)]
const VARIABLE: &str = "ZEEK_CLUSTER_FAULT";

/// Passes a point by its name.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_name: &str) {}

/// Passes a point by its name; may not return.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    let Ok(wanted) = std::env::var(VARIABLE) else { return };
    let of_this_point = |fault: &str| fault.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
    match wanted.split(',').find_map(of_this_point).as_deref() {
        Some("kill") => {
            let me = rustix::process::getpid();
            // Nothing runs after it: SIGKILL cannot be caught.
            let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
        Some(action) => {
            if let Some(file) = action.strip_prefix("hold=") {
                hold(std::path::Path::new(file));
            }
        }
        None => {}
    }
}

/// Longer than any test waits.
#[cfg(debug_assertions)]
const HOLD_AT_MOST: std::time::Duration = std::time::Duration::from_secs(120);

#[cfg(debug_assertions)]
fn hold(file: &std::path::Path) {
    let begun = std::time::Instant::now();
    // Who cannot make the file is not held.
    let _ = std::fs::write(file, "");
    while file.exists() && begun.elapsed() < HOLD_AT_MOST {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
