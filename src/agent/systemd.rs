//! The systemd unit of an agent: its text, where it lies, and the questions to `systemctl`.
//!
//! The unit stops the agent alone (`KillMode=process`): nodes stay in its cgroup, which systemd leaves to it
//! (`Delegate=yes`), and the next agent adopts them. Only a system that goes down has its agent stop them in order.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::api::boot::{Boot, BootScope};
use crate::api::paths::ClusterDir;

use super::foreground;

/// How long the agent may be silent. It sends a sign of life at half of it.
const WATCHDOG_S: u32 = 30;

/// How long a system that goes down waits for the agent, which stops the nodes first.
const STOP_S: u32 = 90;

/// Where a service manager that runs as process 1 leaves its traces. Source: `sd_booted(3)`.
const BOOTED: &str = "/run/systemd/system";

/// How long `systemctl` may take to answer a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The unit of one cluster's agent on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The cluster's folder.
    pub dir: ClusterDir,
    /// Whose it is.
    pub scope: BootScope,
    /// Who runs the agent, for a unit of the system; none for root.
    pub user: Option<String>,
}

impl Unit {
    /// The unit of that folder that is installed, whoever it belongs to; root's own user units included.
    pub fn installed(dir: &ClusterDir) -> Option<Unit> {
        let units = [BootScope::System, BootScope::User].map(|scope| Unit { dir: dir.clone(), scope, user: None });
        units.into_iter().find(|unit| unit.serves().is_some_and(|served| served == unit.dir_argument()))
    }

    /// `zeek-cluster-CLUSTER.service`.
    pub fn name(&self) -> String {
        let cluster = self.dir.path().file_name().map(|name| name.to_string_lossy().into_owned());
        format!("zeek-cluster-{}.service", cluster.unwrap_or_default())
    }

    /// Where its file lies.
    pub fn path(&self) -> PathBuf {
        folder(self.scope).join(self.name())
    }

    /// The folder that the unit of this name serves now, as its file writes it; none when there is no such unit.
    pub fn serves(&self) -> Option<String> {
        let text = fs::read_to_string(self.path()).ok()?;
        let start = text.lines().find(|line| line.starts_with("ExecStart="))?;
        Some(start.split_once("--dir ")?.1.trim().to_owned())
    }

    /// The folder as the unit's file writes it.
    pub fn dir_argument(&self) -> String {
        quoted(self.dir.path())
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let cluster = self.dir.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (program, dir) = (quoted(&self.dir.boot_program()), self.dir_argument());
        let log = escaped(&self.dir.agent_log());
        let (waits, target) = match self.scope {
            BootScope::System => (
                format!("Wants=network-online.target\nAfter=network-online.target\nRequiresMountsFor={dir}\n"),
                "multi-user.target",
            ),
            BootScope::User => (String::new(), "default.target"),
        };
        let user = self.user.as_ref().map(|user| format!("User={user}\n")).unwrap_or_default();
        format!(
            "\
# Written by `zeek-cluster agent install`; `zeek-cluster agent uninstall` removes it.
# Stopping this unit stops the supervision and leaves the nodes running: `zeek-cluster stop` stops those.

[Unit]
Description=Agent of the Zeek cluster {cluster}
{waits}StartLimitIntervalSec=0

[Service]
Type=notify
ExecStartPre=-{program} agent free-cgroup
ExecStart={program} agent run --dir {dir}
{user}Restart=always
RestartSec=1
TimeoutStartSec=60
TimeoutStopSec={STOP_S}
WatchdogSec={WATCHDOG_S}
KillMode=process
Delegate=yes
LimitNOFILE=524288
StandardOutput=append:{log}
StandardError=append:{log}

[Install]
WantedBy={target}
"
        )
    }

    /// Runs `systemctl` about this unit and waits for it.
    ///
    /// # Errors
    /// What it said on standard error, or why it could not be run.
    pub fn systemctl(&self, verb: &str) -> Result<(), String> {
        systemctl(self.scope, &[verb, &self.name()])
    }

    /// The unit's main process, while it has one.
    pub fn main_pid(&self) -> Option<u32> {
        let shown = answer(self.scope, &["show", "--property=MainPID", "--value", &self.name()])?;
        shown.trim().parse().ok().filter(|pid| *pid != 0)
    }
}

/// What starts the agent of this folder with the host. Looks at files only.
pub fn boot(dir: &ClusterDir) -> Boot {
    if foreground::keeper(dir).is_some() {
        return Boot::Container;
    }
    match Unit::installed(dir).map(|unit| unit.scope) {
        Some(BootScope::System) => Boot::System,
        Some(BootScope::User) if lingers() => Boot::User,
        Some(BootScope::User) => Boot::Login,
        None if is_booted() => Boot::Nothing,
        None => Boot::Unknown,
    }
}

/// Whether systemd runs as this host's process 1.
pub fn is_booted() -> bool {
    Path::new(BOOTED).is_dir()
}

/// Whether this user's service manager runs from boot on. Source: `loginctl(1)`, enable-linger.
pub fn lingers() -> bool {
    user_name().is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user).exists())
}

/// The name of the user that this process runs as.
pub fn user_name() -> Option<String> {
    name_of(rustix::process::geteuid().as_raw())
}

