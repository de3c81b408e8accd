//! The face of the framework: Zeek's functions under their names.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::builder::ClusterBuilder;
use crate::api::config::{NodeConfig, NodeEntry, ZeromqEndpoints};
use crate::api::node::NodeView;
use crate::cluster::hrw::Key;
use crate::cluster::pools::{Pool, PoolId};
use crate::cluster::stores::{CreateError, Persistence, StoreInfo};
use crate::cluster::{Choice, Ended, Handle, NamedNode, Topics, Tuner};
use crate::data::{Data, Event, NodeType};
use crate::layout::Layout;
use crate::node::NodeError;
use crate::node::Stores;
use crate::node::core_task::{self, Doors, Requests};
use crate::node::metrics::Serving;
use crate::node::wiring::Running;
use crate::websocket::{ListenError, WebSocketServerOptions, WebSocketServers};

/// A program as a member of a cluster; cheap to clone, and all clones are the same member.
///
/// It comes from [`Cluster::builder`] and [`ClusterBuilder::init`], together with the [`Events`](super::Events) that it
/// hears. It ends with [`Cluster::close`], or a little after the last clone is dropped; the others are told
/// either way.
///
/// Calls hand a request to the node's core, which answers in order; they wait while 256 requests wait there, and give
/// [`Ended`] when the member has ended. Each is cancel-safe in this sense: a request that was handed over is performed, and
/// whoever stops waiting only loses the answer.
///
/// ```
/// # use std::net::TcpListener;
/// # fn is_free(port: u16) -> bool { (port..port + 4).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let first = (std::process::id() % 1000) as u16;
/// # let port = (0..1000).map(|n| 20_000 + (first + n) % 1000 * 8).find(|port| is_free(*port)).ok_or("no ports")?;
/// use zeek_cluster::{Cluster, ClusterEvent, Logs, parse_layout};
///
/// let text = format!("port: {port}\nnodes:\n  manager: {{ type: manager }}\n  worker: {{ type: worker }}\n");
/// let layout = parse_layout(&text, "cluster.yaml")?;
/// let (manager, mut at_manager) = Cluster::builder(&layout, "manager").logs(Logs::discarded()).init().await?;
/// let (worker, mut at_worker) = Cluster::builder(&layout, "worker").init().await?;
/// at_worker.node_up("manager").await.ok_or("the worker has ended")?;
/// at_manager.node_up("worker").await.ok_or("the manager has ended")?;
///
/// let event = Cluster::make_event("My::hello", vec!["world".into()]);
/// manager.publish(&manager.node_topic("worker"), event).await?;
/// let heard = loop {
///     if let ClusterEvent::Remote { event, .. } = at_worker.next().await.ok_or("the worker has ended")? {
///         break event;
///     }
/// };
/// assert_eq!(heard.to_string(), "My::hello(world)");
/// worker.close().await?;
/// manager.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster {
    member: Arc<Member>,
}

struct Member {
    config: NodeConfig,
    node_id: String,
    topics: Topics,
    handle: Handle,
    tuner: Tuner,
    requests: Requests,
    stores: Stores,
    websockets: WebSocketServers,
    /// Taken by whoever closes.
    running: Mutex<Option<(Running, Option<Serving>)>>,
}

/// What runs beside a member's core.
pub(super) struct Services {
    pub(super) tuner: Tuner,
    pub(super) stores: Stores,
    pub(super) websockets: WebSocketServers,
    /// Where the layout has a `metrics_port`.
    pub(super) serving: Option<Serving>,
}

impl Cluster {
    /// A member of the layout's cluster under the name of one of its nodes (`Cluster::node`), instead of `zeek-cluster node run`
    /// or a Zeek. A manager runs the hub here.
    pub fn builder(layout: &Layout, node: &str) -> ClusterBuilder {
        ClusterBuilder::from_layout(layout, node)
    }

    /// A member without a layout and a name: it publishes and hears what it subscribes to, and no node notices it.
    pub fn builder_at(endpoints: ZeromqEndpoints) -> ClusterBuilder {
        ClusterBuilder::from_endpoints(endpoints)
    }

