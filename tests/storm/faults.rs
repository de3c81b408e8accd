//! What befalls the cluster: one deed at a time, chosen by the seed, written down with its times.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::{NODES, Town};
use crate::support::simulation::Random;
use crate::support::{Machines, Sandbox};

/// Steps the clock of the loggers where it is installed.
const CLOCK_LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// What a command of the storm may take: some of them meet a machine that is cut off.
const COMMAND: &str = "15s";
/// The longest that anything is held, in milliseconds.
const HELD_MS: usize = 6000;
/// Signals and taken files are followed by a moment for the agent to see them, in milliseconds.
const MOMENT_MS: usize = 2500;

/// Something that was done.
#[derive(Clone, Debug)]
pub struct Deed {
    pub what: String,
    /// The node, or the machine.
    pub whom: String,
    pub from: Instant,
    pub to: Instant,
}

/// The choice of faults, and what was done so far.
pub struct Weather {
    random: Random,
    pub deeds: Vec<Deed>,
}

/// A process of the cluster: its machine, the node's name or `agent`, its pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub machine: usize,
    pub name: String,
    pub pid: i32,
}

/// All processes of agents and nodes on the machines.
pub fn processes(machines: &Machines) -> Vec<Running> {
    let mut found = Vec::new();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let args = process.cmdline().unwrap_or_default();
        let name = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [_, "agent", "run", ..] => "agent",
            [_, "node", "run", name, ..] => *name,
            _ => continue,
        };
        let machine = (0..machines.count()).find(|index| machines.has(*index, process.pid));
        found.extend(machine.map(|machine| Running { machine, name: name.to_owned(), pid: process.pid }));
    }
    found
}

/// What cannot be done where this runs, and why.
pub fn left_out() -> Vec<String> {
    let mut reasons = vec!["loss and delay: the partition is a cable without link".to_owned()];
    if !Path::new(CLOCK_LIBRARY).exists() {
        reasons.push(format!("clock stepped: {CLOCK_LIBRARY} is not installed (Debian: libfaketime)"));
    }
    reasons
}

/// The part of a layout that gives nodes a clock which the storm can step; empty where there is no library for it.
pub fn clock_of(sandbox: &Sandbox) -> String {
    if !Path::new(CLOCK_LIBRARY).exists() {
        return String::new();
    }
    let file = sandbox.path().join("clock");
    format!(
        ", env_vars: {{ LD_PRELOAD: {CLOCK_LIBRARY}, FAKETIME_TIMESTAMP_FILE: {}, FAKETIME_NO_CACHE: \"1\", \
         FAKETIME_DONT_FAKE_MONOTONIC: \"1\" }}",
        file.display()
    )
}

impl Weather {
    pub fn new(random: Random) -> Weather {
        Weather { random, deeds: Vec::new() }
    }

    /// Does one of all that can be done.
    pub fn strike(&mut self, town: &mut Town) {
        match self.random.below(30) {
            0..6 => self.signal(town, "kill", Signal::KILL),
            6..10 => self.pause(town),
            10 | 11 => self.take_socket(town),
            12 | 13 => self.damage_state(town),
            14..17 => self.fill_disk(town),
            17..19 => self.deploy(town),
            19..21 => self.stop_and_start(town),
            21..23 => self.restart(town),
            23..25 => self.cut_off(town),
            25..27 => self.use_up_descriptors(town),
            27 | 28 => self.step_clock(town),
            _ => self.wait(MOMENT_MS),
        }
    }

    /// Ends what an operator would see to first: nothing is held, the clock is right.
    pub fn clear(&mut self, town: &Town) {
        for process in processes(&town.machines) {
            signal(process.pid, Signal::CONT);
        }
        (0..town.machines.count()).for_each(|index| town.machines.set_link(index, true));
        self.set_clock(town, "+0");
    }

    fn did(&mut self, what: &str, whom: &str, from: Instant) {
        println!("{what} {whom} ({:.1} s)", from.elapsed().as_secs_f64());
        self.deeds.push(Deed { what: what.to_owned(), whom: whom.to_owned(), from, to: Instant::now() });
    }

    fn wait(&mut self, most_ms: usize) {
        thread::park_timeout(Duration::from_millis(200 + self.random.below(most_ms) as u64));
    }

    /// A process of a kind that chance chooses first, so that the few managers suffer as often as the many workers.
    fn victim(&mut self, town: &Town) -> Option<Running> {
        let kind = *self.random.one_of(&["agent", "manager", "logger", "logger", "proxy", "worker"]);
        let mut found = processes(&town.machines);
        found.retain(|process| process.name.starts_with(kind));
        found.sort_by(|a, b| (&a.name, a.machine).cmp(&(&b.name, b.machine)));
        (!found.is_empty()).then(|| self.random.one_of(&found).clone())
    }

    fn signal(&mut self, town: &Town, what: &str, with: Signal) {
        let Some(victim) = self.victim(town) else { return };
        let from = Instant::now();
        signal(victim.pid, with);
        self.did(&format!("{what} {}", kind(&victim.name)), &victim.name, from);
        self.wait(MOMENT_MS);
    }

