//! Brings what is missing of a release to a host: only content that is not there travels.

use std::time::Duration;

use bytes::Bytes;

use crate::deploy::ledger::Trouble;
use crate::deploy::site::{ANSWER_WITHIN, Site};
use crate::faults;
use crate::render::HostRelease;

/// The slowest line that a file is allowed to travel on: 32 KiB/s.
const SLOWEST_BYTES_PER_S: u64 = 32 << 10;

/// Stages a host's part of the release; safe to repeat.
pub(in crate::deploy) async fn run(site: &Site, part: &HostRelease) -> Result<(), Trouble> {
    let agent = site.session.agent();
    let trouble = |error| site.trouble("stage", &error);
    let hashes: Vec<String> = part.blobs.keys().cloned().collect();
    for hash in agent.missing_blobs(&hashes).await.map_err(trouble)? {
        let Some(content) = part.blobs.get(&hash) else { continue };
        let within = ANSWER_WITHIN + Duration::from_secs(content.len() as u64 / SLOWEST_BYTES_PER_S);
        agent.put_blob(&hash, Bytes::copy_from_slice(content), within).await.map_err(trouble)?;
    }
    faults::point("stage");
    agent.put_release(&part.manifest, ANSWER_WITHIN * 3).await.map_err(trouble)
}
