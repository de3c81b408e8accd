//! Which Python has libzmq's binding. Also used by the tests in `src/` that start `tests/peer/zeek_peer.py`.

use std::process::{Command, Stdio};

/// A Python that can import zmq: the first in the path, else the system's. None, with the reason on standard output, where
/// there is none; where `CI` is set a missing one is a failure.
pub fn python() -> Option<&'static str> {
    let can = |python: &&str| {
        let import = Command::new(python).args(["-c", "import zmq"]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(can);
    if found.is_none() {
        let reason = "no python3 can import zmq; `tests/run` installs it (Debian: python3-zmq)";
        assert!(std::env::var_os("CI").is_none_or(|value| value.is_empty()), "{reason}");
        println!("skipped: {reason}");
    }
    found
}
