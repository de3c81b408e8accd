//! The only loop that touches a node's process: it feeds the [`Machine`] and does what the machine says.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::block_in_place;

use super::cgroup;
use super::crash;
use super::fatal::fatal_line;
use super::job::{JobView, Listeners};
use super::limits::{self, Given};
use super::link::{Link, NodeClient, Seen};
use super::messages::Message;
use super::output;
use super::process::{Process, boot_id, found, read_record, write_record};
use super::saved::{Desired, Saved, Spec};
use super::spawn::{self, Running, Spawned, record_path};
use super::state::{Effect, ExitNote, Input, Machine, Timing};
use crate::agent::events::Story;
use crate::api::agent::NodeStatus;
use crate::api::events::Happening;
use crate::api::node::NodeView;
use crate::api::paths::ClusterDir;
use crate::data::NodeType;
use crate::kernel_log::OUT_OF_MEMORY;
use crate::{processes, socket};

/// How often the sizes of standard output and error are looked at.
const BOUND_EVERY: Duration = Duration::from_secs(30);

/// How often the files are looked at from which the next agent learns of the node.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// How an end by SIGKILL begins in words.
const KILLED: &str = "killed by signal 9";

/// The owner of one node's process.
pub struct Task {
    dir: ClusterDir,
    spec: Spec,
    machine: Machine,
    running: Option<Running>,
    link: Option<Link>,
    client: NodeClient,
    told: Told,
    saved: Option<Saved>,
    view: watch::Sender<JobView>,
    listeners: Listeners,
    story: Story,
    /// The end of the last standard error, between an exit and its crash report.
    last_words: Vec<u8>,
    last_exit: ExitNote,
    ended_process: Option<Process>,
}

/// What is told of a node beside what the machine knows.
#[derive(Default)]
struct Told {
    /// Whether SIGKILL was sent to the process.
    killed: bool,
    /// What the process took over last of what needs no restart.
    live: Option<String>,
    /// When the agent started it again last, seconds since the epoch.
    last_restart_at: Option<f64>,
    /// When it will next, by both clocks; computed once, so that it does not waver.
    next_try: Option<(Instant, f64)>,
    /// The limits that the process was given.
    given: Given,
}

/// What woke the task.
enum Woken {
    Message(Option<Message>),
    Ended,
    Seen(Option<Seen>),
    Tick,
    Bound,
    Keep,
}

impl Task {
    /// Adopts the node's process if it still runs: that of its record, else `found`, else the one that answers on its
    /// socket. Must be called within a runtime.
    pub fn new(
        dir: ClusterDir,
        spec: Spec,
        saved: Option<Saved>,
        found: Option<u32>,
        timing: Timing,
        client: NodeClient,
        listeners: Listeners,
    ) -> Task {
        let desired = saved.as_ref().map_or(Desired::New, |saved| saved.desired);
        let mut machine = Machine::new(timing, spec.limits(), desired);
        if let Some(saved) = &saved {
            let (in_a_row, failing) = match saved.boot_id == boot_id() {
                true => (saved.in_a_row, saved.failing),
                false => (0, false),
            };
            machine.recall(saved.restarts, in_a_row, failing, saved.error.clone());
        }
        let last_restart_at = saved.as_ref().and_then(|saved| saved.last_restart_at);
        let live = saved.as_ref().and_then(|saved| saved.live.clone());
        let first = view_of(&machine, &spec, &Told::default(), Instant::now());
        let story = Story::begin(first.clone(), listeners.events.open_of(&spec.node.name));
        let (view, _) = watch::channel(first);
        let mut task = Task {
            dir,
            spec,
            machine,
            running: None,
            link: None,
            client,
            told: Told { live, last_restart_at, ..Told::default() },
            saved,
            view,
            listeners,
            story,
            last_words: Vec::new(),
            last_exit: ExitNote::default(),
            ended_process: None,
        };
        task.adopt(found);
        task.publish();
        task
    }

    /// Where the node's state is published.
    pub fn subscribe(&self) -> watch::Receiver<JobView> {
        self.view.subscribe()
    }

