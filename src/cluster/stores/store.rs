//! The handle of a store: what other rooms and library users ask of it. Whoever drives the store owns the [`Mailbox`].
//!
//! **Bounds**: writes that are not acknowledged may weigh [`MAX_WAITING`] together, of each store and process; whoever wants
//! to write more waits. Requests wait for room in the mailbox. A watcher that does not listen misses changes and is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use super::error::StoreError;
use super::info::CloneIntervals;
use super::message::Update;
use super::operation::{Answer, Kind, Operation};
use super::query::Query;
use crate::api::store::{BackendType, StoreState};
use crate::data::Data;

/// Requests that wait for the store.
const MAILBOX: usize = 1024;

/// The largest write in octets, key and value encoded.
pub const MAX_WRITE: usize = 8 << 20;

/// What waits may weigh, in octets.
pub const MAX_WAITING: usize = 64 << 20;

/// Every write weighs at least so much.
const UNIT: usize = 1 << 10;

/// A change of a store's content, as a watcher hears it.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreEvent {
    /// What changed.
    Changed(Update),
    /// The watcher did not listen in time and missed so many changes.
    Missed(u64),
}

/// A look at a store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreStatus {
    /// Its name.
    pub name: String,
    /// Whether this is the master.
    pub master: bool,
    /// The master's node, as far as is known; of a master that refuses the one that it yields to.
    pub master_node: String,
    /// How the master keeps its data.
    pub backend: BackendType,
    /// How it is.
    pub state: StoreState,
    /// Keys that have not expired.
    pub size: u64,
    /// When its master began, nanoseconds since the epoch; 0 when that is not known.
    pub epoch: u64,
    /// Number of the last update since then.
    pub seq: u64,
    /// Writes of this node that wait for the master.
    pub pending: u64,
}

/// What is asked of a store.
#[derive(Debug)]
pub enum Asked {
    /// A change, answered when it is durable.
    Operation(Operation, oneshot::Sender<Result<Answer, StoreError>>),
    /// A question.
    Query(Query, oneshot::Sender<Result<Data, StoreError>>),
    /// A look.
    Status(oneshot::Sender<StoreStatus>),
    /// Other intervals of a clone.
    Intervals(CloneIntervals),
    /// Somebody watches from now on.
    Watch(oneshot::Sender<broadcast::Receiver<Update>>),
}

/// The store's end of the mailbox.
pub type Mailbox = mpsc::Receiver<Asked>;

/// The handle of a store. Cheap to clone; the store is closed with its node, or when it is dropped by whoever created it.
///
/// Writes are done when they are acknowledged: then they are in the master's backend, and a clone may be killed, or the master.
/// Every method may be dropped while it waits; a write that was handed over is then done or not.
///
/// An expiry of none or zero is none. An operation without one removes the one that was there. (Broker's documentation says
/// otherwise, Broker does the same.)
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
/// use std::time::Duration;
/// use zeek_cluster::{Cluster, Data, Persistence};
///
/// // Without a layout there is no other master: the store is here, in memory.
/// let (cluster, _events) = Cluster::builder_at(hub).connect_timeout(Duration::ZERO).init().await?;
/// let info = cluster.create_store("seen", Persistence::Any).await?;
/// let store = info.store.ok_or("it was not created")?;
/// store.increment("192.0.2.7", 2u64, None).await?;
/// store.put("mode", "strict", Some(Duration::from_secs(60))).await?;
/// assert_eq!(store.get("192.0.2.7").await?, Data::Count(2));
/// assert_eq!(store.size().await?, 2);
/// cluster.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    name: Arc<str>,
    asking: mpsc::Sender<Asked>,
    room: Arc<Semaphore>,
}

impl Store {
    /// A handle of the store that reads the mailbox.
    pub fn new(name: &str) -> (Store, Mailbox) {
        let (asking, mailbox) = mpsc::channel(MAILBOX);
        let room = Arc::new(Semaphore::new(MAX_WAITING / UNIT));
        (Store { name: name.into(), asking, room }, mailbox)
    }

