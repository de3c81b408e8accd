//! This room against a real sshd.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;

use super::host::Session;
use super::packing::Packing;
use super::presence::Site;
use super::testing::{Sshd, deadlines, keygen, layout, program, program_with, settings, ssh_host};
use super::*;
use crate::api::agent::{API_VERSION, AgentStatus};
use crate::api::paths::ClusterDir;
use crate::layout::{HostKeyChecking, Reach, Ssh};

/// Logs in and runs a command.
pub(super) async fn try_login(ssh: Ssh, settings: Settings) -> Result<(), ReachError> {
    let base = tempfile::tempdir().unwrap();
    let host = ssh_host(ssh, base.path(), settings);
    let session = host.connect(deadlines(), Instant::now()).await?;
    let output = session.run("echo in", Duration::from_secs(20)).await.expect("a shell answers");
    assert_eq!(output.stdout, b"in\n");
    Ok(())
}

fn answering(passphrase: &str) -> Settings {
    let passphrase = passphrase.to_owned();
    Settings { prompt: Some(Prompt::new(move |_| Some(passphrase.clone()))), ..settings() }
}

#[tokio::test]
async fn keys_of_the_usual_types_log_in() {
    let sshd = Sshd::start("");
    let cases: [(&str, &[&str]); 4] = [
        ("ed25519", &["-t", "ed25519", "-N", ""]),
        ("rsa", &["-t", "rsa", "-b", "3072", "-N", ""]),
        ("ecdsa", &["-t", "ecdsa", "-N", ""]),
        ("rsa_pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]),
    ];
    for (name, arguments) in cases {
        let key = sshd.user_key(name, arguments);
        let login = try_login(Ssh { identity_files: vec![key], ..sshd.ssh() }, settings()).await;
        assert_eq!(login, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn an_encrypted_key_needs_its_passphrase_and_says_so() {
    let sshd = Sshd::start("");
    let cases: [(&str, &[&str]); 2] = [
        ("ed25519_locked", &["-t", "ed25519", "-N", "secret"]),
        ("rsa_locked", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret"]),
    ];
    for (name, arguments) in cases {
        let key = sshd.user_key(name, arguments);
        let with = |settings| try_login(Ssh { identity_files: vec![key.clone()], ..sshd.ssh() }, settings);
        assert_eq!(with(answering("secret")).await, Ok(()), "{name}");
        let wrong = with(answering("wrong")).await.unwrap_err();
        assert_eq!((wrong.step, wrong.kind), (Step::Auth, ReachKind::Failed));
        assert!(wrong.what.contains(&format!("wrong passphrase for {}", key.display())), "{}", wrong.what);
        let nobody = with(settings()).await.unwrap_err();
        assert!(nobody.what.contains("needs a passphrase and there is nobody to ask"), "{}", nobody.what);
    }
}

#[tokio::test]
async fn a_key_that_is_not_let_in_fails_with_what_was_tried() {
    let sshd = Sshd::start("");
    let stranger = sshd.path("stranger");
    keygen(&stranger, &["-t", "ed25519", "-N", ""]);
    let ssh = Ssh { identity_files: vec![stranger.clone(), "/nonexistent/key".into()], ..sshd.ssh() };
    let error = try_login(ssh, settings()).await.unwrap_err();
    assert_eq!((error.step, error.kind), (Step::Auth, ReachKind::Failed));
    assert!(error.what.contains(stranger.to_str().unwrap()), "{}", error.what);
    assert!(error.what.contains("/nonexistent/key: No such file"), "{}", error.what);
    assert!(error.hint.unwrap().contains(&format!("ssh-copy-id -p {} root@127.0.0.1", sshd.port)));
}

#[tokio::test]
async fn every_key_of_the_agent_is_tried() {
    let sshd = Sshd::start("");
    let socket = sshd.path("agent");
    let mut agent = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for name in ["first", "second"] {
        keygen(&sshd.path(name), &["-t", "ed25519", "-N", ""]);
    }
    for key in ["first", "second", "user"] {
        let added =
            Command::new("ssh-add").arg("-q").arg(sshd.path(key)).env("SSH_AUTH_SOCK", &socket).status().unwrap();
        assert!(added.success());
    }
    let settings = Settings { ssh_agent: Some(socket), ..settings() };
    let login = try_login(Ssh { identity_files: Vec::new(), ..sshd.ssh() }, settings).await;
    let _ = agent.kill();
    let _ = agent.wait();
    assert_eq!(login, Ok(()));
}

#[tokio::test]
async fn a_host_that_says_nothing_ends_at_its_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let ssh = Ssh {
        port: Some(silent.local_addr().unwrap().port()),
        connect_timeout: Some(Duration::from_millis(700)),
        identity_files: Vec::new(),
        known_hosts_files: vec!["/nonexistent".into()],
        ..Sshd::start("").ssh()
    };
    let from = Instant::now();
    let error = try_login(ssh, settings()).await.unwrap_err();
    assert_eq!((error.step, error.kind), (Step::Banner, ReachKind::TimedOut), "{error}");
    assert!(from.elapsed() < Duration::from_secs(3), "{:?}", from.elapsed());
}

#[tokio::test]
async fn a_refused_port_and_an_unknown_name_are_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ssh = Ssh { port: Some(free), ..Sshd::start("").ssh() };
    let error = try_login(ssh, settings()).await.unwrap_err();
    assert_eq!((error.step, error.kind), (Step::Connect, ReachKind::Unreachable));
    assert!(
        error.to_string().starts_with(&format!("sensor-1 (127.0.0.1:{free}): refused the connection (connect, ")),
        "{error}"
    );
}

/// One row: what OpenSSH says, what we say.
struct Row {
    name: &'static str,
    text: String,
    openssh: bool,
    ours: Result<(), &'static str>,
}

#[tokio::test]
async fn known_hosts_are_judged_as_openssh_judges_them() {
    let sshd = Sshd::with_host_keys(&["ed25519", "ecdsa"], "");
    let (ed, ecdsa, name) = (sshd.host_key("ed25519"), sshd.host_key("ecdsa"), sshd.name());
    keygen(&sshd.path("host_rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    keygen(&sshd.path("host_other"), &["-t", "ed25519", "-N", ""]);
    let (rsa, other) = (sshd.host_key("rsa"), sshd.host_key("other"));
    let good = format!("{name} {ed}\n");
    let hashed = {
        let file = sshd.path("hashed");
        fs::write(&file, &good).unwrap();
        assert!(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file).status().unwrap().success());
        fs::read_to_string(&file).unwrap()
    };
    assert!(hashed.starts_with("|1|"));
    let row = |name, text: String, openssh, ours| Row { name, text, openssh, ours };
    let changed = Err("host key changed");
    let unknown = Err("is not known");
    let rows = [
        row("its key", good.clone(), true, Ok(())),
        row("only its other key", format!("{name} {ecdsa}\n"), true, Ok(())),
        row("hashed", hashed.clone(), true, Ok(())),
        row("a list", format!("a.example,{name},b {ed}\n"), true, Ok(())),
        row("without the port", format!("127.0.0.1 {ed}\n"), true, Ok(())),
        row("another key without the port", format!("127.0.0.1 {other}\n"), false, unknown),
        row("a pattern", format!("[127.0.0.*]:{} {ed}\n", sshd.port), true, Ok(())),
        row("everything but", format!("*,!x {ed}\n"), true, Ok(())),
        row("negated with the port", format!("*,!{name} {ed}\n"), true, Ok(())),
        row("negated", format!("*,!{name},!127.0.0.1 {ed}\n"), false, unknown),
        row("two of a type", format!("{name} {other}\n{good}"), true, Ok(())),
        row("two of a type, the other way", format!("{good}{name} {other}\n"), true, Ok(())),
        row("an unknown type in front", format!("{name} ssh-future AAAA\n{good}"), true, Ok(())),
        row("a malformed line in front", format!("{name} ssh-ed25519\n{good}"), true, Ok(())),
        row("a key cut short in front", format!("{name} {}\n{good}", &ed[..ed.len() - 9]), true, Ok(())),
        row("an indented comment, CRLF", format!("   # c\r\n{name} {ed}\r\n"), true, Ok(())),
        row("revoked beside a plain line", format!("{good}@revoked * {ed}\n"), false, Err("is revoked by")),
        row("another one revoked", format!("{good}@revoked * {other}\n"), true, Ok(())),
        row("another key", format!("{name} {other}\n"), false, changed),
        row("another type alone", format!("{name} {rsa}\n"), false, changed),
        row("nothing", String::new(), false, unknown),
        row("all of its types", format!("{name} {ecdsa}\n{good}"), true, Ok(())),
        row("revoked before a plain line", format!("@revoked * {ed}\n{good}"), false, Err("is revoked by")),
        row("revoked by its name", format!("{good}@revoked {name} {ed}\n"), false, Err("is revoked by")),
        row("revoked, hashed", format!("{good}@revoked {hashed}"), false, Err("is revoked by")),
        row("revoked elsewhere", format!("{good}@revoked other {ed}\n"), true, Ok(())),
        row("revoked alone", format!("@revoked * {ed}\n"), false, Err("is revoked by")),
        row("an unknown marker in front", format!("@future {name} {other}\n{good}"), true, Ok(())),
        row("an unknown marker alone", format!("@future {name} {ed}\n"), false, unknown),
        row(
            "tabs, a comment, empty lines",
            format!("\n\n{name}\t{}\tof the lab\n", ed.replace(' ', "\t")),
            true,
            Ok(()),
        ),
        row("a question mark", format!("[127.0.0.?]:{} {ed}\n", sshd.port), true, Ok(())),
        row("a negation alone", format!("!other {ed}\n"), false, unknown),
        row("a pattern with another key", format!("[127.0.0.*]:{} {other}\n", sshd.port), false, changed),
        row("a hash of another name", format!("|1|c2FsdA==|c2FsdA== {ed}\n"), false, unknown),
        row("its other key without the port", format!("127.0.0.1 {ecdsa}\n"), false, unknown),
        row("a name beside one of 1022 characters", format!("{name},{} {ed}\n", "x".repeat(1022)), true, Ok(())),
        row("a name beside one of 1023 characters", format!("{name},{} {ed}\n", "x".repeat(1023)), false, unknown),
        row("a revocation with a tab", format!("{good}@revoked\t* {ed}\n"), true, Err("is revoked by")),
        row("a type that its key has not", format!("{name} ssh-rsa {}\n", &ed["ssh-ed25519 ".len()..]), false, unknown),
    ];
    for row in rows {
        check_row(&sshd, row).await;
    }
}

#[tokio::test]
async fn host_certificates_do_not_disturb_plain_keys() {
    let sshd = Sshd::start("HostCertificate DIR/host_ed25519-cert.pub\n");
    keygen(&sshd.path("host_ca"), &["-t", "ed25519", "-N", ""]);
    let sign = |sshd: &Sshd| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-h", "-I", "host", "-n", "127.0.0.1", "-s"]).arg(sshd.path("host_ca"));
        assert!(command.arg(sshd.path("host_ed25519.pub")).status().unwrap().success());
    };
    sign(&sshd);
    let plain = format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"));
    check_row(&sshd, Row { name: "plain", text: plain, openssh: true, ours: Ok(()) }).await;
    let authority = format!("@cert-authority * {}\n", sshd.host_key("ca"));
    let ours = Err("is a certificate authority, which the builtin client does not ask");
    // The one row where we differ from OpenSSH, to the safe side.
    check_row(&sshd, Row { name: "authority", text: authority, openssh: true, ours }).await;
}

async fn check_row(sshd: &Sshd, row: Row) {
    let known = sshd.path("row");
    fs::write(&known, &row.text).unwrap();
    let mut openssh = Command::new("ssh");
    openssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-o",
        "KexAlgorithms=curve25519-sha256",
    ]);
    openssh.args(["-o", &format!("UserKnownHostsFile={}", known.display()), "-i"]).arg(sshd.path("user"));
    openssh.args(["-p", &sshd.port.to_string(), "root@127.0.0.1", "true"]).stderr(Stdio::null());
    assert_eq!(openssh.status().unwrap().success(), row.openssh, "OpenSSH: {}", row.name);
    let login = try_login(Ssh { known_hosts_files: vec![known.clone()], ..sshd.ssh() }, settings()).await;
    match (login, row.ours) {
        (Ok(()), Ok(())) => {}
        (Err(error), Err(part)) => {
            assert_eq!((error.step, error.kind), (Step::HostKey, ReachKind::Failed), "{}: {error}", row.name);
            assert!(error.what.contains(part), "{}: {error}", row.name);
            let hint = error.hint.unwrap();
            let commands = ["ssh-keygen -f ", "ssh -o UserKnownHostsFile=", "do not log in", "--ssh system"];
            assert!(commands.iter().any(|command| hint.contains(command)), "{}: {hint}", row.name);
        }
        (login, _) => panic!("{}: {login:?}", row.name),
    }
    assert_eq!(fs::read_to_string(&known).unwrap(), row.text, "strict checking writes nothing");
}

#[tokio::test]
async fn accept_new_writes_the_key_once_and_refuses_another() {
    let sshd = Sshd::start("");
    let known = sshd.path("new/known_hosts");
    let ssh =
        || Ssh { known_hosts_files: vec![known.clone()], host_key_checking: HostKeyChecking::AcceptNew, ..sshd.ssh() };
    for _ in 0..2 {
        assert_eq!(try_login(ssh(), settings()).await, Ok(()));
        let line = format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"));
        assert_eq!(fs::read_to_string(&known).unwrap(), line);
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&known), mode(known.parent().unwrap())), (0o600, 0o700));
    keygen(&sshd.path("host_other"), &["-t", "ed25519", "-N", ""]);
    fs::write(&known, format!("{} {}", sshd.name(), sshd.host_key("other"))).unwrap();
    assert!(try_login(ssh(), settings()).await.unwrap_err().what.contains("host key changed"));
}

