//! What would a deploy put on each host?
//!
//! A layout becomes, for each host, the files of a release and its manifest, all in memory. Nothing is written and no host
//! is asked.
//!
//! ```sh
//! cargo run --example render_layout                       # examples/three-hosts.yaml
//! cargo run --example render_layout -- cluster.yaml
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::error::Error;
use std::path::PathBuf;

use zeek_cluster::layout::{effective_options, nodeset};
use zeek_cluster::read_layout;
use zeek_cluster::render::{ReleaseInput, node_config, release};

const THREE_HOSTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/three-hosts.yaml");

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(THREE_HOSTS), PathBuf::from);
    // All that is wrong with the file comes back at once, each with its place.
    let mut layout = read_layout(path)?;
    // Keys of an encrypted cluster belong to whoever deploys; a look needs none.
    layout.encrypted = false;

    println!("cluster {}: {}", layout.name, nodeset::fold(layout.nodes.iter().map(|node| node.name.as_str())));
    for node in &layout.nodes {
        let config = node_config(&layout, node)?;
        println!("{} on {} connects to the hub at {}", node.name, node.host, config.zeromq.connect_xsub_endpoint);
    }

    // Zeek's redefinable options as the manager obeys them; here only those that the layout sets.
    let manager = node_config(&layout, layout.manager().ok_or("no manager")?)?;
    let options = effective_options(&manager, layout.backend, &|variable| std::env::var(variable).ok());
    for option in options.iter().filter(|option| layout.options.contains_key(option.name)) {
        println!("option {} = {} ({})", option.name, option.text, option.origin.as_str());
    }

    // The executable is part of a release, by its hash.
    let binary_hash = "0".repeat(64);
    let input = ReleaseInput { binary_hash: &binary_hash, created_by: "me@here", created_at: 0.0, curve: None };
    let release = release(&layout, &input)?;
    // Equal contents, equal id: deploying it again changes nothing.
    println!("release {}", release.id);
    for host in &release.hosts {
        println!("{}: {} files", host.manifest.host, host.manifest.files.len());
        for file in &host.manifest.files {
            println!("  {} ({:o})", file.path.display(), file.mode);
        }
    }
    Ok(())
}
