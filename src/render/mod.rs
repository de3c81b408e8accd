//! A layout as each node's files, in memory: nothing is written here.

mod cluster_layout;
mod hosts;
mod node_config;
mod release;
mod show;
mod zeek;

#[cfg(test)]
mod tests;

pub use cluster_layout::layout_zeek;
pub use hosts::hosts_file;
pub use node_config::node_config;
pub use release::{HostRelease, Release, ReleaseInput, RenderError, identify, layout_hash, release};
pub use show::{layout_json, layout_yaml};
