//! A clone: a copy that answers queries, and the writes of this node on their way to the master.

use std::collections::VecDeque;
use std::time::Duration;

use super::backend::{Entries, Entry};
use super::error::StoreError;
use super::info::{CloneIntervals, StoreInfo};
use super::master::{HEARTBEAT, WINDOW};
use super::memory::Memory;
use super::message::{Answers, Message, Update, split};
use super::operation::{Answer, Operation};
use super::query::{Query, Unanswered};
use super::topics::To;
use super::{Effect, Input};
use crate::cluster::event::{Now, Report, Severity};
use crate::data::{Data, ns_from_seconds};
use crate::wire::broker_bin;

/// A master of which nothing was heard for so long is gone.
const LOST: Duration = HEARTBEAT.saturating_mul(6);

/// A question to the master that was not answered is asked again after this, a write that was not acknowledged sent again.
const AGAIN: Duration = Duration::from_secs(1);

/// Writes are not sent again faster than this, whatever the master says is missing.
const NOT_BEFORE: Duration = Duration::from_millis(100);

/// A master that is there and acknowledges nothing is waited for at least so long.
const DEAF: Duration = Duration::from_secs(10);

/// The copy of a store on another node than the master's.
#[derive(Debug)]
pub struct Replica {
    store: String,
    node: String,
    resync: Duration,
    stale: Option<Duration>,
    buffer: Duration,
    data: Memory,
    /// The master that was heard last.
    master: Option<Known>,
    attached: bool,
    /// When it was heard.
    heard: Duration,
    lost_since: Duration,
    next_look: Duration,
    /// The epoch and the number of the update that the copy corresponds to; 0, 0 for none.
    epoch: u64,
    seq: u64,
    /// What the copy has to reach to be whole.
    goal: u64,
    /// Whether a whole copy is being fetched, range by range.
    fetching: bool,
    /// What was asked last and has no answer, and when.
    question: Option<(Message, Duration)>,
    /// When the copy was last known to be the master's.
    fresh: Option<Duration>,
    pending: VecDeque<Pending>,
    next_number: u64,
    sent_through: u64,
    sent: Duration,
    sent_again: Duration,
    progress: Duration,
}

#[derive(Debug)]
struct Known {
    id: Vec<u8>,
    epoch: u64,
    node: String,
}

/// How often the master is looked for, at the most.
fn resync(intervals: CloneIntervals) -> Duration {
    intervals.resync.max(Duration::from_millis(10))
}

/// A write that is not acknowledged.
#[derive(Debug)]
struct Pending {
    number: u64,
    ticket: u64,
    operation: Operation,
    at: Duration,
}

impl Replica {
    /// A clone that begins now on node `node`.
    pub fn new(info: &StoreInfo, node: &str, now: Now) -> Replica {
        // Greater than any number that a former clone of this process used: masters remember those.
        let first = ns_from_seconds(now.wall).unsigned_abs().max(1);
        Replica {
            store: info.name.clone(),
            node: node.to_owned(),
            resync: resync(info.clone_intervals()),
            stale: info.clone_stale_interval,
            buffer: info.clone_mutation_buffer_interval,
            data: Memory::default(),
            master: None,
            attached: false,
            heard: now.elapsed,
            lost_since: now.elapsed,
            next_look: now.elapsed,
            epoch: 0,
            seq: 0,
            goal: 0,
            fetching: false,
            question: None,
            fresh: None,
            pending: VecDeque::new(),
            next_number: first,
            sent_through: first - 1,
            sent: now.elapsed,
            sent_again: Duration::ZERO,
            progress: now.elapsed,
        }
    }

    /// Obeys other intervals from now on.
    pub fn set_intervals(&mut self, intervals: CloneIntervals, now: Now) {
        self.resync = resync(intervals);
        self.stale = intervals.stale;
        self.buffer = intervals.mutation_buffer;
        self.next_look = self.next_look.min(now.elapsed + self.resync);
    }

    /// The epoch of the master that the copy is of, and the number of the last update in it.
    pub fn position(&self) -> (u64, u64) {
        (self.epoch, self.seq)
    }

    /// The node of the master that was heard last, and whether it is there.
    pub fn master(&self) -> Option<(&str, bool)> {
        self.master.as_ref().map(|master| (master.node.as_str(), self.attached))
    }

