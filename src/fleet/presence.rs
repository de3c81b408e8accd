//! Seeing to it that a host's agent is as asked: the same decisions for this machine and for one behind SSH.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::error::{ReachKind, Step};
use super::fault::Fault;
use super::host::{Binary, ExecOutput, Presence};
use super::probe::{self, Probe};
use super::settings::Deadlines;
use crate::agent::client::{AgentClient, ClientError};
use crate::api::agent::{AgentStatus, DamagedPart};
use crate::api::paths::ClusterDir;
use crate::layout::nodeset;

/// How long an agent may take to listen that lost its socket, or that its keeper starts again.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked for meanwhile.
const BACK_POLL: Duration = Duration::from_millis(200);

/// How often an agent that was told to end is looked for.
const RETIRE_POLL: Duration = Duration::from_millis(25);

/// What can be done on a host before its agent can be asked.
pub(super) trait Site: Sync {
    /// The cluster's folder, where it is known without asking the host.
    fn known_dir(&self) -> Option<ClusterDir>;
    /// Looks around; `hash` is the program that is looked for.
    fn probe<'a>(&'a self, hash: Option<&'a str>) -> BoxFuture<'a, Result<Probe, Fault>>;
    /// A Unix socket on this machine whose connections end at the agent of `dir`; fails when nobody listens there.
    /// `program`, where it is given, may be run on the host to get through.
    fn way<'a>(&'a self, dir: &'a ClusterDir, program: Option<&'a Path>) -> BoxFuture<'a, Result<PathBuf, Fault>>;
    /// Brings the program into `bin/` of `dir`, whole or not at all; packed for the way where the host unpacks that.
    fn install<'a>(
        &'a self,
        binary: &'a Binary,
        probe: &'a Probe,
        dir: &'a ClusterDir,
    ) -> BoxFuture<'a, Result<(), Fault>>;
    /// Runs a command of the program that starts the agent, and returns when that listens.
    fn start<'a>(
        &'a self,
        dir: &'a ClusterDir,
        program: &'a Path,
        presence: &'a Presence,
    ) -> BoxFuture<'a, Result<(), Fault>>;
    /// Whether the program is in `bin/` of `dir`, as far as that can be told without asking the host.
    fn lacks_program(&self, dir: &ClusterDir, binary: &Binary) -> bool {
        let _asked_elsewhere = (dir, binary);
        false
    }
}

/// The words that start the agent of `dir` in the background.
pub(super) fn start_words(dir: &ClusterDir, program: &Path, presence: &Presence) -> Vec<String> {
    let words = [program, Path::new("agent"), Path::new("run"), Path::new("--dir"), dir.path(), Path::new("--detach")];
    let replace = presence.replaces_hung().then(|| "--replace".to_owned());
    words.into_iter().map(|word| word.to_string_lossy().into_owned()).chain(replace).collect()
}

/// An agent as it was asked for.
pub(super) struct Settled {
    /// The cluster's folder on the host.
    pub(super) dir: ClusterDir,
    /// A client of the agent that listens there.
    pub(super) agent: AgentClient,
    /// What it said when it was looked at; none where nobody had to ask.
    pub(super) status: Option<AgentStatus>,
}

impl Settled {
    fn new(dir: ClusterDir, agent: AgentClient, status: Option<AgentStatus>) -> Settled {
        Settled { dir, agent, status }
    }
}

/// Sees to it that the agent of the host is as asked.
pub(super) async fn settle(site: &dyn Site, presence: &Presence, deadlines: Deadlines) -> Result<Settled, Fault> {
    // The usual case first, in one round trip: the agent is there, and it is the right one.
    if let Some(dir) = site.known_dir() {
        probe::check_socket_path(&dir)?;
        if let Ok(way) = site.way(&dir, None).await {
            let agent = client(way, deadlines);
            match presence {
                Presence::Running | Presence::Started => return Ok(Settled::new(dir, agent, None)),
                Presence::Installed(binary) => match agent.status().await {
                    Ok(status) if is_whole(&status, binary) && !site.lacks_program(&dir, binary) => {
                        return Ok(Settled::new(dir, agent, Some(status)));
                    }
                    _ => {}
                },
                Presence::Revived => {
                    if let Ok(status) = agent.status().await {
                        return Ok(Settled::new(dir, agent, Some(status)));
                    }
                }
            }
        }
    }
    let wanted = match presence {
        Presence::Installed(binary) => Some(binary.hash.as_str()),
        Presence::Running | Presence::Started | Presence::Revived => None,
    };
    let probe = site.probe(wanted).await?;
    let dir = ClusterDir::new(&probe.dir);
    probe::check_socket_path(&dir)?;
    check_access(&probe)?;
    let program = program(site, presence, &probe, &dir).await?;
    if *presence == Presence::Running {
        return find_running(site, dir, probe, program, deadlines).await;
    }
    if probe.socket
        && let Ok(way) = site.way(&dir, program.as_deref()).await
    {
        let agent = client(way, deadlines);
        match (presence, agent.status().await) {
            (Presence::Installed(binary), Ok(status)) if status.binary != binary.hash => {
                retire(&agent, deadlines.step).await?
            }
            (_, Ok(status)) => return Ok(Settled::new(dir, agent, Some(status))),
            (presence, Err(error @ ClientError::Hung { .. })) if !presence.replaces_hung() => return Err(hung(&error)),
            // A socket that nobody listens on is what a killed agent leaves behind.
            (_, Err(_)) => {}
        }
    }
    let Some(program) = program else { return Err(not_installed(&dir)) };
    site.start(&dir, &program, presence).await?;
    let way = site.way(&dir, Some(&program)).await?;
    Ok(Settled::new(dir, client(way, deadlines), None))
}

