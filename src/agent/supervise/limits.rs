//! How a node's limits come about: at its start, between fork and exec, and while it runs. Whatever the host refuses is
//! told, and never keeps a node from starting; CPUs that are not there do, as nothing could run on them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getpriority_process, getrlimit, prlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::cgroup::{self, Group};
use super::process::Process;
use crate::api::agent::ManifestNode;
use crate::api::limits::{self, Limits, Numa};
use crate::kernel_log;

/// Modes of set_mempolicy(2). Source: linux/mempolicy.h.
const MPOL_BIND: i32 = 2;
const MPOL_INTERLEAVE: i32 = 3;
const MPOL_LOCAL: i32 = 4;

/// NUMA nodes that a mask has room for; more than any kernel is built for (`CONFIG_NODES_SHIFT`).
const MAX_NUMA: usize = 1024;

/// A node's limits as its process was given them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// What was asked for.
    pub limits: Limits,
    /// What of it is not kept, or kept in another way: a sentence fragment each.
    pub missed: Vec<String>,
    /// The cgroup that keeps its limits of memory; none where each process is limited for itself.
    pub cgroup: Option<PathBuf>,
    /// How often the kernel had ended a process of the node's cgroup for lack of memory before.
    pub oom_kills: u64,
}

/// What a child does to itself before it becomes the node; everything is made before the fork.
pub struct AtStart {
    steps: Vec<(&'static str, Step)>,
    /// Where it says which step failed: its number, and the error's.
    told: OwnedFd,
}

/// What the agent hears of it.
pub struct Heard {
    keys: Vec<&'static str>,
    pipe: File,
    given: Given,
}

enum Step {
    Enter(File),
    Nice(i32),
    Limit(Resource, Rlimit),
    Memory(i32, Box<[libc::c_ulong; MAX_NUMA / 64]>),
}

/// Prepares the limits of a node's next process.
///
/// # Errors
/// When there is no pipe to be had.
pub fn prepare(node: &ManifestNode) -> io::Result<(AtStart, Heard)> {
    let (pipe, told) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let limits = &node.limits;
    let (mut steps, mut missed) = (Vec::new(), Vec::new());
    let group = group_of(&node.name);
    if let Ok(group) = &group {
        missed.extend(group.limit(limits));
        match group.door() {
            Ok(door) => steps.push(("cgroup", Step::Enter(door))),
            Err(error) => missed.push(format!("its cgroup cannot be entered: {error}")),
        }
    }
    missed.extend(otherwise(limits, group.as_ref().map_err(String::as_str)));
    steps.extend(
        rlimits(limits, group.as_ref().ok()).into_iter().map(|(key, which, limit)| (key, Step::Limit(which, limit))),
    );
    steps.extend(limits.nice.map(|nice| ("nice", Step::Nice(nice))));
    steps.extend(limits.numa.as_ref().map(|numa| ("numa", policy(numa))));
    let oom_kills = group.as_ref().map_or(0, Group::oom_kills);
    let keys = steps.iter().map(|(key, _)| *key).collect();
    let cgroup = keeper(group.as_ref().ok());
    let given = Given { limits: limits.clone(), missed, cgroup, oom_kills };
    Ok((AtStart { steps, told }, Heard { keys, pipe: File::from(pipe), given }))
}

impl AtStart {
    /// Takes each step, and tells of those that fail. Makes system calls only: it runs between fork and exec.
    pub fn take(&mut self) {
        for (number, (_, step)) in self.steps.iter_mut().enumerate() {
            if let Err(error) = step.take() {
                let [a, b, c, d] = error.raw_os_error().to_ne_bytes();
                // There is no other way to tell it.
                let _ = rustix::io::write(self.told.as_fd(), &[number as u8, a, b, c, d]);
            }
        }
    }
}

impl Step {
    fn take(&mut self) -> rustix::io::Result<()> {
        match self {
            Step::Enter(door) => rustix::io::write(door.as_fd(), b"0").map(drop),
            Step::Nice(nice) => setpriority_process(None, *nice),
            Step::Limit(resource, limit) => setrlimit(*resource, *limit),
            Step::Memory(mode, mask) => {
                let length = if mask.iter().all(|word| *word == 0) { 0 } else { MAX_NUMA };
                // SAFETY: the mask has as many bits as the call is told, and the call only reads it.
                let done = unsafe { libc::syscall(libc::SYS_set_mempolicy, *mode, mask.as_ptr(), length) };
                match done {
                    0 => Ok(()),
                    _ => Err(rustix::io::Errno::from_io_error(&io::Error::last_os_error())
                        .unwrap_or(rustix::io::Errno::INVAL)),
                }
            }
        }
    }
}

impl Heard {
    /// What the process was given, once the child's end of the pipe is closed.
    pub fn given(mut self) -> Given {
        let mut told = Vec::new();
        // A pipe whose writers are gone ends; what was told before is there.
        let _ = self.pipe.read_to_end(&mut told);
        for [number, rest @ ..] in told.as_chunks::<5>().0 {
            let key = self.keys.get(usize::from(*number)).copied().unwrap_or("a limit");
            let error = io::Error::from_raw_os_error(i32::from_ne_bytes(*rest));
            self.given.missed.push(refused(key, &self.given.limits, &error));
        }
        self.given
    }
}

fn refused(key: &str, limits: &Limits, error: &io::Error) -> String {
    match limits.words().get(key) {
        Some(value) => format!("{key} {value} is not kept: {error}"),
        None => format!("its {key} cannot be entered: {error}"),
    }
}

/// Gives a running node what can be given to it: its cgroup, and each of its processes and threads.
pub fn apply(node: &ManifestNode, leader: u32, before: &Given) -> Given {
    let limits = &node.limits;
    let group = group_of(&node.name);
    let mut missed: Vec<String> = group.as_ref().map_or_else(|_| Vec::new(), |group| group.limit(limits));
    missed.extend(otherwise(limits, group.as_ref().map_err(String::as_str)));
    let processes = processes(leader, group.as_ref().ok());
    if let Ok(group) = &group {
        enter(group, &processes);
    }
    let rlimits = all_rlimits(limits, group.as_ref().ok());
    let nice = limits.nice.or_else(|| before.limits.nice.and_then(|_| getpriority_process(None).ok()));
    let cpus = cpus(node).or_else(|| sched_getaffinity(None).ok());
    for pid in processes {
        for (key, resource, limit) in &rlimits {
            missed.extend(prlimit(Some(pid), *resource, *limit).err().map(|error| refused(key, limits, &error.into())));
        }
        for thread in threads(pid) {
            let niced = nice.map_or(Ok(()), |nice| setpriority_process(Some(thread), nice));
            let pinned = cpus.as_ref().map_or(Ok(()), |cpus| sched_setaffinity(Some(thread), cpus));
            for (key, done) in [("nice", niced), ("cpu_set", pinned)] {
                match done {
                    // It ended meanwhile.
                    Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                    Err(error) => missed.push(refused(key, limits, &error.into())),
                }
            }
        }
    }
    missed.sort();
    missed.dedup();
    Given { limits: limits.clone(), missed, cgroup: keeper(group.as_ref().ok()), oom_kills: before.oom_kills }
}

fn group_of(node: &str) -> Result<Group<'static>, String> {
    let ours = cgroup::ours().map_err(str::to_owned)?;
    ours.group(node).map_err(|error| format!("its cgroup cannot be made: {error}"))
}