    /// Until no handle is left.
    pub async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut bound = tokio::time::interval(BOUND_EVERY);
        let mut keep = tokio::time::interval(KEEP_EVERY);
        loop {
            let woken = tokio::select! {
                message = messages.recv() => Woken::Message(message),
                () = ended(self.running.as_ref()) => Woken::Ended,
                seen = next_seen(self.link.as_mut()) => Woken::Seen(seen),
                () = sleep_until(self.machine.wake_at(Instant::now())) => Woken::Tick,
                _ = bound.tick() => Woken::Bound,
                _ = keep.tick() => Woken::Keep,
            };
            match woken {
                Woken::Message(None) => return self.leave(),
                Woken::Message(Some(message)) => self.receive(message),
                Woken::Ended => self.process_ended(),
                Woken::Seen(Some(Seen::View(view))) => self.feed(Input::Seen(view)),
                Woken::Seen(Some(Seen::Beat(stuck))) => self.feed(Input::Beat(stuck)),
                Woken::Seen(Some(Seen::Silence(why))) => self.feed(Input::Unseen(why)),
                Woken::Seen(None) => self.link = None,
                Woken::Tick => self.feed(Input::Tick),
                Woken::Bound => self.bound_output(),
                Woken::Keep => self.keep_files(),
            }
        }
    }

    fn leave(&self) {
        if self.running.is_none() {
            cgroup::leave(&self.spec.node.name);
        }
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Configure(spec) => {
                self.spec = *spec;
                self.machine.set_limits(self.spec.limits());
                self.publish();
            }
            Message::TookOver(live) => {
                self.told.live = Some(live);
                self.save();
                self.publish();
            }
            Message::Limit(reply) => {
                self.limit();
                // Whoever asked may have left; it is done all the same.
                let _ = reply.send(());
            }
            Message::Ask(verb, reply) => {
                let (answer, effects) = self.machine.ask(verb, &self.spec.node.hash, Instant::now());
                self.perform(effects);
                // Published first, so that whoever waits for the outcome does not see what was before it. Whoever asked
                // may have left; what they asked for is done all the same.
                let _ = reply.send(answer);
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let effects = self.machine.step(input, Instant::now());
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        if self.saved.as_ref().is_some_and(|saved| saved.restarts < self.machine.restarts()) {
            self.told.last_restart_at = Some(seconds_since_epoch());
        }
        for effect in effects {
            match effect {
                Effect::Spawn => self.spawn(),
                Effect::Terminate => self.signal(Signal::TERM),
                Effect::Kill => {
                    self.told.killed = true;
                    tracing::warn!(node = %self.spec.node.name, "still runs after the grace period, sending SIGKILL");
                    self.signal(Signal::KILL);
                }
                Effect::ReportCrash => self.report_crash(),
            }
        }
        self.save();
        self.publish();
    }

    fn adopt(&mut self, found: Option<u32>) {
        let recorded = || {
            let process = read_record(&record_path(&self.dir, &self.spec.node.name))?;
            let pidfd = process.open()?;
            Some((process, pidfd))
        };
        let Some((process, pidfd)) = recorded().or_else(|| self.without_record(found)) else { return };
        let now = Instant::now();
        let age = (seconds_since_epoch() - process.header.started_at).max(0.0);
        let since = now.checked_sub(Duration::from_secs_f64(age)).unwrap_or(now);
        tracing::info!(node = %self.spec.node.name, pid = process.pid, "adopted");
        self.story.adopted(process.pid);
        self.listeners.events.node(&self.spec.node.name, Happening::Adopted { pid: process.pid });
        self.machine.adopt(process.clone(), self.spec.is_foreign(), since, now);
        self.own(process, pidfd);
        self.told.given.oom_kills = limits::oom_kills(&self.spec.node.name);
        self.limit();
    }

    /// Gives the process that runs what the current release says.
    fn limit(&mut self) {
        let Some(pid) = self.running.as_ref().map(|running| running.process.pid) else { return };
        let (node, before) = (&self.spec.node, &self.told.given);
        self.told.given = block_in_place(|| limits::apply(node, pid, before));
        self.tell_missed();
        self.publish();
    }

    fn tell_missed(&self) {
        for missed in &self.told.given.missed {
            tracing::warn!(node = %self.spec.node.name, "{missed}");
        }
    }

    /// A node whose record is gone or damaged is told by its command line and by who answers on its socket.
    fn without_record(&self, seen: Option<u32>) -> Option<(Process, OwnedFd)> {
        let name = &self.spec.node.name;
        let is_it = |pid: &u32| processes::is_node(*pid, name, &self.dir);
        let answering = || socket::listening_process(&self.dir.node_socket(name));
        let pid = seen.filter(is_it).or_else(|| answering().filter(is_it))?;
        let stderr_from = std::fs::metadata(self.dir.node_stderr(name)).map_or(0, |file| file.len());
        let (process, pidfd) = found(pid, stderr_from, |pid| is_it(&pid))?;
        tracing::warn!(node = %name, pid, "its record was damaged; it was found by its command line");
        Some((process, pidfd))
    }

    /// Writes again what was taken away or damaged.
    fn keep_files(&mut self) {
        let node = &self.spec.node.name;
        if self.saved.is_some() && Saved::read(&self.dir.node_state(node)).is_none() {
            self.saved = None;
            self.save();
        }
        let Some(running) = &self.running else { return };
        let path = record_path(&self.dir, &self.spec.node.name);
        if read_record(&path).is_some_and(|there| there.pid == running.process.pid) {
            return;
        }
        let written = block_in_place(|| make_folder(&path).and_then(|()| write_record(&path, &running.process)));
        match written {
            Ok(()) => tracing::warn!(path = %path.display(), "was damaged or gone and has been written again"),
            Err(error) => tracing::debug!(path = %path.display(), %error, "cannot be written again"),
        }
    }

    fn spawn(&mut self) {
        self.told.killed = false;
        self.told.live = Some(self.spec.node.live.clone());
        let (dir, spec, restarts) = (&self.dir, &self.spec, self.machine.restarts());
        let input = match block_in_place(|| spawn::spawn(dir, spec, restarts)) {
            Ok(Spawned { process, pidfd, given }) => {
                tracing::info!(node = %spec.node.name, pid = process.pid, "started");
                let input = Input::Spawned { process: process.clone(), foreign: spec.is_foreign() };
                self.own(process, pidfd);
                self.told.given = given;
                self.tell_missed();
                input
            }
            Err(why) => {
                tracing::error!(node = %spec.node.name, "{why}");
                Input::SpawnFailed(why)
            }
        };
        self.machine.step(input, Instant::now());
    }

    fn own(&mut self, process: Process, pidfd: OwnedFd) {
        let pid = (!self.spec.is_foreign()).then_some(process.pid);
        self.link = Some(Link::open(self.client.clone(), pid));
        self.running = Some(Running::new(process, pidfd));
    }

    fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running
            && let Err(error) = running.signal_group(signal)
        {
            tracing::error!(node = %self.spec.node.name, pid = running.process.pid, %error, "cannot be signalled");
        }
    }

    fn process_ended(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.link = None;
        let mut how = running.reap();
        let node = &self.spec.node.name;
        let oom = !self.told.killed
            && how.starts_with(KILLED)
            && block_in_place(|| limits::was_out_of_memory(node, &running.process, &self.told.given));
        if oom {
            let max = self.told.given.limits.words().remove("memory_max").map(|max| format!(", memory_max {max}"));
            how.push_str(&format!(": {OUT_OF_MEMORY}{}", max.unwrap_or_default()));
        }
        let from = running.process.header.stderr_from;
        self.last_words = block_in_place(|| crash::last_words(&self.dir, &self.spec.node.name, from));
        let line = fatal_line(&String::from_utf8_lossy(&self.last_words));
        tracing::info!(node = %self.spec.node.name, pid = running.process.pid, "{how}");
        self.last_exit = ExitNote { how, line, oom };
        // A record of a process that is gone only costs the next agent a look.
        let _ = std::fs::remove_file(record_path(&self.dir, &self.spec.node.name));
        self.ended_process = Some(running.process);
        self.feed(Input::Exited(self.last_exit.clone()));
    }

    /// Ends what the process left running: whatever that does, it would do beside its successor.
    fn end_survivors(&self) {
        let folder = self.dir.node(&self.spec.node.name);
        let left = block_in_place(|| processes::survivors(std::slice::from_ref(&folder), &[std::process::id()]));
        for survivor in &left {
            tracing::warn!(node = %self.spec.node.name, pid = survivor.process.pid, "was left running, ending it");
            survivor.process.signal(Signal::KILL);
        }
    }

    fn report_crash(&mut self) {
        self.end_survivors();
        let Some(process) = self.ended_process.take() else { return };
        let status = view_of(&self.machine, &self.spec, &self.told, Instant::now()).status;
        let report = crash::Report {
            exit: &self.last_exit.how,
            ended_at: seconds_since_epoch(),
            pid: process.pid,
            started_at: process.header.started_at,
            state: &status,
            command: self.spec.node.command.as_deref(),
        };
        let (dir, node, words) = (&self.dir, &self.spec.node.name, &self.last_words);
        if let Err(error) = block_in_place(|| crash::keep(dir, node, &report, words, jiff::Timestamp::now())) {
            tracing::warn!(node = %node, %error, "the crash report cannot be written");
        }
    }

    fn bound_output(&self) {
        let node = &self.spec.node.name;
        for path in [self.dir.node_stdout(node), self.dir.node_stderr(node)] {
            if let Err(error) = block_in_place(|| output::bound(&path)) {
                tracing::warn!(path = %path.display(), %error, "cannot be bounded");
            }
        }
    }

    /// Writes `state.json` when it would differ from what was written last.
    fn save(&mut self) {
        let now = Saved {
            desired: self.machine.desired(),
            failing: self.machine.is_failing(),
            in_a_row: self.machine.in_a_row(),
            boot_id: boot_id().to_owned(),
            restarts: self.machine.restarts(),
            last_restart_at: self.told.last_restart_at,
            error: self.machine.last_exit().map(str::to_owned),
            spec: self.spec.clone(),
            live: self.told.live.clone(),
        };
        if self.saved.as_ref() == Some(&now) {
            return;
        }
        let path = self.dir.node_state(&self.spec.node.name);
        match block_in_place(|| make_folder(&path).and_then(|()| now.write(&path))) {
            Ok(()) => self.saved = Some(now),
            // The node is more important than the note about it; the next change tries again.
            Err(error) => tracing::error!(path = %path.display(), %error, "cannot be written"),
        }
    }

    fn publish(&mut self) {
        let next = self.machine.next_try();
        if self.told.next_try.map(|(at, _)| at) != next {
            let wall = |at: Instant| seconds_since_epoch() + at.saturating_duration_since(Instant::now()).as_secs_f64();
            self.told.next_try = next.map(|at| (at, wall(at)));
        }
        let now = view_of(&self.machine, &self.spec, &self.told, Instant::now());
        let now = JobView { last_exit: self.last_exit.clone(), ..now };
        let happened = self.story.next(&now);
        happened.into_iter().for_each(|what| self.listeners.events.node(&self.spec.node.name, what));
        let visible = self.view.borrow().status != now.status;
        self.view.send_replace(now);
        if visible {
            self.listeners.changes.send_modify(|n| *n += 1);
        }
    }
}

