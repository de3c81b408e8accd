//! What each redefinable option is in the nodes of a layout, and who said so. No host is asked.

use serde::Serialize;

use crate::layout::{Layout, Node, Reach, effective_options};
use crate::render::{RenderError, node_config};

/// An option with one value in some nodes. This is the JSON of `layout show --options`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptionRow {
    /// Full name, such as `Cluster::retry_interval`.
    pub option: String,
    /// In Zeek's script syntax.
    pub value: String,
    /// `default`, `layout`, or the name of the environment variable that won.
    pub origin: String,
    /// The nodes that have this value from there, in the order of the layout.
    pub nodes: Vec<String>,
}

/// Every option, once for each value that it has in some node. A node's environment is its `env_vars`; on this machine it
/// is, below them, what `env` says, since that is what a node inherits.
///
/// # Errors
/// When an address of the layout did not resolve.
pub fn options(layout: &Layout, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<OptionRow>, RenderError> {
    let mut rows: Vec<Vec<OptionRow>> = Vec::new();
    for node in &layout.nodes {
        let config = node_config(layout, node)?;
        let own =
            |variable: &str| node.env_vars.get(variable).cloned().or_else(|| inherited(layout, node, variable, env));
        for (at, option) in effective_options(&config, layout.backend, &own).into_iter().enumerate() {
            if rows.len() <= at {
                rows.push(Vec::new());
            }
            let origin = option.origin.as_str();
            match rows[at].iter_mut().find(|row| row.value == option.text && row.origin == origin) {
                Some(row) => row.nodes.push(node.name.clone()),
                None => rows[at].push(OptionRow {
                    option: option.name.to_owned(),
                    value: option.text,
                    origin: origin.to_owned(),
                    nodes: vec![node.name.clone()],
                }),
            }
        }
    }
    Ok(rows.into_iter().flatten().collect())
}

fn inherited(layout: &Layout, node: &Node, variable: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    layout.host(&node.host).filter(|host| host.reach == Reach::Local).and_then(|_| env(variable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::test_layout;

    fn rows(text: &str, env: &[(&str, &str)], option: &str) -> Vec<String> {
        let env = |asked: &str| env.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        let all = options(&test_layout(text), &env).unwrap();
        let rows = all.iter().filter(|row| row.option == option);
        rows.map(|row| format!("{} {} {}", row.value, row.origin, row.nodes.join(","))).collect()
    }

    const LAYOUT: &str = "hosts: { here: 127.0.0.1, far: { address: 127.0.0.2, ssh: {} } }\n\
        nodes:\n  manager: { host: here }\n  logger: { host: here }\n  worker: { host: far, count: 2 }\n\
        \x20 proxy: { host: far, env_vars: { ZEEK_DEFAULT_CONNECT_RETRY: 7 } }\n\
        options: { Cluster::retry_interval: 3sec }\n";

    #[test]
    fn values_that_differ_stand_on_lines_of_their_own() {
        let roles = rows(LAYOUT, &[], "Log::enable_local_logging");
        assert_eq!(roles, ["F layout manager,worker-1,worker-2,proxy", "T layout logger"]);
        assert_eq!(
            rows(LAYOUT, &[], "Cluster::logger_topic"),
            ["\"zeek.cluster.logger\" default manager,logger,worker-1,worker-2,proxy"]
        );
    }

    #[test]
    fn the_environment_of_each_node_decides() {
        let retry = "ZEEK_DEFAULT_CONNECT_RETRY";
        assert_eq!(
            rows(LAYOUT, &[(retry, "5")], "Cluster::retry_interval"),
            [
                "5sec ZEEK_DEFAULT_CONNECT_RETRY manager,logger",
                "3sec layout worker-1,worker-2",
                "7sec ZEEK_DEFAULT_CONNECT_RETRY proxy"
            ]
        );
    }
}
