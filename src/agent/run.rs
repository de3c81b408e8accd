//! `agent run`: one process per host and cluster.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Mode;
use tokio::signal::unix::{SignalKind, signal};

use super::detach::{READY, READY_FD_VARIABLE};
use super::durable;
use super::events::{self, EventLog};
use super::folder::{self, FolderLock, LockError};
use super::foreground;
use super::guard::guard;
use super::history::History;
use super::inspect::inspect;
use super::manifest::MAX_SOCKET_PATH;
use super::notify::Notifier;
use super::operate;
use super::releases::Releases;
use super::roster::Roster;
use super::serve::{self, Records, Service};
use super::service_manager::ServiceManager;
use super::supervise::{Timing, bound, read_end, take_up_cgroup};
use super::systemd;
use crate::api::events::Happening;
use crate::api::paths::ClusterDir;
use crate::descriptors;
use crate::socket::NamedListener;
use crate::trust::{self, Untrusted};

/// How long open connections may take to end after the agent was told to.
const CLOSING: Duration = Duration::from_secs(2);

/// How often the size of `agent.log` is looked at.
const BOUND_EVERY: Duration = Duration::from_secs(60);

/// What nodes and the agent make can be written by their user alone.
const UMASK: u32 = 0o022;

/// How to run an agent.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The cluster's folder on this host; made when it is not there.
    pub dir: ClusterDir,
    /// What becomes of the nodes when SIGTERM or SIGINT ends the agent.
    pub at_end: AtEnd,
}

/// What becomes of the nodes when a signal ends their agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// They run on, and the next agent adopts them.
    LeaveNodes,
    /// They are stopped, workers first, as in a container whose end would kill them. The next agent starts them again.
    StopNodes,
}

/// Why an agent could not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Another agent serves this folder.
    #[error("another agent ({holder}) serves {}", dir.path().display())]
    Taken {
        /// The folder.
        dir: ClusterDir,
        /// Its process, as far as the lock file says.
        holder: String,
    },
    /// The folder is too deep for a Unix socket.
    #[error(
        "the socket {} would have {} bytes, a Unix socket's path may have {MAX_SOCKET_PATH}; choose a shorter base_dir",
        socket.display(), socket.as_os_str().len()
    )]
    SocketPath {
        /// The socket's path.
        socket: PathBuf,
    },
    /// A file or folder of the cluster cannot be made or opened.
    #[error("cannot prepare {}", path.display())]
    Prepare {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another user could put a program into the folder.
    #[error("the agent does not run in {}: {source}", dir.path().display())]
    Untrusted {
        /// The folder.
        dir: ClusterDir,
        /// Who, and where.
        #[source]
        source: Untrusted,
    },
    /// The system refused something that an agent cannot do without.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

pub(super) fn lock_error(dir: &ClusterDir) -> impl FnOnce(LockError) -> AgentError + '_ {
    move |error| match error {
        LockError::Taken(holder) => AgentError::Taken { dir: dir.clone(), holder },
        LockError::Io(path, source) => AgentError::Prepare { path, source },
    }
}

pub(super) fn prepare(path: &Path) -> impl FnOnce(io::Error) -> AgentError + '_ {
    move |source| AgentError::Prepare { path: path.to_owned(), source }
}

pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> AgentError {
    move |source| AgentError::System { what, source }
}

/// Serves `options.dir` until SIGTERM, SIGINT or `POST /v1/exit`; nodes run on. Blocks, and builds its own runtime.
///
/// # Errors
/// [`AgentError::SocketPath`] when the folder is too deep for a socket, [`AgentError::Taken`] when another agent serves
/// it, [`AgentError::Untrusted`] when another user may change it, [`AgentError::Prepare`] when a file or folder cannot be
/// made, [`AgentError::System`] when threads, signals or the socket cannot be had.
pub fn run(options: AgentOptions) -> Result<(), AgentError> {
    run_with(options, Timing::default())
}

