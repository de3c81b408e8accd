//! How a member comes about: what it is told, and its start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::batches::Logs;
use super::cluster::{Cluster, Services};
use super::error::ClusterError;
use super::events::Events;
use crate::api::config::{Compress, LogFormat, LoggingConfig, NodeConfig, OptionValue, ZeromqEndpoints};
use crate::api::paths::ClusterDir;
use crate::cluster::pools::{PoolId, PoolSpec};
use crate::cluster::{Hooks, LogRecord, Verdict, Wish};
use crate::data::NodeType;
use crate::layout::{Layout, Node, nodeset, options};
use crate::node::core_task::Doors;
use crate::node::metrics::{self, Members, Metrics, Serving};
use crate::node::options::Redefs;
use crate::node::wiring::{LogsTo, Running, Wiring};
use crate::node::{Keys, NodeError, Stores, config, identity, roles, stores};
use crate::render;
use crate::telemetry;
use crate::troubles::Troubles;
use crate::websocket::WebSocketServers;

/// Events that wait for the program unless told otherwise; as many as wait for the core (`onloop_queue_hwm`).
const EVENTS: usize = 10_000;
/// How long [`ClusterBuilder::init`] waits for the hub unless told otherwise.
const CONNECT: Duration = Duration::from_secs(10);

/// What a member is made from; [`ClusterBuilder::init`] makes it.
#[must_use = "nothing happens before `init`"]
pub struct ClusterBuilder {
    source: Source,
    options: BTreeMap<String, OptionValue>,
    keys: Option<Keys>,
    curve_dir: Option<PathBuf>,
    hooks: Hooks,
    pools: Vec<PoolSpec>,
    logs: Option<Logs>,
    dir: PathBuf,
    events_capacity: usize,
    connect_timeout: Duration,
}

enum Source {
    Layout(Box<Layout>, String),
    Endpoints(Box<ZeromqEndpoints>),
}

impl ClusterBuilder {
    fn new(source: Source) -> ClusterBuilder {
        ClusterBuilder {
            source,
            options: BTreeMap::new(),
            keys: None,
            curve_dir: None,
            hooks: Hooks::default(),
            pools: Vec::new(),
            logs: None,
            dir: PathBuf::from("."),
            events_capacity: EVENTS,
            connect_timeout: CONNECT,
        }
    }

    pub(super) fn from_layout(layout: &Layout, node: &str) -> ClusterBuilder {
        ClusterBuilder::new(Source::Layout(Box::new(layout.clone()), node.to_owned()))
    }

    pub(super) fn from_endpoints(endpoints: ZeromqEndpoints) -> ClusterBuilder {
        ClusterBuilder::new(Source::Endpoints(Box::new(endpoints)))
    }

    /// One of the redefinable options, by its full name, over what the layout says; the table is
    /// [`layout::options::OPTIONS`](crate::layout::options::OPTIONS).
    pub fn option(mut self, name: &str, value: OptionValue) -> ClusterBuilder {
        self.options.insert(name.to_owned(), value);
        self
    }

    /// The CURVE keys of an encrypted cluster.
    pub fn keys(mut self, keys: Keys) -> ClusterBuilder {
        self.keys = Some(keys);
        self
    }

    /// The folder with the CURVE keys of an encrypted cluster: `server_publickey`, `client_publickey`, `client_secretkey`,
    /// and `server_secretkey` where the node listens. `zeek-cluster` keeps them in `~/.local/share/zeek-cluster/keys/NAME`.
    pub fn curve_dir(mut self, folder: impl AsRef<Path>) -> ClusterBuilder {
        self.curve_dir = Some(folder.as_ref().to_owned());
        self
    }

    /// `Cluster::on_subscribe`: called for each subscription of this node before it is made, the framework's own included.
    /// It runs inside the node's core: it must be quick and must not block.
    pub fn on_subscribe(mut self, hook: impl FnMut(&str) + Send + 'static) -> ClusterBuilder {
        self.hooks.on_subscribe(hook);
        self
    }

    /// `Cluster::on_unsubscribe`: called for each unsubscription, also of a topic that was never subscribed; see
    /// [`ClusterBuilder::on_subscribe`].
    pub fn on_unsubscribe(mut self, hook: impl FnMut(&str) + Send + 'static) -> ClusterBuilder {
        self.hooks.on_unsubscribe(hook);
        self
    }

