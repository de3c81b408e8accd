//! How a node ends: it stops accepting, hands over what it has, closes its sockets, and the hub a little later.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::NodeError;

/// The whole way out may take so long; then the process ends with an error.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Cancels the token at the first SIGTERM or SIGINT. The handlers are in place when this returns.
pub(super) fn stop_on_signals(stop: CancellationToken) -> Result<(), NodeError> {
    let failed = |source| NodeError::System { what: "listen for signals", source };
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => tracing::info!("stopping: SIGTERM"),
            _ = int.recv() => tracing::info!("stopping: SIGINT"),
        }
        stop.cancel();
    });
    Ok(())
}
