//! WebSocket servers and their clients (`websocket.md` 9).

use super::cluster::{Counted, events};
use super::registry::{Families, Labels};
use crate::websocket::{AppFigures, ServerFigures, WebSocketFigures};

/// What the node's WebSocket servers counted; by application once a client of it was there.
pub fn websocket(figures: &WebSocketFigures, families: &mut Families) {
    let by_server: Vec<([(&str, &str); 1], &ServerFigures)> =
        figures.servers.iter().map(|server| ([("tag", server.tag.as_str())], server)).collect();
    let servers = |figure: fn(&ServerFigures) -> u64| {
        by_server.iter().map(move |(labels, server)| (labels as Labels<'_>, figure(server)))
    };
    families.counters(
        "zeek_cluster_onloop_queue_blocks_total",
        "Increased whenever a cluster backend thread is blocked due to the OnLoop queue being full.",
        servers(|server| server.queue_blocks),
    );
    families.gauges("zeek_cluster_websocket_clients", "Number of connected clients", servers(|server| server.clients));
    families.counters(
        "zeek_cluster_websocket_too_many_clients_total",
        "Number of connections that were closed at once because there were too many; rising means that clients are kept out",
        servers(|server| server.too_many),
    );
    families.counters(
        "zeek_cluster_websocket_refused_handshakes_total",
        "Number of handshakes that failed: TLS, HTTP, name or subscriptions; rising means that a client is set up wrongly",
        servers(|server| server.refused),
    );
    families.counters(
        "zeek_cluster_websocket_clients_behind_total",
        "Number of clients that were closed because they fell too far behind with their events; rising means that a client reads too slowly",
        servers(|server| server.behind),
    );

    let traffics: Vec<Counted<'_>> =
        figures.apps.iter().map(|(app, figures)| (Some(("app", app.as_str())), &figures.traffic)).collect();
    events("websocket", &traffics, families);
    let by_app: Vec<([(&str, &str); 1], &AppFigures)> =
        figures.apps.iter().map(|(app, figures)| ([("app", app.as_str())], figures)).collect();
    let apps =
        |figure: fn(&AppFigures) -> u64| by_app.iter().map(move |(labels, app)| (labels as Labels<'_>, figure(app)));
    families.counters(
        "zeek_cluster_websocket_missed_events_total",
        "Number of events that were dropped because a client did not take them in time; rising means that a client reads too slowly",
        apps(|app| app.missed_events),
    );
    families.counters(
        "zeek_cluster_websocket_bad_messages_total",
        "Number of messages of clients that were answered with an error",
        apps(|app| app.bad_messages),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::api::metrics::MetricFamily;
    use crate::cluster::{Flow, Kept, Sizes, Traffic};
    use crate::telemetry::Registry;

    fn flow() -> Flow {
        let sizes = Sizes { count: 2, octets: 80, classes: vec![0, 1, 1, 0, 0, 0, 0, 0, 0] };
        let names = [("ping".to_owned(), sizes)].into();
        let mut flow = Flow::default();
        flow.events = 2;
        flow.pairs = [("/test/ping".to_owned(), names)].into();
        flow
    }

    fn gathered() -> Vec<MetricFamily> {
        let kept = Kept { verbose: true, debug: true, ..Kept::default() };
        let traffic = Traffic { kept, outgoing: flow(), incoming: flow() };
        let app = AppFigures { traffic, missed_events: 5, bad_messages: 0 };
        let server = ServerFigures { tag: "WebSocketEventDispatcher:127.0.0.1:1".into(), ..ServerFigures::default() };
        let figures = WebSocketFigures { servers: vec![server], apps: [("probe".to_owned(), app)].into() };
        Registry::new("node", "manager").gather(|families| websocket(&figures, families))
    }

    /// Name of each recorded family of WebSocket clients, its help, and the names of its labels.
    fn recorded() -> BTreeMap<&'static str, (&'static str, BTreeSet<&'static str>)> {
        let page = include_str!("../../tests/vectors/telemetry/metrics-manager.txt");
        let mut found = BTreeMap::new();
        let mut last = "";
        for line in page.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                last = name;
                found.insert(name, (help, BTreeSet::new()));
            } else if let (Some((_, labels)), Some((_, known))) = (line.split_once('{'), found.get_mut(last)) {
                let labels = labels.split("\",").filter_map(|label| label.split_once('='));
                known.extend(labels.map(|(name, _)| name).filter(|name| *name != "le"));
            }
        }
        found.retain(|name, _| name.starts_with("zeek_cluster_websocket_"));
        found
    }

    #[test]
    fn names_help_and_labels_are_those_of_a_real_zeek() {
        let ours = gathered();
        assert_eq!(recorded().len(), 6);
        for (name, (help, labels)) in recorded() {
            let family = ours.iter().find(|family| family.name == name).expect(name);
            assert_eq!(family.help, help, "{name}");
            let own: BTreeSet<&str> = family.samples[0].labels.keys().map(String::as_str).collect();
            assert_eq!(own, labels, "{name}");
        }
        let missed = ours.iter().find(|family| family.name == "zeek_cluster_websocket_missed_events_total").unwrap();
        assert_eq!(missed.samples[0].labels["app"], "probe");
    }
}
