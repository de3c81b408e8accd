//! Logs that a node left open when it had to be killed: whoever is stopped for good has nobody who would archive them at its
//! next start, so the node's program does it now.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;
use tokio::time::timeout_at;

use crate::api::paths::ClusterDir;

/// Archives what lies in the folder of a node that has ended, if anything does. Trouble is told in the agent's log, and the
/// files stay where they are.
pub async fn archive(dir: &ClusterDir, binary: Option<PathBuf>, node: &str, end: Instant) {
    if !has_leftovers(dir, node) {
        return;
    }
    let done = match (binary, configuration(dir, node)) {
        (Some(binary), Some(config)) => run(dir, binary, config, node, end).await,
        _ => Err("no release on this host has its configuration any more".to_owned()),
    };
    let folder = dir.logs_current(node);
    match done {
        Ok(()) => tracing::info!(%node, "archived the logs that it left open"),
        Err(why) => tracing::warn!(%node, folder = %folder.display(), "the logs that it left open stay there: {why}"),
    }
}

fn has_leftovers(dir: &ClusterDir, node: &str) -> bool {
    let entries = fs::read_dir(dir.logs_current(node)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).any(|name| !name.starts_with('.'))
}

/// The node's configuration: of the current release, else of one before it.
fn configuration(dir: &ClusterDir, node: &str) -> Option<PathBuf> {
    let others = fs::read_dir(dir.releases()).into_iter().flatten().flatten().map(|entry| entry.path());
    let releases = [dir.current(), dir.previous()].into_iter().chain(others);
    releases.map(|release| release.join("nodes").join(format!("{node}.yaml"))).find(|path| path.is_file())
}

async fn run(dir: &ClusterDir, binary: PathBuf, config: PathBuf, node: &str, end: Instant) -> Result<(), String> {
    let mut command = Command::new(&binary);
    command.args(["node", "archive-leftovers", node, "--dir"]).arg(dir.path()).arg("--config").arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = match timeout_at(end.into(), command.output()).await {
        Err(_) => return Err("it took longer than the request may take".to_owned()),
        Ok(Err(error)) => return Err(format!("{}: {error}", binary.display())),
        Ok(Ok(output)) => output,
    };
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
