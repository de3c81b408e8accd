//! Drives the core: brings it what happens, does what it says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::error::NodeError;
use super::heart::{Heart, Part};
use super::log_sink::LogSink;
use super::reports::Reports;
use super::view::{Viewer, wall_clock};
use crate::api::config::NodeEntry;
use crate::api::node::{Beat, NodeView, ProgramView};
use crate::cluster::pools::Pools;
use crate::cluster::{
    self, Audience, Changes, Choice, ClusterEvent, Command, Core, Credit, Effect, Handle, Input, Listeners, Mailbox,
    Now, RemoteEvent,
};
use crate::transport::zeromq::{self, ZeromqTransport};
use crate::transport::{Inbound, Inbox, LinkEvent, SendError, Transport};
use crate::troubles::{Troubles, TroublesWatch};

/// Things taken from the inbox in one go.
const BATCH: usize = 128;
/// When a subscription found the queue to the sockets full.
const RETRY: Duration = Duration::from_millis(20);

/// How often losses are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a loss is shown as a trouble.
const LOST_LATELY: Duration = Duration::from_secs(60);

/// Losses that were noticed, in the order of [`CoreTask::notice_losses`].
#[derive(Default)]
struct Losses {
    seen: [u64; 3],
    looked: Option<Instant>,
}

/// What other tasks of the node ask of the core.
pub(super) enum Request {
    /// The current view.
    View(oneshot::Sender<NodeView>),
    /// A new layout.
    Layout(Vec<NodeEntry>, oneshot::Sender<()>),
    /// Options that are taken over while it runs.
    Options(Box<Taken>, oneshot::Sender<()>),
}

/// Options of the core and its sockets; what cannot change while they work is not looked at.
pub(super) struct Taken {
    pub(super) core: cluster::Options,
    pub(super) pools: Pools,
    pub(super) sockets: zeromq::Tuning,
}

/// Asks for room at the core; bounded, the asker waits.
pub(super) type Requests = mpsc::Sender<Request>;

/// The core and all that it acts on.
pub(super) struct CoreTask {
    core: Core,
    transport: Arc<ZeromqTransport>,
    inbox: Inbox,
    requests: mpsc::Receiver<Request>,
    mailbox: Mailbox,
    listeners: Listeners,
    logs: LogSink,
    program: Option<watch::Receiver<ProgramView>>,
    troubles: TroublesWatch,
    heart: Heart,
    beats: watch::Sender<Beat>,
    board: Troubles,
    losses: Losses,
    views: watch::Sender<NodeView>,
    viewer: Viewer,
    reports: Reports,
    began: Instant,
    /// Subscriptions that found the queue full, in order; nothing may overtake them.
    unsent: VecDeque<Effect>,
    /// Room for the event of the request that is being performed.
    credit: Option<Credit>,
    publishes_lost: u64,
    /// Lines of cluster.log.
    records_logged: u64,
    /// What the published view depends on.
    shown: Option<(u64, Option<String>)>,
    generation: u64,
}

/// What a [`CoreTask`] is made of.
pub(super) struct Parts {
    pub(super) core: Core,
    pub(super) transport: Arc<ZeromqTransport>,
    pub(super) inbox: Inbox,
    pub(super) logs: LogSink,
    /// What there is to say of the program under the node, if it has one.
    pub(super) program: Option<watch::Receiver<ProgramView>>,
    /// Where the parts of the node raise what they cannot do.
    pub(super) troubles: Troubles,
    /// Threads that the loop looks after.
    pub(super) threads: Vec<Part>,
}

/// The ways to a running [`CoreTask`].
pub(super) struct Doors {
    /// For the node's own socket.
    pub(super) requests: Requests,
    /// For everybody else.
    pub(super) handle: Handle,
    /// What the node shows of itself.
    pub(super) views: watch::Receiver<NodeView>,
    /// Its signs of life.
    pub(super) beats: watch::Receiver<Beat>,
}

impl CoreTask {
    /// The task, where to ask it, and the view that it keeps up to date.
    pub(super) fn new(parts: Parts) -> (CoreTask, Doors) {
        let Parts { core, transport, inbox, logs, program, troubles, threads } = parts;
        let (asking, requests) = mpsc::channel(32);
        let (handle, mailbox) = Handle::new(&core);
        let listeners = Listeners::new(core.node_id());
        let mut viewer = Viewer::new(wall_clock());
        let board = troubles.clone();
        let troubles = troubles.watch();
        let first = viewer.view(&core, told(&program), troubles.list(), BTreeMap::new(), wall_clock());
        let (views, watching) = watch::channel(first);
        let (beats, beating) = watch::channel(Beat::default());
        let task = CoreTask {
            core,
            transport,
            inbox,
            requests,
            mailbox,
            listeners,
            logs,
            program,
            troubles,
            heart: Heart::new(threads, Instant::now()),
            beats,
            board,
            losses: Losses::default(),
            views,
            viewer,
            reports: Reports::new(),
            began: Instant::now(),
            unsent: VecDeque::new(),
            credit: None,
            publishes_lost: 0,
            records_logged: 0,
            shown: None,
            generation: 0,
        };
        (task, Doors { requests: asking, handle, views: watching, beats: beating })
    }

