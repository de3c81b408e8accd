//! The one thread that owns a node's sockets: commands out, messages in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::alarm::Alarm;
use super::budget::Budget;
use super::counters::Figures;
use super::curve::{Answer, Zap};
use super::hub::refused_client;
use super::monitor::{self, Change, Dialled, Event, EventKind, Reports, Retry, Security, Unaccepted};
use super::options::{Options, Tuning};
use super::queue::{Command, Queue};
use super::socket::{Copies, Errno, Kind, Pollable, Socket, poll};
use super::sockets::{NodeSockets, Watched};
use crate::transport::frame::Interest;
use crate::transport::{EventFrame, Inbound, LinkEvent, LogFrame};

/// Room of the inbox beyond `onloop_queue_hwm` for what is not dropped.
pub(super) const RESERVE: usize = 4096;

/// How soon a full inbox is tried again; the inbox cannot wake this thread.
const INBOX_RETRY: Duration = Duration::from_millis(5);

/// Pause before a full XPUB is tried again: room in it cannot be polled for beside input.
const ROOM_RETRY: Duration = Duration::from_millis(1);

/// First and longest pause before an endpoint is dialled again that libzmq has given up on.
const REDIAL: Duration = Duration::from_secs(1);
const REDIAL_MAX: Duration = Duration::from_secs(30);

/// Rounds of sending and reading before everything is polled again. Polling looks at all sockets and monitors, with a system
/// call for each; under load one round carries few messages.
pub(super) const ROUNDS: usize = 16;

/// Messages read at once when `poll_max_messages` says no limit.
const NO_LIMIT: usize = 10_000;

/// An endpoint that libzmq has given up on.
struct Redial {
    due: Instant,
    pause: Duration,
}

/// What polling found beside messages.
pub(super) struct Found {
    /// Another thread woke this one.
    pub(super) woken: bool,
    /// A monitor has something to tell.
    pub(super) news: bool,
}

