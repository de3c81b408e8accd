//! A layout and this program become a release.

use std::time::{SystemTime, UNIX_EPOCH};

use super::error::DeployError;
use crate::api::keys::CurveKeys;
use crate::fleet::{Binary, Settings};
use crate::layout::Layout;
use crate::render::{self, Release, ReleaseInput};

/// What every host is to receive: this program, and its part of the release.
pub(super) struct Delivery {
    pub(super) binary: Binary,
    pub(super) release: Release,
    /// Whether the release was on the hosts before.
    pub(super) back: bool,
}

impl Delivery {
    /// Reads this program and renders the layout; no host is asked.
    pub(super) fn prepare(
        layout: &Layout,
        settings: &Settings,
        curve: Option<&CurveKeys>,
    ) -> Result<Delivery, DeployError> {
        let binary = Binary::own().map_err(DeployError::OwnBinary)?;
        let input = ReleaseInput {
            binary_hash: &binary.hash,
            created_by: &settings.operator_at(),
            created_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            curve,
        };
        let release = render::release(layout, &input)?;
        Ok(Delivery { binary, release, back: false })
    }
}