#[tokio::test]
async fn the_command_of_a_changed_key_mends_it() {
    let sshd = Sshd::start("");
    keygen(&sshd.path("host_other"), &["-t", "ed25519", "-N", ""]);
    let known = sshd.path("it's known");
    let other = "a.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5\n";
    fs::write(&known, format!("{} {}\n{other}", sshd.name(), sshd.host_key("other"))).unwrap();
    let login = || try_login(Ssh { known_hosts_files: vec![known.clone()], ..sshd.ssh() }, settings());
    let hint = login().await.unwrap_err().hint.unwrap();
    let (_, command) = hint.split_once(": ").unwrap();
    assert!(
        Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(fs::read_to_string(&known).unwrap(), other);
    assert!(login().await.unwrap_err().what.contains("is not known"));
}

/// A relay to a server that closes the first connections at once, and counts all of them.
fn relay(to: u16, refuse: usize) -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            if counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < refuse {
                // What sshd says above MaxStartups.
                let _ = std::io::Write::write_all(&mut &near, b"Exceeded MaxStartups\r\n");
                continue;
            }
            let far = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
            for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (port, count)
}

#[tokio::test]
async fn a_refused_banner_is_tried_again_and_a_refused_login_is_not() {
    let sshd = Sshd::start("");
    let through = |port| {
        let known = sshd.path(&format!("known_{port}"));
        fs::write(&known, format!("[127.0.0.1]:{port} {}\n", sshd.host_key("ed25519"))).unwrap();
        Ssh { port: Some(port), known_hosts_files: vec![known], ..sshd.ssh() }
    };
    let seen = |count: Arc<std::sync::atomic::AtomicUsize>| count.load(std::sync::atomic::Ordering::SeqCst);
    let (port, count) = relay(sshd.port, 2);
    assert_eq!(try_login(through(port), settings()).await, Ok(()));
    assert_eq!(seen(count), 3);
    let (port, count) = relay(sshd.port, 0);
    let stranger = sshd.path("stranger");
    keygen(&stranger, &["-t", "ed25519", "-N", ""]);
    let refused = try_login(Ssh { identity_files: vec![stranger], ..through(port) }, settings()).await.unwrap_err();
    assert_eq!((refused.step, seen(count)), (Step::Auth, 1));
    let (port, count) = relay(sshd.port, 0);
    fs::write(sshd.path("none"), "").unwrap();
    let unknown = Ssh { known_hosts_files: vec![sshd.path("none")], ..through(port) };
    assert_eq!((try_login(unknown, settings()).await.unwrap_err().step, seen(count)), (Step::HostKey, 1));
    let (port, count) = relay(sshd.port, usize::MAX);
    let never = try_login(through(port), settings()).await.unwrap_err();
    assert_eq!((never.step, never.kind, seen(count)), (Step::Banner, ReachKind::Unreachable, 6));
}

