//! What a real Zeek needs to run as a node: its part of the node's configuration, `local-networks.zeek`, and
//! `zeek-cluster-config.zeek`, which every Zeek of the cluster loads after the site's own scripts.
//!
//! Compatibility: the settings are those of zeekctl's `zeekctl-config.zeek` (`zeekctl.md` 9) that a cluster of this
//! program needs, and of its script package (`zeekctl.md` 24). Secrets never stand in a script: CURVE keys travel in the
//! environment. What depends on Zeek's version or on the host is not known here; `node` writes it when it starts Zeek.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::RenderError;
use super::node_config::{entries, node_config};
use super::release::{fingerprint, sha256};
use crate::api::config::{LogFormat, OptionValue, ZeekConfig};
use crate::api::keys::CurveKeys;
use crate::data::NodeType;
use crate::layout::{Backend, Engine, Layout, Network, Node, options};

/// Fanout groups of AF_PACKET that a cluster may use on one host: one for each interface.
const FANOUT_IDS: u16 = 64;
/// `PFRINGClusterID` of zeekctl: the first interface of a host has it.
const FIRST_PF_RING_CLUSTER: usize = 21;

/// Whether any node of the layout is a real Zeek.
pub(super) fn wanted(layout: &Layout) -> bool {
    layout.nodes.iter().any(|node| node.engine == Engine::Zeek)
}

/// How Zeek is started as this node; none for a node of ours.
pub(super) fn zeek_config(layout: &Layout, node: &Node) -> Option<ZeekConfig> {
    if node.engine != Engine::Zeek {
        return None;
    }
    let mut balanced = balance(layout, node);
    let packet = node.af_packet.iter().map(|(name, value)| (format!("AF_Packet::{name}"), value.clone()));
    balanced.redefs.extend(packet);
    Some(ZeekConfig {
        prefix: layout.zeek.prefix.clone(),
        interface: balanced.interface,
        scripts: layout.zeek.scripts.clone(),
        aux_scripts: node.aux_scripts.clone(),
        args: layout.zeek.args.clone(),
        env: balanced.env,
        redefs: balanced.redefs,
    })
}

/// What a load balancing method makes of a worker.
#[derive(Default)]
struct Balanced {
    interface: Option<String>,
    env: BTreeMap<String, String>,
    redefs: BTreeMap<String, String>,
}

/// Source: `zeekctl.md` 6.
fn balance(layout: &Layout, node: &Node) -> Balanced {
    let Some(interface) = &node.interface else { return Balanced::default() };
    let method = node.lb_method.as_deref().unwrap_or_default();
    let mut balanced = Balanced { interface: Some(interface.clone()), ..Balanced::default() };
    match method {
        "af_packet" => {
            if !interface.starts_with("af_packet::") {
                balanced.interface = Some(format!("af_packet::{interface}"));
            }
            // The kernel refuses two devices in one fanout group.
            let id = first_fanout_id(&layout.name) + place(layout, node, interface).interface;
            balanced.redefs.insert("AF_Packet::fanout_id".to_owned(), id.to_string());
        }
        "myricom" => {
            let rings = place(layout, node, interface).processes.to_string();
            balanced.env.extend([("SNF_NUM_RINGS".to_owned(), rings), ("SNF_FLAGS".to_owned(), "0x101".to_owned())]);
        }
        "pf_ring" => pf_ring(&mut balanced, node, &place(layout, node, interface), interface),
        _ => {}
    }
    balanced
}

/// `AF_Packet::fanout_id`, a number of 16 bits, of a cluster's first interface on a host. It depends on the cluster's name: two
/// clusters that capture from one interface would share its packets if their groups had the same number. Never below
/// `FANOUT_IDS`, where Zeek's own default lies (23).
fn first_fanout_id(cluster: &str) -> usize {
    let hash = sha256(format!("fanout_id\n{cluster}").as_bytes());
    let number =
        hash.bytes().take(8).fold(0_u32, |number, digit| (number << 4) | char::from(digit).to_digit(16).unwrap_or(0));
    let groups = u32::from(u16::MAX / FANOUT_IDS) - 1;
    ((number % groups + 1) * u32::from(FANOUT_IDS)) as usize
}

/// The variables of PF_RING that say by what packets are spread begin so.
const SPREAD_BY: &str = "PCAP_PF_RING_USE_CLUSTER_PER_";

