//! A layout as YAML: everything written out, nothing left to a default, so that reading it gives the same layout.

use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::model::*;
use super::{duration, expand::BASE_PORT};
use crate::api::config::{Compress, LogFormat, OptionValue, WebSocketTlsConfig};
use crate::api::limits::Limits;
use crate::api::notify::{NotifyTarget, NotifyText, NotifyWay};
use crate::api::store::FailureMode;
use crate::data::NodeType;

/// The layout as YAML text.
pub fn to_yaml(layout: &Layout) -> String {
    serde_yaml::to_string(&to_value(layout)).expect("text keys and finite numbers only")
}

/// The layout as a tree in the order of the manual, with text keys only.
pub fn to_value(layout: &Layout) -> Value {
    let mut map = Mapping::new();
    put(&mut map, "version", 1);
    put(&mut map, "name", layout.name.as_str());
    put(
        &mut map,
        "backend",
        match layout.backend {
            Backend::Zeromq => "zeromq",
            Backend::Broker => "broker",
        },
    );
    put(&mut map, "encryption", if layout.encrypted { "on" } else { "off" });
    if let Some(dir) = &layout.base_dir {
        put(&mut map, "base_dir", dir.display().to_string());
    }
    put(&mut map, "stop_grace", text(layout.stop_grace));
    if layout.hub.xpub != BASE_PORT {
        put(&mut map, "port", layout.hub.xpub);
    }
    put(&mut map, "hosts", named(&layout.hosts, |host| (&host.name, host_value(host))));
    put(&mut map, "nodes", named(&layout.nodes, |node| (&node.name, node_value(node))));
    put_some(&mut map, "options", named(&layout.options, |(name, value)| (name, option_value(value))));
    put_some(&mut map, "stores", named(&layout.stores, |(name, store)| (name, store_value(store))));
    put(&mut map, "logging", logging_value(&layout.logging));
    put_some(&mut map, "networks", Value::Sequence(layout.networks.iter().map(network_value).collect()));
    put(&mut map, "zeek", zeek_value(&layout.zeek));
    put_some(&mut map, "notify", named(&layout.notify, |(name, target)| (name, notify_value(target))));
    Value::Mapping(map)
}

fn put(map: &mut Mapping, key: &str, value: impl Into<Value>) {
    map.insert(Value::String(key.to_owned()), value.into());
}

/// Leaves out what is empty.
fn put_some(map: &mut Mapping, key: &str, value: Value) {
    let empty = match &value {
        Value::Mapping(inner) => inner.is_empty(),
        Value::Sequence(inner) => inner.is_empty(),
        Value::String(inner) => inner.is_empty(),
        _ => false,
    };
    if !empty {
        put(map, key, value);
    }
}

fn named<'a, T>(items: impl IntoIterator<Item = T>, entry: impl Fn(T) -> (&'a String, Value)) -> Value {
    let pairs = items.into_iter().map(|item| {
        let (name, value) = entry(item);
        (Value::String(name.clone()), value)
    });
    Value::Mapping(pairs.collect())
}

fn list<T: ToString>(items: &[T]) -> Value {
    Value::Sequence(items.iter().map(|item| Value::String(item.to_string())).collect())
}

fn text(duration: Duration) -> String {
    duration::format(duration)
}

fn host_value(host: &Host) -> Value {
    let mut map = Mapping::new();
    put(&mut map, "address", host.address.as_str());
    if let Reach::Ssh(ssh) = &host.reach {
        put(&mut map, "ssh", ssh_value(ssh));
    }
    Value::Mapping(map)
}

fn ssh_value(ssh: &Ssh) -> Value {
    let paths = |paths: &[std::path::PathBuf]| list(&paths.iter().map(|path| path.display()).collect::<Vec<_>>());
    let mut map = Mapping::new();
    if let Some(user) = &ssh.user {
        put(&mut map, "user", user.as_str());
    }
    if let Some(port) = ssh.port {
        put(&mut map, "port", port);
    }
    put_some(&mut map, "identity_file", paths(&ssh.identity_files));
    put_some(&mut map, "known_hosts_file", paths(&ssh.known_hosts_files));
    put_some(&mut map, "jump", list(&ssh.jump));
    put(
        &mut map,
        "host_key_checking",
        match ssh.host_key_checking {
            HostKeyChecking::Strict => "strict",
            HostKeyChecking::AcceptNew => "accept-new",
        },
    );
    if let Some(timeout) = ssh.connect_timeout {
        put(&mut map, "connect_timeout", text(timeout));
    }
    if let Some(client) = ssh.client {
        put(&mut map, "client", client.as_str());
    }
    Value::Mapping(map)
}