/// The name of a user, as `/etc/passwd` or another source of the system has it.
pub fn name_of(uid: u32) -> Option<String> {
    let output = Command::new("id").args(["-nu", &uid.to_string()]).stdin(Stdio::null()).output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}

/// `systemctl daemon-reload`.
///
/// # Errors
/// As [`Unit::systemctl`].
pub fn reload(scope: BootScope) -> Result<(), String> {
    systemctl(scope, &["daemon-reload"])
}

/// Whether the host, or the user's service manager, goes down. An answer that does not come within [`ANSWER_WITHIN`]
/// counts as no.
pub async fn is_stopping() -> bool {
    for scope in [BootScope::System, BootScope::User] {
        let mut asked = tokio::process::Command::from(command(scope, &["is-system-running"]));
        asked.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if let Ok(Ok(output)) = tokio::time::timeout(ANSWER_WITHIN, asked.output()).await
            && output.stdout.starts_with(b"stopping")
        {
            return true;
        }
    }
    false
}

fn systemctl(scope: BootScope, words: &[&str]) -> Result<(), String> {
    let output = command(scope, words).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("systemctl {}: {}", words.join(" "), last_line(&output.stderr))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("there is no systemctl".to_owned()),
        Err(error) => Err(format!("systemctl: {error}")),
    }
}

fn answer(scope: BootScope, words: &[&str]) -> Option<String> {
    let output = command(scope, words).stdin(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

fn command(scope: BootScope, words: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    if scope == BootScope::User {
        command.arg("--user");
        // A login by SSH has it from PAM; a command that something else started may not.
        if env::var_os("XDG_RUNTIME_DIR").is_none() {
            command.env("XDG_RUNTIME_DIR", format!("/run/user/{}", rustix::process::geteuid().as_raw()));
        }
    }
    command.arg("--no-ask-password").args(words);
    command
}

/// The last line that says something; its first line when it is a longer story.
fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it failed and said nothing").to_owned()
}

fn folder(scope: BootScope) -> PathBuf {
    match scope {
        BootScope::System => PathBuf::from("/etc/systemd/system"),
        BootScope::User => match env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()) {
            Some(folder) => PathBuf::from(folder).join("systemd/user"),
            None => PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".config/systemd/user"),
        },
    }
}

/// A path as one word of a unit's line. Source: `systemd.service(5)`, command lines; `systemd.unit(5)`, specifiers.
fn quoted(path: &Path) -> String {
    let inner = path.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('$', "$$");
    format!("\"{}\"", inner.replace('%', "%%"))
}

/// A path as the rest of a unit's line.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(dir: &str, scope: BootScope) -> Unit {
        Unit { dir: ClusterDir::new(dir), scope, user: None }
    }

    #[test]
    fn a_unit_names_its_program_and_folder_whatever_is_in_their_names() {
        let text = unit("/srv/50% of \"it\"/a$b/campus", BootScope::System).text();
        let start = text.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
        assert_eq!(
            start,
            r#"ExecStart="/srv/50%% of \"it\"/a$$b/campus/bin/agent" agent run --dir "/srv/50%% of \"it\"/a$$b/campus""#
        );
        assert!(text.contains("\nStandardError=append:/srv/50%% of \"it\"/a$b/campus/run/agent.log\n"));
    }

    #[test]
    fn each_scope_is_wanted_by_what_its_manager_reaches() {
        let system = Unit { user: Some("zeek".into()), ..unit("/b/campus", BootScope::System) };
        assert_eq!(system.path(), Path::new("/etc/systemd/system/zeek-cluster-campus.service"));
        assert!(system.text().contains("\nUser=zeek\nRestart=always\n"));
        assert!(system.text().contains("\nWantedBy=multi-user.target\n"));
        let user = unit("/b/campus", BootScope::User).text();
        assert!(user.contains("\nWantedBy=default.target\n") && !user.contains("network-online"));
        for text in [system.text(), user] {
            for line in ["Type=notify", "KillMode=process", "Delegate=yes", "WatchdogSec=30", "StartLimitIntervalSec=0"]
            {
                assert!(text.lines().any(|there| there == line), "{line} in {text}");
            }
        }
    }

    /// systemd's own judgement of the text, where systemd is installed.
    #[test]
    fn systemd_finds_nothing_wrong_with_the_units() {
        let found = Command::new("systemd-analyze").arg("--version").output().is_ok();
        if !found {
            assert!(env::var_os("CI").is_none(), "systemd-analyze is not installed");
            eprintln!("ignored: systemd-analyze is not installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(folder.path().join("campus"));
        fs::create_dir_all(dir.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/true", dir.boot_program()).unwrap();
        for scope in [BootScope::System, BootScope::User] {
            let unit = Unit { dir: dir.clone(), scope, user: None };
            let file = folder.path().join(unit.name());
            fs::write(&file, unit.text()).unwrap();
            let flag = if scope == BootScope::User { "--user" } else { "--system" };
            let output =
                Command::new("systemd-analyze").args(["verify", "--man=no", flag]).arg(&file).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("zeek-cluster-campus")).collect();
            assert!(ours.is_empty(), "{flag}: {said}");
        }
    }
}