/// [`run`] with other durations, for tests.
pub(super) fn run_with(options: AgentOptions, timing: Timing) -> Result<(), AgentError> {
    let ready = take_ready_fd();
    descriptors::raise_limit();
    let AgentOptions { dir, at_end } = options;
    let socket = dir.agent_socket();
    if socket.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(AgentError::SocketPath { socket });
    }
    // Absolute, as nodes are started in folders of their own.
    let dir = ClusterDir::new(std::path::absolute(dir.path()).map_err(prepare(dir.path()))?);
    trust::check(dir.path()).map_err(|source| AgentError::Untrusted { dir: dir.clone(), source })?;
    // Whatever it was started from, nothing it makes can be changed by other users.
    rustix::process::umask(Mode::from_raw_mode(UMASK));
    let lock = Arc::new(Mutex::new(lock(&dir)?));
    name_boot_program(&dir);
    take_up_cgroup(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("start its threads"))?;
    let served = runtime.block_on(serve_until_told(&dir, timing, at_end, (lock.clone(), ready)));
    // Tasks of nodes hold nothing that has to be finished: what they know is on disk after every change.
    runtime.shutdown_timeout(CLOSING);
    // The next agent starts only when nothing of this one writes any more.
    drop(lock);
    served
}

/// What starts an agent at boot finds one as soon as there was one; from then on whoever brings another program says so.
fn name_boot_program(dir: &ClusterDir) {
    let link = dir.boot_program();
    let installed = env::current_exe().ok().filter(|program| program.parent() == link.parent());
    if let Some(program) = installed.filter(|_| !link.exists())
        && let Err(error) = foreground::point_at(dir, &program)
    {
        tracing::warn!(link = %link.display(), %error, "cannot be pointed at the agent's program");
    }
}

/// Takes the folder's lock, and ends agents that serve the same folder without it.
fn lock(dir: &ClusterDir) -> Result<FolderLock, AgentError> {
    let lock = FolderLock::take(dir).map_err(lock_error(dir))?;
    match folder::end_other_agents(dir).as_slice() {
        [] => Ok(lock),
        [pid, ..] => Err(AgentError::Taken { dir: dir.clone(), holder: format!("pid {pid}, which does not end") }),
    }
}

async fn serve_until_told(
    dir: &ClusterDir,
    timing: Timing,
    at_end: AtEnd,
    (lock, ready): (Arc<Mutex<FolderLock>>, Option<File>),
) -> Result<(), AgentError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(system("listen for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("listen for SIGINT"))?;
    let mut give_way = signal(SignalKind::hangup()).map_err(system("listen for SIGHUP"))?;
    let service = Arc::new(service(dir, timing)?);
    let socket = dir.agent_socket();
    // Under the lock no other agent can be listening, so what is there is a leftover.
    let listener = NamedListener::bind(&socket).map_err(prepare(&socket))?;
    service.keep_socket(listener.keeper());
    let manager = Arc::new(ServiceManager::from_environment());
    manager.ready(&format!("serves {}", dir.path().display()));
    let beating = tokio::spawn(beat(manager.clone(), service.clone()));
    if let Some(mut ready) = ready {
        // A starter that no longer waits is no reason not to serve.
        let _ = ready.write_all(READY);
    }
    tracing::info!(dir = %dir.path().display(), pid = std::process::id(), "agent listens");
    let resuming = tokio::spawn({
        let service = service.clone();
        async move { operate::resume(&service.roster).await }
    });
    let bounding = tokio::spawn(bound_log(dir.agent_log()));
    let guarding = tokio::spawn(guard(service.clone(), lock));
    let inspecting = tokio::spawn(inspect(service.clone()));
    let watching = tokio::spawn(events::watch(service.events.clone(), dir.clone()));
    let mut told = service.told_to_end();
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => Told::Signal("SIGTERM"),
            _ = interrupt.recv() => Told::Signal("SIGINT"),
            _ = give_way.recv() => Told::GiveWay("SIGHUP"),
            _ = told.wait_for(|told| *told) => Told::GiveWay("a request"),
        }
    };
    let end = service.clone();
    let graceful = axum::serve(listener, serve::router(service.clone())).with_graceful_shutdown(async move {
        let told = stop.await;
        manager.stopping();
        let why = told.why().to_owned();
        let nodes_stopped = match told {
            Told::Signal(signal) if at_end == AtEnd::StopNodes || goes_down(&manager).await => {
                tracing::info!("agent ends because of {signal}, after its nodes");
                operate::halt(&end.roster).await;
                true
            }
            Told::Signal(why) | Told::GiveWay(why) => {
                tracing::info!("agent ends because of {why}; nodes run on");
                false
            }
        };
        if !end.is_removed() {
            end.events.host(Happening::AgentEnded { why, nodes_stopped });
        }
        end.tell_to_end();
    });
    let mut told = service.told_to_end();
    tokio::select! {
        served = graceful.into_future() => served.map_err(system("serve its socket"))?,
        () = async {
            let _ = told.wait_for(|told| *told).await;
            tokio::time::sleep(CLOSING).await;
        } => {}
    }
    resuming.abort();
    bounding.abort();
    beating.abort();
    guarding.abort();
    inspecting.abort();
    watching.abort();
    Ok(())
}

