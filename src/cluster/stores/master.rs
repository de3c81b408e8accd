//! The master: applies writes in a transaction, numbers what changed, and only then tells of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::backend::{Backend, BackendError, Entry, Scan, Writer};
use super::error::{Refusal, StoreError};
use super::message::{MAX_ITEMS, MAX_OCTETS, Message, Update, split};
use super::operation::{Answer, Change, Operation};
use super::query::{Query, Unanswered, value};
use super::topics::To;
use super::{Effect, Input};
use crate::cluster::event::{Now, Report, Severity};
use crate::data::{Data, ns_from_seconds};
use crate::wire::broker_bin;

/// How often a master shows that it is there, whatever else it says. Broker's interval (`broker.md` 6.3).
pub(super) const HEARTBEAT: Duration = Duration::from_millis(500);

/// After so much silence another master counts as gone.
const RIVAL_GONE: Duration = Duration::from_secs(3);

/// Updates that are kept for clones that missed some; whoever missed more gets everything.
const KEPT_UPDATES: usize = 16_384;
const KEPT_OCTETS: usize = 16 << 20;

/// Writes of one clone whose answers are remembered; no clone has more on the way.
pub(super) const WINDOW: u64 = 4096;

/// How long a backend that failed is left alone by what can wait.
const PAUSE: Duration = Duration::from_secs(1);

/// Expired keys that are removed in one step.
const EXPIRE_AT_ONCE: usize = 1000;

/// The one that holds the data of a store.
#[derive(Debug)]
pub struct Master {
    store: String,
    node: String,
    id: Vec<u8>,
    epoch: u64,
    /// Number of the last update.
    seq: u64,
    recent: VecDeque<Update>,
    recent_octets: usize,
    next_heartbeat: Duration,
    /// The older master, because of which this one refuses.
    older: Option<Rival>,
    /// The last younger master that was reported.
    younger: Option<Vec<u8>>,
    next_expiry: Option<i64>,
    /// The backend failed; what expires waits so long.
    pause_until: Duration,
}

#[derive(Debug)]
struct Rival {
    id: Vec<u8>,
    node: String,
    heard: Duration,
}

/// What comes of a step, before it is durable.
#[derive(Default)]
struct Batch {
    updates: Vec<Update>,
    answers: Vec<(u64, Result<Answer, StoreError>)>,
    writers: BTreeMap<Vec<u8>, Writing>,
    /// Reads of clones, which are to see this batch.
    questions: Vec<(Vec<u8>, Message)>,
}

/// What one clone wrote in a batch.
struct Writing {
    writer: Writer,
    /// Numbers of the writes that came, for the case that nothing of this can be kept.
    came: Option<(u64, u64)>,
    missing: bool,
}

impl Master {
    /// A master that begins now on node `node` with id `id`.
    pub fn new(store: &str, node: &str, id: &[u8], now: Now) -> Master {
        Master {
            store: store.to_owned(),
            node: node.to_owned(),
            id: id.to_vec(),
            epoch: ns_from_seconds(now.wall).unsigned_abs(),
            seq: 0,
            recent: VecDeque::new(),
            recent_octets: 0,
            next_heartbeat: now.elapsed,
            older: None,
            younger: None,
            next_expiry: None,
            pause_until: Duration::ZERO,
        }
    }

    /// When it began (nanoseconds since the epoch), and the number of its last update.
    pub fn position(&self) -> (u64, u64) {
        (self.epoch, self.seq)
    }

    /// The node because of which this master refuses; none when it is in office.
    pub fn refuses_because_of(&self) -> Option<&str> {
        self.older.as_ref().map(|rival| rival.node.as_str())
    }

    /// When [`Master::step`] wants to be called although nothing happened.
    pub fn next_deadline(&self, now: Now) -> Duration {
        let rival = self.older.as_ref().map(|rival| rival.heard + RIVAL_GONE);
        let expiry = self.next_expiry.filter(|_| self.older.is_none()).map(|expiry| {
            let left = expiry.saturating_sub(ns_from_seconds(now.wall)).max(0);
            (now.elapsed + Duration::from_nanos(left.unsigned_abs())).max(self.pause_until)
        });
        rival.unwrap_or(self.next_heartbeat).min(expiry.unwrap_or(Duration::MAX))
    }

