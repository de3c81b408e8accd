//! `doctor`: what stands between this machine and the hosts.

use std::time::Duration;

use crate::cli::args::{Format, HostArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::Record;
use crate::layout::nodeset;
use crate::query::{self, DoctorReport, Finding, Verdict};

/// Examine the hosts, step by step, and say what to do
///
/// For each host: the SSH settings in force and who says so (layout, file and line of ssh_config, default), then name
/// resolution, TCP, the server's banner, key exchange, host key and login, then what the host says of itself: whether this
/// program can run there, base_dir, disk, inodes, clock, limits, the interfaces, CPUs and ports of its nodes, Zeek and its
/// right to capture, and sshd's limits. Nothing but a POSIX shell is needed there.
///
/// The table folds hosts with equal results; the other formats have one row per host and check. Exit status 1 when a check
/// failed, 4 when no host was reached.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    hosts: HostArgs,
}

/// How long one host may take: longer than a question, since it is the host in trouble that is examined.
const WITHIN: Duration = Duration::from_secs(30);

impl Doctor {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let hosts = cx.select_hosts(&layout, &self.hosts)?;
        let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        let within = cx.global.timeout.unwrap_or(WITHIN);
        let settings = query::Settings { within, ..cx.asking() };
        let report = cx.block_on(query::doctor(&layout, &names, &settings))?;
        match cx.printer.format() {
            Format::Table => cx.printer.records(&folded(&report.rows))?,
            _ => cx.printer.records(&report.rows)?,
        }
        let status = exit_status(&report);
        cx.printer.status(&summary(&report));
        Ok(status)
    }
}

/// 4 when no host was reached, 1 when a check failed, else 0.
fn exit_status(report: &DoctorReport) -> Status {
    match () {
        () if report.reached == 0 && report.hosts > 0 => Status::Unreachable,
        () if report.rows.iter().any(|row| row.verdict == Verdict::Failed) => Status::Failed,
        () => Status::Done,
    }
}

fn summary(report: &DoctorReport) -> String {
    let of = |verdict| report.rows.iter().filter(move |row| row.verdict == verdict);
    let hosts = |verdict| nodeset::fold(of(verdict).map(|row| row.host.as_str()));
    let mut parts = Vec::new();
    for (verdict, word) in [(Verdict::Failed, "failed"), (Verdict::Warning, "warnings")] {
        if of(verdict).count() > 0 {
            parts.push(format!("{} {word} on {}", of(verdict).count(), hosts(verdict)));
        }
    }
    match parts.is_empty() {
        true => format!("all is well on {}", hosts(Verdict::Ok)),
        false => parts.join(" · "),
    }
}

/// How many different findings a folded row shows.
const SHOWN: usize = 2;

/// Rows with the hosts of equal results in one: those that are well by their check, the others by what was found.
fn folded(rows: &[Finding]) -> Vec<Finding> {
    // Settings and interfaces differ where it matters; an address, or how much is free, does not.
    let by_words = |row: &Finding| {
        row.verdict != Verdict::Ok
            || row.check == "interface"
            || (row.check.starts_with("ssh.") && row.check != "ssh.address")
    };
    let is_alike = |a: &Finding, b: &Finding| {
        let alike = (&a.check, a.verdict, &a.hint) == (&b.check, b.verdict, &b.hint);
        alike && (a.what == b.what || !by_words(a))
    };
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|group| is_alike(group[0], row)) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    // Together what belongs to one check, in the order in which the checks first came.
    let place = |check: &str| rows.iter().position(|row| row.check == check);
    groups.sort_by_key(|group| place(&group[0].check));
    groups.into_iter().map(fold).collect()
}

fn fold(group: Vec<&Finding>) -> Finding {
    let mut found: Vec<&str> = Vec::new();
    for row in &group {
        if !found.contains(&row.what.as_str()) {
            found.push(&row.what);
        }
    }
    let more = found.len().saturating_sub(SHOWN);
    let mut what = found[..found.len().min(SHOWN)].join(" | ");
    if more > 0 {
        what.push_str(&format!(" | and {more} others"));
    }
    Finding { host: nodeset::fold(group.iter().map(|row| row.host.as_str())), what, ..group[0].clone() }
}

impl Record for Finding {
    const HEADINGS: &'static [&'static str] = &["CHECK", "RESULT", "HOST", "FOUND", "REMEDY"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.check.clone(),
            self.verdict.as_str().to_owned(),
            self.host.clone(),
            self.what.clone(),
            self.hint.clone().unwrap_or_default(),
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.host.clone(),
            self.check.clone(),
            self.verdict.as_str().to_owned(),
            self.what.clone(),
            self.hint.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }

    fn name(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(host: &str, check: &str, verdict: Verdict, what: &str) -> Finding {
        Finding { host: host.into(), check: check.into(), verdict, what: what.into(), hint: None }
    }

    #[test]
    fn hosts_with_equal_results_are_one_row_and_failures_stay_apart() {
        let rows = [
            finding("sensor-1", "disk", Verdict::Ok, "41 GiB free"),
            finding("sensor-1", "clock", Verdict::Ok, "agrees with this machine"),
            finding("sensor-2", "disk", Verdict::Ok, "40 GiB free"),
            finding("sensor-2", "clock", Verdict::Ok, "agrees with this machine"),
            finding("sensor-3", "disk", Verdict::Failed, "9 KiB free"),
        ];
        let folded = folded(&rows);
        let told: Vec<(&str, &str, &str)> =
            folded.iter().map(|row| (row.check.as_str(), row.host.as_str(), row.what.as_str())).collect();
        assert_eq!(
            told,
            [
                ("disk", "sensor-[1-2]", "41 GiB free | 40 GiB free"),
                ("disk", "sensor-3", "9 KiB free"),
                ("clock", "sensor-[1-2]", "agrees with this machine"),
            ]
        );
    }

    #[test]
    fn a_failed_check_is_1_and_no_host_reached_is_4() {
        let report =
            |verdict, reached| DoctorReport { rows: vec![finding("head", "connect", verdict, "x")], hosts: 1, reached };
        assert_eq!(exit_status(&report(Verdict::Warning, 1)), Status::Done);
        assert_eq!(exit_status(&report(Verdict::Failed, 1)), Status::Failed);
        assert_eq!(exit_status(&report(Verdict::Failed, 0)), Status::Unreachable);
    }
}
