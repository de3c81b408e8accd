//! What a running node takes over from a new configuration without a restart, and who of it obeys.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, Weak};

use super::core_task::Taken;
use super::error::NodeError;
use super::metrics::Metrics;
use super::options::Redefs;
use super::stores::Stores;
use crate::api::config::NodeConfig;
use crate::api::node::OptionView;
use crate::api::paths::ClusterDir;
use crate::cluster::Kept;
use crate::layout::live::taken_over;
use crate::logs::{Logger, LoggerOptions};
use crate::websocket::{WebSocketServerOptions, WebSocketServers};

/// The options as the node has them, and those who obey them.
pub(super) struct Live {
    dir: ClusterDir,
    /// What it was started with, and took over since.
    config: RwLock<NodeConfig>,
    views: RwLock<BTreeMap<String, OptionView>>,
    parts: Parts,
}

/// Who obeys; a real Zeek's parent has nobody.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) logger: Weak<Logger>,
    pub(super) websockets: Option<WebSocketServers>,
    pub(super) stores: Option<Stores>,
    pub(super) metrics: Option<Metrics>,
}

/// A new configuration, read and found right; nothing of it is in effect.
pub(super) struct Change {
    config: NodeConfig,
    views: BTreeMap<String, OptionView>,
    core: Taken,
    logger: LoggerOptions,
    websocket: Option<WebSocketServerOptions>,
    websocket_metrics: Kept,
    callback_timeout: std::time::Duration,
}

impl Live {
    pub(super) fn new(config: &NodeConfig, dir: &ClusterDir, parts: Parts) -> Live {
        let views = RwLock::new(Redefs::new(config).views());
        Live { dir: dir.clone(), config: RwLock::new(config.clone()), views, parts }
    }

    /// All options, in Zeek's script syntax.
    pub(super) fn views(&self) -> BTreeMap<String, OptionView> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What would be taken over of a configuration.
    pub(super) fn read(&self, given: &NodeConfig) -> Result<Change, NodeError> {
        let config = taken_over(&self.config.read().unwrap_or_else(PoisonError::into_inner), given);
        let redefs = Redefs::new(&config);
        let core = redefs.cluster()?;
        let wrong = |error: crate::logs::OptionError| NodeError::LogOption { reason: error.to_string() };
        Ok(Change {
            views: redefs.views(),
            core: Taken { pools: redefs.pools(&core.topics)?, core, sockets: redefs.socket_tuning()? },
            logger: LoggerOptions::from_config(&config, &self.dir).map_err(wrong)?,
            websocket: config.websocket.as_ref().map(|websocket| redefs.websocket(websocket)).transpose()?,
            websocket_metrics: redefs.websocket_metrics()?,
            callback_timeout: redefs.callback_timeout()?,
            config,
        })
    }

    /// Has everybody obey; `tell` hands the core its part and waits for the answer.
    pub(super) async fn obey<E>(
        &self,
        change: Change,
        tell: impl AsyncFnOnce(Box<Taken>) -> Result<(), E>,
    ) -> Result<(), E> {
        tell(Box::new(change.core)).await?;
        if let Some(logger) = self.parts.logger.upgrade() {
            logger.tune(&change.logger);
        }
        if let Some(servers) = &self.parts.websockets {
            servers.keep(change.websocket_metrics);
            if let Some(options) = change.websocket {
                servers.set_ping_interval(options.ping_interval);
            }
        }
        if let Some(stores) = &self.parts.stores {
            stores.set_intervals(&change.config).await;
        }
        if let Some(metrics) = &self.parts.metrics {
            metrics.set_within(change.callback_timeout);
        }
        *self.views.write().unwrap_or_else(PoisonError::into_inner) = change.views;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = change.config;
        Ok(())
    }
}
