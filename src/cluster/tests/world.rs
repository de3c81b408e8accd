//! Many cores on one network in memory, under a clock that only the test moves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::api::config::NodeEntry;
use crate::cluster::pools::Pools;
use crate::cluster::{ClusterEvent, Core, Effect, Hooks, Input, Limits, Now, Options, Report, Settings};
use crate::data::NodeType;
use crate::simulation::Random;
use crate::transport::memory::{MemoryTransport, Network, Progress, Role};
use crate::transport::{Inbox, Transport};

/// One process.
pub struct Process {
    pub core: Core,
    transport: MemoryTransport,
    inbox: Inbox,
    pub raised: Vec<ClusterEvent>,
    pub log: Vec<String>,
    pub reports: Vec<Report>,
    keeps: Keeps,
    /// Which nodes are up by what was raised, by their places in the layout that the world began with.
    up: Vec<bool>,
    places: Arc<HashMap<String, usize>>,
    /// When its timer is due.
    due: Option<Duration>,
    /// The first promise that it broke.
    broken: Option<String>,
}

/// What of a process is kept for the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// What it raised, logged and reported.
    Everything,
    /// Its state alone.
    Nothing,
}

/// A cluster under test.
pub struct World {
    pub network: Network,
    pub layout: Vec<Arc<NodeEntry>>,
    pub processes: BTreeMap<String, Process>,
    pub now: Duration,
    keeps: Keeps,
    /// Most members of the pool of workers; none for all.
    pool: Option<usize>,
    places: Arc<HashMap<String, usize>>,
    random: Random,
    starts: u32,
    /// The process by the number of its transport.
    names: HashMap<usize, String>,
    /// Processes with something to read, by number.
    pending: Vec<usize>,
    is_pending: Vec<bool>,
    timers: BTreeSet<(Duration, String)>,
}

/// A layout entry of that name; the type is the name's beginning.
pub fn entry(name: &str) -> NodeEntry {
    let node_type = match name.split('-').next() {
        Some("manager") => NodeType::Manager,
        Some("logger") => NodeType::Logger,
        Some("proxy") => NodeType::Proxy,
        Some("control") => NodeType::Control,
        _ => NodeType::Worker,
    };
    NodeEntry {
        name: name.to_owned(),
        node_type,
        host: "here".to_owned(),
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        zone_id: String::new(),
        port: None,
        manager: None,
        metrics_port: None,
    }
}

impl World {
    pub fn new(seed: u64, names: &[&str]) -> World {
        World::of_size(seed, names, Keeps::Everything, None)
    }

