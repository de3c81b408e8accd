//! What becomes of a node: a function of what happened and of when. No process, file or clock is touched here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::messages::{Answer, Verb};
use super::process::Process;
use super::saved::Desired;
use crate::api::agent::NodeState;
use crate::api::node::NodeView;

/// The durations of supervision; [`Timing::default`] is what agents use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Pause before the first start again; doubles with each further one.
    pub backoff_first: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Whoever ran this long starts over with the first pause.
    pub stable_after: Duration,
    /// So many exits within [`Timing::crash_window`] are enough.
    pub crash_limit: usize,
    /// See [`Timing::crash_limit`].
    pub crash_window: Duration,
    /// How long a node may take to join before it is called isolated.
    pub isolated_after: Duration,
    /// A program of someone else counts as started when it ran this long.
    pub settled_after: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            stable_after: Duration::from_secs(60),
            crash_limit: 5,
            crash_window: Duration::from_secs(60),
            isolated_after: Duration::from_secs(30),
            settled_after: Duration::from_millis(500),
        }
    }
}

/// Everything that can happen to a node.
#[derive(Debug)]
pub enum Input {
    /// [`Effect::Spawn`] was done.
    Spawned { process: Process, foreign: bool },
    /// [`Effect::Spawn`] could not be done.
    SpawnFailed(String),
    /// The process ended; how, and its last words.
    Exited(ExitNote),
    /// The node says what it sees.
    Seen(Box<NodeView>),
    /// The node's socket gives no answer, and why.
    Unseen(String),
    /// Time passed.
    Tick,
}

/// The end of a process, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitNote {
    /// Such as `exited with status 1`.
    pub how: String,
    /// The fatal line of its standard error.
    pub line: Option<String>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start the process, and say so with [`Input::Spawned`] or [`Input::SpawnFailed`].
    Spawn,
    /// SIGTERM to its process group.
    Terminate,
    /// SIGKILL to its process group.
    Kill,
    /// It ended without being told to: keep what tells why.
    ReportCrash,
}

/// The state of one node.
#[derive(Debug)]
pub struct Machine {
    timing: Timing,
    desired: Desired,
    phase: Phase,
    restarts: u64,
    exits: u64,
    /// Exits in a row, none of which came after [`Timing::stable_after`].
    in_a_row: u32,
    recent: VecDeque<Instant>,
    /// Ends that an operator should still hear of: those of the last [`CRASH_NEWS`], at most [`MAX_CRASHES`].
    crashes: VecDeque<Instant>,
    error: Option<String>,
}

/// One crash, as [`Machine::error`] tells it.
const ONCE: &str = "crashed once in 10 min";

/// How long a crash is news, though the node runs again.
const CRASH_NEWS: Duration = Duration::from_secs(600);

/// Troubles of a node that a row shows; its view has them all.
const SHOWN_TROUBLES: usize = 3;

/// More need not be counted.
const MAX_CRASHES: usize = 99;

#[derive(Debug)]
enum Phase {
    Down,
    Spawning,
    Up(Up),
    Ending { up: Up, kill_at: Instant, killed: bool, then: Then },
    Waiting { until: Instant },
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    StayDown,
    StartAgain,
}

#[derive(Debug)]
struct Up {
    process: Process,
    foreign: bool,
    since: Instant,
    view: Option<Box<NodeView>>,
    unseen: Option<String>,
    /// Since when it should have joined; none while it has.
    unjoined_since: Option<Instant>,
}

impl Machine {
    /// A node that does not run.
    pub fn new(timing: Timing, desired: Desired) -> Machine {
        Machine {
            timing,
            desired,
            phase: Phase::Down,
            restarts: 0,
            exits: 0,
            in_a_row: 0,
            recent: VecDeque::new(),
            crashes: VecDeque::new(),
            error: None,
        }
    }

    /// Takes over what an earlier agent knew.
    pub fn recall(&mut self, restarts: u64, failed: bool, error: Option<String>) {
        self.restarts = restarts;
        self.error = error;
        if failed {
            self.phase = Phase::Failed;
        }
    }