#[tokio::test]
async fn many_logins_at_once_stay_below_the_limit_of_sshd() {
    let sshd = Sshd::start("");
    let logins = join_all((0..24).map(|_| try_login(sshd.ssh(), settings()))).await;
    for login in logins {
        assert_eq!(login, Ok(()));
    }
}

/// A host of that configured name, of which the layout says nothing more.
pub(super) async fn login_by_name(name: &str, settings: Settings) -> Result<(), ReachError> {
    let nothing = Ssh {
        user: None,
        port: None,
        identity_files: Vec::new(),
        known_hosts_files: Vec::new(),
        jump: Vec::new(),
        host_key_checking: HostKeyChecking::Strict,
        connect_timeout: None,
        client: None,
    };
    let base = tempfile::tempdir().unwrap();
    let mut layout = layout(Reach::Ssh(nothing.clone()), base.path());
    layout.hosts[0].address = name.to_owned();
    let host = super::ssh::SshHost::new(&layout, &layout.hosts[0], &nothing, &Arc::new(settings));
    let session = host.connect(deadlines(), Instant::now()).await?;
    assert!(session.run("exit 0", Duration::from_secs(20)).await.unwrap().success());
    Ok(())
}

#[tokio::test]
async fn ssh_config_leads_through_two_jump_hosts_each_with_its_own_key_check() {
    let (first, second, inner) = (Sshd::start(""), Sshd::start(""), Sshd::start(""));
    for gate in [&first, &second] {
        fs::copy(inner.path("user.pub"), gate.path("authorized_keys")).unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    let known = home.path().join("known");
    fs::write(
        home.path().join("jumps"),
        format!(
            "Host gate-1\n  HostName 127.0.0.1\n  Port {}\nHost gate-2\n  HostName 127.0.0.1\n  Port {}\n",
            first.port, second.port
        ),
    )
    .unwrap();
    let config = format!(
        "Include {}\nHost lab-*\n  HostName 127.0.0.1\n  Port {}\n  ProxyJump gate-1,gate-2\nHost *\n  User root\n  \
         IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  ConnectTimeout 20\n",
        home.path().join("jumps").display(),
        inner.port,
        inner.path("user").display(),
        known.display(),
    );
    fs::write(home.path().join(".ssh/config"), config).unwrap();
    let settings = Settings { ssh_config: true, home: home.path().to_owned(), ..settings() };
    let line = |sshd: &Sshd| format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"));
    let all = [line(&first), line(&second), line(&inner)];
    fs::write(&known, all.concat()).unwrap();
    assert_eq!(login_by_name("lab-7", settings.clone()).await, Ok(()));
    assert_eq!([first.logins(), second.logins(), inner.logins()], [1, 1, 1]);

    // Without one of the keys the way ends there.
    for (index, sshd) in [&first, &second, &inner].into_iter().enumerate() {
        let others = all.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, line)| line.as_str());
        fs::write(&known, others.collect::<String>()).unwrap();
        let error =
            login_by_name("lab-7", Settings { bastions: Default::default(), ..settings.clone() }).await.unwrap_err();
        assert_eq!((error.step, error.port), (Step::HostKey, sshd.port), "{error}");
        assert_eq!(error.what.starts_with("jump host: "), index < 2, "{error}");
    }
    // The wrong key on the inner hop.
    let wrong = format!("{} {}\n", second.name(), first.host_key("ed25519"));
    fs::write(&known, [line(&first), wrong, line(&inner)].concat()).unwrap();
    let error = login_by_name("lab-7", Settings { bastions: Default::default(), ..settings }).await.unwrap_err();
    assert!(error.what.starts_with("jump host: host key changed"), "{error}");
    assert_eq!((error.port, inner.logins()), (second.port, 1));
}