    /// Takes in what happened since the last time; also when nothing did. All inputs of one call are one transaction.
    pub fn step(&mut self, backend: &mut dyn Backend, inputs: Vec<Input>, now: Now) -> Vec<Effect> {
        let mut effects = self.watch_rivals(&inputs, now);
        if let Some(older) = &self.older {
            let error = || StoreError::SecondMaster {
                store: self.store.clone(),
                node: self.node.clone(),
                other: older.node.clone(),
            };
            effects.extend(tickets(&inputs).map(|ticket| Effect::Answer(ticket, Err(error()))));
            return effects;
        }
        let (tickets, writes) = (tickets(&inputs).collect::<Vec<_>>(), written(&inputs));
        match self.transact(backend, inputs, now) {
            Ok(batch) => self.tell(backend, batch, &mut effects),
            Err(error) => {
                self.pause_until = now.elapsed + PAUSE;
                self.fail(&error, tickets, writes, &mut effects);
            }
        }
        // A backend that cannot say so now is asked again at the next step.
        self.next_expiry = backend.next_expiry().unwrap_or_default();
        if now.elapsed >= self.next_heartbeat {
            effects.push(Effect::Publish(To::Clones, self.heartbeat()));
            self.next_heartbeat = now.elapsed + HEARTBEAT;
        }
        effects
    }

    /// Answers a query from what is durable.
    ///
    /// # Errors
    /// [`StoreError::Refused`], [`StoreError::Backend`], [`StoreError::SecondMaster`].
    pub fn query(&self, backend: &mut dyn Backend, query: Query, now: Now) -> Result<Data, StoreError> {
        if let Some(older) = &self.older {
            let (store, node, other) = (self.store.clone(), self.node.clone(), older.node.clone());
            return Err(StoreError::SecondMaster { store, node, other });
        }
        query.answer(backend, ns_from_seconds(now.wall)).map_err(|error| match error {
            Unanswered::Refused(refusal) => StoreError::Refused(refusal),
            Unanswered::Failed(error) => self.backend_error(&error),
        })
    }

    fn backend_error(&self, error: &BackendError) -> StoreError {
        StoreError::Backend { store: self.store.clone(), reason: error.0.clone() }
    }

    fn heartbeat(&self) -> Message {
        Message::Heartbeat { epoch: self.epoch, node: self.node.clone(), seq: self.seq }
    }

    /// Of two masters the one that began first stays. A former process of this very node is no rival: it is dead.
    fn watch_rivals(&mut self, inputs: &[Input], now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        for input in inputs {
            if let Input::Message { from, message: Message::Heartbeat { epoch, node, .. } } = input
                && *node != self.node
            {
                match (*epoch, from) < (self.epoch, &self.id) {
                    true => effects.extend(self.yield_to(from, node, now)),
                    false => effects.extend(self.stand_against(from, node)),
                }
            }
        }
        if let Some(older) = &self.older
            && now.elapsed >= older.heard + RIVAL_GONE
        {
            let text = format!(
                "store '{}': master {} is gone; {} is the master from now on",
                self.store, older.node, self.node
            );
            effects.push(Effect::Report(Report { severity: Severity::Warning, text }));
            self.older = None;
            self.next_heartbeat = now.elapsed;
        }
        effects
    }

    fn yield_to(&mut self, id: &[u8], node: &str, now: Now) -> Option<Effect> {
        let known = self.older.as_ref().is_some_and(|older| older.id == id);
        self.older = Some(Rival { id: id.to_vec(), node: node.to_owned(), heard: now.elapsed });
        let text = format!(
            "store '{}': {node} is its master already; {} refuses to be a second one until that one is gone",
            self.store, self.node
        );
        (!known).then_some(Effect::Report(Report { severity: Severity::Error, text }))
    }

    fn stand_against(&mut self, id: &[u8], node: &str) -> Vec<Effect> {
        if self.older.is_some() || self.younger.as_deref() == Some(id) {
            return Vec::new();
        }
        self.younger = Some(id.to_vec());
        let text = format!(
            "store '{}': {node} began as a second master and is refused; {} is the master",
            self.store, self.node
        );
        let report = Effect::Report(Report { severity: Severity::Error, text });
        vec![report, Effect::Publish(To::Clones, self.heartbeat())]
    }

    /// Applies all inputs, or nothing.
    fn transact(&self, backend: &mut dyn Backend, inputs: Vec<Input>, now: Now) -> Result<Batch, BackendError> {
        let wall = ns_from_seconds(now.wall);
        let mut batch = Batch::default();
        let paused = now.elapsed < self.pause_until;
        let expires = !paused && self.next_expiry.is_some_and(|expiry| expiry <= wall);
        let writes = |input: &Input| {
            matches!(input, Input::Operation { .. } | Input::Message { message: Message::Write { .. }, .. })
        };
        let changes = expires || inputs.iter().any(writes);
        if changes {
            backend.begin()?;
        }
        let done = take_all(backend, &mut batch, inputs, wall, expires);
        let done = done.and_then(|()| if changes { backend.commit() } else { Ok(()) });
        if done.is_err() && changes {
            backend.rollback();
        }
        done.map(|()| batch)
    }

