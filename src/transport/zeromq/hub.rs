//! The XPUB/XSUB forwarder that every node of the cluster connects to, in a context and a thread of its own.
//!
//! It does what Zeek's proxy does (`zeromq.md` 3.5), and three things more: it tells late joiners every topic however many
//! there are (3.7), it lets nothing but subscriptions through in their direction (2.4), and one subscriber that does not
//! read holds up the others for [`HubOptions::patience`] at most (8.4).

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::STACK;
use super::alarm::{Alarm, Deaths};
use super::curve::{self, Answer, Zap};
use super::monitor::{self, Event, EventKind, Reports, Security, Unaccepted};
use super::options::{HubOptions, StartError};
use super::queue::Waker;
use super::run::{Found, ROUNDS};
use super::socket::{
    Context, ContextOptions, Errno, Kind, Message, More, Opt, Pollable, Socket, Source, hang_up, poll, unsent,
};
use super::subscribers::{LIMITS, Limits, Subscriber, Subscribers, Verdict};
use crate::transport::frame::Interest;
use crate::transport::{LinkEvent, MAX_TOPIC};

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

/// The largest part that the hub's XPUB takes: a subscription with the overhead of CURVE and of ZMTP's commands. libzmq hangs
/// up on a peer that announces more.
const MAX_INTEREST: usize = 2048;

/// Subscriptions of one connection that libzmq reads ahead. It puts them into its trie before the hub sees them.
const INTERESTS_AHEAD: i32 = 16;

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
    /// Messages on the way of subscriptions that were none, or whose topic was too long, and were not let through.
    pub strays: u64,
    /// Connections that were ended because they subscribed to too much.
    pub cut_off: u64,
    /// Connections that the system refused to accept: no descriptor, no memory.
    pub accept_failures: u64,
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
    cut_off,
    accept_failures,
    stalls,
    withheld,
);

struct Shared {
    counters: Atomics,
    stopping: AtomicBool,
    wake: Waker,
    /// How often its thread has looked at its sockets.
    rounds: AtomicU64,
}

