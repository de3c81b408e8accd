//! A draft as the YAML of a layout, each value with a comment that says where it comes from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::draft::{CLUSTER_NAME, Draft, Plan, Sourced};
use super::site::Origin;
use crate::api::config::{Compress, OptionValue};
use crate::data::NodeType;
use crate::layout::duration;
use crate::layout::model::WebSocket;
use crate::layout::problem::{Sources, Span};
use crate::layout::spec::*;

/// Where comments begin, unless the value is longer.
const COMMENT_COLUMN: usize = 40;

/// The YAML text. Reading it gives the layout of the draft.
pub(super) fn text(draft: &Draft, plan: &Plan) -> String {
    let mut text = Text { sources: &draft.sources, out: String::new() };
    text.comment("Written by `zeek-cluster layout import`. Behind each value stands where it comes from.");
    text.line(0, "version", "1", None);
    text.line(0, "name", CLUSTER_NAME, None);
    text.line(0, "engine", "zeek", None);
    text.sourced(0, "port", &draft.port, u16::to_string);
    text.sourced(0, "encryption", &draft.encryption, |encryption| match encryption {
        Encryption::On => "on".to_owned(),
        Encryption::Off => "off".to_owned(),
        Encryption::Auto => "auto".to_owned(),
    });
    text.sourced(0, "stop_grace", &draft.stop_grace, |grace| duration::format(*grace));
    text.open(0, "hosts", None);
    for host in &plan.spec.hosts {
        let origin = Origin::new(host.address.span, "host");
        text.line(1, &host.name.value, &scalar(&host.address.value), Some(&origin));
    }
    text.open(0, "nodes", None);
    for (node, origins) in plan.spec.nodes.iter().zip(&plan.origins) {
        text.node(node, origins);
    }
    text.settings(draft);
    text.out
}

struct Text<'a> {
    sources: &'a Sources,
    out: String,
}

