//! One question to many hosts at once, and what a host that gives no answer costs: itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};

use super::settings::Settings;
use crate::agent::client::ClientError;
use crate::api::agent::NodeState;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::fleet::{self, Deadlines, Host, Presence, ReachError, ReachKind, Session};
use crate::layout::{Layout, Node};

/// The step of a host that gave no answer in time, however far it got.
const LATE: &str = "answer";

/// How long each step after the connection may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A host that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// The host.
    pub host: String,
    /// What is known of its nodes all the same.
    pub known: Known,
    /// How it ended.
    pub kind: Kind,
    /// The step that was not done.
    pub step: &'static str,
    /// Why, and what to do about it.
    pub error: ErrorInfo,
}

/// What is known of the nodes of a host without an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it gave no answer.
    Nothing,
    /// It was reached, and has nothing of this cluster.
    NotDeployed,
    /// It was reached, and no agent runs there; of its nodes only these do.
    Running(Vec<String>),
}

impl Silent {
    /// Whether the host was reached and has nothing of this cluster.
    pub fn is_not_deployed(&self) -> bool {
        self.known == Known::NotDeployed
    }

    /// Whether the host was not reached, as far as can be told.
    pub fn is_unreached(&self) -> bool {
        self.kind == Kind::Unreachable || (self.kind == Kind::TimedOut && self.step == LATE)
    }

    /// The state of a node there, and why.
    pub(super) fn state(&self, node: &str) -> (NodeState, String) {
        match &self.known {
            Known::Nothing => (NodeState::Unknown, self.error.what.clone()),
            Known::NotDeployed => (NodeState::Stopped, "not deployed".to_owned()),
            Known::Running(nodes) if nodes.iter().any(|name| name == node) => {
                (NodeState::Unknown, format!("it runs, and no agent watches it on {}", self.host))
            }
            Known::Running(_) => (NodeState::Stopped, format!("no agent runs on {}", self.host)),
        }
    }

    /// As the outcome of one target on that host.
    pub fn outcome(&self, target: &str) -> Outcome {
        Outcome {
            target: target.to_owned(),
            host: self.host.clone(),
            kind: self.kind,
            step: self.step.to_owned(),
            elapsed_ms: 0,
            error: Some(self.error.clone()),
        }
    }

    /// A host that did not answer in time, however far it got.
    fn late(host: &dyn Host, within: Duration) -> Silent {
        let what = format!("{} ({}): no answer within {:.1} s", host.name(), host.place(), within.as_secs_f64());
        Silent {
            host: host.name().to_owned(),
            known: Known::Nothing,
            kind: Kind::TimedOut,
            step: LATE,
            error: ErrorInfo { what, hint: None },
        }
    }

    /// A host whose agent ended while it was listened to.
    pub(super) fn ended(host: &str) -> Silent {
        Silent {
            host: host.to_owned(),
            known: Known::Nothing,
            kind: Kind::Failed,
            step: "agent",
            error: ErrorInfo { what: format!("{host}: the agent ended"), hint: None },
        }
    }

    fn unreached(error: &ReachError) -> Silent {
        let (known, error_info) = match error.kind {
            ReachKind::NotDeployed => {
                let what = format!("not deployed on {}", error.host);
                (Known::NotDeployed, ErrorInfo { what, hint: Some("zeek-cluster deploy".to_owned()) })
            }
            ReachKind::NoAgent => (Known::Running(error.unwatched.clone()), error.into()),
            _ => (Known::Nothing, error.into()),
        };
        Silent {
            host: error.host.clone(),
            known,
            kind: error.outcome_kind(),
            step: error.step.as_str(),
            error: error_info,
        }
    }

    fn unanswered(session: &Session, error: &ClientError) -> Silent {
        if let Some(broken) = session.broken() {
            return Silent::unreached(&broken);
        }
        let (kind, error) = match error {
            ClientError::Refused { info, .. } => (Kind::Failed, info.clone()),
            other => {
                let kind = if other.is_timeout() { Kind::TimedOut } else { Kind::Failed };
                (kind, ErrorInfo { what: format!("{}: {}", session.host(), other.in_words()), hint: other.hint() })
            }
        };
        Silent { host: session.host().to_owned(), known: Known::Nothing, kind, step: "agent", error }
    }
}

/// The names of the hosts of nodes, each once, in the order of the layout.
pub(super) fn hosts_of<'a>(layout: &'a Layout, nodes: &[&Node]) -> Vec<&'a str> {
    let wanted = layout.hosts.iter().filter(|host| nodes.iter().any(|node| node.host == host.name));
    wanted.map(|host| host.name.as_str()).collect()
}

/// The hosts of those names.
pub(super) fn reachable(layout: &Layout, names: &[&str], settings: &Settings) -> Vec<Arc<dyn Host>> {
    fleet::hosts(layout, &settings.reach).into_iter().filter(|host| names.contains(&host.name())).collect()
}

/// Opens every host whose agent runs and asks it; yields one answer per host as each comes in. A host that swallows packets delays only
/// its own answer, until its deadline.
pub(super) fn ask<'a, T: 'a>(
    hosts: &'a [Arc<dyn Host>],
    settings: &Settings,
    question: impl AsyncFn(&Session) -> Result<T, ClientError> + Copy + 'a,
) -> impl Stream<Item = (String, Result<T, Silent>)> + 'a {
    let (within, reach, writer) = (settings.within, settings.reach.clone(), settings.writer.clone());
    let answers = fleet::each(hosts, settings.reach.parallel, move |host| {
        let (reach, writer) = (reach.clone(), writer.clone());
        async move {
            let asked = async {
                let session = open(host.as_ref()).await?;
                let answer = question(&session).await;
                writer.note(session.agent());
                answer.map_err(|error| Silent::unanswered(&session, &error))
            };
            let answer = reach.within(within, asked).await;
            answer.unwrap_or_else(|| Err(Silent::late(host.as_ref(), within)))
        }
    });
    answers.map(|(host, answer)| (host.name().to_owned(), answer))
}

/// Opens one host with the deadlines of a question. Whoever asks starts nothing.
pub(super) async fn open(host: &dyn Host) -> Result<Session, Silent> {
    let deadlines = Deadlines { step: ANSWER_WITHIN, ..Deadlines::default() };
    host.open(Presence::Running, deadlines).await.map_err(|error| Silent::unreached(&error))
}

/// What a stream of an agent that broke off means.
pub(super) fn broken_off(session: &Session, error: ClientError) -> Silent {
    Silent::unanswered(session, &error)
}
