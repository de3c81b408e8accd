//! A host whose process 1 is a real systemd: namespaces for processes and mounts, a cgroup of its own, and units that the
//! test alone has written. It can be rebooted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::sandbox::{Output, finish};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Nothing that systemd does in these tests takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// What every unit depends on, as targets that need nothing: no unit of this machine is started.
const TARGETS: [&str; 5] = ["sysinit", "basic", "shutdown", "network-online", "multi-user"];

/// Inside: file systems of its own, the boot's name replaced, and systemd as process 1.
const INSIDE: &str = r#"
mount -t proc proc /proc
mount --bind "$1/boot_id" /proc/sys/kernel/random/boot_id
mount -t tmpfs tmpfs /run
mount -t sysfs sysfs /sys 2>/dev/null || mount -t tmpfs tmpfs /sys/fs
mkdir -p /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /etc/systemd/system /run/lock
mount --bind "$1/units" /etc/systemd/system
export container=test SYSTEMD_UNIT_PATH=/etc/systemd/system
exec /lib/systemd/systemd --system --log-target=console --unit=multi-user.target </dev/null >"$1/systemd.log" 2>&1
"#;

/// Where a cgroup of version 2 can be made, on this machine.
fn cgroup_root() -> Option<PathBuf> {
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    roots.into_iter().find(|root| root.join("cgroup.procs").exists() && root.join("cgroup.controllers").exists())
}

/// Whether a systemd can be booted here: root, systemd installed, cgroups of version 2. Where it cannot, the test says that
/// it was ignored, and fails where it must not be (`CI`).
pub fn can_boot() -> bool {
    let can =
        rustix::process::geteuid().is_root() && Path::new("/lib/systemd/systemd").exists() && cgroup_root().is_some();
    if !can {
        assert!(std::env::var_os("CI").is_none(), "no systemd can be booted here (root, package systemd, cgroup2)");
        eprintln!("ignored: no systemd can be booted here (root, package systemd, cgroup2)");
    }
    can
}

/// The host; everything in it ends with the value.
pub struct Systemd {
    folder: PathBuf,
    cgroup: PathBuf,
    unshare: Child,
    /// Process 1 of the host, by its number out here.
    init: u32,
}

impl Systemd {
    /// Boots; `folder` keeps its units over reboots.
    pub fn boot(folder: &Path) -> Systemd {
        let units = folder.join("units");
        fs::create_dir_all(&units).expect("a folder for units");
        for target in TARGETS {
            let text = format!("[Unit]\nDescription={target}\nDefaultDependencies=no\n");
            fs::write(units.join(format!("{target}.target")), text).expect("a unit");
        }
        let cgroup = cgroup_root().expect("can_boot said so");
        let name = format!("zc-boot-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let cgroup = cgroup.join(name);
        fs::create_dir(&cgroup).expect("a cgroup");
        let (unshare, init) = start(folder, &cgroup);
        let host = Systemd { folder: folder.to_owned(), cgroup, unshare, init };
        host.until_booted();
        host
    }

    /// All processes end as if the power went; then it boots again, with another boot's name.
    pub fn reboot(&mut self) {
        self.kill();
        (self.unshare, self.init) = start(&self.folder, &self.cgroup);
        self.until_booted();
    }

    /// A command on the host.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--"]);
        command.arg(program).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command on the host to its end.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        finish(self.command(program, args))
    }

    /// `systemctl` on the host; what it prints.
    pub fn systemctl(&self, args: &[&str]) -> String {
        self.run("systemctl", args).stdout.trim().to_owned()
    }

    fn until_booted(&self) {
        let start = Instant::now();
        while !matches!(self.systemctl(&["is-system-running"]).as_str(), "running" | "degraded") {
            let log = fs::read_to_string(self.folder.join("systemd.log")).unwrap_or_default();
            assert!(start.elapsed() < LIMIT, "systemd does not boot: {log}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn kill(&mut self) {
        // Process 1 takes its namespace with it.
        if let Some(init) = rustix::process::Pid::from_raw(self.init.cast_signed()) {
            let _ = rustix::process::kill_process(init, rustix::process::Signal::KILL);
        }
        let _ = self.unshare.wait();
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        self.kill();
        remove_cgroups(&self.cgroup);
    }
}

/// Starts process 1 in new namespaces, and finds its number out here.
#[expect(clippy::zombie_processes, reason = "the caller waits for it, and where it does not start the test ends")]
fn start(folder: &Path, cgroup: &Path) -> (Child, u32) {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("a random name");
    fs::write(folder.join("boot_id"), id).expect("the boot's name");
    let script = format!(
        "echo $$ >{0}/cgroup.procs; exec unshare -mpfuiC --kill-child sh -c \"$2\" sh \"$1\"",
        cgroup.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(folder).arg(INSIDE).stdin(Stdio::null());
    let unshare = command.spawn().expect("unshare starts");
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    let begun = Instant::now();
    loop {
        let child = fs::read_to_string(&children).ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
        let is_systemd =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd");
        if let Some(init) = child.filter(is_systemd) {
            return (unshare, init);
        }
        assert!(begun.elapsed() < LIMIT, "systemd does not start");
        thread::sleep(Duration::from_millis(20));
    }
}

fn remove_cgroups(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroups(&entry.path());
        }
    }
    // The kernel may still be at the end of a process.
    let begun = Instant::now();
    while fs::remove_dir(folder).is_err() && begun.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(20));
    }
}
