//! Why a login fails, in the same words and with the same advice whoever speaks SSH.

use std::io;
use std::path::{Path, PathBuf};

use super::error::Step;
use super::fault::Fault;
use super::probe::quote;
use super::ssh_config::word;

/// Characters of a peer's words that are shown.
const SHOWN: usize = 200;

/// TCP to `address`, which is named only where it is not the one that every message begins with.
pub(super) fn no_tcp(kind: io::ErrorKind, said: &dyn std::fmt::Display, address: Option<&str>) -> Fault {
    let of = address.map(|address| format!("{address} ")).unwrap_or_default();
    match kind {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            let from = address.map(|address| format!(" from {address}")).unwrap_or_default();
            Fault::timed_out(Step::Connect, format!("no answer to TCP{from}"))
                .hint("is the host up, and does a firewall drop the port?")
        }
        io::ErrorKind::ConnectionRefused => Fault::unreachable(Step::Connect, format!("{of}refused the connection"))
            .hint("is sshd running there, and is this its port?"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Fault::unreachable(
            Step::Connect,
            format!("{of}cannot be reached: {said}"),
        )
        .hint(
            "is the host up, and is there a route to it? a jump host leads into another network: `jump` in the layout",
        ),
        _ => Fault::unreachable(Step::Connect, format!("{of}connecting failed: {said}"))
            .hint("is the host up, and is this its address?"),
    }
}

/// The name service does not know it.
pub(super) fn no_address(name: &str, said: &dyn std::fmt::Display) -> Fault {
    Fault::unreachable(Step::Resolve, format!("{name} does not resolve: {said}"))
        .hint("correct its address in the layout, or the name service")
}

/// The jump host reached, and not the host behind it.
pub(super) fn not_behind(said: &dyn std::fmt::Display) -> Fault {
    Fault::unreachable(Step::Connect, format!("the jump host does not reach it: {said}"))
        .hint("is it up, and does sshd of the jump host allow it (AllowTcpForwarding, PermitOpen)?")
}

/// A step before the login that did not end in time.
pub(super) fn too_late(step: Step) -> Fault {
    match step {
        Step::Resolve => Fault::timed_out(step, "its name did not resolve in time").hint("is the name service slow?"),
        Step::Connect => no_tcp(io::ErrorKind::TimedOut, &"", None),
        Step::Banner => Fault::timed_out(step, "took the connection and says nothing")
            .hint("is it an SSH server, and is it overloaded?"),
        Step::Kex | Step::HostKey => {
            Fault::timed_out(step, "the key exchange did not end").hint("is it an SSH server, and is it overloaded?")
        }
        _ => Fault::timed_out(step, "the login did not end").hint("is its PAM or name service slow?"),
    }
}

/// Nothing came of a step whose call has no deadline of its own; `third` is who was waited for, where not the host.
pub(super) fn no_answer(step: Step, third: Option<String>) -> Fault {
    match third {
        Some(third) => Fault::timed_out(step, format!("{third} gave no answer within the deadline")).hint(
            "does it wait for a confirmation, a PIN or a touch? a key of a file goes without it: identity_file in the layout",
        ),
        None => Fault::timed_out(step, "no answer within the deadline").hint("zeek-cluster doctor tells more"),
    }
}

/// The server closed in the banner or the key exchange; `said` is what it said before, where that is no SSH.
pub(super) fn closed_early(step: Step, said: Option<&str>) -> Fault {
    match (step, said) {
        (Step::Kex, _) => Fault::unreachable(step, "closed the connection during the key exchange")
            .hint("sshd punishes addresses that failed to log in; try later"),
        (_, Some(said)) if is_of_sshd(said) => Fault::unreachable(step, format!("closed the connection: \"{said}\""))
            .hint(match said.contains("MaxStartups") {
                true => "its sshd takes no more logins at once (MaxStartups): try later, or fewer at once: --parallel",
                false => "its sshd punishes this address for logins that failed (PerSourcePenalties); try later",
            }),
        (_, Some(said)) => no_ssh(said),
        (_, None) => Fault::unreachable(step, "closed the connection at once")
            .hint("sshd refuses at random above MaxStartups, and punishes addresses that failed to log in; try later"),
    }
}

/// Who answers is no SSH server.
pub(super) fn no_ssh(said: &str) -> Fault {
    Fault::unreachable(Step::Banner, format!("answers, and is no SSH server: \"{said}\""))
        .hint("is this the port of its sshd? `port` under `ssh` in the layout")
}

/// Whether sshd says this before it closes (its `drop_connection` and `srclimit`).
pub(super) fn is_of_sshd(said: &str) -> bool {
    said.contains("MaxStartups") || said.contains("Not allowed at this time")
}

/// A key that nobody knows.
pub(super) fn unknown_key(name: &str, shown: &str, user: &str, address: &str, port: u16, way: &Acceptance) -> Fault {
    let what = format!("host key of {name} is not known: the server sent {shown}");
    let (options, login) = (way.options(), login(user, address, port));
    let hint =
        format!("compare the fingerprint and accept it: ssh {options}{login} true (or host_key_checking: accept-new)");
    Fault::failed(Step::HostKey, what).hint(hint)
}