/// Limits of memory that no cgroup keeps, and what keeps them instead.
fn otherwise(limits: &Limits, group: Result<&Group<'_>, &str>) -> Vec<String> {
    let why = match group {
        Err(why) => why,
        Ok(_) => match cgroup::ours().ok().and_then(|ours| ours.without_memory()) {
            Some(why) => why,
            None => return Vec::new(),
        },
    };
    let max = limits.memory_max.map(|_| format!("memory_max is kept for each process alone, by RLIMIT_DATA: {why}"));
    let high = limits.memory_high.map(|_| format!("memory_high is not kept: {why}"));
    max.into_iter().chain(high).collect()
}

fn keeper(group: Option<&Group<'_>>) -> Option<PathBuf> {
    group.filter(|group| has_memory(Some(group))).map(|group| group.folder().to_owned())
}

fn has_memory(group: Option<&Group<'_>>) -> bool {
    group.is_some() && cgroup::ours().is_ok_and(|ours| ours.without_memory().is_none())
}

/// The limits of each process that differ from the agent's own.
fn rlimits(limits: &Limits, group: Option<&Group<'_>>) -> Vec<(&'static str, Resource, Rlimit)> {
    let mut wanted = Vec::new();
    if let Some(files) = limits.open_files {
        wanted.push(("open_files", Resource::Nofile, soft(Resource::Nofile, Some(files))));
    }
    if let Some(dumps) = limits.core_dumps {
        wanted.push(("core_dumps", Resource::Core, soft(Resource::Core, if dumps { None } else { Some(0) })));
    }
    if let (Some(max), false) = (limits.memory_max, has_memory(group)) {
        wanted.push(("memory_max", Resource::Data, soft(Resource::Data, Some(max))));
    }
    wanted
}

