//! Why a verb could not even begin.

use std::collections::BTreeMap;
use std::io;

use super::deploy::Leaver;
use super::keys::KeyStoreError;
use super::rollback::NoRollback;
use crate::api::outcome::ErrorInfo;
use crate::layout::nodeset;
use crate::render::RenderError;

/// Nothing was touched: what is needed before the first host is missing.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The layout cannot be turned into files.
    #[error("the layout cannot be deployed")]
    Render(#[from] RenderError),
    /// There is no release to go back to, or it cannot be gone back to.
    #[error(transparent)]
    Rollback(#[from] NoRollback),
    /// The program that is to be installed is this one, and it cannot be read.
    #[error("cannot read this program")]
    OwnBinary(#[source] io::Error),
    /// Some hosts are left out, and the others cannot be deployed without them.
    #[error("these hosts cannot be deployed alone: {}", .0.join("; "))]
    Crosses(
        /// Why, in sentences; at least one.
        Vec<String>,
    ),
    /// The keys on this machine cannot be read or written.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// The cluster may have keys, and the host that would tell gives no answer.
    #[error("{host} may hold the cluster's keys and gives no answer, so no new ones are made: {why}")]
    KeysUnknown {
        /// The host.
        host: String,
        /// Why it gives no answer.
        why: String,
    },
    /// A host does not hand out the keys that are in force there.
    #[error("the cluster's keys cannot be taken from {host}: {}", error.what)]
    KeysWithheld {
        /// The host.
        host: String,
        /// Why.
        error: ErrorInfo,
    },
    /// Hosts of the layout are one machine: what one of them is told would undo what the other was told.
    #[error("{}", .0.what)]
    OneMachine(
        /// Which hosts, and the advice.
        ErrorInfo,
    ),
    /// Nodes run that the layout does not have, and nobody said that they may be stopped.
    #[error("{} not in the layout and would be stopped: {}", if .0.len() == 1 { "this node is" } else { "these nodes are" }, listed(.0))]
    Leaves(
        /// All of them; at least one.
        Vec<Leaver>,
    ),
    /// A saved plan is no longer what has to be done.
    #[error("the plan no longer holds: {}", .0.join("; "))]
    Moved(
        /// What is otherwise, in sentences; at least one.
        Vec<String>,
    ),
}

/// Such as `proxy on head, worker-[1-4] on sensor-1`.
pub fn listed(leavers: &[Leaver]) -> String {
    let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for leaver in leavers {
        hosts.entry(&leaver.host).or_default().push(&leaver.node);
    }
    let said = hosts.into_iter().map(|(host, nodes)| format!("{} on {host}", nodeset::fold(nodes)));
    said.collect::<Vec<_>>().join(", ")
}