    /// Takes over a process that an earlier agent started, `since` being its start.
    pub fn adopt(&mut self, process: Process, foreign: bool, since: Instant, now: Instant) {
        let mut up = Up::new(process, foreign, since);
        up.unjoined_since = Some(now);
        self.phase = Phase::Up(up);
    }

    /// An operator asks; the answer is for them, the effects are to be done. `hash` is what the current release says,
    /// `grace` how long a stop may take.
    pub fn ask(&mut self, verb: Verb, hash: &str, grace: Duration, now: Instant) -> (Answer, Vec<Effect>) {
        let effects = match verb {
            Verb::Start => self.start(),
            Verb::Stop => self.stop(grace, now),
            Verb::Restart => self.restart(grace, now),
            Verb::Apply => self.apply_release(hash, grace, now),
            Verb::Resume => self.resume(grace, now),
        };
        match effects {
            Some(effects) => (Answer::Began { exits: self.exits }, effects),
            None => (Answer::Unchanged, Vec::new()),
        }
    }

    /// Something happened.
    pub fn step(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Spawned { process, foreign } => {
                self.phase = Phase::Up(Up::new(process, foreign, now));
                Vec::new()
            }
            Input::SpawnFailed(why) => {
                self.error = Some(why);
                self.went_down(None, now);
                Vec::new()
            }
            Input::Exited(note) => self.exited(&note, now),
            Input::Seen(view) => {
                self.seen(view, now);
                Vec::new()
            }
            Input::Unseen(why) => {
                self.unseen(why, now);
                Vec::new()
            }
            Input::Tick => self.tick(now),
        }
    }

    /// When [`Input::Tick`] is due, if nothing else happens.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        match &self.phase {
            Phase::Down | Phase::Spawning | Phase::Failed => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Ending { kill_at, killed, .. } => (!killed).then_some(*kill_at),
            Phase::Up(up) => {
                let isolated = up.unjoined_since.map(|since| since + self.timing.isolated_after);
                let settled = up.foreign.then_some(up.since + self.timing.settled_after);
                let news = self.crashes.iter().map(|at| *at + CRASH_NEWS);
                isolated.into_iter().chain(settled).chain(news).filter(|at| *at > now).min()
            }
        }
    }

    /// The word for operators.
    pub fn state(&self, now: Instant) -> NodeState {
        match &self.phase {
            // Not yet resumed after the agent's own start.
            Phase::Down if self.desired == Desired::Running => NodeState::Starting,
            Phase::Down => NodeState::Stopped,
            Phase::Spawning => NodeState::Starting,
            Phase::Up(up) => up.state(&self.timing, now),
            Phase::Ending { .. } => NodeState::Stopping,
            Phase::Waiting { .. } => NodeState::Backoff,
            Phase::Failed => NodeState::Failed,
        }
    }

    /// Whether it came up: it answers, or it is someone else's program and ran for a while.
    pub fn is_ready(&self, now: Instant) -> bool {
        matches!(&self.phase, Phase::Up(up) if up.view.is_some() || up.is_settled(&self.timing, now))
    }

    /// What an operator has to know beside the state.
    pub fn error(&self, now: Instant) -> Option<String> {
        match &self.phase {
            Phase::Up(up) => match up.state(&self.timing, now) {
                NodeState::Running => {
                    let trouble = up.view.as_ref().and_then(|view| view.program.as_ref()?.trouble.clone());
                    trouble.or_else(|| self.crashes(now).map(|crashes| self.told(&crashes)))
                }
                NodeState::Degraded => up.troubles(),
                _ => up.not_joined_because().or_else(|| self.error.clone()),
            },
            Phase::Ending { killed: true, .. } => Some("was sent SIGKILL and has not ended yet".into()),
            Phase::Down if self.desired != Desired::Running => None,
            _ => match self.crashes(now) {
                Some(crashes) if crashes != ONCE => Some(self.told(&crashes)),
                _ => self.error.clone(),
            },
        }
    }

    /// `crashed 3x in 10 min`; none when it did not.
    fn crashes(&self, now: Instant) -> Option<String> {
        let minutes = CRASH_NEWS.as_secs() / 60;
        match self.crashes.iter().filter(|at| now.saturating_duration_since(**at) < CRASH_NEWS).count() {
            0 => None,
            1 => Some(ONCE.to_owned()),
            count => Some(format!("crashed {count}x in {minutes} min")),
        }
    }

    fn told(&self, crashes: &str) -> String {
        match &self.error {
            Some(error) => format!("{crashes}, last: {error}"),
            None => crashes.to_owned(),
        }
    }

    /// The last exit in words, whatever happened since.
    pub fn last_exit(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The process, while there is one.
    pub fn process(&self) -> Option<&Process> {
        self.up().map(|up| &up.process)
    }

    /// What the node said last, while it answers.
    pub fn view(&self) -> Option<&NodeView> {
        self.up().filter(|up| up.unseen.is_none()).and_then(|up| up.view.as_deref())
    }

    /// See `NodeStatus::restarts`.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How often the process ended without being told to, since this agent started.
    pub fn exits(&self) -> u64 {
        self.exits
    }

    /// What an operator wants.
    pub fn desired(&self) -> Desired {
        self.desired
    }

    /// Whether it ended too often.
    pub fn has_failed(&self) -> bool {
        matches!(self.phase, Phase::Failed)
    }

    fn up(&self) -> Option<&Up> {
        match &self.phase {
            Phase::Up(up) | Phase::Ending { up, .. } => Some(up),
            _ => None,
        }
    }

    fn start(&mut self) -> Option<Vec<Effect>> {
        self.desired = Desired::Running;
        match &mut self.phase {
            Phase::Up(_) | Phase::Spawning => None,
            Phase::Ending { then, .. } => {
                *then = Then::StartAgain;
                Some(Vec::new())
            }
            Phase::Down | Phase::Waiting { .. } | Phase::Failed => Some(self.start_over()),
        }
    }

    fn stop(&mut self, grace: Duration, now: Instant) -> Option<Vec<Effect>> {
        self.desired = Desired::Stopped;
        match &mut self.phase {
            Phase::Down => None,
            Phase::Ending { then, .. } => {
                *then = Then::StayDown;
                Some(Vec::new())
            }
            Phase::Up(_) => Some(self.end(grace, Then::StayDown, now)),
            Phase::Spawning | Phase::Waiting { .. } | Phase::Failed => {
                self.phase = Phase::Down;
                Some(Vec::new())
            }
        }
    }

    fn restart(&mut self, grace: Duration, now: Instant) -> Option<Vec<Effect>> {
        match self.phase {
            Phase::Up(_) => {
                self.desired = Desired::Running;
                self.forget_trouble();
                Some(self.end(grace, Then::StartAgain, now))
            }
            _ => self.start(),
        }
    }

    fn apply_release(&mut self, hash: &str, grace: Duration, now: Instant) -> Option<Vec<Effect>> {
        if self.desired == Desired::Stopped {
            return None;
        }
        match &self.phase {
            Phase::Up(up) if up.process.header.hash == hash => None,
            _ => self.restart(grace, now),
        }
    }

    /// What an earlier agent had begun or kept up.
    fn resume(&mut self, grace: Duration, now: Instant) -> Option<Vec<Effect>> {
        match (self.desired, &self.phase) {
            (Desired::Running, Phase::Down) => {
                self.restarts += 1;
                Some(self.spawn())
            }
            (Desired::Stopped, Phase::Up(_)) => Some(self.end(grace, Then::StayDown, now)),
            _ => None,
        }
    }

    /// An operator's start: what happened before no longer counts.
    fn start_over(&mut self) -> Vec<Effect> {
        self.forget_trouble();
        self.spawn()
    }

    fn forget_trouble(&mut self) {
        self.restarts = 0;
        self.in_a_row = 0;
        self.recent.clear();
        self.crashes.clear();
        self.error = None;
    }

    fn spawn(&mut self) -> Vec<Effect> {
        self.phase = Phase::Spawning;
        vec![Effect::Spawn]
    }

    fn end(&mut self, grace: Duration, then: Then, now: Instant) -> Vec<Effect> {
        match std::mem::replace(&mut self.phase, Phase::Down) {
            Phase::Up(up) => {
                self.phase = Phase::Ending { up, kill_at: now + grace, killed: false, then };
                vec![Effect::Terminate]
            }
            other => {
                self.phase = other;
                Vec::new()
            }
        }
    }

    fn exited(&mut self, note: &ExitNote, now: Instant) -> Vec<Effect> {
        match std::mem::replace(&mut self.phase, Phase::Down) {
            Phase::Ending { then: Then::StartAgain, .. } => self.spawn(),
            Phase::Up(up) => {
                let ran = now.saturating_duration_since(up.since);
                self.error = Some(note.in_words(ran));
                self.went_down(Some(ran), now);
                vec![Effect::ReportCrash]
            }
            Phase::Ending { .. } | Phase::Down => Vec::new(),
            other => {
                self.phase = other;
                Vec::new()
            }
        }
    }

    /// It ended by itself, or could not even be started: again after a pause, or never.
    fn went_down(&mut self, ran: Option<Duration>, now: Instant) {
        self.exits += 1;
        self.crashes.retain(|at| now.saturating_duration_since(*at) < CRASH_NEWS);
        if self.crashes.len() == MAX_CRASHES {
            self.crashes.pop_front();
        }
        self.crashes.push_back(now);
        if ran.is_some_and(|ran| ran >= self.timing.stable_after) {
            self.in_a_row = 0;
        }
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now.duration_since(*at) > self.timing.crash_window) {
            self.recent.pop_front();
        }
        self.phase = if self.recent.len() >= self.timing.crash_limit {
            Phase::Failed
        } else {
            Phase::Waiting { until: now + self.pause() }
        };
        self.in_a_row += 1;
    }

    fn pause(&self) -> Duration {
        let doubled = 1u32.checked_shl(self.in_a_row.min(16)).unwrap_or(u32::MAX);
        self.timing.backoff_first.saturating_mul(doubled).min(self.timing.backoff_max)
    }

    fn tick(&mut self, now: Instant) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Waiting { until } if now >= *until => {
                self.restarts += 1;
                self.spawn()
            }
            Phase::Ending { kill_at, killed, .. } if now >= *kill_at && !*killed => {
                *killed = true;
                vec![Effect::Kill]
            }
            _ => Vec::new(),
        }
    }

    fn seen(&mut self, view: Box<NodeView>, now: Instant) {
        if let Phase::Up(up) | Phase::Ending { up, .. } = &mut self.phase {
            up.unjoined_since = match view.joined {
                true => None,
                false => up.unjoined_since.or(Some(now)),
            };
            up.unseen = None;
            up.view = Some(view);
        }
    }

    fn unseen(&mut self, why: String, now: Instant) {
        if let Phase::Up(up) | Phase::Ending { up, .. } = &mut self.phase {
            up.unjoined_since = up.unjoined_since.or(Some(now));
            up.unseen = Some(why);
        }
    }
}

