//! The XPUB/XSUB forwarder that every node of the cluster connects to, in a context and a thread of its own.
//!
//! It does what Zeek's proxy does (`zeromq.md` 3.5), and three things more: it tells late joiners every topic however many
//! there are (3.7), it lets nothing but subscriptions through in their direction (2.4), and one subscriber that does not
//! read holds up the others for [`HubOptions::patience`] at most (8.4).

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::curve::{self, Answer, Zap};
use super::monitor::{self, EventKind, Reports, Security};
use super::options::{HubOptions, StartError};
use super::queue::Waker;
use super::run::{Found, ROUNDS};
use super::socket::{
    Context, ContextOptions, Errno, Kind, Message, More, Opt, Pollable, Socket, peer_address, poll, unsent,
};
use crate::transport::LinkEvent;
use crate::transport::frame::Interest;

/// Messages carried in one direction before the other gets its turn. Source: `proxy_burst_size` in libzmq 4.3.5
/// `src/config.hpp`.
const BURST: usize = 1000;

/// How long the hub outlives [`Hub::stop`], so that the departure of this process's own node is still told to the others.
/// 0.5 ms were enough in 24 of 24 trials (`zeromq.md` 4.9).
const FAREWELL: Duration = Duration::from_millis(100);

/// Linger time of the hub's sockets.
const LINGER_MS: i32 = 500;

/// How often a full subscriber is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// Subscribers named in one report.
const NAMED: usize = 8;

/// `Cluster::Backend::ZeroMQ::nodeid_topic_prefix`; here only to name a subscriber.
const NODEID_PREFIX: &[u8] = b"zeek.cluster.nodeid.";

/// Told about slow subscribers and refused peers, from the hub's thread.
pub(super) type Notify = Box<dyn Fn(LinkEvent) + Send>;

/// Figures of a hub since its start; all only rise. Whole messages, octets of all parts. Source: `zeromq.md` 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubCounters {
    /// Events taken from publishers.
    pub frontend_messages_received: u64,
    /// Their octets.
    pub frontend_bytes_received: u64,
    /// (Un)subscriptions told to all nodes.
    pub frontend_messages_sent: u64,
    /// Their octets.
    pub frontend_bytes_sent: u64,
    /// (Un)subscriptions taken from nodes.
    pub backend_messages_received: u64,
    /// Their octets.
    pub backend_bytes_received: u64,
    /// Events handed to subscribers; one event counts once, however many want it.
    pub backend_messages_sent: u64,
    /// Their octets.
    pub backend_bytes_sent: u64,
    /// Messages on the way of subscriptions that were none, and were not let through.
    pub strays: u64,
    /// Times an event had to wait for a full subscriber.
    pub stalls: u64,
    /// Times the patience with a full subscriber ended: the event was withheld from it, and libzmq then skips that
    /// subscriber until it reads again.
    pub withheld: u64,
}

macro_rules! atomic_counters {
    ($($name:ident),* $(,)?) => {
        #[derive(Default)]
        struct Atomics { $($name: AtomicU64),* }

        impl Atomics {
            fn snapshot(&self) -> HubCounters {
                HubCounters { $($name: self.$name.load(Ordering::Relaxed)),* }
            }
        }
    };
}

atomic_counters!(
    frontend_messages_received,
    frontend_bytes_received,
    frontend_messages_sent,
    frontend_bytes_sent,
    backend_messages_received,
    backend_bytes_received,
    backend_messages_sent,
    backend_bytes_sent,
    strays,
    stalls,
    withheld,
);

struct Shared {
    counters: Atomics,
    stopping: AtomicBool,
    wake: Waker,
}

/// A running hub; stops when dropped.
pub struct Hub {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    xpub_endpoint: String,
    xsub_endpoint: String,
}

