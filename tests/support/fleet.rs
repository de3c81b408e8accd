//! Eight machines, one of them behind another, shared by the tests that need many: made once, put back in order before
//! each test.

use std::fs::{self, DirBuilder};
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use sha2::{Digest, Sha256};
use zeek_cluster::api::paths::ClusterDir;

use super::hosts::{Machines, has_machines};
use super::sandbox::Sandbox;

/// How many there are on the bridge; one more is behind the second of them.
const ON_THE_BRIDGE: usize = 7;

/// The number of the machine that the last one is behind.
pub const GATE: usize = 1;
/// The number of the machine behind the gate.
pub const INNER: usize = ON_THE_BRIDGE;

/// Six workers on six machines, one behind a jump host, and the rest of a cluster.
const NODES: &str = "nodes:
  manager: { type: manager, host: head }
  logger: { type: logger, host: head, count: 2 }
  proxy: { type: proxy, host: sensor-1 }
  worker: { type: worker, host: [sensor-2, sensor-3, sensor-4, sensor-5, sensor-6, sensor-7] }
";

/// The machines, for one test at a time.
pub struct Fleet {
    state: Arc<Mutex<State>>,
}

struct State {
    // Dropped in this order.
    machines: Machines,
    sandbox: Sandbox,
}

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_zeek-cluster");

/// SHA-256 of it, lower-case hex.
static PROGRAM_HASH: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(fs::read(PROGRAM).expect("the program"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
});

static SHARED: Mutex<Weak<Mutex<State>>> = Mutex::new(Weak::new());

impl Fleet {
    /// The shared machines; none, with the reason on standard output, where they cannot be made. They go away with the last
    /// test that has them.
    pub fn shared() -> Option<Fleet> {
        if !has_machines() {
            return None;
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let state = shared.upgrade().unwrap_or_else(|| {
            let state = Arc::new(Mutex::new(State::new()));
            *shared = Arc::downgrade(&state);
            state
        });
        Some(Fleet { state })
    }

    /// Waits for the other tests, and puts the machines back in order: nothing deployed but the program, no faults, and a
    /// layout of ten nodes on the eight of them.
    pub fn take(&self) -> Taken<'_> {
        let taken = self.take_bare();
        for index in 0..taken.machines().count() {
            taken.bring_program(index);
        }
        taken
    }

    /// The same without the program: the first deploy brings it, which takes seconds for a program with debugging symbols.
    pub fn take_bare(&self) -> Taken<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.machines.reset();
        state.sandbox.clear();
        let taken = Taken { state };
        taken.write_layout("", "");
        taken
    }
}

impl State {
    fn new() -> State {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.base()).expect("the base folder");
        let mut machines = Machines::start(sandbox.path(), &sandbox.base(), ON_THE_BRIDGE);
        assert_eq!(machines.add_behind(GATE), INNER);
        State { machines, sandbox }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The machines go away whole: nothing has to be removed from them before.
        self.sandbox.clear();
    }
}

/// The machines while a test has them, and the sandbox to run the program in.
pub struct Taken<'a> {
    state: MutexGuard<'a, State>,
}

impl Taken<'_> {
    pub fn machines(&self) -> &Machines {
        &self.state.machines
    }

    pub fn machines_mut(&mut self) -> &mut Machines {
        &mut self.state.machines
    }

    /// Puts the program on a machine, as an earlier deploy would have.
    pub fn bring_program(&self, index: usize) {
        let cluster = ClusterDir::new(self.machines().disk(index).join("campus"));
        let program = cluster.binary(&PROGRAM_HASH);
        for folder in [cluster.path(), program.parent().expect("bin/")] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).expect("a folder on the machine's disk");
        }
        fs::hard_link(PROGRAM, &program).or_else(|_| fs::copy(PROGRAM, &program).map(drop)).expect("the program");
    }

    /// The layout with further lines for its `ssh:` (two blanks in front of each), and at its end.
    pub fn write_layout(&self, ssh: &str, end: &str) {
        let ssh = format!("  connect_timeout: 2s\n{ssh}");
        let machines = self.machines().layout(&ssh);
        self.state.sandbox.write_layout(&format!("name: campus\nbase_dir: BASE\n{machines}{NODES}{end}"));
    }
}

impl Deref for Taken<'_> {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.state.sandbox
    }
}