    pub(super) fn new(
        config: NodeConfig,
        topics: Topics,
        doors: Doors,
        running: Running,
        services: Services,
    ) -> Cluster {
        let Doors { requests, handle, views, .. } = doors;
        let node_id = views.borrow().id.clone();
        let Services { tuner, stores, websockets, serving } = services;
        let running = Mutex::new(Some((running, serving)));
        let member = Member { config, node_id, topics, handle, tuner, requests, stores, websockets, running };
        Cluster { member: Arc::new(member) }
    }

    /// `Cluster::is_enabled`: whether `Cluster::node` has been set, as it is for every member of a layout.
    pub fn is_enabled(&self) -> bool {
        !self.member.config.name.is_empty()
    }

    /// `Cluster::node`: this node's name; empty without a layout.
    pub fn node(&self) -> &str {
        &self.member.config.name
    }

    /// `Cluster::local_node_type`; [`NodeType::None`] without a layout.
    pub fn local_node_type(&self) -> NodeType {
        self.entry().map_or(NodeType::None, |entry| entry.node_type)
    }

    /// `Cluster::local_node_metrics_port`, where `/metrics` is served; none stands for the reference's `0/unknown`: no layout,
    /// or no port there.
    pub fn local_node_metrics_port(&self) -> Option<u16> {
        self.entry().and_then(|entry| entry.metrics_port)
    }

    /// `Cluster::node_id`: this instance's id, which travels with everything that it publishes. New at each start.
    pub fn node_id(&self) -> &str {
        &self.member.node_id
    }

    /// `Cluster::node_topic`: the topic of one node by name. The name need not be in the layout.
    pub fn node_topic(&self, name: &str) -> String {
        self.member.topics.node_topic(name)
    }

    /// `Cluster::nodeid_topic`: the topic of one instance of a node by its id.
    pub fn nodeid_topic(&self, id: &str) -> String {
        self.member.topics.nodeid_topic(id)
    }

    /// `Cluster::logger_topic`, `Cluster::manager_topic`, `Cluster::proxy_topic`, `Cluster::worker_topic`,
    /// `Cluster::broadcast_topics`, and the prefixes.
    pub fn topics(&self) -> &Topics {
        &self.member.topics
    }

