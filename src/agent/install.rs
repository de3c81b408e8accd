//! `agent install` and `agent uninstall` on one host: the unit that starts the agent with the host, and the hand-over
//! between the agent that runs and the unit's. No node notices: each agent adopts what the other one leaves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::detach::{DetachError, Hung, start_detached};
use super::durable;
use super::folder::{holder, program_of};
use super::foreground;
use super::systemd::{self, Unit};
use crate::api::boot::BootScope;
use crate::api::paths::ClusterDir;

/// How long an agent that was told to end may take.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

/// How often it is looked for meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The unit of this name starts the agent from now on.
    Done(String),
    /// It did already.
    Unchanged(String),
    /// No unit starts the agent any more.
    Removed,
    /// None did.
    NotThere,
}

/// Why there is no unit, or it does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Process 1 is something else.
    #[error("systemd does not run on this host")]
    NoSystemd,
    /// A unit of the system, asked for by somebody else.
    #[error("a unit of the system can only be installed by root")]
    NotRoot,
    /// Nothing was deployed.
    #[error("there is no program in {}/bin", dir.path().display())]
    NotDeployed {
        /// The cluster's folder.
        dir: ClusterDir,
    },
    /// The folder's name cannot stand in a unit.
    #[error("{} cannot be written into a unit", dir.path().display())]
    Name {
        /// The cluster's folder.
        dir: ClusterDir,
    },
    /// A unit of the same name serves another folder.
    #[error("{} is there for {served} already", path.display())]
    Taken {
        /// The unit's file.
        path: PathBuf,
        /// The folder that it serves.
        served: String,
    },
    /// A unit of the other scope serves this folder.
    #[error("a unit of the {} starts this agent already", scope.as_str())]
    OtherScope {
        /// Whose unit it is.
        scope: BootScope,
    },
    /// A process of a container keeps the agent.
    #[error("process {keeper} keeps this agent in its foreground and starts it again")]
    Kept {
        /// That process.
        keeper: i32,
    },
    /// A file cannot be written or removed.
    #[error("cannot write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The service manager refused.
    #[error("{0}")]
    Refused(String),
    /// The agent that ran before does not end.
    #[error("the agent (pid {pid}) does not end within {:.0} s", ENDED_WITHIN.as_secs_f64())]
    Stays {
        /// Its process.
        pid: i32,
    },
    /// The unit's agent does not come up; the one before runs again.
    #[error("{unit} does not come up ({why}); the agent runs without it as before")]
    DoesNotStart {
        /// The unit's name.
        unit: String,
        /// What the service manager said.
        why: String,
    },
    /// The unit is installed, and starts only at the user's login.
    #[error("{unit} is installed and starts when {user} logs in, not at boot: lingering is off")]
    Linger {
        /// The unit's name.
        unit: String,
        /// Whose it is.
        user: String,
    },
    /// No agent could be started after the unit was gone.
    #[error(transparent)]
    Detach(#[from] DetachError),
}

impl InstallError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            InstallError::NoSystemd => {
                "its init or container has to run `zeek-cluster agent run --foreground`; examples/boot has files for \
                 OpenRC, rc.d and containers"
                    .to_owned()
            }
            InstallError::NotRoot => "as root, or `zeek-cluster agent install --user`".to_owned(),
            InstallError::NotDeployed { .. } => "zeek-cluster deploy".to_owned(),
            InstallError::Taken { .. } => "two clusters of one host need two names".to_owned(),
            InstallError::OtherScope { .. } => "zeek-cluster agent uninstall".to_owned(),
            InstallError::Linger { user, .. } => format!("as root there: loginctl enable-linger {user}"),
            InstallError::DoesNotStart { unit, .. } => format!("systemctl status {unit} there; run/agent.log"),
            _ => return None,
        })
    }
}

/// Has the service manager start the agent of `dir` from now on, and hands over to it; `scope` none: the system's for
/// root, else the user's. Blocks.
///
/// # Errors
/// One [`InstallError`] for each step; with any but [`InstallError::Linger`] and [`InstallError::Stays`] the agent runs
/// as before.
pub fn install(dir: &ClusterDir, scope: Option<BootScope>) -> Result<Installed, InstallError> {
    let unit = unit(dir, scope)?;
    let text = unit.text();
    let path = unit.path();
    let is_same = fs::read_to_string(&path).is_ok_and(|there| there == text);
    if !is_same {
        write(&path, &text)?;
        systemd::reload(unit.scope).map_err(InstallError::Refused)?;
    }
    point_at_program(dir)?;
    unit.systemctl("enable").map_err(InstallError::Refused)?;
    let is_its_own = |pid: Pid| unit.main_pid() == u32::try_from(pid.as_raw_nonzero().get()).ok();
    let already = is_same && holder(dir).is_some_and(is_its_own);
    if !already {
        hand_over(&unit)?;
    }
    check_linger(&unit)?;
    Ok(if already { Installed::Unchanged(unit.name()) } else { Installed::Done(unit.name()) })
}

/// Ends what [`install`] began: an agent that nothing starts at boot takes over, and no node notices. Blocks.
///
/// # Errors
/// [`InstallError::Refused`] when the service manager refuses, [`InstallError::NotRoot`] for a unit of the system,
/// [`InstallError::File`] when the unit's file stays, [`InstallError::Detach`] when no agent starts afterwards.
pub fn uninstall(dir: &ClusterDir) -> Result<Installed, InstallError> {
    let Some(unit) = Unit::installed(dir) else { return Ok(Installed::NotThere) };
    let had_agent = holder(dir).is_some();
    remove_unit(&unit)?;
    // The unit is gone from the disk; what is left of it in memory is its running agent.
    unit.systemctl("stop").map_err(InstallError::Refused)?;
    let program = fs::canonicalize(dir.boot_program());
    if had_agent && let Ok(program) = program {
        start_detached(dir, &program, Hung::Leave)?;
    }
    Ok(Installed::Removed)
}

