//! The program as another user than root, who may enter everything.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::lacking::ignored;
use super::sandbox::{Output, Sandbox, finish};

/// The folder of a sandbox belongs to this user.
pub struct Nobody<'a> {
    sandbox: &'a Sandbox,
    program: PathBuf,
}

impl Nobody<'_> {
    /// None, with the reason on standard output, where this process may not become another user. Where `CI` is set that is a
    /// failure.
    pub fn new(sandbox: &Sandbox) -> Option<Nobody<'_>> {
        if !rustix::process::geteuid().is_root() {
            ignored("another user needs root");
            return None;
        }
        let program = sandbox.path().join("zeek-cluster");
        fs::copy(env!("CARGO_BIN_EXE_zeek-cluster"), &program).expect("copied");
        let chown = Command::new("chown").args(["-R", "65534:65534"]).arg(sandbox.path()).status();
        assert!(chown.is_ok_and(|status| status.success()));
        Some(Nobody { sandbox, program })
    }

    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&self.program).args(args);
        command.current_dir(self.sandbox.path()).env("HOME", self.sandbox.home());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command)
    }

    /// Runs and insists on the exit status.
    pub fn expect(&self, status: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.status, status, "{args:?}: {output:#?}");
        output
    }
}
