//! What `~/.ssh/config` says about a host, as the installed `ssh` resolves it.
//!
//! `ssh -G` is asked instead of reading the file: it knows `Match`, `Include` and tokens. It costs a process, so it is
//! not asked where no configuration could have anything to say.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
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
    let has_user_file = user_file(settings).exists();
    match run(name, settings, &["-G"]).await {
        Some(output) => parse(&String::from_utf8_lossy(&output.stdout), &settings.home, has_user_file),
        None => SshConfig::default(),
    }
}

/// Where the settings of the host called `name` are written: file and line by the keyword in lower case. Found by the
/// blocks that `ssh -v -G` says it applies, the first line of which wins.
pub(super) async fn origins(name: &str, settings: &Settings) -> BTreeMap<String, (String, usize)> {
    let Some(output) = run(name, settings, &["-v", "-G"]).await else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let Some((file, start)) = block_begins(line) else { continue };
        let text = fs::read_to_string(file).unwrap_or_default();
        for (index, line) in text.lines().enumerate().skip(start) {
            let Some(keyword) = keyword(line) else { continue };
            if keyword == "host" || keyword == "match" {
                break;
            }
            found.entry(keyword).or_insert_with(|| (file.to_owned(), index + 1));
        }
    }
    found
}

/// The file, and the lines of it to leave out, of a message that says which block is applied.
fn block_begins(message: &str) -> Option<(&str, usize)> {
    let message = message.trim_end().strip_prefix("debug1: ")?;
    if let Some(file) = message.strip_prefix("Reading configuration data ") {
        return Some((file, 0));
    }
    let (place, _) = message.split_once(": Applying options for ")?;
    let (file, line) = place.rsplit_once(" line ")?;
    Some((file, line.parse().ok()?))
}

/// The first word of a line of `ssh_config`, in lower case; none for a comment or an empty line.
fn keyword(line: &str) -> Option<String> {
    let line = line.trim_start().to_ascii_lowercase();
    let word = line.split([' ', '\t', '=']).next().unwrap_or_default();
    (!word.is_empty() && !word.starts_with('#')).then(|| word.to_owned())
}

fn user_file(settings: &Settings) -> PathBuf {
    settings.home.join(".ssh/config")
}

/// Runs `ssh` for its configuration; none where nothing is configured or it gives no answer.
async fn run(name: &str, settings: &Settings, arguments: &[&str]) -> Option<Output> {
    let file = user_file(settings);
    if !settings.ssh_config || (!file.exists() && is_silent(Path::new("/etc/ssh/ssh_config"))) {
        return None;
    }
    let mut command = Command::new("ssh");
    command.args(file_option(settings));
    command.args(arguments).args(["--", name]).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(DEADLINE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Some(output),
        other => {
            tracing::warn!(host = name, "ssh -G gave no answer, ssh_config is left out: {other:?}");
            None
        }
    }
}

/// The words that lead `ssh` to the configuration that counts. It finds the operator's file through the account; said here
/// so that both of us mean the same one.
pub(super) fn file_option(settings: &Settings) -> Vec<OsString> {
    if !settings.ssh_config {
        return vec!["-F".into(), "none".into()];
    }
    let file = user_file(settings);
    match file.exists() && account_home().is_some_and(|home| home != settings.home) {
        true => vec!["-F".into(), file.into()],
        false => Vec::new(),
    }
}

/// Makes `~/` absolute.
pub(super) fn expand_home(path: &Path, home: &Path) -> PathBuf {
    path.strip_prefix("~").map_or_else(|_| path.to_owned(), |below| home.join(below))
}

/// The home folder of this account, where `/etc/passwd` has it; ssh does not look at `HOME`.
fn account_home() -> Option<PathBuf> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let text = fs::read_to_string("/etc/passwd").ok()?;
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let own = text.lines().map(fields).find(|fields| fields.get(2) == Some(&uid))?;
    own.get(5).map(PathBuf::from)
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
        let origins = origins("sensor-1", &settings).await;
        let of = |keyword: &str| origins.get(keyword).map(|(file, line)| (Path::new(file).to_owned(), *line));
        assert_eq!(of("port"), Some((more, 2)));
        assert_eq!(of("hostname"), Some((home.path().join(".ssh/config"), 3)));
        assert_eq!(of("proxyjump"), None);
    }
}
