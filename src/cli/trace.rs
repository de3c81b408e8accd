//! Sets up `tracing`: what the program says of itself, on standard error, for whoever looks for a fault.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Names a filter such as `debug` or `zeek_cluster::fleet=trace`; wins over `-v` and `-q`.
pub const LOG_VARIABLE: &str = "ZEEK_CLUSTER_LOG";

/// Starts tracing. A filter that cannot be read is named and replaced by the one that the options ask for.
pub fn start(quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        _ => "trace",
    };
    let wanted = std::env::var(LOG_VARIABLE).ok().filter(|text| !text.is_empty());
    let filter = wanted.as_deref().map(EnvFilter::try_new);
    let complaint = match &filter {
        Some(Err(error)) => Some(error.to_string()),
        _ => None,
    };
    let filter = match filter {
        Some(Ok(filter)) => filter,
        // Only our own crate: what the libraries below say is for `ZEEK_CLUSTER_LOG`.
        _ => EnvFilter::new(format!("zeek_cluster={level}")),
    };
    let colour = std::io::stderr().is_terminal() && super::output::colour_allowed();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
    if let Some(error) = complaint {
        tracing::warn!(%error, "{LOG_VARIABLE} is not a filter");
    }
}
