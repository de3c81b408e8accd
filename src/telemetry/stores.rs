//! Data stores as this node has them.

use super::registry::{Families, Labels};
use crate::api::store::{StoreState, StoreView};

/// One sample for each store that was created here.
pub fn stores(views: &[StoreView], families: &mut Families) {
    let role = |view: &StoreView| if view.master { "master" } else { "clone" };
    let by_store: Vec<([(&str, &str); 2], &StoreView)> =
        views.iter().map(|view| ([("role", role(view)), ("store", view.name.as_str())], view)).collect();
    let samples =
        |figure: fn(&StoreView) -> u64| by_store.iter().map(move |(labels, view)| (labels as Labels<'_>, figure(view)));
    families.gauges(
        "zeek_cluster_store_ready",
        "1 while a store has its data, 0 while a clone looks for its master or a master is refused: zeek-cluster store list says why",
        samples(|view| u64::from(view.state == StoreState::Ready)),
    );
    families.gauges("zeek_cluster_store_keys", "Number of keys that have not expired", samples(|view| view.size));
    families.counters(
        "zeek_cluster_store_changes_total",
        "Number of changes since the store's master began; the same on all nodes that are up to date",
        samples(|view| view.changes),
    );
    families.gauges(
        "zeek_cluster_store_pending_writes",
        "Number of writes of this node that the master has not acknowledged; staying high means that it cannot be reached",
        samples(|view| view.pending),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::metrics::MetricValue;
    use crate::api::store::BackendType;
    use crate::telemetry::Registry;

    #[test]
    fn each_store_has_a_sample_that_names_its_role() {
        let clone = StoreView {
            name: "intel".into(),
            master: false,
            master_node: "manager".into(),
            backend: BackendType::Sqlite,
            path: None,
            state: StoreState::Syncing,
            size: 3,
            since: None,
            changes: 9,
            pending: 2,
        };
        let master = StoreView { name: "names".into(), master: true, state: StoreState::Ready, ..clone.clone() };
        let gathered = Registry::new("node", "n").gather(|families| stores(&[clone.clone(), master], families));
        let ready = gathered.iter().find(|family| family.name == "zeek_cluster_store_ready").unwrap();
        let shown: Vec<_> = ready
            .samples
            .iter()
            .map(|sample| (sample.labels["store"].as_str(), sample.labels["role"].as_str(), sample.value.clone()))
            .collect();
        assert_eq!(shown, [("intel", "clone", MetricValue::Count(0)), ("names", "master", MetricValue::Count(1))]);
        assert_eq!(gathered.len(), 4);
        assert!(Registry::new("node", "n").gather(|families| stores(&[], families)).is_empty());
    }
}
