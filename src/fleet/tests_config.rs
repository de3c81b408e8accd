//! What ssh_config and the operator's agent say, beside OpenSSH's verdict.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::testing::{Sshd, home_with, keygen, settings};
use super::tests::{login_by_name, try_login};
use super::*;
use crate::layout::{HostKeyChecking, Ssh, SshClient};

/// What leads `lab` to a server, and its key.
fn lab(sshd: &Sshd) -> String {
    format!(
        "Host lab\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  ConnectTimeout 20\n",
        sshd.port,
        sshd.path("user").display()
    )
}

fn known(sshd: &Sshd) -> String {
    format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"))
}

/// Whether OpenSSH logs in on `lab` by this configuration.
fn openssh(config: &Path, more: &[&str]) -> bool {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(config).args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]).args(more);
    ssh.args(["lab", "true"]).env_remove("SSH_AUTH_SOCK").stderr(Stdio::null()).status().unwrap().success()
}

/// One configuration: what OpenSSH says, and what we say with either client.
async fn check(name: &str, config: &str, files: &[(&str, String)], accepted: bool, ours: Result<(), &str>) {
    let (home, settings) = home_with(config);
    for (file, text) in files {
        fs::write(home.path().join(file), text).unwrap();
    }
    assert_eq!(openssh(&home.path().join(".ssh/config"), &[]), accepted, "OpenSSH: {name}");
    for client in [SshClient::Builtin, SshClient::System] {
        let login = login_by_name("lab", Settings { client: Some(client), ..settings.clone() }).await;
        match (login, ours) {
            (Ok(()), Ok(())) => {}
            (Ok(()), Err(_)) if client == SshClient::System && accepted => {}
            (Err(error), Err(part)) if client == SshClient::Builtin => {
                assert!(error.what.contains(part), "{name}: {error}");
                assert!(error.hint.is_some(), "{name}: {error}");
            }
            (Err(_), Err(_)) => {}
            (login, _) => panic!("{name} with {client:?}: {login:?}"),
        }
    }
}

#[tokio::test]
async fn keys_that_ssh_config_revokes_are_refused_as_a_list_and_as_lines() {
    let sshd = Sshd::start("");
    keygen(&sshd.path("host_other"), &["-t", "ed25519", "-N", ""]);
    let krl = |key: &str| {
        let file = sshd.path("krl");
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-k", "-f"]).arg(&file).arg(sshd.path(&format!("host_{key}.pub")));
        assert!(make.status().unwrap().success());
        let kept = sshd.path(&format!("krl_{key}"));
        fs::rename(file, &kept).unwrap();
        kept.display().to_string()
    };
    let lines = |key: &str| vec![("known", known(&sshd)), ("lines", format!("# c\n{}\n", sshd.host_key(key)))];
    let config = |file: &str| format!("{}  UserKnownHostsFile HOME/known\n  RevokedHostKeys {file}\n", lab(&sshd));
    let revoked = Err("is revoked by");
    check("KRL", &config(&krl("ed25519")), &lines("other"), false, revoked).await;
    check("another one's KRL", &config(&krl("other")), &lines("other"), true, Ok(())).await;
    check("lines", &config("HOME/lines"), &lines("ed25519"), false, revoked).await;
    check("other lines", &config("HOME/lines"), &lines("other"), true, Ok(())).await;
    let unread = Err("RevokedHostKeys of ssh_config cannot be read: ");
    check("missing", &config("HOME/missing"), &lines("other"), false, unread).await;
    let garbage = [("known", known(&sshd)), ("lines", "no key\n".to_owned())];
    check("garbage", &config("HOME/lines"), &garbage, false, unread).await;
}