/// Forgets the unit of a cluster that is removed; its agent is about to end by itself.
///
/// # Errors
/// As [`uninstall`].
pub fn forget(dir: &ClusterDir) -> Result<(), InstallError> {
    Unit::installed(dir).map_or(Ok(()), |unit| {
        remove_unit(&unit)?;
        systemd::reload(unit.scope).map_err(InstallError::Refused)
    })
}

fn remove_unit(unit: &Unit) -> Result<(), InstallError> {
    if unit.scope == BootScope::System && !rustix::process::geteuid().is_root() {
        return Err(InstallError::NotRoot);
    }
    unit.systemctl("disable").map_err(InstallError::Refused)?;
    let path = unit.path();
    fs::remove_file(&path).map_err(|source| InstallError::File { path, source })
}

/// The unit that is wanted, after everything that can be known to keep it from working.
fn unit(dir: &ClusterDir, scope: Option<BootScope>) -> Result<Unit, InstallError> {
    let is_root = rustix::process::geteuid().is_root();
    let scope = scope.unwrap_or(if is_root { BootScope::System } else { BootScope::User });
    let dir = ClusterDir::new(absolute(dir)?);
    if dir.path().to_str().is_none_or(|path| path.contains(char::is_control)) {
        return Err(InstallError::Name { dir });
    }
    if !systemd::is_booted() {
        return Err(InstallError::NoSystemd);
    }
    if scope == BootScope::System && !is_root {
        return Err(InstallError::NotRoot);
    }
    if let Some(keeper) = foreground::keeper(&dir) {
        return Err(InstallError::Kept { keeper: keeper.as_raw_nonzero().get() });
    }
    if let Some(other) = Unit::installed(&dir).filter(|unit| unit.scope != scope) {
        return Err(InstallError::OtherScope { scope: other.scope });
    }
    let unit = Unit { user: owner(&dir, scope), dir, scope };
    match unit.serves() {
        Some(served) if served != unit.dir_argument() => Err(InstallError::Taken { path: unit.path(), served }),
        _ => Ok(unit),
    }
}

fn absolute(dir: &ClusterDir) -> Result<PathBuf, InstallError> {
    std::path::absolute(dir.path()).map_err(|source| InstallError::File { path: dir.path().to_owned(), source })
}

/// Who owns the folder, where that is somebody else than root: they run the agent.
fn owner(dir: &ClusterDir, scope: BootScope) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let uid = fs::metadata(dir.path()).ok()?.uid();
    (scope == BootScope::System && uid != 0).then(|| systemd::name_of(uid)).flatten()
}

fn write(path: &Path, text: &str) -> Result<(), InstallError> {
    let failed = |source| InstallError::File { path: path.to_owned(), source };
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput.into()).map_err(failed)?;
    fs::create_dir_all(folder).map_err(failed)?;
    durable::write_atomic(path, text.as_bytes(), 0o644).map_err(failed)
}

/// `bin/agent` is the program of the agent that runs, else this one.
fn point_at_program(dir: &ClusterDir) -> Result<(), InstallError> {
    let own = || std::env::current_exe().ok();
    let program = holder(dir).and_then(program_of).or_else(own).filter(|program| program.is_file());
    let Some(program) = program else { return Err(InstallError::NotDeployed { dir: dir.clone() }) };
    let link = dir.boot_program();
    foreground::point_at(dir, &program).map_err(|source| InstallError::File { path: link, source })
}

/// From the agent that runs, if one does, to the unit's; when that does not come up, back.
fn hand_over(unit: &Unit) -> Result<(), InstallError> {
    let before = holder(&unit.dir);
    if let Some(pid) = before {
        end(&unit.dir, pid)?;
    }
    let Err(mut why) = unit.systemctl("restart") else { return Ok(()) };
    // A unit that keeps failing must not stay beside the agent that takes its place.
    let stopped = unit.systemctl("stop").map_err(InstallError::Refused);
    if let Err(stays) = stopped.and_then(|()| remove_unit(unit)) {
        why.push_str(&format!("; and the unit stays: {stays}"));
    }
    if before.is_some()
        && let Ok(program) = fs::canonicalize(unit.dir.boot_program())
    {
        start_detached(&unit.dir, &program, Hung::Leave)?;
    }
    Err(InstallError::DoesNotStart { unit: unit.name(), why })
}

/// Tells an agent to end and leave its nodes, and waits until it has.
fn end(dir: &ClusterDir, pid: Pid) -> Result<(), InstallError> {
    // That it ended meanwhile is as well.
    let _ = kill_process(pid, Signal::HUP);
    let late = Instant::now() + ENDED_WITHIN;
    while holder(dir) == Some(pid) {
        if Instant::now() >= late {
            return Err(InstallError::Stays { pid: pid.as_raw_nonzero().get() });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// A user's unit starts at boot only where lingering is on; where the user may, it is turned on.
fn check_linger(unit: &Unit) -> Result<(), InstallError> {
    if unit.scope == BootScope::System || systemd::lingers() {
        return Ok(());
    }
    let asked = std::process::Command::new("loginctl").args(["--no-ask-password", "enable-linger"]).output();
    if let Err(error) = &asked {
        tracing::debug!(%error, "loginctl");
    }
    match systemd::lingers() {
        true => Ok(()),
        false => {
            let user = systemd::user_name().unwrap_or_else(|| "the user".to_owned());
            Err(InstallError::Linger { unit: unit.name(), user })
        }
    }
}
