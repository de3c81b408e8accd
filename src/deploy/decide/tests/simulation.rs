//! Stories of a cluster's hosts, chosen by a seed: layouts change, hosts fall silent, nodes end, operators stop them, programs
//! and releases are lost. After a plan was carried out on all hosts the next one is empty, and every node runs once, on the
//! host that the layout says.

use super::*;
use crate::simulation::{Random, play_all};

/// Something that happens. Places count on from the first one beyond the last.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// The layout becomes one that this number decides.
    Edit(u64),
    /// Another program is installed.
    Upgrade,
    /// A host gives no answer from now on, or answers again.
    ToggleSilence(usize),
    /// A node's process ends and is not started again.
    End(usize),
    /// An operator stops a node.
    Stop(usize),
    /// A host loses all that it had; its nodes are gone.
    Wipe(usize),
    /// `deploy --allow-partial`.
    Deploy,
}

const PLACES: usize = 8;

fn story(seed: u64) -> Vec<Move> {
    let mut random = Random::new(seed);
    let mut story = vec![Move::Edit(seed), Move::Deploy];
    for _ in 0..10 {
        let place = random.below(1000);
        story.push(match random.below(12) {
            0..3 => Move::Edit(random.below(1 << 20) as u64),
            3 => Move::Upgrade,
            4 | 5 => Move::ToggleSilence(place),
            6 => Move::End(place),
            7 => Move::Stop(place),
            8 => Move::Wipe(place),
            _ => Move::Deploy,
        });
    }
    story
}

/// Hosts that a seed chooses, with workers that move, come and change.
fn edited(number: u64) -> Layout {
    let mut random = Random::new(number);
    let count = 1 + random.below(PLACES);
    let hosts: Vec<String> = (0..count).map(|at| format!("  h{at}: {{ address: 192.0.2.{} }}\n", at + 1)).collect();
    let mut text = format!("name: campus\nencryption: off\nhosts:\n{}nodes:\n", hosts.concat());
    text += &format!("  manager: {{ type: manager, host: h{} }}\n", random.below(count));
    text += &format!("  logger: {{ type: logger, host: h{} }}\n", random.below(count));
    for worker in 0..random.below(12) {
        let (host, value) = (random.below(count), random.below(3));
        text += &format!("  w{worker}: {{ type: worker, host: h{host}, env_vars: {{ V: \"{value}\" }} }}\n");
    }
    test_layout(&text)
}

/// What there is: the hosts as their agents would tell of them, and what was deployed last.
struct Site {
    layout: Layout,
    program: usize,
    hosts: BTreeMap<String, (AgentStatus, Before)>,
    silent: BTreeSet<String>,
    last: Vec<Former>,
}

impl Site {
    fn release(&self) -> Release {
        release_of(&self.layout, ["a", "b", "c", "d"][self.program % 4])
    }

    fn found(&self, release: &Release) -> BTreeMap<String, Found> {
        let named = release.hosts.iter().map(|part| &part.manifest.host).chain(self.hosts.keys());
        let found = |host: &String| match self.hosts.get(host) {
            _ if self.silent.contains(host) => silence(),
            None => Found::Empty,
            Some((status, before)) => {
                let before = Before { manifest: before.manifest.clone(), texts: before.texts.clone() };
                Found::Seen(Box::new(status.clone()), before)
            }
        };
        named.map(|host| (host.clone(), found(host))).collect()
    }

    fn deploy(&mut self, release: &Release) -> Plan {
        let found = self.found(release);
        let plan = Case { release, found, last: self.last.clone(), allow_partial: true, only: None }.plan();
        for phase in &plan.steps {
            phase.work.iter().for_each(|work| self.carry_out(release, phase.step, work));
        }
        let nodes = |part: &HostRelease| part.manifest.nodes.iter().map(|node| node.name.clone()).collect();
        let now = release.hosts.iter().map(|part| Former { host: part.manifest.host.clone(), nodes: nodes(part) });
        self.last = now.collect();
        plan
    }

