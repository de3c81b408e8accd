//! The layout file as YAML: a tree that the schema has checked, read into what was typed. What the schema refused reads
//! as not set; it has been reported.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::duration;
use super::limits::{self, CpuChoice, LimitsSpec};
use super::model::{Backend, Engine, Health, HostKeyChecking, Network, SshClient, WebSocket};
use super::problem::{Problems, Report, Spanned};
use super::schema;
use super::spec::*;
use super::tree::{self, Entry, Tree, Value};
use crate::api::config::{Compress, LogFormat, OptionValue, WebSocketTlsConfig};
use crate::api::notify::{IncidentKind, NotifyFormat, NotifyText};
use crate::api::store::{BackendType, FailureMode, JournalMode, SqliteOptions, Synchronous};
use crate::data::NodeType;

/// Reads a YAML text that is number `source` of the sources; none when there are no
/// nodes to speak of for a reason that has been reported.
pub(crate) fn read(text: &str, source: usize, problems: &mut Problems) -> Option<LayoutSpec> {
    match tree::parse(text, source) {
        Ok(tree) => {
            schema::check(&tree, problems);
            let shaped = |tree: &Tree| tree.is_null() || matches!(tree.value, Value::Map(_));
            let readable = shaped(&tree) && tree.get("nodes").is_none_or(|nodes| shaped(nodes));
            readable.then(|| layout(&tree, problems))
        }
        Err(report) => {
            problems.push(report);
            None
        }
    }
}

fn layout(tree: &Rc<Tree>, problems: &mut Problems) -> LayoutSpec {
    let logging = tree.get("logging");
    let zeek = tree.get("zeek");
    LayoutSpec {
        name: spanned(tree, "name", name),
        backend: spanned(tree, "backend", |s| match s {
            "zeromq" => Some(Backend::Zeromq),
            "broker" => Some(Backend::Broker),
            _ => None,
        }),
        encryption: plain(tree, "encryption", |s| match s {
            "on" => Some(Encryption::On),
            "off" => Some(Encryption::Off),
            _ => None,
        })
        .unwrap_or_default(),
        base_dir: spanned(tree, "base_dir", |s| s.starts_with('/').then(|| s.to_owned())),
        stop_grace: plain(tree, "stop_grace", duration::parse),
        restart_when_silent: plain(tree, "restart_when_silent", duration::parse),
        port: spanned(tree, "port", port),
        engine: plain(tree, "engine", engine),
        ssh: tree.get("ssh").map(ssh).unwrap_or_default(),
        defaults: tree.get("defaults").map(limits_spec).unwrap_or_default(),
        hosts: unique(entries(tree, "hosts")).map(host).collect(),
        hosts_refused: tree.get("hosts").is_some_and(|hosts| !hosts.is_null() && !matches!(hosts.value, Value::Map(_))),
        nodes: unique(entries(tree, "nodes")).map(node).collect(),
        nodes_span: key_span(tree, "nodes").unwrap_or(super::problem::Span { end: tree.span.start, ..tree.span }),
        options: unique(entries(tree, "options")).filter_map(|entry| option(entry, problems)).collect(),
        stores: unique(entries(tree, "stores")).map(store).collect(),
        notify: unique(entries(tree, "notify")).map(notify).collect(),
        logging: logging.map(logging_spec).unwrap_or_default(),
        networks: tree.get("networks").map(networks).unwrap_or_default(),
        zeek_prefix: zeek.and_then(|zeek| plain(zeek, "prefix", |s| Some(PathBuf::from(s)))),
        zeek_scripts: zeek.and_then(|zeek| texts(zeek, "scripts")),
        zeek_args: zeek.and_then(|zeek| texts(zeek, "args")).unwrap_or_default(),
        zeek_redefs: zeek.map(|zeek| named_texts(zeek, "redefs")).unwrap_or_default(),
    }
}

fn host(entry: &Entry) -> HostSpec {
    let short = scalar(&entry.value).map(|text| Spanned::new(text.to_owned(), entry.value.span));
    let address = short.or_else(|| spanned(&entry.value, "address", |s| Some(s.to_owned())));
    HostSpec {
        name: entry.key.clone(),
        address: address.unwrap_or_else(|| entry.key.clone()),
        ssh: entry.value.get("ssh").map(ssh),
    }
}

