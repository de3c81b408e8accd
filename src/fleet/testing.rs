//! A real sshd on a loopback port, with throw-away keys, for the tests of this room.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::settings::{Deadlines, Settings};
use super::ssh::SshHost;
use crate::api::config::Compress;
use crate::layout::{self, Backend, HostKeyChecking, HubPorts, Layout, Logging, Reach, Ssh, Zeek};

/// Ends with its value.
pub(super) struct Sshd {
    child: Child,
    pub port: u16,
    folder: TempDir,
    logins: Arc<AtomicUsize>,
}

impl Sshd {
    /// With an ed25519 host key; `extra` are further lines of `sshd_config`.
    pub fn start(extra: &str) -> Sshd {
        Sshd::with_host_keys(&["ed25519"], extra)
    }

    /// A server whose sessions find this machine's commands but these.
    pub fn without(commands: &[&str]) -> Sshd {
        let sshd = Sshd::start("SetEnv PATH=DIR/bin HOME=DIR\n");
        fs::create_dir(sshd.path("bin")).unwrap();
        for entry in ["/usr/bin", "/bin"].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap().flatten()) {
            let name = entry.file_name();
            if !commands.iter().any(|command| name == *command) {
                // What is in both is one file.
                let _ = std::os::unix::fs::symlink(entry.path(), sshd.path("bin").join(name));
            }
        }
        sshd
    }

    pub fn with_host_keys(types: &[&str], extra: &str) -> Sshd {
        let folder = tempfile::tempdir().unwrap();
        // Where sshd separates its privileges; distributions make it when the service starts.
        fs::create_dir_all("/run/sshd").unwrap();
        let path = |name: &str| folder.path().join(name);
        keygen(&path("user"), &["-t", "ed25519", "-N", ""]);
        fs::copy(path("user.pub"), path("authorized_keys")).unwrap();
        let mut config = format!(
            "AuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nLogLevel VERBOSE\n\
             Subsystem sftp internal-sftp\n",
            path("authorized_keys").display()
        );
        for kind in types {
            let file = path(&format!("host_{kind}"));
            keygen(&file, &["-t", kind, "-N", ""]);
            config.push_str(&format!("HostKey {}\n", file.display()));
        }
        config.push_str(&extra.replace("DIR", folder.path().to_str().unwrap()));
        // The start-up files of whoever runs the tests are none of its business.
        config.push_str(&format!("SetEnv HOME={}\n", folder.path().display()));
        let file = path("sshd_config");
        fs::write(&file, &config).unwrap();
        // From 9.8 on, tests that fail to log in on purpose would lock out those that follow.
        if sshd(&["-t", "-o", "PerSourcePenalties=no"], &file).status().unwrap().success() {
            fs::write(&file, config + "PerSourcePenalties no\n").unwrap();
        }
        let logins = Arc::default();
        let (child, port) = Sshd::listen(&file, &logins, |command| command);
        Sshd { child, port, folder, logins }
    }

    /// One that takes the password `secret` of root, and no keys, by the methods that `extra` leaves. Its `/etc/shadow` is
    /// its own; none where it cannot have one.
    pub fn with_password(extra: &str) -> Option<Sshd> {
        Sshd::with_shadow(&format!("PubkeyAuthentication no\n{extra}"))
    }

    /// The same with keys, unless `extra` says otherwise.
    pub fn with_shadow(extra: &str) -> Option<Sshd> {
        let mut sshd = Sshd::start(extra);
        let hashed = Command::new("perl").args(["-e", "print crypt('secret', '$6$salted$')"]).output().unwrap();
        let shadow = sshd.path("shadow");
        fs::write(&shadow, format!("root:{}:19000:0:99999:7:::\n", String::from_utf8(hashed.stdout).unwrap())).unwrap();
        let can = Command::new("unshare").args(["-m", "mount", "--bind"]).arg(&shadow).arg("/etc/shadow").status();
        if !can.is_ok_and(|status| status.success()) {
            return None;
        }
        sshd.end();
        let script = format!("mount --bind {} /etc/shadow && exec \"$@\"", shadow.display());
        let wrapped = |command: Command| {
            let mut outer = Command::new("unshare");
            outer.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(command.get_program());
            outer.args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::null());
            outer
        };
        let config = sshd.path("sshd_config");
        (sshd.child, sshd.port) = Sshd::listen(&config, &sshd.logins, wrapped);
        Some(sshd)
    }

    /// How many logins it has accepted.
    pub fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The port is free when it is chosen; should another process take it meanwhile, the next one is tried.
    fn listen(config: &Path, logins: &Arc<AtomicUsize>, wrap: impl Fn(Command) -> Command) -> (Child, u16) {
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let address = format!("ListenAddress=127.0.0.1:{port}");
            let mut child = wrap(sshd(&["-D", "-e", "-o", &address], config)).stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
            if lines.any(|line| line.starts_with("Server listening on")) {
                // Kept read, or it would block once the pipe is full.
                let logins = logins.clone();
                std::thread::spawn(move || {
                    // Not the lines about a key that would be accepted.
                    let is_login = |line: &String| line.starts_with("Accepted ") && line.contains(" for root from ");
                    for _ in lines.filter(is_login) {
                        logins.fetch_add(1, Ordering::SeqCst);
                    }
                });
                return (child, port);
            }
            child.wait().unwrap();
        }
        panic!("sshd does not listen");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key and lets it in.
    pub fn user_key(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.path(name);
        keygen(&path, arguments);
        let public = fs::read_to_string(format!("{}.pub", path.display())).unwrap();
        let file = self.path("authorized_keys");
        fs::write(&file, fs::read_to_string(&file).unwrap() + &public).unwrap();
        path
    }

    /// Type and base64 of a host key.
    pub fn host_key(&self, kind: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("host_{kind}.pub"))).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// `[127.0.0.1]:PORT`.
    pub fn name(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// Settings of a login that works.
    pub fn ssh(&self) -> Ssh {
        let known = self.path("known_hosts");
        if !known.exists() {
            fs::write(&known, format!("{} {}\n", self.name(), self.host_key("ed25519"))).unwrap();
        }
        Ssh {
            user: Some("root".into()),
            port: Some(self.port),
            identity_files: vec![self.path("user")],
            known_hosts_files: vec![known],
            jump: Vec::new(),
            host_key_checking: HostKeyChecking::Strict,
            connect_timeout: Some(Duration::from_secs(20)),
            client: None,
        }
    }

    /// Processes that serve the sessions of this server.
    pub fn sessions(&self) -> Vec<u32> {
        children(self.child.id())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for session in self.sessions() {
            let _ = Command::new("kill").args(["-9", &session.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn sshd(arguments: &[&str], config: &Path) -> Command {
    // sshd starts itself again for each connection and asks for its absolute path.
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(arguments).arg("-f").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub(super) fn keygen(path: &Path, arguments: &[&str]) {
    let done = Command::new("ssh-keygen").args(["-q", "-C", "test", "-f"]).arg(path).args(arguments).status().unwrap();
    assert!(done.success());
}

/// Nobody to ask, no configuration of whoever runs the tests.
pub(super) fn settings() -> Settings {
    Settings { ssh_config: false, ssh_agent: None, home: "/nonexistent".into(), ..Settings::from_env() }
}

pub(super) fn deadlines() -> Deadlines {
    Deadlines { step: Duration::from_secs(30), ..Deadlines::default() }
}

/// A home folder with this `ssh_config`, and settings that heed it. `HOME` in the text is that folder.
pub(super) fn home_with(config: &str) -> (TempDir, Settings) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    let config = config.replace("HOME", home.path().to_str().unwrap());
    fs::write(home.path().join(".ssh/config"), config).unwrap();
    let settings = Settings { ssh_config: true, home: home.path().to_owned(), ..settings() };
    (home, settings)
}

/// A layout with one host at 127.0.0.1.
pub(super) fn layout(reach: Reach, base: &Path) -> Layout {
    let host = layout::Host {
        name: "sensor-1".into(),
        address: "127.0.0.1".into(),
        ip: Some([127, 0, 0, 1].into()),
        reach,
        line: 1,
    };
    Layout {
        name: "campus".into(),
        backend: Backend::Zeromq,
        encrypted: false,
        base_dir: Some(base.to_owned()),
        stop_grace: Duration::from_secs(1),
        hosts: vec![host],
        nodes: Vec::new(),
        hub: HubPorts { xpub: 27760, xsub: 27761 },
        manager_is_logger: false,
        options: Default::default(),
        stores: Default::default(),
        notify: Default::default(),
        logging: Logging { format: None, rotation_interval: None, compress: Compress::Gzip, expire: Duration::ZERO },
        networks: Vec::new(),
        zeek: Zeek { prefix: None, scripts: Vec::new(), args: Vec::new(), redefs: Default::default() },
    }
}

pub(super) fn ssh_host(ssh: Ssh, base: &Path, settings: Settings) -> SshHost {
    let layout = layout(Reach::Ssh(ssh.clone()), base);
    SshHost::new(&layout, &layout.hosts[0], &ssh, &Arc::new(settings))
}

/// A program that behaves as ours does towards this room: `agent run --dir DIR --detach` and `agent connect --dir DIR`.
/// It is a script around the running test program and its two helpers in `tests.rs`, and so many bytes that nothing packs.
pub(super) fn program(folder: &Path, padding: usize) -> super::Binary {
    let mut state = 1_u64;
    let mut noise = || {
        // Knuth's MMIX generator; the upper bits are the better ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    program_with(folder, &(0..padding).map(|_| noise()).collect::<Vec<u8>>())
}

/// The same with these bytes behind it.
pub(super) fn program_with(folder: &Path, padding: &[u8]) -> super::Binary {
    let path = folder.join("program");
    let own = std::env::current_exe().unwrap();
    let text = format!(
        r#"#!/bin/sh
for word; do [ "$last" = --dir ] && FLEET_TEST_DIR=$word; last=$word; done
export FLEET_TEST_DIR FLEET_TEST_PROGRAM="$0"
helper() {{ exec {} --exact "fleet::tests::helper_$1" --ignored --nocapture; }}
case "$2" in
connect) helper connect ;;
run)
  mkdir -p "$FLEET_TEST_DIR"/run
  (helper run) </dev/null >"$FLEET_TEST_DIR"/run/agent.log 2>&1 &
  while [ ! -S "$FLEET_TEST_DIR"/run/agent.sock ]; do sleep 0.05; done ;;
esac
exit 0
"#,
        own.display()
    );
    fs::write(&path, [text.as_bytes(), padding].concat()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    super::Binary::read(&path).unwrap()
}
