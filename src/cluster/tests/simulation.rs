//! Stories of many nodes, chosen by a seed: nodes come, go and are cut off, the hub is lost, events are lost, the layout
//! changes. At each step of each node: `node_up` and `node_down` alternate, ids belong to their names, no timer wants to be
//! woken for ever, what is remembered is bounded. After all is quiet: every view is the truth, and nobody waits any more.

use std::time::{Duration, Instant};

use super::world::{Keeps, World, entry};
use crate::cluster::Input;
use crate::simulation::{Random, number, play_all, seed};
use crate::transport::Transport;
use crate::transport::memory::Role;

/// Long enough for every repetition of a hello, and for a peer that gives no sign of life.
const QUIET: Duration = Duration::from_secs(200);
/// `ZEEK_CLUSTER_NODES`: how many nodes the large simulation has, where it is run by hand.
const NODES: &str = "ZEEK_CLUSTER_NODES";

/// Something that happens. A node is the place of its name in the layout, counted on from the first one beyond the last;
/// what cannot happen, such as the end of a node that does not run, changes nothing: each part of a story is a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// All nodes that do not run start, in an order that the seed decides, so many at once.
    StartAll {
        at_once: usize,
    },
    Start(usize),
    Kill(usize),
    Cut(usize),
    Heal(usize),
    StopHub,
    StartHub,
    /// From now on one event of so many is lost.
    LoseOneOf(u64),
    LoseNothing,
    /// So many processes of which no layout knows subscribe as nodes do, and end.
    Strangers(usize),
    /// All nodes take over a layout without this node, or with it where it has none.
    ToggleInLayout(usize),
    /// What is under way arrives.
    Exchange,
    /// Time passes, in milliseconds.
    Wait(u64),
}

/// So many steps, as a seed chooses them, in a cluster whose nodes have all been started.
fn story(seed: u64, steps: usize) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut story = vec![Step::StartAll { at_once: 1 + random.below(40) }, Step::Wait(1000)];
    for _ in 0..steps {
        let node = random.below(1000);
        story.push(match random.below(22) {
            0..3 => Step::Start(node),
            3..6 => Step::Kill(node),
            6..8 => Step::Cut(node),
            8..10 => Step::Heal(node),
            10 => Step::StopHub,
            11..13 => Step::StartHub,
            13 => Step::LoseOneOf(2 + random.below(6) as u64),
            14 => Step::LoseNothing,
            15 => Step::Strangers(1 + random.below(20)),
            16 => Step::ToggleInLayout(node),
            17 | 18 => Step::Exchange,
            19 | 20 => Step::Wait(130),
            _ => Step::Wait(4000),
        });
    }
    story
}

/// Names of a layout of that size: a manager, a logger and a proxy in each fifty, and workers.
fn names(count: usize) -> Vec<String> {
    let few = count.div_ceil(50);
    let name = |at: usize| match at {
        0 => "manager".to_owned(),
        at if at <= few => format!("logger-{at}"),
        at if at <= 2 * few => format!("proxy-{}", at - few),
        at => format!("worker-{}", at - 2 * few),
    };
    (0..count).map(name).collect()
}

/// A world and what its story has made of it.
struct Play {
    world: World,
    seed: u64,
    names: Vec<String>,
    hub: bool,
    cut: Vec<String>,
    left_out: Vec<String>,
    strangers: usize,
}

