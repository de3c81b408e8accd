//! What `~/.ssh/config` says about a host, as the installed `ssh` resolves it.
//!
//! `ssh -G` is asked instead of reading the file: it knows `Match`, `Include` and most tokens. It costs a process, so it is
//! not asked where no configuration could have anything to say. What `ssh` refuses is refused here as well: to go on without
//! it would lead past jump hosts and known_hosts files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::error::Step;
use super::fault::Fault;
use super::policy::Policy;
use super::settings::Settings;

/// `ssh -G` may run commands of the operator's configuration (`Match exec`), so it has a deadline as well.
const DEADLINE: Duration = Duration::from_secs(20);

/// The configuration of the machine, below the operator's.
const SYSTEM_FILE: &str = "/etc/ssh/ssh_config";

/// The settings of `ssh` that are honoured, below those of the layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SshConfig {
    pub host_name: Option<String>,
    pub host_key_alias: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// None where nobody said anything; empty where no file is to be tried.
    pub identity_files: Option<Vec<PathBuf>>,
    /// `CertificateFile`.
    pub certificates: Vec<PathBuf>,
    pub identities_only: bool,
    pub identity_agent: Option<PathBuf>,
    /// Whether no agent is to be asked.
    pub no_agent: bool,
    /// The operator's own; the first one is written to.
    pub known_hosts: Vec<PathBuf>,
    /// Those of the machine.
    pub global_known_hosts: Vec<PathBuf>,
    /// `RevokedHostKeys`: the server's key must not be in any of them.
    pub revoked_keys: Vec<PathBuf>,
    pub jump: Vec<String>,
    /// Not honoured, and therefore refused.
    pub proxy_command: Option<String>,
    pub connect_timeout: Option<Duration>,
    pub policy: Policy,
    /// Settings that the builtin client cannot heed and must not pass by, as a fragment for the operator.
    pub beyond: Option<String>,
    /// How long the answer took: the installed `ssh` takes as long again.
    pub took: Duration,
}

/// A machine as the layout names it; user and port decide in `Match` blocks and tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub name: &'a str,
    pub user: Option<&'a str>,
    pub port: Option<u16>,
}

/// Asks for the settings of a host; nothing where no configuration could say anything.
pub(super) async fn ask(asked: Asked<'_>, settings: &Settings) -> Result<SshConfig, Fault> {
    ask_within(DEADLINE, asked, settings).await
}

async fn ask_within(limit: Duration, asked: Asked<'_>, settings: &Settings) -> Result<SshConfig, Fault> {
    let from = std::time::Instant::now();
    let Some(output) = run(limit, asked, settings, &["-G"]).await? else { return Ok(SshConfig::default()) };
    let took = from.elapsed();
    let said = Said::read(&String::from_utf8_lossy(&output.stdout));
    let config = said.config(asked.name, &settings.home, defaults().await);
    Ok(SshConfig { took, ..config })
}

/// Where the settings of a host are written: file and line by the keyword in lower case. Found by the blocks that
/// `ssh -v -G` says it applies, the first line of which wins.
pub(super) async fn origins(asked: Asked<'_>, settings: &Settings) -> BTreeMap<String, (String, usize)> {
    // What is refused is said by the login.
    let Ok(Some(output)) = run(DEADLINE, asked, settings, &["-v", "-G"]).await else { return BTreeMap::new() };
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

/// Runs `ssh` for its configuration; none where nothing is configured.
async fn run(
    limit: Duration,
    asked: Asked<'_>,
    settings: &Settings,
    arguments: &[&str],
) -> Result<Option<Output>, Fault> {
    let (own, system) = (user_file(settings), Path::new(SYSTEM_FILE));
    if !settings.ssh_config || (!own.exists() && is_silent(system)) {
        return Ok(None);
    }
    let mut command = Command::new("ssh");
    command.args(file_option(settings)).args(arguments);
    if let Some(user) = asked.user {
        command.args(["-l", user]);
    }
    if let Some(port) = asked.port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["--", asked.name]).kill_on_drop(true).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = match command.spawn() {
        Ok(child) => child,
        // Without `ssh` nobody can refuse what says nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_silent(&own) && is_silent(system) => {
            return Ok(None);
        }
        Err(error) => return Err(not_asked(&error)),
    };
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    match tokio::time::timeout(limit, child.wait_with_output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(Some(output)),
        Ok(Ok(output)) => Err(refused(asked.name, &String::from_utf8_lossy(&output.stderr))),
        Ok(Err(error)) => Err(not_asked(&error)),
        Err(_) => {
            // With the command that it waits for; it may have ended just now.
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            Err(too_slow(asked.name, limit))
        }
    }
}

