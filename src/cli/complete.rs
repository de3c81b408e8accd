//! Completion of node names while an operator types, from the layout that the command line names.
//!
//! Reads the layout file, and for runs and releases the history of this machine: no name is resolved, no host is asked, and a broken layout completes nothing
//! and says nothing.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;

use super::args::{self, PROGRAM};
use crate::layout::{self, Environment, Layout};
use crate::query::{self, RunRow};

/// Answers the shell and ends the process when the shell asked for completions (`COMPLETE` in the environment).
pub fn answer_completion_request() {
    if std::env::var_os("COMPLETE").is_some() {
        CompleteEnv::with_factory(args::tree).bin(PROGRAM).complete();
    }
}

/// Names and groups of nodes that begin as the operator began.
pub fn nodes(current: &OsStr) -> Vec<CompletionCandidate> {
    of_layout(current, candidates)
}

/// Names of hosts, and whatever names nodes.
pub fn hosts(current: &OsStr) -> Vec<CompletionCandidate> {
    of_layout(current, |layout, current| {
        let (prefix, typed) = current.split_at(last_name(current));
        let hosts = layout.hosts.iter().filter(|host| host.name.starts_with(typed));
        let hosts = hosts.map(|host| {
            CompletionCandidate::new(format!("{prefix}{}", host.name)).help(Some(host.address.clone().into()))
        });
        hosts.chain(candidates(layout, current)).collect()
    })
}

/// Runs that were started on this machine, newest first.
pub fn runs(current: &OsStr) -> Vec<CompletionCandidate> {
    of_layout(current, |layout, current| {
        let runs = query::runs_here(&layout.name).into_iter().filter(|run| run.run.starts_with(current));
        let help = |run: &RunRow| format!("{} {}", run.command.as_deref().unwrap_or("-"), run.outcome);
        runs.map(|run| CompletionCandidate::new(&run.run).help(Some(help(&run).into()))).collect()
    })
}

/// Releases that were deployed from this machine, the latest first.
pub fn releases(current: &OsStr) -> Vec<CompletionCandidate> {
    of_layout(current, |layout, current| {
        let runs = query::runs_here(&layout.name);
        let mut releases: Vec<String> = Vec::new();
        for release in runs.into_iter().filter_map(|run| run.release).filter(|id| id.starts_with(current)) {
            if !releases.contains(&release) {
                releases.push(release);
            }
        }
        releases.into_iter().map(CompletionCandidate::new).collect()
    })
}

fn of_layout(
    current: &OsStr,
    candidates: impl Fn(&Layout, &str) -> Vec<CompletionCandidate>,
) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").collect();
    let variable = std::env::var_os("ZEEK_CLUSTER_LAYOUT");
    let path = layout_file(&words, variable.as_deref());
    read(&path).map(|layout| candidates(&layout, current)).unwrap_or_default()
}

/// The layout that a half-typed command line names.
fn layout_file(words: &[OsString], variable: Option<&OsStr>) -> PathBuf {
    let mut found = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(text) = word.to_str() else { continue };
        if text == "-l" || text == "--layout" {
            found = words.next().map(PathBuf::from);
        } else if let Some(file) = text.strip_prefix("--layout=").or_else(|| text.strip_prefix("-l")) {
            found = Some(PathBuf::from(file));
        }
    }
    found.or_else(|| variable.map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("cluster.yaml"))
}

/// The layout, when it is readable and right.
fn read(path: &Path) -> Option<Layout> {
    let text = std::fs::read_to_string(path).ok()?;
    let offline = Environment { resolve: &|_| None, is_local: &|_| false };
    layout::load(&text, path, &offline).ok().map(|loaded| loaded.layout)
}

/// Where the name that is being typed begins: after what joins and negates sets.
fn last_name(current: &str) -> usize {
    current.rfind([',', '&', '!']).map_or(0, |at| at + 1)
}

/// Everything of the layout that names nodes and starts with the last name in `current`; what stands before it is kept.
fn candidates(layout: &Layout, current: &str) -> Vec<CompletionCandidate> {
    let (prefix, typed) = current.split_at(last_name(current));
    let nodes = layout.nodes.iter().map(|node| (node.name.clone(), format!("{} on {}", node.node_type, node.host)));
    let hosts = layout.hosts.iter().map(|host| (format!("@host:{}", host.name), "all nodes of the host".to_owned()));
    let groups =
        ["managers", "loggers", "proxies", "workers"].map(|group| (format!("@{group}"), format!("all {group}")));
    let last = ["failed", "unreachable"].map(|set| (format!("@{set}"), format!("{set} in the last command")));
    let all = [("all".to_owned(), "all nodes".to_owned())];
    nodes
        .chain(hosts)
        .chain(groups)
        .chain(last)
        .chain(all)
        .filter(|(name, _)| name.starts_with(typed))
        .map(|(name, help)| CompletionCandidate::new(format!("{prefix}{name}")).help(Some(help.into())))
        .collect()
}
