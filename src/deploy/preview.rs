//! `plan`: what `deploy` would do. Changes and starts nothing.

use super::deploy::plan_of;
use super::error::DeployError;
use super::key_source::{self, KeySource};
use super::plan::Plan;
use super::progress::Progress;
use super::release::Delivery;
use super::survey;
use crate::fleet::{Presence, Settings};
use crate::layout::Layout;

/// The plan that `deploy` would perform now, on all hosts or on those of these names.
///
/// # Errors
/// [`DeployError::OwnBinary`] and [`DeployError::Render`], before any host is asked; [`DeployError::Crosses`] when these
/// hosts cannot be deployed without others. A host that gives no answer is part of the plan.
pub async fn plan(
    layout: &Layout,
    settings: &Settings,
    keys: KeySource<'_>,
    allow_partial: bool,
    only: Option<&[String]>,
    progress: &dyn Progress,
) -> Result<Plan, DeployError> {
    let look = async |delivery: &Delivery| {
        Ok(survey::survey(layout, delivery, settings, &Presence::Running, only, progress).await)
    };
    let (delivery, survey) = key_source::settle(layout, settings, keys, &Presence::Running, progress, look).await?;
    plan_of(layout, &delivery, &survey, allow_partial, only)
}