    /// `Cluster::log_policy`: may veto a record of `Cluster::LOG` before it leaves this node; see
    /// [`ClusterBuilder::on_subscribe`].
    pub fn log_policy(mut self, hook: impl FnMut(&LogRecord) -> Verdict + Send + 'static) -> ClusterBuilder {
        self.hooks.log_policy(hook);
        self
    }

    /// `Cluster::register_pool`: a pool beside the predefined ones. All nodes of the cluster must register the same.
    pub fn register_pool(&mut self, spec: PoolSpec) -> PoolId {
        self.pools.push(spec);
        PoolId::registered(self.pools.len() - 1)
    }

    /// What is done with the logs that the node receives. Needed on loggers, and on the manager of a layout without loggers.
    pub fn logs(mut self, logs: Logs) -> ClusterBuilder {
        self.logs = Some(logs);
        self
    }

    /// The folder for the files of data stores: relative paths of the options begin there, and without any a store is
    /// `DIR/stores/NAME.sqlite`. Default: the working directory.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> ClusterBuilder {
        self.dir = dir.into();
        self
    }

    /// How many events may wait for the program, at least one; see [`Events`]. Default 10,000.
    pub fn events_capacity(mut self, events: usize) -> ClusterBuilder {
        self.events_capacity = events;
        self
    }

    /// How long [`ClusterBuilder::init`] waits for the hub on the manager, default 10 s. Zero does not wait: the node
    /// connects by itself as soon as the hub is there.
    pub fn connect_timeout(mut self, within: Duration) -> ClusterBuilder {
        self.connect_timeout = within;
        self
    }

    /// `Cluster::init`: starts the member on the current tokio runtime, and waits until the hub is connected and the node's
    /// own subscriptions are in effect there. Where the layout gives the node a `metrics_port`, `/metrics` is served there, and on
    /// a manager `/services.json`. Other nodes come up afterwards, each with a `Cluster::node_up`.
    ///
    /// A future that is dropped leaves nothing running.
    ///
    /// # Errors
    /// What is wrong with layout, options or keys; a port that is taken; a hub that does not answer in time or refuses us.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub async fn init(self) -> Result<(Cluster, Events), ClusterError> {
        let (events, within) = (self.events_capacity, self.connect_timeout);
        let config = self.config()?;
        let redefs = Redefs::new(&config);
        let keys = self.curve_keys(&config)?;
        let logs = match (self.logs, roles::of(&config).writes_logs) {
            (Some(logs), true) => logs.into_sink(&config)?,
            (None, false) => LogsTo::Loggers,
            (None, true) => return Err(ClusterError::LogsNowhere { name: config.name }),
            (Some(_), false) => return Err(ClusterError::NoLogsHere { name: config.name }),
        };
        let id = identity::node_id(&config.name)?;
        let wiring = Wiring {
            config: &config,
            id: &id,
            redefs: &redefs,
            keys,
            hooks: self.hooks,
            pools: self.pools,
            logs,
            program: None,
            troubles: Troubles::default(),
        };
        let wired = wiring.wire()?;
        let topics = redefs.cluster()?.topics;
        // The mailbox has room for this, and the core reads it first.
        let id = wired.doors.handle.id().clone();
        let wish = Wish { id, membership: true, capacity: events, ..Wish::default() };
        let ended = |_| NodeError::TaskDied { task: "cluster core", reason: "it ended at its start".to_owned() };
        let mut heard = wired.doors.handle.listen_as_node(wish).await.map_err(ended)?;
        let stores = match config.name.is_empty() {
            // Without a layout there are no masters elsewhere.
            true => Stores::new(None, redefs.stores()?),
            false => stores::start(&config, &ClusterDir::new(&self.dir), &wired.doors.handle, &redefs)?,
        };
        let websockets = WebSocketServers::new(wired.doors.handle.clone(), redefs.websocket_metrics()?, topics.clone());
        if let Some(websocket) = &config.websocket {
            websockets.listen_websocket(redefs.websocket(websocket)?).map_err(NodeError::from)?;
        }
        let mut serving = match metrics::server(&config, &redefs)? {
            None => None,
            Some(server) => {
                let mut registry = metrics::registry(&config, &redefs)?;
                wired.register(&mut registry);
                let told = websockets.clone();
                registry.add(move |families| telemetry::websocket(&told.figures(), families));
                registry.add(server.teller());
                let Doors { handle, requests, .. } = &wired.doors;
                let metrics_address = redefs.metrics_address()?;
                let members = Members { core: handle.clone(), stores: stores.clone(), metrics_address };
                let source = Metrics::new(requests.clone(), Some(members), registry, redefs.callback_timeout()?);
                Some(Serving::start(server, source))
            }
        };
        let (running, doors) = wired.run();
        let connected = match within.is_zero() {
            true => Ok(Ok(())),
            false => timeout(within, heard.confirmed()).await,
        };
        if !matches!(connected, Ok(Ok(())))
            && let Some(serving) = serving.take()
        {
            // The port is free when the caller hears of it.
            serving.end().await?;
        }
        match connected {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(why_it_ended(running).await.into()),
            Err(_) => {
                let asked = doors.handle.look(|core| core.not_joined_because()).await;
                let reason = asked.ok().flatten().unwrap_or_else(|| "it gave no answer".to_owned());
                running.end().await?;
                let endpoint = config.zeromq.connect_xsub_endpoint;
                return Err(ClusterError::NotConnected { endpoint, within, reason });
            }
        }
        let cluster = Cluster::new(
            config,
            topics,
            doors,
            running,
            Services { tuner: heard.tuner(), stores, websockets, serving },
        );
        Ok((cluster, Events::new(heard)))
    }

    fn config(&self) -> Result<NodeConfig, ClusterError> {
        if let Some(name) = self.options.keys().find(|name| options::find(name).is_none()) {
            return Err(ClusterError::UnknownOption { name: name.clone(), nearest: options::nearest(name) });
        }
        let mut config = match &self.source {
            Source::Layout(layout, name) => {
                let node = layout.node(name).ok_or_else(|| not_in_layout(layout, name))?;
                node_config(layout, node)?
            }
            Source::Endpoints(endpoints) => outside_of_layouts(endpoints),
        };
        config.options.extend(self.options.clone());
        Ok(config)
    }

    fn curve_keys(&self, config: &NodeConfig) -> Result<Option<Keys>, ClusterError> {
        match (&self.keys, &self.curve_dir) {
            (Some(keys), _) => Ok(Some(keys.clone())),
            (None, Some(folder)) => Ok(Some(config::keys(folder, roles::of(config))?)),
            (None, None) if config.curve_dir.is_some() => Err(ClusterError::NoKeys),
            (None, None) => Ok(None),
        }
    }
}