#[tokio::test]
async fn what_is_revoked_in_the_operators_files_is_revoked_whatever_file_the_layout_names() {
    let sshd = Sshd::start("");
    let (home, settings) = home_with("Host *\n  GlobalKnownHostsFile HOME/global\n  UserKnownHostsFile HOME/own\n");
    let own = home.path().join("named");
    for (file, checking) in
        [("global", HostKeyChecking::Strict), ("own", HostKeyChecking::Strict), ("global", HostKeyChecking::AcceptNew)]
    {
        let text = if checking == HostKeyChecking::Strict { known(&sshd) } else { String::new() };
        fs::write(&own, &text).unwrap();
        let ssh = || Ssh { known_hosts_files: vec![own.clone()], host_key_checking: checking, ..sshd.ssh() };
        for client in [SshClient::Builtin, SshClient::System] {
            let settings = || Settings { client: Some(client), ..settings.clone() };
            fs::write(home.path().join(file), format!("@revoked * {}\n", sshd.host_key("ed25519"))).unwrap();
            let error = try_login(ssh(), settings()).await.unwrap_err();
            assert!(error.step == Step::HostKey && error.what.contains("is revoked"), "{file} {client:?}: {error}");
            assert_eq!(fs::read_to_string(&own).unwrap(), text);
            // What else stands there does not count.
            fs::write(home.path().join(file), known(&sshd).replace("ssh-ed25519 ", "ssh-ed25519 AAAA")).unwrap();
            if checking == HostKeyChecking::Strict {
                assert_eq!(try_login(ssh(), settings()).await, Ok(()), "{file} {client:?}");
            }
        }
    }
}

#[tokio::test]
async fn new_keys_go_to_the_operators_own_file() {
    let sshd = Sshd::start("");
    let config = "Host other\nHost *\n  GlobalKnownHostsFile HOME/global\n  UserKnownHostsFile HOME/own\n";
    let (home, settings) = home_with(config);
    let ssh = Ssh { known_hosts_files: Vec::new(), host_key_checking: HostKeyChecking::AcceptNew, ..sshd.ssh() };
    assert_eq!(try_login(ssh, settings).await, Ok(()));
    assert_eq!(fs::read_to_string(home.path().join("own")).unwrap(), known(&sshd));
    assert!(!home.path().join("global").exists());
}

#[tokio::test]
async fn the_advice_on_an_unknown_key_mends_it() {
    let sshd = Sshd::start("");
    for client in [SshClient::Builtin, SshClient::System] {
        let file = sshd.path(&format!("it's {client:?}"));
        fs::write(&file, "").unwrap();
        let settings = || Settings { client: Some(client), ..settings() };
        let ssh = || Ssh { known_hosts_files: vec![file.clone()], ..sshd.ssh() };
        let hint = try_login(ssh(), settings()).await.unwrap_err().hint.unwrap();
        let (_, command) = hint.split_once("accept it: ssh ").unwrap();
        let (command, _) = command.split_once(" (or").unwrap();
        // Its "yes", and without the login behind that.
        let command = format!("ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=accept-new {command}");
        Command::new("sh").args(["-c", &command]).stderr(Stdio::null()).status().unwrap();
        assert_eq!(try_login(ssh(), settings()).await, Ok(()), "{command}");
    }
}

#[tokio::test]
async fn a_refused_ssh_config_lets_nobody_in() {
    let sshd = Sshd::start("");
    let broken = format!("{}  UserKnownHostsFile HOME/known\nHost *\n  FooBar yes\n", lab(&sshd));
    let said = Err("ssh does not take its configuration: ");
    check("bad option", &broken, &[("known", known(&sshd))], false, said).await;
    let (_home, settings) = home_with(&broken);
    // Also where the layout says all that it takes.
    for client in [SshClient::Builtin, SshClient::System] {
        let settings = Settings { client: Some(client), ..settings.clone() };
        let error = try_login(sshd.ssh(), settings).await.unwrap_err();
        assert_eq!((error.step, error.kind), (Step::Resolve, ReachKind::Failed), "{error}");
        assert!(error.what.contains("Bad configuration option: foobar"), "{error}");
    }
    assert_eq!(sshd.logins(), 0);
}