/// The same for a process that may have had others before: those that are not limited any more are the agent's own.
fn all_rlimits(limits: &Limits, group: Option<&Group<'_>>) -> Vec<(&'static str, Resource, Rlimit)> {
    let wanted = rlimits(limits, group);
    let all = [("open_files", Resource::Nofile), ("core_dumps", Resource::Core), ("memory_max", Resource::Data)];
    let one = |(key, resource): (&'static str, Resource)| {
        let found = wanted.iter().find(|(wanted, ..)| *wanted == key).copied();
        found.unwrap_or_else(|| (key, resource, getrlimit(resource)))
    };
    all.into_iter().map(one).collect()
}

/// A soft limit, and the hard one that it needs: the agent's own, or as high as the soft one. None is no limit.
fn soft(resource: Resource, current: Option<u64>) -> Rlimit {
    let hard = getrlimit(resource).maximum;
    let maximum = match (current, hard) {
        (Some(soft), Some(hard)) => Some(hard.max(soft)),
        _ => None,
    };
    Rlimit { current, maximum }
}

fn policy(numa: &Numa) -> Step {
    let mut mask = Box::new([0; MAX_NUMA / 64]);
    let mut add = |node: u32| {
        if let Some(word) = mask.get_mut(node as usize / 64) {
            *word |= 1 << (node % 64);
        }
    };
    let mode = match numa {
        Numa::Bind(nodes) => {
            nodes.iter().copied().for_each(&mut add);
            MPOL_BIND
        }
        Numa::Interleave => {
            online_numa().into_iter().for_each(&mut add);
            MPOL_INTERLEAVE
        }
        Numa::Local => MPOL_LOCAL,
    };
    Step::Memory(mode, mask)
}

/// The NUMA nodes of the host; the first one where it does not say.
fn online_numa() -> Vec<u32> {
    let text = fs::read_to_string("/sys/devices/system/node/online").unwrap_or_default();
    let ranges = text.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    let nodes: Vec<u32> = ranges.flatten().filter(|node| (*node as usize) < MAX_NUMA).collect();
    if nodes.is_empty() { vec![0] } else { nodes }
}

/// The CPUs that a node's processes may run on; none for those of the agent.
pub fn cpus(node: &ManifestNode) -> Option<CpuSet> {
    let list = match (node.pin_cpus.as_slice(), &node.limits.cpu_set) {
        ([], None) => return None,
        ([], Some(limits::CpuSet::List(cpus))) => cpus.clone(),
        ([], Some(limits::CpuSet::Auto { nth, avoid })) => vec![choose(&host_cpus(), *nth, avoid)?],
        (pinned, _) => pinned.to_vec(),
    };
    let mut set = CpuSet::new();
    list.into_iter().map(|cpu| cpu as usize).filter(|cpu| *cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(cpu));
    Some(set)
}

/// A CPU and the first one of its core.
type Cpu = (u32, u32);

