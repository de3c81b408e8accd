//! Gathers a node's figures, for its own socket and for the server of its `metrics_port`.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::core_task::{Request, Requests};
use super::error::NodeError;
use super::options::Redefs;
use super::stores::Stores;
use crate::api::config::{NodeConfig, NodeEntry};
use crate::api::metrics::MetricFamily;
use crate::api::node::{NodeView, RESTARTS_VARIABLE};
use crate::api::store::StoreView;
use crate::cluster::{Handle, Traffic};
use crate::data::NodeType;
use crate::telemetry::{self, Registry, Server, Source};

/// How long the stores may take to answer; without their answer the rest is told.
const STORES_WITHIN: Duration = Duration::from_secs(1);

/// Knows how to ask for everything.
#[derive(Clone)]
pub(super) struct Metrics {
    view: Requests,
    /// None where a real Zeek runs in the core's place.
    members: Option<Members>,
    registry: Arc<Registry>,
    /// `Telemetry::callback_timeout` in milliseconds; it may change while the node works.
    within_ms: Arc<AtomicU64>,
}

/// Who is asked beside the registry, because their figures are not there to be read at any time.
#[derive(Clone)]
pub(super) struct Members {
    pub(super) core: Handle,
    pub(super) stores: Stores,
    /// `Telemetry::metrics_address`.
    pub(super) metrics_address: String,
}

/// What they answered.
struct Answers {
    traffic: Traffic,
    stores: Vec<StoreView>,
}

impl Metrics {
    /// Asks the task behind `view`, the members, and everybody in the registry.
    pub(super) fn new(view: Requests, members: Option<Members>, registry: Registry, within: Duration) -> Metrics {
        let metrics = Metrics { view, members, registry: Arc::new(registry), within_ms: Arc::default() };
        metrics.set_within(within);
        metrics
    }

    /// Takes another `Telemetry::callback_timeout`.
    pub(super) fn set_within(&self, within: Duration) {
        self.within_ms.store(u64::try_from(within.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    async fn asked<T>(&self, question: impl Future<Output = Option<T>>) -> Result<T, String> {
        let within = self.within();
        let silent = || format!("the node's core gave no answer within {} s", within.as_secs_f64());
        timeout(within, question).await.ok().flatten().ok_or_else(silent)
    }

    async fn view_and_answers(&self) -> Option<(NodeView, Option<Answers>)> {
        let (reply, view) = oneshot::channel();
        self.view.send(Request::View(reply)).await.ok()?;
        let view = view.await.ok()?;
        let Some(Members { core, stores, .. }) = &self.members else { return Some((view, None)) };
        let traffic = core.look(|core| core.traffic().clone()).await.ok()?;
        // A store whose disk is slow costs its own figures only.
        let stores = timeout(STORES_WITHIN.min(self.within() / 2), stores.views()).await.unwrap_or_default();
        Some((view, Some(Answers { traffic, stores })))
    }
}

impl Source for Metrics {
    fn within(&self) -> Duration {
        Duration::from_millis(self.within_ms.load(Ordering::Relaxed))
    }

    async fn families(&self) -> Result<Vec<MetricFamily>, String> {
        let (view, answers) = self.asked(self.view_and_answers()).await?;
        Ok(self.registry.gather(|families| {
            telemetry::node(&view, families);
            if let Some(answers) = answers {
                telemetry::core_events(&answers.traffic, families);
                telemetry::stores(&answers.stores, families);
            }
        }))
    }

    async fn services(&self) -> Result<Option<String>, String> {
        let Some(Members { core, metrics_address, .. }) = &self.members else { return Ok(None) };
        let nodes = |core: &mut crate::cluster::Core| -> Option<Vec<NodeEntry>> {
            (core.local_node_type() == NodeType::Manager).then(|| core.nodes().cloned().collect())
        };
        let nodes = self.asked(async { core.look(nodes).await.ok() }).await?;
        Ok(nodes.map(|nodes| telemetry::services(nodes.iter(), metrics_address)))
    }
}

/// What every node has: a registry with the process, and how often the agent had to start it again.
pub(super) fn registry(config: &NodeConfig, redefs: &Redefs) -> Result<Registry, NodeError> {
    let mut registry = Registry::new(&redefs.metrics_label()?, &config.name);
    registry.add(telemetry::process);
    let restarts = env::var(RESTARTS_VARIABLE).ok().and_then(|count| count.parse().ok());
    if let Some(restarts) = restarts {
        registry.add(move |families| telemetry::restarts(restarts, families));
    }
    Ok(registry)
}

/// A server at work; it ends when this is dropped, a little later.
pub(super) struct Serving {
    task: JoinHandle<std::io::Result<()>>,
    stop: DropGuard,
}

impl Serving {
    pub(super) fn start(server: Server, source: Metrics) -> Serving {
        let stop = CancellationToken::new();
        tracing::info!(address = %server.address(), "metrics are served");
        Serving { task: tokio::spawn(server.serve(source, stop.clone())), stop: stop.drop_guard() }
    }

    /// Answers what was asked, and ends.
    pub(super) async fn end(self) -> Result<(), NodeError> {
        drop(self.stop);
        let died = |error: JoinError| NodeError::TaskDied { task: "metrics server", reason: error.to_string() };
        let served = self.task.await.map_err(died)?;
        served.map_err(|source| NodeError::System { what: "serve metrics", source })
    }
}

/// The server of the node's `metrics_port`; none without one, and none while a configuration is only checked.
pub(super) fn server(config: &NodeConfig, redefs: &Redefs) -> Result<Option<Server>, NodeError> {
    let own = config.nodes.iter().find(|entry| entry.name == config.name);
    let port = own.and_then(|entry| entry.metrics_port).filter(|port| *port != 0);
    let Some(port) = port.filter(|_| env::var_os("ZEEKCTL_CHECK_CONFIG").is_none()) else { return Ok(None) };
    let address = match redefs.metrics_address()? {
        // What has a zone cannot be named without it.
        address if address.is_empty() => own.filter(|own| own.zone_id.is_empty()).map(|own| own.ip.to_string()),
        address => Some(address),
    };
    let bound = Server::bind(&address.unwrap_or_default(), port);
    bound.map(Some).map_err(|error| NodeError::metrics(&error, config))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn scrapers_wait_as_long_as_the_layout_says_now() {
        let (requests, _never_answered) = mpsc::channel(1);
        let metrics = Metrics::new(requests, None, Registry::new("node", "n"), Duration::from_secs(3600));
        metrics.clone().set_within(Duration::from_millis(10));
        assert_eq!(metrics.families().await, Err("the node's core gave no answer within 0.01 s".to_owned()));
    }
}