impl Up {
    fn new(process: Process, foreign: bool, since: Instant) -> Up {
        Up { process, foreign, since, view: None, unseen: None, unjoined_since: Some(since) }
    }

    fn state(&self, timing: &Timing, now: Instant) -> NodeState {
        match self.unjoined_since {
            None if self.troubles().is_some() => NodeState::Degraded,
            None => NodeState::Running,
            Some(since) if now.saturating_duration_since(since) >= timing.isolated_after => NodeState::Isolated,
            Some(_) if self.view.is_some() => NodeState::Joining,
            Some(_) => NodeState::Starting,
        }
    }

    /// What it cannot do as it should, in words; none when all is well.
    fn troubles(&self) -> Option<String> {
        let troubles = &self.view.as_deref()?.troubles;
        let texts: Vec<&str> = troubles.iter().take(SHOWN_TROUBLES).map(|trouble| trouble.text.as_str()).collect();
        let more = troubles.len().saturating_sub(SHOWN_TROUBLES);
        match (texts.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(texts.join("; ")),
            (false, more) => Some(format!("{}; and {more} more", texts.join("; "))),
        }
    }

    fn is_settled(&self, timing: &Timing, now: Instant) -> bool {
        self.foreign && now.saturating_duration_since(self.since) >= timing.settled_after
    }

