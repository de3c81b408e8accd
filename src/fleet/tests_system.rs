//! The same through the installed `ssh`, and what only that can do.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::packing::Packing;
use super::testing::{Sshd, deadlines, keygen, program, settings, ssh_host};
use super::tests::{Folder, check_beginnings, check_full_disk, check_server_that_dies, login_by_name, try_login};
use super::*;
use crate::layout::{HostKeyChecking, Ssh, SshClient};

fn by_program() -> Settings {
    Settings { client: Some(SshClient::System), ..settings() }
}

async fn open(ssh: Ssh, base: &Path, presence: Presence) -> Result<Session, ReachError> {
    ssh_host(ssh, base, by_program()).open(presence, deadlines()).await
}

/// Every process of `ssh` whose words name this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.display().to_string();
    let all = procfs::process::all_processes().unwrap().flatten();
    let words = all.filter_map(|process| Some(process.cmdline().ok()?.join(" ")));
    words.filter(|words| words.starts_with("ssh ") && words.contains(&needle)).collect()
}

async fn no_ssh_is_left(folder: &Path) {
    let until = Instant::now() + Duration::from_secs(5);
    while !processes_of(folder).is_empty() {
        assert!(Instant::now() < until, "{:?}", processes_of(folder));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn first_contact_installs_starts_and_talks_and_no_process_is_left() {
    let (sshd, base) = (Sshd::start("AllowStreamLocalForwarding no\n"), Folder::new());
    let program = program(sshd.path("").as_path(), 10 << 20);
    let nothing = open(sshd.ssh(), base.path(), Presence::Running).await.err().unwrap();
    assert!(nothing.what.starts_with("nothing is installed in"), "{nothing}");
    let session = open(sshd.ssh(), base.path(), Presence::Installed(program.clone())).await.unwrap();
    let first = session.agent().status().await.unwrap();
    assert_eq!(first.binary, program.hash);
    let installed = base.dir().binary(&program.hash);
    assert_eq!(super::host::hash_of(&installed).unwrap(), program.hash);
    assert_eq!(fs::read_dir(installed.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    for presence in [Presence::Running, Presence::Started, Presence::Installed(program.clone())] {
        let again = open(sshd.ssh(), base.path(), presence).await.unwrap();
        let (one, two) = tokio::join!(again.agent().status(), again.agent().status());
        assert_eq!((one.unwrap().pid, two.unwrap().pid), (first.pid, first.pid));
    }
    let argv = ["sh".to_owned(), "-c".into(), "echo out; echo err >&2; exit 3".into()];
    let output = session.exec(&argv, Duration::from_secs(20)).await.unwrap();
    assert_eq!(
        (output.status, output.stdout.as_slice(), output.stderr.as_slice()),
        (Some(3), &b"out\n"[..], &b"err\n"[..])
    );
    assert!(!processes_of(&sshd.path("")).is_empty());
    drop(session);
    no_ssh_is_left(&sshd.path("")).await;
}

#[tokio::test]
async fn commands_are_told_apart_from_ssh_and_end_at_their_deadline() {
    let sshd = Sshd::start("SetEnv BASH_ENV=DIR/noise\n");
    fs::write(sshd.path("noise"), "seq 1 200\necho oops >&2\n").unwrap();
    let base = tempfile::tempdir().unwrap();
    let host = ssh_host(sshd.ssh(), base.path(), by_program());
    let session = host.connect(deadlines(), Instant::now()).await.unwrap();
    let output = session.run("echo it\\'s fine; exit 255", Duration::from_secs(20)).await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (Some(255), &b"it's fine\n"[..]));
    let killed = session.run("kill -9 $$", Duration::from_secs(20)).await.unwrap();
    assert_eq!(killed.status, Some(137));
    let long = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; exit 7";
    let output = session.run(long, Duration::from_secs(60)).await.unwrap();
    assert!(output.status == Some(7) && output.truncated && output.stdout.len() > ExecOutput::LIMIT - 5000);
    let from = Instant::now();
    let late = session.run("sleep 60", Duration::from_millis(300)).await.unwrap_err();
    assert_eq!((late.step, late.kind), (Step::Channel, ReachKind::TimedOut));
    assert!(from.elapsed() < Duration::from_secs(5));

    // Heard while it runs, and ended over there at its deadline.
    let shell = host.log_in(deadlines()).await.unwrap();
    let (said, mut heard) = mpsc::channel(16);
    let argv = ["sh".to_owned(), "-c".into(), "echo $$; sleep 600".into()];
    let run = shell.run(&argv, Duration::from_secs(2), said);
    let (ended, process) = tokio::join!(run, async {
        let piece = heard.recv().await.unwrap();
        String::from_utf8(piece.bytes).unwrap().trim().to_owned()
    });
    assert_eq!(ended.unwrap_err().kind, ReachKind::TimedOut);
    let until = Instant::now() + Duration::from_secs(5);
    while Path::new("/proc").join(&process).exists() {
        assert!(Instant::now() < until, "the command runs on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn ten_commands_at_once_wait_for_their_turn() {
    let (sshd, base) = (Sshd::start(""), Folder::new());
    let program = program(sshd.path("").as_path(), 0);
    let session = open(sshd.ssh(), base.path(), Presence::Installed(program.clone())).await.unwrap();
    let commands = (0..10).map(|number| {
        let argv = ["sh".to_owned(), "-c".into(), format!("sleep 0.2; echo {number}")];
        let session = &session;
        async move { session.exec(&argv, Duration::from_secs(30)).await.unwrap().stdout }
    });
    let requests = (0..7).map(|_| session.agent().status());
    let (commands, requests) = tokio::join!(join_all(commands), join_all(requests));
    assert!(commands.iter().enumerate().all(|(n, out)| *out == format!("{n}\n").as_bytes()), "{commands:?}");
    assert!(requests.into_iter().all(|status| status.unwrap().binary == program.hash));
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_and_a_wrong_beginning_is_sent_anew() {
    for (missing, packing) in [(&[][..], Some(Packing::Zstd)), (&["zstd", "gzip"], None)] {
        check_beginnings(&Sshd::without(missing), packing, by_program()).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_behind() {
    let sshd = Sshd::start("");
    let said = check_full_disk(&sshd, &program(sshd.path("").as_path(), 4 << 20), by_program()).await;
    assert!(said.is_none_or(|said| said.contains("No space left")));
}

#[tokio::test]
async fn each_way_to_fail_says_its_step_as_the_builtin_client_does() {
    let sshd = Sshd::start("");
    let check = async |ssh: Ssh, step: Step, kind: ReachKind, part: &str| {
        let error = try_login(ssh, by_program()).await.unwrap_err();
        assert_eq!((error.step, error.kind), (step, kind), "{error}");
        assert!(error.what.contains(part), "{error}");
        error
    };
    assert_eq!(try_login(sshd.ssh(), by_program()).await, Ok(()));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = Ssh { port: Some(free), ..sshd.ssh() };
    let error = check(refused, Step::Connect, ReachKind::Unreachable, "refused the connection").await;
    assert_eq!((error.address.as_str(), error.port), ("127.0.0.1", free));
    keygen(&sshd.path("host_other"), &["-t", "ed25519", "-N", ""]);
    let (known, none) = (sshd.path("wrong"), sshd.path("none"));
    fs::write(&known, format!("{} {}\n", sshd.name(), sshd.host_key("other"))).unwrap();
    fs::write(&none, "").unwrap();
    let changed = Ssh { known_hosts_files: vec![known.clone()], ..sshd.ssh() };
    let error = check(changed, Step::HostKey, ReachKind::Failed, "host key changed: ").await;
    assert!(error.hint.unwrap().contains(&format!("ssh-keygen -f {} -R '{}'", known.display(), sshd.name())));
    let unknown = Ssh { known_hosts_files: vec![none.clone()], ..sshd.ssh() };
    check(unknown.clone(), Step::HostKey, ReachKind::Failed, "is not known: the server sent ssh-ed25519 SHA").await;
    assert_eq!(fs::read_to_string(&none).unwrap(), "", "strict checking writes nothing");
    let accepting = Ssh { host_key_checking: HostKeyChecking::AcceptNew, ..unknown };
    assert_eq!(try_login(accepting, by_program()).await, Ok(()));
    assert!(fs::read_to_string(&none).unwrap().contains(&sshd.host_key("ed25519")));
    let revoked = format!("{} {}\n@revoked * {}\n", sshd.name(), sshd.host_key("ed25519"), sshd.host_key("ed25519"));
    fs::write(&known, revoked).unwrap();
    let revoked = Ssh { known_hosts_files: vec![known], ..sshd.ssh() };
    check(revoked, Step::HostKey, ReachKind::Failed, "is revoked").await;
    let stranger = sshd.path("stranger");
    keygen(&stranger, &["-t", "ed25519", "-N", ""]);
    let refused = Ssh { identity_files: vec![stranger.clone()], ..sshd.ssh() };
    let error = check(refused, Step::Auth, ReachKind::Failed, "login as root refused: ").await;
    assert!(error.what.contains(stranger.to_str().unwrap()), "{error}");
    let locked = sshd.user_key("locked", &["-t", "ed25519", "-N", "secret"]);
    check(Ssh { identity_files: vec![locked], ..sshd.ssh() }, Step::Auth, ReachKind::Failed, "login as root").await;
}

#[tokio::test]
async fn a_host_that_says_nothing_ends_at_its_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sshd = Sshd::start("");
    let port = Some(silent.local_addr().unwrap().port());
    let ssh = Ssh { port, connect_timeout: Some(Duration::from_millis(700)), ..sshd.ssh() };
    let from = Instant::now();
    let error = try_login(ssh, by_program()).await.unwrap_err();
    assert_eq!((error.step, error.kind), (Step::Banner, ReachKind::TimedOut), "{error}");
    assert!(from.elapsed() < Duration::from_secs(3), "{:?}", from.elapsed());
    no_ssh_is_left(&sshd.path("")).await;
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_is_an_error_and_no_hang() {
    check_server_that_dies(by_program()).await;
}

#[tokio::test]
async fn jump_hosts_of_the_layout_have_their_own_check_and_one_login_each() {
    let (gate, inner) = (Sshd::start(""), Sshd::start(""));
    fs::copy(inner.path("user.pub"), gate.path("authorized_keys")).unwrap();
    let known = inner.path("both");
    let line = |sshd: &Sshd| format!("{} {}\n", sshd.name(), sshd.host_key("ed25519"));
    fs::write(&known, line(&gate) + &line(&inner)).unwrap();
    let jump = vec![format!("root@127.0.0.1:{}", gate.port)];
    let ssh = || Ssh { jump: jump.clone(), known_hosts_files: vec![known.clone()], ..inner.ssh() };
    let settings = by_program();
    let logins = join_all((0..12).map(|_| try_login(ssh(), settings.clone()))).await;
    assert!(logins.iter().all(Result::is_ok), "{logins:?}");
    assert_eq!((gate.logins(), inner.logins()), (1, 12));

    fs::write(&known, line(&inner)).unwrap();
    let outer = try_login(ssh(), by_program()).await.unwrap_err();
    assert!(outer.what.starts_with("jump host: host key of"), "{outer}");
    assert_eq!(outer.port, gate.port);
    fs::write(&known, line(&gate)).unwrap();
    let error = try_login(ssh(), by_program()).await.unwrap_err();
    assert!(error.what.starts_with("host key of"), "{error}");
    assert_eq!(error.port, inner.port);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = try_login(Ssh { port: Some(free), ..ssh() }, by_program()).await.unwrap_err();
    assert_eq!((error.step, error.kind, error.port), (Step::Connect, ReachKind::Unreachable, free), "{error}");
    assert!(error.what.starts_with("the jump host does not reach it: "), "{error}");
}

#[tokio::test]
async fn what_the_builtin_client_cannot_do_it_names_and_the_installed_one_does() {
    // A host certificate, a key exchange that libssh2 has not, behind a ProxyCommand that `Match exec` chooses.
    let sshd =
        Sshd::start("HostCertificate DIR/host_ed25519-cert.pub\nKexAlgorithms sntrup761x25519-sha512@openssh.com\n");
    keygen(&sshd.path("host_ca"), &["-t", "ed25519", "-N", ""]);
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-h", "-I", "host", "-n", "lab-1", "-s"]).arg(sshd.path("host_ca"));
    assert!(sign.arg(sshd.path("host_ed25519.pub")).status().unwrap().success());
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    let known = home.path().join("known");
    fs::write(&known, format!("@cert-authority lab-* {}\n", sshd.host_key("ca"))).unwrap();
    let relay = "python3 -c 'import socket,sys,threading,os;s=socket.create_connection((\"127.0.0.1\",int(sys.argv[1])));\
                 threading.Thread(target=lambda:[os.write(1,b) for b in iter(lambda:s.recv(65536),b\"\")],daemon=True).start();\
                 [s.sendall(b) for b in iter(lambda:os.read(0,65536),b\"\")]'";
    let proxy = format!(
        "Match originalhost lab-* exec \"test -e {}\"\n  ProxyCommand {relay} {}\n",
        known.display(),
        sshd.port
    );
    let rest = format!(
        "Host *\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n  ConnectTimeout 20\n  LocalForward 1 a:1\n",
        sshd.path("user").display(),
        known.display()
    );
    fs::write(home.path().join(".ssh/config"), proxy + &rest).unwrap();
    let settings = Settings { ssh_config: true, home: home.path().to_owned(), ..by_program() };
    assert_eq!(login_by_name("lab-1", settings.clone()).await, Ok(()));

    let builtin = Settings { client: Some(SshClient::Builtin), ..settings.clone() };
    let error = login_by_name("lab-1", builtin).await.unwrap_err();
    assert!(error.what.contains("ProxyCommand") && error.hint.unwrap().contains("--ssh system"), "{}", error.what);

    fs::write(
        home.path().join(".ssh/config"),
        format!("Host *\n  ProxyCommand sh -c 'echo no way here >&2; exit 3'\n{rest}"),
    )
    .unwrap();
    let error = login_by_name("lab-1", settings).await.unwrap_err();
    assert_eq!((error.step, error.kind), (Step::Connect, ReachKind::Unreachable), "{error}");
    assert!(error.what.ends_with("before the server spoke: no way here"), "{error}");
}

#[tokio::test]
async fn a_machine_without_ssh_is_told_what_to_install() {
    let missing = super::system::cannot_start(&std::io::ErrorKind::NotFound.into());
    assert_eq!(missing.what, "there is no program `ssh` on this machine");
    assert!(missing.hint.unwrap().contains("openssh-client"));
}
