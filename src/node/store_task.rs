//! One store on a thread of its own: a SQLite connection belongs to one thread, and a commit may take as long as the disk does.
//!
//! What waited while a transaction was committed becomes the next transaction together: the more writers, the fewer commits.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::reports::Reports;
use super::view::wall_clock;
use crate::cluster::stores::{
    Answer, Asked, Backend, Effect, Input, Mailbox, Master, Message, Query, Replica, StoreError, StoreInfo, StoreState,
    StoreStatus, To, Update, topic,
};
use crate::cluster::{Handle, Heard, Listening, Now, RemoteEvent, Severity, Wish};
use crate::data::Data;

/// Requests and messages that are taken in one transaction.
const BATCH: usize = 1024;

/// Messages that may wait for the store. What does not fit is lost, and the protocol asks for it again.
const MESSAGES: usize = 512;

/// Changes that a watcher may be behind.
const WATCHED: usize = 1024;

/// The part that a store plays on this node.
pub(super) enum Part {
    Master(Box<dyn Backend>),
    Clone,
}

/// What the thread is started with.
pub(super) struct StoreTask {
    pub(super) info: StoreInfo,
    /// `Cluster::node`; empty without a cluster.
    pub(super) node: String,
    pub(super) handle: Option<Handle>,
    pub(super) part: Part,
    pub(super) mailbox: Mailbox,
    pub(super) stop: CancellationToken,
    /// Told the store's name if the thread ends although nobody asked it to.
    pub(super) died: watch::Sender<Option<String>>,
    /// Dropped when the thread has ended.
    pub(super) ended: mpsc::Sender<Infallible>,
}

impl StoreTask {
    /// Starts the thread.
    pub(super) fn start(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new().name(format!("store {}", self.info.name));
        thread.spawn(move || {
            // Dropped last, when the file is closed.
            let _ended = self.ended.clone();
            let _alarm = Alarm { name: self.info.name.clone(), died: self.died.clone(), stop: self.stop.clone() };
            runtime.block_on(self.run());
        })?;
        Ok(())
    }

    async fn run(self) {
        let began = Instant::now();
        let StoreTask { info, node, handle, part, mailbox, stop, .. } = self;
        let now = Now { elapsed: Duration::ZERO, wall: wall_clock() };
        let id = handle.as_ref().map(|handle| handle.id().to_vec()).unwrap_or_default();
        let machine = match part {
            Part::Master(backend) => Machine::Master(Box::new(Master::new(&info.name, &node, &id, now)), backend),
            Part::Clone => Machine::Clone(Box::new(Replica::new(&info, &node, now))),
        };
        let changes = broadcast::channel(WATCHED).0;
        let reports = Reports::new();
        let tickets = HashMap::new();
        let mut store = Running { info, handle, machine, changes, reports, tickets, next_ticket: 0, began };
        let listening = tokio::select! {
            () = stop.cancelled() => return,
            listening = store.listen(&id) => listening,
        };
        if listening.is_some() || store.handle.is_none() {
            store.work(mailbox, listening, stop).await;
        }
    }
}

/// Says so when the thread ends by itself, by a panic too.
struct Alarm {
    name: String,
    died: watch::Sender<Option<String>>,
    stop: CancellationToken,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            self.died.send_replace(Some(std::mem::take(&mut self.name)));
        }
    }
}

enum Machine {
    Master(Box<Master>, Box<dyn Backend>),
    Clone(Box<Replica>),
}

type Reply = oneshot::Sender<Result<Answer, StoreError>>;

struct Running {
    info: StoreInfo,
    handle: Option<Handle>,
    machine: Machine,
    changes: broadcast::Sender<Update>,
    reports: Reports,
    tickets: HashMap<u64, Reply>,
    next_ticket: u64,
    began: Instant,
}

impl Running {
    /// Subscribes to what concerns the store, and says in the log that it is there.
    async fn listen(&self, id: &[u8]) -> Option<Listening> {
        let handle = self.handle.as_ref()?;
        let own = match self.machine {
            Machine::Master(..) => To::Master,
            Machine::Clone(_) => To::One(id.to_vec()),
        };
        // A topic of a node id is text: ids are printable.
        let text = |to: &To| String::from_utf8(topic(&self.info.name, to)).unwrap_or_default();
        let topics = vec![text(&own), text(&To::Clones)];
        let wish = Wish { id: handle.id().clone(), topics, capacity: MESSAGES, ..Wish::default() };
        let kind = if self.info.master { "master" } else { "clone" };
        let listening = handle.listen(wish).await.ok()?;
        handle.log(format!("created {kind} store: {}", self.info.name)).await.ok()?;
        Some(listening)
    }

    /// Works until told to stop, or until the core has ended.
    async fn work(&mut self, mut mailbox: Mailbox, mut listening: Option<Listening>, stop: CancellationToken) {
        let mut asked = Vec::with_capacity(BATCH);
        let mut heard = Vec::new();
        loop {
            let deadline = self.began + self.deadline();
            tokio::select! {
                () = stop.cancelled() => return,
                taken = mailbox.recv_many(&mut asked, BATCH) => if taken == 0 { return },
                message = next(&mut listening) => match message {
                    Some(message) => heard.push(message),
                    None => return,
                },
                () = sleep_until(deadline.into()) => {}
            }
            while heard.len() < BATCH
                && let Some(message) = listening.as_mut().and_then(Listening::try_next)
            {
                heard.push(message);
            }
            while asked.len() < BATCH
                && let Ok(request) = mailbox.try_recv()
            {
                asked.push(request);
            }
            let mut inputs: Vec<Input> = heard.drain(..).filter_map(|heard| self.message(heard)).collect();
            for request in asked.drain(..) {
                self.asked(request, &mut inputs).await;
            }
            self.step(inputs).await;
        }
    }

