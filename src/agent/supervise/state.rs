//! What becomes of a node: a function of what happened and of when. No process, file or clock is touched here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::messages::{Answer, Verb};
use super::process::Process;
use super::saved::Desired;
use crate::api::agent::NodeState;
use crate::api::node::{NodeView, ProgramView, StuckPart};

/// The durations of supervision; [`Timing::default`] is what agents use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Pause before the first start again; doubles with each further one.
    pub backoff_first: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Whoever ran this long starts over with the first pause.
    pub stable_after: Duration,
    /// After so many exits within [`Timing::crash_window`] a node is called failing, until it ran for
    /// [`Timing::stable_after`]; it is started again all the same.
    pub crash_limit: usize,
    /// See [`Timing::crash_limit`].
    pub crash_window: Duration,
    /// How long a node may be silent before it is called degraded. Its event loop says every 2 s that it turns
    /// (`api::node::Beat`).
    pub degraded_after: Duration,
    /// How long a node may take to join before it is called isolated.
    pub isolated_after: Duration,
    /// A program of someone else counts as started when it ran this long.
    pub settled_after: Duration,
}

/// What the layout says of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How long the node may be silent, or a part of it stand still, before it gets another process; none for ever.
    pub restart_when_silent: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            stable_after: Duration::from_secs(60),
            crash_limit: 5,
            crash_window: Duration::from_secs(60),
            degraded_after: Duration::from_secs(10),
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
    /// The node's event loop turns, and these of its parts do not.
    Beat(Vec<StuckPart>),
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
    /// Whether the kernel ended it for lack of memory.
    pub oom: bool,
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
    limits: Limits,
    desired: Desired,
    phase: Phase,
    restarts: u64,
    exits: u64,
    /// Exits in a row, none of which came after [`Timing::stable_after`].
    in_a_row: u32,
    recent: VecDeque<Instant>,
    /// See [`Timing::crash_limit`].
    failing: bool,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    StayDown,
    StartAgain,
    /// It hung; its end is a crash.
    CountAsCrash,
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
    /// When its event loop said last that it turns; none before the first time.
    heard: Option<Instant>,
    /// Parts that stood still then.
    stuck: Vec<StuckPart>,
    /// When this value was looked at last. A deadline between then and now that is long over was missed because the agent
    /// itself did not run.
    checked: Instant,
}

/// A deadline that is over for longer was missed by the agent: it was stopped, or its host.
const MISSED_AFTER: Duration = Duration::from_secs(2);

/// How often a silent node's state is told anew, which has a duration in it.
const SILENCE_TOLD_EVERY: Duration = Duration::from_secs(2);

impl Machine {
    /// A node that does not run.
    pub fn new(timing: Timing, limits: Limits, desired: Desired) -> Machine {
        Machine {
            timing,
            limits,
            desired,
            phase: Phase::Down,
            restarts: 0,
            exits: 0,
            in_a_row: 0,
            recent: VecDeque::new(),
            failing: false,
            crashes: VecDeque::new(),
            error: None,
        }
    }

    /// Takes over what an earlier agent knew; `in_a_row` counts exits that no stable run came after.
    pub fn recall(&mut self, restarts: u64, in_a_row: u32, failing: bool, error: Option<String>) {
        self.restarts = restarts;
        self.in_a_row = in_a_row;
        self.failing = failing;
        self.error = error;
    }

    /// What the layout says from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes over a process that an earlier agent started, `since` being its start.
    pub fn adopt(&mut self, process: Process, foreign: bool, since: Instant, now: Instant) {
        let mut up = Up::new(process, foreign, since);
        up.unjoined_since = Some(now);
        up.checked = now;
        self.phase = Phase::Up(up);
    }

    /// An operator asks; the answer is for them, the effects are to be done. `hash` is what the current release says.
    pub fn ask(&mut self, verb: Verb, hash: &str, now: Instant) -> (Answer, Vec<Effect>) {
        let effects = match verb {
            Verb::Start => self.start(),
            Verb::Stop => {
                self.desired = Desired::Stopped;
                self.halt(now)
            }
            Verb::Halt => self.halt(now),
            Verb::Restart => self.restart(now),
            Verb::Apply => self.apply_release(hash, now),
            Verb::Resume => self.resume(now),
        };
        match effects {
            Some(effects) => (Answer::Began { exits: self.exits }, effects),
            None => (Answer::Unchanged, Vec::new()),
        }
    }