/// In the words of `ssh`, of which the first line tells the most.
fn refused(name: &str, said: &str) -> Fault {
    let is_news = |line: &&str| !line.is_empty() && !line.starts_with("Pseudo-terminal ");
    let said = said.lines().map(str::trim).find(is_news).unwrap_or("it does not say why");
    let what = format!("ssh does not take its configuration: {}", super::reasons::shown(said));
    Fault::failed(Step::Resolve, what)
        .hint(format!("correct it; this says the same: ssh -G {}", super::probe::quote(name)))
}

fn too_slow(name: &str, limit: Duration) -> Fault {
    let what = format!("ssh did not read its configuration within {} s", limit.as_secs_f64());
    let name = super::probe::quote(name);
    Fault::timed_out(Step::Resolve, what).hint(format!("is a `Match exec` of ssh_config slow? see: ssh -v -G {name}"))
}

fn not_asked(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Fault::failed(Step::Resolve, "there is an ssh_config, and no program `ssh` on this machine to read it")
                .hint("install OpenSSH's client (openssh-client)")
        }
        _ => Fault::failed(Step::Resolve, format!("ssh cannot be asked for its configuration: {error}"))
            .hint("too many files or processes? see: ulimit -a; fewer at once: --parallel"),
    }
}

/// The words that lead `ssh` to the configuration that counts. It finds the operator's file through the account; said here
/// so that both of us mean the same one.
pub(super) fn file_option(settings: &Settings) -> Vec<OsString> {
    if !settings.ssh_config {
        return vec!["-F".into(), "none".into()];
    }
    if account_home().is_none_or(|home| home == settings.home) {
        return Vec::new();
    }
    let file = user_file(settings);
    let file = if file.exists() { file } else { SYSTEM_FILE.into() };
    if file.exists() { vec!["-F".into(), file.into()] } else { vec!["-F".into(), "none".into()] }
}

/// A file name in an option: quoted, and its percent signs are no tokens (ssh_config(5)).
pub(super) fn word(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{text}\"")
}

/// Makes `~/` and `~user/` absolute.
pub(super) fn expand_home(path: &Path, home: &Path) -> PathBuf {
    if let Ok(below) = path.strip_prefix("~") {
        return home.join(below);
    }
    let other =
        path.to_str().and_then(|text| text.strip_prefix('~')).map(|text| text.split_once('/').unwrap_or((text, "")));
    let expanded = other.and_then(|(user, below)| Some(PathBuf::from(field_of(0, user, 5)?).join(below)));
    expanded.unwrap_or_else(|| path.to_owned())
}

/// The home folder of this account, where `/etc/passwd` has it; ssh does not look at `HOME`.
fn account_home() -> Option<PathBuf> {
    account(5).map(PathBuf::from)
}

/// A field of this account in `/etc/passwd`.
fn account(field: usize) -> Option<String> {
    field_of(2, &rustix::process::getuid().as_raw().to_string(), field)
}

/// A field of the account whose field `by` is `is`.
fn field_of(by: usize, is: &str, field: usize) -> Option<String> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    let account =
        text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.get(by) == Some(&is))?;
    account.get(field).map(|field| (*field).to_owned())
}

/// Whether a file has nothing in it that would change how a host is reached, or that `ssh` could refuse.
fn is_silent(file: &Path) -> bool {
    // What distributions ship.
    const WITHOUT_A_SAY: [&str; 7] = [
        "host",
        "sendenv",
        "setenv",
        "hashknownhosts",
        "gssapiauthentication",
        "gssapidelegatecredentials",
        "visualhostkey",
    ];
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    };
    text.lines().all(|line| {
        let line = line.trim_start().to_ascii_lowercase();
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        match words.next() {
            Some("include") => words.all(|pattern| {
                // The only pattern that distributions ship; anything else is left to ssh.
                let folder = pattern.strip_suffix("/*.conf").map(fs::read_dir);
                folder.is_some_and(|entries| entries.is_err() || entries.is_ok_and(|mut files| files.next().is_none()))
            }),
            Some(word) => word.starts_with('#') || WITHOUT_A_SAY.contains(&word),
            None => true,
        }
    })
}

/// The answer of `ssh -G`: values by keyword, in their order.
#[derive(Debug, Default)]
struct Said(BTreeMap<String, Vec<String>>);