    /// Works until told to stop; then hands over what is left and closes the sockets.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), NodeError> {
        self.input(Input::Start);
        self.follow_listeners();
        let mut batch = Vec::with_capacity(BATCH);
        while !stop.is_cancelled() {
            let room = self.logs.room().min(BATCH);
            let deadline = self.deadline();
            tokio::select! {
                () = stop.cancelled() => break,
                taken = self.inbox.recv_many(&mut batch, room), if room > 0 => {
                    if taken == 0 {
                        return Err(NodeError::TaskDied { task: "transport", reason: "its thread has ended".to_owned() });
                    }
                    batch.drain(..).for_each(|inbound| self.inbound(inbound));
                }
                () = self.logs.has_room(), if room == 0 => {}
                Some(request) = self.requests.recv() => self.answer(request),
                Some(request) = self.mailbox.recv() => self.asked(request),
                thread = self.transport.died() => return Err(NodeError::TaskDied {
                    task: thread,
                    reason: "it cannot work with its sockets any more".to_owned(),
                }),
                () = wait_until(deadline) => self.timer(),
                () = changed(&mut self.program) => self.generation += 1,
                () = self.troubles.changed() => self.generation += 1,
            }
            self.notice_losses();
            self.show();
            if let Some(beat) = self.heart.beat(Instant::now()) {
                self.beats.send_replace(beat);
            }
        }
        self.finish().await
    }

    /// The earliest of everything that waits for a time.
    fn deadline(&self) -> Option<Instant> {
        let core = self.core.next_deadline().map(|elapsed| self.began + elapsed);
        let retry = (!self.unsent.is_empty()).then(|| Instant::now() + RETRY);
        [core, self.logs.due(), retry, Some(self.heart.due())].into_iter().flatten().min()
    }

    fn timer(&mut self) {
        while let Some(effect) = self.unsent.pop_front() {
            if !self.send_interest(&effect) {
                self.unsent.push_front(effect);
                break;
            }
        }
        self.logs.flush_due(Instant::now(), &*self.transport);
        self.input(Input::Timer);
    }

    /// Raises a trouble while events or batches are being lost.
    fn notice_losses(&mut self) {
        if self.losses.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        self.losses.looked = Some(Instant::now());
        let socket = self.transport.counters();
        let lost = [
            ("published events found no room in the sockets", socket.xpub_drops + self.publishes_lost),
            ("received events came faster than the node reads", socket.onloop_drops),
            ("log batches were taken by no logger", socket.log_drops + self.logs.dropped()),
        ];
        for (index, (how, count)) in lost.into_iter().enumerate() {
            if count > self.losses.seen[index] {
                self.losses.seen[index] = count;
                self.board.raise_for(LOST_LATELY, "lost", how, format!("{count} {how}, the last within a minute"));
            }
        }
    }

    fn notice(&self, link: &LinkEvent) {
        match link {
            LinkEvent::SlowSubscriber { subscriber, topic } => {
                let text = format!("{subscriber} does not read; events for it are withheld, first on topic {topic}");
                self.board.raise_for(LOST_LATELY, "slow-subscriber", subscriber, text);
            }
            LinkEvent::Unaccepted { endpoint, reason } => {
                self.board.raise_for(LOST_LATELY, "connections-refused", endpoint, format!("{endpoint}: {reason}"));
            }
            LinkEvent::Up | LinkEvent::Down | LinkEvent::Refused { .. } => {}
        }
    }

    fn inbound(&mut self, inbound: Inbound) {
        if let Inbound::Link(link) = &inbound {
            self.notice(link);
        }
        if let Inbound::Subscription(topic) = &inbound
            && let Some(probe) = self.listeners.subscribed(topic)
        {
            self.interest(Effect::Unsubscribe(probe));
        }
        match inbound {
            Inbound::Log(frame) => self.logs.receive(frame),
            other => self.input(Input::Inbound(other)),
        }
    }

    fn asked(&mut self, request: cluster::Request) {
        match request {
            cluster::Request::Command(command) => {
                self.tell_own(&command);
                self.input(Input::Command(command));
            }
            cluster::Request::Lasting(command, credit) => {
                self.tell_own(&command);
                self.credit = Some(credit);
                self.input(Input::Command(command));
                self.credit = None;
            }
            cluster::Request::Listen(listener) => {
                let changes = self.listeners.add(listener);
                self.listen(changes);
            }
            cluster::Request::Tune(tuning) => {
                let changes = self.listeners.tune(tuning);
                self.listen(changes);
            }
            cluster::Request::Untune { listener, topic } => match self.listeners.untune(listener, &topic) {
                Some(command) => self.input(Input::Command(command)),
                None => self.core.unsubscribe_in_vain(&topic),
            },
            cluster::Request::PublishTo { pool, choice, event, done, credit } => {
                let topic = match choice {
                    Choice::RoundRobin(key) => self.core.rr_topic(pool, &key),
                    Choice::Hrw(key) => self.core.hrw_topic(pool, key),
                };
                // Whoever asked may have gone meanwhile.
                let _gone = done.send(topic.is_some());
                if let Some(topic) = topic {
                    let command = Command::Publish { topic: topic.into_bytes(), event };
                    self.asked(cluster::Request::Lasting(command, credit));
                }
            }
            cluster::Request::Raise(event) => self.raised(event),
            cluster::Request::Look(look) => look(&mut self.core),
            cluster::Request::Sweep => self.sweep(),
        }
    }

    /// The node's own events do not come back from the hub; other endpoints of this process hear them here.
    fn tell_own(&self, command: &Command) {
        if let Command::Publish { topic, event } = command
            && !self.listeners.is_empty()
        {
            let sender = self.core.node_id().as_bytes().to_vec();
            self.listeners.event(RemoteEvent { topic: topic.clone(), sender, event: event.clone() }, false);
        }
    }

    /// Tells the core whether there are listeners; without them it does not decode events.
    fn follow_listeners(&mut self) {
        let audience = if self.listeners.is_empty() { Audience::Core } else { Audience::Listeners };
        self.core.set_audience(audience);
    }

    fn sweep(&mut self) {
        let changes = self.listeners.sweep();
        self.listen(changes);
    }

    /// Follows with the subscriptions after what is listened to changed.
    fn listen(&mut self, changes: Changes) {
        self.follow_listeners();
        let Changes { commands, probes, ended_probes } = changes;
        commands.into_iter().for_each(|command| self.input(Input::Command(command)));
        probes.into_iter().for_each(|topic| self.interest(Effect::Subscribe(topic)));
        ended_probes.into_iter().for_each(|topic| self.interest(Effect::Unsubscribe(topic)));
    }

    fn answer(&mut self, request: Request) {
        // Whoever asked may have gone meanwhile.
        match request {
            Request::View(reply) => {
                let view = self.view();
                let _gone = reply.send(view);
            }
            Request::Layout(nodes, reply) => {
                tracing::info!("the layout changed: {} nodes", nodes.len());
                self.generation += 1;
                self.input(Input::Layout(nodes));
                let _gone = reply.send(());
            }
            Request::Options(taken, reply) => {
                tracing::info!("options changed");
                self.core.take_options(&taken.core);
                self.input(Input::PoolSpecs(Box::new(taken.pools)));
                self.transport.tune(taken.sockets);
                let _gone = reply.send(());
            }
        }
    }

    fn input(&mut self, input: Input) {
        let now = Now { elapsed: self.began.elapsed(), wall: wall_clock() };
        for effect in self.core.step(input, now) {
            self.perform(effect, now);
        }
    }

    fn perform(&mut self, effect: Effect, now: Now) {
        match effect {
            Effect::Subscribe(_) | Effect::Unsubscribe(_) => self.interest(effect),
            Effect::Publish(frame) => {
                let published = match self.credit.take() {
                    Some(credit) => self.transport.publish_when_room(frame, credit),
                    None => self.transport.publish(frame),
                };
                if published.is_err() {
                    self.publishes_lost += 1;
                }
            }
            Effect::Log(record) => {
                self.records_logged += 1;
                self.logs.record(&record, Instant::now(), &*self.transport);
            }
            Effect::Raise(event) => self.raised(event),
            Effect::Report(report) => {
                // What is left out is counted.
                let _told = self.reports.tell(&report, now.elapsed);
            }
        }
    }

    /// Hands over a subscription or its end, after all before it.
    fn interest(&mut self, effect: Effect) {
        if !self.unsent.is_empty() || !self.send_interest(&effect) {
            self.unsent.push_back(effect);
        }
    }

    /// Whether the subscription was taken, or the transport takes nothing any more.
    fn send_interest(&self, effect: &Effect) -> bool {
        let sent = match effect {
            Effect::Subscribe(topic) => self.transport.subscribe(topic.as_bytes()),
            Effect::Unsubscribe(topic) => self.transport.unsubscribe(topic.as_bytes()),
            _ => Ok(()),
        };
        sent != Err(SendError::Full)
    }

    fn raised(&mut self, event: ClusterEvent) {
        match &event {
            ClusterEvent::NodeUp { name, id } => {
                self.generation += 1;
                tracing::info!(peer = %name, %id, "node up");
            }
            ClusterEvent::NodeDown { name, id } => {
                self.generation += 1;
                tracing::info!(peer = %name, %id, "node down");
            }
            ClusterEvent::WebsocketClientAdded { endpoint, .. } => {
                tracing::info!(client = %endpoint.id, "WebSocket client added");
            }
            ClusterEvent::WebsocketClientLost { endpoint, code, .. } => {
                tracing::info!(client = %endpoint.id, code, "WebSocket client lost");
            }
            ClusterEvent::Hello { .. } | ClusterEvent::Remote { .. } => {}
        }
        match event {
            ClusterEvent::Remote { topic, sender, event } => {
                if !self.listeners.is_empty() {
                    let for_this_node = self.core.is_for_this_node(&topic);
                    self.listeners.event(RemoteEvent { topic, sender, event }, for_this_node);
                }
                // Whoever left while the mailbox was full could not say so.
                if self.listeners.has_gone() {
                    self.sweep();
                }
            }
            membership => self.listeners.membership(&membership),
        }
    }

    fn view(&mut self) -> NodeView {
        let counters = self.counters();
        self.viewer.view(&self.core, told(&self.program), self.troubles.list(), counters, wall_clock())
    }

    /// Publishes the view if anything but a counter changed.
    fn show(&mut self) {
        let now = (self.generation, self.core.not_joined_because());
        if self.shown.as_ref() != Some(&now) {
            self.shown = Some(now);
            let view = self.view();
            self.views.send_replace(view);
        }
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        let (socket, core) = (self.transport.counters(), self.core.counters());
        let figures = [
            ("events_sent", socket.events_sent),
            ("events_received", socket.events_received),
            ("xpub_drops", socket.xpub_drops),
            ("onloop_drops", socket.onloop_drops),
            ("onloop_blocks", socket.onloop_blocks),
            ("msg_errors", socket.msg_errors),
            ("records_logged", self.records_logged),
            ("logs_sent", socket.logs_sent),
            ("logs_received", socket.logs_received),
            ("log_drops", socket.log_drops + self.logs.dropped()),
            ("log_batches_waiting", self.logs.waiting()),
            ("queue_drops", socket.queue_drops),
            ("too_large", socket.too_large),
            ("accept_failures", socket.accept_failures),
            ("publishes_lost", self.publishes_lost),
            ("reconnects", socket.reconnects),
            ("bad_events", core.bad_events),
            ("forgotten_strangers", core.forgotten_strangers),
            ("node_ups", core.node_ups),
            ("node_downs", core.node_downs),
            ("reports_left_out", self.reports.total_left_out()),
        ];
        figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect()
    }

    /// Hands over what is left. The sockets close while the inbox is still read: batches of others may be on their way.
    async fn finish(mut self) -> Result<(), NodeError> {
        // What was asked before the end is still done.
        self.mailbox.close();
        while let Ok(request) = self.mailbox.try_recv() {
            self.asked(request);
        }
        self.input(Input::Shutdown);
        self.logs.flush(&*self.transport);
        let transport = Arc::clone(&self.transport);
        let mut closing = tokio::task::spawn_blocking(move || transport.close());
        loop {
            let room = self.logs.room() > 0;
            tokio::select! {
                biased;
                inbound = self.inbox.recv(), if room => match inbound {
                    Some(Inbound::Log(frame)) => self.logs.receive(frame),
                    Some(_) => {}
                    None => break,
                },
                () = self.logs.has_room(), if !room => {}
                closed = &mut closing => {
                    let died = |error: tokio::task::JoinError| NodeError::TaskDied { task: "transport", reason: error.to_string() };
                    closed.map_err(died)?;
                    while self.logs.room() > 0 && let Ok(inbound) = self.inbox.try_recv() {
                        self.inbound(inbound);
                    }
                    return Ok(());
                }
            }
        }
        closing.await.map_err(|error| NodeError::TaskDied { task: "transport", reason: error.to_string() })
    }
}

/// The last news of the program.
fn told(program: &Option<watch::Receiver<ProgramView>>) -> Option<ProgramView> {
    program.as_ref().map(|seen| seen.borrow().clone())
}

/// Waits for news of the program; for ever where there is none.
async fn changed(program: &mut Option<watch::Receiver<ProgramView>>) {
    let ended = match program {
        Some(seen) => seen.changed().await.is_err(),
        None => true,
    };
    if ended {
        std::future::pending().await
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