fn ssh(tree: &Rc<Tree>) -> SshSpec {
    let paths = |key| texts(tree, key).map(|paths| paths.into_iter().map(PathBuf::from).collect());
    SshSpec {
        user: plain(tree, "user", |s| Some(s.to_owned())),
        port: plain(tree, "port", port),
        identity_files: paths("identity_file"),
        known_hosts_files: paths("known_hosts_file"),
        jump: texts(tree, "jump"),
        host_key_checking: plain(tree, "host_key_checking", |s| match s {
            "strict" => Some(HostKeyChecking::Strict),
            "accept-new" => Some(HostKeyChecking::AcceptNew),
            _ => None,
        }),
        connect_timeout: plain(tree, "connect_timeout", duration::parse),
        client: plain(tree, "client", |s| {
            [SshClient::Builtin, SshClient::System].into_iter().find(|client| client.as_str() == s)
        }),
    }
}

fn node(entry: &Entry) -> NodeSpec {
    let tree = &entry.value;
    let count = |key| given(tree, key, |s| schema::int(s).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0));
    let pin_cpus = tree.get("pin_cpus").map(|cpus| cpus.elements()).unwrap_or_default();
    let af_packet = schema::AF_PACKET_KEYS
        .iter()
        .filter_map(|key| Some((key.strip_prefix("af_packet_")?.to_owned(), scalar(tree.get(key)?)?.to_owned())));
    NodeSpec {
        node_type: given(tree, "type", node_type),
        hosts: tree.get("host").or_else(|| misspelt_host(tree)).map(host_choice).unwrap_or(HostChoice::Default),
        count: match count("count") {
            Given::Not => count("lb_procs"),
            count => count,
        },
        ip: spanned(tree, "ip", schema::ip),
        zone_id: plain(tree, "zone_id", |s| Some(s.to_owned())).unwrap_or_default(),
        port: spanned(tree, "port", port),
        manager: spanned(tree, "manager", name),
        metrics_port: spanned(tree, "metrics_port", port),
        engine: plain(tree, "engine", engine),
        websocket: tree
            .get("websocket")
            .filter(|tree| tree.is_null() || matches!(tree.value, Value::Map(_)))
            .map(|tree| Spanned::new(websocket(tree), tree.span)),
        interfaces: tree.get("interface").map(interfaces).unwrap_or(Interfaces::None),
        lb_method: plain(tree, "lb_method", |s| Some(s.to_owned())),
        pin_cpus: pin_cpus.iter().filter_map(|cpu| scalar(cpu)?.parse().ok()).collect(),
        pin_cpus_span: tree.get("pin_cpus").map_or(entry.key.span, |cpus| cpus.span),
        limits: limits_spec(tree),
        command: tree.get("command").map(|command| Spanned::new(words(command), command.span)),
        health: tree.get("health").map(|tree| Spanned::new(health(tree), tree.span)),
        restart_when_silent: plain(tree, "restart_when_silent", duration::parse),
        af_packet: af_packet.collect(),
        env_vars: named_texts(tree, "env_vars"),
        aux_scripts: texts(tree, "aux_scripts").unwrap_or_default(),
        ..NodeSpec::new(entry.key.clone())
    }
}

fn health(tree: &Rc<Tree>) -> Health {
    let default = Health::default();
    Health {
        command: tree.get("command").map(words).unwrap_or_default(),
        interval: plain(tree, "interval", duration::parse).unwrap_or(default.interval),
        timeout: plain(tree, "timeout", duration::parse).unwrap_or(default.timeout),
    }
}