/// What `ssh` says where nothing is configured; nothing where it cannot be asked, and then everything counts as configured.
async fn defaults() -> &'static Said {
    static DEFAULTS: OnceCell<Said> = OnceCell::const_new();
    DEFAULTS
        .get_or_init(async || {
            let mut command = Command::new("ssh");
            command.args(["-F", "none", "-G", "--", "host"]).stdin(Stdio::null()).kill_on_drop(true);
            match tokio::time::timeout(DEADLINE, command.output()).await {
                Ok(Ok(output)) => Said::read(&String::from_utf8_lossy(&output.stdout)),
                _ => Said::default(),
            }
        })
        .await
}

impl Said {
    fn read(text: &str) -> Said {
        let mut said = Said::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            said.0.entry(key.to_ascii_lowercase()).or_default().push(value.to_owned());
        }
        said
    }

    fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// The value, unless it is `none`.
    fn value(&self, key: &str) -> Option<&str> {
        self.values(key).next().filter(|value| *value != "none")
    }

    fn is(&self, key: &str, words: [&str; 2]) -> bool {
        self.value(key).is_some_and(|value| words.contains(&value))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.value(key)?.parse().ok()
    }

    /// The value where it is not the default.
    fn configured(&self, key: &str, defaults: &Said) -> Option<&str> {
        let value = self.value(key)?;
        (defaults.value(key) != Some(value)).then_some(value)
    }

    /// What it says of the host called `name`. It names defaults as well; those are left out where they can be told apart.
    fn config(&self, name: &str, home: &Path, defaults: &Said) -> SshConfig {
        let tokens = Tokens { name, home, said: self };
        let mut beyond = self.beyond(defaults);
        let mut expanded = |keyword: &str, text: &str| {
            tokens.expand(text.trim_matches('"')).unwrap_or_else(|token| {
                beyond.get_or_insert_with(|| format!("{keyword} with {token}"));
                text.to_owned()
            })
        };
        let mut paths = |keyword: &str, key: &str| -> Vec<PathBuf> {
            let values = self.values(key).filter(|value| *value != "none");
            values.map(|value| expand_home(Path::new(&expanded(keyword, value)), home)).collect()
        };
        let identity_files = paths("IdentityFile", "identityfile");
        let certificates = paths("CertificateFile", "certificatefile");
        let agent = paths("IdentityAgent", "identityagent").pop().filter(|agent| agent != Path::new("SSH_AUTH_SOCK"));
        let jump = self.value("proxyjump").map(|list| expanded("ProxyJump", list));
        let lists = |key| self.value(key).into_iter().flat_map(files).map(|file| expand_home(Path::new(file), home));
        SshConfig {
            host_name: self.value("hostname").map(str::to_owned),
            host_key_alias: self.value("hostkeyalias").map(str::to_owned),
            user: self.value("user").map(str::to_owned),
            port: self.number("port").filter(|&port| port != 22),
            identity_files: self.0.contains_key("identityfile").then_some(identity_files),
            certificates,
            identities_only: self.is("identitiesonly", ["yes", "true"]),
            identity_agent: agent,
            no_agent: self.values("identityagent").any(|value| value == "none"),
            known_hosts: lists("userknownhostsfile").collect(),
            global_known_hosts: lists("globalknownhostsfile").collect(),
            revoked_keys: lists("revokedhostkeys").collect(),
            jump: jump.map(|list| list.split(',').map(Into::into).collect()).unwrap_or_default(),
            proxy_command: self.value("proxycommand").map(str::to_owned),
            connect_timeout: self.number("connecttimeout").filter(|&s| s > 0).map(Duration::from_secs),
            policy: self.policy(defaults),
            beyond,
            took: Duration::ZERO,
        }
    }

    fn policy(&self, defaults: &Said) -> Policy {
        let list = |key| self.configured(key, defaults).map(str::to_owned);
        let mut refused_methods = Vec::new();
        let methods = [
            ("publickey", "pubkeyauthentication"),
            ("keyboard-interactive", "kbdinteractiveauthentication"),
            ("password", "passwordauthentication"),
        ];
        let preferred = self.value("preferredauthentications");
        for (method, key) in methods {
            let is_preferred = preferred.is_none_or(|list| list.split(',').any(|listed| listed == method));
            if !is_preferred || self.is(key, ["no", "false"]) {
                refused_methods.push(method.to_owned());
            }
        }
        Policy {
            kex: list("kexalgorithms"),
            host_keys: list("hostkeyalgorithms"),
            ciphers: list("ciphers"),
            macs: list("macs"),
            public_keys: list("pubkeyacceptedalgorithms").or_else(|| list("pubkeyacceptedkeytypes")),
            refused_methods,
            address_family: list("addressfamily"),
            rsa_bits: self.number("requiredrsasize"),
            card: self.configured("pkcs11provider", defaults).map(str::to_owned),
        }
    }

    /// Settings that lead another way than the builtin client can go.
    fn beyond(&self, defaults: &Said) -> Option<String> {
        let keywords = [("bindaddress", "BindAddress"), ("bindinterface", "BindInterface")];
        let found = keywords.into_iter().find_map(|(key, keyword)| Some((keyword, self.configured(key, defaults)?)));
        found.map(|(keyword, value)| format!("{keyword} {value}"))
    }
}

