//! A master and clones on a network that loses, delays and cuts; a disk that outlives its master. Every message is encoded and
//! decoded on its way.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::cluster::event::Now;
use crate::cluster::stores::{
    Answer, Backend, Definitions, Effect, Input, Master, Memory, Message, Operation, Query, Replica, Scan, StoreError,
    To,
};
use crate::data::Data;
use crate::wire::broker_bin;

/// 2026-01-01.
const BEGIN: f64 = 1_767_225_600.0;
const TICK: Duration = Duration::from_millis(10);

pub(super) struct World {
    pub(super) elapsed: Duration,
    seed: u64,
    /// The disk, the master when it runs, and under which node and id.
    pub(super) masters: BTreeMap<&'static str, Seat>,
    pub(super) clones: BTreeMap<&'static str, Replica>,
    wire: VecDeque<(Duration, Vec<u8>, To, Vec<u8>)>,
    /// One of so many messages is lost; 0 for none.
    pub(super) loses: usize,
    pub(super) cut: Vec<&'static str>,
    next_ticket: u64,
    pub(super) answers: BTreeMap<u64, Result<Answer, StoreError>>,
    pub(super) reports: Vec<String>,
    /// A master dies before it says anything of its next step with writes.
    pub(super) dies_before_it_tells: bool,
}

pub(super) struct Seat {
    pub(super) disk: Box<dyn Backend>,
    pub(super) master: Option<Master>,
    id: Vec<u8>,
    starts: usize,
}

impl Seat {
    /// How often a master began here.
    pub(super) fn starts(&self) -> usize {
        self.starts
    }
}

impl Default for Seat {
    fn default() -> Seat {
        Seat { disk: Box::new(Memory::default()), master: None, id: Vec::new(), starts: 0 }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World {
            elapsed: Duration::from_secs(1),
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            masters: BTreeMap::new(),
            clones: BTreeMap::new(),
            wire: VecDeque::new(),
            loses: 0,
            cut: Vec::new(),
            next_ticket: 0,
            answers: BTreeMap::new(),
            reports: Vec::new(),
            dies_before_it_tells: false,
        }
    }