impl Hub {
    /// Binds both sockets and starts the thread `zmq-hub`. What it has to report goes to `notify` too, from that thread.
    ///
    /// # Errors
    /// [`StartError::Bind`] when a port cannot be had, [`StartError::Key`] or [`StartError::NoServerKey`] for keys that
    /// are none or are missing, [`StartError::System`] when the system has no more threads, sockets or descriptors.
    pub fn start(options: HubOptions, notify: impl Fn(LinkEvent) + Send + 'static) -> Result<Hub, StartError> {
        let shared = Arc::new(Shared {
            counters: Atomics::default(),
            stopping: AtomicBool::new(false),
            wake: Waker::new()
                .map_err(|error| StartError::System { what: "making an eventfd", cause: error.to_string() })?,
        });
        let forwarder = Forwarder::open(&options, Arc::clone(&shared), Box::new(notify))?;
        let (xpub_endpoint, xsub_endpoint) = (forwarder.xpub_endpoint.clone(), forwarder.xsub_endpoint.clone());
        let thread = std::thread::Builder::new()
            .name("zmq-hub".to_owned())
            .spawn(move || forwarder.run())
            .map_err(|error| StartError::System { what: "starting the hub's thread", cause: error.to_string() })?;
        Ok(Hub { shared, thread: Mutex::new(Some(thread)), xpub_endpoint, xsub_endpoint })
    }

    /// Where its XPUB listens, with the port that the system chose.
    pub fn xpub_endpoint(&self) -> &str {
        &self.xpub_endpoint
    }

    /// Where its XSUB listens, with the port that the system chose.
    pub fn xsub_endpoint(&self) -> &str {
        &self.xsub_endpoint
    }

    /// Figures so far.
    pub fn counters(&self) -> HubCounters {
        self.shared.counters.snapshot()
    }

    /// Forwards for 100 ms more, so that departures are told, then closes; blocks until done.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the hub's thread has panicked");
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A subscriber's connection, to name it when it does not read.
struct Subscriber {
    address: String,
    topics: BTreeSet<Vec<u8>>,
}

impl Subscriber {
    fn wants(&self, topic: &[u8]) -> bool {
        // Every subscription that matches is a prefix of the topic.
        (0..=topic.len()).any(|length| self.topics.contains(&topic[..length]))
    }

    fn name(&self) -> String {
        let nodeid = self.topics.range(NODEID_PREFIX.to_vec()..).next().and_then(|topic| {
            let id = topic.strip_prefix(NODEID_PREFIX)?;
            Some(String::from_utf8_lossy(id.strip_suffix(b".").unwrap_or(id)).into_owned())
        });
        nodeid.unwrap_or_else(|| self.address.clone())
    }
}

/// A subscriber that may be the full one: octets waited for it in the middle of a stall.
struct Suspect {
    fd: RawFd,
    unsent: usize,
    took_something: bool,
}

impl Suspect {
    fn new(fd: RawFd) -> Option<Suspect> {
        let unsent = unsent(fd).filter(|octets| *octets > 0)?;
        Some(Suspect { fd, unsent, took_something: false })
    }

    fn is_still_behind(&mut self) -> bool {
        let now = unsent(self.fd).unwrap_or(0);
        self.took_something |= now != self.unsent;
        now > 0
    }
}

/// The thread's side.
struct Forwarder {
    xpub: Socket,
    xsub: Socket,
    xpub_monitor: Socket,
    xsub_monitor: Socket,
    zap: Option<Zap>,
    xpub_endpoint: String,
    xsub_endpoint: String,
    security: Security,
    subscribers: BTreeMap<RawFd, Subscriber>,
    patience: Duration,
    reports: Reports,
    shared: Arc<Shared>,
    notify: Notify,
}

impl Forwarder {
    fn open(options: &HubOptions, shared: Arc<Shared>, notify: Notify) -> Result<Forwarder, StartError> {
        if let Some(keys) = &options.keys {
            curve::validate(keys)?;
        }
        let context = Context::new(ContextOptions { io_threads: options.io_threads, ipv6: options.ipv6 })
            .map_err(|errno| StartError::System { what: "making the hub's context", cause: errno.to_string() })?;
        let zap = options.keys.as_ref().map(|keys| Zap::bind(&context, keys)).transpose()?;
        let xpub = listen(&context, Kind::Xpub, &options.listen_xpub_endpoint, options)?;
        let xsub = listen(&context, Kind::Xsub, &options.listen_xsub_endpoint, options)?;
        let system = |errno: Errno| StartError::System { what: "watching the hub's sockets", cause: errno.to_string() };
        Ok(Forwarder {
            xpub_monitor: xpub.monitor(&context, "xpub").map_err(system)?,
            xsub_monitor: xsub.monitor(&context, "xsub").map_err(system)?,
            xpub_endpoint: xpub.last_endpoint().map_err(system)?,
            xsub_endpoint: xsub.last_endpoint().map_err(system)?,
            xpub,
            xsub,
            zap,
            security: if options.keys.is_some() { Security::Curve } else { Security::Plain },
            subscribers: BTreeMap::new(),
            patience: options.patience,
            reports: Reports::default(),
            shared,
            notify,
        })
    }

