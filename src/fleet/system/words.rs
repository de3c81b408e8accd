//! What `ssh` says on its way to a host, read for the step that it is in and for why it ended. The words are those of
//! OpenSSH from 8.4 on, at its level DEBUG1; a sentence that is not known costs the step, never the error itself, which then
//! is what `ssh` said last.

use std::io::ErrorKind;

use super::super::error::{ReachKind, Step};
use super::super::fault::Fault;
use super::super::reasons::{self, Acceptance};

/// Own sentences that are kept for the end, the last ones.
const KEPT: usize = 40;

/// What a line amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that matters.
    Nothing,
    /// A step is behind it; what was found.
    Passed(Step, String),
    /// Somebody else's program connects; that takes its own time.
    Proxy,
    /// It is logged in, and its control socket is there.
    Ready,
}

/// Whether it is worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Yes,
    No,
}

/// Who is logged in to, for the errors.
#[derive(Clone, Debug)]
pub(super) struct Whom {
    pub user: String,
    pub address: String,
    pub port: u16,
    /// Whether the way there goes through another master.
    pub is_behind: bool,
    /// Whether questions reach the operator.
    pub can_be_asked: bool,
    /// For the advice on an unknown key.
    pub acceptance: Acceptance,
}

/// What one `ssh` said so far.
#[derive(Debug)]
pub(super) struct Story {
    whom: Whom,
    step: Step,
    /// Dialled last.
    address: Option<String>,
    has_proxy: bool,
    kex: String,
    /// Type and fingerprint of the key that the server showed.
    shown: String,
    is_known: bool,
    /// What the server said before, or instead of, its banner.
    greeting: Option<String>,
    methods: String,
    tried: Vec<String>,
    /// Sentences that are no debugging.
    own: Vec<String>,
}

impl Story {
    pub fn new(whom: Whom) -> Story {
        Story {
            whom,
            step: Step::Resolve,
            address: None,
            has_proxy: false,
            kex: String::new(),
            shown: String::new(),
            is_known: false,
            greeting: None,
            methods: "nothing".to_owned(),
            tried: Vec::new(),
            own: Vec::new(),
        }
    }

    pub fn step(&self) -> Step {
        self.step
    }