    /// Whether the copy is the master's, as far as can be known.
    pub fn is_in_sync(&self) -> bool {
        let same = self.master.as_ref().is_some_and(|master| master.epoch == self.epoch);
        self.attached && same && !self.fetching && self.seq >= self.goal
    }

    /// The copy.
    pub fn data(&self) -> &Memory {
        &self.data
    }

    /// Writes that wait for an acknowledgement.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// When [`Replica::step`] wants to be called although nothing happened.
    pub fn next_deadline(&self) -> Duration {
        let looking = if self.attached { self.heard + LOST } else { self.next_look };
        let asking = self.question.as_ref().filter(|_| self.attached).map(|(_, asked)| *asked + AGAIN);
        let giving_up = self.pending.front().map(|pending| self.given_up_at(pending));
        let sending = self.pending.front().filter(|_| self.attached).map(|_| self.sent.max(self.progress) + AGAIN);
        [asking, giving_up, sending].into_iter().flatten().fold(looking, Duration::min)
    }

    /// Takes in what happened since the last time; also when nothing did.
    pub fn step(&mut self, inputs: Vec<Input>, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        for input in inputs {
            match input {
                Input::Operation { ticket, operation } => self.write(ticket, operation, now),
                Input::Message { from, message } => self.hear(&from, message, now, &mut effects),
            }
        }
        self.time_passes(now, &mut effects);
        self.send(now, &mut effects);
        effects
    }

    /// Answers a query from the copy.
    ///
    /// # Errors
    /// [`StoreError::Refused`], [`StoreError::Stale`].
    pub fn query(&mut self, query: Query, now: Now) -> Result<Data, StoreError> {
        let stale = |since| StoreError::Stale { store: self.store.clone(), node: self.node.clone(), since };
        let age = now.elapsed.saturating_sub(self.fresh.ok_or_else(|| stale(None))?);
        if !self.is_in_sync() && self.stale.is_some_and(|limit| age > limit) {
            return Err(stale(Some(age)));
        }
        query.answer(&mut self.data, ns_from_seconds(now.wall)).map_err(|error| match error {
            Unanswered::Refused(refusal) => StoreError::Refused(refusal),
            Unanswered::Failed(error) => StoreError::Backend { store: self.store.clone(), reason: error.0 },
        })
    }

    fn write(&mut self, ticket: u64, operation: Operation, now: Now) {
        let number = self.next_number;
        self.next_number += 1;
        self.pending.push_back(Pending { number, ticket, operation, at: now.elapsed });
    }

    fn hear(&mut self, from: &[u8], message: Message, now: Now, effects: &mut Vec<Effect>) {
        if let Message::Heartbeat { epoch, node, seq } = message {
            if self.is_master(from, epoch) && self.attached {
                self.heard = now.elapsed;
            } else if self.follows(from, epoch, &node) {
                self.attach(from, epoch, node, now, effects);
            } else {
                return;
            }
            self.compare(seq, now, effects);
            return;
        }
        let (Message::Update { epoch, .. }
        | Message::Chunk { epoch, .. }
        | Message::Ack { epoch, .. }
        | Message::Missing { epoch, .. }
        | Message::Failed { epoch, .. }) = &message
        else {
            return;
        };
        if !self.attached || !self.is_master(from, *epoch) {
            return;
        }
        self.heard = now.elapsed;
        match message {
            Message::Update { first, updates, .. } => self.update(first, updates, now, effects),
            Message::Chunk { seq, after, upto, entries, .. } => {
                self.chunk(seq, after, upto, entries, now, effects);
            }
            Message::Ack { through, answers, .. } => self.acknowledged(through, answers, now, effects),
            Message::Missing { last, .. } => self.missing(last, now),
            Message::Failed { first, through, reason, .. } => self.failed(first, through, &reason, now, effects),
            _ => {}
        }
        if self.is_in_sync() {
            self.fresh = Some(now.elapsed);
        }
    }

    fn is_master(&self, id: &[u8], epoch: u64) -> bool {
        self.master.as_ref().is_some_and(|master| master.id == id && master.epoch == epoch)
    }

