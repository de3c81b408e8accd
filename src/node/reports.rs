//! Hands what the core reports to the process's log, no faster than people can read.

use std::time::Duration;

use crate::cluster::{Report, Severity};

/// Lines that may come at once.
const BURST: u32 = 50;
/// A further line every so often.
const REFILL: Duration = Duration::from_millis(100);

/// A token bucket over all reports of a node: a hostile or broken peer can cause one with each message.
#[derive(Debug)]
pub(super) struct Reports {
    tokens: u32,
    refilled: Duration,
    left_out: u64,
    total_left_out: u64,
}

impl Reports {
    pub(super) fn new() -> Reports {
        Reports { tokens: BURST, refilled: Duration::ZERO, left_out: 0, total_left_out: 0 }
    }

    /// Writes the report, or counts it, and says which; `elapsed` is monotonic.
    pub(super) fn tell(&mut self, report: &Report, elapsed: Duration) -> bool {
        if !self.may_tell(elapsed) {
            return false;
        }
        if self.left_out > 0 {
            tracing::warn!("{} further reports were left out", self.left_out);
            self.left_out = 0;
        }
        match report.severity {
            Severity::Info => tracing::info!("{}", report.text),
            Severity::Warning => tracing::warn!("{}", report.text),
            Severity::Error => tracing::error!("{}", report.text),
        }
        true
    }

    /// How many reports were left out so far.
    pub(super) fn total_left_out(&self) -> u64 {
        self.total_left_out
    }

    fn may_tell(&mut self, elapsed: Duration) -> bool {
        let earned = (elapsed.saturating_sub(self.refilled).as_millis() / REFILL.as_millis()) as u32;
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(BURST);
            self.refilled = elapsed;
        }
        if self.tokens == 0 {
            self.left_out += 1;
            self.total_left_out += 1;
            return false;
        }
        self.tokens -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_reports_is_cut_and_counted() {
        let mut reports = Reports::new();
        let told = (0..1000).filter(|_| reports.may_tell(Duration::ZERO)).count();
        assert_eq!(told, BURST as usize);
        assert_eq!(reports.total_left_out(), 950);
        assert!(reports.may_tell(REFILL));
    }
}