#[tokio::test]
async fn one_connection_to_a_jump_host_carries_a_hundred_jumps() {
    let (gate, inner) = (Sshd::start(""), Sshd::start(""));
    fs::copy(inner.path("user.pub"), gate.path("authorized_keys")).unwrap();
    let known = inner.path("both");
    let line = |sshd: &Sshd| format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"));
    fs::write(&known, line(&gate) + &line(&inner)).unwrap();
    let ssh =
        Ssh { jump: vec![format!("root@127.0.0.1:{}", gate.port)], known_hosts_files: vec![known], ..inner.ssh() };
    let settings = settings();
    let logins = join_all((0..100).map(|_| try_login(ssh.clone(), settings.clone()))).await;
    let failed: Vec<_> = logins.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed, []);
    assert_eq!((gate.logins(), inner.logins()), (1, 100));
}

/// A port whose packets nobody answers: its queue is full.
fn swallowing() -> (std::os::fd::OwnedFd, Vec<std::net::TcpStream>, u16) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    listen(&listener, 0).unwrap();
    let address = std::net::SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    let mut filling = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        filling.push(stream);
    }
    (listener, filling, address.port())
}

#[tokio::test]
async fn behind_a_jump_host_a_dead_host_costs_only_itself() {
    let (gate, inner) = (Sshd::start(""), Sshd::start(""));
    let (_listener, _filling, dead_port) = swallowing();
    fs::copy(inner.path("user.pub"), gate.path("authorized_keys")).unwrap();
    let known = inner.path("both");
    let line = |sshd: &Sshd| format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"));
    fs::write(&known, line(&gate) + &line(&inner)).unwrap();
    let ssh =
        Ssh { jump: vec![format!("root@127.0.0.1:{}", gate.port)], known_hosts_files: vec![known], ..inner.ssh() };
    let dead = Ssh { port: Some(dead_port), connect_timeout: Some(Duration::from_secs(4)), ..ssh.clone() };
    let settings = settings();
    let (silent, living) = tokio::join!(
        try_login(dead, settings.clone()),
        join_all((0..6).map(|_| try_login(ssh.clone(), settings.clone())))
    );
    assert!(living.iter().all(Result::is_ok), "{living:?}");
    let error = silent.unwrap_err();
    assert_eq!((error.step, error.kind, error.port), (Step::Connect, ReachKind::TimedOut, dead_port), "{error}");
    assert!(gate.logins() <= 2, "{}", gate.logins());
}

