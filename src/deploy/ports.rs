//! Ports that other programs hold, asked of the hosts before anything switches: a node that cannot listen is better not started.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::ledger::{Ledger, Trouble};
use super::plan::{HostPlan, Plan, TakenPort};
use super::site::Site;
use crate::api::agent::AgentStatus;
use crate::api::outcome::{ErrorInfo, Kind};
use crate::fleet::{
    self, Deadlines, Host, Listener, NeededPort, Owner, Settings, needed_ports, parse_listeners, ports_script, quote,
};
use crate::layout::Layout;

/// How long a host may take to answer.
const WITHIN: Duration = Duration::from_secs(20);

/// The step's word.
pub(super) const STEP: &str = "ports";

/// What to do about a port that another program holds.
const REMEDY: &str = "stop that program, or give the nodes other ports in the layout";

/// A host and the ports that its nodes are about to need.
pub(super) struct Needs {
    pub(super) host: String,
    pub(super) ports: Vec<NeededPort>,
    /// Whether a node of this cluster runs there: a listener whose process cannot be seen may then be that one.
    pub(super) runs_nodes: bool,
}

impl Needs {
    /// The ports of all nodes of a host.
    pub(super) fn of_host(layout: &Layout, host: &str, status: Option<&AgentStatus>) -> Needs {
        let runs_nodes = status.is_some_and(|status| status.nodes.iter().any(|node| node.pid.is_some()));
        Needs { host: host.to_owned(), ports: needed_ports(layout, host), runs_nodes }
    }

    fn taken(&self, listeners: &[Listener]) -> Vec<TakenPort> {
        let is_told = |listener: &&Listener| listener.owner != Owner::Unseen || !self.runs_nodes;
        let held = |needed: &NeededPort| {
            let listener = listeners.iter().filter(is_told).find(|listener| listener.is_in_the_way(needed))?;
            let by = listener.owner.in_words().to_owned();
            Some(TakenPort { port: needed.port, node: needed.node.clone(), by })
        };
        self.ports.iter().filter_map(held).collect()
    }
}

/// The ports that other programs hold, by host; hosts without any are left out. A host that cannot tell is one of them: its
/// nodes say themselves why they do not start.
pub(super) async fn taken(
    layout: &Layout,
    settings: &Settings,
    sites: &[Site],
    needs: &[Needs],
) -> BTreeMap<String, Vec<TakenPort>> {
    let hosts = fleet::hosts(layout, settings);
    let asked = needs.iter().filter(|needs| !needs.ports.is_empty()).map(|needs| {
        let site = sites.iter().find(|site| site.host == needs.host);
        let host = hosts.iter().find(|host| host.name() == needs.host);
        async move {
            let output = match (site, host) {
                (Some(site), _) => ask_site(site, needs).await,
                (None, Some(host)) => ask_host(host.as_ref(), needs).await,
                (None, None) => return None,
            };
            let taken = needs.taken(&parse_listeners(&output));
            (!taken.is_empty()).then(|| (needs.host.clone(), taken))
        }
    });
    let asked = stream::iter(asked).buffer_unordered(settings.parallel.max(1));
    asked.filter_map(|taken| async { taken }).collect().await
}

fn script(needs: &Needs) -> String {
    ports_script(needs.ports.iter().map(|needed| needed.port))
}

async fn ask_site(site: &Site, needs: &Needs) -> Vec<u8> {
    let dir = quote(&site.session.dir().path().to_string_lossy());
    let words = ["/bin/sh".to_owned(), "-c".to_owned(), format!("dir={dir}\n{}", script(needs))];
    match site.session.exec(&words, WITHIN).await {
        Ok(output) => output.stdout,
        Err(error) => {
            tracing::warn!(host = %site.host, %error, "the host does not tell who listens on its ports");
            Vec::new()
        }
    }
}

async fn ask_host(host: &dyn Host, needs: &Needs) -> Vec<u8> {
    let deadlines = Deadlines { step: WITHIN, ..Deadlines::default() };
    match host.examine(&script(needs), deadlines).await.answer {
        Ok(answer) => answer.output.stdout,
        Err(error) => {
            tracing::warn!(host = %host.name(), %error, "the host does not tell who listens on its ports");
            Vec::new()
        }
    }
}

/// What keeps a host from being switched to.
pub(super) fn trouble(host: &str, taken: &[TakenPort]) -> Trouble {
    let what = taken.iter().map(|taken| taken.on(host)).collect::<Vec<_>>().join(", ");
    let error = ErrorInfo { what, hint: Some(REMEDY.to_owned()) };
    Trouble { kind: Kind::Failed, error, ..Trouble::failed(STEP, String::new()) }
}

/// Whether a plan can be performed: a port that another program holds keeps every host from switching, or, where a part is
/// allowed, its own.
pub(super) fn are_free(plan: &Plan, allow_partial: bool, ledger: &mut Ledger) -> bool {
    let blocked: Vec<&HostPlan> = plan.hosts.iter().filter(|host| !host.taken_ports.is_empty()).collect();
    for host in &blocked {
        for node in host.nodes.iter().map(|change| &change.name) {
            let taken: Vec<TakenPort> = host.taken_ports.iter().filter(|taken| taken.node == *node).cloned().collect();
            if !taken.is_empty() {
                ledger.enter(trouble(&host.host, &taken).outcome(node, &host.host));
            }
        }
    }
    let names = blocked.iter().map(|host| host.host.as_str()).collect::<Vec<_>>().join(", ");
    match (blocked.is_empty(), allow_partial) {
        (true, _) => return true,
        (false, true) => {
            for host in &blocked {
                let why = format!("other programs hold ports of {}, so it was left out", host.host);
                ledger.close_host(&host.host, &Trouble::skipped(STEP, why));
            }
            return true;
        }
        (false, false) => {}
    }
    ledger.skip_unwritten(STEP, &format!("other programs hold ports on {names}, so nothing was switched"));
    false
}