fn limits_spec(tree: &Rc<Tree>) -> LimitsSpec {
    let number = |key| plain(tree, key, schema::int);
    let elements = |key| tree.get(key).map(|value| value.elements()).unwrap_or_default();
    let choices: Option<Vec<CpuChoice>> = elements("cpu_set").iter().map(|one| limits::cpus(scalar(one)?)).collect();
    let numa: Option<Vec<_>> = elements("numa").iter().map(|one| limits::numa(scalar(one)?)).collect();
    LimitsSpec {
        memory_max: spanned(tree, "memory_max", limits::bytes),
        memory_high: spanned(tree, "memory_high", limits::bytes),
        nice: number("nice").and_then(|nice| i32::try_from(nice).ok()),
        cpu_set: tree
            .get("cpu_set")
            .zip(choices.and_then(limits::one_choice))
            .map(|(value, choice)| Spanned::new(choice, value.span)),
        numa: numa.and_then(limits::one_policy),
        open_files: number("open_files").and_then(|files| u64::try_from(files).ok()),
        core_dumps: plain(tree, "core_dumps", schema::switch),
    }
}

/// What stands under a key that can only be meant as `host`: the key is reported as unknown, and to miss a host too would
/// be a second complaint about the same letter.
fn misspelt_host(tree: &Rc<Tree>) -> Option<&Rc<Tree>> {
    let meant = |entry: &&Entry| schema::meant_node_key(&entry.key.value) == Some("host");
    tree.entries().iter().find(meant).map(|entry| &entry.value)
}

fn host_choice(tree: &Rc<Tree>) -> HostChoice {
    let named = |tree: &Rc<Tree>| {
        let text = scalar(tree).filter(|text| schema::is_host_name(text))?;
        Some(Spanned::new(text.to_owned(), tree.span))
    };
    match &tree.value {
        Value::List(elements) => HostChoice::Each(elements.iter().filter_map(named).collect()),
        // What is no name has been reported; no host is better than the wrong one.
        _ => named(tree).map_or(HostChoice::Each(Vec::new()), HostChoice::One),
    }
}

fn interfaces(tree: &Rc<Tree>) -> Interfaces {
    match &tree.value {
        Value::List(elements) => {
            let each = elements.iter().filter_map(scalar).map(str::to_owned).collect();
            Interfaces::Each(Spanned::new(each, tree.span))
        }
        _ => scalar(tree).map_or(Interfaces::None, |text| Interfaces::Shared(text.to_owned())),
    }
}

/// A program and its arguments.
fn words(tree: &Rc<Tree>) -> Vec<String> {
    tree.elements().iter().filter_map(scalar).map(str::to_owned).collect()
}

/// Default port of a WebSocket server. Source: `protocol/cluster.md` 6.2.
pub(crate) const WEBSOCKET_PORT: u16 = 27759;

fn websocket(tree: &Rc<Tree>) -> WebSocket {
    WebSocket {
        listen_addr: plain(tree, "listen_addr", schema::listen_ip).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        listen_port: plain(tree, "listen_port", port).unwrap_or(WEBSOCKET_PORT),
        max_event_queue_size: plain(tree, "max_event_queue_size", |s| {
            schema::int(s).and_then(|size| u32::try_from(size).ok())
        }),
        ping_interval: plain(tree, "ping_interval", duration::parse),
        max_backlog_mib: plain(tree, "max_backlog_mib", |s| schema::int(s).and_then(|size| u32::try_from(size).ok())),
        origins: texts(tree, "origins").unwrap_or_default(),
        tls_options: tree.get("tls_options").map(tls_options),
    }
}

fn tls_options(tree: &Rc<Tree>) -> WebSocketTlsConfig {
    let text = |key| plain(tree, key, |s| Some(s.to_owned()));
    WebSocketTlsConfig {
        cert_file: text("cert_file"),
        key_file: text("key_file"),
        enable_peer_verification: plain(tree, "enable_peer_verification", schema::switch).unwrap_or_default(),
        ca_file: text("ca_file").unwrap_or_default(),
        ciphers: text("ciphers").unwrap_or_default(),
    }
}

const SYNCHRONOUS: [Synchronous; 4] = [Synchronous::Off, Synchronous::Normal, Synchronous::Full, Synchronous::Extra];
const JOURNAL_MODES: [JournalMode; 2] = [JournalMode::Delete, JournalMode::Wal];
const FAILURE_MODES: [FailureMode; 2] = [FailureMode::Fail, FailureMode::Delete];

