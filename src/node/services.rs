//! What runs beside the core in one process because the configuration asks for it: stores, WebSocket servers, metrics.
//!
//! A service ends when its token is cancelled; that happens before the core is told, so that its last events and log lines
//! still go out. One that ends by itself takes the node down, loudly.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::NodeError;
use crate::api::config::NodeConfig;
use crate::api::paths::ClusterDir;
use crate::cluster::Handle;

/// How long services may take to end; then they are cut off.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What a service is started with.
#[expect(dead_code, reason = "the first service arrives with the next commits")]
pub(super) struct Beside<'a> {
    pub(super) config: &'a NodeConfig,
    pub(super) dir: &'a ClusterDir,
    pub(super) handle: &'a Handle,
}

/// The running services of a node.
pub(super) struct Services {
    tasks: JoinSet<(&'static str, Result<(), NodeError>)>,
    stop: CancellationToken,
}

impl Services {
    /// Starts what the configuration asks for. Whatever can be wrong with it (a port that is taken, a file that is missing)
    /// is an error here, before the node counts as started.
    pub(super) fn start(_beside: &Beside<'_>) -> Result<Services, NodeError> {
        let services = Services { tasks: JoinSet::new(), stop: CancellationToken::new() };
        Ok(services)
    }

    /// Adds one; it gets the token that tells it to end.
    #[expect(dead_code, reason = "the first service arrives with the next commits")]
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
