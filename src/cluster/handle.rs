//! The mailbox of a running core: what other rooms and library users ask of it, and what they hear.
//!
//! Whoever drives a [`Core`] (the room `node`) owns the [`Mailbox`]; everybody else holds a [`Handle`], which is cheap to
//! clone. Nothing here opens, waits for a time or spawns. **Bounds**: requests wait for room in the mailbox; events that are
//! published wait for [`CREDIT`] octets of room, which they give back when the sockets have taken them; what a [`Listening`]
//! does not take is dropped and counted, so that a slow listener never holds up the core or another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::event::{ClusterEvent, Command};
use super::hrw::Key;
use super::pools::PoolId;
use super::step::Core;
use crate::data::Event;

/// Requests that wait for the core; whoever asks waits for room.
const MAILBOX: usize = 256;

/// Octets of events that may be on their way from their publishers to the sockets, in all.
const CREDIT: usize = 16 << 20;

/// The unit of that room, in octets; no event takes less.
const CREDIT_UNIT: usize = 1024;

/// Tells listeners apart, in all cores of this process.
static NEXT_LISTENER: AtomicU64 = AtomicU64::new(0);

/// The core has ended: the node is gone or going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has ended")]
pub struct Ended;

/// What is asked of a core.
pub enum Request {
    /// Performed in order, without an answer. An event that finds no room in the sockets is dropped.
    Command(Command),
    /// As [`Request::Command`]; an event waits for room in the sockets, and its publisher for the credit.
    Lasting(Command, Credit),
    /// Somebody listens from now on.
    Listen(Listener),
    /// A listener wants one topic more.
    Tune(Tuning),
    /// A listener wants one topic less.
    Untune {
        /// Which one.
        listener: ListenerId,
        /// As it was subscribed.
        topic: String,
    },
    /// A publication to one member of a pool; the answer is whether there was one.
    PublishTo {
        /// Which pool.
        pool: PoolId,
        /// Who of it.
        choice: Choice,
        /// The event.
        event: Event,
        /// Told whether it was handed over.
        done: oneshot::Sender<bool>,
        /// Given back when the sockets have taken it.
        credit: Credit,
    },
    /// Told to all who listen for it; nothing of the core's.
    Raise(ClusterEvent),
    /// A look at the state between two inputs.
    Look(Box<dyn FnOnce(&mut Core) + Send>),
    /// A listener may have gone.
    Sweep,
}

/// Room for an event on its way to the sockets; given back when dropped.
pub type Credit = OwnedSemaphorePermit;

/// Which member of a pool an event is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `Cluster::publish_rr`: the next one that is up; each key goes round for itself.
    RoundRobin(String),
    /// `Cluster::publish_hrw`: the one that the key chooses.
    Hrw(Key),
}

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(u64);

/// One topic more for a listener.
pub struct Tuning {
    pub(super) listener: ListenerId,
    pub(super) topic: String,
    pub(super) confirm: oneshot::Sender<()>,
}

/// The core's end of the mailbox.
pub type Mailbox = mpsc::Receiver<Request>;

/// What a listener hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An event on one of its topics, not published by itself.
    Event(Arc<RemoteEvent>),
    /// A node or a WebSocket client came or went: never [`ClusterEvent::Remote`].
    Cluster(ClusterEvent),
}

/// An event that passed, shared by all who hear it.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteEvent {
    /// The topic that it was published on.
    pub topic: Vec<u8>,
    /// What the sender calls itself; not authenticated.
    pub sender: Vec<u8>,
    /// The event.
    pub event: Event,
}

/// What somebody wants to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Its endpoint id: events of this sender are left out. [`Handle::id`] for a part of the node itself.
    pub id: Bytes,
    /// Topic prefixes; the empty one matches all. They are subscribed for as long as the listener lives.
    pub topics: Vec<String>,
    /// Whether it hears of hellos, nodes that come up and go down, WebSocket clients that come and go.
    pub membership: bool,
    /// How many things may wait for it; at least one.
    pub capacity: usize,
    /// Most octets of events that wait for it, roughly; a single event always fits. 0: only the capacity counts.
    pub octets: usize,
}

/// A listener as the core knows it.
pub struct Listener {
    pub(super) id: ListenerId,
    pub(super) wish: Wish,
    /// Whether it hears what comes on the topics that the framework subscribed to for this node.
    as_node: bool,
    queue: mpsc::Sender<(Heard, usize)>,
    backlog: Arc<Backlog>,
    /// Answered when every topic of the wish is in effect at the hub.
    pub(super) confirm: Option<oneshot::Sender<()>>,
}