/// The one of `all` that is written so.
fn word<T: Copy, const N: usize>(text: &str, all: [T; N], written: fn(T) -> &'static str) -> Option<T> {
    all.into_iter().find(|one| written(*one) == text)
}

fn store(entry: &Entry) -> StoreSpec {
    let tree = &entry.value;
    let interval = |key| -> Option<Duration> { plain(tree, key, duration::parse) };
    StoreSpec {
        name: entry.key.value.clone(),
        span: entry.key.span,
        backend: plain(tree, "backend", BackendType::parse),
        master_node: spanned(tree, "master_node", name),
        sqlite: SqliteOptions {
            path: plain(tree, "path", |s| Some(PathBuf::from(s))).unwrap_or_default(),
            synchronous: plain(tree, "synchronous", |s| word(s, SYNCHRONOUS, Synchronous::as_str)),
            journal_mode: plain(tree, "journal_mode", |s| word(s, JOURNAL_MODES, JournalMode::as_str)),
            failure_mode: plain(tree, "failure_mode", |s| word(s, FAILURE_MODES, FailureMode::as_str))
                .unwrap_or_default(),
            integrity_check: plain(tree, "integrity_check", |s| Some(s == "on")).unwrap_or_default(),
        },
        clone_resync_interval: interval("clone_resync_interval"),
        clone_stale_interval: interval("clone_stale_interval"),
        clone_mutation_buffer_interval: interval("clone_mutation_buffer_interval"),
    }
}

fn notify(entry: &Entry) -> NotifySpec {
    let tree = &entry.value;
    NotifySpec {
        name: entry.key.clone(),
        command: tree.get("command").map(|command| Spanned::new(words(command), command.span)),
        http: tree.get("http").map(|http| Spanned::new(notify_http(http), http.span)),
        // With a word that was refused it counts as not there, or its absence would be a second problem.
        on: texts(tree, "on")
            .and_then(|on| on.iter().map(|on| word(on, IncidentKind::ALL, IncidentKind::as_str)).collect()),
    }
}

fn notify_http(tree: &Rc<Tree>) -> NotifyHttpSpec {
    let secret = |tree: &Rc<Tree>| Spanned::new(maybe_secret(tree), tree.span);
    NotifyHttpSpec {
        url: tree.get("url").map(secret),
        headers: unique(entries(tree, "headers")).map(|e| (e.key.value.clone(), secret(&e.value))).collect(),
        format: plain(tree, "format", |s| word(s, [NotifyFormat::Json, NotifyFormat::Text], NotifyFormat::as_str)),
        ca_file: plain(tree, "ca_file", |s| Some(PathBuf::from(s))),
    }
}

/// A text, or where it is kept.
fn maybe_secret(tree: &Rc<Tree>) -> Option<NotifyText> {
    if let Some(text) = scalar(tree) {
        return Some(NotifyText::Value(text.to_owned()));
    }
    let text = |key| plain(tree, key, |s| Some(s.to_owned()));
    match (text("file"), text("env")) {
        (Some(file), None) => Some(NotifyText::File { file: file.into() }),
        (None, Some(env)) => Some(NotifyText::Env { env }),
        _ => None,
    }
}

fn logging_spec(tree: &Rc<Tree>) -> LoggingSpec {
    LoggingSpec {
        format: plain(tree, "format", |s| match s {
            "tsv" => Some(LogFormat::Tsv),
            "json" => Some(LogFormat::Json),
            _ => None,
        }),
        rotation_interval: plain(tree, "rotation_interval", duration::parse),
        compress: plain(tree, "compress", |s| match s {
            "gzip" => Some(Compress::Gzip),
            "none" => Some(Compress::None),
            _ => None,
        }),
        expire: plain(tree, "expire", duration::parse),
    }
}

fn networks(tree: &Rc<Tree>) -> Vec<Network> {
    let read = |tree| schema::network(scalar(tree)?).map(|(prefix, description)| Network { prefix, description });
    tree.elements().iter().filter_map(read).collect()
}