    fn run(mut self) {
        let mut end: Option<Instant> = None;
        loop {
            if end.is_none() && self.shared.stopping.load(Ordering::Acquire) {
                end = Some(Instant::now() + FAREWELL);
            }
            let timeout = end.map(|end| end.saturating_duration_since(Instant::now()));
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                return;
            }
            match self.wait(timeout) {
                Ok(Found { woken, news }) => {
                    if woken {
                        self.shared.wake.clear();
                    }
                    self.admit();
                    if news {
                        self.watch();
                    }
                }
                Err(errno) => {
                    tracing::error!(error = %errno, "the hub cannot poll its sockets any more");
                    return;
                }
            }
            for _ in 0..ROUNDS {
                self.forward_interests();
                if self.forward_events() == 0 {
                    break;
                }
            }
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<Found, Errno> {
        let mut items = vec![
            Pollable::Fd(self.shared.wake.fd()),
            Pollable::Socket(&self.xpub_monitor),
            Pollable::Socket(&self.xsub_monitor),
            Pollable::Socket(&self.xsub),
            Pollable::Socket(&self.xpub),
        ];
        items.extend(self.zap.iter().map(|zap| Pollable::Socket(zap.socket())));
        let ready = poll(&items, timeout)?;
        Ok(Found { woken: ready.any(0..1), news: ready.any(1..3) })
    }

    /// From the nodes' XSUB to the nodes' XPUB.
    fn forward_interests(&mut self) {
        for _ in 0..BURST {
            let Ok(mut part) = self.xpub.receive_part() else { return };
            let mut more = part.more();
            count(&self.shared.counters.backend_messages_received, 1);
            count(&self.shared.counters.backend_bytes_received, part.len() as u64);
            if more == More::No && self.note_interest(&part) {
                let octets = part.len() as u64;
                // The hub's XSUB has no high-water mark, so there is always room.
                match self.xsub.send_part(&mut part, More::No) {
                    Ok(()) => {
                        count(&self.shared.counters.frontend_messages_sent, 1);
                        count(&self.shared.counters.frontend_bytes_sent, octets);
                    }
                    Err(errno) => tracing::error!(error = %errno, "the hub cannot pass a subscription on"),
                }
                continue;
            }
            count(&self.shared.counters.strays, 1);
            while more == More::Yes {
                let Ok(part) = self.xpub.receive_part() else { return };
                more = part.more();
            }
        }
    }

    /// Remembers who subscribed to what; false if the message is no (un)subscription.
    fn note_interest(&mut self, part: &Message) -> bool {
        let Some(interest) = Interest::decode(part.as_ref()) else { return false };
        // An unsubscription that libzmq makes up for a lost connection has no source.
        let Some(fd) = part.source() else { return true };
        match interest {
            Interest::Subscribe(topic) => {
                let subscriber = self.subscribers.entry(fd).or_insert_with(|| Subscriber {
                    address: peer_address(fd).unwrap_or_else(|| "an unknown address".to_owned()),
                    topics: BTreeSet::new(),
                });
                subscriber.topics.insert(topic.to_vec());
            }
            Interest::Unsubscribe(topic) => {
                if let Some(subscriber) = self.subscribers.get_mut(&fd) {
                    subscriber.topics.remove(topic);
                }
            }
        }
        true
    }

    /// From the nodes' XPUB to the nodes' XSUB; says how many there were.
    fn forward_events(&mut self) -> u64 {
        let (mut messages, mut octets) = (0, 0);
        for _ in 0..BURST {
            let Ok(mut part) = self.xsub.receive_part() else { break };
            messages += 1;
            let mut more = part.more();
            octets += part.len() as u64;
            let mut sent = self.xpub.send_part(&mut part, more);
            if sent.is_err_and(Errno::is_again) {
                sent = self.send_to_full_subscriber(&mut part, more);
            }
            while more == More::Yes {
                // The rest of a message is there as soon as its first part is, and finds room where that did.
                let Ok(mut part) = self.xsub.receive_part() else { break };
                more = part.more();
                octets += part.len() as u64;
                if sent.is_ok() {
                    sent = self.xpub.send_part(&mut part, more);
                }
            }
            if let Err(errno) = sent {
                tracing::error!(error = %errno, "the hub cannot pass an event on");
            }
        }
        let counters = &self.shared.counters;
        count(&counters.frontend_messages_received, messages);
        count(&counters.frontend_bytes_received, octets);
        count(&counters.backend_messages_sent, messages);
        count(&counters.backend_bytes_sent, octets);
        messages
    }

    /// Waits for room as long as the patience lasts, then sends to everybody but the full subscriber, which libzmq skips
    /// from then on until it has read half its high-water mark. Subscriptions go on meanwhile.
    fn send_to_full_subscriber(&mut self, topic: &mut Message, more: More) -> Result<(), Errno> {
        count(&self.shared.counters.stalls, 1);
        let start = Instant::now();
        let mut suspects: Option<Vec<Suspect>> = None;
        loop {
            match self.xpub.send_part(topic, more) {
                Err(errno) if errno.is_again() => {}
                sent => return sent,
            }
            if start.elapsed() >= self.patience {
                break;
            }
            poll(&[Pollable::Socket(&self.xpub)], Some(RETRY))?;
            match &mut suspects {
                Some(suspects) => suspects.retain_mut(Suspect::is_still_behind),
                // Its buffers may still fill in the first half.
                None if start.elapsed() >= self.patience / 2 => suspects = Some(self.suspects(topic.as_ref())),
                None => {}
            }
            self.admit();
            self.forward_interests();
        }
        self.report_slow(topic.as_ref(), suspects.unwrap_or_default());
        count(&self.shared.counters.withheld, 1);
        self.xpub.set(Opt::XpubNodrop, 0)?;
        let sent = self.xpub.send_part(topic, more);
        self.xpub.set(Opt::XpubNodrop, 1)?;
        sent
    }

    fn wanting(&self, topic: &[u8]) -> impl Iterator<Item = RawFd> {
        self.subscribers.iter().filter(|(_, subscriber)| subscriber.wants(topic)).map(|(fd, _)| *fd)
    }

    /// Who wants the topic and has not taken everything yet.
    fn suspects(&self, topic: &[u8]) -> Vec<Suspect> {
        self.wanting(topic).filter_map(Suspect::new).collect()
    }

    /// Names those who took nothing in the second half of the wait; if there are none, those who never had taken
    /// everything; if there are none either, everybody who wants the topic.
    fn report_slow(&mut self, topic: &[u8], mut suspects: Vec<Suspect>) {
        if suspects.iter().any(|suspect| !suspect.took_something) {
            suspects.retain(|suspect| !suspect.took_something);
        }
        let mut suspects: Vec<RawFd> = suspects.iter().map(|suspect| suspect.fd).collect();
        if suspects.is_empty() {
            suspects = self.wanting(topic).collect();
        }
        let names: Vec<String> =
            suspects.iter().filter_map(|fd| self.subscribers.get(fd)).take(NAMED).map(Subscriber::name).collect();
        let subscriber = match (suspects.len() - names.len(), &names[..]) {
            (_, []) => "an unknown one".to_owned(),
            (0, names) => names.join(", "),
            (more, names) => format!("{} and {more} more", names.join(", ")),
        };
        let topic = String::from_utf8_lossy(topic).into_owned();
        if self.reports.is_due(&subscriber, "does not read", Instant::now()) {
            tracing::debug!(%subscriber, %topic, "a subscriber does not read; events are withheld from it");
            (self.notify)(LinkEvent::SlowSubscriber { subscriber, topic });
        }
    }

    fn admit(&mut self) {
        let Some(zap) = &self.zap else { return };
        loop {
            match zap.answer() {
                Answer::NothingAsked => return,
                Answer::Admitted => {}
                Answer::Refused { address } => {
                    let reason = refused_client(&address);
                    report(&mut self.reports, &self.notify, &self.xpub_endpoint, reason);
                }
            }
        }
    }

    fn watch(&mut self) {
        while let Some(event) = monitor::next(&self.xpub_monitor) {
            if let EventKind::Disconnected(fd) = event.kind {
                self.subscribers.remove(&fd);
            }
            if let Some(reason) = monitor::listener_reason(event.kind, self.security) {
                report(&mut self.reports, &self.notify, &self.xpub_endpoint, reason.to_owned());
            }
        }
        while let Some(event) = monitor::next(&self.xsub_monitor) {
            if let Some(reason) = monitor::listener_reason(event.kind, self.security) {
                report(&mut self.reports, &self.notify, &self.xsub_endpoint, reason.to_owned());
            }
        }
    }
}

/// What to say about a client that ZAP refused.
pub(super) fn refused_client(address: &str) -> String {
    format!("a peer at {address} was turned away: its CURVE client key is not this cluster's")
}

fn report(reports: &mut Reports, notify: &Notify, endpoint: &str, reason: String) {
    if reports.is_due(endpoint, &reason, Instant::now()) {
        tracing::debug!(endpoint, reason, "peer refused");
        notify(LinkEvent::Refused { endpoint: endpoint.to_owned(), reason });
    }
}

fn listen(context: &Context, kind: Kind, endpoint: &str, options: &HubOptions) -> Result<Socket, StartError> {
    let secret = match &options.keys {
        None => None,
        Some(keys) => match &keys.server_secret {
            Some(secret) => Some(secret),
            None => return Err(StartError::NoServerKey { endpoint: endpoint.to_owned() }),
        },
    };
    let bind = || {
        let socket = context.socket(kind)?;
        socket.set(Opt::Linger, LINGER_MS)?;
        socket.set_keepalive()?;
        if !options.heartbeat_interval.is_zero() {
            socket.set_heartbeat(options.heartbeat_interval, options.heartbeat_timeout)?;
        }
        if kind == Kind::Xpub {
            socket.set(Opt::XpubVerboser, 1)?;
            socket.set(Opt::XpubNodrop, options.xpub_nodrop.into())?;
        } else {
            // Subscriptions must never be dropped on their way to the nodes (`zeromq.md` 3.7).
            socket.set(Opt::Sndhwm, 0)?;
        }
        if let Some(secret) = secret {
            curve::server(&socket, secret)?;
        }
        socket.bind(endpoint)?;
        Ok(socket)
    };
    bind().map_err(|errno: Errno| StartError::Bind {
        socket: kind.name(),
        endpoint: endpoint.to_owned(),
        cause: errno.to_string(),
    })
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_named_by_its_nodeid_topic() {
        let mut subscriber = Subscriber { address: "192.0.2.1:4711".to_owned(), topics: BTreeSet::new() };
        assert_eq!(subscriber.name(), "192.0.2.1:4711");
        subscriber.topics.extend([b"zeek.cluster.worker".to_vec(), b"zeek.cluster.nodeid.zeromq_w_h.x_1_N2.".to_vec()]);
        assert_eq!(subscriber.name(), "zeromq_w_h.x_1_N2");
        assert!(subscriber.wants(b"zeek.cluster.worker-7"));
        assert!(!subscriber.wants(b"zeek.cluster.work"));
    }
}
