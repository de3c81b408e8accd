//! The command that says whether a program works: exit status 0 within its time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::child::Child;
use super::environment::Surroundings;
use super::said;
use crate::api::config::HealthConfig;

/// Failures are forgiven for so long: a program may be busy for a moment.
const ILL_AFTER: Duration = Duration::from_secs(10);

/// What is known of a program's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It works, or has not failed for long.
    Well,
    /// It does not, and why.
    Ill(String),
    /// It has not for as long as it may, and why.
    Lost(String),
}

/// Asks again and again.
pub(super) struct Doctor<'a> {
    config: &'a HealthConfig,
    surroundings: &'a Surroundings,
    folder: PathBuf,
    failing_since: Option<Instant>,
}

impl<'a> Doctor<'a> {
    pub(super) fn new(config: &'a HealthConfig, surroundings: &'a Surroundings, folder: PathBuf) -> Doctor<'a> {
        Doctor { config, surroundings, folder, failing_since: None }
    }

    /// Waits for the interval and asks. A dropped future ends the command.
    pub(super) async fn next(&mut self) -> Health {
        sleep(Duration::from_millis(self.config.interval_ms)).await;
        let failure = self.ask().await;
        self.judge(failure, Instant::now())
    }

    /// Runs the command; what is wrong, if anything is.
    async fn ask(&self) -> Option<String> {
        let child = match Child::start(&self.config.command, self.surroundings, &self.folder) {
            Ok(child) => child.beside_another(),
            Err(why) => return Some(why),
        };
        let limit = Duration::from_millis(self.config.timeout_ms);
        match timeout(limit, child.ended()).await {
            // Dropping it ends it.
            Err(_) => return Some(format!("gave no answer within {} s", limit.as_secs_f64())),
            Ok(Err(error)) => return Some(format!("cannot be watched: {error}")),
            Ok(Ok(())) => {}
        }
        match child.finish().await {
            Ok((status, _)) if status.success() => None,
            Ok((status, line)) => Some(said(status, line)),
            Err(error) => Some(format!("cannot be waited for: {error}")),
        }
    }

    fn judge(&mut self, failure: Option<String>, now: Instant) -> Health {
        let Some(failure) = failure else {
            self.failing_since = None;
            return Health::Well;
        };
        let failing = now.saturating_duration_since(*self.failing_since.get_or_insert(now));
        let limit = self.config.restart_after_ms.map(Duration::from_millis);
        let why = format!("its health command {failure}");
        match limit {
            Some(limit) if failing >= limit => Health::Lost(why),
            _ if failing >= ILL_AFTER => Health::Ill(why),
            _ => Health::Well,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::zeek_config;

    #[test]
    fn ten_seconds_of_failures_are_an_illness_and_a_minute_is_the_end() {
        let config = HealthConfig { restart_after_ms: Some(60_000), ..HealthConfig::default() };
        let program = crate::api::config::ProgramConfig::default();
        let dir = crate::api::paths::ClusterDir::new("/base/campus");
        let surroundings = Surroundings::new(&zeek_config("worker-1"), &program, &dir, "id");
        let mut doctor = Doctor::new(&config, &surroundings, PathBuf::new());
        let start = Instant::now();
        let mut at = |second: u64, failed: bool| {
            doctor.judge(failed.then(|| "exited with status 1".to_owned()), start + Duration::from_secs(second))
        };
        let why = || "its health command exited with status 1".to_owned();
        assert_eq!(at(0, true), Health::Well);
        assert_eq!(at(9, true), Health::Well);
        assert_eq!(at(10, true), Health::Ill(why()));
        assert_eq!(at(20, false), Health::Well);
        assert_eq!(at(30, true), Health::Well);
        assert_eq!(at(89, true), Health::Ill(why()));
        assert_eq!(at(90, true), Health::Lost(why()));
    }
}
