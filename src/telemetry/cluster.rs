//! Events between nodes: `zeek_cluster_core_*` (`cluster.md` 5.2).

use super::registry::{Families, Labels};
use crate::api::metrics::Histogram;
use crate::cluster::{Flow, Kept, Sizes, Traffic};

/// What Zeek says where no script published an event.
const NO_SCRIPT: &str = "none";

/// What the core counted, as much as `Cluster::Telemetry::core_metrics` says.
pub fn core_events(traffic: &Traffic, families: &mut Families) {
    let Traffic { kept, outgoing, incoming } = traffic;
    let flows = [("outgoing", outgoing), ("incoming", incoming)];
    if kept.info {
        for (way, flow) in flows {
            let name = format!("zeek_cluster_core_{way}_events_total");
            families.counter(&name, &format!("Number of {way} events"), flow.events);
        }
    }
    if kept.verbose {
        for (way, flow) in flows {
            let name = format!("zeek_cluster_core_verbose_{way}_events_total");
            let help = format!("Number of {way} events with topic and handler information");
            families.counters(&name, &help, pairs(flow).iter().map(|(labels, sizes)| (&labels[..], sizes.count)));
        }
    }
    if kept.debug {
        for (way, flow) in flows {
            sizes(way, flow, kept, families);
        }
    }
}

fn sizes(way: &str, flow: &Flow, kept: &Kept, families: &mut Families) {
    let name = format!("zeek_cluster_core_debug_{way}_event_sizes");
    let script = if way == "outgoing" { ", handler and script location" } else { " and handler" };
    let help = format!("The number and size distribution of {way} events with topic{script} information");
    let mut samples: Vec<(Vec<(&str, &str)>, Histogram)> = Vec::new();
    for (labels, sizes) in pairs(flow) {
        let mut labels = labels.to_vec();
        if way == "outgoing" {
            labels.push(("script_location", NO_SCRIPT));
        }
        samples.push((labels, histogram(sizes, kept)));
    }
    families.histograms(&name, &help, samples.iter().map(|(labels, sizes)| (labels as Labels<'_>, sizes.clone())));
}

/// Sorted, so that a page reads the same each time.
fn pairs(flow: &Flow) -> Vec<([(&str, &str); 2], &Sizes)> {
    let mut pairs: Vec<_> = flow
        .pairs
        .iter()
        .flat_map(|(topic, names)| {
            names.iter().map(move |(name, sizes)| ([("handler", name.as_str()), ("topic", topic.as_str())], sizes))
        })
        .collect();
    pairs.sort_by_key(|(labels, _)| *labels);
    pairs
}

fn histogram(sizes: &Sizes, kept: &Kept) -> Histogram {
    let counted = sizes.classes.iter().scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    Histogram {
        count: sizes.count,
        sum: sizes.octets as f64,
        buckets: kept.bounds.iter().copied().zip(counted).collect(),
    }
}
