//! A host under work: the open way to its agent, and how errors of that way become trouble.

use futures_util::{StreamExt, stream};

use super::ledger::{Place, Trouble};
use super::progress::{Event, Progress};
use crate::agent::client::ClientError;
use crate::api::agent::AgentStatus;
use crate::api::outcome::{ErrorInfo, Kind};
use crate::faults;
use crate::fleet::{self, Deadlines, Presence, ReachError, ReachKind, Session, Settings};
use crate::layout::Layout;

/// A host that is reached.
pub(super) struct Site {
    pub(super) host: String,
    pub(super) session: Session,
}

/// Opens the named hosts, all at once: those that are reached, and what keeps the others from it.
pub(super) async fn open(
    layout: &Layout,
    names: &[&str],
    settings: &Settings,
    presence: &Presence,
    progress: &dyn Progress,
) -> (Vec<Site>, Vec<(String, Trouble)>) {
    progress.tell(Event::Phase { what: "reaching hosts", targets: names });
    let hosts: Vec<_> =
        fleet::hosts(layout, settings).into_iter().filter(|host| names.contains(&host.name())).collect();
    let opening = fleet::each(&hosts, settings.parallel, |host| {
        let presence = presence.clone();
        async move { host.open(presence, Deadlines::default()).await }
    });
    let mut opening = std::pin::pin!(opening);
    let (mut sites, mut troubles) = (Vec::new(), Vec::new());
    while let Some((host, opened)) = opening.next().await {
        progress.tell(Event::Done { target: host.name() });
        faults::point("connect");
        match opened {
            Ok(session) => sites.push(Site { host: host.name().to_owned(), session }),
            Err(error) => troubles.push((host.name().to_owned(), Trouble::from(&error))),
        }
    }
    (sites, troubles)
}

/// The same for commands that must not meet one machine twice: hosts that are one machine are in trouble, all of them.
pub(super) async fn open_apart(
    layout: &Layout,
    settings: &Settings,
    presence: &Presence,
    progress: &dyn Progress,
) -> (Vec<Site>, Vec<(String, Trouble)>) {
    let (mut sites, mut troubles) = open(layout, &layout.host_names(), settings, presence, progress).await;
    // A host that does not answer this fails at what it is asked next.
    let asked = sites.iter().map(async |site| Some((site.host.clone(), site.session.first_status().await.ok()?)));
    let seen: Vec<(String, AgentStatus)> =
        stream::iter(asked).buffered(settings.parallel.max(1)).filter_map(async |seen| seen).collect().await;
    for double in fleet::doubles(seen.iter().map(|(host, status)| (host.as_str(), status))) {
        sites.retain(|site| !double.hosts.contains(&site.host));
        troubles.extend(double.hosts.iter().map(|host| (host.clone(), Trouble::one_machine(&double))));
    }
    (sites, troubles)
}

impl Site {
    /// What a failed request means: when the way itself is gone, that is the reason.
    pub(super) fn trouble(&self, step: &str, error: &ClientError) -> Trouble {
        match (self.session.broken(), error) {
            (Some(broken), _) => Trouble { step: step.to_owned(), ..Trouble::from(&broken) },
            (None, ClientError::Refused { info, .. }) => {
                Trouble { kind: Kind::Failed, step: step.to_owned(), error: info.clone(), place: Place::AtWork }
            }
            (None, other) => {
                let kind = if other.is_timeout() { Kind::TimedOut } else { Kind::Failed };
                let what = format!("{}: {}", self.host, other.in_words());
                Trouble {
                    kind,
                    step: step.to_owned(),
                    error: ErrorInfo { what, hint: other.hint() },
                    place: Place::AtWork,
                }
            }
        }
    }
}

impl From<&ReachError> for Trouble {
    fn from(error: &ReachError) -> Trouble {
        Trouble {
            kind: error.outcome_kind(),
            step: error.step.as_str().to_owned(),
            error: error.into(),
            place: match error.kind {
                ReachKind::NotDeployed => Place::NotDeployed,
                ReachKind::NoAgent => Place::NoAgent,
                _ if error.step.is_on_the_way() => Place::OnTheWay,
                _ => Place::AtWork,
            },
        }
    }
}