    /// Whether a master that is not the one so far is the one from now on: because there is none, because it is the next
    /// process of the same node, or because it is older and the other one will refuse.
    fn follows(&self, id: &[u8], epoch: u64, node: &str) -> bool {
        match &self.master {
            Some(master) if master.node == node => epoch >= master.epoch,
            Some(master) if self.attached => (epoch, id) < (master.epoch, &master.id),
            _ => true,
        }
    }

    fn attach(&mut self, id: &[u8], epoch: u64, node: String, now: Now, effects: &mut Vec<Effect>) {
        let text = format!("store '{}': {} found the master on {node}", self.store, self.node);
        effects.push(Effect::Report(Report { severity: Severity::Info, text }));
        if self.fetching {
            // What was asked for the next range may be lost, and updates with it: from the beginning.
            (self.epoch, self.seq, self.fetching) = (0, 0, false);
        }
        self.master = Some(Known { id: id.to_vec(), epoch, node });
        self.attached = true;
        self.heard = now.elapsed;
        self.progress = now.elapsed;
        self.question = None;
        // Nobody knows what of it arrived.
        self.sent_through = 0;
        self.sent = Duration::ZERO;
    }

    /// A heartbeat names the last update that there is.
    fn compare(&mut self, seq: u64, now: Now, effects: &mut Vec<Effect>) {
        let epoch = self.master.as_ref().map_or(0, |master| master.epoch);
        if self.epoch == epoch && seq < self.seq {
            // Not the master that the copy is of, although it says so.
            (self.epoch, self.seq) = (0, 0);
        }
        if self.fetching && self.question.is_some() {
            return;
        }
        if self.epoch == epoch && self.seq == seq && self.seq >= self.goal {
            self.question = None;
            self.fresh = Some(now.elapsed);
        } else if self.question.is_none() {
            self.ask(Message::Resync { epoch: self.epoch, seq: self.seq }, now, effects);
        }
    }

    fn ask(&mut self, question: Message, now: Now, effects: &mut Vec<Effect>) {
        effects.push(Effect::Publish(To::Master, question.clone()));
        self.question = Some((question, now.elapsed));
    }

    fn update(&mut self, first: u64, updates: Vec<Update>, now: Now, effects: &mut Vec<Effect>) {
        if self.master.as_ref().is_none_or(|master| master.epoch != self.epoch) {
            return;
        }
        if first > self.seq.saturating_add(1) {
            if self.question.is_none() {
                self.ask(Message::Resync { epoch: self.epoch, seq: self.seq }, now, effects);
            }
            return;
        }
        for (number, update) in (first..).zip(updates) {
            if number == self.seq + 1 {
                self.seq = number;
                self.apply(&update);
                effects.push(Effect::Changed(update));
            }
        }
        if !self.fetching && self.seq >= self.goal {
            self.question = None;
        }
    }

    fn apply(&mut self, update: &Update) {
        match update {
            Update::Put { key, value, expiry } => {
                self.data.insert(&broker_bin::encode(key), Entry { value: value.clone(), expiry: *expiry });
            }
            Update::Erase { key } | Update::Expire { key } => self.data.remove(&broker_bin::encode(key)),
            Update::Clear => self.data.wipe(),
        }
    }

    /// One range of the whole. Ranges are read at different times; updates meanwhile are applied in between, and those that
    /// a range has already do no harm, because an update says what is, not what to do.
    fn chunk(
        &mut self,
        seq: u64,
        after: Option<Vec<u8>>,
        upto: Option<Vec<u8>>,
        entries: Entries,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let epoch = self.master.as_ref().map_or(0, |master| master.epoch);
        let wanted = match (&self.question, &after) {
            (Some((Message::Resync { .. }, _)), None) => true,
            (Some((Message::Fetch { after: asked, .. }, _)), Some(after)) => asked == after,
            _ => false,
        };
        if !wanted {
            return;
        }
        if after.is_none() {
            (self.epoch, self.seq, self.goal) = (epoch, seq, seq);
        }
        self.goal = self.goal.max(seq);
        let (gone, changed) = self.data.replace(after.as_deref(), upto.as_deref(), entries);
        let keys = gone.iter().filter_map(|key| broker_bin::decode(key).ok());
        effects.extend(keys.map(|key| Effect::Changed(Update::Erase { key })));
        let entries = changed.into_iter().filter_map(|(key, entry)| Some((broker_bin::decode(&key).ok()?, entry)));
        effects
            .extend(entries.map(|(key, Entry { value, expiry })| Effect::Changed(Update::Put { key, value, expiry })));
        self.question = None;
        self.fetching = upto.is_some();
        match upto {
            Some(after) => self.ask(Message::Fetch { epoch, after }, now, effects),
            None if self.seq < self.goal => self.ask(Message::Resync { epoch, seq: self.seq }, now, effects),
            None => {}
        }
    }

