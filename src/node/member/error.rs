//! Why a program cannot be a member of its cluster.

use std::path::PathBuf;
use std::time::Duration;

use crate::layout::Problem;
use crate::node::NodeError;

/// Why [`ClusterBuilder::init`](super::ClusterBuilder::init) did not succeed. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The layout cannot be turned into a configuration of the node.
    #[error("{reason}")]
    Layout {
        /// Such as the hosts whose names do not resolve.
        reason: String,
    },
    /// `Cluster::node` is no key of `Cluster::nodes`. The text is Zeek's.
    #[error("'{name}' is not a valid node in the Cluster::nodes configuration{hint}")]
    NotInLayout {
        /// The name.
        name: String,
        /// `; it has …`.
        hint: String,
    },
    /// The cluster is encrypted.
    #[error("the cluster is encrypted: give its CURVE keys with `keys` or `curve_dir`")]
    NoKeys,
    /// The node receives the logs of the others, and was not told what to do with them.
    #[error(
        "'{name}' receives the cluster's logs: say with `logs` whether they are written (`Logs::files`), \
         handed to the program (`Logs::received`) or dropped (`Logs::discarded`)"
    )]
    LogsNowhere {
        /// The node.
        name: String,
    },
    /// `logs` was given to a node that receives none.
    #[error("'{name}' receives no logs: loggers do, and the manager of a layout without loggers")]
    NoLogsHere {
        /// The node.
        name: String,
    },
    /// There is no option of that name.
    #[error("there is no option {name}{}", nearest.map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownOption {
        /// As given.
        name: String,
        /// The nearest one that there is.
        nearest: Option<&'static str>,
    },
    /// The hub on the manager did not answer in time.
    #[error("not connected to {endpoint} within {} s: {reason}", within.as_secs_f64())]
    NotConnected {
        /// The hub's XPUB.
        endpoint: String,
        /// How long was waited.
        within: Duration,
        /// What is known of the reason.
        reason: String,
    },
    /// A part of the node did not start.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Why [`read_layout`](super::read_layout) gives no layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The file cannot be read.
    #[error("cannot read the layout {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any layout.
    #[error("{} has {bytes} bytes; a layout has {most} at most", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// Its problems, each with its place, in the order of the file.
    #[error("{}", lines(.0))]
    Problems(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
