//! The steps of a rollout, one per file, each on one host.

pub(super) mod activate;
pub(super) mod apply;
pub(super) mod check_scripts;
pub(super) mod join;
pub(super) mod retire;
pub(super) mod stage;
pub(super) mod start;