/// A running hub; stops when dropped.
pub struct Hub {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    deaths: Deaths,
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
            rounds: AtomicU64::new(0),
        });
        let forwarder = Forwarder::open(&options, Arc::clone(&shared), Box::new(notify))?;
        let (xpub_endpoint, xsub_endpoint) = (forwarder.xpub_endpoint.clone(), forwarder.xsub_endpoint.clone());
        let (alarm, deaths) = Alarm::new("zmq-hub");
        let thread = std::thread::Builder::new()
            .name("zmq-hub".to_owned())
            .stack_size(STACK)
            .spawn(move || forwarder.run(alarm))
            .map_err(|error| StartError::System { what: "starting the hub's thread", cause: error.to_string() })?;
        Ok(Hub { shared, thread: Mutex::new(Some(thread)), deaths, xpub_endpoint, xsub_endpoint })
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

    /// How often its thread has looked at its sockets. Wakes it: a thread that works has a higher number the next time.
    pub(super) fn rounds(&self) -> u64 {
        self.shared.wake.wake();
        self.shared.rounds.load(Ordering::Relaxed)
    }

    /// Waits for the death of its thread, which is told by name; for ever when it ends in order. Cancel-safe.
    pub(super) async fn died(&self) -> &'static str {
        self.deaths.heard().await
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
    zap: Zap,
    xpub_endpoint: String,
    xsub_endpoint: String,
    security: Security,
    subscribers: Subscribers,
    patience: Duration,
    reports: Reports,
    unaccepted: Unaccepted,
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
        let zap = Zap::bind(&context, options.keys.as_ref())?;
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
            subscribers: Subscribers::new(LIMITS),
            patience: options.patience,
            reports: Reports::default(),
            unaccepted: Unaccepted::default(),
            shared,
            notify,
        })
    }

    fn run(mut self, alarm: Alarm) {
        let mut end: Option<Instant> = None;
        loop {
            if end.is_none() && self.shared.stopping.load(Ordering::Acquire) {
                end = Some(Instant::now() + FAREWELL);
            }
            count(&self.shared.rounds, 1);
            let timeout = end.map(|end| end.saturating_duration_since(Instant::now()));
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                return alarm.disarm();
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
        let items = [
            Pollable::Fd(self.shared.wake.fd()),
            Pollable::Socket(&self.xpub_monitor),
            Pollable::Socket(&self.xsub_monitor),
            Pollable::Socket(&self.xsub),
            Pollable::Socket(&self.xpub),
            Pollable::Socket(self.zap.socket()),
        ];
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
            if more == More::No {
                if !self.note_interest(&part) {
                    continue;
                }
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

    /// Whether the nodes are to hear of it; false too if the message is no (un)subscription.
    fn note_interest(&mut self, part: &Message) -> bool {
        let Some(interest) = Interest::decode(part.as_ref()) else {
            count(&self.shared.counters.strays, 1);
            return false;
        };
        let source = part.source();
        if source.is_some_and(|source| self.subscribers.get(source.connection).is_none()) {
            // The end of an earlier connection with the same descriptor is told before this one begins.
            self.watch();
        }
        let verdict = match (interest, source) {
            (Interest::Subscribe(topic), Some(source)) => self.subscribers.subscribe(source, topic),
            (Interest::Unsubscribe(topic), Some(source)) => self.subscribers.unsubscribe(source, topic),
            (Interest::Unsubscribe(topic), None) => self.subscribers.ended(topic),
            // Every connection has a number.
            (Interest::Subscribe(_), None) => Verdict::Swallow,
        };
        if let Interest::Subscribe(topic) = interest
            && verdict != Verdict::Pass
            && topic.len() > MAX_TOPIC
        {
            count(&self.shared.counters.strays, 1);
            self.report_subscriber(source, format!("topics of more than {MAX_TOPIC} octets are ignored"));
        }
        if let Verdict::CutOff(connection) = verdict {
            self.cut_off(connection);
        }
        while let Some(connection) = self.subscribers.next_to_cut() {
            self.cut_off(connection);
        }
        verdict == Verdict::Pass
    }

    /// Ends a connection that subscribes to more than one may, so that libzmq forgets its topics.
    fn cut_off(&mut self, connection: u64) {
        count(&self.shared.counters.cut_off, 1);
        let Some(subscriber) = self.subscribers.get(connection) else { return };
        hang_up(subscriber.fd, &subscriber.address);
        let Limits { topics, octets, .. } = LIMITS;
        let source = Some(Source { connection, fd: subscriber.fd });
        self.report_subscriber(
            source,
            format!("was cut off: one connection may have {topics} subscriptions and {octets} octets of topics"),
        );
    }

    fn report_subscriber(&mut self, source: Option<Source>, what: String) {
        let subscriber = source.and_then(|source| self.subscribers.get(source.connection));
        let name = subscriber.map_or_else(|| "an unknown one".to_owned(), Subscriber::name);
        let reason = format!("the subscriber {name}: {what}");
        report(&mut self.reports, &self.notify, &self.xpub_endpoint, reason);
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
            count(&self.shared.rounds, 1);
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

    /// Who wants the topic and has not taken everything yet.
    fn suspects(&self, topic: &[u8]) -> Vec<Suspect> {
        self.subscribers.wanting(topic).filter_map(Suspect::new).collect()
    }

    /// Names those who took nothing in the second half of the wait; if there are none, those who never had taken
    /// everything; if there are none either, everybody who wants the topic.
    fn report_slow(&mut self, topic: &[u8], mut suspects: Vec<Suspect>) {
        if suspects.iter().any(|suspect| !suspect.took_something) {
            suspects.retain(|suspect| !suspect.took_something);
        }
        let mut suspects: Vec<RawFd> = suspects.iter().map(|suspect| suspect.fd).collect();
        if suspects.is_empty() {
            suspects = self.subscribers.wanting(topic).collect();
        }
        let names: Vec<String> =
            suspects.iter().filter_map(|fd| self.subscribers.by_fd(*fd)).take(NAMED).map(Subscriber::name).collect();
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
        loop {
            match self.zap.answer() {
                Answer::NothingAsked => return,
                Answer::Admitted => {}
                Answer::Refused { address } => {
                    let reason = refused_client(&address);
                    report(&mut self.reports, &self.notify, &self.xpub_endpoint, reason);
                }
            }
        }
    }

    fn note_unaccepted(&mut self, event: &Event) {
        let EventKind::AcceptFailed(errno) = event.kind else { return };
        count(&self.shared.counters.accept_failures, 1);
        if let Some(reason) = self.unaccepted.reason(errno, Instant::now()) {
            let (endpoint, reason) = (event.address.clone(), reason.to_owned());
            (self.notify)(LinkEvent::Unaccepted { endpoint, reason });
        }
    }

    fn watch(&mut self) {
        while let Some(event) = monitor::next(&self.xpub_monitor) {
            if let EventKind::Disconnected(fd) = event.kind {
                self.subscribers.disconnected(fd, Instant::now());
            }
            self.note_unaccepted(&event);
            if let Some(reason) = monitor::listener_reason(event.kind, self.security) {
                report(&mut self.reports, &self.notify, &self.xpub_endpoint, reason.to_owned());
            }
        }
        while let Some(event) = monitor::next(&self.xsub_monitor) {
            self.note_unaccepted(&event);
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
            socket.set_max_part(MAX_INTEREST)?;
            socket.set(Opt::Rcvhwm, INTERESTS_AHEAD)?;
            socket.set(Opt::XpubVerboser, 1)?;
            socket.set(Opt::XpubNodrop, options.xpub_nodrop.into())?;
        } else {
            // Subscriptions must never be dropped on their way to the nodes (`zeromq.md` 3.7).
            socket.set(Opt::Sndhwm, 0)?;
        }
        match secret {
            Some(secret) => curve::server(&socket, secret)?,
            None => curve::number_clients(&socket)?,
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
