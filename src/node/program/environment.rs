//! What a program is told about where it runs.

use std::path::PathBuf;

use crate::api::config::{NodeConfig, ProgramConfig};
use crate::api::paths::ClusterDir;

/// Everything that a program finds in its environment, beside what the node itself has there.
#[derive(Clone, Debug)]
pub(in crate::node) struct Surroundings {
    variables: Vec<(&'static str, String)>,
}

impl Surroundings {
    /// For the program of a node with this id.
    pub(in crate::node) fn new(
        config: &NodeConfig,
        program: &ProgramConfig,
        dir: &ClusterDir,
        id: &str,
    ) -> Surroundings {
        let text = |path: PathBuf| path.display().to_string();
        let mut variables = vec![
            // As Zeek's own programs are told.
            ("CLUSTER_NODE", config.name.clone()),
            ("ZEEK_CLUSTER_NAME", config.cluster.clone()),
            ("ZEEK_CLUSTER_NODE", config.name.clone()),
            ("ZEEK_CLUSTER_NODE_TYPE", config.node_type.as_str().to_owned()),
            ("ZEEK_CLUSTER_NODE_ID", id.to_owned()),
            ("ZEEK_CLUSTER_LAYOUT_FILE", text(dir.current().join("cluster-layout.zeek"))),
        ];
        let given =
            [("ZEEK_CLUSTER_WEBSOCKET_URL", &program.websocket_url), ("ZEEK_CLUSTER_INTERFACE", &program.interface)];
        variables.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        Surroundings { variables }
    }

    /// Names and values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }
}