    /// A world that keeps only so much of its processes, with pools of at most so many workers.
    pub fn of_size(seed: u64, names: &[&str], keeps: Keeps, pool: Option<usize>) -> World {
        World {
            network: Network::new(seed),
            layout: names.iter().map(|name| Arc::new(entry(name))).collect(),
            processes: BTreeMap::new(),
            now: Duration::ZERO,
            keeps,
            pool,
            places: Arc::new(names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at)).collect()),
            random: Random::new(seed ^ 0x9e37_79b9_7f4a_7c15),
            starts: 0,
            names: HashMap::new(),
            pending: Vec::new(),
            is_pending: Vec::new(),
            timers: BTreeSet::new(),
        }
    }

    /// A world in which all nodes of the layout run and know each other.
    pub fn settled(seed: u64, names: &[&str]) -> World {
        let mut world = World::new(seed, names);
        names.iter().for_each(|name| world.start(name));
        world.run(Duration::from_secs(1));
        world.assert_all_see_each_other();
        world
    }

    /// A number below `bound`.
    pub fn pick(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }

    pub fn now(&self) -> Now {
        Now { elapsed: self.now, wall: 1_700_000_000.0 + self.now.as_secs_f64() }
    }

    pub fn start(&mut self, name: &str) {
        self.starts += 1;
        let id = format!("zeromq_{name}_here_{}_N{}", self.starts, self.starts);
        let (transport, inbox) = self.network.join(&id, Role::Sender);
        let core = Core::new(self.settings(name, &id), Hooks::default());
        self.names.insert(transport.number(), name.to_owned());
        let process = Process {
            core,
            transport,
            inbox,
            raised: Vec::new(),
            log: Vec::new(),
            reports: Vec::new(),
            keeps: self.keeps,
            up: vec![false; self.places.len()],
            places: self.places.clone(),
            due: None,
            broken: None,
        };
        self.processes.insert(name.to_owned(), process);
        self.input(name, Input::Start);
    }

    fn settings(&self, name: &str, id: &str) -> Settings {
        let options = Options::default();
        let mut pools = Pools::new(&options.topics);
        if let Some(workers) = pools.pool_mut(crate::cluster::pools::PoolId::WORKER) {
            workers.spec.max_nodes = self.pool;
        }
        let settings = Settings {
            name: name.to_owned(),
            id: id.to_owned(),
            nodes: self.layout.clone(),
            manager_is_logger: true,
            pools: pools.clone(),
            options,
            limits: Limits::default(),
        };
        settings.with_pools(pools).expect("pools that any layout satisfies")
    }

    /// The process ends; its sockets close.
    pub fn kill(&mut self, name: &str) {
        if let Some(process) = self.processes.remove(name) {
            self.names.remove(&process.transport.number());
            if let Some(at) = process.due {
                self.timers.remove(&(at, name.to_owned()));
            }
        }
    }

    pub fn id(&self, name: &str) -> String {
        self.processes[name].core.node_id().to_owned()
    }

    pub fn input(&mut self, name: &str, input: Input) {
        let now = self.now();
        if let Some(process) = self.processes.get_mut(name) {
            process.step(input, now);
            Self::note_timer(&mut self.timers, name, process);
        }
    }

    fn note_timer(timers: &mut BTreeSet<(Duration, String)>, name: &str, process: &mut Process) {
        let due = process.core.next_deadline();
        if process.due != due {
            if let Some(at) = process.due {
                timers.remove(&(at, name.to_owned()));
            }
            timers.extend(due.map(|at| (at, name.to_owned())));
            process.due = due;
        }
    }

    /// Lets that much time pass; frames take none of it.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            let Some(next) = self.timers.first().map(|(at, _)| *at).filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            let due = self.timers.iter().take_while(|(at, _)| *at <= self.now).map(|(_, name)| name.clone());
            for name in due.collect::<Vec<_>>() {
                self.input(&name, Input::Timer);
                let process = self.processes.get_mut(&name).expect("a timer is that of a process");
                if process.due.is_some_and(|at| at <= self.now) {
                    process.broken.get_or_insert(format!("{name} wants to be woken again at once, for ever"));
                    return;
                }
            }
        }
        self.now = end;
    }

    /// Carries frames and lets the cores see them, interleaved at random, until all is quiet.
    pub fn exchange(&mut self) {
        let most = 8.max(self.processes.len());
        loop {
            let mut quiet = false;
            for _ in 0..=self.pick(most) {
                match self.network.advance() {
                    Progress::Quiet => quiet = true,
                    Progress::Moved => {}
                    Progress::Arrived(number) => self.arrived(number),
                }
            }
            if self.pending.is_empty() {
                if quiet {
                    return;
                }
                continue;
            }
            for _ in 0..=self.pick(self.pending.len()) {
                self.deliver_one();
            }
        }
    }

    fn arrived(&mut self, number: usize) {
        if self.is_pending.len() <= number {
            self.is_pending.resize(number + 1, false);
        }
        if !std::mem::replace(&mut self.is_pending[number], true) {
            self.pending.push(number);
        }
    }

    /// Lets one of those that have something to read read all of it.
    fn deliver_one(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let at = self.random.below(self.pending.len());
        let number = self.pending.swap_remove(at);
        self.is_pending[number] = false;
        let now = self.now();
        let Some(name) = self.names.get(&number) else { return };
        let Some(process) = self.processes.get_mut(name) else { return };
        while let Ok(inbound) = process.inbox.try_recv() {
            process.step(Input::Inbound(inbound), now);
        }
        Self::note_timer(&mut self.timers, name, process);
    }

    /// The first promise that a process broke on the way.
    pub fn check_promises(&self) -> Result<(), String> {
        match self.processes.values().find_map(|process| process.broken.clone()) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    /// Nobody waits for anything any more.
    pub fn check_rest(&self) -> Result<(), String> {
        match self.timers.first() {
            Some((at, name)) => Err(format!("{name} still waits for something, until {at:?}")),
            None => Ok(()),
        }
    }

    /// Each live pair is up for each other under the right id, and nobody else is.
    pub fn check(&self) -> Result<(), String> {
        for (name, process) in &self.processes {
            for peer in process.core.peers() {
                let want = self.processes.get(&peer.entry.name).map(|p| p.core.node_id().to_owned());
                if peer.id != want {
                    return Err(format!("{name} sees {} as {:?}, but it is {want:?}", peer.entry.name, peer.id));
                }
            }
            process.check_history(name)?;
            if let Some(why) = process.core.not_joined_because() {
                return Err(format!("{name} has not joined: {why}"));
            }
        }
        Ok(())
    }

    pub fn assert_all_see_each_other(&self) {
        self.check().unwrap();
    }
}

