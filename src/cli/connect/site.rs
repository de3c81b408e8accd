//! Where the hub of a cluster listens that another tool's files declare.

use std::net::IpAddr;
use std::path::Path;

use super::place::{self, Hub};
use crate::cli::failure::Failure;
use crate::layout::{Backend, Site, Tool, ToolVersion};
use crate::node::environment;

/// The places to try, in that order. `path` is what was named, for messages.
pub fn place(site: &Site, path: &Path) -> Result<Vec<Hub>, Failure> {
    if site.backend == Backend::Broker {
        return Err(broker(site, path));
    }
    let refused = |what: &str, hint: &str| {
        Err(Failure::File { what: format!("{}: {what}", path.display()), hint: Some(hint.to_owned()) })
    };
    let Some((ip, ports)) = site.hub else {
        return match site.head().map(|head| head.addr) {
            Some(Some(ip)) => Ok(place::anywhere(ip)),
            Some(None) => {
                refused("the manager's address does not resolve", "name the manager's address with --connect")
            }
            None => refused(
                "no manager is declared, whose hub could be joined",
                "name the manager's address with --connect",
            ),
        };
    };
    let head = site.head().and_then(|head| head.addr);
    let elsewhere = |head: IpAddr| !head.is_loopback() && !environment::is_local(head);
    if ip.is_loopback() && head.is_some_and(elsewhere) {
        return refused(
            &format!("the cluster's hub listens on {ip} port {}, on the manager's host alone", ports.xpub),
            "run this command there",
        );
    }
    Ok(vec![Hub::at(ip, ports.xpub, ports.xsub)])
}

/// Says truthfully why a cluster of Broker cannot be joined.
fn broker(site: &Site, path: &Path) -> Failure {
    let why = match (site.tool, site.version) {
        (Tool::Zeekctl, Some(version)) if version < (ToolVersion { major: 8, minor: 1 }) => {
            format!("zeekctl of Zeek {version} uses Broker unless ClusterBackend says ZeroMQ")
        }
        (Tool::Zeekctl, _) => "ClusterBackend is Broker".to_owned(),
        (Tool::ZeekConf | Tool::ClusterLayout, _) => "cluster_backend_args loads Broker".to_owned(),
    };
    Failure::File {
        what: format!("{}: this cluster speaks Broker, and an observer needs ZeroMQ ({why})", path.display()),
        hint: Some("zeekctl's own `status`, `print` and `netstats` work there".to_owned()),
    }
}