    /// In words; none while a node that was just started has not had the time.
    fn not_joined_because(&self) -> Option<String> {
        let view = self.view.as_deref()?;
        match &self.unseen {
            Some(why) => Some(format!("its socket gives no answer: {why}")),
            None => view.not_joined_because.clone(),
        }
    }
}

impl ExitNote {
    fn in_words(&self, ran: Duration) -> String {
        // Coarse, so that nodes that fail alike say the same and are shown together.
        let when = match ran.as_secs() {
            0 => "within a second".to_owned(),
            1..10 => "within 10 s".to_owned(),
            10..60 => "within a minute".to_owned(),
            seconds => format!("after {} min", seconds / 60),
        };
        match &self.line {
            Some(line) => format!("{} {when}: {line}", self.how),
            None => format!("{} {when}", self.how),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::Header;
    use super::*;

    const GRACE: Duration = Duration::from_secs(20);

    fn process(pid: u32) -> Process {
        let header = Header { boot_id: "b".into(), started_at: 0.0, hash: "h1".into(), stderr_from: 0 };
        Process { pid, start_ticks: 1, header, adopted: false }
    }

    fn exit() -> Input {
        Input::Exited(ExitNote { how: "exited with status 1".into(), line: Some("fatal: no interface".into()) })
    }

    fn view(joined: bool) -> Input {
        Input::Seen(Box::new(NodeView {
            name: "worker-1".into(),
            node_type: crate::data::NodeType::Worker,
            id: "i".into(),
            pid: 7,
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
        }))
    }

    fn started(now: Instant) -> Machine {
        let mut machine = Machine::new(Timing::default(), Desired::Stopped);
        let (answer, effects) = machine.ask(Verb::Start, "h1", GRACE, now);
        assert_eq!((answer, effects), (Answer::Began { exits: 0 }, vec![Effect::Spawn]));
        spawned(&mut machine, now);
        machine
    }

    fn spawned(machine: &mut Machine, now: Instant) {
        assert!(machine.step(Input::Spawned { process: process(7), foreign: false }, now).is_empty());
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn the_pause_doubles_and_five_exits_within_a_minute_are_enough() {
        let mut now = Instant::now();
        let mut machine = started(now);
        for pause in [1, 2, 4, 8] {
            assert_eq!(machine.step(exit(), now), [Effect::ReportCrash]);
            assert_eq!(machine.state(now), NodeState::Backoff);
            assert_eq!(machine.wake_at(now), Some(now + seconds(pause)));
            assert!(machine.step(Input::Tick, now + seconds(pause) - Duration::from_millis(1)).is_empty());
            now += seconds(pause);
            assert_eq!(machine.step(Input::Tick, now), [Effect::Spawn]);
            spawned(&mut machine, now);
        }
        machine.step(exit(), now);
        assert_eq!(machine.state(now), NodeState::Failed);
        assert_eq!(machine.wake_at(now), None);
        assert_eq!(machine.restarts(), 4);
        let story = "crashed 5x in 10 min, last: exited with status 1 within a second: fatal: no interface";
        assert_eq!(machine.error(now).as_deref(), Some(story));
    }

    #[test]
    fn a_joined_node_in_trouble_is_degraded_and_says_why() {
        let now = Instant::now();
        let mut machine = started(now);
        let with = |texts: &[&str]| {
            let Input::Seen(mut view) = view(true) else { unreachable!("it is one") };
            view.troubles = texts
                .iter()
                .map(|text| crate::api::node::Trouble {
                    kind: "x".into(),
                    subject: String::new(),
                    text: (*text).to_owned(),
                    since: 1.0,
                })
                .collect();
            Input::Seen(view)
        };
        machine.step(with(&["conn.log cannot be written", "b"]), now);
        assert_eq!(machine.state(now), NodeState::Degraded);
        assert_eq!(machine.error(now).as_deref(), Some("conn.log cannot be written; b"));
        machine.step(with(&["a", "b", "c", "d", "e"]), now);
        assert_eq!(machine.error(now).as_deref(), Some("a; b; c; and 2 more"));
        machine.step(with(&[]), now);
        assert_eq!((machine.state(now), machine.error(now)), (NodeState::Running, None));
    }

    #[test]
    fn a_crash_is_news_for_ten_minutes_though_the_node_runs_again() {
        let now = Instant::now();
        let mut machine = started(now);
        machine.step(exit(), now);
        assert_eq!(machine.error(now).as_deref(), Some("exited with status 1 within a second: fatal: no interface"));
        machine.step(Input::Tick, now + seconds(1));
        spawned(&mut machine, now + seconds(1));
        machine.step(view(true), now + seconds(2));
        let story = "crashed once in 10 min, last: exited with status 1 within a second: fatal: no interface";
        assert_eq!(machine.error(now + seconds(2)).as_deref(), Some(story));
        assert_eq!(machine.wake_at(now + seconds(2)), Some(now + seconds(600)), "to say so no more");
        assert_eq!(machine.error(now + seconds(600)), None);
        machine.ask(Verb::Restart, "h1", GRACE, now + seconds(3));
        assert_eq!(machine.crashes(now + seconds(3)), None, "an operator has seen it");
    }

    #[test]
    fn exits_far_apart_never_fail_and_the_pause_ends_at_a_minute() {
        let mut now = Instant::now();
        let mut machine = started(now);
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            now += seconds(30);
            machine.step(exit(), now);
            let until = machine.wake_at(now).expect("a pause");
            assert!(until - now >= last);
            last = until - now;
            now = until;
            assert_eq!(machine.step(Input::Tick, now), [Effect::Spawn]);
            spawned(&mut machine, now);
        }
        assert_eq!(last, seconds(60));
    }

    #[test]
    fn a_minute_up_resets_the_pause() {
        let mut now = Instant::now();
        let mut machine = started(now);
        machine.step(exit(), now);
        now += seconds(1);
        machine.step(Input::Tick, now);
        spawned(&mut machine, now);
        now += seconds(60);
        machine.step(exit(), now);
        assert_eq!(machine.wake_at(now), Some(now + seconds(1)));
    }

    #[test]
    fn a_spawn_that_fails_is_tried_again_and_says_why() {
        let now = Instant::now();
        let mut machine = Machine::new(Timing::default(), Desired::Stopped);
        machine.ask(Verb::Start, "h1", GRACE, now);
        machine.step(Input::SpawnFailed("cannot start /x: no such file".into()), now);
        assert_eq!(machine.state(now), NodeState::Backoff);
        assert_eq!(machine.error(now).as_deref(), Some("cannot start /x: no such file"));
        assert_eq!(machine.exits(), 1);
    }

    #[test]
    fn stop_escalates_to_kill_after_the_grace_period() {
        let now = Instant::now();
        let mut machine = started(now);
        assert_eq!(machine.ask(Verb::Stop, "h1", GRACE, now).1, [Effect::Terminate]);
        assert_eq!(machine.state(now), NodeState::Stopping);
        assert!(machine.step(Input::Tick, now + seconds(19)).is_empty());
        assert_eq!(machine.step(Input::Tick, now + GRACE), [Effect::Kill]);
        assert!(machine.step(Input::Tick, now + GRACE + seconds(1)).is_empty());
        assert!(machine.step(exit(), now + GRACE + seconds(1)).is_empty());
        assert_eq!(machine.state(now), NodeState::Stopped);
        assert_eq!(machine.exits(), 0);
    }

    #[test]
    fn an_operator_who_changes_their_mind_wins() {
        let now = Instant::now();
        let mut machine = started(now);
        machine.ask(Verb::Stop, "h1", GRACE, now);
        machine.ask(Verb::Start, "h1", GRACE, now);
        assert_eq!(machine.step(exit(), now), [Effect::Spawn]);
        spawned(&mut machine, now);
        machine.ask(Verb::Restart, "h1", GRACE, now);
        machine.ask(Verb::Stop, "h1", GRACE, now);
        assert!(machine.step(exit(), now).is_empty());
        assert_eq!(machine.state(now), NodeState::Stopped);
    }

    #[test]
    fn a_stop_ends_the_waiting_and_the_failure() {
        let now = Instant::now();
        let mut machine = started(now);
        machine.step(exit(), now);
        assert_eq!(machine.ask(Verb::Stop, "h1", GRACE, now), (Answer::Began { exits: 1 }, vec![]));
        assert_eq!(machine.state(now), NodeState::Stopped);
        assert_eq!(machine.wake_at(now), None);
        assert_eq!(machine.ask(Verb::Stop, "h1", GRACE, now).0, Answer::Unchanged);
    }

    #[test]
    fn starting_what_runs_changes_nothing() {
        let now = Instant::now();
        let mut machine = started(now);
        assert_eq!(machine.ask(Verb::Start, "h2", GRACE, now), (Answer::Unchanged, vec![]));
    }

    #[test]
    fn apply_restarts_only_another_hash_and_leaves_the_stopped_alone() {
        let now = Instant::now();
        let mut machine = started(now);
        assert_eq!(machine.ask(Verb::Apply, "h1", GRACE, now).0, Answer::Unchanged);
        assert_eq!(machine.ask(Verb::Apply, "h2", GRACE, now).1, [Effect::Terminate]);
        assert_eq!(machine.step(exit(), now), [Effect::Spawn]);
        spawned(&mut machine, now);
        machine.ask(Verb::Stop, "h1", GRACE, now);
        machine.step(exit(), now);
        assert_eq!(machine.ask(Verb::Apply, "h2", GRACE, now).0, Answer::Unchanged);
        assert_eq!(machine.state(now), NodeState::Stopped);
    }

    #[test]
    fn apply_starts_what_is_new() {
        let now = Instant::now();
        let mut machine = Machine::new(Timing::default(), Desired::New);
        assert_eq!(machine.ask(Verb::Resume, "h1", GRACE, now).0, Answer::Unchanged);
        assert_eq!(machine.ask(Verb::Apply, "h1", GRACE, now).1, [Effect::Spawn]);
    }

    #[test]
    fn running_means_joined_and_isolated_is_half_a_minute_without() {
        let now = Instant::now();
        let mut machine = started(now);
        assert_eq!(machine.state(now), NodeState::Starting);
        assert!(!machine.is_ready(now));
        machine.step(view(false), now);
        assert_eq!(machine.state(now), NodeState::Joining);
        assert!(machine.is_ready(now));
        assert_eq!(machine.error(now).as_deref(), Some("sees no manager"));
        assert_eq!(machine.wake_at(now), Some(now + seconds(30)));
        assert_eq!(machine.state(now + seconds(30)), NodeState::Isolated);
        machine.step(view(true), now + seconds(31));
        assert_eq!(machine.state(now + seconds(31)), NodeState::Running);
        machine.step(Input::Unseen("refused".into()), now + seconds(40));
        assert_eq!(machine.state(now + seconds(69)), NodeState::Joining);
        assert_eq!(machine.state(now + seconds(70)), NodeState::Isolated);
        assert_eq!(machine.error(now + seconds(70)).as_deref(), Some("its socket gives no answer: refused"));
    }

    #[test]
    fn what_was_wanted_is_resumed_and_what_failed_is_not() {
        let now = Instant::now();
        let mut machine = Machine::new(Timing::default(), Desired::Running);
        assert_eq!(machine.ask(Verb::Resume, "h1", GRACE, now).1, [Effect::Spawn]);
        assert_eq!(machine.restarts(), 1);
        let mut machine = Machine::new(Timing::default(), Desired::Running);
        machine.recall(4, true, Some("x".into()));
        assert_eq!(machine.ask(Verb::Resume, "h1", GRACE, now).0, Answer::Unchanged);
        assert_eq!(machine.state(now), NodeState::Failed);
    }

    #[test]
    fn a_stop_that_an_earlier_agent_began_is_finished() {
        let now = Instant::now();
        let mut machine = Machine::new(Timing::default(), Desired::Stopped);
        machine.adopt(process(9), false, now, now);
        assert_eq!(machine.ask(Verb::Resume, "h1", GRACE, now).1, [Effect::Terminate]);
    }

    #[test]
    fn an_adopted_process_is_not_started_again() {
        let now = Instant::now();
        let mut machine = Machine::new(Timing::default(), Desired::Running);
        machine.adopt(process(9), false, now, now);
        assert_eq!(machine.ask(Verb::Resume, "h1", GRACE, now).0, Answer::Unchanged);
        assert_eq!(machine.process().map(|p| p.pid), Some(9));
    }
}
