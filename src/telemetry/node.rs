//! What a node says of itself: whether it has joined, whom it sees, what it lost.

use super::logs::own_records;
use super::registry::{Families, Labels};
use crate::api::node::NodeView;

/// [`NodeView::counters`] and the metrics that they are.
const COUNTERS: &[(&str, &str, &str)] = &[
    (
        "xpub_drops",
        "zeek_cluster_zeromq_xpub_drops_total",
        "Number of published events dropped due to XPUB socket HWM.",
    ),
    (
        "onloop_drops",
        "zeek_cluster_zeromq_onloop_drops_total",
        "Number of received events dropped due to OnLoop queue full.",
    ),
    ("msg_errors", "zeek_cluster_zeromq_msg_errors_total", "Number of events with the wrong number of message parts."),
    ("events_sent", "zeek_cluster_zeromq_events_sent_total", "Number of events handed to the sockets"),
    (
        "events_received",
        "zeek_cluster_zeromq_events_received_total",
        "Number of events taken from the sockets, without the node's own ones",
    ),
    ("logs_sent", "zeek_cluster_zeromq_log_batches_sent_total", "Number of log batches handed to the sockets"),
    (
        "logs_received",
        "zeek_cluster_zeromq_log_batches_received_total",
        "Number of log batches received from other nodes",
    ),
    (
        "log_drops",
        "zeek_cluster_log_batch_drops_total",
        "Number of log batches that were lost because no logger took them; rising means missing log lines",
    ),
    (
        "queue_drops",
        "zeek_cluster_zeromq_send_queue_drops_total",
        "Number of events and log batches refused because the queue to the sockets was full; rising means that more is published than the sockets take",
    ),
    (
        "too_large",
        "zeek_cluster_zeromq_too_large_total",
        "Number of subscriptions, events and log batches refused because peers would not take their size; rising means lost events or log lines",
    ),
    (
        "accept_failures",
        "zeek_cluster_zeromq_log_accept_failures_total",
        "Number of connections that the system could not accept for the log socket; rising means that file descriptors or memory are used up",
    ),
    (
        "publishes_lost",
        "zeek_cluster_core_publish_drops_total",
        "Number of events that the transport did not take; rising means lost events",
    ),
    (
        "reconnects",
        "zeek_cluster_zeromq_hub_losses_total",
        "Number of times the connection to the hub was lost; rising means that the manager or the network is unsteady",
    ),
    (
        "bad_events",
        "zeek_cluster_core_bad_events_total",
        "Number of events that could not be read; rising means a peer with another event serializer, or a broken one",
    ),
    (
        "forgotten_strangers",
        "zeek_cluster_core_forgotten_ids_total",
        "Number of node ids that never said hello and were forgotten for want of room; rising means that something subscribes under ever new ids",
    ),
    ("node_ups", "zeek_cluster_core_node_up_total", "Number of times that another node came up for this one"),
    (
        "node_downs",
        "zeek_cluster_core_node_down_total",
        "Number of times that another node went down for this one; rising means that nodes crash or lose the hub",
    ),
    (
        "reports_left_out",
        "zeek_cluster_reports_left_out_total",
        "Number of lines that were left out of the node's standard error because there were too many; rising means that some peer causes a flood of them",
    ),
];

/// What the node's view says. All series are there from the start, so that a rate can be taken of the first event.
pub fn node(view: &NodeView, families: &mut Families) {
    let version: Labels<'_> = &[("version", &view.version)];
    families.gauges("zeek_cluster_node_info", "Version of the program that runs the node", [(version, 1)]);
    families.gauge(
        "zeek_cluster_node_joined",
        "1 while the node takes part in its cluster, 0 while it does not: zeek-cluster status says why",
        u64::from(view.joined),
    );
    let counts: Vec<(&str, u64, u64)> =
        view.counts.iter().map(|(node_type, count)| (node_type.as_str(), count.defined, count.active)).collect();
    let labels: Vec<[(&str, &str); 1]> = counts.iter().map(|(node_type, ..)| [("node_type", *node_type)]).collect();
    let with = |figure: fn(&(&str, u64, u64)) -> u64| {
        labels.iter().zip(&counts).map(move |(labels, count)| (labels as Labels<'_>, figure(count)))
    };
    families.gauges(
        "zeek_cluster_layout_nodes",
        "Number of nodes of each type in the layout, this one included",
        with(|c| c.1),
    );
    families.gauges(
        "zeek_cluster_active_nodes",
        "Number of other nodes of each type that are up for this one; below zeek_cluster_layout_nodes, its own type less one, means that some are missing",
        with(|c| c.2),
    );
    if let Some(program) = &view.program {
        families.gauge(
            "zeek_cluster_program_running",
            "1 while the program under the node runs, 0 while it does not: zeek-cluster status says why",
            u64::from(program.pid.is_some()),
        );
        families.counter(
            "zeek_cluster_program_exits_total",
            "Number of times that the program under the node ended by itself or could not be started; rising means that it crashes",
            program.exits,
        );
        families.counter(
            "zeek_cluster_program_restarts_total",
            "Number of times that the node started its program again",
            program.restarts,
        );
    }
    if let Some(blocks) = view.counters.get("onloop_blocks") {
        let tag: Labels<'_> = &[("tag", "ZeroMQ")];
        let help = "Increased whenever a cluster backend thread is blocked due to the OnLoop queue being full.";
        families.counters("zeek_cluster_onloop_queue_blocks_total", help, [(tag, *blocks)]);
    }
    if let Some(records) = view.counters.get("records_logged") {
        own_records(*records, families);
    }
    if let Some(waiting) = view.counters.get("log_batches_waiting") {
        families.gauge(
            "zeek_cluster_log_batches_waiting",
            "Number of log batches that wait for the log writer; staying high means that the disk is too slow",
            *waiting,
        );
    }
    for (counter, name, help) in COUNTERS {
        if let Some(count) = view.counters.get(*counter) {
            families.counter(name, help, *count);
        }
    }
}

/// How often the agent had to start the node again.
pub fn restarts(count: u64, families: &mut Families) {
    families.counter(
        "zeek_cluster_node_restarts_total",
        "Number of times the agent started the node again because it had ended by itself, since an operator started it; rising means that it crashes",
        count,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Registry;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_there_once_and_end_as_counters_do() {
        let names: BTreeSet<&str> = COUNTERS.iter().map(|(_, name, _)| *name).collect();
        assert_eq!(names.len(), COUNTERS.len());
        assert!(names.iter().all(|name| name.ends_with("_total")), "{names:?}");
        let gathered = Registry::new("node", "n").gather(|families| restarts(2, families));
        assert!(gathered[0].name.ends_with("_total"));
    }
}
