//! Many cores on one network in memory, under a clock that only the test moves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::api::config::NodeEntry;
use crate::cluster::{ClusterEvent, Core, Effect, Hooks, Input, Now, Report, Settings};
use crate::data::NodeType;
use crate::transport::memory::{MemoryTransport, Network, Role};
use crate::transport::{Inbox, Transport};

/// One process.
pub struct Process {
    pub core: Core,
    transport: MemoryTransport,
    inbox: Inbox,
    pub raised: Vec<ClusterEvent>,
    pub log: Vec<String>,
    pub reports: Vec<Report>,
}

/// A cluster under test.
pub struct World {
    pub network: Network,
    pub layout: Vec<NodeEntry>,
    pub processes: BTreeMap<String, Process>,
    pub now: Duration,
    random: u64,
    starts: u32,
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
        World {
            network: Network::new(seed),
            layout: names.iter().map(|name| entry(name)).collect(),
            processes: BTreeMap::new(),
            now: Duration::ZERO,
            random: seed ^ 0x9e37_79b9_7f4a_7c15,
            starts: 0,
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
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) as usize) % bound.max(1)
    }

    pub fn now(&self) -> Now {
        Now { elapsed: self.now, wall: 1_700_000_000.0 + self.now.as_secs_f64() }
    }

    pub fn start(&mut self, name: &str) {
        self.starts += 1;
        let id = format!("zeromq_{name}_here_{}_N{}", self.starts, self.starts);
        let (transport, inbox) = self.network.join(&id, Role::Sender);
        let core = Core::new(Settings::new(name, &id, self.layout.clone(), true), Hooks::default());
        let process = Process { core, transport, inbox, raised: Vec::new(), log: Vec::new(), reports: Vec::new() };
        self.processes.insert(name.to_owned(), process);
        self.input(name, Input::Start);
    }

    /// The process ends; its sockets close.
    pub fn kill(&mut self, name: &str) {
        self.processes.remove(name);
    }

    pub fn id(&self, name: &str) -> String {
        self.processes[name].core.node_id().to_owned()
    }

    pub fn input(&mut self, name: &str, input: Input) {
        let now = self.now();
        if let Some(process) = self.processes.get_mut(name) {
            let effects = process.core.step(input, now);
            process.perform(effects);
        }
    }

    /// Lets that much time pass; frames take none of it.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            let next = self.processes.values().filter_map(|process| process.core.next_deadline()).min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            let names: Vec<String> = self.processes.keys().cloned().collect();
            names.iter().for_each(|name| self.input(name, Input::Timer));
        }
        self.now = end;
    }

    /// Carries frames and lets the cores see them, interleaved at random, until all is quiet.
    pub fn exchange(&mut self) {
        loop {
            let steps = 1 + self.pick(8);
            let mut moved = false;
            for _ in 0..steps {
                moved |= self.network.step();
            }
            let names: Vec<String> = self.processes.keys().cloned().collect();
            for name in names {
                if self.pick(3) > 0 || !moved {
                    moved |= self.deliver(&name);
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn deliver(&mut self, name: &str) -> bool {
        let now = self.now();
        let Some(process) = self.processes.get_mut(name) else { return false };
        let mut any = false;
        while let Ok(inbound) = process.inbox.try_recv() {
            let effects = process.core.step(Input::Inbound(inbound), now);
            process.perform(effects);
            any = true;
        }
        any
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
    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Subscribe(topic) => self.transport.subscribe(topic.as_bytes()).unwrap(),
                Effect::Unsubscribe(topic) => self.transport.unsubscribe(topic.as_bytes()).unwrap(),
                Effect::Publish(frame) => self.transport.publish(frame).unwrap_or_default(),
                Effect::Log(record) => self.log.push(record.message),
                Effect::Raise(event) => self.raised.push(event),
                Effect::Report(report) => self.reports.push(report),
            }
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
