//! The words that `ssh` is started with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::probe::quote;
use super::super::settings::Settings;
use super::super::ssh_config::{self, word};
use crate::layout::HostKeyChecking;

/// Silence after which `ssh` asks whether the server is there, and how often before it gives up: as with the library, 45 s.
const ALIVE: [&str; 2] = ["ServerAliveInterval=15", "ServerAliveCountMax=3"];

/// What an interactive login may be configured to do and a master must not.
const PLAIN: [&str; 11] = [
    "ControlMaster=yes",
    "ControlPersist=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    // Many masters at once would write the same known_hosts file anew.
    "UpdateHostKeys=no",
    // Said again and again it costs attempts at the server; the operator's answers are asked for once.
    "NumberOfPasswordPrompts=1",
    // The steps of the login are read from it.
    "LogLevel=DEBUG1",
];

/// A file beside the control socket: what is revoked, whatever files the layout names.
pub(super) const REVOKED: &str = "revoked";

/// A machine as the layout describes it. What is not said here is left to `ssh` and its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Destination {
    /// What `Host` patterns are compared with.
    pub name: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_files: Vec<PathBuf>,
    pub known_hosts: Vec<PathBuf>,
    /// Further files of known keys, of which only what is `@revoked` counts.
    pub revoking: Vec<PathBuf>,
    pub checking: HostKeyChecking,
    pub connect: Duration,
    /// For reading ssh_config, which may run commands; whole seconds, so that hosts behind one jump host share its login.
    pub configuration: Duration,
}

/// The words of a master for this machine; `through` leads it through another master.
pub(super) fn of_master(
    to: &Destination,
    settings: &Settings,
    control: &Path,
    through: Option<(&Path, &str)>,
) -> Vec<OsString> {
    let mut words = ssh_config::file_option(settings);
    let mut push = |word: &str| words.push(word.into());
    ["-M", "-N", "-T", "-S", &control.to_string_lossy()].into_iter().for_each(&mut push);
    let mut options: Vec<String> = PLAIN.into_iter().chain(ALIVE).map(str::to_owned).collect();
    options.push(format!("ConnectTimeout={}", to.connect.as_secs_f64().ceil().max(1.0)));
    options.push(match to.checking {
        HostKeyChecking::Strict => "StrictHostKeyChecking=yes".to_owned(),
        HostKeyChecking::AcceptNew => "StrictHostKeyChecking=accept-new".to_owned(),
    });
    if !settings.can_ask_for_ssh() {
        options.push("BatchMode=yes".to_owned());
    }
    options.extend(to.identity_files.iter().map(|file| format!("IdentityFile={}", word(file))));
    if !to.known_hosts.is_empty() {
        let files: Vec<String> = to.known_hosts.iter().map(|file| word(file)).collect();
        options.push(format!("UserKnownHostsFile={}", files.join(" ")));
        // In place of the machine's own files: what they revoke alone.
        options.push(format!("GlobalKnownHostsFile={}", word(&control.with_file_name(REVOKED))));
    }
    if let Some((control, name)) = through {
        let jump: Vec<String> = of_client(control, &["-W"]).iter().map(|word| quote(&word.to_string_lossy())).collect();
        options.push(format!("ProxyCommand=ssh {} '[%h]:%p' {}", jump.join(" "), quote(name).replace('%', "%%")));
    }
    for option in &options {
        push("-o");
        push(option);
    }
    if let Some(user) = &to.user {
        push("-l");
        push(user);
    }
    if let Some(port) = to.port {
        push("-p");
        push(&port.to_string());
    }
    push("--");
    push(&to.name);
    words
}

/// The words of a process that goes through a master, without the name of the machine and what follows it.
pub(super) fn of_client(control: &Path, more: &[&str]) -> Vec<OsString> {
    let control = control.to_string_lossy();
    // Without its master `ssh` would log in by itself, by no settings of ours: that way leads nowhere.
    let words = ["-F", "none", "-T", "-S", &control, "-o", "ProxyCommand=false", "-o", "LogLevel=ERROR"];
    words.iter().chain(more).map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::settings;
    use super::*;

    fn destination() -> Destination {
        Destination {
            name: "sensor-1".into(),
            user: Some("zeek".into()),
            port: None,
            identity_files: vec!["/k/my key%".into()],
            known_hosts: vec!["/k/one".into(), "/k/two".into()],
            revoking: Vec::new(),
            checking: HostKeyChecking::AcceptNew,
            connect: Duration::from_millis(1500),
            configuration: Duration::ZERO,
        }
    }

    #[test]
    fn what_the_layout_says_is_passed_and_nothing_else_of_the_login() {
        let words = of_master(&destination(), &settings(), Path::new("/tmp/zc-1/c"), None);
        let text = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        for part in [
            "-F none -M -N -T -S /tmp/zc-1/c ",
            "-o ConnectTimeout=2 ",
            "-o StrictHostKeyChecking=accept-new ",
            "-o BatchMode=yes ",
            "-o IdentityFile=\"/k/my key%%\" ",
            "-o UserKnownHostsFile=\"/k/one\" \"/k/two\" ",
            "-o GlobalKnownHostsFile=\"/tmp/zc-1/revoked\" ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with(" -l zeek -- sensor-1") && !text.contains(" -p "), "{text}");
    }

    #[test]
    fn a_jump_goes_through_the_master_of_the_jump_host() {
        let through = Some((Path::new("/tmp/zc-2/c"), "gate"));
        let words = of_master(&destination(), &settings(), Path::new("/tmp/zc-1/c"), through);
        let proxy = words.iter().find(|word| word.to_string_lossy().starts_with("ProxyCommand=")).unwrap();
        let expected = "ProxyCommand=ssh -F none -T -S /tmp/zc-2/c -o ProxyCommand=false -o LogLevel=ERROR -W \
                        '[%h]:%p' gate";
        assert_eq!(proxy.to_string_lossy(), expected);
    }
}