/// zeekctl's 4-tuple clusters, unless `env_vars` say otherwise; ZC and DNA queues by their numbers, unless they are written.
fn pf_ring(balanced: &mut Balanced, node: &Node, place: &Place, interface: &str) {
    let set = [("PCAP_PF_RING_APPNAME", format!("zeek-{interface}"))];
    let bare = interface.strip_prefix("pf_ring::").unwrap_or(interface);
    let queue = match interface.contains('@') {
        true => interface.to_owned(),
        false => format!("{interface}@{}", place.process),
    };
    let more = if bare.starts_with("zc:") {
        balanced.interface = Some(queue);
        vec![("PCAP_PF_RING_ZC_RSS", "1".to_owned())]
    } else if bare.starts_with("dnacl") {
        balanced.interface = Some(queue);
        Vec::new()
    } else if bare.starts_with("dna") {
        balanced.interface = Some(queue);
        vec![("PCAP_PF_RING_DNA_RSS", "1".to_owned())]
    } else {
        vec![("PCAP_PF_RING_CLUSTER_ID", (FIRST_PF_RING_CLUSTER + place.interface).to_string())]
    };
    let chosen = node.env_vars.keys().any(|name| name.starts_with(SPREAD_BY));
    let spread = Some(("PCAP_PF_RING_USE_CLUSTER_PER_FLOW_4_TUPLE", "1".to_owned())).filter(|_| !chosen);
    balanced.env.extend(set.into_iter().chain(spread).chain(more).map(|(name, value)| (name.to_owned(), value)));
}

/// Where a worker stands among those of its host.
struct Place {
    /// Number of its interface on the host, from 0, in the order of the layout.
    interface: usize,
    /// Its number among the workers of that interface, from 0.
    process: usize,
    /// How many workers that interface has.
    processes: usize,
}

fn place(layout: &Layout, node: &Node, interface: &str) -> Place {
    let neighbours = || {
        let same = move |other: &&Node| other.host == node.host && other.lb_method == node.lb_method;
        layout.nodes.iter().filter(same)
    };
    let mut interfaces: Vec<&str> = Vec::new();
    for name in neighbours().filter_map(|other| other.interface.as_deref()) {
        if !interfaces.contains(&name) {
            interfaces.push(name);
        }
    }
    let mine = || neighbours().filter(|other| other.interface.as_deref() == Some(interface));
    Place {
        interface: interfaces.iter().position(|name| *name == interface).unwrap_or_default(),
        process: mine().position(|other| other.name == node.name).unwrap_or_default(),
        processes: mine().count(),
    }
}

/// `local-networks.zeek` (`zeekctl.md` 9).
pub(super) fn local_networks(networks: &[Network]) -> String {
    let mut text = String::from("# Automatically generated. Do not edit.\n\nredef Site::local_nets = {\n");
    for network in networks {
        let prefix = match network.prefix.split_once('/') {
            Some((address, length)) if address.contains(':') => format!("[{address}]/{length}"),
            _ => network.prefix.clone(),
        };
        let _ = match network.description.as_deref().map(one_line) {
            Some(description) => writeln!(text, "\t{prefix},\t# {description}"),
            None => writeln!(text, "\t{prefix},"),
        };
    }
    text.push_str("};\n");
    text
}

/// A description must not end its comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// 32 bits that all nodes share, so that what they count by hash can be merged; not to be guessed where keys are known.
pub(super) fn hash_seed(cluster: &str, keys: Option<&CurveKeys>) -> String {
    let secret = keys.map(fingerprint).unwrap_or_default();
    let mut seed = sha256(format!("global_hash_seed\n{cluster}\n{secret}").as_bytes());
    seed.truncate(8);
    seed
}

/// `zeek-cluster-config.zeek`: the same text for every node of the cluster.
pub(super) fn config_script(layout: &Layout, hash_seed: &str) -> Result<String, RenderError> {
    let mut text = String::from(
        "# Automatically generated. Do not edit.\n\n\
         @load ./local-networks\n\
         @load misc/loaded-scripts\n\
         @load frameworks/control/controllee\n\n\
         @ifdef ( Control::controllee_listen )\n\
         redef Control::controllee_listen = F;\n\
         @endif\n\
         redef Reporter::warnings_to_stderr = F;\n\
         redef Reporter::errors_to_stderr = F;\n",
    );
    let _ = writeln!(text, "redef global_hash_seed = \"{hash_seed}\";");
    text.push_str(&logs(layout));
    text.push_str(&sockets(layout)?);
    text.push_str(&pool_specs(&layout.options));
    text.push_str(&redefs(layout.options.iter().filter(|(name, _)| !is_for_log_writers(name))));
    for (name, value) in &layout.zeek.redefs {
        text.push_str(&guarded(name, value));
    }
    Ok(text)
}

/// The type of the nodes that write logs.
pub(super) fn log_writer(layout: &Layout) -> NodeType {
    if layout.manager_is_logger { NodeType::Manager } else { NodeType::Logger }
}

/// Loads [`LOGGER_SCRIPT`] where logs are written.
fn logs(layout: &Layout) -> String {
    format!(
        "\n@if ( Cluster::local_node_type() == {} )\n@load ./zeek-cluster-logger\n@endif\n",
        log_writer(layout).zeek_name()
    )
}

