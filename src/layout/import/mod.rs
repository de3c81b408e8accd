//! Other tools' files as a layout: zeekctl's, Zeek 9's `zeek.conf`, and `cluster-layout.zeek`.
//!
//! ```text
//! files --one reader each--> Site, the cluster under its own names --draft--> LayoutSpec --> Layout, YAML
//! ```
//!
//! A reader refuses what the tool itself refuses, in its words and at the same place; what only a layout cannot say is found
//! afterwards, as in a layout file. Each setting of the files has a line in the report ([`ReportLine`]). Nothing here opens a
//! file: texts are handed in.

mod balance;
mod cluster_layout;
mod conf_file;
mod draft;
mod imported;
mod ini;
mod kind;
mod networks;
mod node_cfg;
mod report;
mod site;
mod version;
mod yaml_text;
mod zeek_conf;
mod zeek_script;
mod zeekctl;
mod zeekctl_cfg;

#[cfg(test)]
mod tests;

pub use imported::{Import, SourceFile, import_cluster_layout, import_zeek_conf, import_zeekctl};
pub use kind::{FileKind, file_kind};
pub use report::{Fate, ReportLine};
pub use site::{Site, SiteEncryption, SiteNode, SiteType, Tool};
pub use version::ToolVersion;
pub use zeek_conf::zeek_conf_host;
pub use zeekctl::{ZeekctlFiles, ZeekctlPlaces};
pub use zeekctl_cfg::zeekctl_options;
