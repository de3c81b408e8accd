//! Events between nodes and of WebSocket clients: `zeek_cluster_core_*` and `zeek_cluster_websocket_*` (`cluster.md` 5.2).

use super::registry::{Families, Labels};
use crate::api::metrics::Histogram;
use crate::cluster::{Flow, Kept, Sizes, Traffic};

/// What Zeek says where no script published an event.
const NO_SCRIPT: &str = "none";

/// Figures of events, and the label that tells whose they are.
pub(super) type Counted<'a> = (Option<(&'a str, &'a str)>, &'a Traffic);

/// Picks one direction.
type Way = fn(&Traffic) -> &Flow;

/// The two directions, and how to get at each.
const WAYS: [(&str, Way); 2] = [("outgoing", |traffic| &traffic.outgoing), ("incoming", |traffic| &traffic.incoming)];

/// What the core counted, as much as `Cluster::Telemetry::core_metrics` says.
pub fn core_events(traffic: &Traffic, families: &mut Families) {
    events("core", &[(None, traffic)], families);
}

/// What somebody counted, as much as their option says; `whose` is a part of the metrics' names.
pub(super) fn events(whose: &str, counted: &[Counted<'_>], families: &mut Families) {
    for (way, flow) in WAYS {
        let name = format!("zeek_cluster_{whose}_{way}_events_total");
        let of_info = counted.iter().filter(|(_, traffic)| traffic.kept.info);
        let samples: Vec<_> = of_info.map(|(label, traffic)| (Vec::from_iter(*label), flow(traffic).events)).collect();
        let samples = samples.iter().map(|(labels, count)| (labels as Labels<'_>, *count));
        families.counters(&name, &format!("Number of {way} events"), samples);
    }
    for (way, flow) in WAYS {
        let name = format!("zeek_cluster_{whose}_verbose_{way}_events_total");
        let help = format!("Number of {way} events with topic and handler information");
        let of_verbose = counted.iter().filter(|(_, traffic)| traffic.kept.verbose);
        let samples: Vec<_> = of_verbose.flat_map(|(label, traffic)| pairs(*label, flow(traffic))).collect();
        families.counters(&name, &help, samples.iter().map(|(labels, sizes)| (labels as Labels<'_>, sizes.count)));
    }
    for (way, flow) in WAYS {
        let name = format!("zeek_cluster_{whose}_debug_{way}_event_sizes");
        let script = if way == "outgoing" { ", handler and script location" } else { " and handler" };
        let help = format!("The number and size distribution of {way} events with topic{script} information");
        let of_debug = counted.iter().filter(|(_, traffic)| traffic.kept.debug);
        let samples: Vec<_> = of_debug
            .flat_map(|(label, traffic)| {
                let kept = &traffic.kept;
                pairs(*label, flow(traffic)).into_iter().map(move |(mut labels, sizes)| {
                    if way == "outgoing" {
                        labels.push(("script_location", NO_SCRIPT));
                    }
                    (labels, histogram(sizes, kept))
                })
            })
            .collect();
        families.histograms(&name, &help, samples.iter().map(|(labels, sizes)| (labels as Labels<'_>, sizes.clone())));
    }
}

/// Sorted, so that a page reads the same each time.
fn pairs<'a>(label: Option<(&'a str, &'a str)>, flow: &'a Flow) -> Vec<(Vec<(&'a str, &'a str)>, &'a Sizes)> {
    let labels = |topic: &'a str, name: &'a str| {
        let mut labels = vec![("handler", name), ("topic", topic)];
        labels.extend(label);
        labels
    };
    let of_topic = flow.pairs.iter().flat_map(|(topic, names)| {
        names.iter().map(move |(name, sizes)| (labels(topic.as_str(), name.as_str()), sizes))
    });
    let mut pairs: Vec<_> = of_topic.collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
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