#[tokio::test]
async fn jump_hosts_have_jump_hosts_of_their_own() {
    let (first, second, inner) = (Sshd::start(""), Sshd::start(""), Sshd::start(""));
    for gate in [&first, &second] {
        fs::copy(inner.path("user.pub"), gate.path("authorized_keys")).unwrap();
    }
    let gates = |to: &str| {
        let rest = format!("  User root\n  IdentityFile {}\n", inner.path("user").display());
        format!(
            "{}  ProxyJump j2\nHost j2\n  HostName 127.0.0.1\n  Port {}\n{rest}  {to}\nHost j1\n  HostName \
             127.0.0.1\n  Port {}\n{rest}Host *\n  UserKnownHostsFile HOME/known\n",
            lab(&inner),
            second.port,
            first.port
        )
    };
    let known = [("known", [&first, &second, &inner].map(known).concat())];
    check("nested", &gates("ProxyJump j1"), &known, true, Ok(())).await;
    // OpenSSH, and each of our clients.
    assert_eq!([first.logins(), second.logins(), inner.logins()], [3, 3, 3]);
    let command = Err("reaches j2 through ProxyCommand");
    let by_ssh = format!(
        "ProxyCommand ssh -F none -o UserKnownHostsFile=HOME/known -i {} -p {} -W %h:%p root@127.0.0.1",
        inner.path("user").display(),
        first.port
    );
    check("a command", &gates(&by_ssh), &known, true, command).await;
    check("a circle", &gates("ProxyJump j2"), &known, false, Err("jump")).await;
}

#[tokio::test]
async fn an_agent_that_hangs_costs_a_moment_and_its_keys_alone() {
    let sshd = Sshd::start("");
    let socket = sshd.path("silent");
    let _silent = UnixListener::bind(&socket).unwrap();
    for client in [SshClient::Builtin, SshClient::System] {
        let with_agent = || Settings { ssh_agent: Some(socket.clone()), client: Some(client), ..settings() };
        assert_eq!(try_login(sshd.ssh(), with_agent()).await, Ok(()), "{client:?}");
        let none = Ssh { identity_files: vec!["/nonexistent".into()], ..sshd.ssh() };
        let error = try_login(none, with_agent()).await.unwrap_err();
        assert_eq!((error.step, error.kind), (Step::Auth, ReachKind::Failed), "{error}");
        if client == SshClient::Builtin {
            let said = format!("the SSH agent at {} does not answer", socket.display());
            assert!(error.what.contains(&said), "{error}");
        }
    }
}