fn node_value(node: &Node) -> Value {
    let mut map = Mapping::new();
    put(&mut map, "type", node.node_type.as_str());
    put(&mut map, "host", node.host.as_str());
    if let Some(ip) = node.ip {
        put(&mut map, "ip", ip.to_string());
    }
    put_some(&mut map, "zone_id", node.zone_id.as_str().into());
    if let Some(port) = node.port {
        put(&mut map, "port", port);
    }
    if let (Some(manager), true) = (&node.manager, node.node_type != NodeType::Manager) {
        put(&mut map, "manager", manager.as_str());
    }
    if let Some(port) = node.metrics_port {
        put(&mut map, "metrics_port", port);
    }
    put(
        &mut map,
        "engine",
        match node.engine {
            Engine::Core => "core",
            Engine::Zeek => "zeek",
        },
    );
    if let Some(websocket) = &node.websocket {
        put(&mut map, "websocket", websocket_value(websocket));
    }
    if let Some(interface) = &node.interface {
        put(&mut map, "interface", interface.as_str());
    }
    if let Some(method) = &node.lb_method {
        put(&mut map, "lb_method", method.as_str());
    }
    put_some(&mut map, "pin_cpus", Value::Sequence(node.pin_cpus.iter().map(|cpu| Value::from(*cpu)).collect()));
    for (name, value) in &node.af_packet {
        put(&mut map, &format!("af_packet_{name}"), value.as_str());
    }
    put_limits(&mut map, &node.limits);
    put_some(&mut map, "command", list(&node.command));
    if let Some(health) = &node.health {
        put(&mut map, "health", health_value(health));
    }
    put(&mut map, "restart_when_silent", text(node.restart_when_silent.unwrap_or_default()));
    put_some(&mut map, "env_vars", named(&node.env_vars, |(name, value)| (name, value.as_str().into())));
    put_some(&mut map, "aux_scripts", list(&node.aux_scripts));
    Value::Mapping(map)
}

fn health_value(health: &Health) -> Value {
    let mut map = Mapping::new();
    put(&mut map, "command", list(&health.command));
    put(&mut map, "interval", text(health.interval));
    put(&mut map, "timeout", text(health.timeout));
    Value::Mapping(map)
}

fn put_limits(map: &mut Mapping, limits: &Limits) {
    let words = limits.words();
    let mut text = |key: &str| words.get(key).into_iter().for_each(|words| put(map, key, words.as_str()));
    ["memory_max", "memory_high", "cpu_set", "numa"].into_iter().for_each(&mut text);
    if let Some(nice) = limits.nice {
        put(map, "nice", nice);
    }
    if let Some(files) = limits.open_files {
        put(map, "open_files", files);
    }
    if let Some(dumps) = limits.core_dumps {
        put(map, "core_dumps", dumps);
    }
}

fn websocket_value(websocket: &WebSocket) -> Value {
    let mut map = Mapping::new();
    put(&mut map, "listen_addr", websocket.listen_addr.to_string());
    put(&mut map, "listen_port", websocket.listen_port);
    if let Some(size) = websocket.max_event_queue_size {
        put(&mut map, "max_event_queue_size", size);
    }
    if let Some(interval) = websocket.ping_interval {
        put(&mut map, "ping_interval", text(interval));
    }
    if let Some(size) = websocket.max_backlog_mib {
        put(&mut map, "max_backlog_mib", size);
    }
    put_some(&mut map, "origins", list(&websocket.origins));
    if let Some(tls) = &websocket.tls_options {
        put(&mut map, "tls_options", tls_value(tls));
    }
    Value::Mapping(map)
}

fn tls_value(tls: &WebSocketTlsConfig) -> Value {
    let mut map = Mapping::new();
    for (key, file) in [("cert_file", &tls.cert_file), ("key_file", &tls.key_file)] {
        if let Some(file) = file {
            put(&mut map, key, file.as_str());
        }
    }
    put(&mut map, "enable_peer_verification", tls.enable_peer_verification);
    put_some(&mut map, "ca_file", tls.ca_file.as_str().into());
    put_some(&mut map, "ciphers", tls.ciphers.as_str().into());
    Value::Mapping(map)
}