/// The script of the nodes that write logs, a file of its own so that a change of it restarts them alone. What the layout does
/// not set stays as the site's scripts have it. Logs that a crash left behind are archived at the next start.
pub(super) fn logger_script(layout: &Layout) -> String {
    let mut text =
        String::from("# Automatically generated. Do not edit.\n\nredef LogAscii::enable_leftover_log_rotation = T;\n");
    if let Some(interval) = layout.logging.rotation_interval {
        let _ = writeln!(text, "redef Log::default_rotation_interval = {} secs;", interval.as_secs());
    }
    if let Some(format) = layout.logging.format {
        let json = if format == LogFormat::Json { "T" } else { "F" };
        let _ = writeln!(text, "redef LogAscii::use_json = {json};");
    }
    text.push_str(&redefs(layout.options.iter().filter(|(name, _)| is_for_log_writers(name))));
    text
}

/// Whether only a node that receives logs reads the option.
pub(super) fn is_for_log_writers(option: &str) -> bool {
    ["Cluster::Backend::ZeroMQ::log_rcvhwm", "Cluster::Backend::ZeroMQ::log_rcvbuf"].contains(&option)
}

/// The endpoints of the hub; the backend is loaded before, by the node's own script. Those for logs Zeek takes from `Cluster::nodes`.
fn sockets(layout: &Layout) -> Result<String, RenderError> {
    let manager = layout.manager().ok_or(RenderError::NoManager)?;
    let endpoints = node_config(layout, manager)?.zeromq;
    let listen = |endpoint: &Option<String>| endpoint.clone().unwrap_or_default();
    let ipv6 = if entries(layout)?.iter().any(|node| node.ip.is_ipv6()) { "T" } else { "F" };
    let mut text = String::from("\n");
    for (name, value) in [
        ("listen_xpub_endpoint", listen(&endpoints.listen_xpub_endpoint)),
        ("listen_xsub_endpoint", listen(&endpoints.listen_xsub_endpoint)),
        ("connect_xpub_endpoint", endpoints.connect_xpub_endpoint),
        ("connect_xsub_endpoint", endpoints.connect_xsub_endpoint),
    ] {
        let _ = writeln!(text, "redef Cluster::Backend::ZeroMQ::{name} = \"{value}\";");
    }
    let _ = writeln!(text, "redef Cluster::Backend::ZeroMQ::ipv6 = {ipv6};");
    text.push_str(
        "redef Cluster::Backend::ZeroMQ::run_proxy_thread = Cluster::local_node_type() == Cluster::MANAGER;\n",
    );
    Ok(text)
}

/// The specs of the predefined pools that the layout changes; Zeek takes a record as a whole.
fn pool_specs(layout: &BTreeMap<String, OptionValue>) -> String {
    let mut text = String::new();
    for (pool, node_type) in [("logger", NodeType::Logger), ("proxy", NodeType::Proxy), ("worker", NodeType::Worker)] {
        let field = |name: &str| {
            let option = options::find(&format!("Cluster::{pool}_pool_spec${name}"))?;
            Some((
                option.kind.zeek_text(&option.default_value(Backend::Zeromq)),
                option.kind.zeek_text(layout.get(option.name)?),
            ))
        };
        let (topic, most, exclusive) = (field("topic"), field("max_nodes"), field("exclusive"));
        if [&topic, &most, &exclusive].into_iter().flatten().all(|(default, value)| default == value) {
            continue;
        }
        let topic = topic.map_or_else(|| format!("\"zeek.cluster.pool.{pool}\""), |(_, topic)| topic);
        let mut fields = format!("$topic={topic}, $node_type={}", node_type.zeek_name());
        for (name, value) in [("max_nodes", most), ("exclusive", exclusive)] {
            if let Some((_, value)) = value.filter(|(default, value)| default != value) {
                let _ = write!(fields, ", ${name}={value}");
            }
        }
        let name = format!("Cluster::{pool}_pool_spec");
        let _ = write!(text, "\n@ifdef ( {name} )\nredef {name} = Cluster::PoolSpec({fields});\n@endif\n");
    }
    text
}

/// `options:` of the layout. A name that this Zeek does not know yet or any more is skipped.
fn redefs<'a>(options: impl Iterator<Item = (&'a String, &'a OptionValue)>) -> String {
    let whole = options.filter(|(name, _)| !name.contains('$'));
    let known = whole.filter_map(|(name, value)| Some((name, options::find(name)?.kind.zeek_text(value))));
    let mut text = String::new();
    for (name, value) in known {
        text.push_str(&guarded(name, &value));
    }
    text
}

/// A redefinition that a Zeek skips which does not know the name.
fn guarded(name: &str, value: &str) -> String {
    format!("\n@ifdef ( {name} )\nredef {name} = {value};\n@endif\n")
}