impl Text<'_> {
    fn comment(&mut self, words: &str) {
        let _ = writeln!(self.out, "# {words}");
    }

    /// `key: value  # where it comes from`.
    fn line(&mut self, depth: usize, key: &str, value: &str, origin: Option<&Origin>) {
        let line = format!("{}{}: {value}", "  ".repeat(depth), scalar(key));
        self.with_comment(&line, origin);
    }

    fn open(&mut self, depth: usize, key: &str, origin: Option<&Origin>) {
        let line = format!("{}{}:", "  ".repeat(depth), scalar(key));
        self.with_comment(&line, origin);
    }

    fn with_comment(&mut self, line: &str, origin: Option<&Origin>) {
        let _ = match origin.map(|origin| self.place(origin)).filter(|place| !place.is_empty()) {
            Some(place) => writeln!(self.out, "{line:COMMENT_COLUMN$} # {place}"),
            None => writeln!(self.out, "{line}"),
        };
    }

    /// `node.cfg:12 interface`.
    fn place(&self, origin: &Origin) -> String {
        let what = origin.what.replace(['\n', '\r'], " ");
        if origin.span == Span::default() {
            return what;
        }
        let file = self.sources.name(origin.span);
        let name = file.rsplit('/').next().unwrap_or_default();
        format!("{name}:{} {what}", self.sources.line(origin.span))
    }

    fn sourced<T>(&mut self, depth: usize, key: &str, value: &Option<Sourced<T>>, write: impl Fn(&T) -> String) {
        if let Some(sourced) = value {
            self.line(depth, key, &write(&sourced.value), Some(&sourced.origin));
        }
    }

    fn node(&mut self, node: &NodeSpec, origins: &BTreeMap<&'static str, Origin>) {
        let section = Origin::new(node.name.span, "section");
        self.open(1, &node.name.value, Some(&section));
        let mut line = |key: &'static str, value: String| self.line(2, key, &value, origins.get(key));
        if let Given::As(node_type) = &node.node_type {
            line("type", node_type.value.as_str().to_owned());
        }
        if let HostChoice::One(host) = &node.hosts {
            line("host", scalar(&host.value));
        }
        if let Given::As(count) = &node.count {
            line("lb_procs", count.value.to_string());
        }
        if let Some(ip) = &node.ip {
            line("ip", scalar(&ip.value.to_string()));
        }
        if !node.zone_id.is_empty() {
            line("zone_id", scalar(&node.zone_id));
        }
        if let Some(port) = &node.port {
            line("port", port.value.to_string());
        }
        if let Some(manager) = &node.manager {
            line("manager", scalar(&manager.value));
        }
        if let Some(port) = &node.metrics_port {
            line("metrics_port", port.value.to_string());
        }
        self.capture(node, origins);
        if let Some(websocket) = &node.websocket {
            self.websocket(&websocket.value, node);
        }
        self.variables(node, origins);
    }

    /// What a worker captures from and with which scripts.
    fn capture(&mut self, node: &NodeSpec, origins: &BTreeMap<&'static str, Origin>) {
        let mut line = |key: &'static str, value: String| self.line(2, key, &value, origins.get(key));
        match &node.interfaces {
            Interfaces::None => {}
            Interfaces::Shared(interface) => line("interface", scalar(interface)),
            Interfaces::Each(each) => line("interface", list(&each.value)),
        }
        if let Some(method) = &node.lb_method {
            line("lb_method", scalar(method));
        }
        if !node.pin_cpus.is_empty() {
            line("pin_cpus", list(&node.pin_cpus));
        }
        for key in crate::layout::schema::AF_PACKET_KEYS {
            if let Some(value) = key.strip_prefix("af_packet_").and_then(|option| node.af_packet.get(option)) {
                line(key, scalar(value));
            }
        }
        if !node.aux_scripts.is_empty() {
            line("aux_scripts", list(&node.aux_scripts));
        }
    }

    fn websocket(&mut self, websocket: &WebSocket, node: &NodeSpec) {
        let WebSocket { listen_addr, listen_port, .. } = websocket;
        let is_manager = matches!(&node.node_type, Given::As(found) if found.value == NodeType::Manager);
        let what = if is_manager { "UseWebSocket, WebSocketHost and WebSocketPort" } else { "listen_websocket" };
        let address = scalar(&listen_addr.to_string());
        let value = format!("{{ listen_addr: {address}, listen_port: {listen_port} }}");
        self.line(2, "websocket", &value, Some(&Origin::new(Span::default(), what)));
    }

    fn variables(&mut self, node: &NodeSpec, origins: &BTreeMap<&'static str, Origin>) {
        if node.env_vars.is_empty() {
            return;
        }
        let by_method = Origin::new(Span::default(), "lb_method");
        self.open(2, "env_vars", origins.get("env_vars").or(Some(&by_method)));
        for (name, value) in &node.env_vars {
            self.line(3, name, &scalar(value), None);
        }
    }

    /// What stands behind the nodes.
    fn settings(&mut self, draft: &Draft) {
        if !draft.options.is_empty() {
            self.open(0, "options", None);
        }
        for (name, value) in &draft.options {
            self.line(1, name, &option(&value.value), Some(&value.origin));
        }
        if draft.rotation.is_some() || draft.compress.is_some() || draft.expire.is_some() {
            self.open(0, "logging", None);
        }
        let span = |duration: &std::time::Duration| duration::format(*duration);
        self.sourced(1, "rotation_interval", &draft.rotation, span);
        self.sourced(1, "compress", &draft.compress, |compress| match compress {
            Compress::Gzip => "gzip".to_owned(),
            Compress::None => "none".to_owned(),
        });
        self.sourced(1, "expire", &draft.expire, span);
        if !draft.networks.is_empty() {
            self.open(0, "networks", None);
        }
        for network in &draft.networks {
            let description = network.value.description.as_deref().unwrap_or_default();
            let value = format!("{} {description}", network.value.prefix);
            let line = format!("  - {}", scalar(value.trim_end()));
            self.with_comment(&line, Some(&Origin::new(network.span, "")));
        }
        self.zeek(draft);
    }

    fn zeek(&mut self, draft: &Draft) {
        if draft.prefix.is_none() && draft.scripts.is_none() && draft.args.is_none() && draft.redefs.is_empty() {
            return;
        }
        self.open(0, "zeek", None);
        self.sourced(1, "prefix", &draft.prefix, |prefix| scalar(&prefix.display().to_string()));
        self.sourced(1, "scripts", &draft.scripts, |scripts| list(scripts));
        self.sourced(1, "args", &draft.args, |args| list(args));
        if !draft.redefs.is_empty() {
            self.open(1, "redefs", None);
        }
        for (name, value) in &draft.redefs {
            self.line(2, name, &scalar(&value.value), Some(&value.origin));
        }
    }
}

fn option(value: &OptionValue) -> String {
    match value {
        OptionValue::Bool(value) => value.to_string(),
        OptionValue::Int(value) => value.to_string(),
        OptionValue::Real(value) => value.to_string(),
        OptionValue::Text(value) => scalar(value),
        OptionValue::List(values) => format!("[{}]", values.iter().map(option).collect::<Vec<_>>().join(", ")),
    }
}

/// `[a, b]`.
fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| in_list(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

fn in_list(text: &str) -> String {
    if text.contains(':') { quoted(text) } else { scalar(text) }
}

/// A text as a scalar: plain where nothing of it means something to YAML.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:-+@".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_');
    let word = ["null", "Null", "NULL"].contains(&text);
    match begins && !word && !text.ends_with(':') && text.chars().all(plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// In double quotes: what JSON writes, YAML reads.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
