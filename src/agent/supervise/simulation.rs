//! Stories of one node and its operator, chosen by a seed, in virtual time. At each step: a node that should run has a process,
//! is being started, or has a time at which it is; no process is started beside another one, nor one that nobody wants; nothing
//! is killed that was not asked to end and given its time; no deadline wants to be woken for ever.

use std::time::{Duration, Instant};

use super::messages::Verb;
use super::process::{Header, Process};
use super::saved::Desired;
use super::state::{Effect, ExitNote, Input, Limits, Machine, Timing};
use crate::api::agent::NodeState;
use crate::api::node::NodeView;
use crate::data::NodeType;
use crate::simulation::{Random, play_all};

const GRACE: Duration = Duration::from_secs(20);

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(Verb),
    /// The process ends by itself.
    End,
    /// The node says whether it has joined.
    Answer {
        joined: bool,
    },
    /// Its socket gives no answer.
    Silence,
    /// Its event loop says that it turns.
    Beat,
    /// From now on processes cannot be started, or can.
    ToggleStarts,
    /// From now on the process does not end when it is asked to, or does.
    ToggleDeafness,
    /// Time passes, in milliseconds.
    Wait(u64),
}

fn story(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let verbs = [Verb::Start, Verb::Stop, Verb::Restart, Verb::Apply, Verb::Resume];
    let step = |_| match random.below(17) {
        0..3 => Step::Ask(*random.one_of(&verbs)),
        3..7 => Step::End,
        7 | 8 => Step::Answer { joined: random.below(3) > 0 },
        9 => Step::Silence,
        10 => Step::ToggleStarts,
        11 => Step::ToggleDeafness,
        12 => Step::Beat,
        _ => Step::Wait(*random.one_of(&[10, 700, 1500, 8000, 31_000, 400_000])),
    };
    (0..60).map(step).collect()
}

struct Play {
    machine: Machine,
    now: Instant,
    pid: u32,
    runs: bool,
    starts: bool,
    deaf: bool,
    /// When the process was asked to end.
    asked: Option<Instant>,
    broken: Option<String>,
}

impl Play {
    fn new() -> Play {
        let limits = Limits { grace: GRACE, restart_when_silent: Some(Duration::from_secs(60)) };
        Play {
            machine: Machine::new(Timing::default(), limits, Desired::New),
            now: Instant::now(),
            pid: 0,
            runs: false,
            starts: true,
            deaf: false,
            asked: None,
            broken: None,
        }
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Ask(verb) => {
                let (_, effects) = self.machine.ask(verb, "h", self.now);
                self.carry_out(effects);
            }
            Step::End if self.runs => self.end(),
            Step::End => {}
            Step::Answer { joined } if self.runs => self.step(Input::Seen(Box::new(self.view(joined)))),
            Step::Answer { .. } => {}
            Step::Beat if self.runs => self.step(Input::Beat(Vec::new())),
            Step::Beat => {}
            Step::Silence => self.step(Input::Unseen("no answer".to_owned())),
            Step::ToggleStarts => self.starts = !self.starts,
            Step::ToggleDeafness => self.deaf = !self.deaf,
            Step::Wait(ms) => self.wait(Duration::from_millis(ms)),
        }
    }

    fn step(&mut self, input: Input) {
        let effects = self.machine.step(input, self.now);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Spawn => self.spawn(),
                Effect::Terminate => {
                    self.asked = Some(self.now);
                    if !self.deaf {
                        self.end();
                    }
                }
                Effect::Kill => {
                    if self.asked.is_none_or(|asked| self.now < asked + GRACE) {
                        self.break_promise("a process is killed before its time");
                    }
                    self.end();
                }
                Effect::ReportCrash => {}
            }
        }
    }

    fn spawn(&mut self) {
        if self.runs {
            self.break_promise("a second process is started");
        }
        if self.machine.desired() == Desired::Stopped {
            self.break_promise("a process is started that is to be stopped");
        }
        if !self.starts {
            return self.step(Input::SpawnFailed("no such file".to_owned()));
        }
        self.pid += 1;
        (self.runs, self.asked) = (true, None);
        let header = Header { boot_id: "b".into(), started_at: 0.0, hash: "h".into(), stderr_from: 0 };
        let process = Process { pid: self.pid, start_ticks: 1, header, adopted: false };
        self.step(Input::Spawned { process, foreign: false });
    }

    fn end(&mut self) {
        self.runs = false;
        self.step(Input::Exited(ExitNote { how: "exited with status 1".to_owned(), line: None, oom: false }));
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.wake_at(self.now).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step(Input::Tick);
            if self.machine.wake_at(self.now).is_some_and(|next| next <= self.now) {
                return self.break_promise("it wants to be woken again at once");
            }
        }
        self.now = end;
    }

    /// What holds at every moment.
    fn check(&mut self) -> Result<(), String> {
        let state = self.machine.state(self.now);
        let should_run = self.machine.desired() == Desired::Running;
        if should_run && !self.runs && self.machine.wake_at(self.now).is_none() {
            self.break_promise(&format!("it should run, is {state:?}, and nothing will start it"));
        }
        if self.machine.process().is_some() != self.runs {
            self.break_promise("the process that it knows is not the one that there is");
        }
        match self.broken.take() {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    fn break_promise(&mut self, why: &str) {
        self.broken.get_or_insert(why.to_owned());
    }

    fn view(&self, joined: bool) -> NodeView {
        NodeView {
            name: "worker-1".into(),
            node_type: NodeType::Worker,
            id: "i".into(),
            pid: self.pid,
            version: "0".into(),
            started_at: 0.0,
            joined,
            joined_since: 0.0,
            not_joined_because: (!joined).then(|| "sees no manager".into()),
            troubles: Vec::new(),
            peers: Vec::new(),
            counts: Default::default(),
            program: None,
            counters: Default::default(),
        }
    }
}

#[test]
fn whatever_happens_a_node_that_should_run_is_not_forgotten() {
    let play = |_, story: &[Step]| {
        let mut play = Play::new();
        for step in story {
            play.perform(*step);
            play.check().map_err(|why| format!("after {step:?}: {why}"))?;
        }
        (play.starts, play.deaf) = (true, false);
        let last = [Step::Ask(Verb::Start), Step::Wait(1_000_000), Step::Answer { joined: true }];
        last.into_iter().for_each(|step| play.perform(step));
        play.check()?;
        match play.machine.state(play.now) {
            NodeState::Running => Ok(()),
            state => Err(format!("in the end it is {state:?}")),
        }
    };
    play_all(5000, story, play);
}
