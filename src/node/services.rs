//! What runs beside the core in one process because the configuration asks for it: stores, WebSocket servers, metrics.
//!
//! A service ends when its token is cancelled; that happens before the core is told, so that its last events and log lines
//! still go out. One that ends by itself takes the node down, loudly.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::core_task::Requests;
use super::error::NodeError;
use super::metrics::{self, Members, Metrics};
use super::options::Redefs;
use super::stores::{self, Stores};
use crate::api::config::NodeConfig;
use crate::api::paths::ClusterDir;
use crate::cluster::Handle;
use crate::telemetry::{self, Registry};
use crate::websocket::WebSocketServers;

/// How long services may take to end; then they are cut off.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What a service is started with.
pub(super) struct Beside<'a> {
    pub(super) config: &'a NodeConfig,
    #[expect(dead_code, reason = "no service has files yet")]
    pub(super) dir: &'a ClusterDir,
    pub(super) handle: &'a Handle,
    pub(super) redefs: &'a Redefs,
    /// Where the node's view is asked for.
    pub(super) requests: &'a Requests,
    pub(super) stores: Stores,
    /// Who has figures so far; services that have some add themselves.
    pub(super) registry: Registry,
}

/// The running services of a node.
pub(super) struct Services {
    tasks: JoinSet<(&'static str, Result<(), NodeError>)>,
    /// Where the configuration asks for a WebSocket server.
    pub(super) websockets: Option<WebSocketServers>,
    stop: CancellationToken,
}

impl Services {
    /// Starts what the configuration asks for. Whatever can be wrong with it (a port that is taken, a file that is missing)
    /// is an error here, before the node counts as started.
    /// Also gives the figures of all, those of the services included.
    pub(super) fn start(mut beside: Beside<'_>) -> Result<(Services, Metrics), NodeError> {
        let mut services = Services { tasks: JoinSet::new(), websockets: None, stop: CancellationToken::new() };
        let stores = beside.stores.clone();
        services.add("data stores", |stop| stores::serve(stores, stop));
        services.websocket(&mut beside)?;
        let metrics = services.telemetry(beside)?;
        Ok((services, metrics))
    }

    fn websocket(&mut self, beside: &mut Beside<'_>) -> Result<(), NodeError> {
        let Some(websocket) = &beside.config.websocket else { return Ok(()) };
        let redefs = beside.redefs;
        let servers =
            WebSocketServers::new(beside.handle.clone(), redefs.websocket_metrics()?, redefs.cluster()?.topics);
        let address = servers.listen_websocket(redefs.websocket(websocket)?)?;
        tracing::info!(%address, "WebSocket server listens");
        self.websockets = Some(servers.clone());
        let told = servers.clone();
        beside.registry.add(move |families| telemetry::websocket(&told.figures(), families));
        self.add("WebSocket server", |stop| async move {
            tokio::select! {
                () = servers.ended() => {}
                () = stop.cancelled() => servers.end().await,
            }
            Ok(())
        });
        Ok(())
    }

    /// The last one, when everybody who has figures is in the registry.
    fn telemetry(&mut self, beside: Beside<'_>) -> Result<Metrics, NodeError> {
        let Beside { config, handle, redefs, requests, stores, mut registry, .. } = beside;
        let within = redefs.callback_timeout()?;
        let server = metrics::server(config, redefs)?;
        if let Some(server) = &server {
            registry.add(server.teller());
        }
        let members = Members { core: handle.clone(), stores, metrics_address: redefs.metrics_address()? };
        let metrics = Metrics::new(requests.clone(), Some(members), registry, within);
        if let Some(server) = server {
            tracing::info!(address = %server.address(), "metrics are served");
            let source = metrics.clone();
            self.add("metrics server", |stop| async move {
                server.serve(source, stop).await.map_err(|source| NodeError::System { what: "serve metrics", source })
            });
        }
        Ok(metrics)
    }

    /// Adds one; it gets the token that tells it to end.
    fn add<F>(&mut self, name: &'static str, service: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), NodeError>> + Send + 'static,
    {
        let service = service(self.stop.clone());
        self.tasks.spawn(async move { (name, service.await) });
    }

    /// Waits for a service that ends although nobody asked it to; for ever when all is well.
    pub(super) async fn ended(&mut self) -> NodeError {
        match self.tasks.join_next().await {
            None => std::future::pending().await,
            Some(Ok((task, Ok(())))) => NodeError::TaskDied { task, reason: "it stopped working".to_owned() },
            Some(Ok((_, Err(error)))) => error,
            Some(Err(error)) => NodeError::TaskDied { task: "service", reason: error.to_string() },
        }
    }

    /// Tells all to end and waits for them.
    pub(super) async fn end(mut self) -> Result<(), NodeError> {
        self.stop.cancel();
        let mut ended = Ok(());
        let all = async {
            while let Some(task) = self.tasks.join_next().await {
                match task {
                    Ok((_, result)) => ended = ended.and(result),
                    Err(error) => {
                        let died = NodeError::TaskDied { task: "service", reason: error.to_string() };
                        ended = ended.and(Err(died));
                    }
                }
            }
            ended
        };
        match timeout(END_WITHIN, all).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!("a service did not end within {} s and was cut off", END_WITHIN.as_secs());
                Ok(())
            }
        }
    }
}