    /// What is durable now is told.
    fn tell(&mut self, backend: &mut dyn Backend, batch: Batch, effects: &mut Vec<Effect>) {
        let first = self.seq + 1;
        self.seq += batch.updates.len() as u64;
        let mut next = first;
        for updates in split(batch.updates.iter().cloned(), Update::weight) {
            let count = updates.len() as u64;
            effects.push(Effect::Publish(To::Clones, Message::Update { epoch: self.epoch, first: next, updates }));
            next += count;
        }
        effects.extend(batch.updates.iter().cloned().map(Effect::Changed));
        self.keep(batch.updates);
        effects.extend(batch.answers.into_iter().map(|(ticket, answer)| Effect::Answer(ticket, answer)));
        for (id, Writing { writer, missing, .. }) in batch.writers {
            let (epoch, last) = (self.epoch, writer.last);
            let message = match missing {
                true => Message::Missing { epoch, last },
                false => Message::Ack { epoch, through: last, answers: writer.answers },
            };
            effects.push(Effect::Publish(To::One(id), message));
        }
        for (from, question) in batch.questions {
            match self.reply(backend, &question) {
                Ok(replies) => {
                    effects.extend(replies.into_iter().map(|reply| Effect::Publish(To::One(from.clone()), reply)));
                }
                Err(error) => effects.push(self.report(&error)),
            }
        }
    }

    fn keep(&mut self, updates: Vec<Update>) {
        self.recent_octets += updates.iter().map(Update::weight).sum::<usize>();
        self.recent.extend(updates);
        while self.recent.len() > KEPT_UPDATES || self.recent_octets > KEPT_OCTETS {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.recent_octets -= oldest.weight();
        }
    }

    /// Nothing was kept: everybody who wanted something hears of it.
    fn fail(
        &self,
        error: &BackendError,
        tickets: Vec<u64>,
        writes: Vec<(Vec<u8>, u64, u64)>,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(self.report(error));
        effects.extend(tickets.into_iter().map(|ticket| Effect::Answer(ticket, Err(self.backend_error(error)))));
        for (id, first, through) in writes {
            let message = Message::Failed { epoch: self.epoch, first, through, reason: error.0.clone() };
            effects.push(Effect::Publish(To::One(id), message));
        }
    }

    fn report(&self, error: &BackendError) -> Effect {
        let text = self.backend_error(error).to_string();
        Effect::Report(Report { severity: Severity::Error, text })
    }