    fn message(&self, heard: Heard) -> Option<Input> {
        let Heard::Event(event) = heard else { return None };
        let RemoteEvent { topic: on, sender, event } = &*event;
        // The listener matches prefixes, and one store's name may be the beginning of another's topic.
        let own = [To::Master, To::Clones, To::One(self.handle.as_ref()?.id().to_vec())];
        let mine = own.iter().any(|to| topic(&self.info.name, to) == *on);
        let message = mine.then(|| Message::from_event(event)).flatten()?;
        Some(Input::Message { from: sender.clone(), message })
    }

    /// Takes a request; before a question is answered everything is done that was asked before it.
    async fn asked(&mut self, request: Asked, inputs: &mut Vec<Input>) {
        // Whoever asked may have gone meanwhile.
        match request {
            Asked::Operation(operation, reply) => {
                self.next_ticket += 1;
                self.tickets.insert(self.next_ticket, reply);
                inputs.push(Input::Operation { ticket: self.next_ticket, operation });
            }
            Asked::Query(query, reply) => {
                self.flush(inputs).await;
                let _gone = reply.send(self.query(query));
            }
            Asked::Status(reply) => {
                self.flush(inputs).await;
                let _gone = reply.send(self.status());
            }
            Asked::Intervals(intervals) => {
                self.flush(inputs).await;
                let now = self.now();
                if let Machine::Clone(replica) = &mut self.machine {
                    replica.set_intervals(intervals, now);
                }
            }
            Asked::Watch(reply) => {
                self.flush(inputs).await;
                let _gone = reply.send(self.changes.subscribe());
            }
        }
    }

    async fn flush(&mut self, inputs: &mut Vec<Input>) {
        if !inputs.is_empty() {
            self.step(std::mem::take(inputs)).await;
        }
    }

    async fn step(&mut self, inputs: Vec<Input>) {
        let now = self.now();
        let effects = match &mut self.machine {
            Machine::Master(master, backend) => master.step(backend.as_mut(), inputs, now),
            Machine::Clone(replica) => replica.step(inputs, now),
        };
        for effect in effects {
            self.perform(effect, now).await;
        }
    }

    async fn perform(&mut self, effect: Effect, now: Now) {
        match effect {
            Effect::Publish(to, message) => {
                if let Some(handle) = &self.handle {
                    // A core that has ended is noticed where it is listened to.
                    let _ended = handle.publish_or_drop(topic(&self.info.name, &to), message.into_event()).await;
                }
            }
            Effect::Answer(ticket, answer) => {
                if let Some(reply) = self.tickets.remove(&ticket) {
                    let _gone = reply.send(answer);
                }
            }
            Effect::Changed(update) => {
                // Nobody may be watching.
                let _nobody = self.changes.send(update);
            }
            Effect::Report(report) => {
                let told = self.reports.tell(&report, now.elapsed);
                if let Some(handle) = &self.handle
                    && told
                    && report.severity > Severity::Info
                {
                    let _ended = handle.log(report.text).await;
                }
            }
        }
    }

    fn now(&self) -> Now {
        Now { elapsed: self.began.elapsed(), wall: wall_clock() }
    }

    fn deadline(&self) -> Duration {
        let deadline = match &self.machine {
            Machine::Master(master, _) => master.next_deadline(self.now()),
            Machine::Clone(replica) => replica.next_deadline(),
        };
        // What lies further ahead the clock cannot count.
        deadline.min(self.began.elapsed() + DAY)
    }

    fn query(&mut self, query: Query) -> Result<Data, StoreError> {
        let now = self.now();
        match &mut self.machine {
            Machine::Master(master, backend) => master.query(backend.as_mut(), query, now),
            Machine::Clone(replica) => replica.query(query, now),
        }
    }

    fn status(&mut self) -> StoreStatus {
        let size = self.query(Query::Size).ok().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        let (state, master_node, (epoch, seq), pending) = match &self.machine {
            Machine::Master(master, _) => {
                let (state, node) = match master.refuses_because_of() {
                    Some(other) => (StoreState::Refused, other),
                    None => (StoreState::Ready, self.info.master_node.as_str()),
                };
                (state, node, master.position(), 0)
            }
            Machine::Clone(replica) => {
                let state = if replica.is_in_sync() { StoreState::Ready } else { StoreState::Syncing };
                let node = replica.master().map_or(self.info.master_node.as_str(), |(node, _)| node);
                (state, node, replica.position(), replica.pending())
            }
        };
        StoreStatus {
            name: self.info.name.clone(),
            master: self.info.master,
            master_node: master_node.to_owned(),
            backend: self.info.backend,
            state,
            size,
            epoch,
            seq,
            pending: pending as u64,
        }
    }
}

/// The longest that a store sleeps.
const DAY: Duration = Duration::from_secs(86_400);

/// The next thing that is heard; none when the core has ended, never without a cluster.
async fn next(listening: &mut Option<Listening>) -> Option<Heard> {
    match listening {
        Some(listening) => listening.next().await,
        None => std::future::pending().await,
    }
}
