//! `check`: would a deploy work?

use crate::api::outcome::Outcome;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, KeySource};
use crate::layout::{Engine, Layout, nodeset};

/// Check the layout and every host without changing anything
///
/// Reads the layout, renders each node's files in memory, logs in to every host and asks for its agent, where one runs.
/// Looks which programs listen on the ports that the nodes need; with a port of another program `deploy` would switch nothing.
/// Where an agent of this version runs, each real Zeek reads the scripts that a deploy would give it, listening nowhere.
/// Nothing is started, stopped or switched anywhere. `zeek-cluster layout check` does the part that needs no host.
#[derive(Debug, clap::Args)]
pub struct Check {}

impl Check {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let settings = cx.reach();
        let store = cx.key_store(&layout)?;
        let keys = KeySource::look(store.as_ref());
        let progress = cx.printer.progress();
        let checked = cx.block_on(deploy::check(&layout, &settings, keys, &progress))?;
        progress.finish();
        let outcomes = checked.map_err(Failure::deploy)?;
        let unread = unread_scripts(&layout, &outcomes);
        if !unread.is_empty() {
            cx.printer.warning(&format!(
                "Zeek has not read the scripts of {}: no agent of this version runs there yet; deploy has them read before it \
                 switches",
                nodeset::fold(unread)
            ));
        }
        cx.conclude(&layout, &outcomes)
    }
}

/// Nodes with a real Zeek of which the check says nothing.
fn unread_scripts<'a>(layout: &'a Layout, outcomes: &[Outcome]) -> Vec<&'a str> {
    let told = |name: &str| outcomes.iter().any(|outcome| outcome.target == name);
    let zeeks = layout.nodes.iter().filter(|node| node.engine == Engine::Zeek);
    zeeks.map(|node| node.name.as_str()).filter(|name| !told(name)).collect()
}
