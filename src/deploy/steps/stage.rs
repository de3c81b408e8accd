//! Brings what is missing of a release to a host: only content that is not there travels.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::agent::client::DISK_DEADLINE;
use crate::deploy::ledger::Trouble;
use crate::deploy::site::Site;
use crate::faults;
use crate::render::HostRelease;

/// The slowest line that a file is allowed to travel on: 32 KiB/s.
const SLOWEST_BYTES_PER_S: u64 = 32 << 10;

/// Files that travel to one host at once: each waits for the host's disk, not for the line.
const AT_ONCE: usize = 4;

/// Stages a host's part of the release; safe to repeat.
pub(in crate::deploy) async fn run(site: &Site, part: &HostRelease) -> Result<(), Trouble> {
    let agent = site.session.agent();
    let trouble = |error| site.trouble("stage", &error);
    let hashes: Vec<String> = part.blobs.keys().cloned().collect();
    let missing = agent.missing_blobs(&hashes).await.map_err(trouble)?;
    let contents = missing.iter().filter_map(|hash| Some((hash, part.blobs.get(hash)?)));
    let sending = contents.map(|(hash, content)| async move {
        let within = DISK_DEADLINE + Duration::from_secs(content.len() as u64 / SLOWEST_BYTES_PER_S);
        agent.put_blob(hash, Bytes::copy_from_slice(content), within).await
    });
    let mut sending = stream::iter(sending).buffer_unordered(AT_ONCE);
    while let Some(sent) = sending.next().await {
        sent.map_err(trouble)?;
    }
    faults::point("stage");
    agent.put_release(&part.manifest, DISK_DEADLINE).await.map_err(trouble)
}
