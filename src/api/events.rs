//! The lines of a host's `events.jsonl`, as its agent writes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The names of nodes that one line keeps of a request; the rest is counted.
pub const MAX_NAMES: usize = 50;

/// The name of the incident that what is deployed is damaged.
pub const RELEASE_INCIDENT: &str = "release";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostEvent {
    /// Number of the line: one more than the line before, also across restarts of the agent.
    pub seq: u64,
    /// Seconds since the epoch by the host's clock.
    pub ts: f64,
    /// The node; none for what is about the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The operator's command that it was part of: 8 hex digits, as in the histories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The event itself.
    #[serde(flatten)]
    pub what: Happening,
}

/// The events of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// A node's process was started.
    Started {
        /// The process.
        pid: u32,
    },
    /// The same, after it had ended by itself.
    Restarted {
        /// The process.
        pid: u32,
        /// How often the agent started it again.
        restarts: u64,
    },
    /// A new agent found the process running.
    Adopted {
        /// The process.
        pid: u32,
    },
    /// The node joined the cluster.
    Joined {
        /// Seconds since the start of its process.
        after_s: f64,
    },
    /// The node runs and does not work as it should.
    Degraded {
        /// The state that the status shows.
        state: String,
        /// Why, in words.
        reason: String,
    },
    /// It works again.
    Recovered {
        /// For how long it did not, seconds.
        after_s: f64,
    },
    /// The process ended by itself.
    Crashed {
        /// The process.
        pid: u32,
        /// How, such as `killed by signal 9 (SIGKILL)`.
        exit: String,
        /// Seconds since its start.
        ran_s: f64,
        /// The line of its standard error that tells why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<String>,
        /// Whether the kernel killed it for want of memory.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        oom: bool,
    },
    /// The process could not be started.
    StartFailed {
        /// Why, in words.
        error: String,
    },
    /// It ends again and again; the pauses between its starts grow.
    Failing {
        /// The last reason.
        error: String,
        /// When it is started next, seconds since the epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_try: Option<f64>,
    },
    /// The process ended because it was told to, or an operator gave up one that had ended by itself.
    Stopped {
        /// The process; none when there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pid: Option<u32>,
        /// Whether it took a SIGKILL.
        killed: bool,
    },
    /// Something about a node that runs is wrong.
    Trouble {
        /// The word by which its end is known.
        trouble: String,
        /// In words.
        reason: String,
    },
    /// That is over.
    TroubleEnded {
        /// As in [`Happening::Trouble`].
        trouble: String,
        /// How long it lasted, seconds.
        after_s: f64,
    },
    /// The file system of the cluster's folder has no room.
    DiskFull {
        /// The folder.
        path: String,
        /// Bytes that were free.
        free_bytes: u64,
    },
    /// It has room again.
    DiskBack {
        /// The folder.
        path: String,
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// The host's clock was set.
    ClockStepped {
        /// By so many seconds, forwards when positive.
        by_s: f64,
    },
    /// The agent began.
    AgentStarted {
        /// The process.
        pid: u32,
        /// Version of the program.
        version: String,
        /// How the previous agent ended.
        before: AgentBefore,
        /// The boot of the host, as the kernel names it.
        boot_id: String,
    },
    /// The agent ends.
    AgentEnded {
        /// The cause: a signal or a request.
        why: String,
        /// Whether it stopped its nodes first; else they run on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        nodes_stopped: bool,
    },
    /// An operator's command that changes something took the cluster's lock, which this host keeps.
    RunBegan {
        /// As it was typed, without the program's name.
        command: String,
        /// `user@machine`.
        operator: String,
    },
    /// It gave the lock back.
    RunEnded {
        /// How it ended, in a word.
        ending: String,
        /// The release that it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<String>,
        /// Why it ended without an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A release lies complete on the host.
    Staged {
        /// The release.
        release: String,
        /// `user@machine`.
        operator: String,
    },
    /// A release was made the current one.
    Activated {
        /// The release.
        release: String,
        /// `user@machine`.
        operator: String,
    },
    /// An operator asked something of nodes.
    Asked {
        /// `start`, `stop`, `restart` or `apply`.
        verb: String,
        /// The nodes, at most [`MAX_NAMES`] of them.
        nodes: Vec<String>,
        /// How many they are.
        count: u64,
        /// `user@machine`.
        operator: String,
    },
    /// An operator's command no longer waits for the node, which is not where it was to be brought. On the host that keeps
    /// the lock.
    GaveUp {
        /// How long it was waited for, seconds.
        after_s: f64,
        /// What is missing, in words.
        error: String,
    },
    /// What is deployed is damaged on disk, and only a deploy can mend it.
    Damaged {
        /// The damage, in words.
        what: String,
    },
    /// What was damaged or taken away underneath is whole again.
    Mended {
        /// The damage, in words.
        what: String,
    },
    /// A message about an incident could not be delivered.
    NotifyFailed {
        /// The target's name.
        target: String,
        /// Why, in words.
        error: String,
    },
    /// Messages to that target are delivered again.
    NotifyBack {
        /// The target's name.
        target: String,
    },
    /// Events were lost, because they could not be written for too long.
    Gap {
        /// How many.
        lost: u64,
    },
    /// An event of another version of the program.
    #[serde(other)]
    Other,
}

/// How the previous agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentBefore {
    /// There was none.
    None,
    /// It ended as it was told.
    Ended,
    /// It did not say that it ended: it crashed or was killed.
    Died,
    /// The host was booted since.
    Rebooted,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// An expected event.
    Info,
    /// Worth a look.
    Warning,
    /// Something does not work.
    Error,
}