fn option_value(value: &OptionValue) -> Value {
    match value {
        OptionValue::Bool(value) => Value::Bool(*value),
        OptionValue::Int(value) => Value::from(*value),
        OptionValue::Real(value) => Value::from(*value),
        OptionValue::Text(value) => Value::String(value.clone()),
        OptionValue::List(values) => Value::Sequence(values.iter().map(option_value).collect()),
    }
}

fn notify_value(target: &NotifyTarget) -> Value {
    let mut map = Mapping::new();
    match &target.way {
        NotifyWay::Command(command) => put(&mut map, "command", list(command)),
        NotifyWay::Http(http) => {
            let mut value = Mapping::new();
            put(&mut value, "url", secret_value(&http.url));
            put_some(&mut value, "headers", named(&http.headers, |(name, text)| (name, secret_value(text))));
            put(&mut value, "format", http.format.as_str());
            if let Some(file) = &http.ca_file {
                put(&mut value, "ca_file", file.display().to_string());
            }
            put(&mut map, "http", value);
        }
    }
    put(&mut map, "on", list(&target.on.iter().map(|on| on.as_str()).collect::<Vec<_>>()));
    Value::Mapping(map)
}

fn secret_value(text: &NotifyText) -> Value {
    let mut map = Mapping::new();
    match text {
        NotifyText::Value(value) => return Value::String(value.clone()),
        NotifyText::File { file } => put(&mut map, "file", file.display().to_string()),
        NotifyText::Env { env } => put(&mut map, "env", env.as_str()),
    }
    Value::Mapping(map)
}

fn store_value(store: &Store) -> Value {
    let mut map = Mapping::new();
    put(&mut map, "backend", store.backend.as_str());
    if let Some(node) = &store.master_node {
        put(&mut map, "master_node", node.as_str());
    }
    let sqlite = &store.sqlite;
    if !sqlite.path.as_os_str().is_empty() {
        put(&mut map, "path", sqlite.path.display().to_string());
    }
    if let Some(synchronous) = sqlite.synchronous {
        put(&mut map, "synchronous", synchronous.as_str());
    }
    if let Some(mode) = sqlite.journal_mode {
        put(&mut map, "journal_mode", mode.as_str());
    }
    if sqlite.failure_mode == FailureMode::Delete {
        put(&mut map, "failure_mode", sqlite.failure_mode.as_str());
    }
    if sqlite.integrity_check {
        put(&mut map, "integrity_check", "on");
    }
    put(&mut map, "clone_resync_interval", text(store.clone_resync_interval));
    put(&mut map, "clone_stale_interval", text(store.clone_stale_interval));
    put(&mut map, "clone_mutation_buffer_interval", text(store.clone_mutation_buffer_interval));
    Value::Mapping(map)
}

fn logging_value(logging: &Logging) -> Value {
    let mut map = Mapping::new();
    let format = logging.format.map(|format| match format {
        LogFormat::Tsv => "tsv",
        LogFormat::Json => "json",
    });
    if let Some(format) = format {
        put(&mut map, "format", format);
    }
    if let Some(interval) = logging.rotation_interval {
        put(&mut map, "rotation_interval", text(interval));
    }
    put(
        &mut map,
        "compress",
        match logging.compress {
            Compress::Gzip => "gzip",
            Compress::None => "none",
        },
    );
    put(&mut map, "expire", text(logging.expire));
    Value::Mapping(map)
}

fn network_value(network: &Network) -> Value {
    Value::String(match &network.description {
        Some(description) => format!("{} {description}", network.prefix),
        None => network.prefix.clone(),
    })
}

fn zeek_value(zeek: &Zeek) -> Value {
    let mut map = Mapping::new();
    if let Some(prefix) = &zeek.prefix {
        put(&mut map, "prefix", prefix.display().to_string());
    }
    put(&mut map, "scripts", list(&zeek.scripts));
    put_some(&mut map, "args", list(&zeek.args));
    put_some(&mut map, "redefs", named(&zeek.redefs, |(name, value)| (name, value.as_str().into())));
    Value::Mapping(map)
}
