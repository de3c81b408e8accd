//! What every member of a cluster consists of, whether it is a process of its own or part of another program: sockets,
//! core and logs, joined together, and their end in order.

use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::config;
use super::core_task::{CoreTask, Doors, Parts};
use super::error::NodeError;
use super::heart::Part;
use super::log_sink::{Feeder, LogSink};
use super::options::Redefs;
use crate::api::config::NodeConfig;
use crate::api::node::ProgramView;
use crate::cluster::pools::PoolSpec;
use crate::cluster::{Core, Hooks, Limits, Settings};
use crate::logs::{Logger, LoggerOptions};
use crate::telemetry::{self, Registry};
use crate::transport::LogFrame;
use crate::transport::zeromq::{self, Keys, ZeromqTransport};
use crate::troubles::Troubles;

/// What a member is made of.
pub(super) struct Wiring<'a> {
    pub(super) config: &'a NodeConfig,
    /// `Cluster::node_id`.
    pub(super) id: &'a str,
    pub(super) redefs: &'a Redefs,
    pub(super) keys: Option<Keys>,
    pub(super) hooks: Hooks,
    /// Pools beside the predefined ones.
    pub(super) pools: Vec<PoolSpec>,
    pub(super) logs: LogsTo,
    /// What there is to say of the program under the node, if it has one.
    pub(super) program: Option<watch::Receiver<ProgramView>>,
    /// Where the parts of the member raise what they cannot do.
    pub(super) troubles: Troubles,
}

/// Where log batches go, the member's own and those that it receives.
pub(super) enum LogsTo {
    /// To the loggers; it receives none.
    Loggers,
    /// Into files.
    Files(Box<LoggerOptions>),
    /// To whoever has the other end. While it is full nothing is taken in; when it is gone, batches are dropped and counted.
    Taker(mpsc::Sender<LogFrame>),
}

/// A member that is ready: nothing runs but its sockets' threads.
pub(super) struct Wired {
    core: CoreTask,
    transport: Arc<ZeromqTransport>,
    /// The log writer, if it runs here.
    logger: Weak<Logger>,
    feeder: Option<Feeder>,
    pub(super) doors: Doors,
}

/// A member at work. It ends when this is dropped, a little later.
pub(super) struct Running {
    pub(super) core: JoinHandle<Result<(), NodeError>>,
    pub(super) feeder: Option<Feeder>,
    stop: DropGuard,
}

impl Wiring<'_> {
    /// Binds and opens the sockets and starts the log writer; waits for no connection.
    pub(super) fn wire(self) -> Result<Wired, NodeError> {
        let Wiring { config, id, redefs, keys, hooks, pools, logs, program, troubles } = self;
        let core = Core::new(settings(config, id, redefs, pools)?, hooks);
        let (logs, logger, feeder) = log_sink(config, id, logs, &troubles)?;
        let sockets = config::transport(config, keys, id, redefs)?;
        let (transport, inbox) = zeromq::start(sockets).map_err(|error| NodeError::transport(&error, config))?;
        tracing::info!(node = %config.name, id, "started");
        let transport = Arc::new(transport);
        let mut threads = vec![Part::sockets(&transport), Part::hub(&transport)];
        if logger.strong_count() > 0 {
            threads.push(Part::log_writer(Weak::clone(&logger)));
        }
        let parts = Parts { core, transport: Arc::clone(&transport), inbox, logs, program, troubles, threads };
        let (core, doors) = CoreTask::new(parts);
        Ok(Wired { core, transport, logger, feeder, doors })
    }
}

impl Wired {
    /// Figures of the hub and of the log writer, as far as they run here.
    pub(super) fn register(&self, registry: &mut Registry) {
        let (hub, logger) = (Arc::downgrade(&self.transport), Weak::clone(&self.logger));
        registry.add(move |families| {
            if let Some(counters) = hub.upgrade().and_then(|transport| transport.hub_counters()) {
                telemetry::hub(&counters, families);
            }
            if let Some(logger) = logger.upgrade() {
                telemetry::logger(&logger.counters(), families);
                telemetry::files(&logger.files(), families);
            }
        });
    }

    /// The log writer, if it runs here.
    pub(super) fn logger(&self) -> Weak<Logger> {
        Weak::clone(&self.logger)
    }

    /// Starts the core on the runtime of the caller.
    pub(super) fn run(self) -> (Running, Doors) {
        let stop = CancellationToken::new();
        let core = tokio::spawn(self.core.run(stop.clone()));
        (Running { core, feeder: self.feeder, stop: stop.drop_guard() }, self.doors)
    }
}

impl Running {
    /// The core hands over its logs and closes the sockets, then the writer finishes its files.
    pub(super) async fn end(self) -> Result<(), NodeError> {
        drop(self.stop);
        flatten("cluster core", self.core.await)?;
        if let Some(feeder) = self.feeder {
            let logger = feeder.await.map_err(|error| died("log writer", &error))?;
            let closed = tokio::task::spawn_blocking(move || logger.close()).await;
            closed.map_err(|error| died("log writer", &error))?;
        }
        Ok(())
    }
}

/// What the core is made with.
fn settings(config: &NodeConfig, id: &str, redefs: &Redefs, more: Vec<PoolSpec>) -> Result<Settings, NodeError> {
    let options = redefs.cluster()?;
    let limits = Limits { hello_expiration: options.hello_expiration, ..Limits::default() };
    let mut pools = redefs.pools(&options.topics)?;
    for spec in more {
        pools.register_pool(spec);
    }
    let plain = Settings::new(&config.name, id, config.nodes.clone(), config.manager_is_logger);
    let settings = Settings { options, limits, ..plain }.with_pools(pools);
    settings.map_err(|error| NodeError::Pool { reason: error.to_string() })
}

fn log_sink(
    config: &NodeConfig,
    id: &str,
    logs: LogsTo,
    troubles: &Troubles,
) -> Result<(LogSink, Weak<Logger>, Option<Feeder>), NodeError> {
    match logs {
        LogsTo::Loggers => Ok((LogSink::push(id, troubles), Weak::new(), None)),
        LogsTo::Taker(taker) => Ok((LogSink::hand(id, taker, troubles), Weak::new(), None)),
        LogsTo::Files(mut options) => {
            debug_assert_eq!(options.node, config.name);
            let path = options.current_dir.clone();
            options.troubles = troubles.clone();
            let logger = Logger::start(*options).map_err(|source| NodeError::Logger { path, source })?;
            let logger = Arc::new(logger);
            let figures = Arc::downgrade(&logger);
            let (sink, feeder) = LogSink::write(id, logger, troubles);
            Ok((sink, figures, Some(feeder)))
        }
    }
}

/// How a task ended.
pub(super) fn flatten(task: &'static str, ended: Result<Result<(), NodeError>, JoinError>) -> Result<(), NodeError> {
    ended.map_err(|error| died(task, &error))?
}

fn died(task: &'static str, error: &JoinError) -> NodeError {
    NodeError::TaskDied { task, reason: error.to_string() }
}
