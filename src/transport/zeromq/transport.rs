//! The handle on a node's transport thread, and how it starts.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::STACK;
use super::alarm::{Alarm, Deaths};
use super::counters::Figures;
use super::hub::{Hub, HubCounters};
use super::options::{Options, StartError, Tuning};
use super::queue::{Command, Queue};
use super::run::{RESERVE, Runner};
use super::sockets::NodeSockets;
use crate::transport::{Counters, EventFrame, Inbound, Inbox, LogFrame, SendError, Transport};

/// `onloop_queue_hwm = 0`.
const UNLIMITED: usize = 1_000_000;

/// A node's connection to its cluster over ZeroMQ; closes when dropped.
pub struct ZeromqTransport {
    queue: Arc<Queue>,
    figures: Arc<Figures>,
    thread: Mutex<Option<JoinHandle<()>>>,
    deaths: Deaths,
    hub: Option<Hub>,
    log_endpoint: Option<String>,
}

/// Starts the hub, if this node runs it, then the sockets and their thread `zmq-io`. Waits for no connection:
/// [`LinkEvent::Up`](crate::transport::LinkEvent::Up) tells when the hub is there.
///
/// # Errors
/// When something cannot be bound, or an endpoint or a key is malformed. Nothing runs then.
pub fn start(options: Options) -> Result<(ZeromqTransport, Inbox), StartError> {
    let limit = if options.onloop_queue_hwm == 0 { UNLIMITED } else { options.onloop_queue_hwm };
    let (sender, inbox) = mpsc::channel(limit + RESERVE);
    let notices = sender.clone();
    let notify = move |event| {
        // The hub does not wait for its own node's core; its log has every notice too.
        let _full_or_closed = notices.try_send(Inbound::Link(event));
    };
    let hub = options.hub.clone().map(|hub| Hub::start(hub, notify)).transpose()?;
    let queue =
        Queue::new().map_err(|error| StartError::System { what: "making an eventfd", cause: error.to_string() })?;
    let (queue, figures) = (Arc::new(queue), Arc::new(Figures::default()));
    let sockets = NodeSockets::open(&options)?;
    let log_endpoint = sockets.log_endpoint.clone();
    let runner = Runner::new(sockets, options, Arc::clone(&queue), sender, Arc::clone(&figures));
    let (alarm, deaths) = Alarm::new("zmq-io");
    let thread = std::thread::Builder::new()
        .name("zmq-io".to_owned())
        .stack_size(STACK)
        .spawn(move || runner.run(alarm))
        .map_err(|error| StartError::System { what: "starting the transport thread", cause: error.to_string() })?;
    Ok((ZeromqTransport { queue, figures, thread: Mutex::new(Some(thread)), deaths, hub, log_endpoint }, inbox))
}

impl ZeromqTransport {
    /// Where this node receives logs, with the port that the system chose; none where it does not.
    pub fn log_endpoint(&self) -> Option<&str> {
        self.log_endpoint.as_deref()
    }

    /// The hub, if it runs here.
    pub fn hub(&self) -> Option<&Hub> {
        self.hub.as_ref()
    }

    /// Figures of the hub, if it runs here.
    pub fn hub_counters(&self) -> Option<HubCounters> {
        self.hub.as_ref().map(Hub::counters)
    }

    /// How often the thread of the hub has looked at its sockets, if it runs here; it is woken, and has done so once more by
    /// the next time.
    pub(crate) fn hub_rounds(&self) -> Option<u64> {
        self.hub.as_ref().map(Hub::rounds)
    }

    /// Waits until one of its threads dies, and names it; for ever while they work and when they end in order. Cancel-safe.
    pub async fn died(&self) -> &'static str {
        let hub = async {
            match &self.hub {
                Some(hub) => hub.died().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            thread = self.deaths.heard() => thread,
            thread = hub => thread,
        }
    }

    /// Takes over what can change while the sockets are open; a transport that closes has no use for it.
    pub fn tune(&self, tuning: Tuning) {
        let _closing = self.queue(Command::Tune(tuning));
    }

    /// Publishes an event that must not be lost while this transport is open: it waits for room in the socket, however long
    /// that takes, and `credit` is dropped when it has got it. The number of credits bounds how many
    /// wait; at most a hundred thousand do.
    ///
    /// # Errors
    /// As [`Transport::publish`].
    pub fn publish_when_room(&self, frame: EventFrame, credit: OwnedSemaphorePermit) -> Result<(), SendError> {
        self.queue(Command::PublishWhenRoom(frame, credit))
    }

    /// Has the thread of the sockets store a number, after all that was asked of it before: whoever finds it there knows
    /// that the thread works.
    ///
    /// # Errors
    /// [`SendError`] when the thread's queue is full or closed.
    pub fn write_down(&self, number: u64, to: &Arc<AtomicU64>) -> Result<(), SendError> {
        self.queue.push(Command::WriteDown(number, Arc::clone(to)))
    }

    fn queue(&self, command: Command) -> Result<(), SendError> {
        if command.is_too_large() {
            self.figures.too_large.add(1);
            return Err(SendError::TooLarge);
        }
        let queued = self.queue.push(command);
        if queued == Err(SendError::Full) {
            self.figures.queue_drops.add(1);
        }
        queued
    }
}

impl Transport for ZeromqTransport {
    fn subscribe(&self, topic: &[u8]) -> Result<(), SendError> {
        self.queue(Command::Subscribe(topic.to_vec()))
    }

    fn unsubscribe(&self, topic: &[u8]) -> Result<(), SendError> {
        self.queue(Command::Unsubscribe(topic.to_vec()))
    }

    fn publish(&self, frame: EventFrame) -> Result<(), SendError> {
        self.queue(Command::Publish(frame))
    }

    fn push_log(&self, frame: LogFrame) -> Result<(), SendError> {
        self.queue(Command::PushLog(frame))
    }

    fn counters(&self) -> Counters {
        self.figures.snapshot()
    }

    fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the transport thread has panicked");
        }
        if let Some(hub) = &self.hub {
            hub.stop();
        }
    }
}

impl Drop for ZeromqTransport {
    fn drop(&mut self) {
        self.close();
    }
}
