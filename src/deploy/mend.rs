//! `doctor --fix`: what can be mended on a host without root and without guessing. Nothing of it touches a node that runs.

use std::pin::pin;

use futures_util::StreamExt;

use super::ledger::{self, Trouble};
use super::progress::{Event, Progress};
use super::site::Site;
use crate::api::outcome::Outcome;
use crate::fleet::{self, Binary, Deadlines, Host, Presence, Settings};
use crate::layout::Layout;

/// Something that is mended on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mend {
    /// Nobody but its owner may enter the cluster's folder, or read the keys in it.
    Permissions,
    /// What interrupted uploads left behind is removed.
    Uploads,
    /// The program of the current release, by its SHA-256, is brought there: this one, or it cannot be mended from here.
    Program(String),
    /// The agent is started, in the place of one that gives no sign of life.
    Agent,
}

impl Mend {
    /// The step's word, which is that of the check that found it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Mend::Permissions => "permissions",
            Mend::Uploads => "uploads",
            Mend::Program(_) => "installed",
            Mend::Agent => "agent",
        }
    }

    /// What a shell has to do; `$dir` is the cluster's folder.
    fn script(&self) -> Option<&'static str> {
        match self {
            Mend::Permissions => Some(PERMISSIONS),
            Mend::Uploads => Some(UPLOADS),
            Mend::Program(_) | Mend::Agent => None,
        }
    }
}

const PERMISSIONS: &str = r#"chmod u+rwx,go-rwxst "$dir" || exit 1
for keys in "$dir"/releases/*/keys; do
  [ -d "$keys" ] || continue
  find "$keys" -type f -exec chmod 600 {} + || exit 1
done
exit 0
"#;

/// Of an upload that is under way the file is younger.
const UPLOADS: &str = r#"find "$dir/bin" -name '.upload-*' -type f -mmin +60 -exec rm -f {} +
"#;

/// Mends these things, all hosts at once; one outcome for each, whose target is the host and whose step is the thing.
pub async fn mend(
    layout: &Layout,
    settings: &Settings,
    wanted: &[(String, Mend)],
    progress: &dyn Progress,
) -> Vec<Outcome> {
    let is_wanted = |host: &str| wanted.iter().any(|(name, _)| name == host);
    let hosts: Vec<_> = fleet::hosts(layout, settings).into_iter().filter(|host| is_wanted(host.name())).collect();
    let targets: Vec<&str> = hosts.iter().map(|host| host.name()).collect();
    progress.tell(Event::Phase { what: "mending", targets: &targets });
    let mending = fleet::each(&hosts, settings.parallel, |host| async move {
        let mut outcomes = Vec::new();
        let mut mends: Vec<&Mend> =
            wanted.iter().filter(|(name, _)| name == host.name()).map(|(_, mend)| mend).collect();
        // An agent needs its program, and its folder.
        mends.sort();
        for mend in mends {
            let name = host.name();
            outcomes.push(match mend_one(host.as_ref(), mend).await {
                Ok(()) => ledger::ok(name, name, mend.as_str()),
                Err(trouble) => Outcome { step: mend.as_str().to_owned(), ..trouble.outcome(name, name) },
            });
        }
        outcomes
    });
    let mut mending = pin!(mending);
    let mut outcomes = Vec::new();
    while let Some((host, mended)) = mending.next().await {
        progress.tell(Event::Done { target: host.name() });
        outcomes.extend(mended);
    }
    outcomes.sort_by_key(|outcome| targets.iter().position(|target| *target == outcome.target));
    outcomes
}

async fn mend_one(host: &dyn Host, mend: &Mend) -> Result<(), Trouble> {
    let presence = match mend {
        Mend::Program(hash) => {
            let own =
                Binary::own().map_err(|error| Trouble::failed("program", format!("reading this program: {error}")))?;
            if own.hash != *hash {
                let what = "the release runs with another version of this program; a deploy brings this one".to_owned();
                return Err(Trouble::failed("program", what));
            }
            Some(Presence::Installed(own))
        }
        Mend::Agent => Some(Presence::Revived),
        Mend::Permissions | Mend::Uploads => None,
    };
    if let Some(presence) = presence {
        let session = host.open(presence, Deadlines::default()).await.map_err(|error| Trouble::from(&error))?;
        let site = Site { host: host.name().to_owned(), session };
        return site.session.agent().status().await.map(drop).map_err(|error| site.trouble("agent", &error));
    }
    let exam = host.examine(mend.script().unwrap_or_default(), Deadlines::default()).await;
    let output = exam.answer.map_err(|error| Trouble::from(&error))?.output;
    match output.success() {
        true => Ok(()),
        false => {
            Err(Trouble::failed("shell", output.last_error_line().unwrap_or_else(|| "it did not work".to_owned())))
        }
    }
}