    pub(super) fn pick(&mut self, among: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 33) as usize % among
    }

    pub(super) fn now(&self) -> Now {
        Now { elapsed: self.elapsed, wall: BEGIN + self.elapsed.as_secs_f64() }
    }

    /// Starts a master on the disk that its former process left.
    pub(super) fn start_master(&mut self, node: &'static str) {
        let now = self.now();
        let seat = self.masters.entry(node).or_default();
        seat.starts += 1;
        seat.id = format!("{node}#{}", seat.starts).into_bytes();
        seat.master = Some(Master::new("s", node, &seat.id, now));
    }

    pub(super) fn kill_master(&mut self, node: &str) {
        self.masters.get_mut(node).expect("known").master = None;
    }

    pub(super) fn start_clone(&mut self, node: &'static str, definitions: &Definitions) {
        let replica = Replica::new(&definitions.fresh("s"), node, self.now());
        self.clones.insert(node, replica);
    }

    /// Hands an operation to a clone.
    pub(super) fn operate(&mut self, node: &'static str, operation: Operation) -> u64 {
        self.next_ticket += 1;
        let (ticket, now) = (self.next_ticket, self.now());
        let clone = self.clones.get_mut(node).expect("a clone");
        let effects = clone.step(vec![Input::Operation { ticket, operation }], now);
        self.perform(node, node.as_bytes().to_vec(), effects);
        ticket
    }

    /// Hands many to a clone at once, under the caller's own tickets.
    pub(super) fn operate_all(&mut self, node: &'static str, inputs: Vec<Input>) {
        let now = self.now();
        let effects = self.clones.get_mut(node).expect("a clone").step(inputs, now);
        self.perform(node, node.as_bytes().to_vec(), effects);
    }

    /// Hands an operation to a master.
    pub(super) fn operate_master(&mut self, node: &'static str, operation: Operation) -> u64 {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.step_master(node, vec![Input::Operation { ticket, operation }]);
        ticket
    }

    pub(super) fn ask(&mut self, node: &str, query: Query) -> Result<Data, StoreError> {
        let now = self.now();
        match self.clones.get_mut(node) {
            Some(clone) => clone.query(query, now),
            None => {
                let seat = self.masters.get_mut(node).expect("known");
                seat.master.as_ref().expect("running").query(seat.disk.as_mut(), query, now)
            }
        }
    }

    pub(super) fn put(&mut self, node: &'static str, key: impl Into<Data>, value: impl Into<Data>) -> u64 {
        self.operate(node, Operation::Put { key: key.into(), value: value.into(), expiry: None })
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while self.elapsed < end {
            self.elapsed += TICK;
            self.deliver();
            let now = self.now();
            let due = |clone: &Replica| clone.next_deadline() <= now.elapsed;
            let clones: Vec<_> = self.clones.iter().filter(|(_, clone)| due(clone)).map(|(node, _)| *node).collect();
            for node in clones {
                let effects = self.clones.get_mut(node).expect("a clone").step(Vec::new(), now);
                self.perform(node, node.as_bytes().to_vec(), effects);
            }
            let due = |seat: &Seat| seat.master.as_ref().is_some_and(|m| m.next_deadline(now) <= now.elapsed);
            let masters: Vec<_> = self.masters.iter().filter(|(_, seat)| due(seat)).map(|(node, _)| *node).collect();
            for node in masters {
                self.step_master(node, Vec::new());
            }
        }
    }

    fn step_master(&mut self, node: &'static str, inputs: Vec<Input>) {
        let now = self.now();
        let Some(seat) = self.masters.get_mut(node) else { return };
        let Some(master) = seat.master.as_mut() else { return };
        let writes = inputs.iter().any(|i| matches!(i, Input::Message { message: Message::Write { .. }, .. }));
        let effects = master.step(seat.disk.as_mut(), inputs, now);
        let id = seat.id.clone();
        if writes && std::mem::take(&mut self.dies_before_it_tells) {
            self.kill_master(node);
            return;
        }
        self.perform(node, id, effects);
    }

    fn perform(&mut self, node: &'static str, id: Vec<u8>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Publish(to, message) => {
                    let lost = self.loses > 0 && self.pick(self.loses) == 0;
                    if !lost && !self.cut.contains(&node) {
                        let delay = TICK * self.pick(3) as u32;
                        // A sender's messages do not overtake each other.
                        let mine = self.wire.iter().filter(|(_, from, ..)| *from == id).map(|(at, ..)| *at);
                        let at = mine.max().unwrap_or_default().max(self.elapsed + delay);
                        self.wire.push_back((at, id.clone(), to, broker_bin::encode_event(&message.into_event())));
                    }
                }
                Effect::Answer(ticket, answer) => {
                    assert!(self.answers.insert(ticket, answer).is_none(), "{ticket} is answered twice");
                }
                Effect::Report(report) => self.reports.push(report.text),
                Effect::Changed(_) => {}
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.elapsed;
        let (due, later): (VecDeque<_>, VecDeque<_>) = self.wire.drain(..).partition(|(at, ..)| *at <= now);
        self.wire = later;
        for (_, from, to, octets) in due {
            let event = broker_bin::decode_event(&octets).expect("what was encoded");
            let message = || Message::from_event(&event).expect("what was said");
            let masters: Vec<_> = self.masters.iter().map(|(node, seat)| (*node, seat.id.clone())).collect();
            for (node, id) in masters {
                if matches!(to, To::Master | To::Clones) && id != from && !self.cut.contains(&node) {
                    self.step_master(node, vec![Input::Message { from: from.clone(), message: message() }]);
                }
            }
            let clones: Vec<&'static str> = self.clones.keys().copied().collect();
            for node in clones {
                let mine = match &to {
                    To::Clones => true,
                    To::One(id) => id == node.as_bytes(),
                    To::Master => false,
                };
                if mine && !self.cut.contains(&node) {
                    let input = Input::Message { from: from.clone(), message: message() };
                    let now = self.now();
                    let effects = self.clones.get_mut(node).expect("a clone").step(vec![input], now);
                    self.perform(node, node.as_bytes().to_vec(), effects);
                }
            }
        }
    }

    /// Whether all clones are equal to this master.
    pub(super) fn check_equal(&mut self, node: &str) -> Result<(), String> {
        let seat = self.masters.get_mut(node).expect("known");
        let everything = Scan { entries: usize::MAX >> 1, octets: usize::MAX };
        let expected = seat.disk.scan(None, everything).expect("a page");
        let expected: BTreeMap<_, _> = expected.into_iter().collect();
        for (name, clone) in &self.clones {
            if !clone.is_in_sync() {
                return Err(format!("{name} is not in sync: {clone:?}"));
            }
            if *clone.data().entries() != expected {
                let (own, all) = (clone.data().entries().len(), expected.len());
                return Err(format!("{name} has {own} entries, or other ones than the {all} of the master"));
            }
        }
        let wall = crate::data::ns_from_seconds(BEGIN + self.elapsed.as_secs_f64());
        assert!(seat.disk.expired(wall, 1).expect("memory").is_empty(), "nothing expired stays");
        Ok(())
    }
}