impl Listener {
    /// Hands it something, or counts that it missed it.
    pub(crate) fn tell(&self, heard: Heard) {
        let weight = match &heard {
            Heard::Event(event) if self.wish.octets > 0 => event.weight(),
            _ => 0,
        };
        let waiting = self.backlog.octets.fetch_add(weight, Ordering::Relaxed);
        let fits = waiting == 0 || waiting + weight <= self.wish.octets || weight == 0;
        if !fits || matches!(self.queue.try_send((heard, weight)), Err(mpsc::error::TrySendError::Full(_))) {
            self.backlog.octets.fetch_sub(weight, Ordering::Relaxed);
            self.backlog.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.queue.is_closed()
    }

    /// Whether it wants an event, which may be one for the node itself.
    pub(crate) fn wants(&self, event: &RemoteEvent, for_this_node: bool) -> bool {
        let subscribed = || self.wish.topics.iter().any(|prefix| event.topic.starts_with(prefix.as_bytes()));
        event.sender != self.wish.id && (self.as_node && for_this_node || subscribed())
    }
}

/// Octets that wait for a listener, and events that did not fit.
#[derive(Debug, Default)]
struct Backlog {
    octets: AtomicUsize,
    missed: AtomicU64,
}

impl RemoteEvent {
    /// Roughly the octets that it takes while it waits.
    fn weight(&self) -> usize {
        self.topic.len() + self.sender.len() + self.event.weight()
    }
}

/// What somebody hears; its subscriptions end when this is dropped.
#[derive(Debug)]
pub struct Listening {
    id: ListenerId,
    queue: mpsc::Receiver<(Heard, usize)>,
    backlog: Arc<Backlog>,
    requests: mpsc::Sender<Request>,
    confirmed: Option<oneshot::Receiver<()>>,
}

impl Listening {
    /// The next thing; none when the core has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Heard> {
        let heard = self.queue.recv().await?;
        Some(self.taken(heard))
    }

    /// The next thing, for streams; as [`Listening::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Heard>> {
        self.queue.poll_recv(context).map(|heard| heard.map(|heard| self.taken(heard)))
    }

    fn taken(&self, (heard, weight): (Heard, usize)) -> Heard {
        self.backlog.octets.fetch_sub(weight, Ordering::Relaxed);
        heard
    }

    /// Changes what is heard here, while somebody else takes it.
    pub fn tuner(&self) -> Tuner {
        Tuner { listener: self.id, requests: self.requests.clone() }
    }

    /// What is there already; none when there is nothing now.
    pub fn try_next(&mut self) -> Option<Heard> {
        let heard = self.queue.try_recv().ok()?;
        Some(self.taken(heard))
    }

    /// How many things were dropped because nobody took them in time; only rises.
    pub fn missed(&self) -> u64 {
        self.backlog.missed.load(Ordering::Relaxed)
    }

    /// Waits until every topic is in effect at the hub. Nodes that are there already hear of it a moment later, and send
    /// nothing on these topics before; nodes that join from then on know it from the start. Cancel-safe; returns at once the
    /// second time.
    ///
    /// # Errors
    /// [`Ended`] when the core ends before.
    pub async fn confirmed(&mut self) -> Result<(), Ended> {
        let Some(confirmed) = self.confirmed.as_mut() else { return Ok(()) };
        let ended = confirmed.await.map_err(|_| Ended);
        self.confirmed = None;
        ended
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.queue.close();
        // A full mailbox means that the core is at work, and it sweeps whenever it hands out an event.
        let _full = self.requests.try_send(Request::Sweep);
    }
}

/// Changes what a [`Listening`] hears.
#[derive(Clone, Debug)]
pub struct Tuner {
    listener: ListenerId,
    requests: mpsc::Sender<Request>,
}

impl Tuner {
    /// `Cluster::subscribe` to a topic prefix; counted. Returns when it is in effect at the hub, as
    /// [`Listening::confirmed`] says. Whoever stops waiting is subscribed all the same.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn subscribe(&self, topic: impl Into<String>) -> Result<(), Ended> {
        let (confirm, confirmed) = oneshot::channel();
        let tuning = Tuning { listener: self.listener, topic: topic.into(), confirm };
        self.requests.send(Request::Tune(tuning)).await.map_err(|_| Ended)?;
        confirmed.await.map_err(|_| Ended)
    }

    /// `Cluster::unsubscribe`: as often as it was subscribed. Returns when nothing more of it is heard here.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn unsubscribe(&self, topic: impl Into<String>) -> Result<(), Ended> {
        let request = Request::Untune { listener: self.listener, topic: topic.into() };
        self.requests.send(request).await.map_err(|_| Ended)
    }
}

/// Asks a running core.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    credit: Arc<Semaphore>,
    name: Arc<str>,
    id: Bytes,
}