/// Whether an event begins an incident or ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Something is wrong from now on.
    Begin,
    /// It no longer is.
    End,
    /// It happened, and is over as soon as it is told.
    Once,
}

impl Happening {
    /// The word of the machine formats and of `notify`'s `on`.
    pub fn word(&self) -> &'static str {
        match self {
            Happening::Started { .. } => "started",
            Happening::Restarted { .. } => "restarted",
            Happening::Adopted { .. } => "adopted",
            Happening::Joined { .. } => "joined",
            Happening::Degraded { .. } => "degraded",
            Happening::Recovered { .. } => "recovered",
            Happening::Crashed { .. } => "crashed",
            Happening::StartFailed { .. } => "start_failed",
            Happening::Failing { .. } => "failing",
            Happening::Stopped { .. } => "stopped",
            Happening::Trouble { .. } => "trouble",
            Happening::TroubleEnded { .. } => "trouble_ended",
            Happening::DiskFull { .. } => "disk_full",
            Happening::DiskBack { .. } => "disk_back",
            Happening::ClockStepped { .. } => "clock_stepped",
            Happening::AgentStarted { .. } => "agent_started",
            Happening::AgentEnded { .. } => "agent_ended",
            Happening::RunBegan { .. } => "run_began",
            Happening::RunEnded { .. } => "run_ended",
            Happening::Staged { .. } => "staged",
            Happening::Activated { .. } => "activated",
            Happening::Asked { .. } => "asked",
            Happening::GaveUp { .. } => "gave_up",
            Happening::Damaged { .. } => "damaged",
            Happening::Mended { .. } => "mended",
            Happening::NotifyFailed { .. } => "notify_failed",
            Happening::NotifyBack { .. } => "notify_back",
            Happening::Gap { .. } => "gap",
            Happening::Other => "other",
        }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Happening::Crashed { .. }
            | Happening::StartFailed { .. }
            | Happening::Failing { .. }
            | Happening::Degraded { .. }
            | Happening::Trouble { .. }
            | Happening::Damaged { .. }
            | Happening::DiskFull { .. } => Severity::Error,
            Happening::ClockStepped { .. }
            | Happening::GaveUp { .. }
            | Happening::Mended { .. }
            | Happening::NotifyFailed { .. }
            | Happening::Gap { .. }
            | Happening::AgentStarted { before: AgentBefore::Died | AgentBefore::Rebooted, .. }
            | Happening::Stopped { killed: true, .. } => Severity::Warning,
            _ => Severity::Info,
        }
    }
}

impl HostEvent {
    /// The incident that this event is part of, a name that is the same for its begin and its end; none for what is
    /// no incident.
    pub fn incident(&self) -> Option<(String, Phase)> {
        let node = || format!("node {}", self.node.as_deref().unwrap_or_default());
        Some(match &self.what {
            Happening::Crashed { .. }
            | Happening::StartFailed { .. }
            | Happening::Failing { .. }
            | Happening::Degraded { .. } => (node(), Phase::Begin),
            Happening::Joined { .. } | Happening::Recovered { .. } | Happening::Stopped { .. } => (node(), Phase::End),
            Happening::Trouble { trouble, .. } => (format!("{} {trouble}", node()), Phase::Begin),
            Happening::TroubleEnded { trouble, .. } => (format!("{} {trouble}", node()), Phase::End),
            Happening::DiskFull { path, .. } => (format!("disk {path}"), Phase::Begin),
            Happening::DiskBack { path, .. } => (format!("disk {path}"), Phase::End),
            Happening::Damaged { .. } => (RELEASE_INCIDENT.to_owned(), Phase::Begin),
            Happening::Mended { .. } => (RELEASE_INCIDENT.to_owned(), Phase::End),
            Happening::ClockStepped { .. } => ("clock".to_owned(), Phase::Once),
            Happening::AgentStarted { before: AgentBefore::Died | AgentBefore::Rebooted, .. } => {
                ("agent".to_owned(), Phase::Once)
            }
            _ => return None,
        })
    }

    /// Whether it is about one of these nodes, or asks something of one of them.
    pub fn is_about(&self, nodes: &[String]) -> bool {
        let asked = match &self.what {
            Happening::Asked { nodes, .. } => nodes.as_slice(),
            _ => &[],
        };
        self.node.iter().chain(asked).any(|node| nodes.contains(node))
    }
}