    /// What an agent does when it is asked for that step.
    fn carry_out(&mut self, release: &Release, step: Step, work: &HostWork) {
        let part = release.hosts.iter().find(|part| part.manifest.host == work.host);
        match (step, part) {
            (Step::Activate, Some(part)) => {
                let Found::Seen(new, before) = seen(part) else { return };
                let old = self.hosts.remove(&work.host).map(|(status, _)| status.nodes).unwrap_or_default();
                let mut status = *new;
                let stopped = |node: NodeStatus| {
                    let there = old.iter().find(|there| there.name == node.name).cloned();
                    there.unwrap_or_else(|| at_rest(node))
                };
                status.nodes = status.nodes.into_iter().map(stopped).collect();
                let left = old.iter().filter(|there| there.pid.is_some());
                let left = left.filter(|there| part.manifest.nodes.iter().all(|node| node.name != there.name));
                status.nodes.extend(left.cloned());
                self.hosts.insert(work.host.clone(), (status, before));
            }
            (Step::Retire, _) => self.each(work, |node| *node = at_rest(node.clone())),
            (Step::Start(_) | Step::Restart(_) | Step::Update, Some(part)) => {
                let Found::Seen(new, _) = seen(part) else { return };
                self.each(work, |node| {
                    if let Some(fresh) = new.nodes.iter().find(|fresh| fresh.name == node.name) {
                        *node = fresh.clone();
                    }
                });
            }
            _ => {}
        }
    }

    fn each(&mut self, work: &HostWork, change: impl Fn(&mut NodeStatus)) {
        let Some((status, _)) = self.hosts.get_mut(&work.host) else { return };
        status.nodes.iter_mut().filter(|node| work.nodes.contains(&node.name)).for_each(change);
    }

    fn perform(&mut self, step: Move) -> Result<(), String> {
        match step {
            Move::Edit(number) => self.layout = edited(number),
            Move::Upgrade => self.program += 1,
            Move::ToggleSilence(place) => {
                let host = format!("h{}", place % PLACES);
                if !self.silent.remove(&host) {
                    self.silent.insert(host);
                }
            }
            Move::End(place) | Move::Stop(place) => {
                let hosts = self.hosts.values_mut().flat_map(|(status, _)| &mut status.nodes);
                let mut nodes: Vec<&mut NodeStatus> = hosts.collect();
                let count = nodes.len().max(1);
                if let Some(node) = nodes.get_mut(place % count) {
                    **node = at_rest(node.clone());
                }
            }
            Move::Wipe(place) => drop(self.hosts.remove(&format!("h{}", place % PLACES))),
            Move::Deploy => {
                let release = self.release();
                self.deploy(&release);
                self.check_once(&release)?;
            }
        }
        Ok(())
    }

    /// A plan for all hosts, carried out, leaves nothing to do.
    fn end(&mut self) -> Result<(), String> {
        self.silent.clear();
        let release = self.release();
        self.deploy(&release);
        let left = self.deploy(&release);
        if !left.is_empty() {
            return Err(format!("after a deploy there is still to do: {:?}", steps(&left)));
        }
        for part in &release.hosts {
            let (status, _) = self.hosts.get(&part.manifest.host).ok_or("a host has nothing")?;
            for node in &part.manifest.nodes {
                let runs = status.nodes.iter().any(|there| there.name == node.name && there.pid.is_some());
                runs.then_some(()).ok_or_else(|| format!("{} does not run on {}", node.name, part.manifest.host))?;
            }
        }
        self.check_once(&release)
    }

    /// Of the hosts that answer, no two run a node of one name.
    fn check_once(&self, release: &Release) -> Result<(), String> {
        let answering = self.hosts.iter().filter(|(host, _)| !self.silent.contains(*host));
        let mut runs: BTreeMap<&str, &str> = BTreeMap::new();
        for (host, (status, _)) in answering {
            for node in status.nodes.iter().filter(|node| node.pid.is_some()) {
                if let Some(other) = runs.insert(&node.name, host) {
                    return Err(format!("{} runs on {other} and {host} with release {}", node.name, release.id));
                }
            }
        }
        Ok(())
    }
}

fn at_rest(node: NodeStatus) -> NodeStatus {
    NodeStatus { state: NodeState::Stopped, pid: None, running_hash: None, live_hash: None, ..node }
}

#[test]
fn whatever_happened_to_hosts_and_layouts_a_deploy_leaves_nothing_to_do() {
    let play = |seed: u64, story: &[Move]| {
        let (layout, hosts) = (edited(seed), BTreeMap::new());
        let mut site = Site { layout, program: 0, hosts, silent: BTreeSet::new(), last: Vec::new() };
        for step in story {
            site.perform(*step)?;
        }
        site.end()
    };
    play_all(60, story, play);
}