/// The agent, if it runs: one that lost its socket, or that is being started again, is waited for.
async fn find_running(
    site: &dyn Site,
    dir: ClusterDir,
    probe: Probe,
    program: Option<PathBuf>,
    deadlines: Deadlines,
) -> Result<Settled, Fault> {
    let is_expected = probe.agent.is_some() || probe.keeper;
    let until = Instant::now() + BACK_WITHIN;
    loop {
        if (probe.socket || is_expected)
            && let Ok(way) = site.way(&dir, program.as_deref()).await
        {
            let agent = client(way, deadlines);
            match agent.status().await {
                Ok(status) => return Ok(Settled::new(dir, agent, Some(status))),
                Err(error @ ClientError::Hung { .. }) => return Err(hung(&error)),
                // A socket that nobody listens on is what a killed agent leaves behind.
                Err(_) => {}
            }
        }
        if !is_expected || Instant::now() >= until {
            return Err(not_running(&dir, probe));
        }
        tokio::time::sleep(BACK_POLL).await;
    }
}

/// Whether the folder can be entered, runs programs, and holds only what this user or root put there.
fn check_access(probe: &Probe) -> Result<(), Fault> {
    if let Some(closed) = &probe.closed {
        return Err(Fault::failed(Step::Agent, format!("{closed} may not be entered: permission denied"))
            .hint("zeek-cluster doctor --fix opens it where it is this user's own"));
    }
    if let Some(mount) = &probe.noexec {
        let what = format!("{} lies on {mount}, which is mounted noexec: no program runs there", probe.dir);
        return Err(Fault::failed(Step::Agent, what).hint("set another base_dir in the layout"));
    }
    match &probe.untrusted {
        Some(why) => Err(Fault::failed(Step::Agent, format!("{why}: another user could put a program there")).hint(
            "set a base_dir that only root or this user can write in, or take that right away with chmod and chown",
        )),
        None => Ok(()),
    }
}

/// Whether an agent is this program, and has it on its disk.
fn is_whole(status: &AgentStatus, binary: &Binary) -> bool {
    status.binary == binary.hash && status.damage.iter().all(|damage| damage.part != DamagedPart::Program)
}

fn hung(error: &ClientError) -> Fault {
    let fault = Fault::timed_out(Step::Agent, error.to_string());
    error.hint().into_iter().fold(fault, Fault::hint)
}

fn client(way: PathBuf, deadlines: Deadlines) -> AgentClient {
    AgentClient::new(way).with_deadline(deadlines.step)
}

/// The program on the host that the agent is, or has to be; brought there where that was asked.
async fn program(
    site: &dyn Site,
    presence: &Presence,
    probe: &Probe,
    dir: &ClusterDir,
) -> Result<Option<PathBuf>, Fault> {
    let Presence::Installed(binary) = presence else {
        return Ok(Some(PathBuf::from(&probe.program)).filter(|path| !path.as_os_str().is_empty()));
    };
    if !probe.installed {
        probe::check_program(probe, &binary.path).await?;
        site.install(binary, probe, dir).await?;
    }
    Ok(Some(dir.binary(&binary.hash)))
}

/// Ends an agent of another program and waits until it is gone; its nodes run on, and the next agent adopts them.
async fn retire(agent: &AgentClient, deadline: Duration) -> Result<(), Fault> {
    let failed =
        |error: ClientError| Fault::failed(Step::Agent, format!("ending the agent of another version: {error}"));
    agent.exit().await.map_err(failed)?;
    let gone = async {
        while agent.status().await.is_ok() {
            tokio::time::sleep(RETIRE_POLL).await;
        }
    };
    let late = |_| Fault::timed_out(Step::Agent, "the agent of another version was told to end and still answers");
    tokio::time::timeout(deadline, gone).await.map_err(late)
}

/// The fault of an agent that was started and ended; it says why on standard error.
pub(super) fn not_started(dir: &ClusterDir, output: &ExecOutput) -> Fault {
    let said = output.last_error_line().unwrap_or_else(|| match (output.status, &output.signal) {
        (Some(status), _) => format!("it ended with status {status}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended without a status".to_owned(),
    });
    let hint = format!("see {} there", dir.agent_log().display());
    Fault::failed(Step::Agent, format!("the agent did not start: {said}")).hint(hint)
}

fn not_installed(dir: &ClusterDir) -> Fault {
    let what = format!("nothing is installed in {}", dir.path().display());
    Fault::of(Step::Agent, ReachKind::NotDeployed, what).hint("zeek-cluster deploy")
}

/// Nothing is there, or what is there does not run.
fn not_running(dir: &ClusterDir, probe: Probe) -> Fault {
    if let Some(pid) = probe.agent {
        let fault = Fault::timed_out(Step::Agent, format!("the agent (pid {pid}) does not answer"));
        return fault.hint("zeek-cluster doctor --fix ends it and starts a new one; nodes run on");
    }
    if probe.program.is_empty() && probe.nodes.is_empty() {
        return not_installed(dir);
    }
    let nodes = match probe.nodes.is_empty() {
        true => "and no node".to_owned(),
        false => format!("and {} run unwatched", nodeset::fold(probe.nodes.iter().map(String::as_str))),
    };
    let next = if probe.program.is_empty() { "zeek-cluster deploy" } else { "zeek-cluster start" };
    let what = format!("no agent runs for {}, {nodes}", dir.path().display());
    let fault = Fault { unwatched: probe.nodes, ..Fault::of(Step::Agent, ReachKind::NoAgent, what) };
    fault.hint(format!("{next} starts it, and the nodes that should run"))
}
