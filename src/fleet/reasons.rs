//! Why a login fails, in the same words and with the same advice whoever speaks SSH.

use std::io;
use std::path::Path;

use super::error::Step;
use super::fault::Fault;
use super::probe::quote;

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

/// The server closed in the banner or the key exchange.
pub(super) fn closed_early(step: Step) -> Fault {
    let what = match step {
        Step::Kex => "closed the connection during the key exchange",
        _ => "closed the connection at once",
    };
    Fault::unreachable(step, what)
        .hint("sshd refuses at random above MaxStartups, and punishes addresses that failed to log in; try later")
}

/// A key that nobody knows; `file` is where known ones are kept, where `ssh` would not keep them by itself.
pub(super) fn unknown_key(name: &str, shown: &str, file: Option<&Path>, login: &str) -> Fault {
    let what = format!("host key of {name} is not known: the server sent {shown}");
    let kept = file.map(|file| format!("-o UserKnownHostsFile={} ", quote(&word(file)))).unwrap_or_default();
    let hint =
        format!("compare the fingerprint and accept it: ssh {kept}{login} true (or host_key_checking: accept-new)");
    Fault::failed(Step::HostKey, what).hint(hint)
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

/// A path as one word of a value of ssh_config(5).
pub(super) fn word(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{text}\"")
}

/// The words after `ssh` and its like.
pub(super) fn login(user: &str, address: &str, port: u16) -> String {
    let port = if port == 22 { String::new() } else { format!("-p {port} ") };
    format!("{port}{}", quote(&format!("{user}@{address}")))
}
