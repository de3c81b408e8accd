//! Brings what Zeek rotated into the archive: served to Zeek as the command `archive-log`.

use std::path::PathBuf;

use super::error::ZeekError;
use crate::api::config::NodeConfig;
use crate::api::paths::ClusterDir;
use crate::logs::{LoggerOptions, ZeekRotated, archive_rotated, archive_zeek_leftovers};
use crate::node::config;
use crate::node::error::NodeError;

/// What Zeek tells of a log that it rotated (`zeekctl.md` 15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRequest {
    /// The cluster's folder on this host.
    pub dir: ClusterDir,
    /// The node that wrote the log.
    pub node: String,
    /// The rotated file; a relative path belongs to the current directory.
    pub file: PathBuf,
    /// The log's path, such as `conn`.
    pub base: String,
    /// Local time of opening, `YY-MM-DD_HH.MM.SS`.
    pub opened: String,
    /// Local time of closing, likewise.
    pub closed: String,
}

/// Compresses and moves one rotated log, by the rules of the node's configuration.
///
/// # Errors
/// [`NodeError::Config`], [`NodeError::ConfigSyntax`] or [`NodeError::NotInLayout`] when the node's configuration
/// cannot be read, [`NodeError::LogOption`] when an option of it is wrong, [`ZeekError::Archive`] for times that are
/// none and for a file that cannot be moved; the log then stays where it is.
pub fn archive_log(request: &ArchiveRequest) -> Result<(), NodeError> {
    let config = config::read(&request.dir, &request.node)?;
    let options = logger_options(&config, &request.dir)?;
    let ArchiveRequest { file, base, opened, closed, .. } = request;
    archive_rotated(&options, ZeekRotated { file, base, opened, closed })
        .map_err(|source| ZeekError::Archive { path: file.clone(), source }.into())
}

/// Archives what an earlier Zeek rotated and left. Trouble is told and does not keep Zeek from starting.
pub(super) fn leftovers(config: &NodeConfig, dir: &ClusterDir) {
    let archived = logger_options(config, dir)
        .map_err(|error| error.to_string())
        .and_then(|options| archive_zeek_leftovers(&options).map_err(|error| error.to_string()));
    match archived {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "archived what an earlier run left"),
        Err(error) => tracing::warn!(%error, "what an earlier run left cannot be archived"),
    }
}

fn logger_options(config: &NodeConfig, dir: &ClusterDir) -> Result<LoggerOptions, NodeError> {
    LoggerOptions::from_config(config, dir).map_err(|error| NodeError::LogOption { reason: error.to_string() })
}
