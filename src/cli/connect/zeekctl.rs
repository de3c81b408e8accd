//! Reads a zeekctl folder: who is in its cluster, where its hub listens, and whether it is encrypted.

use std::path::{Path, PathBuf};

use super::place::Hub;
use crate::cli::failure::Failure;
use crate::layout::{self, Environment, Layout, ZeekctlFiles, ZeekctlOptions};
use crate::node::environment;

/// A cluster as zeekctl knows it.
#[derive(Debug)]
pub struct Installed {
    pub layout: Layout,
    pub hub: Hub,
    /// Where the keys are; none for a cluster in plain text.
    pub curve_dir: Option<PathBuf>,
}

/// `folder` is zeekctl's prefix (with `etc/node.cfg` in it) or its `etc`.
pub fn read(folder: &Path) -> Result<Installed, Failure> {
    let etc = [folder.join("etc"), folder.to_owned()].into_iter().find(|etc| etc.join("node.cfg").is_file());
    let etc = etc.ok_or_else(|| Failure::File {
        what: format!("{} is no zeekctl folder: there is no etc/node.cfg in it", folder.display()),
        hint: Some("name zeekctl's prefix, such as /opt/zeek".into()),
    })?;
    let prefix = match folder.ends_with("etc") {
        true => folder.parent().unwrap_or(folder),
        false => folder,
    };
    let options_file = etc.join("zeekctl.cfg");
    let options = match options_file.is_file() {
        true => read_text(&options_file)?,
        false => String::new(),
    };
    let options = ZeekctlOptions::parse(&options, prefix)
        .map_err(|error| Failure::File { what: format!("{}: {error}", options_file.display()), hint: None })?;
    let layout = layout(&etc.join("node.cfg"))?;
    if options.broker {
        return Err(Failure::File {
            what: format!("{}: ClusterBackend is Broker; an observer needs ZeroMQ", options_file.display()),
            hint: None,
        });
    }
    let manager = layout.manager().and_then(|manager| manager.ip).ok_or_else(|| Failure::File {
        what: format!("{}: the manager's address does not resolve", etc.join("node.cfg").display()),
        hint: None,
    })?;
    let hub = Hub::at(manager, options.hub.xpub, options.hub.xsub);
    let curve_dir = options.encrypts(&layout).then(|| options.curve_dir.clone());
    Ok(Installed { layout, hub, curve_dir })
}

fn layout(path: &Path) -> Result<Layout, Failure> {
    let text = read_text(path)?;
    let environment = Environment { resolve: &environment::resolve, is_local: &environment::is_local };
    let files = ZeekctlFiles { node_cfg: (path, &text), networks_cfg: None };
    layout::import_zeekctl(&files, &environment).map(|loaded| loaded.layout).map_err(Failure::Layout)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))
}
