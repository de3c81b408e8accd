//! Machines for tests: a network namespace, an address, a mount namespace with a disk of its own, and a real sshd in each;
//! and the faults that machines have.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use super::lacking;

static NEXT_NET: AtomicU8 = AtomicU8::new(0);

/// Whether namespaces and bridges can be made here. Where they cannot the test is ignored, and fails in CI.
pub fn has_machines() -> bool {
    let can =
        rustix::process::geteuid().is_root() && Path::new("/usr/sbin/sshd").exists() && run_quietly("ip", &["netns"]);
    if !can {
        lacking::ignored("machines need root, iproute2 and /usr/sbin/sshd");
    }
    can
}

/// Some machines on one bridge; this machine is on it too. All is taken down when the value goes away.
pub struct Machines {
    folder: PathBuf,
    /// On each machine a folder of its own.
    base: PathBuf,
    /// Name of the bridge, and the first part of the names of the namespaces.
    net: String,
    subnet: String,
    /// Of the machine behind another one.
    inner_subnet: String,
    machines: Vec<Machine>,
}

struct Machine {
    address: String,
    /// Keeps the namespaces while sshd comes and goes.
    holder: Child,
    sshd: Option<Child>,
    /// The end of its cable that is not in it, and the machine that has it where it is not this one.
    cable: String,
    gate: Option<usize>,
}

impl Machines {
    /// Starts `count` machines. Their sshd takes the key `folder/id_ed25519`; `folder/known_hosts` knows their host keys.
    /// On each, `base` (which must exist) is a folder of its own.
    pub fn start(folder: &Path, base: &Path, count: usize) -> Machines {
        let number = NEXT_NET.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id() % 10_000;
        let net = format!("zc{id}n{number}");
        let taken = Command::new("ip").args(["-o", "-4", "addr", "show"]).output().expect("ip");
        let taken = String::from_utf8_lossy(&taken.stdout).into_owned();
        // Other test processes of this machine have networks too.
        let part =
            (id..id + 64).map(|id| id % 64).find(|part| !taken.contains(&format!(" 10.{}.{number}.254/", 64 + part)));
        let part = part.expect("a network that nobody uses");
        let (subnet, inner_subnet) = (format!("10.{}.{number}", 64 + part), format!("10.{}.{number}", 128 + part));
        keygen(&folder.join("id_ed25519"));
        let authorized = fs::read_to_string(folder.join("id_ed25519.pub")).expect("the public key");
        fs::write(folder.join("authorized_keys"), authorized).expect("authorized_keys");
        // sshd insists on this folder for its unprivileged part.
        fs::create_dir_all("/run/sshd").expect("/run/sshd");

        must("ip", &["link", "add", &net, "type", "bridge"]);
        must("ip", &["addr", "add", &format!("{subnet}.254/24"), "dev", &net]);
        must("ip", &["link", "set", &net, "up"]);
        let (folder, base) = (folder.to_owned(), base.to_owned());
        let mut machines = Machines { folder, base, net, subnet, inner_subnet, machines: Vec::new() };
        for _ in 0..count {
            machines.add();
        }
        machines
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.machines.len()
    }

    /// The address of a machine, counted from 0.
    pub fn address(&self, index: usize) -> &str {
        &self.machines[index].address
    }

