//! Gathers a node's figures, for its own socket and for the server of its `metrics_port`.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

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
    /// `Telemetry::callback_timeout`.
    within: Duration,
}

/// Who is asked beside the registry, because their figures are not there to be read at any time.
#[derive(Clone)]
pub(super) struct Members {
    pub(super) core: Handle,
    pub(super) stores: Stores,
}

/// What they answered.
struct Answers {
    traffic: Traffic,
    stores: Vec<StoreView>,
}

impl Metrics {
    /// Asks the task behind `view`, the members, and everybody in the registry.
    pub(super) fn new(view: Requests, members: Option<Members>, registry: Registry, within: Duration) -> Metrics {
        Metrics { view, members, registry: Arc::new(registry), within }
    }

    async fn asked<T>(&self, question: impl Future<Output = Option<T>>) -> Result<T, String> {
        let silent = || format!("the node's core gave no answer within {} s", self.within.as_secs_f64());
        timeout(self.within, question).await.ok().flatten().ok_or_else(silent)
    }

    async fn view_and_answers(&self) -> Option<(NodeView, Option<Answers>)> {
        let (reply, view) = oneshot::channel();
        self.view.send(Request::View(reply)).await.ok()?;
        let view = view.await.ok()?;
        let Some(Members { core, stores }) = &self.members else { return Some((view, None)) };
        let traffic = core.look(|core| core.traffic().clone()).await.ok()?;
        // A store whose disk is slow costs its own figures only.
        let stores = timeout(STORES_WITHIN.min(self.within / 2), stores.views()).await.unwrap_or_default();
        Some((view, Some(Answers { traffic, stores })))
    }
}

impl Source for Metrics {
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
        let Some(Members { core, .. }) = &self.members else { return Ok(None) };
        let nodes = |core: &mut crate::cluster::Core| -> Option<Vec<NodeEntry>> {
            (core.local_node_type() == NodeType::Manager).then(|| core.nodes().cloned().collect())
        };
        let nodes = self.asked(async { core.look(nodes).await.ok() }).await?;
        Ok(nodes.map(|nodes| telemetry::services(nodes.iter())))
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

/// The server of the node's `metrics_port`; none without one, and none while a configuration is only checked.
pub(super) fn server(config: &NodeConfig, redefs: &Redefs) -> Result<Option<Server>, NodeError> {
    let own = config.nodes.iter().find(|entry| entry.name == config.name);
    let port = own.and_then(|entry| entry.metrics_port).filter(|port| *port != 0);
    let Some(port) = port.filter(|_| env::var_os("ZEEKCTL_CHECK_CONFIG").is_none()) else { return Ok(None) };
    let bound = Server::bind(&redefs.metrics_address()?, port);
    bound.map(Some).map_err(|error| NodeError::metrics(&error, config))
}