    /// Something happened.
    pub fn step(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let effects = self.take(input, now);
        if let Phase::Up(up) = &mut self.phase {
            up.checked = now;
        }
        effects
    }

    fn take(&mut self, input: Input, now: Instant) -> Vec<Effect> {
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
            Input::Beat(stuck) => self.beat(stuck, now),
            Input::Tick => self.tick(now),
        }
    }

    /// When [`Input::Tick`] is due, if nothing else happens.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        match &self.phase {
            Phase::Down | Phase::Spawning => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Ending { kill_at, killed, .. } => (!killed).then_some(*kill_at),
            Phase::Up(up) => {
                let isolated = up.unjoined_since.map(|since| since + self.timing.isolated_after);
                let settled = up.foreign.then_some(up.since + self.timing.settled_after);
                let news = self.crashes.iter().map(|at| *at + CRASH_NEWS);
                let silence = up.silence_deadlines(&self.timing, &self.limits, now);
                isolated.into_iter().chain(settled).chain(news).chain(silence).filter(|at| *at > now).min()
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
            Phase::Waiting { .. } if self.failing => NodeState::Failing,
            Phase::Waiting { .. } => NodeState::Backoff,
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
                _ if up.is_silent(&self.timing, now) => Some(up.silence_in_words(&self.limits, now)),
                NodeState::Degraded if !up.stuck.is_empty() => Some(up.stuck_in_words(&self.limits)),
                _ if up.unjoined_since.is_none() => {
                    let trouble = up.view.as_ref().and_then(|view| view.program.as_ref()?.trouble.clone());
                    trouble.or_else(|| up.troubles()).or_else(|| self.crashes(now).map(|crashes| self.told(&crashes)))
                }
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

    /// What the node said last, while it answers and is not silent.
    pub fn view(&self, now: Instant) -> Option<&NodeView> {
        let heard = |up: &&Up| up.unseen.is_none() && !up.is_silent(&self.timing, now);
        self.up().filter(heard).and_then(|up| up.view.as_deref())
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

    /// See [`Timing::crash_limit`].
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// Exits in a row, none of which came after [`Timing::stable_after`].
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// When it is started again; none while it does not wait for that.
    pub fn next_try(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            _ => None,
        }
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
            Phase::Down | Phase::Waiting { .. } => Some(self.start_over()),
        }
    }

    /// Ends the process if there is one, and starts none.
    fn halt(&mut self, now: Instant) -> Option<Vec<Effect>> {
        match &mut self.phase {
            Phase::Down => None,
            Phase::Ending { then, .. } => {
                *then = Then::StayDown;
                Some(Vec::new())
            }
            Phase::Up(_) => Some(self.end(Then::StayDown, now)),
            Phase::Spawning | Phase::Waiting { .. } => {
                self.phase = Phase::Down;
                Some(Vec::new())
            }
        }
    }

    fn restart(&mut self, now: Instant) -> Option<Vec<Effect>> {
        match self.phase {
            Phase::Up(_) => {
                self.desired = Desired::Running;
                self.forget_trouble();
                Some(self.end(Then::StartAgain, now))
            }
            _ => self.start(),
        }
    }

    fn apply_release(&mut self, hash: &str, now: Instant) -> Option<Vec<Effect>> {
        if self.desired == Desired::Stopped {
            return None;
        }
        match &self.phase {
            Phase::Up(up) if up.process.header.hash == hash => None,
            _ => self.restart(now),
        }
    }

    /// What an earlier agent had begun or kept up.
    fn resume(&mut self, now: Instant) -> Option<Vec<Effect>> {
        match (self.desired, &self.phase) {
            (Desired::Running, Phase::Down) => {
                self.restarts += 1;
                Some(self.spawn())
            }
            (Desired::Stopped, Phase::Up(_)) => Some(self.end(Then::StayDown, now)),
            _ => None,
        }
    }

    /// An operator's start: pauses begin anew. How often the node was restarted stays, as the past does.
    fn start_over(&mut self) -> Vec<Effect> {
        self.forget_trouble();
        self.spawn()
    }

    fn forget_trouble(&mut self) {
        self.in_a_row = 0;
        self.failing = false;
        self.recent.clear();
        self.crashes.clear();
        self.error = None;
    }

    fn spawn(&mut self) -> Vec<Effect> {
        self.phase = Phase::Spawning;
        vec![Effect::Spawn]
    }

    fn end(&mut self, then: Then, now: Instant) -> Vec<Effect> {
        match std::mem::replace(&mut self.phase, Phase::Down) {
            Phase::Up(up) => {
                self.phase = Phase::Ending { up, kill_at: now + self.limits.grace, killed: false, then };
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
            Phase::Ending { then: Then::CountAsCrash, up, .. } => {
                let ran = now.saturating_duration_since(up.since);
                let hung = self.error.take().unwrap_or_default();
                self.error = Some(format!("{hung}: {}", note.how));
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

    /// It ended by itself, or could not even be started: again after a pause.
    fn went_down(&mut self, ran: Option<Duration>, now: Instant) {
        self.exits += 1;
        self.crashes.retain(|at| now.saturating_duration_since(*at) < CRASH_NEWS);
        if self.crashes.len() == MAX_CRASHES {
            self.crashes.pop_front();
        }
        self.crashes.push_back(now);
        if ran.is_some_and(|ran| ran >= self.timing.stable_after) {
            self.in_a_row = 0;
            self.failing = false;
        }
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now.duration_since(*at) > self.timing.crash_window) {
            self.recent.pop_front();
        }
        self.failing |= self.recent.len() >= self.timing.crash_limit;
        self.phase = Phase::Waiting { until: now + self.pause() };
        self.in_a_row = self.in_a_row.saturating_add(1);
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
            Phase::Up(up) => {
                up.forgive_missed_deadlines(&self.timing, &self.limits, now);
                self.end_if_it_hangs(now)
            }
            _ => Vec::new(),
        }
    }

    fn beat(&mut self, stuck: Vec<StuckPart>, now: Instant) -> Vec<Effect> {
        if let Phase::Up(up) | Phase::Ending { up, .. } = &mut self.phase {
            up.heard = Some(now);
            up.stuck = stuck;
        }
        self.end_if_it_hangs(now)
    }

    fn end_if_it_hangs(&mut self, now: Instant) -> Vec<Effect> {
        let Phase::Up(up) = &self.phase else { return Vec::new() };
        match up.hangs(&self.limits, now) {
            Some(how) => {
                self.error = Some(format!("{how}, and was ended"));
                self.end(Then::CountAsCrash, now)
            }
            None => Vec::new(),
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
        Up {
            process,
            foreign,
            since,
            view: None,
            unseen: None,
            unjoined_since: Some(since),
            heard: None,
            stuck: Vec::new(),
            checked: since,
        }
    }

    fn state(&self, timing: &Timing, now: Instant) -> NodeState {
        match self.unjoined_since {
            _ if self.is_silent(timing, now) => NodeState::Degraded,
            None if !self.stuck.is_empty() => NodeState::Degraded,
            None => match self.state_of_program() {
                Some(state) => state,
                None if self.troubles().is_some() => NodeState::Degraded,
                None => NodeState::Running,
            },
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

    /// Of a node whose program does not run as it should.
    fn state_of_program(&self) -> Option<NodeState> {
        let program = self.view.as_deref()?.program.as_ref()?;
        match program {
            ProgramView { pid: Some(_), unhealthy: true, .. } => Some(NodeState::Degraded),
            ProgramView { pid: Some(_), settled: true, .. } => None,
            ProgramView { failing: true, .. } => Some(NodeState::Failing),
            ProgramView { trouble: Some(_), .. } => Some(NodeState::Backoff),
            ProgramView { trouble: None, .. } => Some(NodeState::Joining),
        }
    }

    /// Since when it should have been heard. A process that an earlier agent started may hang already; one that was
    /// started a moment ago may have to open files first, and one of an older program may not know of this.
    fn silent_since(&self) -> Option<Instant> {
        let adopted_and_unheard = self.process.adopted && !self.foreign && self.view.is_none();
        self.heard.or(adopted_and_unheard.then_some(self.unjoined_since).flatten())
    }

    fn is_silent(&self, timing: &Timing, now: Instant) -> bool {
        self.silent_since().is_some_and(|since| now.saturating_duration_since(since) >= timing.degraded_after)
    }

    fn silence_deadlines(&self, timing: &Timing, limits: &Limits, now: Instant) -> impl Iterator<Item = Instant> {
        let since = self.silent_since();
        let told = since.filter(|_| self.is_silent(timing, now)).map(|since| {
            let times = now.saturating_duration_since(since).as_secs() / SILENCE_TOLD_EVERY.as_secs() + 1;
            since + SILENCE_TOLD_EVERY * u32::try_from(times).unwrap_or(u32::MAX)
        });
        let degraded = since.map(|since| since + timing.degraded_after);
        let restart = since.zip(limits.restart_when_silent).map(|(since, limit)| since + limit);
        [told, degraded, restart].into_iter().flatten()
    }

    /// An agent that was stopped itself, or whose host was, could not hear anything.
    fn forgive_missed_deadlines(&mut self, timing: &Timing, limits: &Limits, now: Instant) {
        let missed = |at: Instant| at > self.checked && now.saturating_duration_since(at) > MISSED_AFTER;
        if self.silence_deadlines(timing, limits, self.checked).any(missed) {
            self.heard = self.heard.map(|_| now);
            self.unjoined_since = self.unjoined_since.map(|_| now);
        }
    }

    /// How it hangs, when it has done so for too long.
    fn hangs(&self, limits: &Limits, now: Instant) -> Option<String> {
        let limit = limits.restart_when_silent?;
        if self.silent_since().is_some_and(|since| now.saturating_duration_since(since) >= limit) {
            return Some(format!("gave no sign of life for {} s", limit.as_secs()));
        }
        let stuck = self.stuck.iter().find(|stuck| stuck.for_s >= limit.as_secs())?;
        Some(format!("hung: its {} stood still for {} s", stuck.part, limit.as_secs()))
    }

    fn silence_in_words(&self, limits: &Limits, now: Instant) -> String {
        let seconds = self.silent_since().map_or(0, |since| now.saturating_duration_since(since).as_secs());
        let why = self.unseen.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("no sign of life for {seconds} s{why}; the process may be hung{}", limits.what_follows())
    }

    fn stuck_in_words(&self, limits: &Limits) -> String {
        let parts: Vec<String> = self.stuck.iter().map(|stuck| format!("its {} {}", stuck.part, stuck.how())).collect();
        format!("{}{}", parts.join(", "), limits.what_follows())
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

impl Limits {
    fn what_follows(&self) -> String {
        match self.restart_when_silent {
            Some(limit) => format!("; it is restarted after {} s", limit.as_secs()),
            None => String::new(),
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
    use crate::agent::testing::node_view;

    const GRACE: Duration = Duration::from_secs(20);

    const LIMITS: Limits = Limits { grace: GRACE, restart_when_silent: Some(Duration::from_secs(60)) };

    fn new_machine(desired: Desired) -> Machine {
        Machine::new(Timing::default(), LIMITS, desired)
    }

    fn process(pid: u32) -> Process {
        let header = Header { boot_id: "b".into(), started_at: 0.0, hash: "h1".into(), stderr_from: 0 };
        Process { pid, start_ticks: 1, header, adopted: false }
    }

    fn exit() -> Input {
        Input::Exited(ExitNote {
            how: "exited with status 1".into(),
            line: Some("fatal: no interface".into()),
            oom: false,
        })
    }

    fn view(joined: bool) -> Input {
        let not_joined_because = (!joined).then(|| "sees no manager".to_owned());
        Input::Seen(Box::new(NodeView { joined, not_joined_because, ..node_view("worker-1") }))
    }

    fn started(now: Instant) -> Machine {
        let mut machine = new_machine(Desired::Stopped);
        let (answer, effects) = machine.ask(Verb::Start, "h1", now);
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
    fn the_pause_doubles_up_to_five_minutes_and_after_five_exits_within_a_minute_a_node_is_failing() {
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
        let story = "crashed 5x in 10 min, last: exited with status 1 within a second: fatal: no interface";
        assert_eq!(machine.error(now).as_deref(), Some(story));
        for pause in [16, 32, 64, 128, 256, 300, 300, 300] {
            assert_eq!((machine.state(now), machine.next_try()), (NodeState::Failing, Some(now + seconds(pause))));
            now += seconds(pause);
            assert_eq!(machine.step(Input::Tick, now), [Effect::Spawn], "it is never given up");
            spawned(&mut machine, now);
            machine.step(exit(), now);
        }
        assert_eq!((machine.restarts(), machine.in_a_row()), (12, 13));
        // An operator need not wait; what was before is past, but for the number of restarts.
        assert_eq!(machine.ask(Verb::Start, "h1", now).1, [Effect::Spawn]);
        assert_eq!((machine.is_failing(), machine.restarts()), (false, 12));
        spawned(&mut machine, now);
        machine.step(exit(), now);
        assert_eq!(machine.next_try(), Some(now + seconds(1)));
    }

    #[test]
    fn a_failing_node_that_runs_for_a_minute_is_forgiven_and_a_stop_ends_the_tries() {
        let mut now = Instant::now();
        let mut machine = started(now);
        for pause in [1, 2, 4, 8, 16] {
            machine.step(exit(), now);
            now += seconds(pause);
            machine.step(Input::Tick, now);
            spawned(&mut machine, now);
        }
        machine.step(view(true), now);
        assert!(machine.is_failing());
        assert_eq!(machine.state(now), NodeState::Running, "as long as it does");
        now += seconds(60);
        machine.step(exit(), now);
        assert_eq!((machine.state(now), machine.next_try()), (NodeState::Backoff, Some(now + seconds(1))));
        machine.ask(Verb::Stop, "h1", now);
        assert_eq!((machine.state(now), machine.next_try(), machine.wake_at(now)), (NodeState::Stopped, None, None));
    }

    fn beat() -> Input {
        Input::Beat(Vec::new())
    }

    /// Ticks whenever the machine wants to, until `end`; the effects with the seconds since `from`.
    fn pass(machine: &mut Machine, from: Instant, mut now: Instant, end: Instant) -> Vec<(u64, Effect)> {
        let mut done = Vec::new();
        while let Some(at) = machine.wake_at(now).filter(|at| *at <= end) {
            now = at;
            done.extend(machine.step(Input::Tick, now).into_iter().map(|effect| ((now - from).as_secs(), effect)));
        }
        done
    }

    #[test]
    fn a_silent_node_is_degraded_after_ten_seconds_and_gets_another_process_after_a_minute() {
        let start = Instant::now();
        let mut machine = started(start);
        machine.step(view(true), start);
        machine.step(beat(), start);
        assert_eq!(pass(&mut machine, start, start, start + seconds(14)), []);
        assert_eq!(machine.state(start + seconds(9)), NodeState::Running);
        assert_eq!(machine.state(start + seconds(14)), NodeState::Degraded);
        let story = "no sign of life for 14 s; the process may be hung; it is restarted after 60 s";
        assert_eq!(machine.error(start + seconds(14)).as_deref(), Some(story));
        // A beat, and all is well.
        machine.step(beat(), start + seconds(15));
        assert_eq!(machine.state(start + seconds(15)), NodeState::Running);
        let silent = start + seconds(15);
        let ended = pass(&mut machine, silent, silent, start + seconds(200));
        assert_eq!(ended, [(60, Effect::Terminate), (80, Effect::Kill)]);
        assert_eq!(machine.state(start + seconds(200)), NodeState::Stopping);
        let note = ExitNote { how: "killed by signal 9 (SIGKILL)".into(), line: None, oom: false };
        assert_eq!(machine.step(Input::Exited(note), start + seconds(200)), [Effect::ReportCrash]);
        assert_eq!(machine.state(start + seconds(200)), NodeState::Backoff);
        let story = "gave no sign of life for 60 s, and was ended: killed by signal 9 (SIGKILL)";
        assert_eq!(machine.error(start + seconds(200)).as_deref(), Some(story));
        assert_eq!(machine.exits(), 1, "it counts as a crash");
    }

    #[test]
    fn a_node_that_may_be_silent_for_ever_is_degraded_and_left_alone() {
        let start = Instant::now();
        let mut machine = started(start);
        machine.set_limits(Limits { restart_when_silent: None, ..LIMITS });
        machine.step(view(true), start);
        machine.step(beat(), start);
        assert_eq!(pass(&mut machine, start, start, start + seconds(500)), []);
        let later = start + seconds(500);
        assert_eq!(machine.state(later), NodeState::Degraded);
        let story = "no sign of life for 500 s; the process may be hung";
        assert_eq!(machine.error(later).as_deref(), Some(story));
    }

    #[test]
    fn a_stop_of_a_hung_node_that_is_being_ended_wins() {
        let start = Instant::now();
        let mut machine = started(start);
        machine.step(beat(), start);
        pass(&mut machine, start, start, start + seconds(60));
        machine.ask(Verb::Stop, "h1", start + seconds(61));
        assert!(machine.step(exit(), start + seconds(62)).is_empty());
        assert_eq!(machine.state(start + seconds(62)), NodeState::Stopped);
    }

    #[test]
    fn an_agent_that_did_not_run_itself_blames_no_node_for_its_silence() {
        let start = Instant::now();
        let mut machine = started(start);
        machine.step(view(true), start);
        machine.step(beat(), start);
        // The host slept for an hour: the tick of the tenth second comes then.
        let late = start + seconds(3600);
        assert!(machine.step(Input::Tick, late).is_empty());
        assert_eq!(machine.state(late), NodeState::Running);
        assert_eq!(machine.state(late + seconds(10)), NodeState::Degraded, "from now on it counts");
    }

    #[test]
    fn a_part_that_stands_still_degrades_its_node_and_then_ends_it() {
        let start = Instant::now();
        let mut machine = started(start);
        machine.step(view(true), start);
        let stuck = |for_s| Input::Beat(vec![StuckPart { part: "log writer".into(), for_s }]);
        assert!(machine.step(stuck(12), start + seconds(2)).is_empty());
        assert_eq!(machine.state(start + seconds(2)), NodeState::Degraded);
        let story = "its log writer stands still for 12 s; it is restarted after 60 s";
        assert_eq!(machine.error(start + seconds(2)).as_deref(), Some(story));
        machine.step(beat(), start + seconds(4));
        assert_eq!(machine.state(start + seconds(4)), NodeState::Running);
        assert_eq!(machine.step(stuck(60), start + seconds(6)), [Effect::Terminate]);
    }

    #[test]
    fn one_of_an_older_program_is_never_silent_and_an_adopted_one_that_never_answers_is() {
        let start = Instant::now();
        let mut machine = new_machine(Desired::Running);
        machine.adopt(Process { adopted: true, ..process(9) }, false, start, start);
        machine.step(view(true), start);
        assert_eq!(pass(&mut machine, start, start, start + seconds(500)), []);
        assert_eq!(machine.state(start + seconds(500)), NodeState::Running);

        let mut machine = Machine::new(Timing::default(), LIMITS, Desired::Running);
        machine.adopt(Process { adopted: true, ..process(9) }, false, start, start);
        machine.step(Input::Unseen("no answer within 5 s".into()), start + seconds(5));
        assert_eq!(machine.state(start + seconds(20)), NodeState::Degraded);
        let ended = pass(&mut machine, start, start + seconds(5), start + seconds(61));
        assert_eq!(ended, [(60, Effect::Terminate)]);
    }

    #[test]
    fn a_node_is_what_its_program_is() {
        let now = Instant::now();
        let mut machine = started(now);
        let running = ProgramView { pid: Some(8), settled: true, ..ProgramView::default() };
        let ended = ProgramView { trouble: Some("it ended".into()), ..ProgramView::default() };
        let cases = [
            (running.clone(), NodeState::Running, None),
            (ProgramView { settled: false, ..running.clone() }, NodeState::Joining, None),
            (ended.clone(), NodeState::Backoff, Some("it ended")),
            (ProgramView { pid: Some(9), ..ended.clone() }, NodeState::Backoff, Some("it ended")),
            (ProgramView { failing: true, ..ended.clone() }, NodeState::Failing, Some("it ended")),
            (ProgramView { unhealthy: true, trouble: Some("ill".into()), ..running }, NodeState::Degraded, Some("ill")),
        ];
        for (program, state, error) in cases {
            let Input::Seen(mut view) = view(true) else { unreachable!("it is one") };
            view.program = Some(program.clone());
            machine.step(Input::Seen(view), now);
            assert_eq!((machine.state(now), machine.error(now).as_deref()), (state, error), "{program:?}");
        }
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
        machine.ask(Verb::Restart, "h1", now + seconds(3));
        assert_eq!(machine.crashes(now + seconds(3)), None, "an operator has seen it");
    }

    #[test]
    fn exits_far_apart_are_no_failure_and_the_pause_ends_at_five_minutes() {
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
        assert_eq!((last, machine.is_failing()), (seconds(300), false));
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
        let mut machine = new_machine(Desired::Stopped);
        machine.ask(Verb::Start, "h1", now);
        machine.step(Input::SpawnFailed("cannot start /x: no such file".into()), now);
        assert_eq!(machine.state(now), NodeState::Backoff);
        assert_eq!(machine.error(now).as_deref(), Some("cannot start /x: no such file"));
        assert_eq!(machine.exits(), 1);
    }

    #[test]
    fn stop_escalates_to_kill_after_the_grace_period() {
        let now = Instant::now();
        let mut machine = started(now);
        assert_eq!(machine.ask(Verb::Stop, "h1", now).1, [Effect::Terminate]);
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
        machine.ask(Verb::Stop, "h1", now);
        machine.ask(Verb::Start, "h1", now);
        assert_eq!(machine.step(exit(), now), [Effect::Spawn]);
        spawned(&mut machine, now);
        machine.ask(Verb::Restart, "h1", now);
        machine.ask(Verb::Stop, "h1", now);
        assert!(machine.step(exit(), now).is_empty());
        assert_eq!(machine.state(now), NodeState::Stopped);
    }

    #[test]
    fn a_stop_ends_the_waiting_and_the_failure() {
        let now = Instant::now();
        let mut machine = started(now);
        machine.step(exit(), now);
        assert_eq!(machine.ask(Verb::Stop, "h1", now), (Answer::Began { exits: 1 }, vec![]));
        assert_eq!(machine.state(now), NodeState::Stopped);
        assert_eq!(machine.wake_at(now), None);
        assert_eq!(machine.ask(Verb::Stop, "h1", now).0, Answer::Unchanged);
    }

    #[test]
    fn starting_what_runs_changes_nothing() {
        let now = Instant::now();
        let mut machine = started(now);
        assert_eq!(machine.ask(Verb::Start, "h2", now), (Answer::Unchanged, vec![]));
    }

    #[test]
    fn apply_restarts_only_another_hash_and_leaves_the_stopped_alone() {
        let now = Instant::now();
        let mut machine = started(now);
        assert_eq!(machine.ask(Verb::Apply, "h1", now).0, Answer::Unchanged);
        assert_eq!(machine.ask(Verb::Apply, "h2", now).1, [Effect::Terminate]);
        assert_eq!(machine.step(exit(), now), [Effect::Spawn]);
        spawned(&mut machine, now);
        machine.ask(Verb::Stop, "h1", now);
        machine.step(exit(), now);
        assert_eq!(machine.ask(Verb::Apply, "h2", now).0, Answer::Unchanged);
        assert_eq!(machine.state(now), NodeState::Stopped);
    }

    #[test]
    fn apply_starts_what_is_new() {
        let now = Instant::now();
        let mut machine = new_machine(Desired::New);
        assert_eq!(machine.ask(Verb::Resume, "h1", now).0, Answer::Unchanged);
        assert_eq!(machine.ask(Verb::Apply, "h1", now).1, [Effect::Spawn]);
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
    fn what_was_wanted_is_resumed_also_what_was_failing() {
        let now = Instant::now();
        let mut machine = new_machine(Desired::Running);
        assert_eq!(machine.ask(Verb::Resume, "h1", now).1, [Effect::Spawn]);
        assert_eq!(machine.restarts(), 1);
        let mut machine = new_machine(Desired::Running);
        machine.recall(4, 6, true, Some("x".into()));
        assert_eq!(machine.ask(Verb::Resume, "h1", now).1, [Effect::Spawn]);
        spawned(&mut machine, now);
        machine.step(exit(), now);
        assert_eq!((machine.state(now), machine.restarts()), (NodeState::Failing, 5));
        assert_eq!(machine.next_try(), Some(now + seconds(64)), "where the earlier agent was");
    }

    #[test]
    fn a_stop_that_an_earlier_agent_began_is_finished() {
        let now = Instant::now();
        let mut machine = new_machine(Desired::Stopped);
        machine.adopt(process(9), false, now, now);
        assert_eq!(machine.ask(Verb::Resume, "h1", now).1, [Effect::Terminate]);
    }

    #[test]
    fn an_adopted_process_is_not_started_again() {
        let now = Instant::now();
        let mut machine = new_machine(Desired::Running);
        machine.adopt(process(9), false, now, now);
        assert_eq!(machine.ask(Verb::Resume, "h1", now).0, Answer::Unchanged);
        assert_eq!(machine.process().map(|p| p.pid), Some(9));
    }
}