impl Process {
    fn step(&mut self, input: Input, now: Now) {
        let effects = self.core.step(input, now);
        let most = Limits::default().strangers + self.core.nodes().len();
        if self.core.remembered() > most {
            self.break_promise(|own| format!("{own} remembers more than {most} ids"));
        }
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Raise(event) = &effect {
                self.check_event(event);
            }
            match effect {
                Effect::Subscribe(topic) => self.transport.subscribe(topic.as_bytes()).unwrap(),
                Effect::Unsubscribe(topic) => self.transport.unsubscribe(topic.as_bytes()).unwrap(),
                Effect::Publish(frame) => self.transport.publish(frame).unwrap_or_default(),
                Effect::Log(_) | Effect::Raise(_) | Effect::Report(_) if self.keeps == Keeps::Nothing => {}
                Effect::Log(record) => self.log.push(record.message),
                Effect::Raise(event) => self.raised.push(event),
                Effect::Report(report) => self.reports.push(report),
            }
        }
    }

    /// `node_up` and `node_down` alternate for each peer, and an id is that of the node it names.
    fn check_event(&mut self, event: &ClusterEvent) {
        let (name, id, comes) = match event {
            ClusterEvent::NodeUp { name, id } => (name, id, true),
            ClusterEvent::NodeDown { name, id } => (name, id, false),
            _ => return,
        };
        let of_name = id.strip_prefix("zeromq_").and_then(|rest| rest.strip_prefix(name.as_str()));
        if !of_name.is_some_and(|rest| rest.starts_with('_')) {
            self.break_promise(|own| format!("{own} takes {id} for {name}"));
        }
        let Some(&at) = self.places.get(name) else { return };
        if std::mem::replace(&mut self.up[at], comes) == comes {
            let what = if comes { "up" } else { "down" };
            self.break_promise(|own| format!("{own} raised node_{what}({name}) twice, last with {id}"));
        }
    }

    fn break_promise(&mut self, why: impl FnOnce(&str) -> String) {
        if self.broken.is_none() {
            self.broken = Some(why(self.core.node()));
        }
    }

    /// `node_up` and `node_down` alternate for each peer.
    fn check_history(&self, own: &str) -> Result<(), String> {
        let mut up: BTreeMap<&str, &str> = BTreeMap::new();
        for event in &self.raised {
            match event {
                ClusterEvent::NodeUp { name, id } => {
                    if let Some(before) = up.insert(name, id) {
                        return Err(format!("{own}: node_up({name}, {id}) while it was up as {before}"));
                    }
                }
                ClusterEvent::NodeDown { name, id } if up.remove(name.as_str()) != Some(id) => {
                    return Err(format!("{own}: node_down({name}, {id}) while it was not up"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub fn ups(&self, peer: &str) -> usize {
        self.raised.iter().filter(|event| matches!(event, ClusterEvent::NodeUp { name, .. } if name == peer)).count()
    }

    pub fn downs(&self, peer: &str) -> usize {
        self.raised.iter().filter(|event| matches!(event, ClusterEvent::NodeDown { name, .. } if name == peer)).count()
    }

    pub fn warned(&self, part: &str) -> bool {
        self.reports.iter().any(|report| report.text.contains(part))
    }
}
