//! One node as a process: what runs in it, and that it ends as a whole.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::api::{Api, Socket};
use super::config;
use super::core_task::Doors;
use super::error::NodeError;
use super::identity;
use super::live::{Live, Parts};
use super::memory;
use super::metrics;
use super::options::Redefs;
use super::program::{Program, Surroundings};
use super::roles;
use super::services::{Beside, Services};
use super::shutdown::{DEADLINE, stop_on_signals};
use super::stores;
use super::wiring::{LogsTo, Running, Wiring, flatten};
use super::zeek;
use crate::api::config::NodeConfig;
use crate::api::node::OPEN_FILES_VARIABLE;
use crate::api::paths::ClusterDir;
use crate::cluster::Hooks;
use crate::descriptors;
use crate::logs::LoggerOptions;
use crate::troubles::Troubles;

/// How long clients of the socket may take to read the rest of an answer at the end.
const CLIENTS_LEAVE: Duration = Duration::from_secs(1);

/// Which node to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// The cluster's folder on this host.
    pub dir: ClusterDir,
    /// `Cluster::node`: a key of the current release's layout.
    pub name: String,
}

/// Runs one node in the foreground: blocks until SIGTERM or SIGINT, or until a part of it fails.
///
/// # Errors
/// Everything that keeps the node from starting or working, told in one line.
pub fn run(options: NodeOptions) -> Result<(), NodeError> {
    memory::use_one_heap();
    match std::env::var_os(OPEN_FILES_VARIABLE) {
        None => descriptors::raise_limit(),
        Some(_) => descriptors::keep_limit(),
    };
    run_until(options, |stop| stop_on_signals(stop.clone()).map(|()| stop))
}

/// [`run`] with another way to be told to stop.
pub(super) fn run_until(
    options: NodeOptions,
    stop: impl FnOnce(CancellationToken) -> Result<CancellationToken, NodeError>,
) -> Result<(), NodeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| NodeError::System { what: "start the task runtime", source })?;
    let ended = runtime.block_on(async {
        let stop = stop(CancellationToken::new())?;
        let config = config::read(&options.dir, &options.name)?;
        tokio::spawn(memory::give_back_when_idle());
        match &config.zeek {
            Some(zeek) => zeek::run(&config, zeek, &options.dir, stop).await,
            None => Node::start(&config, &options.dir, &stop)?.work(stop).await,
        }
    });
    // A thread that is stuck in a system call must not keep the process.
    runtime.shutdown_background();
    ended
}

/// The tasks of a running node.
struct Node {
    running: Running,
    socket: JoinHandle<Result<(), NodeError>>,
    services: Services,
    program: Option<Hosted>,
}

impl Node {
    /// Starts everything; nothing waits for a connection.
    fn start(config: &NodeConfig, dir: &ClusterDir, stop: &CancellationToken) -> Result<Node, NodeError> {
        let socket = Socket::bind(&dir.node_socket(&config.name))?;
        let redefs = Redefs::new(config);
        let id = identity::node_id(&config.name)?;
        let (program, told) = match &config.program {
            None => (None, None),
            Some(wanted) => {
                let surroundings = Surroundings::new(config, wanted, dir, &id);
                let (program, told) = Program::new(wanted, surroundings, dir.node(&config.name));
                (Some(program), Some(told))
            }
        };
        let wiring = Wiring {
            config,
            id: &id,
            redefs: &redefs,
            keys: config::curve_keys(config, dir)?,
            hooks: Hooks::default(),
            pools: Vec::new(),
            logs: logs(config, dir)?,
            program: told,
            troubles: Troubles::default(),
        };
        let wired = wiring.wire()?;
        let mut registry = metrics::registry(config, &redefs)?;
        wired.register(&mut registry);
        let Doors { handle, requests, .. } = &wired.doors;
        let stores = stores::start(config, dir, handle, &redefs)?;
        let beside = Beside { config, dir, handle, redefs: &redefs, requests, stores: stores.clone(), registry };
        let (services, metrics) = Services::start(beside)?;
        let parts = Parts {
            logger: wired.logger(),
            websockets: services.websockets.clone(),
            stores: Some(stores.clone()),
            metrics: Some(metrics.clone()),
        };
        let (running, doors) = wired.run();
        let api = Api {
            core: doors.requests,
            views: doors.views,
            beats: doors.beats,
            live: Arc::new(Live::new(config, dir, parts)),
            metrics,
            stores,
            stop: stop.clone(),
        };
        let (socket, program) = (tokio::spawn(socket.serve(api)), program.map(Hosted::start));
        Ok(Node { running, socket, services, program })
    }

    /// Works until told to stop. Whatever ends before that takes all the rest along.
    async fn work(mut self, stop: CancellationToken) -> Result<(), NodeError> {
        let feeding = async {
            match self.running.feeder.as_mut() {
                Some(feeder) => feeder.await.map(drop),
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            ended = &mut self.running.core => Some(unasked("cluster core", flatten("cluster core", ended))),
            ended = &mut self.socket => Some(unasked("API socket", flatten("API socket", ended))),
            ended = feeding => Some(unasked("log writer", flatten("log writer", ended.map(Ok)))),
            ended = self.services.ended() => Some(ended),
            ended = hosted(&mut self.program) => Some(unasked("program's supervision", ended)),
        };
        match ended {
            None => timeout(DEADLINE, self.end()).await.unwrap_or(Err(NodeError::TooLate { after: DEADLINE })),
            Some(error) => Err(error),
        }
    }

    /// The way out, after the token was cancelled: the program ends while all that it may need is there, then the services,
    /// then the core and the log writer.
    async fn end(self) -> Result<(), NodeError> {
        let program = match self.program {
            Some(program) => program.end().await,
            None => Ok(()),
        };
        let services = self.services.end().await;
        self.running.end().await?;
        // Clients that do not read their answer must not hold up the rest.
        let mut socket = self.socket;
        match timeout(CLIENTS_LEAVE, &mut socket).await {
            Ok(ended) => flatten("API socket", ended)?,
            Err(_) => socket.abort(),
        }
        program?;
        services?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The task that runs the program under the node, and how to end it.
struct Hosted {
    task: JoinHandle<Result<(), NodeError>>,
    stop: CancellationToken,
}

impl Hosted {
    fn start(program: Program) -> Hosted {
        let stop = CancellationToken::new();
        Hosted { task: tokio::spawn(program.run(stop.clone())), stop }
    }

    /// The program has a time limit of its own.
    async fn end(self) -> Result<(), NodeError> {
        self.stop.cancel();
        flatten("program's supervision", self.task.await)
    }
}

/// Waits for the end of the program's task; for ever where there is none.
async fn hosted(program: &mut Option<Hosted>) -> Result<(), NodeError> {
    match program {
        Some(program) => flatten("program's supervision", (&mut program.task).await),
        None => std::future::pending().await,
    }
}

/// Where logs go: to the writer of this process, or to the loggers.
fn logs(config: &NodeConfig, dir: &ClusterDir) -> Result<LogsTo, NodeError> {
    if !roles::of(config).writes_logs {
        return Ok(LogsTo::Loggers);
    }
    let options = LoggerOptions::from_config(config, dir);
    options
        .map(|options| LogsTo::Files(Box::new(options)))
        .map_err(|error| NodeError::LogOption { reason: error.to_string() })
}

/// A task that ended although nobody asked it to.
fn unasked(task: &'static str, ended: Result<(), NodeError>) -> NodeError {
    ended.err().unwrap_or_else(|| NodeError::TaskDied { task, reason: "it stopped working".to_owned() })
}
