//! zeekctl's `node.cfg` and `networks.cfg` as a declared layout. Source: `zeekctl.md` 5 to 8.
//!
//! Nodes keep their names, and log receivers the ports that zeekctl gave them. zeekctl's nodes are real Zeeks, and so
//! they stay `engine: zeek`. Metrics ports are not taken over.

use std::path::Path;

use super::expand::BASE_PORT;
use super::load::{Environment, Loaded, finish};
use super::model::{Engine, Network};
use super::problem::{Problem, Problems, Report, Sources, Span, Spanned};
use super::schema;
use super::spec::*;
use super::tree::{MAX_BYTES, shorten};
use crate::data::NodeType;

/// zeekctl's files, each with the name that problems give it.
#[derive(Clone, Copy, Debug)]
pub struct ZeekctlFiles<'a> {
    /// `node.cfg`.
    pub node_cfg: (&'a Path, &'a str),
    /// `networks.cfg`, where there is one.
    pub networks_cfg: Option<(&'a Path, &'a str)>,
}

/// Keys of `node.cfg` that are read; others are warned of.
const KEYS: [&str; 12] = [
    "type",
    "host",
    "interface",
    "lb_procs",
    "lb_method",
    "lb_interfaces",
    "pin_cpus",
    "env_vars",
    "aux_scripts",
    "zone_id",
    "ether",
    "zeekbase",
];

/// Reads zeekctl's files into the same model as a layout file. The cluster is named `zeek`.
///
/// # Errors
/// As [`load`](super::load()): all problems of both files.
pub fn import_zeekctl(files: &ZeekctlFiles<'_>, env: &Environment<'_>) -> Result<Loaded, Vec<Problem>> {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let (path, text) = files.node_cfg;
    let source = sources.add(path, text);
    let mut spec = node_cfg(text, source, &mut problems);
    if let (Some(spec), Some((path, text))) = (&mut spec, files.networks_cfg) {
        let source = sources.add(path, text);
        spec.networks = networks_cfg(text, source, &mut problems);
    }
    finish(spec, Path::new("zeek"), env, &sources, problems)
}

/// A section of `node.cfg`.
struct Section {
    name: Spanned<String>,
    keys: Vec<(Spanned<String>, Spanned<String>)>,
}

