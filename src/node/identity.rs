//! What makes a process's node id: the host's name, the pid and bits from the system.

use std::fs::File;
use std::io::Read;

use super::error::NodeError;
use crate::cluster::{self, Randomness};

/// A fresh `Cluster::node_id()` for this process.
pub(super) fn node_id(name: &str) -> Result<String, NodeError> {
    let random = randomness().map_err(|source| NodeError::System { what: "read /dev/urandom", source })?;
    Ok(cluster::node_id(name, &host_name(), std::process::id(), random))
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn randomness() -> std::io::Result<Randomness> {
    let mut octets = [0; 12];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    let [a, b, c, d, low @ ..] = octets;
    Ok(Randomness { high: u32::from_le_bytes([a, b, c, d]), low: u64::from_le_bytes(low) })
}
