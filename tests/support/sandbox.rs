//! A folder of its own, ports of its own, and the real program run in it.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// No command of a test runs longer than this.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);
/// Ports that one cluster of a test may need: two of the hub, then its log receivers.
const PORTS_PER_CLUSTER: u16 = 12;

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
static PORT_SEARCH: Mutex<()> = Mutex::new(());

/// One cluster of a test. When it goes away its processes are stopped and its folder is removed.
pub struct Sandbox {
    folder: tempfile::TempDir,
    /// First of twelve consecutive ports that were free on loopback.
    pub port: u16,
}

/// What a command answered.
#[derive(Debug)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
}

impl Sandbox {
    pub fn new() -> Sandbox {
        // Short, because the path of a Unix socket has 107 bytes at most.
        let folder = tempfile::Builder::new().prefix("zc-").tempdir_in("/tmp").expect("a folder below /tmp");
        fs::create_dir(folder.path().join("home")).expect("a home folder");
        Sandbox { folder, port: free_ports() }
    }

    /// A sandbox whose `cluster.yaml` is `text`, with `PORT` and `BASE` replaced.
    pub fn with_layout(text: &str) -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.write_layout(text);
        sandbox
    }

    /// Takes away the layout and what the operator's home folder holds; what was deployed stays.
    pub fn clear(&self) {
        // There may be no layout yet.
        let _ = fs::remove_file(self.layout());
        fs::remove_dir_all(self.home()).expect("the home folder");
        fs::create_dir(self.home()).expect("a home folder");
    }

    pub fn write_layout(&self, text: &str) {
        let base = self.base().display().to_string();
        let text = text.replace("PORT", &self.port.to_string()).replace("BASE", &base);
        fs::write(self.layout(), text).expect("the layout is written");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn base(&self) -> PathBuf {
        self.path().join("base")
    }

    pub fn layout(&self) -> PathBuf {
        self.path().join("cluster.yaml")
    }

    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// The program with its environment set, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zeek-cluster"));
        command
            .args(args)
            .current_dir(self.path())
            .env("HOME", self.home())
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("ZEEK_CLUSTER_LAYOUT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        finish(self.command(args))
    }

    /// Runs and insists on the exit status.
    pub fn expect(&self, status: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.status, status, "zeek-cluster {}: {output:#?}", args.join(" "));
        output
    }

    /// Runs with `-o json`, insists on the exit status, and reads the one document on standard output.
    pub fn json(&self, status: i32, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let output = self.expect(status, &args);
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:#?}"))
    }

    /// Runs on a terminal of its own, and answers each prompt that holds one of these words; tells what it said.
    pub fn on_a_terminal(&self, args: &[&str], answers: &[(&str, &str)]) -> String {
        self.at_a_terminal(0, args, answers)
    }

    /// What a terminal of so many columns gets as the answer, without what is said beside it.
    pub fn on_a_terminal_of(&self, columns: u16, args: &[&str]) -> String {
        self.at_a_terminal(columns, args, &[]).replace("\r\n", "\n")
    }

    /// Without columns it is a terminal that does not tell how wide it is.
    fn at_a_terminal(&self, columns: u16, args: &[&str], answers: &[(&str, &str)]) -> String {
        const SCRIPT: &str = r#"
import fcntl, json, os, pty, select, struct, sys, termios, time
argv, answers, columns = json.loads(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
pid, terminal = pty.fork()
if pid == 0:
    if columns:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.execv(argv[0], argv)
said, answered = b"", 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    said += piece
    for word, answer in answers:
        prompt = said.find(word.encode(), answered)
        if prompt >= 0:
            answered = prompt + len(word.encode())
            # An operator takes a moment, and what is drawn over the prompt meanwhile is part of what was said.
            end = time.monotonic() + 0.4
            while select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
                said += os.read(terminal, 4096)
                if time.monotonic() >= end:
                    break
            os.write(terminal, answer.encode() + b"\n")
sys.stdout.buffer.write(said)
"#;
        let program = [env!("CARGO_BIN_EXE_zeek-cluster")];
        let argv: Vec<&str> = program.iter().chain(args).copied().collect();
        let mut python = Command::new("python3");
        python.args(["-c", SCRIPT]).arg(serde_json::json!(argv).to_string());
        python.arg(serde_json::json!(answers).to_string()).arg(columns.to_string()).current_dir(self.path());
        python.env("HOME", self.home()).env_remove("SSH_AUTH_SOCK");
        let output = python.output().expect("python3 runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The row of one node in `status -o json`.
    pub fn node(&self, name: &str) -> Value {
        let output = self.run(&["status", "-o", "json"]);
        let rows: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:#?}"));
        let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["name"] == name));
        row.unwrap_or_else(|| panic!("no row for {name}: {output:#?}")).clone()
    }

    /// Asks again until the answer is as wanted; the answers in between are those of a running cluster that changes.
    pub fn until<T>(&self, limit: Duration, what: &str, mut ask: impl FnMut(&Sandbox) -> Result<T, String>) -> T {
        let start = Instant::now();
        loop {
            match ask(self) {
                Ok(answer) => return answer,
                Err(last) if start.elapsed() > limit => panic!("not within {limit:?}: {what}; last: {last}"),
                Err(_) => thread::yield_now(),
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.layout().exists() {
            let output = self.run(&["remove", "--all", "--yes"]);
            if thread::panicking() {
                show_what_is_left(&self.base());
                eprintln!("remove: {output:?}");
            }
        }
        kill_processes_of(self.path());
    }
}

/// For the reader of a failed test: what the processes said.
fn show_what_is_left(base: &Path) {
    for cluster in fs::read_dir(base).into_iter().flatten().flatten() {
        let run = cluster.path().join("run");
        let nodes = fs::read_dir(&run).into_iter().flatten().flatten().map(|e| e.path().join("stderr.log"));
        for file in std::iter::once(run.join("agent.log")).chain(nodes) {
            if let Ok(text) = fs::read_to_string(&file) {
                let tail: Vec<&str> = text.lines().rev().take(15).collect();
                eprintln!("--- {}\n{}", file.display(), tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
    }
}

/// Ends every process whose command line names the folder: what a failed test left behind.
fn kill_processes_of(folder: &Path) {
    let needle = folder.display().to_string();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let named = process.cmdline().is_ok_and(|args| args.iter().any(|arg| arg.contains(&needle)));
        if named && let Some(pid) = rustix::process::Pid::from_raw(process.pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Kills an agent, and before it the process that would start it again.
pub fn kill_agent(pid: i32) {
    let parent = procfs::process::Process::new(pid).and_then(|agent| agent.stat()).map(|stat| stat.ppid);
    let keeper = parent.ok().filter(|pid| is_keeper(*pid));
    for pid in keeper.into_iter().chain([pid]) {
        let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is there");
    }
}

fn is_keeper(pid: i32) -> bool {
    let words = procfs::process::Process::new(pid).and_then(|process| process.cmdline()).unwrap_or_default();
    words.windows(2).any(|pair| pair == ["agent", "keep"])
}

/// Runs to the end, reading both streams at once, within the limit.
pub fn finish(mut command: Command) -> Output {
    let start = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait_within(&mut child, start + COMMAND_LIMIT);
    let elapsed = start.elapsed();
    let text = |t: thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&t.join().expect("a reader")).into_owned();
    let status = status.code().unwrap_or(-1);
    Output { status, stdout: text(stdout), stderr: text(stderr), elapsed }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What could be read before an error is what the test will show.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Waits for the end of a child; at the deadline it is killed.
pub(super) fn wait_within(child: &mut Child, deadline: Instant) -> ExitStatus {
    let pid = rustix::process::Pid::from_child(child);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("a pidfd of the child");
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = rustix::event::Timespec::try_from(left).expect("a short time");
    let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    if rustix::event::poll(&mut fds, Some(&timeout)).expect("poll") == 0 {
        let _ = child.kill();
    }
    child.wait().expect("the child is ours")
}

/// The first of twelve ports that are free on loopback now and that no other sandbox of this run was given.
pub fn free_ports() -> u16 {
    let _one_at_a_time = PORT_SEARCH.lock().expect("no search panicked");
    let seed = u16::try_from(std::process::id() % 500).expect("below 500") * PORTS_PER_CLUSTER;
    loop {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed) * PORTS_PER_CLUSTER;
        let first = 20_000 + (seed + step) % 8_000;
        if (first..first + PORTS_PER_CLUSTER).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}
