//! Why a real Zeek cannot be a node, or ended. Equal for all nodes of a host that fail alike, so that they can be grouped.

use std::io;
use std::path::PathBuf;

/// What keeps a real Zeek from being a node.
#[derive(Debug, thiserror::Error)]
pub enum ZeekError {
    /// There is no program `zeek`.
    #[error(
        "no zeek is installed here: looked for {tried}; install Zeek 8.0 or newer, or set `zeek: {{ prefix: … }}` in the layout"
    )]
    Missing {
        /// All paths that were tried, with commas.
        tried: String,
    },
    /// `zeek --version` gave no version.
    #[error("{} does not tell its version: {reason}", zeek.display())]
    Version {
        /// The program.
        zeek: PathBuf,
        /// What it said instead.
        reason: String,
    },
    /// Before Zeek 8.0 there is no ZeroMQ backend.
    #[error("{} is Zeek {version}, which cannot be a node of a ZeroMQ cluster: update it to 8.0 or newer", zeek.display())]
    TooOld {
        /// The program.
        zeek: PathBuf,
        /// Its version.
        version: String,
    },
    /// CURVE came with Zeek 8.2.
    #[error("{} is Zeek {version}, which cannot encrypt: update it to 8.2 or newer, or set `encryption: off` in the layout", zeek.display())]
    NoCurve {
        /// The program.
        zeek: PathBuf,
        /// Its version.
        version: String,
    },
    /// A script or folder for Zeek could not be made.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program did not start.
    #[error("cannot start {}: {source}", zeek.display())]
    Start {
        /// The program.
        zeek: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process ended.
    #[error("zeek {how}{}{}", after(": ", line), after("; ", hint))]
    Ended {
        /// Such as `exited with status 1`.
        how: String,
        /// The line of its standard error that tells why.
        line: Option<String>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A rotated log could not be archived; it stays where it is, and the next start of the node tries again.
    #[error("cannot archive {}: {source}", path.display())]
    Archive {
        /// The rotated file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn after(separator: &str, text: &Option<String>) -> String {
    text.as_ref().map(|text| format!("{separator}{text}")).unwrap_or_default()
}
