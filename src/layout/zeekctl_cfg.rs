//! What `zeekctl.cfg` says about where a cluster listens. Source: `zeekctl.md` 3, 4 and 7, `zeromq.md` 1.6 and 5.5.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::expand::BASE_PORT;
use super::model::{HubPorts, Layout};

/// The options of `zeekctl.cfg` that a member of the cluster has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZeekctlOptions {
    /// `ZeekPort` and the port after it.
    pub hub: HubPorts,
    /// `ClusterBackend` is `Broker`: there is no forwarder.
    pub broker: bool,
    /// `cluster_backend_zeromq.use_curve_encryption`; none: on when the nodes have several addresses.
    pub encrypted: Option<bool>,
    /// `cluster_backend_zeromq.curve_dir`.
    pub curve_dir: PathBuf,
}

/// A value that zeekctl would not take either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option {option} cannot be `{value}`; expected {expected}")]
pub struct ZeekctlOptionError {
    /// Its name in lower case.
    pub option: &'static str,
    /// As written.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

impl ZeekctlOptions {
    /// Reads the file's text; `prefix` is where zeekctl is installed (`ZeekBase`).
    ///
    /// # Errors
    /// `ZeekPort` that is no port from 1 to 65534, `use_curve_encryption` that is neither `auto` nor a truth value.
    pub fn parse(text: &str, prefix: &Path) -> Result<ZeekctlOptions, ZeekctlOptionError> {
        let set = assignments(text);
        let get = |name: &str| set.get(name).copied();
        let folder = |name: &str, default: PathBuf| get(name).map_or(default, PathBuf::from);
        let spool = folder("spooldir", prefix.join("spool"));
        Ok(ZeekctlOptions {
            hub: hub(get("zeekport"))?,
            broker: get("clusterbackend").is_some_and(|backend| backend.eq_ignore_ascii_case("broker")),
            encrypted: encrypted(get("cluster_backend_zeromq.use_curve_encryption"))?,
            curve_dir: folder("cluster_backend_zeromq.curve_dir", spool.join("zeromq/curve")),
        })
    }

    /// Whether zeekctl encrypts that cluster.
    pub fn encrypts(&self, layout: &Layout) -> bool {
        let addresses: std::collections::HashSet<IpAddr> = layout.nodes.iter().filter_map(|node| node.ip).collect();
        self.encrypted.unwrap_or(addresses.len() > 1)
    }
}

/// Names in lower case, the last assignment of each. Lines that are no assignment are zeekctl's to refuse.
fn assignments(text: &str) -> HashMap<String, &str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(n, v)| (n.trim().to_lowercase(), v.trim())).collect()
}

fn hub(port: Option<&str>) -> Result<HubPorts, ZeekctlOptionError> {
    let Some(text) = port else { return Ok(HubPorts { xpub: BASE_PORT, xsub: BASE_PORT + 1 }) };
    let pair = |xpub: u16| Some(HubPorts { xpub, xsub: xpub.checked_add(1)? });
    text.parse().ok().filter(|port| *port > 0).and_then(pair).ok_or(ZeekctlOptionError {
        option: "zeekport",
        value: text.to_owned(),
        expected: "a port number",
    })
}

fn encrypted(value: Option<&str>) -> Result<Option<bool>, ZeekctlOptionError> {
    match value.map(str::to_lowercase).as_deref() {
        None | Some("auto") => Ok(None),
        Some("1" | "true") => Ok(Some(true)),
        Some("0" | "false") => Ok(Some(false)),
        Some(other) => Err(ZeekctlOptionError {
            option: "cluster_backend_zeromq.use_curve_encryption",
            value: other.to_owned(),
            expected: "auto, 0, 1, true or false",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ZeekctlOptions, ZeekctlOptionError> {
        ZeekctlOptions::parse(text, Path::new("/opt/zeek"))
    }

    #[test]
    fn an_empty_file_has_zeekctls_defaults() {
        let expected = ZeekctlOptions {
            hub: HubPorts { xpub: 27760, xsub: 27761 },
            broker: false,
            encrypted: None,
            curve_dir: "/opt/zeek/spool/zeromq/curve".into(),
        };
        assert_eq!(parse("# ZeekPort = 1\n\n"), Ok(expected));
    }

    #[test]
    fn names_have_any_case_and_the_last_assignment_wins() {
        let options = parse("zeekport=1\nZeekPort = 40000\nSpoolDir = /var/spool/zeek\nClusterBackend=broker\n");
        let options = options.expect("valid");
        assert_eq!(options.hub, HubPorts { xpub: 40000, xsub: 40001 });
        assert_eq!(options.curve_dir, Path::new("/var/spool/zeek/zeromq/curve"));
        assert!(options.broker);
        let curve = "cluster_backend_zeromq.";
        let options = parse(&format!("{curve}use_curve_encryption = True\n{curve}curve_dir=/k")).expect("valid");
        assert_eq!((options.encrypted, options.curve_dir), (Some(true), "/k".into()));
    }

    #[test]
    fn values_that_zeekctl_refuses_are_refused() {
        let refused = |text: &str| parse(text).expect_err(text).to_string();
        assert_eq!(refused("ZeekPort = x"), "option zeekport cannot be `x`; expected a port number");
        assert!(parse("ZeekPort = 65535").is_err());
        assert!(refused("cluster_backend_zeromq.use_curve_encryption = on").ends_with("auto, 0, 1, true or false"));
    }
}