#[tokio::test]
async fn many_hosts_ask_once_for_the_passphrase_of_a_key() {
    let sshd = Sshd::start("");
    let key = sshd.user_key("locked", &["-t", "ed25519", "-N", "secret"]);
    let (sender, asked) = std::sync::mpsc::channel();
    let prompt = Prompt::new(move |question| {
        sender.send(question.text.to_owned()).unwrap();
        Some("secret".to_owned())
    });
    let settings = Settings { prompt: Some(prompt), ..settings() };
    let ssh = Ssh { identity_files: vec![key.clone()], ..sshd.ssh() };
    for login in join_all((0..8).map(|_| try_login(ssh.clone(), settings.clone()))).await {
        assert_eq!(login, Ok(()));
    }
    drop(settings);
    assert_eq!(asked.iter().collect::<Vec<_>>(), [format!("passphrase of {}: ", key.display())]);
}

#[tokio::test]
async fn passwords_are_typed_or_not_used() {
    for method in ["PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"] {
        let Some(sshd) = Sshd::with_password(method) else { return }; // Needs the right to mount.
        let typed = |answer: &str| try_login(sshd.ssh(), answering(answer));
        assert_eq!(typed("secret").await, Ok(()), "{method}");
        let wrong = typed("wrong").await.unwrap_err();
        assert_eq!((wrong.step, wrong.kind), (Step::Auth, ReachKind::Failed));
        assert!(wrong.what.contains("a password (the server takes password"), "{wrong}");
        let nobody = try_login(sshd.ssh(), settings()).await.unwrap_err();
        assert!(
            nobody.what.contains("login as root refused: the server asks for password, and there is no terminal"),
            "{nobody}"
        );
        assert!(!format!("{wrong:?}{:?}", answering("secret")).contains("secret"));
    }
}

#[tokio::test]
async fn a_beginning_that_is_not_the_programs_is_sent_anew_whatever_the_host_unpacks() {
    let hosts = [(&[][..], Some(Packing::Zstd)), (&["zstd"], Some(Packing::Gzip)), (&["zstd", "gzip"], None)];
    for (missing, packing) in hosts {
        let sshd = Sshd::without(missing);
        check_beginnings(&sshd, packing, settings()).await;
    }
}

#[tokio::test]
async fn where_unpacking_fails_the_program_is_brought_as_it_is() {
    let (sshd, base) = (Sshd::without(&["zstd"]), Folder::new());
    let broken = sshd.path("bin/zstd");
    fs::write(&broken, "#!/bin/sh\necho 'no such library' >&2\nexit 127\n").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program(sshd.path("").as_path(), 1 << 20);
    let session = open(sshd.ssh(), base.path(), &program).await.unwrap();
    assert_eq!(session.agent().status().await.unwrap().binary, program.hash);
    let bin = base.dir().binary(&program.hash).parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(bin).unwrap().count(), 1, "no temporary file is left");
}

/// Brings a program to a host where an earlier upload left something.
pub(super) async fn check_beginnings(sshd: &Sshd, packing: Option<Packing>, settings: Settings) {
    let base = Folder::new();
    let program = program(sshd.path("").as_path(), 3 << 20);
    let installed = base.dir().binary(&program.hash);
    let bin = installed.parent().unwrap();
    fs::create_dir_all(bin).unwrap();
    let content = match packing {
        Some(packing) => fs::read(program.packed(packing).await.unwrap().path()).unwrap(),
        None => fs::read(&program.path).unwrap(),
    };
    let partial = bin.join(upload::partial(&program.hash, packing));
    assert!(content.len() > 3 << 20);
    // What a cut connection leaves, what a power cut leaves, more than the whole, and the rest of another program.
    let beginnings = [content[..2 << 20].to_vec(), vec![0; 2 << 20], vec![b'x'; content.len() + 1], content.clone()];
    let host = ssh_host(sshd.ssh(), base.path(), settings);
    for (index, beginning) in beginnings.into_iter().enumerate() {
        fs::write(&partial, beginning).unwrap();
        fs::write(bin.join(".upload-of-another"), "").unwrap();
        let session = host.open(Presence::Installed(program.clone()), deadlines()).await.unwrap();
        assert_eq!(session.agent().status().await.unwrap().binary, program.hash, "{packing:?} {index}");
        assert_eq!(super::host::hash_of(&installed).unwrap(), program.hash);
        assert_eq!(fs::read_dir(bin).unwrap().count(), 1, "no temporary file is left");
        session.agent().exit().await.unwrap();
        fs::remove_file(&installed).unwrap();
    }
}

#[tokio::test]
async fn a_jump_host_is_passed_with_its_own_key_check() {
    let (gate, inner) = (Sshd::start(""), Sshd::start(""));
    fs::copy(inner.path("user.pub"), gate.path("authorized_keys")).unwrap();
    let known = inner.path("both");
    let line = |sshd: &Sshd| format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"));
    let ssh = || Ssh {
        jump: vec![format!("root@127.0.0.1:{}", gate.port)],
        known_hosts_files: vec![known.clone()],
        ..inner.ssh()
    };
    fs::write(&known, line(&gate) + &line(&inner)).unwrap();
    assert_eq!(try_login(ssh(), settings()).await, Ok(()));
    fs::write(&known, line(&inner)).unwrap();
    let outer = try_login(ssh(), settings()).await.unwrap_err();
    assert!(outer.what.starts_with("jump host: host key of"), "{outer}");
    assert_eq!(outer.port, gate.port);
    fs::write(&known, line(&gate)).unwrap();
    let error = try_login(ssh(), settings()).await.unwrap_err();
    assert!(error.what.starts_with("host key of"), "{error}");
    assert_eq!(error.port, inner.port);
}