/// The values of tokens (ssh_config(5), "TOKENS").
struct Tokens<'a> {
    name: &'a str,
    home: &'a Path,
    said: &'a Said,
}

impl Tokens<'_> {
    /// `ssh -G` leaves some values as they are written. The error is a token that is not known here.
    fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = match text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            // IdentityAgent may be the name of a variable.
            Some(name) => return std::env::var(name).map_err(|_| format!("${name}, which is not set")),
            None => text,
        };
        while let Some(at) = rest.find(['%', '$']) {
            expanded.push_str(&rest[..at]);
            let (token, after) = rest[at..].split_at(2.min(rest.len() - at));
            rest = after;
            if token == "${" {
                let (name, after) = rest.split_once('}').ok_or_else(|| "${".to_owned())?;
                let value = std::env::var(name).map_err(|_| format!("${{{name}}}, which is not set"))?;
                expanded.push_str(&value);
                rest = after;
            } else if token.starts_with('$') {
                expanded.push_str(token);
            } else {
                expanded.push_str(&self.value(token).ok_or_else(|| token.to_owned())?);
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn value(&self, token: &str) -> Option<String> {
        let said = |key| self.said.value(key).map(str::to_owned);
        let machine = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        Some(match token {
            "%%" => "%".to_owned(),
            "%n" => self.name.to_owned(),
            "%h" => said("hostname")?,
            "%p" => said("port")?,
            "%r" => said("user")?,
            "%k" => said("hostkeyalias").unwrap_or_else(|| self.name.to_owned()),
            "%d" => self.home.display().to_string(),
            "%u" => account(0)?,
            "%i" => rustix::process::getuid().as_raw().to_string(),
            "%L" => machine().split('.').next()?.to_owned(),
            _ => return None,
        })
    }
}

/// The files of a list that `ssh -G` prints: blanks stand between them and, without quotes, in them. Their names are absolute.
fn files(list: &str) -> impl Iterator<Item = &str> {
    let starts = list.match_indices(" /").map(|(at, _)| at + 1).chain(list.match_indices(" ~").map(|(at, _)| at + 1));
    let mut cuts: Vec<usize> = std::iter::once(0).chain(starts).chain([list.len() + 1]).collect();
    cuts.sort_unstable();
    let words: Vec<&str> = cuts.windows(2).map(|cut| list[cut[0]..cut[1] - 1].trim()).collect();
    words.into_iter().filter(|word| !word.is_empty() && *word != "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_ssh_is_read() {
        let text = "host sensor-1\nuser zeek\nhostname 192.0.2.9\nport 2222\nidentitiesonly yes\nconnecttimeout none\n\
            identityfile ~/.ssh/fleet\nglobalknownhostsfile /etc/k\n\
            userknownhostsfile ~/.ssh/known hosts /x-22\nproxyjump a@b:1,c\nrevokedhostkeys ~/r\n";
        let config = Said::read(text).config("sensor-1", Path::new("/home/ana"), &Said::default());
        assert_eq!(config.host_name.as_deref(), Some("192.0.2.9"));
        assert_eq!((config.user.as_deref(), config.port, config.identities_only), (Some("zeek"), Some(2222), true));
        assert_eq!(config.identity_files.as_deref(), Some(&[PathBuf::from("/home/ana/.ssh/fleet")][..]));
        assert_eq!(config.known_hosts, [Path::new("/home/ana/.ssh/known hosts"), Path::new("/x-22")]);
        assert_eq!(config.global_known_hosts, [Path::new("/etc/k")]);
        assert_eq!(config.revoked_keys, [Path::new("/home/ana/r")]);
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
        assert!(!silent("FooBar yes\n"));
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
        let sensor = Asked { name: "sensor-1", user: None, port: None };
        let config = ask(sensor, &settings).await.unwrap();
        assert_eq!(config.host_name.as_deref(), Some("192.0.2.77"));
        assert_eq!((config.user.as_deref(), config.port), (Some("probe"), Some(2200)));
        let origins = origins(sensor, &settings).await;
        let of = |keyword: &str| origins.get(keyword).map(|(file, line)| (Path::new(file).to_owned(), *line));
        assert_eq!(of("port"), Some((more, 2)));
        assert_eq!(of("hostname"), Some((home.path().join(".ssh/config"), 3)));
        assert_eq!(of("proxyjump"), None);
    }

    #[test]
    fn tokens_and_variables_are_expanded_or_said() {
        let said = Said::read("hostname 192.0.2.9\nuser zeek\nport 2222\nhostkeyalias none\n");
        let tokens = Tokens { name: "web", home: Path::new("/home/ana"), said: &said };
        let expand = |text| tokens.expand(text);
        assert_eq!(expand("%d/%n/%h:%p/%r%%k/%k").unwrap(), "/home/ana/web/192.0.2.9:2222/zeek%k/web");
        assert_eq!(expand("a$b/plain").unwrap(), "a$b/plain");
        assert_eq!(expand("${PATH}/k").unwrap(), format!("{}/k", std::env::var("PATH").unwrap()));
        assert_eq!(expand("$PATH").unwrap(), std::env::var("PATH").unwrap());
        assert_eq!(expand("id_%C").unwrap_err(), "%C");
        assert!(expand("${NO_SUCH_VARIABLE}/k").unwrap_err().contains("not set"));
        assert_eq!(expand_home(Path::new("~root/k"), Path::new("/h")), Path::new("/root/k"));
    }

    #[test]
    fn what_is_configured_is_told_from_defaults() {
        let usual = "ciphers a,b\nmacs m\npubkeyauthentication true\npasswordauthentication yes\naddressfamily any\n";
        let defaults = Said::read(usual);
        let config = |text: &str| Said::read(text).config("web", Path::new("/"), &defaults);
        assert_eq!(config(usual).policy, Policy::default());
        let narrow = config("ciphers a\nmacs m\npubkeyauthentication no\npreferredauthentications password\n");
        assert_eq!((narrow.policy.ciphers.as_deref(), narrow.policy.macs.as_deref()), (Some("a"), None));
        assert_eq!(narrow.policy.refused_methods, ["publickey", "keyboard-interactive"]);
        assert_eq!(config("bindaddress 192.0.2.5\n").beyond.unwrap(), "BindAddress 192.0.2.5");
        assert_eq!(config("identityfile ~/id_%C\n").beyond.unwrap(), "IdentityFile with %C");
    }

    fn home_with(config: &str) -> (tempfile::TempDir, Settings) {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".ssh")).unwrap();
        fs::write(home.path().join(".ssh/config"), config).unwrap();
        let settings = Settings { home: home.path().to_owned(), ..Settings::from_env() };
        (home, settings)
    }

    #[tokio::test]
    async fn user_and_port_of_the_layout_decide_in_match_and_tokens() {
        let (_home, settings) = home_with(
            "Match user op\n  ProxyJump gate\n  UserKnownHostsFile /k/%p\nMatch all\n  User probe\n  Port 2200\n",
        );
        let named = Asked { name: "web", user: Some("op"), port: Some(77) };
        let config = ask(named, &settings).await.unwrap();
        assert_eq!((config.jump, config.known_hosts), (vec!["gate".to_owned()], vec![PathBuf::from("/k/77")]));
        let config = ask(Asked { user: None, port: None, ..named }, &settings).await.unwrap();
        assert_eq!((config.user.as_deref(), config.port), (Some("probe"), Some(2200)));
        assert!(config.jump.is_empty());
    }

    #[tokio::test]
    async fn what_ssh_refuses_or_does_not_finish_is_an_error_in_its_words() {
        let asked = Asked { name: "web", user: None, port: None };
        let cases = [
            ("Host web\n  ProxyJump gate\nHost *\n  FooBar yes\n", "line 4: Bad configuration option: foobar"),
            ("Include ~/.ssh/config\n", "Too many recursive configuration includes"),
            ("Host web\n  Port none\n", "line 2: Bad port"),
        ];
        for (text, said) in cases {
            // Here `~` is the home folder of the account.
            let (home, settings) = home_with("");
            let file = home.path().join(".ssh/config");
            fs::write(&file, text.replace("~/.ssh/config", file.to_str().unwrap())).unwrap();
            let fault = ask(asked, &settings).await.unwrap_err();
            assert_eq!(fault.step, Step::Resolve);
            assert!(fault.what.contains(said), "{text}: {fault:?}");
        }
        let (_home, settings) = home_with("Match exec \"sleep 600\"\n  Port 2200\n");
        let fault = ask_within(Duration::from_millis(300), asked, &settings).await.unwrap_err();
        assert_eq!(fault.kind, super::super::error::ReachKind::TimedOut);
        assert!(fault.hint.unwrap().contains("`Match exec`"), "{}", fault.what);
    }
}
