//! What kind of file a text is, so that another tool's file is read as such, or named instead of being called wrong YAML.

use std::path::Path;

use super::zeek_conf::zeek_conf_host;
use super::zeekctl_cfg;

/// A kind of file that is handed over as a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A layout, or what was meant as one.
    Layout,
    /// zeekctl's nodes.
    NodeCfg,
    /// zeekctl's options.
    ZeekctlCfg,
    /// zeekctl's networks.
    NetworksCfg,
    /// `zeek.conf` of Zeek 9.
    ZeekConf,
    /// `cluster-layout.zeek`.
    ClusterLayout,
    /// Another script of Zeek's.
    ZeekScript,
    /// A template whose values have not been filled in.
    Template,
}

/// What of the beginning of a file is looked at.
const MAX_LINES: usize = 400;

/// Tells by the text and, where that is not enough, by the name.
///
/// ```
/// use std::path::Path;
/// use zeek_cluster::layout::{FileKind, file_kind};
///
/// let text = "[manager]\ntype=manager\nhost=localhost\n";
/// assert_eq!(file_kind(Path::new("any.txt"), text), FileKind::NodeCfg);
/// assert_eq!(file_kind(Path::new("cluster.yaml"), "nodes:\n  manager: {}\n"), FileKind::Layout);
/// ```
pub fn file_kind(path: &Path, text: &str) -> FileKind {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !is_comment(line)).take(MAX_LINES).collect();
    if name.ends_with(".zeek") || name.ends_with(".bro") || is_script(&lines) {
        let layout =
            text.contains("Cluster::nodes") || (text.contains("module Cluster") && text.contains("redef nodes"));
        return if layout { FileKind::ClusterLayout } else { FileKind::ZeekScript };
    }
    match name.as_str() {
        "node.cfg" => return FileKind::NodeCfg,
        "zeekctl.cfg" | "broctl.cfg" => return FileKind::ZeekctlCfg,
        "networks.cfg" => return FileKind::NetworksCfg,
        "zeek.conf" => return FileKind::ZeekConf,
        _ if zeek_conf_host(path).is_some() => return FileKind::ZeekConf,
        _ => {}
    }
    by_lines(&lines)
}

fn by_lines(lines: &[&str]) -> FileKind {
    let section = |line: &&&str| line.trim_start_matches('\u{feff}').starts_with('[') && line.contains(']');
    let has_key = |names: &[&str]| {
        let key = |line: &&str| line.split(['=', ':']).next().map(|key| key.trim().to_lowercase());
        lines.iter().any(|line| key(line).is_some_and(|key| names.contains(&key.as_str())))
    };
    let first = lines.first().copied().unwrap_or_default();
    if lines.iter().take(1).any(|line| section(&line)) && !first.contains(": ") {
        let of_zeek = |line: &&&str| **line == "[zeek]" || line.starts_with("[interface ");
        return match lines.iter().any(|line| of_zeek(&line)) && !has_key(&["type"]) {
            true => FileKind::ZeekConf,
            false if has_key(&["type", "host"]) => FileKind::NodeCfg,
            false => FileKind::Layout,
        };
    }
    if !lines.is_empty() && lines.iter().all(|line| is_network(line)) {
        return FileKind::NetworksCfg;
    }
    let assignments = lines.iter().filter(|line| is_assignment(line)).count();
    if assignments > 0 && assignments * 2 > lines.len() {
        let known = |line: &&&str| line.split('=').next().is_some_and(|key| zeekctl_cfg::is_option(key.trim()));
        let of_zeekctl = lines.iter().filter(|line| known(line)).count();
        let of_zeek = has_key(&["loggers", "proxies", "workers", "cluster_backend_args", "worker_args"]);
        return match (of_zeek, of_zeekctl) {
            (true, _) => FileKind::ZeekConf,
            (false, 1..) => FileKind::ZeekctlCfg,
            (false, 0) => FileKind::Layout,
        };
    }
    let template = |line: &&str| ["{{", "{%", "<%"].iter().any(|mark| line.contains(mark));
    match lines.iter().any(template) {
        true => FileKind::Template,
        false => FileKind::Layout,
    }
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', ';'])
}

fn is_script(lines: &[&str]) -> bool {
    let begins = ["redef ", "@load ", "@if", "module ", "event ", "export {", "const "];
    lines.first().is_some_and(|line| begins.iter().any(|word| line.starts_with(word)))
}

/// `Key = value`: a word, and a sign before any colon with a blank behind it.
fn is_assignment(line: &str) -> bool {
    let Some((key, _)) = line.split_once('=') else { return false };
    let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !key.trim().is_empty() && key.trim().chars().all(word)
}

fn is_network(line: &str) -> bool {
    let prefix = line.split_whitespace().next().unwrap_or_default();
    prefix.split_once('/').is_some_and(|(address, bits)| {
        bits.parse::<u8>().is_ok() && address.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
    })
}