/// The `nth` of the host's CPUs that are best for one process each, those of `avoid` left out unless there are no others:
/// whole cores first, then the other halves of those, and last the core of CPU 0, which serves interrupts.
fn choose(cpus: &[Cpu], nth: u32, avoid: &[u32]) -> Option<u32> {
    let interrupts = cpus.iter().find(|(cpu, _)| *cpu == 0).map(|(_, core)| *core);
    let mut ordered: Vec<Cpu> = cpus.iter().filter(|(cpu, _)| !avoid.contains(cpu)).copied().collect();
    if ordered.is_empty() {
        ordered = cpus.to_vec();
    }
    ordered.sort_by_key(|&(cpu, core)| (Some(core) == interrupts, cpu == 0, cpu != core, cpu));
    let place = usize::try_from(nth).ok()?.checked_rem(ordered.len())?;
    ordered.get(place).map(|(cpu, _)| *cpu)
}

/// The CPUs that the agent may use.
fn host_cpus() -> Vec<Cpu> {
    let Ok(allowed) = sched_getaffinity(None) else { return Vec::new() };
    let all = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).filter_map(|cpu| u32::try_from(cpu).ok());
    let core = |cpu: u32| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let text = fs::read_to_string(path).unwrap_or_default();
        let first = text.split([',', '-', '\n']).next().and_then(|first| first.parse().ok());
        (cpu, first.unwrap_or(cpu))
    };
    all.map(core).collect()
}

/// The processes of a node: of its cgroup and of its session.
fn processes(leader: u32, group: Option<&Group<'_>>) -> Vec<Pid> {
    let session = i32::try_from(leader).unwrap_or(0);
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let of_session = all.filter(|process| process.stat().is_ok_and(|stat| stat.session == session));
    let mut pids: Vec<i32> = of_session.map(|process| process.pid).collect();
    pids.extend(group.map(Group::processes).unwrap_or_default());
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().filter_map(Pid::from_raw).collect()
}

/// An adopted node may have been started by an agent without cgroups.
fn enter(group: &Group<'_>, processes: &[Pid]) {
    let Ok(door) = group.door() else { return };
    let inside = group.processes();
    for pid in processes.iter().map(|pid| pid.as_raw_nonzero().get()).filter(|pid| !inside.contains(pid)) {
        // It may have ended meanwhile.
        let _ = rustix::io::write(door.as_fd(), pid.to_string().as_bytes());
    }
}

fn threads(pid: Pid) -> Vec<Pid> {
    let entries = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// How often the kernel has ended a process of the node's cgroup for lack of memory; 0 where it has none.
pub fn oom_kills(node: &str) -> u64 {
    group_of(node).map_or(0, |group| group.oom_kills())
}

/// Whether the kernel ended the node for lack of memory: as its cgroup counts it, else as the kernel's log says.
pub fn was_out_of_memory(node: &str, process: &Process, given: &Given) -> bool {
    let seconds = process.start_ticks as f64 / procfs::ticks_per_second() as f64;
    oom_kills(node) > given.oom_kills || kernel_log::was_out_of_memory(process.pid, Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_a_core_of_its_own_while_there_are_any() {
        // Four cores with two threads each, as Linux numbers them.
        let cpus: Vec<Cpu> = (0..8).map(|cpu| (cpu, cpu % 4)).collect();
        let chosen = |avoid: &[u32]| (0..9).map(|nth| choose(&cpus, nth, avoid).unwrap()).collect::<Vec<_>>();
        assert_eq!(chosen(&[]), [1, 2, 3, 5, 6, 7, 4, 0, 1]);
        assert_eq!(chosen(&[1, 2])[..6], [3, 5, 6, 7, 4, 0]);
        assert_eq!(chosen(&[0, 1, 2, 3, 4, 5, 6, 7])[0], 1, "rather one that others have than none");
        assert_eq!(choose(&[(0, 0)], 5, &[]), Some(0));
        assert_eq!(choose(&[], 0, &[]), None);
    }

    #[test]
    fn a_soft_limit_raises_the_hard_one_only_where_it_must() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(soft(Resource::Nofile, Some(64)), Rlimit { current: Some(64), maximum: hard });
        if let Some(hard) = hard {
            assert_eq!(soft(Resource::Nofile, Some(hard + 1)).maximum, Some(hard + 1));
        }
    }
}