#[tokio::test]
async fn what_ssh_config_says_of_keys_counts() {
    let sshd = Sshd::start("");
    let agent = Agent::start(&sshd, &["user"]);
    let base = lab(&sshd).lines().filter(|line| !line.contains("IdentityFile")).collect::<Vec<_>>().join("\n");
    let config = |more: &str| format!("{base}\n  UserKnownHostsFile HOME/known\n{more}");
    let known = || ("known", known(&sshd));
    let key = || fs::read_to_string(sshd.path("user")).unwrap();
    for (name, file) in
        [("%n", "id_lab"), ("%h", "id_127.0.0.1"), ("%r-%p-%u-%%", "id_root-PORT-root-%"), ("${LANG_OF_NOBODY}", "")]
    {
        let file = file.replace("PORT", &sshd.port.to_string());
        let (home, settings) = home_with(&config(&format!("  IdentityFile HOME/id_{name}\n")));
        fs::write(home.path().join("known"), known().1).unwrap();
        let login = if file.is_empty() {
            let error = login_by_name("lab", settings).await.unwrap_err();
            // As with OpenSSH, which refuses it while it reads, or not heeded here.
            assert_eq!(error.step, Step::Resolve, "{error}");
            continue;
        } else {
            fs::copy(sshd.path("user"), home.path().join(&file)).unwrap();
            assert!(openssh(&home.path().join(".ssh/config"), &[]), "OpenSSH: {name}");
            login_by_name("lab", settings).await
        };
        assert_eq!(login, Ok(()), "{name}");
    }
    // A public half, its private one in the agent.
    for file in ["half.pub", "half"] {
        let (home, settings) = home_with(&config(&format!("  IdentitiesOnly yes\n  IdentityFile HOME/{file}\n")));
        fs::write(home.path().join("known"), known().1).unwrap();
        fs::copy(sshd.path("user.pub"), home.path().join("half.pub")).unwrap();
        let with_agent = Settings { ssh_agent: Some(agent.socket.clone()), ..settings.clone() };
        assert_eq!(login_by_name("lab", with_agent).await, Ok(()), "{file}");
        let error = login_by_name("lab", settings).await.unwrap_err();
        assert!(error.what.contains("no SSH agent has its private key"), "{error}");
    }
    // A private key that others may read is none.
    let (home, settings) = home_with(&config("  IdentityFile HOME/open\n"));
    fs::write(home.path().join("known"), known().1).unwrap();
    fs::write(home.path().join("open"), key()).unwrap();
    fs::set_permissions(home.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!openssh(&home.path().join(".ssh/config"), &[]));
    let error = login_by_name("lab", settings).await.unwrap_err();
    assert!(error.what.contains("others may read it (mode 0644)"), "{error}");
    check("none", &config("  IdentityFile none\n"), &[known()], false, Err("login as root refused")).await;
}

/// An `ssh-agent` with some keys of a server's folder.
struct Agent {
    child: std::process::Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(sshd: &Sshd, keys: &[&str]) -> Agent {
        let socket = sshd.path("agent");
        let child = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            std::thread::yield_now();
        }
        for key in keys {
            let mut add = Command::new("ssh-add");
            assert!(add.arg("-q").arg(sshd.path(key)).env("SSH_AUTH_SOCK", &socket).status().unwrap().success());
        }
        Agent { child, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Algorithms, methods, addresses: what OpenSSH refuses we do not take.
#[tokio::test]
async fn what_ssh_config_narrows_is_narrow() {
    let sshd = Sshd::with_host_keys(&["ed25519", "rsa"], "");
    let config = |more: &str| format!("{}  UserKnownHostsFile HOME/known\n  {more}\n", lab(&sshd));
    let both = format!("{}{} {}\n", known(&sshd), sshd.name(), sshd.host_key("rsa"));
    let files = [("known", both)];
    let rows = [
        ("Ciphers aes256-ctr", true, Ok(())),
        ("Ciphers 3des-cbc", false, Err("")),
        ("KexAlgorithms ecdh-sha2-nistp256", true, Ok(())),
        ("KexAlgorithms diffie-hellman-group1-sha1", false, Err("")),
        ("MACs hmac-sha2-256-etm@openssh.com\n  Ciphers aes256-ctr", true, Ok(())),
        ("HostKeyAlgorithms rsa-sha2-512", true, Ok(())),
        ("HostKeyAlgorithms ecdsa-sha2-nistp256", false, Err("")),
        ("PubkeyAcceptedAlgorithms ssh-ed25519", true, Ok(())),
        ("PubkeyAcceptedAlgorithms rsa-sha2-512", false, Err("PubkeyAcceptedAlgorithms of ssh_config leaves out")),
        ("PubkeyAuthentication no", false, Err("login as root refused")),
        ("PreferredAuthentications password", false, Err("login as root refused")),
        ("RequiredRSASize 8192\n  HostKeyAlgorithms rsa-sha2-512", false, Err("RequiredRSASize")),
        ("AddressFamily inet", true, Ok(())),
        ("AddressFamily inet6", false, Err("")),
        ("BindAddress 192.0.2.55", false, Err("BindAddress 192.0.2.55")),
        ("BindAddress 127.0.0.1", true, Err("BindAddress 127.0.0.1")),
        ("CertificateFile HOME/missing", true, Ok(())),
    ];
    for (more, accepted, ours) in rows {
        check(more, &config(more), &files, accepted, ours).await;
    }
}

/// A listener that says something to each client, and closes or waits.
fn speaker(text: &'static str, closes: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.write_all(text.as_bytes());
            if closes {
                let _ = client.shutdown(std::net::Shutdown::Write);
                let _ = client.read(&mut [0; 300]);
            } else {
                open.push(client);
            }
        }
    });
    port
}

