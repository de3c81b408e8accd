//! Machines for tests: a network namespace, an address, a mount namespace with a disk of its own, and a real sshd in each.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

static NEXT_NET: AtomicU8 = AtomicU8::new(0);

/// Whether namespaces and bridges can be made here (root, with iproute2 and sshd).
pub fn can_make_machines() -> bool {
    rustix::process::geteuid().is_root() && Path::new("/usr/sbin/sshd").exists() && run_quietly("ip", &["netns"])
}

/// Some machines on one bridge; this machine is on it too. All is taken down when the value goes away.
pub struct Machines {
    folder: PathBuf,
    /// Name of the bridge, and the first part of the names of the namespaces.
    net: String,
    subnet: String,
    sshd: Vec<Option<Child>>,
}

impl Machines {
    /// Starts `count` machines. Their sshd takes the key `folder/id_ed25519`; `folder/known_hosts` knows their host keys.
    /// On each, `base` (which must exist) is a folder of its own.
    pub fn start(folder: &Path, base: &Path, count: usize) -> Machines {
        let number = NEXT_NET.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id() % 10_000;
        let net = format!("zc{id}n{number}");
        let subnet = format!("10.{}.{}", 64 + id % 64, number);
        keygen(&folder.join("id_ed25519"));
        let authorized = fs::read_to_string(folder.join("id_ed25519.pub")).expect("the public key");
        fs::write(folder.join("authorized_keys"), authorized).expect("authorized_keys");
        // sshd insists on this folder for its unprivileged part.
        fs::create_dir_all("/run/sshd").expect("/run/sshd");

        must("ip", &["link", "add", &net, "type", "bridge"]);
        must("ip", &["addr", "add", &format!("{subnet}.254/24"), "dev", &net]);
        must("ip", &["link", "set", &net, "up"]);
        let mut machines = Machines { folder: folder.to_owned(), net, subnet, sshd: Vec::new() };
        for index in 0..count {
            machines.add(index, base);
        }
        machines
    }

    /// The address of a machine, counted from 0.
    pub fn address(&self, index: usize) -> String {
        format!("{}.{}", self.subnet, index + 1)
    }

    pub fn identity(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Ends the sshd of a machine and its sessions; what was started through it lives on, as on a real machine.
    pub fn stop_sshd(&mut self, index: usize) {
        if let Some(mut sshd) = self.sshd[index].take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }

    /// Takes a machine off the network, or puts it back.
    pub fn set_link(&self, index: usize, up: bool) {
        must("ip", &["link", "set", &format!("{}v{index}", self.net), if up { "up" } else { "down" }]);
    }

    fn namespace(&self, index: usize) -> String {
        format!("{}h{index}", self.net)
    }

    fn add(&mut self, index: usize, base: &Path) {
        let (namespace, veth) = (self.namespace(index), format!("{}v{index}", self.net));
        must("ip", &["netns", "add", &namespace]);
        must("ip", &["link", "add", &veth, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
        must("ip", &["link", "set", &veth, "master", &self.net, "up"]);
        must("ip", &["-n", &namespace, "addr", "add", &format!("{}/24", self.address(index)), "dev", "eth0"]);
        must("ip", &["-n", &namespace, "link", "set", "eth0", "up"]);
        must("ip", &["-n", &namespace, "link", "set", "lo", "up"]);

        let host = self.folder.join(format!("host-{index}"));
        fs::create_dir_all(host.join("base")).expect("the machine's folder");
        keygen(&host.join("host_key"));
        let public = fs::read_to_string(host.join("host_key.pub")).expect("the host's public key");
        let line = format!("{} {public}", self.address(index));
        let known = fs::read_to_string(self.known_hosts()).unwrap_or_default() + &line;
        fs::write(self.known_hosts(), known).expect("known_hosts");
        let config = format!(
            "ListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin prohibit-password\nMaxStartups 100:30:200\nSubsystem sftp internal-sftp\n",
            self.address(index),
            host.join("host_key").display(),
            self.folder.join("authorized_keys").display(),
        );
        fs::write(host.join("sshd_config"), config).expect("sshd_config");
        let script = format!(
            "mount --bind {} {} && exec /usr/sbin/sshd -D -e -f {}",
            host.join("base").display(),
            base.display(),
            host.join("sshd_config").display(),
        );
        let mut sshd = Command::new("ip")
            .args(["netns", "exec", &namespace, "unshare", "-m", "--propagation", "private", "sh", "-c", &script])
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
        self.sshd.push(Some(sshd));
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for index in 0..self.sshd.len() {
            self.stop_sshd(index);
            let namespace = self.namespace(index);
            let pids = Command::new("ip").args(["netns", "pids", &namespace]).output().expect("ip");
            for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
                run_quietly("kill", &["-9", pid]);
            }
            run_quietly("ip", &["netns", "del", &namespace]);
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