    pub fn identity(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// What a machine has below `base`, as seen from here.
    pub fn disk(&self, index: usize) -> PathBuf {
        self.host_folder(index).join("base")
    }

    /// What the machine itself has there, with disks that were mounted on it.
    pub fn sight(&self, index: usize) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.machines[index].holder.id()));
        root.join(self.base.strip_prefix("/").expect("an absolute path"))
    }

    /// Whether a process runs on the machine.
    pub fn has(&self, index: usize, pid: i32) -> bool {
        let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let its = network(&pid.to_string());
        its.is_some() && its == network(&self.machines[index].holder.id().to_string())
    }

    /// The part of a layout that says how the machines are reached: `head`, `sensor-1`, `sensor-2` ...; `more` lines
    /// belong to its `ssh:`, two blanks in front of each. A machine behind another one is reached through it.
    pub fn layout(&self, more: &str) -> String {
        let mut text = format!(
            "ssh:\n  user: root\n  identity_file: {}\n  known_hosts_file: {}\n{more}hosts:\n",
            self.identity().display(),
            self.known_hosts().display(),
        );
        for (index, machine) in self.machines.iter().enumerate() {
            let jump = machine.gate.map(|gate| format!(", ssh: {{ jump: root@{} }}", self.address(gate)));
            let (name, jump) = (Machines::name(index), jump.unwrap_or_default());
            text.push_str(&format!("  {name}: {{ address: {}{jump} }}\n", machine.address));
        }
        text
    }

    /// What [`Machines::layout`] calls a machine.
    pub fn name(index: usize) -> String {
        if index == 0 { "head".to_owned() } else { format!("sensor-{index}") }
    }

    /// Ends the sshd of a machine and its sessions; what was started through it lives on, as on a real machine.
    pub fn stop_sshd(&mut self, index: usize) {
        if let Some(mut sshd) = self.machines[index].sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }

    /// Starts it again.
    pub fn start_sshd(&mut self, index: usize) {
        if self.machines[index].sshd.is_some() {
            return;
        }
        let config = self.host_folder(index).join("sshd_config");
        let mut command = self.inside(index, "/usr/sbin/sshd");
        let mut sshd = command
            .args(["-D", "-e", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sshd starts");
        let mut said = BufReader::new(sshd.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("Server listening") {
            line.clear();
            assert_ne!(said.read_line(&mut line).expect("sshd speaks"), 0, "sshd ended: {line}");
        }
        // Keep reading, or sshd would wait for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        self.machines[index].sshd = Some(sshd);
    }

    /// Makes the sshd of a machine fall silent: TCP is still accepted, and nobody says anything.
    pub fn pause_sshd(&self, index: usize) {
        self.signal_sshd(index, rustix::process::Signal::STOP);
    }

    /// Lets it speak again.
    pub fn resume_sshd(&self, index: usize) {
        self.signal_sshd(index, rustix::process::Signal::CONT);
    }

    fn signal_sshd(&self, index: usize, signal: rustix::process::Signal) {
        if let Some(sshd) = &self.machines[index].sshd {
            let _ = rustix::process::kill_process(rustix::process::Pid::from_child(sshd), signal);
        }
    }

    /// Ends the SSH sessions of a machine, as a cut of the connection does; its sshd goes on. Returns how many there were.
    pub fn cut_sessions(&self, index: usize) -> usize {
        let Some(sshd) = &self.machines[index].sshd else { return 0 };
        let children = format!("/proc/{0}/task/{0}/children", sshd.id());
        let sessions = fs::read_to_string(children).unwrap_or_default();
        sessions.split_whitespace().filter(|pid| run_quietly("kill", &["-9", pid])).count()
    }

    /// Takes a machine off the network, or puts it back.
    pub fn set_link(&self, index: usize, up: bool) {
        let machine = &self.machines[index];
        let state = if up { "up" } else { "down" };
        match machine.gate {
            None => must("ip", &["link", "set", &machine.cable, state]),
            Some(gate) => must("ip", &["-n", &self.namespace(gate), "link", "set", &machine.cable, state]),
        }
    }

    /// Makes a machine swallow every packet from this one, or answer again: no refusal, no sign of life.
    pub fn set_black_hole(&self, index: usize, on: bool) {
        self.set_hole(index, &format!("{}.254/32", self.subnet), on);
    }

    /// The same between two machines.
    pub fn set_black_hole_between(&self, one: usize, other: usize, on: bool) {
        self.set_hole(one, &format!("{}/32", self.address(other)), on);
        self.set_hole(other, &format!("{}/32", self.address(one)), on);
    }

    fn set_hole(&self, index: usize, from: &str, on: bool) {
        let change = if on { "replace" } else { "del" };
        let args = ["-n", &self.namespace(index), "route", change, "blackhole", from];
        // Taking away what is not there is no mistake.
        assert!(run_quietly("ip", &args) || !on, "ip {}", args.join(" "));
    }

    /// Puts a disk of so many KiB in the place of a folder below `base`; the folder is made when it is missing.
    pub fn limit_disk(&self, index: usize, folder: &Path, kib: u32) {
        let path = self.base.join(folder);
        let script = format!("mkdir -p '{0}' && mount -t tmpfs -o size={kib}k none '{0}'", path.display());
        let done = self.inside(index, "sh").args(["-c", &script]).status();
        assert!(done.expect("sh runs").success(), "{script}");
    }

    /// Takes that disk away; what was there before is there again.
    pub fn free_disk(&self, index: usize, folder: &Path) {
        let _ = self.inside(index, "umount").arg("-l").arg(self.base.join(folder)).stderr(Stdio::null()).status();
    }

    /// A command run on a machine, in its network and with its disk.
    pub fn inside(&self, index: usize, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.machines[index].holder.id().to_string(), "-n", "-m", "--", program]);
        command
    }

    /// Bytes that were sent to a machine on the bridge since it was started.
    pub fn bytes_sent_to(&self, index: usize) -> u64 {
        let path = format!("/sys/class/net/{}/statistics/tx_bytes", self.machines[index].cable);
        fs::read_to_string(path).expect("a counter").trim().parse().expect("a number")
    }

    /// Gives root of a machine this password, beside the key.
    pub fn set_password(&self, index: usize, password: &str) {
        let hashed = Command::new("perl").args(["-e", "print crypt($ARGV[0], '$6$salted$')", password]).output();
        let hashed = String::from_utf8(hashed.expect("perl").stdout).expect("a hash");
        let shadow = self.host_folder(index).join("shadow");
        fs::write(&shadow, format!("root:{hashed}:19000:0:99999:7:::\n")).expect("a file");
        let done = self.inside(index, "mount").arg("--bind").arg(shadow).arg("/etc/shadow").status();
        assert!(done.expect("mount").success());
    }

    /// Makes the sshd of a machine let nobody in but through PAM, which asks for this password. Its `/etc/pam.d` and
    /// `/etc/shadow` are its own.
    pub fn ask_through_pam(&mut self, index: usize, password: &str) {
        self.stop_sshd(index);
        self.set_password(index, password);
        let folder = self.host_folder(index);
        let pam = folder.join("pam.d");
        fs::create_dir_all(&pam).expect("a folder");
        // sshd looks for the name that it was started by.
        let rules = "auth required pam_unix.so\naccount required pam_permit.so\n\
                     session required pam_permit.so\n";
        fs::write(pam.join("sshd"), rules).expect("a file");
        let done = self.inside(index, "mount").arg("--bind").arg(pam).arg("/etc/pam.d").status();
        assert!(done.expect("mount").success());
        let config = folder.join("sshd_config");
        let text = fs::read_to_string(&config).expect("sshd_config").replace("UsePAM no", "UsePAM yes");
        let more = "KbdInteractiveAuthentication yes\nPasswordAuthentication no\nPubkeyAuthentication no\n";
        fs::write(&config, text + more).expect("sshd_config");
        self.start_sshd(index);
    }

    /// Everything as it was after the start: no processes but sshd, empty disks, no faults, the keys that are known.
    pub fn reset(&mut self) {
        for index in 0..self.machines.len() {
            self.resume_sshd(index);
            self.set_black_hole(index, false);
            self.set_link(index, true);
            let kept = [Some(self.machines[index].holder.id()), self.machines[index].sshd.as_ref().map(Child::id)];
            self.kill_processes(index, &kept);
            let disk = format!("umount -lR {0}/* 2>/dev/null; rm -rf {0}/*", self.base.display());
            let _ = self.inside(index, "sh").args(["-c", &disk]).status();
            self.start_sshd(index);
        }
        self.write_known_hosts();
    }

    /// Writes the file that knows every machine's key.
    pub fn write_known_hosts(&self) {
        let line = |index: usize| {
            let public = fs::read_to_string(self.host_folder(index).join("host_key.pub")).expect("a public key");
            format!("{} {public}", self.address(index))
        };
        let lines: String = (0..self.machines.len()).map(line).collect();
        fs::write(self.known_hosts(), lines).expect("known_hosts");
    }

    /// Adds a machine to the bridge.
    fn add(&mut self) {
        let index = self.machines.len();
        let (namespace, cable) = (self.namespace(index), format!("{}v{index}", self.net));
        let address = format!("{}.{}", self.subnet, index + 1);
        must("ip", &["netns", "add", &namespace]);
        must("ip", &["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
        must("ip", &["link", "set", &cable, "master", &self.net, "up"]);
        must("ip", &["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        must("ip", &["-n", &namespace, "link", "set", "eth0", "up"]);
        self.switch_on(index, address, cable, None);
    }

    /// Adds a machine that is reached only through the machine `gate`; returns its number. The other machines reach it,
    /// this one does not.
    pub fn add_behind(&mut self, gate: usize) -> usize {
        let index = self.machines.len();
        let (namespace, outside, cable) = (self.namespace(index), self.namespace(gate), format!("in{index}"));
        let (subnet, address) = (format!("{}.0/24", self.inner_subnet), format!("{}.{}", self.inner_subnet, index + 1));
        let gateway = format!("{}.254", self.inner_subnet);
        must("ip", &["netns", "add", &namespace]);
        must(
            "ip",
            &["-n", &outside, "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace],
        );
        must("ip", &["-n", &outside, "addr", "add", &format!("{gateway}/24"), "dev", &cable]);
        must("ip", &["-n", &outside, "link", "set", &cable, "up"]);
        must("ip", &["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        must("ip", &["-n", &namespace, "link", "set", "eth0", "up"]);
        must("ip", &["-n", &namespace, "route", "add", "default", "via", &gateway]);
        must("ip", &["netns", "exec", &outside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        for other in (0..index).filter(|&other| other != gate && self.machines[other].gate.is_none()) {
            must("ip", &["-n", &self.namespace(other), "route", "add", &subnet, "via", self.address(gate)]);
        }
        must("ip", &["route", "add", "unreachable", &subnet]);
        self.switch_on(index, address, cable, Some(gate));
        index
    }

    /// The machine behind its cable: loopback, a disk, keys, sshd.
    fn switch_on(&mut self, index: usize, address: String, cable: String, gate: Option<usize>) {
        let namespace = self.namespace(index);
        must("ip", &["-n", &namespace, "link", "set", "lo", "up"]);
        let host = self.host_folder(index);
        fs::create_dir_all(host.join("base")).expect("the machine's folder");
        keygen(&host.join("host_key"));
        let config = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nSubsystem sftp internal-sftp\nSetEnv HOME={}\n",
            host.join("host_key").display(),
            self.folder.join("authorized_keys").display(),
            host.display(),
        );
        fs::write(host.join("sshd_config"), config).expect("sshd_config");
        let (disk, base) = (host.join("base"), self.base.clone());
        let script = format!("mount --bind {} {} && echo on && exec sleep infinity", disk.display(), base.display());
        let mut holder = Command::new("ip")
            .args(["netns", "exec", &namespace, "unshare", "-m", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut line).expect("the machine speaks");
        assert_eq!(line, "on\n", "the machine's disk was not mounted");
        self.machines.push(Machine { address, holder, sshd: None, cable, gate });
        self.write_known_hosts();
        self.start_sshd(index);
    }

    fn namespace(&self, index: usize) -> String {
        format!("{}h{index}", self.net)
    }

    fn host_folder(&self, index: usize) -> PathBuf {
        self.folder.join(format!("host-{index}"))
    }

    fn kill_processes(&self, index: usize, kept: &[Option<u32>]) {
        let pids = Command::new("ip").args(["netns", "pids", &self.namespace(index)]).output().expect("ip");
        for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
            if !kept.contains(&pid.parse().ok()) {
                run_quietly("kill", &["-9", pid]);
            }
        }
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for index in (0..self.machines.len()).rev() {
            self.stop_sshd(index);
            self.kill_processes(index, &[]);
            let _ = self.machines[index].holder.wait();
            run_quietly("ip", &["netns", "del", &self.namespace(index)]);
        }
        if self.machines.iter().any(|machine| machine.gate.is_some()) {
            run_quietly("ip", &["route", "del", "unreachable", &format!("{}.0/24", self.inner_subnet)]);
        }
        run_quietly("ip", &["link", "del", &self.net]);
    }
}

fn keygen(path: &Path) {
    let path = path.display().to_string();
    must("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path]);
}

fn run_quietly(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|s| s.success())
}

fn must(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {}: {said}", args.join(" "));
}