#[tokio::test]
async fn what_a_server_says_before_it_hangs_up_is_shown() {
    let sshd = Sshd::start("");
    let cases = [
        ("Exceeded MaxStartups\r\n", true, "closed the connection: \"Exceeded MaxStartups\"", "--parallel"),
        ("Not allowed at this time\r\n", true, "closed the connection: \"Not allowed at this time\"", "punishes"),
        ("HTTP/1.1 400 Bad Request\r\n", true, "is no SSH server: \"HTTP/1.1 400 Bad Request\"", "`port`"),
        ("220 \x1b[31mftp ready\r\n", false, "is no SSH server: \"220 ", "`port`"),
        ("", true, "closed the connection at once", "MaxStartups"),
    ];
    for (text, closes, said, hint) in cases {
        for client in [SshClient::Builtin, SshClient::System] {
            let ssh = Ssh {
                port: Some(speaker(text, closes)),
                connect_timeout: Some(Duration::from_secs(if closes { 20 } else { 1 })),
                ..sshd.ssh()
            };
            let error = try_login(ssh, Settings { client: Some(client), ..settings() }).await.unwrap_err();
            assert!(error.step == Step::Banner && error.what.contains(said), "{client:?}: {error}");
            assert!(!error.what.contains('\x1b'), "{client:?}: {error:?}");
            assert!(error.hint.unwrap().contains(hint), "{client:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_key_that_nobody_can_unlock_or_find_has_its_own_advice() {
    let sshd = Sshd::start("");
    let locked = sshd.user_key("locked", &["-t", "ed25519", "-N", "secret"]);
    for client in [SshClient::Builtin, SshClient::System] {
        let settings = || Settings { client: Some(client), ..settings() };
        let ssh = Ssh { identity_files: vec![locked.clone()], ..sshd.ssh() };
        let error = try_login(ssh, settings()).await.unwrap_err();
        assert!(error.what.contains("needs a passphrase and there is nobody to ask"), "{error}");
        let hint = error.hint.unwrap();
        assert!(hint.contains(&format!("ssh-add {}", locked.display())), "{client:?}: {hint}");
    }
    let ssh = Ssh { identity_files: vec!["/nonexistent/key".into()], ..sshd.ssh() };
    let error = try_login(ssh, settings()).await.unwrap_err();
    assert!(error.what.contains("/nonexistent/key: No such file"), "{error}");
    assert!(error.hint.unwrap().contains("correct identity_file"));
}

#[tokio::test]
async fn a_login_in_two_steps_goes_through_both() {
    for methods in ["publickey,password", "password,publickey"] {
        let extra = format!("AuthenticationMethods {methods}\nKbdInteractiveAuthentication no\n");
        let Some(sshd) = Sshd::with_shadow(&extra) else { return }; // Needs the right to mount.
        let typed = |answer: &'static str| {
            let prompt = Prompt::new(move |_| Some(answer.into()));
            try_login(sshd.ssh(), Settings { prompt: Some(prompt), ..settings() })
        };
        assert_eq!(typed("secret").await, Ok(()), "{methods}");
        let wrong = typed("wrong").await.unwrap_err();
        assert_eq!((wrong.step, wrong.kind), (Step::Auth, ReachKind::Failed), "{methods}: {wrong}");
        assert!(wrong.what.contains("a password"), "{methods}: {wrong}");
        assert!(try_login(sshd.ssh(), settings()).await.is_err());
    }
}