    /// `Cluster::nodeid_to_node`; [`NamedNode::none`] for an id that is not up, the own one included.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn nodeid_to_node(&self, id: &str) -> Result<NamedNode, Ended> {
        let id = id.to_owned();
        self.member.handle.look(move |core| core.nodeid_to_node(&id)).await
    }

    /// `Cluster::nodes`: the layout, this node included, sorted by type and name; the id is set while a node is up.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn nodes(&self) -> Result<Vec<NamedNode>, Ended> {
        const TYPES: [NodeType; 5] =
            [NodeType::Control, NodeType::Logger, NodeType::Manager, NodeType::Proxy, NodeType::Worker];
        self.member.handle.look(|core| TYPES.into_iter().flat_map(|each| core.nodes_with_type(each)).collect()).await
    }

    /// `Cluster::nodes_with_type`, sorted bytewise by name: `worker-10` stands before `worker-2`.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn nodes_with_type(&self, node_type: NodeType) -> Result<Vec<NamedNode>, Ended> {
        self.member.handle.look(move |core| core.nodes_with_type(node_type)).await
    }

    /// `Cluster::get_node_count`: nodes of that type in the layout, this one included.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn get_node_count(&self, node_type: NodeType) -> Result<u64, Ended> {
        self.member.handle.look(move |core| core.get_node_count(node_type)).await
    }

    /// `Cluster::get_active_node_count`: nodes of that type that are up for this one, which never counts itself.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn get_active_node_count(&self, node_type: NodeType) -> Result<u64, Ended> {
        self.member.handle.look(move |core| core.get_active_node_count(node_type)).await
    }

    /// `Cluster::subscribe` to a topic prefix. Returns when it is in effect at the hub and on its way to every node that
    /// publishes: a node that joins from then on publishes nothing that is not heard here, and one that is there already
    /// hears of the subscription within a moment; as in Zeek, what it publishes before that is not sent. Waits while the hub
    /// is away. Subscriptions count: each wants its own [`Cluster::unsubscribe`].
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn subscribe(&self, topic: &str) -> Result<(), Ended> {
        self.member.tuner.subscribe(topic).await
    }

    /// `Cluster::unsubscribe`. What is on its way may still be heard. A topic that was never subscribed is no error, and the
    /// framework's own subscriptions stay.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn unsubscribe(&self, topic: &str) -> Result<(), Ended> {
        self.member.tuner.unsubscribe(topic).await
    }

    /// `Cluster::make_event`: an event by its full name, such as `My::event`, with one value for each parameter. Zeek nodes
    /// drop events that they do not know, and refuse values of another type than the parameter's: a `count` is
    /// [`Data::Count`], never [`Data::Integer`].
    ///
    /// ```
    /// use zeek_cluster::Cluster;
    ///
    /// let event = Cluster::make_event("Intel::match_remote", vec!["evil.example".into(), 3u64.into()]);
    /// assert_eq!(event.to_string(), "Intel::match_remote(evil.example, 3)");
    /// ```
    pub fn make_event(name: &str, args: Vec<Data>) -> Event {
        Event::new(name, args)
    }

    /// `Cluster::publish`: sends an event to all who subscribed to a prefix of the topic, never to this node itself. Done
    /// means handed over: nobody tells who received it, and while the hub is away events beyond the high-water mark are
    /// dropped and counted (`xpub_drops`, `publishes_lost` of [`Cluster::status`]).
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn publish(&self, topic: &str, event: Event) -> Result<(), Ended> {
        self.member.handle.publish(topic, event).await
    }

    /// `Cluster::publish_hrw`: to the member of a pool that the key chooses among those that are up: the same one from every
    /// node, as in Zeek. A member that goes down loses its keys to the others, and all other keys stay. False, and
    /// nothing is sent, when none is up; the calling node is never chosen.
    ///
    /// The type of the key counts: in Zeek a `count` chooses another node than a string of its digits.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn publish_hrw(&self, pool: PoolId, key: impl Into<Key>, event: Event) -> Result<bool, Ended> {
        self.member.handle.publish_to(pool, Choice::Hrw(key.into()), event).await
    }

    /// `Cluster::publish_rr`: to the next member of a pool that is up; each key goes round for itself, in this process. False,
    /// and nothing is sent, when none is up. A node that is a member takes its turn, and that event reaches nobody.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn publish_rr(&self, pool: PoolId, key: &str, event: Event) -> Result<bool, Ended> {
        self.member.handle.publish_to(pool, Choice::RoundRobin(key.to_owned()), event).await
    }

    /// `Cluster::hrw_topic`: the topic that [`Cluster::publish_hrw`] would take.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn hrw_topic(&self, pool: PoolId, key: impl Into<Key>) -> Result<Option<String>, Ended> {
        let key = key.into();
        self.member.handle.look(move |core| core.hrw_topic(pool, key)).await
    }

    /// `Cluster::rr_topic`: the topic that [`Cluster::publish_rr`] would take; it takes that turn.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn rr_topic(&self, pool: PoolId, key: &str) -> Result<Option<String>, Ended> {
        let key = key.to_owned();
        self.member.handle.look(move |core| core.rr_topic(pool, &key)).await
    }

    /// A pool as it is now: its members, and who of them is up. None for an id of another builder.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn pool(&self, pool: PoolId) -> Result<Option<Pool>, Ended> {
        self.member.handle.look(move |core| core.pools().pool(pool).cloned()).await
    }

    /// `Cluster::log`: a line for `cluster.log`, unless a `Cluster::log_policy` vetoes it. It travels to the loggers within
    /// a tenth of a second.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn log(&self, message: &str) -> Result<(), Ended> {
        self.member.handle.log(message).await
    }

    /// `Cluster::create_store`: a data store that all nodes share. On its master node, by default the manager, this opens it,
    /// and everywhere else it is a clone, which takes writes at once and answers when it has found its master. One that
    /// exists already is given back as it is. Every node has the stores that the layout names from the start.
    ///
    /// # Errors
    /// [`CreateError::Name`] for a name that is none, [`CreateError::NoMasterNode`] or [`CreateError::UnknownMasterNode`] for a
    /// master that the layout does not have, [`CreateError::Open`] for a file that cannot be opened, [`CreateError::Start`].
    pub async fn create_store(&self, name: &str, persistent: Persistence) -> Result<StoreInfo, CreateError> {
        let (stores, name) = (self.member.stores.clone(), name.to_owned());
        let store = name.clone();
        // A SQLite file may take its time to open.
        let created = tokio::task::spawn_blocking(move || stores.create_store(&name, persistent)).await;
        created.unwrap_or_else(|error| Err(CreateError::Start { store, reason: error.to_string() }))
    }

    /// `Cluster::listen_websocket`: begins to serve Zeek's WebSocket API, for clients that subscribe and publish through this
    /// node; the result is where. With the options of a server that runs already nothing happens. Clients come and go as
    /// [`ClusterEvent::WebsocketClientAdded`](crate::cluster::ClusterEvent::WebsocketClientAdded) and its counterpart.
    ///
    /// # Errors
    /// [`ListenError::NoKeyFile`], [`ListenError::NoCertFile`], [`ListenError::File`], [`ListenError::Mismatch`] and
    /// [`ListenError::Ciphers`] for TLS options that cannot be used, [`ListenError::Bind`] for an address that cannot be had,
    /// [`ListenError::AlreadyListening`] for another server on that address, [`ListenError::Ended`].
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let hub = zeek_cluster::api::config::ZeromqEndpoints {
    /// #     connect_xpub_endpoint: "tcp://127.0.0.1:9".into(),
    /// #     connect_xsub_endpoint: "tcp://127.0.0.1:9".into(),
    /// #     connect_log_endpoints: Vec::new(),
    /// #     run_proxy_thread: false,
    /// #     listen_xpub_endpoint: None,
    /// #     listen_xsub_endpoint: None,
    /// #     listen_log_endpoint: None,
    /// #     ipv6: false,
    /// # };
    /// use std::net::Ipv4Addr;
    /// use std::time::Duration;
    /// use zeek_cluster::{Cluster, WebSocketServerOptions};
    ///
    /// let (cluster, _events) = Cluster::builder_at(hub).connect_timeout(Duration::ZERO).init().await?;
    /// let mut options = WebSocketServerOptions::new(Ipv4Addr::LOCALHOST.into(), 0);
    /// let address = cluster.listen_websocket(options.clone())?;
    /// assert_ne!(address.port(), 0);
    /// // A certificate without its key is refused at once.
    /// options.tls_options.cert_file = Some("server.pem".into());
    /// assert!(cluster.listen_websocket(options).is_err());
    /// cluster.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn listen_websocket(&self, options: WebSocketServerOptions) -> Result<SocketAddr, ListenError> {
        self.member.websockets.listen_websocket(options)
    }

    /// What `zeek-cluster status` would tell of this node: whether it has joined and why not, its peers, its counters.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn status(&self) -> Result<NodeView, Ended> {
        let (reply, answer) = oneshot::channel();
        self.member.requests.send(core_task::Request::View(reply)).await.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }

    /// The node's core, for further listeners and endpoints in this process.
    pub fn handle(&self) -> &Handle {
        &self.member.handle
    }

    /// Leaves the cluster in order: logs and events that were handed over go out, the others are told, files are finished.
    /// All clones end with it, and a second call does nothing. A future that is dropped lets that go on without it.
    ///
    /// # Errors
    /// The reason why a part of the member had ended before, or could not end.
    pub async fn close(self) -> Result<(), NodeError> {
        let running = self.member.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((running, serving)) = running else { return Ok(()) };
        // What these say last still goes out.
        self.member.websockets.end().await;
        self.member.stores.close().await;
        let served = match serving {
            Some(serving) => serving.end().await,
            None => Ok(()),
        };
        running.end().await?;
        served
    }

    fn entry(&self) -> Option<&NodeEntry> {
        self.member.config.nodes.iter().find(|entry| entry.name == self.member.config.name)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("node", &self.node()).field("node_id", &self.node_id()).finish_non_exhaustive()
    }
}
