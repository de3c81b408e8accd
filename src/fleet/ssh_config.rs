//! What `~/.ssh/config` says about a host, as the installed `ssh` resolves it.
//!
//! `ssh -G` is asked instead of reading the file: it knows `Match`, `Include` and tokens. It costs a process, so it is
//! not asked where no configuration could have anything to say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::settings::Settings;

/// `ssh -G` may run commands of the operator's configuration (`Match exec`), so it has a deadline as well.
const DEADLINE: Duration = Duration::from_secs(5);

/// The settings of `ssh` that are honoured, below those of the layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SshConfig {
    pub host_name: Option<String>,
    pub host_key_alias: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_files: Vec<PathBuf>,
    pub identities_only: bool,
    pub identity_agent: Option<String>,
    pub known_hosts: Vec<PathBuf>,
    pub jump: Vec<String>,
    /// Not honoured, and therefore refused.
    pub proxy_command: Option<String>,
    pub connect_timeout: Option<Duration>,
}

/// Asks for the settings of the host called `name`; nothing where there is no `ssh` or no configuration.
pub(super) async fn ask(name: &str, settings: &Settings) -> SshConfig {
    let user_file = settings.home.join(".ssh/config");
    if !settings.ssh_config || (!user_file.exists() && is_silent(Path::new("/etc/ssh/ssh_config"))) {
        return SshConfig::default();
    }
    let mut command = Command::new("ssh");
    // ssh finds the file through the account; said here so that both of us mean the same one.
    if user_file.exists() && !same_home(settings) {
        command.arg("-F").arg(&user_file);
    }
    command.args(["-G", "--", name]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(DEADLINE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            parse(&String::from_utf8_lossy(&output.stdout), &settings.home, user_file.exists())
        }
        other => {
            tracing::warn!(host = name, "ssh -G gave no answer, ssh_config is left out: {other:?}");
            SshConfig::default()
        }
    }
}

/// Makes `~/` absolute.
pub(super) fn expand_home(path: &Path, home: &Path) -> PathBuf {
    path.strip_prefix("~").map_or_else(|_| path.to_owned(), |below| home.join(below))
}

fn same_home(settings: &Settings) -> bool {
    std::env::var_os("HOME").is_some_and(|home| Path::new(&home) == settings.home)
}

/// Whether a system-wide file has nothing in it that would change how a host is reached.
fn is_silent(file: &Path) -> bool {
    const HONOURED: [&str; 12] = [
        "hostname",
        "hostkeyalias",
        "user",
        "port",
        "identityfile",
        "identitiesonly",
        "identityagent",
        "userknownhostsfile",
        "globalknownhostsfile",
        "proxyjump",
        "connecttimeout",
        "proxycommand",
    ];
    let Ok(text) = fs::read_to_string(file) else { return true };
    text.lines().all(|line| {
        let line = line.trim_start().to_ascii_lowercase();
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        match words.next() {
            Some("match") => false,
            Some("include") => words.all(|pattern| {
                // The only pattern that distributions ship; anything else is left to ssh.
                let folder = pattern.strip_suffix("/*.conf").map(fs::read_dir);
                folder.is_some_and(|entries| entries.is_err() || entries.is_ok_and(|mut files| files.next().is_none()))
            }),
            Some(word) => !HONOURED.contains(&word),
            None => true,
        }
    })
}

/// Reads the answer of `ssh -G`. It names defaults as well; those are left out where they can be told apart.
fn parse(text: &str, home: &Path, has_user_file: bool) -> SshConfig {
    let mut config = SshConfig::default();
    let path = |word: &str| expand_home(Path::new(word.trim_matches('"')), home);
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let text = || Some(value.to_owned()).filter(|v| v != "none");
        match key {
            "hostname" => config.host_name = text(),
            "hostkeyalias" => config.host_key_alias = text(),
            "user" if has_user_file => config.user = text(),
            "port" => config.port = value.parse().ok().filter(|&port| port != 22),
            "identityfile" if value != "none" => config.identity_files.push(path(value)),
            "identitiesonly" => config.identities_only = value == "yes",
            "identityagent" => config.identity_agent = Some(value.to_owned()),
            "userknownhostsfile" | "globalknownhostsfile" => {
                config.known_hosts.extend(value.split(' ').filter(|word| *word != "none").map(path));
            }
            "proxyjump" => {
                config.jump = text().map(|list| list.split(',').map(Into::into).collect()).unwrap_or_default()
            }
            "proxycommand" => config.proxy_command = text(),
            "connecttimeout" => {
                config.connect_timeout = value.parse().ok().filter(|&s| s > 0).map(Duration::from_secs);
            }
            _ => {}
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_ssh_is_read() {
        let text = "host sensor-1\nuser zeek\nhostname 192.0.2.9\nport 2222\nidentitiesonly yes\nconnecttimeout none\n\
            identityfile ~/.ssh/fleet\nuserknownhostsfile ~/.ssh/known_hosts /etc/k\nproxyjump a@b:1,c\n";
        let config = parse(text, Path::new("/home/ana"), true);
        assert_eq!(config.host_name.as_deref(), Some("192.0.2.9"));
        assert_eq!((config.user.as_deref(), config.port, config.identities_only), (Some("zeek"), Some(2222), true));
        assert_eq!(config.identity_files, [Path::new("/home/ana/.ssh/fleet")]);
        assert_eq!(config.known_hosts, [Path::new("/home/ana/.ssh/known_hosts"), Path::new("/etc/k")]);
        assert_eq!(config.jump, ["a@b:1", "c"]);
        assert_eq!(config.connect_timeout, None);
    }

    #[test]
    fn a_system_file_without_a_say_is_not_asked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ssh_config");
        let silent = |text: &str| {
            fs::write(&file, text).unwrap();
            is_silent(&file)
        };
        assert!(silent("# c\nInclude /nowhere/at/all/*.conf\nHost *\n    SendEnv LANG LC_*\n#   Port 22\n"));
        assert!(!silent("Host *\n  ProxyJump gate\n"));
        assert!(!silent("Match exec true\n"));
        assert!(!silent("Include /etc/passwd\n"));
        assert!(is_silent(Path::new("/nowhere/at/all")));
    }

    #[tokio::test]
    async fn the_installed_ssh_resolves_patterns_and_includes() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".ssh")).unwrap();
        let more = home.path().join("more");
        fs::write(&more, "Host sensor-*\n  Port 2200\n  User probe\n").unwrap();
        let text = format!("Include {}\nHost sensor-1\n  HostName 192.0.2.77\n", more.display());
        fs::write(home.path().join(".ssh/config"), text).unwrap();
        let settings = Settings { home: home.path().to_owned(), ..Settings::from_env() };
        let config = ask("sensor-1", &settings).await;
        assert_eq!(config.host_name.as_deref(), Some("192.0.2.77"));
        assert_eq!((config.user.as_deref(), config.port), (Some("probe"), Some(2200)));
    }
}