    fn pause(&mut self, town: &Town) {
        let Some(victim) = self.victim(town) else { return };
        let from = Instant::now();
        signal(victim.pid, Signal::STOP);
        self.wait(HELD_MS);
        signal(victim.pid, Signal::CONT);
        self.did(&format!("pause {}", kind(&victim.name)), &victim.name, from);
    }

    fn folder_of(&mut self, town: &Town) -> (String, std::path::PathBuf) {
        let name = *self.random.one_of(&NODES);
        let runs = processes(&town.machines).into_iter().find(|process| process.name == name);
        let machine = runs.map_or(0, |process| process.machine);
        (name.to_owned(), town.machines.sight(machine).join("campus/run"))
    }

    fn take_socket(&mut self, town: &Town) {
        let (name, run) = self.folder_of(town);
        let from = Instant::now();
        let agent = self.random.below(3) == 0;
        let path = if agent { run.join("agent.sock") } else { run.join(&name).join("node.sock") };
        // It may be away already.
        let _ = fs::remove_file(path);
        self.did("delete socket", if agent { "agent" } else { &name }, from);
        self.wait(MOMENT_MS);
    }

    fn damage_state(&mut self, town: &Town) {
        let (name, run) = self.folder_of(town);
        let from = Instant::now();
        let file = *self.random.one_of(&["pid", "state.json"]);
        let path = run.join(&name).join(file);
        match self.random.below(2) {
            0 => drop(fs::remove_file(path)),
            _ => drop(fs::OpenOptions::new().write(true).truncate(true).open(path)),
        }
        self.did(&format!("damage {file}"), &name, from);
        self.wait(MOMENT_MS);
    }

    fn fill_disk(&mut self, town: &Town) {
        let machine = self.random.below(town.machines.count());
        let from = Instant::now();
        let path = town.machines.sight(machine).join("campus/filler");
        if let Ok(mut filler) = File::create(&path) {
            for size in [1 << 20, 4096, 1] {
                let piece = vec![0; size];
                while filler.write_all(&piece).is_ok() {}
            }
        }
        self.wait(HELD_MS);
        let _ = fs::remove_file(&path);
        self.did("full disk", &Machines::name(machine), from);
    }

    fn deploy(&mut self, town: &mut Town) {
        if self.random.below(2) == 0 {
            town.edit();
        }
        let from = Instant::now();
        let output = town.sandbox.run(&["deploy", "--timeout", COMMAND]);
        self.did(&format!("deploy ({})", output.status), "all", from);
    }

    fn stop_and_start(&mut self, town: &Town) {
        let name = *self.random.one_of(&NODES);
        let from = Instant::now();
        let stopped = town.sandbox.run(&["stop", name, "--timeout", COMMAND]).status;
        let started = town.sandbox.run(&["start", name, "--timeout", COMMAND]).status;
        self.did(&format!("stop ({stopped}) and start ({started})"), name, from);
    }

    fn restart(&mut self, town: &Town) {
        let name = *self.random.one_of(&NODES);
        let from = Instant::now();
        let status = town.sandbox.run(&["restart", name, "--timeout", COMMAND]).status;
        self.did(&format!("restart ({status})"), name, from);
    }

    fn cut_off(&mut self, town: &Town) {
        let machine = self.random.below(town.machines.count());
        let from = Instant::now();
        town.machines.set_link(machine, false);
        self.wait(HELD_MS);
        town.machines.set_link(machine, true);
        self.did("partition", &Machines::name(machine), from);
    }

    fn use_up_descriptors(&mut self, town: &Town) {
        let Some(victim) = self.victim(town) else { return };
        let (Some(pid), Some(hard)) = (Pid::from_raw(victim.pid), most_files(victim.pid)) else { return };
        let from = Instant::now();
        let limit = |current| Rlimit { current: Some(current), maximum: Some(hard) };
        let Ok(before) = prlimit(Some(pid), Resource::Nofile, limit(8)) else { return };
        self.wait(HELD_MS);
        // The process may be gone.
        let _ = prlimit(Some(pid), Resource::Nofile, limit(before.current.unwrap_or(hard)));
        self.did(&format!("no descriptors for {}", kind(&victim.name)), &victim.name, from);
    }

    fn step_clock(&mut self, town: &Town) {
        if !Path::new(CLOCK_LIBRARY).exists() {
            return;
        }
        let from = Instant::now();
        let step = *self.random.one_of(&["-3600", "+3600", "-30", "+86400", "+0"]);
        self.set_clock(town, step);
        self.did("clock stepped", step, from);
        self.wait(MOMENT_MS);
    }

    fn set_clock(&self, town: &Town, step: &str) {
        let path = town.sandbox.path().join("clock");
        // Replaced at once: a reader sees the one or the other.
        let new = path.with_extension("new");
        fs::write(&new, step).and_then(|()| fs::rename(&new, &path)).expect("the clock's file");
    }
}

/// The hard limit of a process's open files.
fn most_files(pid: i32) -> Option<u64> {
    let limits = procfs::process::Process::new(pid).and_then(|process| process.limits()).ok()?;
    match limits.max_open_files.hard_limit {
        procfs::process::LimitValue::Value(files) => Some(files),
        procfs::process::LimitValue::Unlimited => None,
    }
}

/// `logger` of `logger-1`.
fn kind(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Whoever was killed before is gone.
        let _ = kill_process(pid, signal);
    }
}
