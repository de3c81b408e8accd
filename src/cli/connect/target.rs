//! A cluster that is looked at from outside, and how an observer gets in.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::place::Hub;
use crate::api::config::OptionValue;
use crate::api::keys::{CurveKeys, Z85Key};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::deploy::keys::{KeyStore, KeyStoreError};
use crate::layout::{Backend, Layout};
use crate::node::{EventSerializer, Keys, NodeError, ObserveOptions, Observer, SeenNode};

/// How long a hub may take to answer when the command line does not say.
pub const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// How much earlier than the next one each place is tried: of two clusters on a host the first port is meant.
const HEAD_START: Duration = Duration::from_millis(300);
/// How long a hub may be silent before its ports are tried.
const PATIENCE: Duration = Duration::from_millis(300);

/// A cluster that is looked at from outside.
#[derive(Debug)]
pub struct Target {
    /// Where its hub may be, in the order in which the places are tried.
    pub hubs: Vec<Hub>,
    /// The client's keys, where it is encrypted.
    pub keys: Option<Keys>,
    /// Who is in it, where somebody told.
    pub layout: Option<Layout>,
}

impl Target {
    /// The cluster of a layout, with the keys of the key store.
    pub fn of_layout(cx: &Context, layout: Layout) -> Result<Target, Failure> {
        let refused = |what: &str| Failure::File { what: format!("cluster `{}`: {what}", layout.name), hint: None };
        if layout.backend == Backend::Broker {
            return Err(refused("an observer needs the ZeroMQ backend, and the layout says Broker"));
        }
        let manager = layout.manager().and_then(|manager| manager.ip);
        let manager = manager.ok_or_else(|| refused("the manager's address does not resolve"))?;
        let keys = match layout.encrypted {
            true => {
                let store = KeyStore::of(&layout.name).map_err(Failure::keys)?;
                let keys = match store.read() {
                    Err(KeyStoreError::None(_)) => cx.fetch_keys(&layout, &store)?,
                    read => read.map_err(Failure::keys)?,
                };
                Some(client_keys(&keys))
            }
            false => None,
        };
        Ok(Target { hubs: vec![Hub::at(manager, layout.hub.xpub, layout.hub.xsub)], keys, layout: Some(layout) })
    }

    /// Joins the first hub that answers.
    pub async fn join(&self, within: Duration) -> Result<Observer, Failure> {
        let attempts = self.hubs.iter().zip(0u32..).map(|(hub, index)| async move {
            tokio::time::sleep(HEAD_START * index).await;
            tokio::select! {
                joined = Observer::join(self.options(hub), within) => joined,
                closed = nothing_listens(hub) => Err(closed),
            }
        });
        let mut attempts: FuturesUnordered<_> = attempts.collect();
        let mut errors = Vec::new();
        while let Some(joined) = attempts.next().await {
            match joined {
                Ok(observer) => return Ok(observer),
                Err(error) => errors.push(error),
            }
        }
        Err(self.failure(&errors))
    }

    /// Joins, looks who is there, and leaves.
    pub fn look(&self, cx: &Context) -> Result<Vec<SeenNode>, Failure> {
        let within = cx.global.timeout.unwrap_or(JOIN_WITHIN);
        cx.block_on(async { self.join(within).await.map(|observer| observer.nodes()) })?
    }

    fn options(&self, hub: &Hub) -> ObserveOptions {
        let option = |layout: &Layout| layout.options.get("Cluster::event_serializer").cloned();
        let json =
            matches!(self.layout.as_ref().and_then(option), Some(OptionValue::Text(name)) if name.contains("JSON"));
        ObserveOptions {
            connect_xpub_endpoint: hub.xsub.clone(),
            connect_xsub_endpoint: hub.xpub.clone(),
            keys: self.keys.clone(),
            event_serializer: if json { EventSerializer::BrokerJsonV1 } else { EventSerializer::BrokerBinV1 },
        }
    }

    /// What nobody's answer means: each place with its reason.
    fn failure(&self, errors: &[NodeError]) -> Failure {
        let reasons: Vec<String> = errors
            .iter()
            .map(|error| match error {
                NodeError::Transport { reason } => reason.clone(),
                other => other.to_string(),
            })
            .collect();
        let what = format!("cannot observe the cluster: {}", reasons.join("; "));
        let refused = what.contains("CURVE");
        let hint = match (refused, &self.keys) {
            (true, None) => "if the cluster is encrypted, name the folder of its keys with --keys DIR",
            (true, Some(_)) if self.layout.is_some() => {
                "the keys on this machine are not the cluster's: `zeek-cluster keys fetch` takes those in force"
            }
            (true, Some(_)) => "these keys are not the cluster's: name the folder of its keys with --keys DIR",
            (false, _) => "is the manager running, and are these the ports where its hub listens?",
        };
        Failure::Unreachable { what, hint: Some(hint.to_owned()) }
    }
}

/// Ends as soon as the system there says that nothing listens at one of the hub's ports; never where something does. A hub
/// that answers meanwhile is not bothered with it.
async fn nothing_listens(hub: &Hub) -> NodeError {
    tokio::time::sleep(PATIENCE).await;
    for endpoint in [&hub.xpub, &hub.xsub] {
        let place = endpoint.trim_start_matches("tcp://");
        let tried = tokio::net::TcpStream::connect(place).await;
        if tried.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return NodeError::Transport { reason: format!("nothing listens at {endpoint} (connection refused)") };
        }
    }
    std::future::pending().await
}

/// What a member that listens nowhere needs of a cluster's keys.
pub fn client_keys(keys: &CurveKeys) -> Keys {
    let text = |key: &Z85Key| key.expose().to_owned();
    Keys {
        server_public: text(&keys.server_public),
        server_secret: None,
        client_public: text(&keys.client_public),
        client_secret: text(&keys.client_secret),
    }
}
