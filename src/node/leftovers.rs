//! Archives the logs that a node left open: served to the agent as the command `archive-leftovers`.

use std::path::Path;

use super::config;
use super::error::NodeError;
use crate::api::paths::ClusterDir;
use crate::logs::{LoggerOptions, archive_leftovers as archive};

/// Brings what lies in the log folder of a node that has ended into the archive, by the rules of its configuration; gives the
/// number of files.
///
/// # Errors
/// A configuration that cannot be read, a file that cannot be archived; it stays where it is.
pub fn archive_leftovers(dir: &ClusterDir, file: &Path) -> Result<usize, NodeError> {
    let config = config::read_file(file)?;
    let wrong = |error: crate::logs::OptionError| NodeError::LogOption { reason: error.to_string() };
    let options = LoggerOptions::from_config(&config, dir).map_err(wrong)?;
    let path = options.current_dir.clone();
    archive(&options).map_err(|source| NodeError::Logger { path, source })
}