/// A node's thread.
pub(super) struct Runner {
    sockets: NodeSockets,
    options: Options,
    queue: Arc<Queue>,
    inbox: mpsc::Sender<Inbound>,
    figures: Arc<Figures>,
    budget: Budget,
    /// What the inbox had no room for; while there is something, nothing else that must not be lost is read.
    held: VecDeque<Inbound>,
    /// Events that wait for room in XPUB, in order.
    outgoing: VecDeque<(EventFrame, OwnedSemaphorePermit)>,
    subscribed: BTreeSet<Vec<u8>>,
    dialled: BTreeMap<(&'static str, String), Dialled>,
    redials: BTreeMap<(&'static str, String), Redial>,
    link_up: bool,
    reports: Reports,
    unaccepted: Unaccepted,
    copies: Copies,
}

impl Runner {
    pub(super) fn new(
        sockets: NodeSockets,
        options: Options,
        queue: Arc<Queue>,
        inbox: mpsc::Sender<Inbound>,
        figures: Arc<Figures>,
    ) -> Runner {
        let mut runner = Runner {
            sockets,
            budget: Budget::new(options.log_queue_bytes),
            options,
            queue,
            inbox,
            figures,
            held: VecDeque::new(),
            outgoing: VecDeque::new(),
            subscribed: BTreeSet::new(),
            dialled: BTreeMap::new(),
            redials: BTreeMap::new(),
            link_up: false,
            reports: Reports::default(),
            unaccepted: Unaccepted::default(),
            copies: Copies::default(),
        };
        let hub = [
            (Kind::Xpub, runner.options.connect_xpub_endpoint.clone()),
            (Kind::Xsub, runner.options.connect_xsub_endpoint.clone()),
        ];
        let loggers = runner.options.connect_log_endpoints.iter().map(|endpoint| (Kind::Push, endpoint.clone()));
        for (kind, endpoint) in hub.into_iter().chain(loggers.collect::<Vec<_>>()) {
            runner.dialled.insert((kind.name(), endpoint), Dialled::new(runner.security()));
        }
        runner
    }

    fn security(&self) -> Security {
        if self.options.keys.is_some() { Security::Curve } else { Security::Plain }
    }

    /// Until the queue is closed and everything in it was handed to the sockets.
    pub(super) fn run(mut self, alarm: Alarm) {
        let mut commands = VecDeque::new();
        let mut closed_at: Option<Instant> = None;
        loop {
            let found = match self.wait() {
                Ok(found) => found,
                Err(errno) => {
                    tracing::error!(error = %errno, "the node cannot poll its sockets any more");
                    return;
                }
            };
            if found.woken {
                self.queue.clear();
            }
            self.flush_held();
            self.flush_outgoing();
            for _ in 0..ROUNDS {
                let closed = self.queue.take(&mut commands);
                let sent = commands.len();
                commands.drain(..).for_each(|command| self.perform(command));
                if closed && self.is_drained(*closed_at.get_or_insert_with(Instant::now)) {
                    return alarm.disarm();
                }
                if sent + self.read() == 0 {
                    break;
                }
            }
            self.admit();
            if found.news {
                self.watch();
            }
            self.redial();
        }
    }

    /// Whether nothing waits for room in XPUB any more, or it has waited for as long as closing may take.
    fn is_drained(&self, closed_at: Instant) -> bool {
        let late = closed_at.elapsed() >= self.options.linger;
        if late {
            self.figures.xpub_drops.add(self.outgoing.len() as u64);
        }
        late || self.outgoing.is_empty()
    }

    fn wait(&self) -> Result<Found, Errno> {
        let sockets = &self.sockets;
        let mut items = vec![Pollable::Fd(self.queue.fd()), Pollable::Socket(&sockets.xsub.socket)];
        let mut timeout = self
            .redials
            .values()
            .map(|redial| redial.due)
            .min()
            .map(|due| due.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let monitors = items.len();
        if self.held.is_empty() {
            items.extend(sockets.pull.iter().map(|pull| Pollable::Socket(&pull.monitor)));
            items.push(Pollable::Socket(&sockets.xpub.monitor));
            items.push(Pollable::Socket(&sockets.xsub.monitor));
            items.push(Pollable::Socket(&sockets.push.monitor));
        }
        let monitors = monitors..items.len();
        if self.held.is_empty() {
            items.push(Pollable::Socket(&sockets.xpub.socket));
            items.extend(sockets.zap.iter().map(|zap| Pollable::Socket(zap.socket())));
        }
        if let Some(pull) = &sockets.pull {
            if self.takes_no_logs() {
                timeout = Some(INBOX_RETRY);
            } else {
                items.push(Pollable::Socket(&pull.socket));
            }
        }
        if !self.held.is_empty() {
            timeout = Some(INBOX_RETRY);
        }
        if !self.outgoing.is_empty() {
            timeout = Some(ROOM_RETRY);
        }
        let ready = poll(&items, timeout)?;
        Ok(Found { woken: ready.any(0..1), news: ready.any(monitors) })
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Subscribe(topic) => {
                if !self.subscribed.contains(&topic) {
                    self.send_interest(Interest::Subscribe(&topic));
                    self.subscribed.insert(topic);
                }
            }
            Command::Unsubscribe(topic) => {
                if self.subscribed.remove(&topic) {
                    self.send_interest(Interest::Unsubscribe(&topic));
                }
            }
            // There is no room for an event where others wait for some.
            Command::Publish(_) if !self.outgoing.is_empty() => self.figures.xpub_drops.add(1),
            Command::Publish(event) => match self.sockets.xpub.socket.send(event.into_parts()) {
                Ok(()) => self.figures.events_sent.add(1),
                Err(errno) => self.drop_event(errno),
            },
            Command::PublishWhenRoom(event, credit) => {
                self.outgoing.push_back((event, credit));
                self.flush_outgoing();
            }
            Command::PushLog(batch) => match self.sockets.push.socket.send(batch.into_parts()) {
                Ok(()) => self.figures.logs_sent.add(1),
                Err(errno) => {
                    self.figures.log_drops.add(1);
                    if !errno.is_again() {
                        tracing::error!(error = %errno, "a log batch could not be sent");
                    }
                }
            },
            Command::Tune(tuning) => self.tune(tuning),
            Command::WriteDown(number, to) => to.store(number, Ordering::Relaxed),
        }
    }

    fn drop_event(&self, errno: Errno) {
        self.figures.xpub_drops.add(1);
        if !errno.is_again() {
            tracing::error!(error = %errno, "an event could not be published");
        }
    }

    fn flush_outgoing(&mut self) {
        while let Some((event, _)) = self.outgoing.front() {
            match self.sockets.xpub.socket.send(event.clone().into_parts()) {
                Ok(()) => self.figures.events_sent.add(1),
                Err(errno) if errno.is_again() => return,
                Err(errno) => self.drop_event(errno),
            }
            self.outgoing.pop_front();
        }
    }

    fn tune(&mut self, tuning: Tuning) {
        self.options.poll_max_messages = tuning.poll_max_messages;
        self.options.linger = tuning.linger;
        if let Err(errno) = self.sockets.set_linger(tuning.linger) {
            tracing::error!(error = %errno, "the linger time could not be changed");
        }
    }

    fn send_interest(&self, interest: Interest<'_>) {
        // XSUB has no high-water mark here, so there is always room.
        if let Err(errno) = self.sockets.xsub.socket.send([interest.encode().into()]) {
            tracing::error!(error = %errno, "a subscription could not be sent");
        }
    }

    /// One round: events are taken off the wire first but handed on after the subscriptions, so that a subscription is
    /// never seen after an event that was sent later (`zeromq.md` 1.5). Says how many messages there were.
    fn read(&mut self) -> usize {
        let limit = match self.options.poll_max_messages {
            0 => NO_LIMIT,
            limit => limit,
        };
        let events = self.take_events(limit);
        let mut count = events.len() + self.read_interests(limit);
        for event in events {
            self.hand_on_event(event);
        }
        count += self.read_logs(limit);
        count
    }

    fn take_events(&mut self, limit: usize) -> Vec<EventFrame> {
        let mut events = Vec::new();
        for _ in 0..limit {
            let Ok(message) = self.sockets.xsub.socket.receive(5, &mut self.copies) else { break };
            match EventFrame::from_parts(message.parts) {
                Ok(event) if event.sender == self.options.node_id.as_bytes() => {}
                Ok(event) => events.push(event),
                Err(error) => self.bad_message("xsub", message.count, &error),
            }
        }
        events
    }

    fn hand_on_event(&mut self, event: EventFrame) {
        if !self.held.is_empty() || self.is_inbox_full() {
            self.figures.onloop_drops.add(1);
            return;
        }
        self.figures.events_received.add(1);
        self.hand_on(Inbound::Event(event));
    }

    fn read_interests(&mut self, limit: usize) -> usize {
        for count in 0..limit {
            if !self.held.is_empty() {
                return count;
            }
            let Ok(message) = self.sockets.xpub.socket.receive(2, &mut self.copies) else { return count };
            let [part] = &message.parts[..] else {
                self.bad_message("xpub", message.count, &"expected 1 part");
                continue;
            };
            match Interest::decode(part) {
                Some(Interest::Subscribe(topic)) => self.hand_on(Inbound::Subscription(topic.to_vec())),
                Some(Interest::Unsubscribe(topic)) => self.hand_on(Inbound::Unsubscription(topic.to_vec())),
                None => {}
            }
        }
        limit
    }

    fn read_logs(&mut self, limit: usize) -> usize {
        let mut count = 0;
        while count < limit && self.held.is_empty() && !self.takes_no_logs() {
            let Some(Ok(message)) = self.sockets.pull.as_ref().map(|pull| pull.socket.receive(5, &mut self.copies))
            else {
                break;
            };
            count += 1;
            match LogFrame::from_parts(message.parts) {
                Ok(batch) => {
                    self.figures.logs_received.add(1);
                    let payload = self.budget.count(batch.payload);
                    self.hand_on(Inbound::Log(LogFrame { payload, ..batch }));
                }
                Err(error) => self.bad_message("log", message.count, &error),
            }
        }
        count
    }

    fn takes_no_logs(&self) -> bool {
        self.is_inbox_full() || self.budget.is_used_up()
    }

    fn bad_message(&self, socket: &str, parts: usize, error: &dyn std::fmt::Display) {
        self.figures.msg_errors.add(1);
        tracing::debug!(socket, parts, %error, "a message was dropped");
    }

    fn is_inbox_full(&self) -> bool {
        !self.inbox.is_closed() && self.inbox.capacity() <= RESERVE
    }

    /// Puts something into the inbox, or holds it until there is room.
    fn hand_on(&mut self, inbound: Inbound) {
        if !self.held.is_empty() {
            self.held.push_back(inbound);
            return;
        }
        match self.inbox.try_send(inbound) {
            Ok(()) => {}
            Err(TrySendError::Full(inbound)) => {
                self.figures.onloop_blocks.add(1);
                self.held.push_back(inbound);
            }
            // The core hung up; what still comes in concerns nobody.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    fn flush_held(&mut self) {
        while let Some(inbound) = self.held.pop_front() {
            if let Err(TrySendError::Full(inbound)) = self.inbox.try_send(inbound) {
                self.held.push_front(inbound);
                return;
            }
        }
    }

    fn admit(&mut self) {
        while self.held.is_empty() {
            match self.sockets.zap.as_mut().map_or(Answer::NothingAsked, Zap::answer) {
                Answer::NothingAsked => return,
                Answer::Admitted => {}
                Answer::Refused { address } => {
                    let endpoint = self.sockets.log_endpoint.clone().unwrap_or_default();
                    self.refuse(endpoint, refused_client(&address));
                }
            }
        }
    }

    fn watch(&mut self) {
        while self.held.is_empty() {
            let sockets = &self.sockets;
            let dialling = [(Kind::Xpub, &sockets.xpub), (Kind::Xsub, &sockets.xsub), (Kind::Push, &sockets.push)];
            let next =
                dialling.into_iter().find_map(|(kind, Watched { monitor, .. })| Some((kind, monitor::next(monitor)?)));
            match next {
                Some((kind, event)) => self.observe(kind, &event),
                None => return self.watch_pull(),
            }
        }
    }

    fn watch_pull(&mut self) {
        while let Some(event) = self.sockets.pull.as_ref().and_then(|pull| monitor::next(&pull.monitor)) {
            if let EventKind::AcceptFailed(errno) = event.kind {
                self.figures.accept_failures.add(1);
                if let Some(reason) = self.unaccepted.reason(errno, Instant::now()) {
                    let (endpoint, reason) = (event.address.clone(), reason.to_owned());
                    self.hand_on(Inbound::Link(LinkEvent::Unaccepted { endpoint, reason }));
                }
            }
            if let Some(reason) = monitor::listener_reason(event.kind, self.security()) {
                self.refuse(event.address, reason.to_owned());
            }
        }
    }

    fn observe(&mut self, kind: Kind, event: &Event) {
        let Some(key) = self.dialled_key(kind, &event.address) else { return };
        let Some(dialled) = self.dialled.get_mut(&key) else { return };
        match dialled.observe(event.kind) {
            Change::Nothing => {}
            Change::Up => {
                self.redials.remove(&key);
                self.reports.clear(&key.1);
                self.update_link();
            }
            Change::Down => self.update_link(),
            Change::Refused { reason, retry } => {
                if retry == Retry::Redial {
                    let pause = self.redials.get(&key).map_or(REDIAL, |redial| (redial.pause * 2).min(REDIAL_MAX));
                    self.redials.insert(key.clone(), Redial { due: Instant::now() + pause, pause });
                }
                self.update_link();
                self.refuse(key.1, reason);
            }
        }
    }

    /// The endpoint as configured; libzmq may write it in another way.
    fn dialled_key(&self, kind: Kind, address: &str) -> Option<(&'static str, String)> {
        let mut of_kind = self.dialled.keys().filter(|(name, _)| *name == kind.name());
        let port = |endpoint: &str| endpoint.rsplit(':').next().map(str::to_owned);
        if kind != Kind::Push {
            return of_kind.next().cloned();
        }
        of_kind
            .clone()
            .find(|(_, endpoint)| endpoint == address)
            .or_else(|| of_kind.find(|(_, endpoint)| port(endpoint) == port(address)))
            .cloned()
    }

    fn update_link(&mut self) {
        let hub = |(name, _): &(&'static str, String)| *name != Kind::Push.name();
        let up = self.dialled.iter().filter(|(key, _)| hub(key)).all(|(_, dialled)| dialled.is_up());
        if up == self.link_up {
            return;
        }
        self.link_up = up;
        if !up {
            self.figures.reconnects.add(1);
        }
        self.hand_on(Inbound::Link(if up { LinkEvent::Up } else { LinkEvent::Down }));
    }

    fn refuse(&mut self, endpoint: String, reason: String) {
        if self.reports.is_due(&endpoint, &reason, Instant::now()) {
            tracing::debug!(endpoint, reason, "connection refused");
            self.hand_on(Inbound::Link(LinkEvent::Refused { endpoint, reason }));
        }
    }

    /// Dials endpoints again that libzmq has given up on, in case they have been mended.
    fn redial(&mut self) {
        let now = Instant::now();
        for ((name, endpoint), redial) in &mut self.redials {
            if redial.due > now {
                continue;
            }
            // Should nothing come of this attempt, not even a refusal, there is another one.
            redial.due = now + REDIAL_MAX;
            let sockets = &self.sockets;
            let dialling = [&sockets.xpub.socket, &sockets.xsub.socket, &sockets.push.socket];
            for socket in dialling.into_iter().filter(|socket| socket.kind().name() == *name) {
                dial_again(socket, endpoint);
            }
        }
    }
}

fn dial_again(socket: &Socket, endpoint: &str) {
    // Fails when libzmq has forgotten the endpoint, which is what is wanted.
    let _forgotten = socket.disconnect(endpoint);
    if let Err(errno) = socket.connect(endpoint) {
        tracing::error!(endpoint, error = %errno, "an endpoint could not be dialled again");
    }
}