    fn acknowledged(&mut self, through: u64, mut answers: Answers, now: Now, effects: &mut Vec<Effect>) {
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.number <= through) {
            let answer = answers.remove(&pending.number).unwrap_or(Ok(Answer::Done));
            effects.push(Effect::Answer(pending.ticket, answer.map_err(StoreError::Refused)));
            self.progress = now.elapsed;
        }
    }

    fn missing(&mut self, last: u64, now: Now) {
        if now.elapsed >= self.sent_again + NOT_BEFORE {
            self.sent_again = now.elapsed;
            self.sent_through = self.sent_through.min(last);
        }
    }

    fn failed(&mut self, first: u64, through: u64, reason: &str, now: Now, effects: &mut Vec<Effect>) {
        let failed = |pending: &Pending| (first..=through).contains(&pending.number);
        let error = || StoreError::Backend { store: self.store.clone(), reason: reason.to_owned() };
        let answers = self.pending.iter().filter(|pending| failed(pending));
        effects.extend(answers.map(|pending| Effect::Answer(pending.ticket, Err(error()))));
        self.pending.retain(|pending| !failed(pending));
        self.progress = now.elapsed;
    }

    fn time_passes(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.attached && now.elapsed >= self.heard + LOST {
            self.attached = false;
            self.lost_since = now.elapsed;
            self.next_look = now.elapsed;
            self.question = None;
            let node = self.master.as_ref().map_or("", |master| master.node.as_str());
            let text = format!("store '{}': {} lost the master on {node}", self.store, self.node);
            effects.push(Effect::Report(Report { severity: Severity::Warning, text }));
        }
        if !self.attached && now.elapsed >= self.next_look {
            let question = Message::Resync { epoch: self.epoch, seq: self.seq };
            effects.push(Effect::Publish(To::Master, question));
            self.next_look = now.elapsed + self.resync;
        }
        if let Some((question, asked)) = &self.question
            && self.attached
            && now.elapsed >= *asked + AGAIN
        {
            self.ask(question.clone(), now, effects);
        }
        while let Some(pending) = self.pending.front()
            && now.elapsed >= self.given_up_at(pending)
        {
            let after = now.elapsed.saturating_sub(pending.at);
            let error = StoreError::NoMaster { store: self.store.clone(), after };
            effects.push(Effect::Answer(pending.ticket, Err(error)));
            self.pending.pop_front();
        }
    }

    fn given_up_at(&self, pending: &Pending) -> Duration {
        match self.attached {
            true => pending.at.max(self.progress) + self.buffer.max(DEAF),
            false => pending.at.max(self.lost_since) + self.buffer,
        }
    }

    /// Sends what was not sent yet, or all again of which nothing was heard for long, as far as the window allows.
    fn send(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(front) = self.pending.front().filter(|_| self.attached) else { return };
        let base = front.number;
        if now.elapsed >= self.sent.max(self.progress) + AGAIN {
            self.sent_through = 0;
        }
        let end = base.saturating_add(WINDOW);
        let start = self.pending.partition_point(|pending| pending.number <= self.sent_through);
        let unsent = self.pending.range(start..).take_while(|pending| pending.number < end);
        let mut last = self.sent_through;
        // A part has numbers without a hole: writes that failed are gone from between them.
        let parts = split(unsent, |pending| pending.operation.weight());
        for part in parts.iter().flat_map(|part| part.chunk_by(|a, b| a.number + 1 == b.number)) {
            let operations = part.iter().map(|pending| pending.operation.clone()).collect();
            effects.push(Effect::Publish(To::Master, Message::Write { base, first: part[0].number, operations }));
            last = part[part.len() - 1].number;
        }
        if last != self.sent_through {
            self.sent_through = last;
            self.sent = now.elapsed;
        }
    }
}