impl Play {
    fn new(seed: u64, nodes: usize, pool: Option<usize>) -> Play {
        let names = names(nodes);
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        let world = World::of_size(seed, &refs, Keeps::Nothing, pool);
        Play { world, seed, names, hub: true, cut: Vec::new(), left_out: Vec::new(), strangers: 0 }
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::StartAll { at_once } => self.start_all(at_once),
            Step::Start(node) => self.start(node),
            Step::Kill(node) => self.world.kill(&self.names[node % self.names.len()]),
            Step::Cut(node) => self.cut(node),
            Step::Heal(node) if !self.cut.is_empty() => {
                let id = self.cut.swap_remove(node % self.cut.len());
                self.world.network.heal(&id);
            }
            Step::StopHub if self.hub => self.switch_hub(false),
            Step::StartHub if !self.hub => self.switch_hub(true),
            Step::Heal(_) | Step::StopHub | Step::StartHub => {}
            Step::LoseOneOf(share) => self.lose(share),
            Step::LoseNothing => self.world.network.lose_nothing(),
            Step::Strangers(count) => self.pass_by(count),
            Step::ToggleInLayout(node) => self.toggle(node),
            Step::Exchange => self.world.exchange(),
            Step::Wait(ms) => self.world.run(Duration::from_millis(ms)),
        }
    }

    /// A node that the layout does not have cannot be started; one that runs already goes on.
    fn start(&mut self, node: usize) {
        let name = &self.names[node % self.names.len()];
        if !self.world.processes.contains_key(name) && !self.left_out.contains(name) {
            self.world.start(name);
        }
    }

    fn start_all(&mut self, at_once: usize) {
        let mut waiting: Vec<usize> = (0..self.names.len()).collect();
        while !waiting.is_empty() {
            for _ in 0..at_once.min(waiting.len()) {
                let at = self.world.pick(waiting.len());
                self.start(waiting.swap_remove(at));
            }
            self.world.exchange();
        }
    }

    fn cut(&mut self, node: usize) {
        let name = &self.names[node % self.names.len()];
        if self.world.processes.contains_key(name) {
            let id = self.world.id(name);
            self.world.network.cut(&id);
            self.cut.push(id);
        }
    }

    fn switch_hub(&mut self, on: bool) {
        match on {
            true => self.world.network.start_hub(),
            false => self.world.network.stop_hub(),
        }
        self.hub = on;
    }

    fn lose(&mut self, share: u64) {
        let mut random = Random::new(self.seed ^ share);
        self.world.network.lose(move |_| random.below(share as usize) == 0);
    }

    fn pass_by(&mut self, count: usize) {
        let topics = crate::cluster::Topics::zeromq();
        for _ in 0..count {
            self.strangers += 1;
            let id = format!("stranger-{}", self.strangers);
            let (stranger, _inbox) = self.world.network.join(&id, Role::Sender);
            // Whoever leaves takes its subscription along.
            let _ = stranger.subscribe(topics.nodeid_topic(&id).as_bytes());
            self.world.exchange();
        }
    }

    /// The manager stays: without it nobody has joined.
    fn toggle(&mut self, node: usize) {
        let name = self.names[node % self.names.len()].clone();
        match self.left_out.iter().position(|left| *left == name) {
            Some(at) => drop(self.left_out.swap_remove(at)),
            None if name != "manager" => self.left_out.push(name),
            None => return,
        }
        self.spread_layout();
    }

    fn spread_layout(&mut self) {
        let left = self.names.iter().filter(|name| !self.left_out.contains(name));
        let layout: Vec<_> = left.map(|name| entry(name)).collect();
        self.world.layout = layout.iter().cloned().map(std::sync::Arc::new).collect();
        for name in self.names.clone() {
            self.world.input(&name, Input::Layout(layout.clone()));
        }
    }

    /// Faults end, a manager runs, and all comes to rest.
    fn end(&mut self) -> Result<(), String> {
        self.world.network.lose_nothing();
        self.perform(Step::StartHub);
        self.cut.drain(..).for_each(|id| self.world.network.heal(&id));
        if !self.left_out.is_empty() {
            self.left_out.clear();
            self.spread_layout();
        }
        self.start(0);
        self.world.run(QUIET);
        self.world.check_promises()?;
        self.world.check()?;
        self.world.check_rest()
    }
}

fn play(seed: u64, nodes: usize, pool: Option<usize>, story: &[Step]) -> Result<(), String> {
    let mut play = Play::new(seed, nodes, pool);
    for step in story {
        play.perform(*step);
        play.world.check_promises().map_err(|why| format!("after {step:?}: {why}"))?;
    }
    play.end()
}

#[test]
fn whatever_happens_all_live_nodes_see_each_other_in_the_end() {
    play_all(2000, |seed| story(seed, 30), |seed, story| play(seed, 6, None, story));
}

#[test]
fn whatever_happens_in_a_cluster_of_two_hundred_nodes_they_all_see_each_other_in_the_end() {
    play_all(8, |seed| story(seed, 12), |seed, story| play(seed, 200, None, story));
}

#[test]
#[ignore = "takes minutes and gigabytes: by hand, in a release build, with ZEEK_CLUSTER_SEED and ZEEK_CLUSTER_NODES"]
fn five_thousand_nodes_see_each_other_in_the_end() {
    let (seed, nodes) = (seed().unwrap_or(0), number(NODES).unwrap_or(5000) as usize);
    let begin = Instant::now();
    let ended = play(seed, nodes, Some(16), &story(seed, 6));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!("ZEEK_CLUSTER_SEED={seed}, {nodes} nodes: {:?}, {peak}", begin.elapsed());
    ended.unwrap_or_else(|why| panic!("ZEEK_CLUSTER_SEED={seed}: {why}"));
}

#[test]
fn in_any_order_of_starts_each_peer_comes_up_exactly_once() {
    const NAMES: [&str; 6] = ["manager", "logger-1", "proxy-1", "worker-1", "worker-2", "worker-3"];
    for seed in 0..400 {
        let mut world = World::new(seed, &NAMES);
        let mut waiting = NAMES.to_vec();
        while !waiting.is_empty() {
            let at = world.pick(waiting.len());
            world.start(waiting.swap_remove(at));
            if world.pick(2) == 0 {
                world.run(Duration::from_millis(7));
            }
        }
        world.run(Duration::from_secs(1));
        world.check().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        for (name, process) in &world.processes {
            for peer in NAMES.iter().filter(|peer| *peer != name) {
                assert_eq!(process.ups(peer), 1, "seed {seed}: {name} about {peer}");
            }
            let hellos = process.log.iter().filter(|line| line.starts_with("got hello from ")).count();
            assert_eq!(hellos, NAMES.len() - 1, "seed {seed}: {name}: {:?}", process.log);
            assert!(process.reports.is_empty(), "seed {seed}: {name}: {:?}", process.reports);
        }
    }
}
