//! What the plugins that come with zeekctl make of its workers: the packet source's prefix and suffix, and the environment
//! that a method of load balancing wants. Source: `zeekctl.md` 6, zeekctl 2.6.0-67 (`lb_custom.py`, `lb_myricom.py`,
//! `lb_pf_ring.py`, `zzz_af_packet.py`), in the order in which it runs them.
//!
//! What the files set in a node's environment is never overridden.

use std::collections::HashMap;

use super::site::SiteNode;
use super::zeekctl_cfg::Options;
use crate::data::NodeType;
use crate::layout::problem::{Problems, Report};
use crate::layout::tree::shorten;

/// `PFRINGClusterID` unless it is set.
const CLUSTER_ID: i64 = 21;

/// `PFRINGClusterType`, and the variable that stands for it.
const CLUSTER_TYPES: [(&str, &str); 10] = [
    ("2-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_FLOW_2_TUPLE"),
    ("4-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_FLOW_4_TUPLE"),
    ("5-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_FLOW_5_TUPLE"),
    ("tcp-5-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_FLOW_TCP_5_TUPLE"),
    ("6-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_FLOW"),
    ("inner-2-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_INNER_FLOW_2_TUPLE"),
    ("inner-4-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_INNER_FLOW_4_TUPLE"),
    ("inner-5-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_INNER_FLOW_5_TUPLE"),
    ("inner-tcp-5-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_INNER_FLOW_TCP_5_TUPLE"),
    ("inner-6-tuple", "PCAP_PF_RING_USE_CLUSTER_PER_INNER_FLOW"),
];

/// Changes the workers as the plugins do.
pub(super) fn balance(nodes: &mut [SiteNode], options: &Options, problems: &mut Problems) {
    custom(nodes, options);
    for worker in workers(nodes, "myricom") {
        let rings = worker.lb_procs.unwrap_or(1).to_string();
        set(worker, "SNF_NUM_RINGS", &rings);
        set(worker, "SNF_FLAGS", "0x101");
    }
    pf_ring(nodes, options, problems);
    af_packet(nodes, problems);
}

fn workers<'a>(nodes: &'a mut [SiteNode], method: &'a str) -> impl Iterator<Item = &'a mut SiteNode> {
    nodes.iter_mut().filter(move |node| node.is(NodeType::Worker) && node.lb_method.as_deref() == Some(method))
}

fn set(node: &mut SiteNode, name: &str, value: &str) {
    node.env_vars.entry(name.to_owned()).or_insert_with(|| value.to_owned());
}

fn custom(nodes: &mut [SiteNode], options: &Options) {
    let text = |name| options.get(name).map(|value| value.value.as_str()).unwrap_or_default();
    let (prefix, suffix) = (text("lb_custom.interfaceprefix"), text("lb_custom.interfacesuffix"));
    for worker in workers(nodes, "custom") {
        let interface = worker.interface.take().unwrap_or_default();
        worker.interface = Some(format!("{prefix}{interface}{suffix}")).filter(|interface| !interface.is_empty());
    }
}

fn pf_ring(nodes: &mut [SiteNode], options: &Options, problems: &mut Problems) {
    let first_id = options.int("pfringclusterid").unwrap_or(CLUSTER_ID);
    if first_id == 0 {
        return;
    }
    let written = options.get("pfringclustertype");
    let kind = written.map_or("4-tuple", |value| value.value.as_str());
    let Some((_, variable)) = CLUSTER_TYPES.iter().find(|(name, _)| *name == kind) else {
        if let Some(written) = written {
            let report = Report::new(written.span, format!("PFRINGClusterType \"{}\" not supported", shorten(kind)));
            problems.warn(report.nearest(kind, CLUSTER_TYPES.iter().map(|(name, _)| *name)));
        }
        return;
    };
    let first_instance = options.int("pfringfirstappinstance").unwrap_or(0);
    let mut instance = first_instance;
    // The cluster of each interface of each host.
    let mut clusters: HashMap<String, HashMap<String, i64>> = HashMap::new();
    for worker in workers(nodes, "pf_ring") {
        let of_host = clusters.entry(worker.host.clone()).or_default();
        let interface = worker.interface.take().unwrap_or_default();
        let next = first_id.saturating_add(of_host.len() as i64);
        let cluster = *of_host.entry(interface.clone()).or_insert_with(|| {
            instance = first_instance;
            next
        });
        set(worker, variable, "1");
        let queue = format!("{interface}@{instance}");
        let (interface, more) = match interface.as_str() {
            name if name.starts_with("zc:") || name.starts_with("pf_ring::zc:") => {
                (queue, Some(("PCAP_PF_RING_ZC_RSS", "1".to_owned())))
            }
            name if name.starts_with("dnacl") => (queue, None),
            name if name.starts_with("dna") => (queue, Some(("PCAP_PF_RING_DNA_RSS", "1".to_owned()))),
            _ => (interface, Some(("PCAP_PF_RING_CLUSTER_ID", cluster.to_string()))),
        };
        if let Some((name, value)) = more {
            set(worker, name, &value);
        }
        instance = instance.saturating_add(1);
        set(worker, "PCAP_PF_RING_APPNAME", &format!("zeek-{interface}"));
        worker.interface = Some(interface).filter(|interface| !interface.is_empty());
    }
}

fn af_packet(nodes: &mut [SiteNode], problems: &mut Problems) {
    for worker in workers(nodes, "af_packet") {
        let interface = worker.interface.take().unwrap_or_default();
        if interface.starts_with("af_packet::") {
            let span = worker.origin.get("interface").map_or(worker.span, |origin| origin.span);
            let message = format!("unexpected af_packet:: prefix for interface {interface} of {}", worker.name);
            problems.warn(Report::new(span, message).hint("zeekctl adds the prefix itself with lb_method=af_packet"));
            worker.interface = Some(interface);
            return;
        }
        worker.interface = Some(format!("af_packet::{interface}"));
    }
}