/// In words, without the node and the host.
impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Started { pid } => write!(f, "started (pid {pid})"),
            Happening::Restarted { pid, restarts } => write!(f, "started again (pid {pid}, restart {restarts})"),
            Happening::Adopted { pid } => write!(f, "found running by a new agent (pid {pid})"),
            Happening::Joined { after_s } => write!(f, "joined the cluster after {}", span(*after_s)),
            Happening::Degraded { state, reason } => write!(f, "{state}: {reason}"),
            Happening::Recovered { after_s } => write!(f, "works again after {}", span(*after_s)),
            Happening::Crashed { pid, exit, ran_s, line, .. } => {
                write!(f, "pid {pid} {exit} after {}", span(*ran_s))?;
                line.iter().try_for_each(|line| write!(f, ": {line}"))
            }
            Happening::StartFailed { error } | Happening::Failing { error, .. } => f.write_str(error),
            Happening::Stopped { pid: None, .. } => f.write_str("is not started again"),
            Happening::Stopped { pid: Some(pid), killed: false } => write!(f, "pid {pid} ended as told"),
            Happening::Stopped { pid: Some(pid), killed: true } => write!(f, "pid {pid} had to be killed (SIGKILL)"),
            Happening::Trouble { trouble, reason } => write!(f, "{trouble}: {reason}"),
            Happening::TroubleEnded { trouble, after_s } => write!(f, "{trouble}: over after {}", span(*after_s)),
            Happening::DiskFull { path, free_bytes } => write!(f, "{path}: {free_bytes} bytes free"),
            Happening::DiskBack { path, free_bytes } => write!(f, "{path}: {free_bytes} bytes free"),
            Happening::ClockStepped { by_s } => write!(f, "the clock was set by {by_s:+.1} s"),
            Happening::AgentStarted { pid, version, before, .. } => {
                let before = match before {
                    AgentBefore::None => "the first one",
                    AgentBefore::Ended => "the one before ended as told",
                    AgentBefore::Died => "the one before crashed or was killed",
                    AgentBefore::Rebooted => "the host was booted",
                };
                write!(f, "agent {version} (pid {pid}): {before}")
            }
            Happening::AgentEnded { why, nodes_stopped: false } => {
                write!(f, "the agent ends because of {why}; nodes run on")
            }
            Happening::AgentEnded { why, .. } => write!(f, "the agent ends because of {why}, after its nodes"),
            Happening::RunBegan { command, operator } => write!(f, "{command}, by {operator}"),
            Happening::RunEnded { ending, error, .. } => {
                f.write_str(ending)?;
                error.iter().try_for_each(|error| write!(f, ": {error}"))
            }
            Happening::Staged { release, operator } => write!(f, "release {release}, by {operator}"),
            Happening::Activated { release, operator } => write!(f, "release {release}, by {operator}"),
            Happening::Asked { verb, nodes, count, operator } => {
                let rest = count.saturating_sub(nodes.len() as u64);
                let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                write!(f, "{verb} {}{more}, by {operator}", nodes.join(","))
            }
            Happening::GaveUp { after_s, error } => {
                write!(f, "not waited for any longer after {}: {error}", span(*after_s))
            }
            Happening::Damaged { what } => f.write_str(what),
            Happening::Mended { what } => write!(f, "{what}; it is whole again"),
            Happening::NotifyFailed { target, error } => write!(f, "{target}: {error}"),
            Happening::NotifyBack { target } => write!(f, "{target}: messages are delivered again"),
            Happening::Gap { lost } => write!(f, "{lost} events could not be written and are lost"),
            Happening::Other => f.write_str("an event of another version of the program"),
        }
    }
}

/// Seconds with a tenth below a minute, else minutes or hours.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: Happening) -> HostEvent {
        HostEvent { seq: 7, ts: 1.5, node: Some("worker-1".into()), run: None, what }
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let crashed =
            Happening::Crashed { pid: 9, exit: "exited with status 1".into(), ran_s: 2.0, line: None, oom: false };
        let line = serde_json::to_string(&event(crashed.clone())).unwrap();
        let expected = r#"{"seq":7,"ts":1.5,"node":"worker-1","event":"crashed","pid":9,"exit":"exited with status 1","ran_s":2.0}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<HostEvent>(&line).unwrap(), event(crashed));
    }

    #[test]
    fn an_event_of_a_later_version_is_kept_as_another() {
        let line = r#"{"seq":1,"ts":2.0,"event":"teleported","where":"mars"}"#;
        assert_eq!(serde_json::from_str::<HostEvent>(line).unwrap().what, Happening::Other);
    }

    #[test]
    fn begin_and_end_of_an_incident_have_one_name() {
        let begin = event(Happening::Failing { error: "x".into(), next_try: None }).incident();
        let end = event(Happening::Joined { after_s: 1.0 }).incident();
        assert_eq!(begin, Some(("node worker-1".into(), Phase::Begin)));
        assert_eq!(end, Some(("node worker-1".into(), Phase::End)));
        assert_eq!(event(Happening::Started { pid: 1 }).incident(), None);
    }
}
