//! The hub: `zeek_cluster_zeromq_proxy_*` (`zeromq.md` 7), and what it does for the sake of slow subscribers.

use super::registry::Families;
use crate::transport::zeromq::HubCounters;

/// What the hub counted; only in the process that runs it.
pub fn hub(counters: &HubCounters, families: &mut Families) {
    let HubCounters {
        frontend_messages_received,
        frontend_bytes_received,
        frontend_messages_sent,
        frontend_bytes_sent,
        backend_messages_received,
        backend_bytes_received,
        backend_messages_sent,
        backend_bytes_sent,
        strays,
        cut_off,
        accept_failures,
        stalls,
        withheld,
    } = *counters;
    let zeek_s = [
        ("frontend", "messages", "received", frontend_messages_received),
        ("frontend", "bytes", "received", frontend_bytes_received),
        ("frontend", "messages", "sent", frontend_messages_sent),
        ("frontend", "bytes", "sent", frontend_bytes_sent),
        ("backend", "messages", "received", backend_messages_received),
        ("backend", "bytes", "received", backend_bytes_received),
        ("backend", "messages", "sent", backend_messages_sent),
        ("backend", "bytes", "sent", backend_bytes_sent),
    ];
    for (socket, what, way, count) in zeek_s {
        let name = format!("zeek_cluster_zeromq_proxy_{socket}_{what}_{way}_total");
        families.counter(&name, &format!("Number of {what} {way} by the {socket} socket"), count);
    }
    families.counter(
        "zeek_cluster_zeromq_proxy_strays_total",
        "Number of messages sent against the direction of events, which the hub keeps out; rising means that a peer misbehaves",
        strays,
    );
    families.counter(
        "zeek_cluster_zeromq_proxy_cut_off_total",
        "Number of connections that the hub ended because they subscribed to too much; rising means that a peer misbehaves",
        cut_off,
    );
    families.counter(
        "zeek_cluster_zeromq_proxy_accept_failures_total",
        "Number of connections that the system could not accept for the hub; rising means that file descriptors or memory are used up",
        accept_failures,
    );
    families.counter(
        "zeek_cluster_zeromq_proxy_stalls_total",
        "Number of times an event waited for a subscriber whose queue was full; rising means that a node reads too slowly",
        stalls,
    );
    families.counter(
        "zeek_cluster_zeromq_proxy_withheld_total",
        "Number of times the hub stopped waiting for a full subscriber, which misses events from then on until it reads; rising means lost events",
        withheld,
    );
}