/// An option with a value of its type; what is wrong with it is reported.
fn option(entry: &Entry, problems: &mut Problems) -> Option<(Spanned<String>, Spanned<OptionValue>)> {
    let Some(info) = super::options::find(&entry.key.value) else {
        if let Some(instead) = super::options::elsewhere(&entry.key.value) {
            let message = format!("`{}` is no option of a layout", entry.key.value);
            problems.push(Report::new(entry.key.span, message).hint(instead));
            return None;
        }
        let message = format!("unknown option `{}`", tree::shorten(&entry.key.value));
        if let Some(instead) = super::habit::option(&entry.key.value) {
            problems.push(Report::new(entry.key.span, message).hint(instead));
            return None;
        }
        let names = super::options::OPTIONS.iter().map(|option| option.name);
        problems.push(Report::new(entry.key.span, message).nearest(&entry.key.value, names));
        return None;
    };
    if let Some(source) = info.derived_from() {
        let message = format!("`{}` follows from other keys", info.name);
        problems.push(Report::new(entry.key.span, message).hint(source));
        return None;
    }
    match info.kind.read(&entry.value) {
        Some(value) => Some((entry.key.clone(), Spanned::new(value, entry.value.span))),
        None => {
            let message = format!("`{}` cannot be {}", info.name, entry.value.describe());
            problems.push(Report::new(entry.value.span, message).expected(info.kind.expected()));
            None
        }
    }
}

/// The text of a scalar that is not null.
fn scalar(tree: &Rc<Tree>) -> Option<&str> {
    match &tree.value {
        Value::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
        _ => None,
    }
}

fn plain<T>(tree: &Rc<Tree>, key: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    spanned(tree, key, read).map(|found| found.value)
}

fn spanned<T>(tree: &Rc<Tree>, key: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Spanned<T>> {
    let value = tree.get(key)?;
    Some(Spanned::new(read(scalar(value)?)?, value.span))
}

fn given<T>(tree: &Rc<Tree>, key: &str, read: impl FnOnce(&str) -> Option<T>) -> Given<T> {
    match (tree.get(key), spanned(tree, key, read)) {
        (None, _) => Given::Not,
        (Some(_), None) => Given::Refused,
        (Some(_), Some(value)) => Given::As(value),
    }
}

/// One text or several; none when the key is not there.
fn texts(tree: &Rc<Tree>, key: &str) -> Option<Vec<String>> {
    tree.get(key).map(|value| value.elements().iter().filter_map(scalar).map(str::to_owned).collect())
}

/// A mapping from names to texts.
fn named_texts(tree: &Rc<Tree>, key: &str) -> BTreeMap<String, String> {
    let text = |entry: &Entry| Some((entry.key.value.clone(), scalar(&entry.value)?.to_owned()));
    entries(tree, key).iter().filter_map(text).collect()
}

fn entries<'a>(tree: &'a Rc<Tree>, key: &str) -> &'a [Entry] {
    tree.get(key).map(|value| value.entries()).unwrap_or_default()
}

/// The first entry of each key; the others have been reported.
fn unique(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    let mut seen = HashSet::new();
    entries.iter().filter(move |entry| seen.insert(entry.key.value.as_str()))
}

fn key_span(tree: &Tree, key: &str) -> Option<super::problem::Span> {
    tree.entries().iter().find(|entry| entry.key.value == key).map(|entry| entry.key.span)
}

fn name(text: &str) -> Option<String> {
    schema::is_name(text).then(|| text.to_owned())
}

fn port(text: &str) -> Option<u16> {
    schema::int(text).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)
}

fn engine(text: &str) -> Option<Engine> {
    match text {
        "core" => Some(Engine::Core),
        "zeek" => Some(Engine::Zeek),
        _ => None,
    }
}

pub(crate) fn node_type(text: &str) -> Option<NodeType> {
    match text {
        "manager" => Some(NodeType::Manager),
        "logger" => Some(NodeType::Logger),
        "proxy" => Some(NodeType::Proxy),
        "worker" => Some(NodeType::Worker),
        _ => None,
    }
}