impl Section {
    fn get(&self, key: &str) -> Option<&Spanned<String>> {
        self.keys.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    /// The elements of a value with commas.
    fn list(&self, key: &str) -> Vec<String> {
        let value = self.get(key).map(|value| value.value.as_str()).unwrap_or_default();
        value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

fn node_cfg(text: &str, source: usize, problems: &mut Problems) -> Option<LayoutSpec> {
    let sections = sections(text, source, problems)?;
    let mut spec = LayoutSpec {
        nodes_span: Span { source, start: 0, end: 0 },
        engine: Some(Engine::Zeek),
        ..LayoutSpec::default()
    };
    let mut seen = std::collections::HashSet::new();
    for section in &sections {
        if !seen.insert(section.name.value.as_str()) {
            let message = format!("`{}` stands here twice", shorten(&section.name.value));
            problems.push(Report::new(section.name.span, message).expected("each node once"));
            continue;
        }
        let node = node(section, &mut spec.hosts, problems);
        spec.nodes.push(node);
    }
    assign_ports(&mut spec);
    Some(spec)
}

/// Lines of `[name]`, `key = value` and `key: value`; comments begin with `#` or `;`.
fn sections(text: &str, source: usize, problems: &mut Problems) -> Option<Vec<Section>> {
    if is_too_large(text, source, problems) {
        return None;
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut start = 0;
    for raw in text.split_inclusive('\n') {
        let line = raw.trim();
        let at = start + (raw.len() - raw.trim_start().len()).min(raw.len());
        start += raw.len();
        let span = |offset: usize, length: usize| Span { source, start: at + offset, end: at + offset + length };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = Spanned::new(name.to_owned(), span(1, name.len()));
            sections.push(Section { name, keys: Vec::new() });
            continue;
        }
        match (line.find(['=', ':']), sections.last_mut()) {
            (Some(sign), Some(section)) => {
                let key = line[..sign].trim_end();
                let value = line[sign + 1..].trim();
                let offset = line.len() - line[sign + 1..].trim_start().len();
                let key = Spanned::new(key.to_lowercase().replace('.', "_"), span(0, key.len()));
                section.keys.push((key, Spanned::new(value.to_owned(), span(offset, value.len()))));
            }
            (_, None) => problems.push(
                Report::new(span(0, line.len()), "this line is in no section").expected("`[node-name]` above it"),
            ),
            (None, _) => problems.push(
                Report::new(span(0, line.len()), format!("`{}` is no setting", shorten(line)))
                    .expected("`key = value`"),
            ),
        }
    }
    Some(sections)
}

fn is_too_large(text: &str, source: usize, problems: &mut Problems) -> bool {
    let too_large = text.len() > MAX_BYTES;
    if too_large {
        problems
            .push(Report::new(Span { source, start: 0, end: 0 }, "the file is too large").expected("at most 1 MiB"));
    }
    too_large
}

fn node(section: &Section, hosts: &mut Vec<HostSpec>, problems: &mut Problems) -> NodeSpec {
    for (key, _) in section.keys.iter().filter(|(key, _)| !KEYS.contains(&key.value.as_str())) {
        problems.warn(
            Report::new(key.span, format!("`{}` is not taken over", shorten(&key.value))).nearest(&key.value, KEYS),
        );
    }
    if !schema::is_name(&section.name.value) {
        let message = format!("`{}` is no name", shorten(&section.name.value));
        problems.push(Report::new(section.name.span, message).expected("letters, digits, `_` and `-`"));
    }
    let interfaces = section.list("lb_interfaces");
    let text = |key| section.get(key).map(|value| value.value.clone());
    NodeSpec {
        node_type: node_type(section, problems),
        hosts: host(section, hosts, problems),
        count: count(section, problems),
        zone_id: text("zone_id").unwrap_or_default(),
        interfaces: match (section.get("lb_interfaces"), text("interface")) {
            // zeekctl hands them out from the end of the list.
            (Some(list), _) => Interfaces::Each(Spanned::new(interfaces.into_iter().rev().collect(), list.span)),
            (None, Some(interface)) => Interfaces::Shared(interface),
            (None, None) => Interfaces::None,
        },
        lb_method: text("lb_method"),
        pin_cpus: pin_cpus(section, problems),
        env_vars: env_vars(section, problems),
        aux_scripts: text("aux_scripts").map(|s| s.split_whitespace().map(str::to_owned).collect()).unwrap_or_default(),
        ..NodeSpec::new(section.name.clone())
    }
}

fn node_type(section: &Section, problems: &mut Problems) -> Given<NodeType> {
    let Some(written) = section.get("type") else {
        let message = format!("no type given for node `{}`", section.name.value);
        problems
            .push(Report::new(section.name.span, message).expected("`type=manager`, `logger`, `proxy` or `worker`"));
        return Given::Refused;
    };
    match super::yaml::node_type(&written.value) {
        Some(node_type) => Given::As(Spanned::new(node_type, written.span)),
        None => {
            let report = Report::new(written.span, format!("unknown node type `{}`", shorten(&written.value)));
            let report = report.expected("`manager`, `logger`, `proxy` or `worker`");
            problems.push(match written.value.as_str() {
                "standalone" => report.hint("a cluster has a manager, and workers beside it"),
                other => report.nearest(other, schema::NODE_TYPES),
            });
            Given::Refused
        }
    }
}

/// Hosts are named after their addresses, with `-` for what cannot stand in a name.
fn host(section: &Section, hosts: &mut Vec<HostSpec>, problems: &mut Problems) -> HostChoice {
    let Some(address) = section.get("host").filter(|host| !host.value.is_empty()) else {
        let message = format!("no host given for node `{}`", section.name.value);
        problems.push(Report::new(section.name.span, message).expected("`host=` with a name or an address"));
        return HostChoice::Each(Vec::new());
    };
    let name: String =
        address.value.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(64).collect();
    let name = Spanned::new(name.trim_start_matches('-').to_owned(), address.span);
    if !hosts.iter().any(|host| host.name.value == name.value) {
        hosts.push(HostSpec { name: name.clone(), address: address.clone(), ssh: None });
    }
    HostChoice::One(name)
}

fn count(section: &Section, problems: &mut Problems) -> Given<u16> {
    let Some(written) = section.get("lb_procs") else { return Given::Not };
    match written.value.parse().ok().filter(|n| (1..=10_000).contains(n)) {
        Some(count) => Given::As(Spanned::new(count, written.span)),
        None => {
            let message = format!("`lb_procs` cannot be `{}`", shorten(&written.value));
            problems.push(Report::new(written.span, message).expected("a whole number from 1 to 10000"));
            Given::Refused
        }
    }
}

/// Of a longer list zeekctl uses as many as there are processes.
fn pin_cpus(section: &Section, problems: &mut Problems) -> Vec<u32> {
    let cpus: Option<Vec<u32>> = section.list("pin_cpus").iter().map(|cpu| cpu.parse().ok()).collect();
    if let (None, Some(written)) = (&cpus, section.get("pin_cpus")) {
        problems.push(
            Report::new(written.span, "`pin_cpus` holds something else than CPU numbers").expected("such as `2,3,4`"),
        );
    }
    let processes = section.get("lb_procs").and_then(|count| count.value.parse().ok()).unwrap_or(1);
    cpus.unwrap_or_default().into_iter().take(processes).collect()
}

fn env_vars(section: &Section, problems: &mut Problems) -> std::collections::BTreeMap<String, String> {
    let pair =
        |part: &String| part.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    let pairs: Option<_> = section.list("env_vars").iter().map(pair).collect();
    if let (None, Some(written)) = (&pairs, section.get("env_vars")) {
        problems
            .push(Report::new(written.span, "`env_vars` holds something without `=`").expected("such as `A=1,B=2`"));
    }
    pairs.unwrap_or_default()
}

/// zeekctl counts one port for each node: manager, then loggers in the order of the file. Source: `zeekctl.md` 7.
fn assign_ports(spec: &mut LayoutSpec) {
    let is = |node: &NodeSpec, wanted| matches!(&node.node_type, Given::As(found) if found.value == wanted);
    let first = BASE_PORT + 4;
    let loggers = spec.nodes.iter_mut().filter(|node| is(node, NodeType::Logger));
    for (node, port) in loggers.zip(first..=u16::MAX) {
        node.port = Some(Spanned::new(port, node.name.span));
    }
}

/// One network a line, then what it is called; `#` begins a comment.
fn networks_cfg(text: &str, source: usize, problems: &mut Problems) -> Vec<Network> {
    let mut networks = Vec::new();
    if is_too_large(text, source, problems) {
        return networks;
    }
    let mut start = 0;
    for raw in text.split_inclusive('\n') {
        let line = raw.split('#').next().unwrap_or("").trim();
        let at = start + raw.find(line).unwrap_or(0);
        start += raw.len();
        match schema::network(line) {
            _ if line.is_empty() => {}
            Some((prefix, description)) => networks.push(Network { prefix, description }),
            None => {
                let span = Span { source, start: at, end: at + line.len() };
                let message = format!("`{}` is no network", shorten(line));
                problems
                    .push(Report::new(span, message).expected("a prefix such as `10.0.0.0/8`, then what it is called"));
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::nodeset;

    const NODE_CFG: &str = "# a comment
[logger-1]
type=logger
host=192.0.2.1
[manager]
type = manager
host = 192.0.2.1
[worker-1]
type: worker
host: 192.0.2.2
interface=eth0
lb_method=af_packet
lb_procs=3
pin_cpus=2,3,4
af_packet.fanout_id=23
env_vars=MALLOC_CONF=prof:true
";

    fn import(node_cfg: &str, networks: &str) -> Result<Loaded, Vec<Problem>> {
        let env = Environment { resolve: &|_| None, is_local: &|_| false };
        let files = ZeekctlFiles {
            node_cfg: (Path::new("node.cfg"), node_cfg),
            networks_cfg: Some((Path::new("networks.cfg"), networks)),
        };
        import_zeekctl(&files, &env)
    }

    #[test]
    fn node_cfg_becomes_the_same_model() {
        let loaded = import(NODE_CFG, "10.0.0.0/8 Corp LAN\n# none\n").expect("a layout");
        let layout = &loaded.layout;
        assert_eq!(nodeset::fold(layout.nodes.iter().map(|n| n.name.as_str())), "logger-1,manager,worker-1-[1-3]");
        assert_eq!(layout.node("logger-1").and_then(|n| n.port), Some(27764));
        let worker = layout.node("worker-1-2").expect("worker-1-2");
        assert_eq!(
            (worker.pin_cpus.as_slice(), worker.env_vars["MALLOC_CONF"].as_str()),
            ([3].as_slice(), "prof:true")
        );
        assert_eq!(layout.networks[0].description.as_deref(), Some("Corp LAN"));
        assert_eq!(loaded.warnings[0].to_string(), "node.cfg:15:1: `af_packet_fanout_id` is not taken over");
    }

    #[test]
    fn problems_have_their_place() {
        let problems = import("[a]\ntype=wroker\n[manager]\ntype=manager\nhost=192.0.2.1\nlb_procs=x\n", "10.0.0.0\n")
            .expect_err("problems");
        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            shown,
            [
                "node.cfg:1:2: no host given for node `a`; expected `host=` with a name or an address",
                "node.cfg:2:6: unknown node type `wroker`; expected `manager`, `logger`, `proxy` or `worker`; did you mean `worker`?",
                "node.cfg:6:10: `lb_procs` cannot be `x`; expected a whole number from 1 to 10000",
                "networks.cfg:1:1: `10.0.0.0` is no network; expected a prefix such as `10.0.0.0/8`, then what it is called",
            ]
        );
    }
}