/// Why an agent ends.
enum Told {
    /// Something ends it for good, as far as it knows.
    Signal(&'static str),
    /// Another one takes its place.
    GiveWay(&'static str),
}

impl Told {
    fn why(&self) -> &'static str {
        match self {
            Told::Signal(why) | Told::GiveWay(why) => why,
        }
    }
}

/// Whether it is the whole host that ends: then the nodes are about to be killed, and are better stopped in order.
async fn goes_down(manager: &ServiceManager) -> bool {
    manager.is_heard() && systemd::is_stopping().await
}

/// Tells the service manager, as often as it wants, that the agent works: that its runtime turns, and that its state can
/// be had, which needs every lock that its requests need.
async fn beat(manager: Arc<ServiceManager>, service: Arc<Service>) {
    let Some(every) = manager.beat() else { return };
    let mut every = tokio::time::interval(every);
    loop {
        every.tick().await;
        let running = service.status().nodes.iter().filter(|node| node.pid.is_some()).count();
        manager.status(&format!("{running} nodes run"));
        manager.alive();
    }
}

fn service(dir: &ClusterDir, timing: Timing) -> Result<Service, AgentError> {
    let releases = Releases::open(dir).map_err(prepare(dir.path()))?;
    let current = releases.current();
    let names = releases.list().into_iter().map(|manifest| manifest.id).collect();
    let events = Arc::new(EventLog::open(dir.events()));
    let notifier = Notifier::start(dir, events.clone(), current.as_ref());
    events.agent_started();
    let roster = Roster::open(dir, timing, current, names, events.clone());
    let binary = own_hash().map_err(system("read its own executable"))?;
    let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let records = Records { history: History::new(dir.history()), events, notifier };
    Ok(Service::new(dir.clone(), releases, roster, records, binary, started_at))
}

/// The name of an installed executable carries its hash, which was checked when it was installed; any other is read.
fn own_hash() -> io::Result<String> {
    let path = env::current_exe()?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.strip_prefix("zeek-cluster-") {
        Some(hash) if durable::is_hash(hash) => Ok(hash.to_owned()),
        _ => durable::hash_file(Path::new("/proc/self/exe")),
    }
}

async fn bound_log(path: PathBuf) {
    let mut every = tokio::time::interval(BOUND_EVERY);
    loop {
        every.tick().await;
        let path = path.clone();
        // Without it the log only grows on; the next round tries again.
        let _ = tokio::task::spawn_blocking(move || bound(&path)).await;
    }
}

/// The last line of the agent's own log, for whoever started it in vain.
pub(super) fn last_log_line(dir: &ClusterDir, from: u64) -> String {
    let text = read_end(&dir.agent_log(), from, 64 << 10).unwrap_or_default();
    super::supervise::fatal_line(&String::from_utf8_lossy(&text)).unwrap_or_else(|| "it does not say why".into())
}

/// The pipe on which [`start_detached`](super::start_detached) waits, if this agent was started by it.
pub(super) fn take_ready_fd() -> Option<File> {
    let fd: RawFd = env::var(READY_FD_VARIABLE).ok()?.parse().ok()?;
    if fd <= 2 {
        return None;
    }
    // SAFETY: the variable is only set by `start_detached`, which opened this descriptor for this process; nothing else has
    // been opened under its number, as it has been open since before `main`.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // Nodes must not inherit it: the starter would wait for them.
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
    Some(File::from(fd))
}