/// Opens a host with a program installed on first contact.
async fn open(ssh: Ssh, base: &Path, program: &Binary) -> Result<Session, ReachError> {
    ssh_host(ssh, base, settings()).open(Presence::Installed(program.clone()), deadlines()).await
}

/// Ends the helper agent of a folder when it goes.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn dir(&self) -> ClusterDir {
        ClusterDir::new(self.path().join("campus"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.dir().path().join("run/pid")) {
            let _ = Command::new("kill").arg(pid).status();
        }
    }
}

#[tokio::test]
async fn first_contact_installs_starts_and_talks_and_the_second_changes_nothing() {
    let (sshd, base) = (Sshd::start(""), Folder::new());
    let program = program(sshd.path("").as_path(), 10 << 20);
    let host = ssh_host(sshd.ssh(), base.path(), settings());
    let nothing = host.open(Presence::Running, deadlines()).await.err().unwrap();
    assert!(nothing.what.starts_with("nothing is installed in"), "{nothing}");
    let nothing = host.open(Presence::Started, deadlines()).await.err().unwrap();
    assert!(nothing.what.starts_with("nothing is installed in"), "{nothing}");
    assert!(!base.dir().path().exists());

    let session = open(sshd.ssh(), base.path(), &program).await.unwrap();
    let first = session.agent().status().await.unwrap();
    assert_eq!(first.binary, program.hash);
    let installed = base.dir().binary(&program.hash);
    assert_eq!(super::host::hash_of(&installed).unwrap(), program.hash);
    assert_eq!(fs::read_dir(installed.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    let mode = fs::metadata(base.dir().path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    for presence in [Presence::Running, Presence::Started, Presence::Installed(program.clone())] {
        let again = host.open(presence, deadlines()).await.unwrap();
        assert_eq!(again.agent().status().await.unwrap().pid, first.pid);
    }
    let argv = ["sh".to_owned(), "-c".into(), "echo out; echo err >&2; exit 3".into()];
    let output = session.exec(&argv, Duration::from_secs(20)).await.unwrap();
    assert_eq!(
        (output.status, output.stdout.as_slice(), output.stderr.as_slice()),
        (Some(3), &b"out\n"[..], &b"err\n"[..])
    );
}

#[tokio::test]
async fn a_login_that_was_begun_early_is_used_once_unless_it_has_ended() {
    let (sshd, base) = (Sshd::start(""), Folder::new());
    let program = program(sshd.path("").as_path(), 0);
    let (settings, layout) = (settings(), layout(Reach::Ssh(sshd.ssh()), base.path()));
    let host = hosts(&layout, &settings).remove(0);
    log_in_early(&layout, &settings, &["sensor-1"]);
    log_in_early(&layout, &settings, &["sensor-1", "sensor-2"]);
    let first = host.open(Presence::Installed(program.clone()), deadlines()).await.unwrap();
    assert_eq!((first.agent().status().await.unwrap().binary, sshd.sessions().len()), (program.hash.clone(), 1));
    assert!(settings.early.take("sensor-1").await.is_none());
    drop(first);

    log_in_early(&layout, &settings, &["sensor-1"]);
    let early = settings.early.take("sensor-1").await.unwrap().unwrap();
    for pid in sshd.sessions() {
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    }
    while !early.is_over() {
        tokio::task::yield_now().await;
    }
    settings.early.begin("sensor-1", async { Ok(early) });
    let again = host.open(Presence::Running, deadlines()).await.unwrap();
    assert_eq!(again.agent().status().await.unwrap().binary, program.hash);
}

#[tokio::test]
async fn an_agent_of_another_program_is_replaced() {
    let (sshd, base) = (Sshd::start(""), Folder::new());
    let old = program(sshd.path("").as_path(), 1);
    let before = open(sshd.ssh(), base.path(), &old).await.unwrap().agent().status().await.unwrap();
    let new = program(sshd.path("").as_path(), 2);
    let after = open(sshd.ssh(), base.path(), &new).await.unwrap().agent().status().await.unwrap();
    assert_eq!((before.binary, after.binary), (old.hash, new.hash));
    assert_ne!(before.pid, after.pid);
}

#[tokio::test]
async fn where_the_server_forwards_no_sockets_the_program_connects() {
    let (sshd, base) = (Sshd::start("AllowStreamLocalForwarding no\nSetEnv BASH_ENV=DIR/noise\n"), Folder::new());
    fs::write(sshd.path("noise"), "echo welcome to this host\necho again >&2\n").unwrap();
    let program = program(sshd.path("").as_path(), 0);
    let session = open(sshd.ssh(), base.path(), &program).await.unwrap();
    let (one, two) = tokio::join!(session.agent().status(), session.agent().status());
    assert_eq!(one.unwrap().binary, program.hash);
    assert_eq!(two.unwrap().binary, program.hash);
    let running = ssh_host(sshd.ssh(), base.path(), settings());
    let running = running.open(Presence::Running, deadlines()).await.unwrap();
    assert_eq!(running.agent().status().await.unwrap().binary, program.hash);
}

#[tokio::test]
async fn noisy_start_up_files_do_not_disturb_commands() {
    let sshd = Sshd::start("SetEnv BASH_ENV=DIR/noise\n");
    fs::write(sshd.path("noise"), "seq 1 200\necho oops >&2\n").unwrap();
    let base = Folder::new();
    let program = program(sshd.path("").as_path(), 0);
    let session = open(sshd.ssh(), base.path(), &program).await.unwrap();
    let argv = ["printf".to_owned(), "%s".into(), "it's \"fine\"\n$HOME".into()];
    let output = session.exec(&argv, Duration::from_secs(20)).await.unwrap();
    assert_eq!((output.stdout, output.stderr), (b"it's \"fine\"\n$HOME".to_vec(), Vec::new()));
}

#[tokio::test]
async fn long_output_on_both_streams_is_read_to_its_end_and_cut() {
    let sshd = Sshd::start("");
    let base = tempfile::tempdir().unwrap();
    let session = ssh_host(sshd.ssh(), base.path(), settings()).connect(deadlines(), Instant::now()).await.unwrap();
    let script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; exit 7";
    let output = session.run(script, Duration::from_secs(60)).await.unwrap();
    assert_eq!(output.status, Some(7));
    assert!(output.truncated);
    assert!(output.stdout.len() > ExecOutput::LIMIT - 100 && output.stderr.len() > ExecOutput::LIMIT - 100);
    let killed = session.run("kill -9 $$", Duration::from_secs(20)).await.unwrap();
    assert_eq!((killed.status, killed.signal.as_deref()), (None, Some("KILL")));
    let from = Instant::now();
    let late = session.run("sleep 60", Duration::from_millis(300)).await.unwrap_err();
    assert_eq!((late.step, late.kind), (Step::Channel, ReachKind::TimedOut));
    assert!(from.elapsed() < Duration::from_secs(5));
    // The session is of use all the same.
    assert!(session.run("exit 0", Duration::from_secs(20)).await.unwrap().success());
}

/// A server on a Unix socket that sends back what it gets.
async fn echo_server(socket: PathBuf) {
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_streams_go_through_one_tunnel_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (sshd, base) = (Sshd::start(""), tempfile::tempdir().unwrap());
    let dir = ClusterDir::new(base.path().join("campus"));
    fs::create_dir_all(dir.agent_socket().parent().unwrap()).unwrap();
    let server = tokio::spawn(echo_server(dir.agent_socket()));
    tokio::task::yield_now().await;
    while !dir.agent_socket().exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let session = ssh_host(sshd.ssh(), base.path(), settings()).connect(deadlines(), Instant::now()).await.unwrap();
    let way = session.way(&dir, None).await.unwrap();
    let one = |seed: u8| {
        let way = way.clone();
        async move {
            let sent: Vec<u8> = (0..2_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed).collect();
            let (mut read, mut write) = tokio::net::UnixStream::connect(&way).await.unwrap().into_split();
            let copy = sent.clone();
            let sending = tokio::spawn(async move {
                write.write_all(&copy).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut received = Vec::new();
            read.read_to_end(&mut received).await.unwrap();
            sending.await.unwrap();
            assert!(received == sent, "stream {seed} came back with {} of {} bytes", received.len(), sent.len());
        }
    };
    let busy = async { session.run("echo between", Duration::from_secs(30)).await.unwrap().stdout };
    let (_, between) = tokio::join!(join_all((0..8).map(one)), busy);
    assert_eq!(between, b"between\n");
    server.abort();
}

/// What comes for one stream while another is read must not lie there until the next packet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_answers_on_many_streams_come_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (sshd, base) = (Sshd::start(""), tempfile::tempdir().unwrap());
    let dir = ClusterDir::new(base.path().join("campus"));
    fs::create_dir_all(dir.agent_socket().parent().unwrap()).unwrap();
    let server = tokio::spawn(echo_server(dir.agent_socket()));
    while !dir.agent_socket().exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let session = ssh_host(sshd.ssh(), base.path(), settings()).connect(deadlines(), Instant::now()).await.unwrap();
    let way = session.way(&dir, None).await.unwrap();
    let one = |index: usize| {
        let way = way.clone();
        async move {
            let mut stream = tokio::net::UnixStream::connect(&way).await.unwrap();
            stream.write_all(&[7; 3000]).await.unwrap();
            stream.read_exact(&mut [0; 3000]).await.unwrap();
            (index, stream)
        }
    };
    // They stay open until all have their answers: nothing else comes that would bring to light what lies there.
    for burst in 0..30 {
        let all = futures_util::stream::iter((0..14).map(one)).buffer_unordered(8).collect::<Vec<_>>();
        let all = tokio::time::timeout(Duration::from_secs(5), all).await;
        assert_eq!(all.map(|all| all.len()).ok(), Some(14), "an answer of burst {burst} lies there");
    }
    server.abort();
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_is_an_error_and_no_hang() {
    check_server_that_dies(settings()).await;
}

pub(super) async fn check_server_that_dies(settings: Settings) {
    let (sshd, base) = (Sshd::start(""), Folder::new());
    let program = program(sshd.path("").as_path(), 0);
    let host = ssh_host(sshd.ssh(), base.path(), settings);
    let session = host.open(Presence::Installed(program), deadlines()).await.unwrap();
    session.agent().status().await.unwrap();
    let argv = ["sleep".to_owned(), "60".into()];
    let command = session.exec(&argv, Duration::from_secs(50));
    let kill = async {
        for pid in sshd.sessions() {
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        }
    };
    let from = Instant::now();
    let (ended, ()) = tokio::join!(command, kill);
    let ended = ended.unwrap_err();
    assert!(ended.step == Step::Channel && ended.what.starts_with("the SSH session broke: "), "{ended}");
    assert!(session.agent().status().await.is_err());
    assert!(from.elapsed() < Duration::from_secs(20), "{:?}", from.elapsed());
    assert!(session.broken().unwrap().what.contains("the SSH session broke"), "{:?}", session.broken());
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_behind() {
    let sshd = Sshd::start("");
    // What travels finds no room; what is unpacked finds none.
    check_full_disk(&sshd, &program(sshd.path("").as_path(), 4 << 20), settings()).await;
    let said = check_full_disk(&sshd, &program_with(sshd.path("").as_path(), &[b'#'; 4 << 20]), settings()).await;
    assert!(said.is_none_or(|said| said.contains("writing it failed there") && said.contains("No space left")));
}

/// Brings a program to a disk of 1 MiB, and returns what was said; none where one may not mount.
pub(super) async fn check_full_disk(sshd: &Sshd, program: &Binary, settings: Settings) -> Option<String> {
    let base = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(base.path()).status();
    if !mount(&["-t", "tmpfs", "-o", "size=1m", "none"]).is_ok_and(|status| status.success()) {
        return None;
    }
    let host = ssh_host(sshd.ssh(), base.path(), settings);
    let error = host.open(Presence::Installed(program.clone()), deadlines()).await.err().unwrap();
    let left = fs::read_dir(base.path().join("campus/bin")).unwrap().count();
    assert!(Command::new("umount").arg(base.path()).status().unwrap().success());
    assert_eq!((error.step, error.kind, left), (Step::Upload, ReachKind::Failed, 0), "{error}");
    assert!(error.hint.unwrap().contains("has the disk room"));
    Some(error.what)
}

#[tokio::test]
async fn a_dead_host_costs_only_itself() {
    let (sshd, base) = (Sshd::start(""), Folder::new());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = Ssh {
        port: Some(silent.local_addr().unwrap().port()),
        connect_timeout: Some(Duration::from_secs(600)),
        ..sshd.ssh()
    };
    let hosts: Vec<Arc<dyn Host>> = vec![
        Arc::new(ssh_host(dead, base.path(), settings())),
        Arc::new(ssh_host(sshd.ssh(), base.path(), settings())),
    ];
    let program = program(sshd.path("").as_path(), 0);
    let work = |host: Arc<dyn Host>| {
        let presence = Presence::Installed(program.clone());
        async move { host.open(presence, deadlines()).await.map(drop) }
    };
    let mut results = std::pin::pin!(each(&hosts, 64, work).map(|(_, result)| result.is_ok()));
    assert_eq!(results.next().await, Some(true), "the living host is there while the dead one still waits");
    // Only the end of the silent server ends the wait for it.
    drop(silent);
    assert_eq!(results.next().await, Some(false));
}

#[tokio::test]
async fn this_machine_needs_no_ssh() {
    let base = Folder::new();
    let program = program(base.path(), 0);
    let layout = layout(Reach::Local, base.path());
    let host = hosts(&layout, &settings()).remove(0);
    assert_eq!((host.name(), host.place().as_str()), ("sensor-1", "this machine"));
    let none = host.open(Presence::Running, deadlines()).await.err().unwrap();
    assert!(none.to_string().starts_with("sensor-1 (this machine): nothing is installed in"), "{none}");
    let session = host.open(Presence::Installed(program.clone()), deadlines()).await.unwrap();
    assert_eq!(session.agent().status().await.unwrap().binary, program.hash);
    assert_eq!(super::host::hash_of(&base.dir().binary(&program.hash)).unwrap(), program.hash);
    let output = session.exec(&["echo".into(), "a b".into()], Duration::from_secs(5)).await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (Some(0), &b"a b\n"[..]));
}

/// Not a test: what the script of [`testing::program`] runs for `agent connect`.
#[test]
#[ignore = "a helper process of other tests"]
fn helper_connect() {
    let dir = ClusterDir::new(std::env::var_os("FLEET_TEST_DIR").expect("started by another test"));
    let ended = crate::agent::connect(&dir);
    // Without the last words of the test program.
    std::process::exit(ended.is_err().into());
}

/// Not a test: what the script of [`testing::program`] runs for `agent run`.
#[test]
#[ignore = "a helper process of other tests"]
fn helper_run() {
    let dir = ClusterDir::new(std::env::var_os("FLEET_TEST_DIR").expect("started by another test"));
    let program = std::env::var("FLEET_TEST_PROGRAM").unwrap();
    let (_, hash) = program.rsplit_once('-').unwrap();
    fs::write(dir.path().join("run/pid"), std::process::id().to_string()).unwrap();
    let status = AgentStatus {
        boot: None,
        api_version: API_VERSION,
        version: "0".into(),
        binary: hash.to_owned(),
        pid: std::process::id(),
        started_at: 0.0,
        folder_id: None,
        cluster: None,
        host: None,
        release: None,
        releases: Vec::new(),
        nodes: Vec::new(),
        unseen: Vec::new(),
        damage: Vec::new(),
        notify: Vec::new(),
    };
    let socket = dir.agent_socket();
    let _ = fs::remove_file(&socket);
    let serve = async move {
        let (exit, exiting) = tokio::sync::oneshot::channel::<()>();
        let exit = Arc::new(std::sync::Mutex::new(Some(exit)));
        let router = axum::Router::new()
            .route("/v1/status", axum::routing::get(async move || axum::Json(status.clone())))
            .route(
                "/v1/exit",
                axum::routing::post(async move || {
                    exit.lock().unwrap().take();
                    axum::http::StatusCode::ACCEPTED
                }),
            );
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let stop = async move { drop(exiting.await) };
        axum::serve(listener, router).with_graceful_shutdown(stop).await.unwrap();
        let _ = fs::remove_file(&socket);
    };
    tokio::runtime::Runtime::new().unwrap().block_on(serve);
}
