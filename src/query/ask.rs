//! One question to many hosts at once, and what a host that gives no answer costs: itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};

use super::settings::Settings;
use crate::agent::client::ClientError;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::fleet::{self, Deadlines, Host, Presence, ReachError, ReachKind, Session};
use crate::layout::{Layout, Node};

/// How long each step after the connection may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A host that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// The host.
    pub host: String,
    /// Whether it was reached and has nothing of this cluster.
    pub not_deployed: bool,
    /// How it ended.
    pub kind: Kind,
    /// The step that was not done.
    pub step: String,
    /// Why, and what to do about it.
    pub error: ErrorInfo,
}

impl Silent {
    /// As the outcome of one target on that host.
    pub fn outcome(&self, target: &str) -> Outcome {
        Outcome {
            target: target.to_owned(),
            host: self.host.clone(),
            kind: self.kind,
            step: self.step.clone(),
            elapsed_ms: 0,
            error: Some(self.error.clone()),
        }
    }

    /// A host that did not answer in time, however far it got.
    fn late(host: &dyn Host, within: Duration) -> Silent {
        let what = format!("{} ({}): no answer within {:.1} s", host.name(), host.place(), within.as_secs_f64());
        Silent {
            host: host.name().to_owned(),
            not_deployed: false,
            kind: Kind::TimedOut,
            step: "answer".to_owned(),
            error: ErrorInfo { what, hint: None },
        }
    }

    /// A host whose agent ended while it was listened to.
    pub(super) fn ended(host: &str) -> Silent {
        Silent {
            host: host.to_owned(),
            not_deployed: false,
            kind: Kind::Failed,
            step: "agent".to_owned(),
            error: ErrorInfo { what: format!("{host}: the agent ended"), hint: None },
        }
    }

    fn unreached(error: &ReachError) -> Silent {
        let not_deployed = error.kind == ReachKind::NotDeployed;
        let error_info = match not_deployed {
            true => ErrorInfo { what: format!("not deployed on {} (zeek-cluster deploy)", error.host), hint: None },
            false => error.into(),
        };
        Silent {
            host: error.host.clone(),
            not_deployed,
            kind: error.outcome_kind(),
            step: error.step.as_str().to_owned(),
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
        Silent { host: session.host().to_owned(), not_deployed: false, kind, step: "agent".to_owned(), error }
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

/// Opens every host and asks it; yields one answer per host as each comes in. A host that swallows packets delays only
/// its own answer, until its deadline.
pub(super) fn ask<'a, T: 'a>(
    hosts: &'a [Arc<dyn Host>],
    settings: &Settings,
    presence: Presence,
    question: impl AsyncFn(&Session) -> Result<T, ClientError> + Copy + 'a,
) -> impl Stream<Item = (String, Result<T, Silent>)> + 'a {
    let (within, reach, writer) = (settings.within, settings.reach.clone(), settings.writer.clone());
    let answers = fleet::each(hosts, settings.reach.parallel, move |host| {
        let (presence, reach, writer) = (presence.clone(), reach.clone(), writer.clone());
        async move {
            let asked = async {
                let session = open(host.as_ref(), presence).await?;
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

/// Opens one host with the deadlines of a question.
pub(super) async fn open(host: &dyn Host, presence: Presence) -> Result<Session, Silent> {
    let deadlines = Deadlines { step: ANSWER_WITHIN, ..Deadlines::default() };
    host.open(presence, deadlines).await.map_err(|error| Silent::unreached(&error))
}

/// What a stream of an agent that broke off means.
pub(super) fn broken_off(session: &Session, error: ClientError) -> Silent {
    Silent::unanswered(session, &error)
}
