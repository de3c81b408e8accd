//! How hosts are asked.

use std::time::Duration;

use crate::fleet;

/// How hosts are reached, and how long an answer is waited for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How hosts are reached.
    pub reach: fleet::Settings,
    /// How long one host may take to be reached and to answer, all in all; streams are not cut by it.
    pub within: Duration,
}

impl Settings {
    /// Five seconds to connect and ten to answer.
    pub const WITHIN: Duration = Duration::from_secs(15);
}