impl Handle {
    /// A handle of the core that will read the mailbox.
    pub fn new(core: &Core) -> (Handle, Mailbox) {
        let (requests, mailbox) = mpsc::channel(MAILBOX);
        let id = Bytes::copy_from_slice(core.node_id().as_bytes());
        let credit = Arc::new(Semaphore::new(CREDIT / CREDIT_UNIT));
        (Handle { requests, credit, name: core.node().into(), id }, mailbox)
    }

    /// `Cluster::node`.
    pub fn node(&self) -> &str {
        &self.name
    }

    /// `Cluster::node_id()` as octets, as it stands beside each published event.
    pub fn id(&self) -> &Bytes {
        &self.id
    }

    /// Has a command performed, after all that were asked before.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn command(&self, command: Command) -> Result<(), Ended> {
        self.send(Request::Command(command)).await
    }

    /// `Cluster::publish` of an event on a topic. Done means handed over, never delivered. Waits while the sockets take
    /// nothing: a burst is slowed down and not cut, and without a hub some megabytes may wait.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn publish(&self, topic: impl Into<Vec<u8>>, event: Event) -> Result<(), Ended> {
        let credit = self.credit(&event).await?;
        self.send(Request::Lasting(Command::Publish { topic: topic.into(), event }, credit)).await
    }

    /// As [`Handle::publish`], for protocols that ask again for what they miss: an event that finds no room in the sockets is
    /// dropped and counted.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn publish_or_drop(&self, topic: impl Into<Vec<u8>>, event: Event) -> Result<(), Ended> {
        self.command(Command::Publish { topic: topic.into(), event }).await
    }

    /// As [`Handle::publish`], under the id of another endpoint of this process, which then does not get it back.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn publish_as(&self, sender: Bytes, topic: impl Into<Vec<u8>>, event: Event) -> Result<(), Ended> {
        let credit = self.credit(&event).await?;
        self.send(Request::Lasting(Command::PublishAs { sender, topic: topic.into(), event }, credit)).await
    }

    /// Waits for room; an event that is larger than all of it takes all.
    async fn credit(&self, event: &Event) -> Result<Credit, Ended> {
        let units = (event.weight() / CREDIT_UNIT + 1).min(CREDIT / CREDIT_UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Arc::clone(&self.credit).acquire_many_owned(units).await.map_err(|_| Ended)
    }

    /// `Cluster::publish_rr` and `Cluster::publish_hrw`: publishes to one member of a pool. False when nobody of it is up.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn publish_to(&self, pool: PoolId, choice: Choice, event: Event) -> Result<bool, Ended> {
        let (done, answer) = oneshot::channel();
        let credit = self.credit(&event).await?;
        self.send(Request::PublishTo { pool, choice, event, done, credit }).await?;
        answer.await.map_err(|_| Ended)
    }

    /// `Cluster::log`.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn log(&self, message: impl Into<String>) -> Result<(), Ended> {
        self.command(Command::Log(message.into())).await
    }

    /// Raises an event that a part of this node made: for all who listen for membership.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn raise(&self, event: ClusterEvent) -> Result<(), Ended> {
        self.send(Request::Raise(event)).await
    }

    /// Subscribes to the wish's topics and hears what comes, until the result is dropped.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn listen(&self, wish: Wish) -> Result<Listening, Ended> {
        self.start_listening(wish, false).await
    }

    /// As [`Handle::listen`], and hears besides what comes on the topics that the framework subscribed to for this node.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn listen_as_node(&self, wish: Wish) -> Result<Listening, Ended> {
        self.start_listening(wish, true).await
    }

    async fn start_listening(&self, wish: Wish, as_node: bool) -> Result<Listening, Ended> {
        let (queue, heard) = mpsc::channel(wish.capacity.max(1));
        let (confirm, confirmed) = oneshot::channel();
        let backlog = Arc::new(Backlog::default());
        let id = ListenerId(NEXT_LISTENER.fetch_add(1, Ordering::Relaxed));
        let listener = Listener { id, wish, as_node, queue, backlog: Arc::clone(&backlog), confirm: Some(confirm) };
        self.send(Request::Listen(listener)).await?;
        Ok(Listening { id, queue: heard, backlog, requests: self.requests.clone(), confirmed: Some(confirmed) })
    }

    /// Looks at the core's state between two of its inputs; `look` must be quick.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        let look = move |core: &mut Core| {
            // Whoever asked may have gone meanwhile.
            let _gone = reply.send(look(core));
        };
        self.send(Request::Look(Box::new(look))).await?;
        answer.await.map_err(|_| Ended)
    }

    async fn send(&self, request: Request) -> Result<(), Ended> {
        self.requests.send(request).await.map_err(|_| Ended)
    }
}