fn make_folder(file: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = file.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn view_of(machine: &Machine, spec: &Spec, told: &Told, now: Instant) -> JobView {
    let process = machine.process();
    let view = machine.view(now);
    JobView {
        status: NodeStatus {
            name: spec.node.name.clone(),
            node_type: spec.node.node_type,
            state: machine.state(now),
            pid: process.map(|process| process.pid),
            restarts: machine.restarts(),
            last_restart_at: told.last_restart_at,
            next_try_at: told.next_try.map(|(_, wall)| wall),
            started_at: process.map(|process| process.header.started_at),
            error: machine.error(now),
            running_hash: process.map(|process| process.header.hash.clone()),
            live_hash: process.and(told.live.clone()),
            logger_up: view.map(sees_logger),
            peers_up: view
                .map(|view| (view.peers.iter().filter(|peer| peer.up).count() as u64, view.peers.len() as u64)),
            limits: process.map(|_| told.given.limits.clone()).unwrap_or_default(),
            cgroup: process.and(told.given.cgroup.clone()),
            limits_missed: process.map(|_| told.given.missed.clone()).unwrap_or_default(),
            id: view.map(|view| view.id.clone()),
        },
        ready: machine.is_ready(now),
        exits: machine.exits(),
        killed: told.killed,
        view: view.cloned().map(Arc::new),
        foreign: spec.is_foreign(),
        live_wanted: spec.node.live.clone(),
        limits_wanted: spec.node.limits.clone(),
        last_exit: ExitNote::default(),
    }
}

/// Whether somebody takes the node's logs: a logger or, in a cluster without one, the manager.
fn sees_logger(view: &NodeView) -> bool {
    let loggers = view.counts.get(&NodeType::Logger).map_or(0, |count| count.defined);
    let taker = if loggers == 0 { NodeType::Manager } else { NodeType::Logger };
    view.node_type == taker || view.peers.iter().any(|peer| peer.node_type == taker && peer.up)
}

fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

async fn ended(running: Option<&Running>) {
    let Some(running) = running else { return std::future::pending().await };
    if let Err(error) = running.ended().await {
        // Cannot happen short of a broken runtime; without an answer the node counts as running.
        tracing::error!(pid = running.process.pid, %error, "cannot be watched");
        std::future::pending::<()>().await;
    }
}

async fn next_seen(link: Option<&mut Link>) -> Option<Seen> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
