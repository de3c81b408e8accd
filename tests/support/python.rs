//! Which Python has the module that a test needs. Also used by the tests in `src/` that start `tests/peer/zeek_peer.py`.

use std::process::{Command, Stdio};

/// A Python that can import zmq, as by [`python_with`].
pub fn python() -> Option<&'static str> {
    python_with("zmq")
}

/// A Python that can import a module: the first in the path, else the system's. None, with the reason on standard output,
/// where there is none; where `CI` is set a missing one is a failure.
pub fn python_with(module: &str) -> Option<&'static str> {
    let can = |python: &&str| {
        let import = Command::new(python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(can);
    if found.is_none() {
        let reason = format!("no python3 can import {module}; `tests/run` installs it (Debian: python3-{module})");
        super::lacking::ignored(&reason);
    }
    found
}