    /// What a clone that asks is told.
    fn reply(&self, backend: &mut dyn Backend, question: &Message) -> Result<Vec<Message>, BackendError> {
        match question {
            Message::Resync { epoch, seq } if *epoch == self.epoch && *seq == self.seq => Ok(vec![self.heartbeat()]),
            Message::Resync { epoch, seq } if *epoch == self.epoch && self.still_has(*seq) => Ok(self.since(*seq)),
            // The heartbeat first: a clone listens to nobody whom it does not know.
            Message::Resync { .. } => self.chunk(backend, None).map(|chunk| vec![self.heartbeat(), chunk]),
            Message::Fetch { epoch, after } if *epoch == self.epoch => {
                self.chunk(backend, Some(after)).map(|chunk| vec![chunk])
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whether all updates after this number are kept.
    fn still_has(&self, seq: u64) -> bool {
        seq < self.seq && self.seq - seq <= self.recent.len() as u64
    }

    fn since(&self, seq: u64) -> Vec<Message> {
        let skipped = self.recent.len() - usize::try_from(self.seq - seq).unwrap_or_default();
        let mut first = seq + 1;
        let parts = split(self.recent.iter().skip(skipped).cloned(), Update::weight);
        let message = |updates: Vec<Update>| {
            let message = Message::Update { epoch: self.epoch, first, updates };
            if let Message::Update { updates, .. } = &message {
                first += updates.len() as u64;
            }
            message
        };
        parts.into_iter().map(message).collect()
    }

    fn chunk(&self, backend: &mut dyn Backend, after: Option<&Vec<u8>>) -> Result<Message, BackendError> {
        let page = Scan { entries: MAX_ITEMS, octets: MAX_OCTETS };
        let entries = backend.scan(after.map(Vec::as_slice), page)?;
        // Whether there is more is asked now: at the clone's next question somebody may have added to the end again.
        let last = entries.last().map(|(key, _)| key.clone());
        let upto = match last {
            Some(last) if !backend.scan(Some(&last), Scan { entries: 1, ..page })?.is_empty() => Some(last),
            _ => None,
        };
        Ok(Message::Chunk { epoch: self.epoch, seq: self.seq, after: after.cloned(), upto, entries })
    }
}

fn tickets(inputs: &[Input]) -> impl Iterator<Item = u64> + '_ {
    inputs.iter().filter_map(|input| match input {
        Input::Operation { ticket, .. } => Some(*ticket),
        Input::Message { .. } => None,
    })
}

/// Who sent which writes.
fn written(inputs: &[Input]) -> Vec<(Vec<u8>, u64, u64)> {
    let writes = inputs.iter().filter_map(|input| match input {
        Input::Message { from, message: Message::Write { first, operations, .. } } => {
            Some((from.clone(), *first, first.saturating_add(operations.len() as u64).saturating_sub(1)))
        }
        _ => None,
    });
    writes.collect()
}

fn take_all(
    backend: &mut dyn Backend,
    batch: &mut Batch,
    inputs: Vec<Input>,
    wall: i64,
    expires: bool,
) -> Result<(), BackendError> {
    if expires {
        expire(backend, batch, wall)?;
    }
    for input in inputs {
        match input {
            Input::Operation { ticket, operation } => {
                let answer = apply(backend, batch, operation, wall)?;
                batch.answers.push((ticket, answer.map_err(StoreError::Refused)));
            }
            Input::Message { from, message: Message::Write { base, first, operations } } => {
                take_writes(backend, batch, from, base, (first, operations), wall)?;
            }
            Input::Message { from, message } => batch.questions.push((from, message)),
        }
    }
    for (id, Writing { writer, .. }) in batch.writers.iter().filter(|(_, writing)| writing.came.is_some()) {
        backend.remember(id, writer, wall)?;
    }
    Ok(())
}

fn expire(backend: &mut dyn Backend, batch: &mut Batch, wall: i64) -> Result<(), BackendError> {
    for key in backend.expired(wall, EXPIRE_AT_ONCE)? {
        backend.erase(&key)?;
        if let Ok(key) = broker_bin::decode(&key) {
            batch.updates.push(Update::Expire { key });
        }
    }
    Ok(())
}

/// Applies a clone's writes in the order of their numbers, each once. Those after a hole wait for what is missing.
fn take_writes(
    backend: &mut dyn Backend,
    batch: &mut Batch,
    from: Vec<u8>,
    base: u64,
    (first, operations): (u64, Vec<Operation>),
    wall: i64,
) -> Result<(), BackendError> {
    let mut writing = match batch.writers.remove(&from) {
        Some(writing) => writing,
        None => {
            let known = backend.writer(&from)?;
            let writer = known.unwrap_or(Writer { last: base.saturating_sub(1), ..Writer::default() });
            Writing { writer, came: None, missing: false }
        }
    };
    // What lies before its base the clone does not want any more, whether it was applied or given up.
    let last = writing.writer.last.max(base.saturating_sub(1));
    writing.missing = first > last.saturating_add(1);
    if !writing.missing {
        writing.writer.last = last;
        writing.writer.answers = writing.writer.answers.split_off(&base);
        for (number, operation) in (first..).zip(operations) {
            if number <= writing.writer.last {
                continue;
            }
            let answer = apply(backend, batch, operation, wall)?;
            if answer != Ok(Answer::Done) {
                writing.writer.answers.insert(number, answer);
            }
            writing.writer.last = number;
        }
        while writing.writer.answers.len() as u64 > WINDOW {
            writing.writer.answers.pop_first();
        }
        let (from, through) = writing.came.unwrap_or((first, first));
        writing.came = Some((from.min(first), through.max(writing.writer.last)));
    }
    batch.writers.insert(from, writing);
    Ok(())
}

fn apply(
    backend: &mut dyn Backend,
    batch: &mut Batch,
    operation: Operation,
    wall: i64,
) -> Result<Result<Answer, Refusal>, BackendError> {
    let Some(key) = operation.key().cloned() else {
        backend.clear()?;
        batch.updates.push(Update::Clear);
        return Ok(Ok(Answer::Done));
    };
    let current = if operation.needs_current() { value(backend, &key, wall)? } else { None };
    let (change, answer) = match operation.apply(current) {
        Ok(done) => done,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match change {
        Change::Put(value, expiry) => {
            let expiry = expiry.filter(|expiry| !expiry.is_zero());
            let expiry = expiry.map(|after| wall.saturating_add(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)));
            backend.put(&broker_bin::encode(&key), Entry { value: value.clone(), expiry })?;
            batch.updates.push(Update::Put { key, value, expiry });
        }
        Change::Erase => {
            backend.erase(&broker_bin::encode(&key))?;
            batch.updates.push(Update::Erase { key });
        }
        Change::Clear | Change::None => {}
    }
    Ok(Ok(answer))
}