/// How `ssh` gets to a key, and where it has to write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Acceptance {
    /// The file that the layout names.
    pub file: Option<PathBuf>,
    /// Jump hosts, such as `root@gate:22,probe@inner:22`.
    pub jump: String,
}

impl Acceptance {
    fn options(&self) -> String {
        let jump = if self.jump.is_empty() { String::new() } else { format!("-J {} ", quote(&self.jump)) };
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let file = self.file.as_ref().map(|file| match file.to_str().filter(|text| is_plain(text)) {
            Some(plain) => format!("UserKnownHostsFile={plain}"),
            None => quote(&format!("UserKnownHostsFile={}", word(file))),
        });
        file.map(|file| format!("{jump}-o {file} ")).unwrap_or(jump)
    }
}

/// Another key than the known one; `known` says where that stands.
pub(super) fn changed_key(known: &str, shown: &str, file: &str, name: &str) -> Fault {
    let what = format!("host key changed: {known}, the server sent {shown}");
    let forget = format!("ssh-keygen -f {} -R {}", quote(file), quote(name));
    Fault::failed(Step::HostKey, what).hint(format!("if this is expected: {forget}"))
}

/// A key that must not be used any more.
pub(super) fn revoked_key(shown: &str, by: &str) -> Fault {
    Fault::failed(Step::HostKey, format!("its key {shown} is revoked{by}"))
        .hint("do not log in there before its keys were replaced")
}

/// A key that ssh_config has no trust in.
pub(super) fn short_key(shown: &str, bits: usize) -> Fault {
    Fault::failed(Step::HostKey, format!("its key {shown} has {bits} bits, RequiredRSASize of ssh_config wants more"))
        .hint("give it a longer key, or one of another type")
}

/// A list of ssh_config has nothing that the builtin client can do.
pub(super) fn no_algorithm(keyword: &str) -> Fault {
    Fault::failed(Step::Kex, format!("{keyword} of ssh_config names nothing that the builtin client has"))
        .hint("the installed ssh may have it: --ssh system")
}

/// Whether a key is revoked cannot be told: then it is taken for revoked.
pub(super) fn revocation_unknown(what: &str) -> Fault {
    Fault::failed(Step::HostKey, format!("RevokedHostKeys of ssh_config cannot be read: {what}"))
        .hint("correct that file, or the setting")
}

/// Words of a peer or a program, fit for a terminal.
pub(super) fn shown(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(SHOWN).collect::<String>().trim().to_owned()
}

/// Everything was tried, and the server wants none of it.
pub(super) fn login_refused(user: &str, tried: &[String], methods: &str, address: &str, port: u16) -> Fault {
    let tried = if tried.is_empty() { "no key found".to_owned() } else { tried.join(", ") };
    let what = format!("login as {user} refused: {tried} (the server takes {methods})");
    let hint = format!(
        "name the right key with identity_file, or bring one there: ssh-copy-id {}",
        login(user, address, port)
    );
    Fault::failed(Step::Auth, what).hint(hint)
}

/// Only the keys that the operator named were to be tried, and none of these files is there.
pub(super) fn correct_identity_file() -> String {
    "correct identity_file in the layout, or leave it out: then the SSH agent and the usual files are tried".to_owned()
}

/// What helps where nobody can be asked for the passphrase of a key.
pub(super) fn unlock(key: &Path) -> String {
    format!("let the SSH agent ask for it once: ssh-add {}; or run it on a terminal", quote(&key.to_string_lossy()))
}

/// The server lets in whoever answers its questions, and there is no terminal to ask the operator on.
pub(super) fn nobody_to_ask(user: &str, methods: &str, address: &str, port: u16) -> Fault {
    let what = format!("login as {user} refused: the server asks for {methods}, and there is no terminal to ask on");
    let login = login(user, address, port);
    Fault::failed(Step::Auth, what).hint(format!("run it on a terminal, or bring a key there: ssh-copy-id {login}"))
}

/// Whether a server takes answers: what is typed on a terminal.
pub(super) fn takes_answers(methods: &str) -> bool {
    methods.split(',').any(|method| method == "keyboard-interactive" || method == "password")
}

/// The server closed in the middle of the login.
pub(super) fn login_broke(user: &str, attempts: usize, said: &dyn std::fmt::Display) -> Fault {
    Fault::failed(Step::Auth, format!("the login as {user} broke after {attempts}: {said}"))
        .hint("sshd closes after MaxAuthTries keys: name the right one with identity_file")
}

/// The words after `ssh` and its like.
pub(super) fn login(user: &str, address: &str, port: u16) -> String {
    let port = if port == 22 { String::new() } else { format!("-p {port} ") };
    format!("{port}{}", quote(&format!("{user}@{address}")))
}