    pub fn hear(&mut self, line: &str) -> Heard {
        let Some(note) = line.strip_prefix("debug1: ") else { return self.hear_own(line) };
        let after = |beginning: &str| note.strip_prefix(beginning);
        if let Some(rest) = after("Connecting to ") {
            let address = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(address, _)| address);
            self.step = Step::Connect;
            self.address = address.map(str::to_owned);
            return Heard::Passed(Step::Resolve, address.unwrap_or(rest).to_owned());
        }
        if after("Executing proxy command: ").is_some() {
            (self.step, self.has_proxy) = (Step::Connect, true);
            return Heard::Proxy;
        }
        if after("Connection established.").is_some() {
            self.step = Step::Banner;
            return Heard::Passed(Step::Connect, format!("{} answers", self.address.as_deref().unwrap_or("it")));
        }
        if let Some(rest) = after("Remote protocol version ") {
            let (version, software) = rest.split_once(", remote software version ").unwrap_or((rest, ""));
            self.step = Step::Kex;
            return Heard::Passed(Step::Banner, format!("SSH-{version}-{software}"));
        }
        if let Some((_, said)) = note.split_once("banner line ").and_then(|(_, rest)| rest.split_once(": ")) {
            self.greeting = Some(reasons::shown(said));
        } else if let Some(algorithm) = after("kex: algorithm: ") {
            self.kex = algorithm.to_owned();
        } else if let Some(rest) = after("kex: client->server cipher: ") {
            let cipher = rest.split(' ').next().unwrap_or_default();
            return Heard::Passed(Step::Kex, format!("{}, {cipher}", self.kex));
        } else if let Some(shown) = after("Server host key: ").or_else(|| after("Server host certificate: ")) {
            self.step = Step::HostKey;
            self.shown = shown.split(", ").next().unwrap_or(shown).to_owned();
        } else if note.starts_with("Host '") && note.contains(" is known and matches the ") {
            self.is_known = true;
            return Heard::Passed(Step::HostKey, format!("{} is known", self.shown));
        } else if after("SSH2_MSG_NEWKEYS received").is_some() && self.step == Step::HostKey {
            self.step = Step::Auth;
            if !self.is_known {
                return Heard::Passed(Step::HostKey, format!("{} is accepted as new", self.shown));
            }
        } else if let Some(methods) = after("Authentications that can continue: ") {
            self.methods = methods.to_owned();
        } else if let Some(key) = after("Offering public key: ") {
            self.try_with(format!("key {}", key.split(" SHA256:").next().unwrap_or(key)));
        } else if let Some(method) = after("Next authentication method: ").filter(|method| *method != "publickey") {
            self.try_with(method.to_owned());
        } else if after("Entering interactive session.").is_some() {
            return Heard::Ready;
        }
        Heard::Nothing
    }

    fn try_with(&mut self, what: String) {
        if self.tried.len() < KEPT {
            self.tried.push(what);
        }
    }

    fn hear_own(&mut self, line: &str) -> Heard {
        if let Some(rest) = line.strip_prefix("Authenticated to ") {
            let method = rest.split('"').nth(1).unwrap_or("some method");
            return Heard::Passed(Step::Auth, format!("as {} with {method}", self.whom.user));
        }
        if !line.is_empty() && !line.starts_with('@') {
            if self.own.len() == KEPT {
                self.own.remove(0);
            }
            self.own.push(line.to_owned());
        }
        Heard::Nothing
    }

    /// Why it is given up before it was ready.
    pub fn late(&self) -> Fault {
        match (&self.greeting, self.step) {
            (Some(said), Step::Banner) => reasons::no_ssh(said),
            _ => reasons::too_late(self.step),
        }
    }

    /// Why it ended before it was ready.
    pub fn fault(&self) -> (Fault, Retry) {
        let own = || self.own.iter().map(String::as_str);
        let with = |part: &str| own().find(|line| line.contains(part));
        let whom = &self.whom;
        let told = |fault: Fault| (fault, Retry::No);
        if let Some(line) = with("Could not resolve hostname ") {
            let rest = line.split_once("hostname ").map_or(line, |(_, rest)| rest);
            let (name, said) = rest.split_once(": ").unwrap_or((rest, "unknown"));
            return told(reasons::no_address(name, &said));
        }
        if let Some(line) = own().find(|line| line.starts_with("ssh: connect to host ") && !self.has_proxy) {
            let said = line.rsplit_once(": ").map_or(line, |(_, said)| said);
            let other = self.address.as_ref().filter(|address| **address != whom.address);
            let other = other.map(|address| format!("{address}:{}", whom.port));
            return told(reasons::no_tcp(kind_of(said), &said, other.as_deref()));
        }
        if with("timed out during banner exchange").is_some() {
            return told(self.greeting.as_deref().map_or_else(|| reasons::too_late(Step::Banner), reasons::no_ssh));
        }
        if let Some(line) = with("Unable to negotiate with ") {
            let said = line.split_once(": ").map_or(line, |(_, said)| said);
            let hint =
                "name what it offers in ssh_config (KexAlgorithms, HostKeyAlgorithms, Ciphers), or renew its sshd";
            return told(Fault::failed(Step::Kex, said.to_owned()).hint(hint));
        }
        if with("Host key verification failed.").is_some() && self.step == Step::HostKey {
            return told(self.host_key());
        }
        if let Some(line) = with(": Permission denied (") {
            let methods = line.rsplit_once('(').map_or("", |(_, rest)| rest.trim_end_matches([')', '.']));
            let alone = self.tried.is_empty() && !whom.can_be_asked && reasons::takes_answers(methods);
            return told(match alone {
                true => reasons::nobody_to_ask(&whom.user, methods, &whom.address, whom.port),
                false => reasons::login_refused(&whom.user, &self.tried, methods, &whom.address, whom.port),
            });
        }
        if let Some(line) = with("Too many authentication failures") {
            let said = line.rsplit_once(": ").map_or(line, |(_, said)| said);
            return told(reasons::login_broke(&whom.user, self.tried.len(), &said));
        }
        if let Some(line) = own().find(|line| line.contains("onfiguration option") || line.contains(": line ")) {
            let what = format!("ssh does not take its configuration: {line}");
            return told(Fault::failed(Step::Resolve, what).hint("correct it; ssh -G says the same"));
        }
        self.broken_off()
    }

    /// It ended in the middle of a step.
    fn broken_off(&self) -> (Fault, Retry) {
        let by_ssh = |line: &&String| {
            let beginnings = [
                "kex_exchange_identification: ",
                "banner exchange: ",
                "Connection closed by ",
                "Connection reset by ",
                "ssh: ",
            ];
            !beginnings.iter().any(|beginning| line.starts_with(beginning))
        };
        if self.has_proxy && matches!(self.step, Step::Connect | Step::Banner) {
            let said = self.own.iter().rev().find(by_ssh).or(self.own.last()).cloned().unwrap_or_default();
            let fault = match self.whom.is_behind {
                true => reasons::not_behind(&said.trim_start_matches("channel 0: open failed: ")),
                false => Fault::unreachable(
                    Step::Connect,
                    format!("the ProxyCommand or ProxyJump of ssh_config ended before the server spoke: {said}"),
                )
                .hint("run it by hand; ssh -v to the same host shows how ssh starts it"),
            };
            return (fault, Retry::No);
        }
        let closed = |line: &String| {
            let words = ["Connection closed", "Connection reset", "closed by remote host", "reset by peer"];
            words.iter().any(|word| line.contains(word))
        };
        match self.step {
            Step::Banner if self.own.iter().any(closed) => {
                let said = self.greeting.as_deref();
                let retry = if said.is_none_or(reasons::is_of_sshd) { Retry::Yes } else { Retry::No };
                (reasons::closed_early(Step::Banner, said), retry)
            }
            Step::Kex if self.own.iter().any(closed) => (reasons::closed_early(Step::Kex, None), Retry::No),
            step => {
                let said = self.own.last().cloned().unwrap_or_else(|| "it said nothing".to_owned());
                let late = said.contains("timed out");
                let kind = if late { ReachKind::TimedOut } else { ReachKind::Failed };
                let fault = Fault::of(step, kind, format!("ssh ended: {said}"));
                (fault.hint("ssh -v to the same host tells more"), Retry::No)
            }
        }
    }

    /// Why a host key was not taken.
    fn host_key(&self) -> Fault {
        let own = || self.own.iter().map(String::as_str);
        let shown = if self.shown.is_empty() { "another one" } else { &self.shown };
        if own().any(|line| line.contains(" is marked as revoked") || line.contains(" was revoked ")) {
            return reasons::revoked_key(shown, "");
        }
        let offending = own().find_map(|line| line.strip_prefix("Offending ")?.split_once(" key in "));
        if let Some((kind, place)) = offending {
            let (file, line) = place.rsplit_once(':').unwrap_or((place, "?"));
            let name = own().find_map(|line| line.trim_start().strip_prefix("ssh-keygen ")?.rsplit('"').nth(1));
            let whom = &self.whom;
            let name = name.map_or_else(|| super::super::known_hosts::name_of(&whom.address, whom.port), str::to_owned);
            return reasons::changed_key(&format!("{file} line {line} has another {kind} key"), shown, file, &name);
        }
        let whom = &self.whom;
        let name = own().find_map(|line| {
            let (_, rest) = line.split_once(" host key is known for ")?;
            rest.split_once(" and ").map(|(name, _)| name)
        });
        if let Some(name) = name {
            return reasons::unknown_key(name, shown, &whom.user, &whom.address, whom.port, &whom.acceptance);
        }
        let said = self.own.iter().rev().find(|line| !line.starts_with("Host key verification failed"));
        let said = said.map_or("ssh does not say why", String::as_str);
        Fault::failed(Step::HostKey, format!("its key {shown} is not taken: {said}"))
            .hint("ssh -v to the same host tells more")
    }

    /// Why a session that was open is over.
    pub fn end(&self) -> Fault {
        let said = self.own.last().map_or("ssh ended", String::as_str);
        let what = format!("the SSH session broke: {said}");
        let late = said.contains("timed out") || said.contains("not responding");
        let fault = if late { Fault::timed_out(Step::Channel, what) } else { Fault::unreachable(Step::Channel, what) };
        fault.hint("was the host restarted, or the link cut? run the command again")
    }
}

