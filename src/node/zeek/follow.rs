//! Watches the cluster as an observer beside Zeek, and goes on trying when the hub is away.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::SeenNode;
use crate::node::{ObserveOptions, Observer};

/// How long the hub may take to tell all that it knows.
const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// Between two attempts after sockets could not even be made, or the connection was refused.
const PAUSE: Duration = Duration::from_millis(500);

/// What the observer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Who is there.
    pub(super) nodes: Vec<SeenNode>,
    /// Why nothing is known; none while the hub is connected.
    pub(super) trouble: Option<String>,
}

/// Publishes each change until nobody listens.
pub(super) async fn follow(options: ObserveOptions, seen: watch::Sender<Seen>) {
    let publish = |now: Seen| {
        seen.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    };
    while !seen.is_closed() {
        match Observer::join(options.clone(), JOIN_WITHIN).await {
            Ok(mut observer) => loop {
                publish(Seen { nodes: observer.nodes(), trouble: observer.trouble() });
                if seen.is_closed() || !observer.turn().await {
                    break;
                }
            },
            Err(error) => publish(Seen { nodes: Vec::new(), trouble: Some(error.to_string()) }),
        }
        sleep(PAUSE).await;
    }
}
