//! Lets Zeek read the scripts of a release without listening, capturing or writing anywhere.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::error::ZeekError;
use super::hints::{fatal_line, hint};
use super::install;
use super::launch::{Launch, Places, Purpose};
use crate::api::config::{NodeConfig, ZeekConfig};
use crate::api::node::ScriptsChecked;
use crate::api::outcome::ErrorInfo;
use crate::api::paths::ClusterDir;
use crate::data::NodeType;
use crate::node::config;
use crate::node::error::NodeError;

/// Reading all scripts takes about a second; a busy host takes longer.
const CHECK_WITHIN: Duration = Duration::from_secs(60);

/// Checks every node of a staged release that is a real Zeek, once for each distinct configuration.
///
/// # Errors
/// When the release cannot be read. What Zeek finds wrong is an answer.
pub fn check(dir: &ClusterDir, release: &str) -> Result<Vec<ScriptsChecked>, NodeError> {
    let release = dir.release(release);
    let groups = alike(config::read_all(&release)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| NodeError::System { what: "start the task runtime", source })?;
    runtime.block_on(async {
        let mut answers = Vec::new();
        for group in groups {
            let error = check_one(&group[0], dir, &release).await.err();
            answers.push(ScriptsChecked { nodes: group.into_iter().map(|config| config.name).collect(), error });
        }
        Ok(answers)
    })
}

/// Nodes whose scripts and settings Zeek would read alike. Interfaces are not looked at: only a start tries them.
fn alike(configs: Vec<NodeConfig>) -> Vec<Vec<NodeConfig>> {
    type Key = (NodeType, ZeekConfig);
    let mut groups: Vec<(Key, Vec<NodeConfig>)> = Vec::new();
    for config in configs {
        let Some(zeek) = &config.zeek else { continue };
        let key = (config.node_type, ZeekConfig { interface: None, ..zeek.clone() });
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(config),
            None => groups.push((key, vec![config])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

async fn check_one(config: &NodeConfig, dir: &ClusterDir, release: &Path) -> Result<(), ErrorInfo> {
    let plain = |what: String| ErrorInfo { what, hint: None };
    let Some(zeek) = &config.zeek else { return Ok(()) };
    let found = install::find(zeek, config.curve_dir.is_some(), dir).await.map_err(|error| plain(error.to_string()))?;
    let folder = tempfile::tempdir().map_err(|error| plain(format!("cannot make a temporary folder: {error}")))?;
    let places = Places {
        release: release.to_owned(),
        scripts: folder.path().join("scripts"),
        work: folder.path().join("work"),
    };
    let launch =
        Launch { config, zeek, dir, install: &found, places, keys: None, program: PathBuf::from("zeek-cluster") };
    launch.write().map_err(|error| plain(error.to_string()))?;
    read_scripts(&launch).await
}

async fn read_scripts(launch: &Launch<'_>) -> Result<(), ErrorInfo> {
    let zeek = &launch.install.zeek;
    let mut command = Command::new(zeek);
    command
        .args(launch.arguments(Purpose::Check))
        .envs(launch.environment(Purpose::Check, &|name| env::var_os(name)))
        .current_dir(&launch.places.work)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let late = || ErrorInfo {
        what: format!("{} did not read its scripts within {} s", zeek.display(), CHECK_WITHIN.as_secs()),
        hint: None,
    };
    let output = timeout(CHECK_WITHIN, command.output()).await.map_err(|_| late())?.map_err(|source| ErrorInfo {
        what: ZeekError::Start { zeek: zeek.clone(), source }.to_string(),
        hint: None,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let line = fatal_line(&String::from_utf8_lossy(&output.stderr));
    let line = line.unwrap_or_else(|| format!("{} -a: {}", zeek.display(), output.status));
    Err(ErrorInfo { hint: hint(&line), what: line })
}