fn kind_of(said: &str) -> ErrorKind {
    match said {
        "Connection refused" => ErrorKind::ConnectionRefused,
        "Connection timed out" | "Operation timed out" => ErrorKind::TimedOut,
        "No route to host" => ErrorKind::HostUnreachable,
        "Network is unreachable" => ErrorKind::NetworkUnreachable,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(text: &str) -> (Story, Vec<(Step, String)>) {
        let whom = Whom {
            user: "root".into(),
            address: "127.0.0.1".into(),
            port: 3922,
            is_behind: false,
            can_be_asked: false,
            acceptance: Acceptance::default(),
        };
        let mut story = Story::new(whom);
        let passed = text.lines().filter_map(|line| match story.hear(line) {
            Heard::Passed(step, what) => Some((step, what)),
            _ => None,
        });
        let passed = passed.collect();
        (story, passed)
    }

    /// Recorded from OpenSSH 9.2.
    const LOGIN: &str = "\
debug1: Connecting to 127.0.0.1 [127.0.0.1] port 3922.
debug1: Connection established.
debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1 Debian-2+deb12u10
debug1: kex: algorithm: sntrup761x25519-sha512
debug1: kex: host key algorithm: ssh-ed25519
debug1: kex: client->server cipher: chacha20-poly1305@openssh.com MAC: <implicit> compression: none
debug1: Server host key: ssh-ed25519 SHA256:PLok
debug1: Host '[127.0.0.1]:3922' is known and matches the ED25519 host key.
debug1: SSH2_MSG_NEWKEYS received
debug1: Authentications that can continue: publickey,password
debug1: Next authentication method: publickey
debug1: Offering public key: /k/uk ED25519 SHA256:zT9J explicit
Authenticated to 127.0.0.1 ([127.0.0.1]:3922) using \"publickey\".
debug1: Entering interactive session.";

    #[test]
    fn the_steps_of_a_login_are_heard() {
        let (_, passed) = story(LOGIN);
        let passed: Vec<(Step, &str)> = passed.iter().map(|(step, what)| (*step, what.as_str())).collect();
        assert_eq!(
            passed,
            [
                (Step::Resolve, "127.0.0.1"),
                (Step::Connect, "127.0.0.1 answers"),
                (Step::Banner, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10"),
                (Step::Kex, "sntrup761x25519-sha512, chacha20-poly1305@openssh.com"),
                (Step::HostKey, "ssh-ed25519 SHA256:PLok is known"),
                (Step::Auth, "as root with publickey"),
            ]
        );
    }

    #[track_caller]
    fn check(before: usize, more: &str, step: Step, kind: ReachKind, part: &str) {
        let text: Vec<&str> = LOGIN.lines().take(before).chain(more.lines()).collect();
        let (fault, _) = story(&text.join("\n")).0.fault();
        assert_eq!((fault.step, fault.kind), (step, kind), "{fault:?}");
        assert!(fault.what.contains(part), "{fault:?}");
        assert!(fault.hint.is_some(), "{fault:?}");
    }

    #[test]
    fn each_way_to_fail_has_its_step_and_its_words() {
        use ReachKind::{Failed, TimedOut, Unreachable};
        let unknown = "ssh: Could not resolve hostname nosuch.invalid: Name or service not known";
        check(0, unknown, Step::Resolve, Unreachable, "nosuch.invalid does not resolve: Name or");
        let refused = "ssh: connect to host 127.0.0.1 port 3922: Connection refused";
        check(1, refused, Step::Connect, Unreachable, "refused the connection");
        let swallowed = "ssh: connect to host 127.0.0.1 port 3922: Connection timed out";
        check(1, swallowed, Step::Connect, TimedOut, "no answer to TCP");
        let silent = "Connection timed out during banner exchange\nConnection to 127.0.0.1 port 3998 timed out";
        check(2, silent, Step::Banner, TimedOut, "says nothing");
        let full =
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by 127.0.0.1 port 1";
        check(2, full, Step::Banner, Unreachable, "closed the connection at once");
        let foreign =
            "Unable to negotiate with 127.0.0.1 port 3922: no matching key exchange method found. Their offer: x";
        check(3, foreign, Step::Kex, Failed, "no matching key exchange method found. Their offer: x");
        let changed = "Offending ECDSA key in /k h/known:7\n  remove with:\n  ssh-keygen -f \"/k h/known\" -R \
                       \"[127.0.0.1]:3922\"\nHost key verification failed.";
        check(
            7,
            changed,
            Step::HostKey,
            Failed,
            "/k h/known line 7 has another ECDSA key, the server sent ssh-ed25519",
        );
        let new = "No ED25519 host key is known for [127.0.0.1]:3922 and you have requested strict checking.\n\
                   Host key verification failed.";
        check(7, new, Step::HostKey, Failed, "host key of [127.0.0.1]:3922 is not known: the server sent ssh-ed25519");
        let revoked = "The ED25519 host key for [127.0.0.1]:3922 is marked as revoked.\nHost key verification failed.";
        check(7, revoked, Step::HostKey, Failed, "its key ssh-ed25519 SHA256:PLok is revoked");
        let stranger = "root@127.0.0.1: Permission denied (publickey,password).";
        check(12, stranger, Step::Auth, Failed, "key /k/uk ED25519 (the server takes publickey,password)");
        let many = "Received disconnect from 127.0.0.1 port 3922:2: Too many authentication failures";
        check(12, many, Step::Auth, Failed, "broke after 1");
        check(0, "/k/config: line 3: Bad configuration option: foo", Step::Resolve, Failed, "line 3");
        check(9, "something new", Step::Auth, Failed, "ssh ended: something new");
        let proxy = "debug1: Executing proxy command: exec nc\nnc: nowhere\nkex_exchange_identification: Connection \
                     closed by remote host\nConnection closed by UNKNOWN port 65535";
        check(0, proxy, Step::Connect, Unreachable, "before the server spoke: nc: nowhere");
    }

    #[test]
    fn a_command_mends_a_changed_key() {
        let changed = "Offending ECDSA key in /k h/known:7\nHost key verification failed.";
        let text: Vec<&str> = LOGIN.lines().take(7).chain(changed.lines()).collect();
        let hint = story(&text.join("\n")).0.fault().0.hint.unwrap();
        assert_eq!(hint, "if this is expected: ssh-keygen -f '/k h/known' -R '[127.0.0.1]:3922'");
    }
}