    /// `Broker::store_name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `Broker::is_closed`.
    pub fn is_closed(&self) -> bool {
        self.asking.is_closed()
    }

    /// Performs any operation.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] beyond 8 MiB, [`StoreError::Refused`] when it does not go with the value that is
    /// there, [`StoreError::NoMaster`] at a clone that finds none in time, [`StoreError::SecondMaster`],
    /// [`StoreError::Backend`], [`StoreError::Closed`].
    pub async fn perform(&self, operation: Operation) -> Result<Answer, StoreError> {
        let size = operation.weight();
        if size > MAX_WRITE {
            return Err(StoreError::TooLarge { size, limit: MAX_WRITE });
        }
        let units = u32::try_from(1 + size / UNIT).unwrap_or(u32::MAX);
        let _room = self.room.acquire_many(units).await.map_err(|_| self.closed())?;
        let (reply, answer) = oneshot::channel();
        self.send(Asked::Operation(operation, reply)).await?;
        answer.await.map_err(|_| self.closed())?
    }

    /// Has a clone obey other intervals from now on; to a master they mean nothing.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn set_clone_intervals(&self, intervals: CloneIntervals) -> Result<(), StoreError> {
        self.send(Asked::Intervals(intervals)).await
    }

    /// Answers any query.
    ///
    /// # Errors
    /// [`StoreError::Refused`], [`StoreError::Stale`], [`StoreError::SecondMaster`], [`StoreError::Backend`],
    /// [`StoreError::Closed`].
    pub async fn query(&self, query: Query) -> Result<Data, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Asked::Query(query, reply)).await?;
        answer.await.map_err(|_| self.closed())?
    }

    /// `Broker::exists`.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub async fn exists(&self, key: impl Into<Data>) -> Result<bool, StoreError> {
        Ok(self.query(Query::Exists { key: key.into() }).await? == Data::Boolean(true))
    }

    /// `Broker::get`.
    ///
    /// # Errors
    /// As [`Store::query`]; [`Refusal::NoSuchKey`](super::Refusal::NoSuchKey).
    pub async fn get(&self, key: impl Into<Data>) -> Result<Data, StoreError> {
        self.query(Query::Get { key: key.into() }).await
    }

    /// `Broker::get_index_from_value`: of a set whether it holds the index, of a table the value, of a vector the element at
    /// the count; of any other type the value itself.
    ///
    /// # Errors
    /// As [`Store::query`]; [`Refusal`](super::Refusal).
    pub async fn get_index_from_value(&self, key: impl Into<Data>, index: impl Into<Data>) -> Result<Data, StoreError> {
        self.query(Query::GetIndexFromValue { key: key.into(), index: index.into() }).await
    }

    /// `Broker::keys`: a set.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub async fn keys(&self) -> Result<Data, StoreError> {
        self.query(Query::Keys).await
    }

    /// How many keys there are. (Zeek's scripts have no such function; Broker's library has.)
    ///
    /// # Errors
    /// As [`Store::query`].
    pub async fn size(&self) -> Result<u64, StoreError> {
        let size = self.query(Query::Size).await?;
        Ok(u64::try_from(size).unwrap_or_default())
    }

    /// `Broker::put`.
    ///
    /// # Errors
    /// As [`Store::perform`].
    pub async fn put(
        &self,
        key: impl Into<Data>,
        value: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.done(Operation::Put { key: key.into(), value: value.into(), expiry }).await
    }

    /// `Broker::put_unique`: whether the key was not there and is now; decided at the master.
    ///
    /// # Errors
    /// As [`Store::perform`].
    pub async fn put_unique(
        &self,
        key: impl Into<Data>,
        value: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let put = Operation::PutUnique { key: key.into(), value: value.into(), expiry };
        Ok(self.perform(put).await? == Answer::Inserted(true))
    }

    /// `Broker::erase`; done as well when the key is not there.
    ///
    /// # Errors
    /// As [`Store::perform`].
    pub async fn erase(&self, key: impl Into<Data>) -> Result<(), StoreError> {
        self.done(Operation::Erase { key: key.into() }).await
    }

    /// `Broker::clear`.
    ///
    /// # Errors
    /// As [`Store::perform`].
    pub async fn clear(&self) -> Result<(), StoreError> {
        self.done(Operation::Clear).await
    }

    /// `Broker::increment`: a number by a number of its type, a time by a time span. A key that is not there begins at zero.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal).
    pub async fn increment(
        &self,
        key: impl Into<Data>,
        amount: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.add(key.into(), Kind::Number, amount.into(), expiry).await
    }

    /// `Broker::decrement`.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal), also when the key is not there.
    pub async fn decrement(
        &self,
        key: impl Into<Data>,
        amount: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.done(Operation::Subtract { key: key.into(), value: amount.into(), expiry }).await
    }

    /// `Broker::append` to a string.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal).
    pub async fn append(
        &self,
        key: impl Into<Data>,
        text: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.add(key.into(), Kind::String, text.into(), expiry).await
    }

    /// `Broker::insert_into_set`.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal).
    pub async fn insert_into_set(
        &self,
        key: impl Into<Data>,
        index: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.add(key.into(), Kind::Set, index.into(), expiry).await
    }

    /// `Broker::insert_into_table`.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal).
    pub async fn insert_into_table(
        &self,
        key: impl Into<Data>,
        index: impl Into<Data>,
        value: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.add(key.into(), Kind::Table, Data::Vector(vec![index.into(), value.into()]), expiry).await
    }

    /// `Broker::remove_from` a set or a table; a vector loses its last element whatever the index.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal), also when the key is not there.
    pub async fn remove_from(
        &self,
        key: impl Into<Data>,
        index: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.done(Operation::Subtract { key: key.into(), value: index.into(), expiry }).await
    }

    /// `Broker::push` to the end of a vector.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal).
    pub async fn push(
        &self,
        key: impl Into<Data>,
        value: impl Into<Data>,
        expiry: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.add(key.into(), Kind::Vector, value.into(), expiry).await
    }

    /// `Broker::pop` of the last element of a vector; a set loses the element that equals the key, as with Broker.
    ///
    /// # Errors
    /// As [`Store::perform`]; [`Refusal`](super::Refusal), also when the key is not there.
    pub async fn pop(&self, key: impl Into<Data>, expiry: Option<Duration>) -> Result<(), StoreError> {
        let key = key.into();
        self.done(Operation::Subtract { value: key.clone(), key, expiry }).await
    }

    /// What changes from now on, here: at a clone when it hears of it.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn watch(&self) -> Result<Watch, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Asked::Watch(reply)).await?;
        Ok(Watch { changes: answer.await.map_err(|_| self.closed())? })
    }

    /// How it is.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn status(&self) -> Result<StoreStatus, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Asked::Status(reply)).await?;
        answer.await.map_err(|_| self.closed())
    }

    async fn add(&self, key: Data, kind: Kind, value: Data, expiry: Option<Duration>) -> Result<(), StoreError> {
        self.done(Operation::Add { key, kind, value, expiry }).await
    }

    async fn done(&self, operation: Operation) -> Result<(), StoreError> {
        self.perform(operation).await.map(drop)
    }

    async fn send(&self, asked: Asked) -> Result<(), StoreError> {
        self.asking.send(asked).await.map_err(|_| self.closed())
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed { store: self.name.to_string() }
    }
}

/// The changes of a store, as they come.
#[derive(Debug)]
pub struct Watch {
    changes: broadcast::Receiver<Update>,
}

impl Watch {
    /// The next change; none when the store is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<StoreEvent> {
        match self.changes.recv().await {
            Ok(update) => Some(StoreEvent::Changed(update)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(StoreEvent::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