fn node_config(layout: &Layout, node: &Node) -> Result<NodeConfig, ClusterError> {
    render::node_config(layout, node).map_err(|error| ClusterError::Layout { reason: error.to_string() })
}

fn not_in_layout(layout: &Layout, name: &str) -> ClusterError {
    let names = nodeset::fold(layout.nodes.iter().map(|node| node.name.as_str()));
    ClusterError::NotInLayout { name: name.to_owned(), hint: format!("; it has {names}") }
}

/// A process without a name: it says hello to nobody, and nobody counts it.
fn outside_of_layouts(endpoints: &ZeromqEndpoints) -> NodeConfig {
    NodeConfig {
        cluster: String::new(),
        name: String::new(),
        node_type: NodeType::None,
        host: String::new(),
        manager_is_logger: false,
        zeromq: endpoints.clone(),
        curve_dir: None,
        options: BTreeMap::new(),
        logging: LoggingConfig {
            format: LogFormat::Tsv,
            rotation_interval_s: 0,
            compress: Compress::None,
            expire_s: 0,
            suffix: None,
        },
        zeek: None,
        program: None,
        websocket: None,
        stores: BTreeMap::new(),
        nodes: Vec::new(),
    }
}

/// The reason why a member that nobody asked to end did.
async fn why_it_ended(running: Running) -> NodeError {
    match running.end().await {
        Err(error) => error,
        Ok(()) => NodeError::TaskDied { task: "cluster core", reason: "it stopped working".to_owned() },
    }
}
