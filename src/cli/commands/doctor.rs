//! `doctor`: what stands between this machine and the hosts.

use std::time::{Duration, Instant};

use crate::api::outcome::Outcome;
use crate::cli::args::{Format, HostArgs, LockArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, shown};
use crate::deploy::keys::KeyStore;
use crate::deploy::{self, Mend, Needs};
use crate::layout::{Layout, nodeset};
use crate::query::{self, DoctorReport, Finding, Remedy, Verdict};

/// Examine the hosts, step by step, and say what to do
///
/// For each host: the SSH settings in force and who says so (layout, file and line of ssh_config, default), then name
/// resolution, TCP, the server's banner, key exchange, host key and login, then what the host says of itself: whether this
/// program can run there, base_dir, disk, inodes, clock, limits, the interfaces, CPUs and ports of its nodes, Zeek and its
/// right to capture, and sshd's limits. Nothing but a POSIX shell is needed there. Of a host with a release it also says
/// whether its folder and keys are closed to others, what is deployed is whole, its agent answers, each node runs and answers,
/// and what uploads left behind; of this machine, whether others can read the cluster's keys.
///
/// With `--fix` it mends what needs neither root nor a decision: those permissions, what interrupted uploads left behind, a
/// missing program of the current release if it is this one, and an agent that does not run or hangs. It then looks again, and
/// each finding is `fixed` or says why not. Nodes that run are not touched.
///
/// The table folds hosts with equal results; the other formats have one row per host and check. Exit status 1 when a check
/// failed, 4 when no host was reached.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    hosts: HostArgs,

    /// Mend what can be mended without root and without a decision
    #[arg(long)]
    fix: bool,

    #[command(flatten)]
    lock: LockArgs,
}

/// The name of this machine among the hosts.
const HERE: &str = "(here)";

/// Why a finding without a remedy is left as it is.
const BY_HAND: &str = "it needs root, or a decision";

/// The same, where its hint is a command of this program.
const BY_COMMAND: &str = "that command mends it, not this one";

/// How long one host may take: longer than a question, since it is the host in trouble that is examined.
const WITHIN: Duration = Duration::from_secs(30);

/// How long nodes may take to notice that something was mended under them: a logger tries again at its next flush.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

/// How often they are looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Doctor {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let hosts = cx.select_hosts(&layout, &self.hosts)?;
        let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        let within = cx.global.timeout.unwrap_or(WITHIN);
        let settings = query::Settings { within, ..cx.asking() };
        let examine = || -> Result<DoctorReport, Failure> {
            let mut report = cx.block_on(query::doctor(&layout, &names, &settings))?;
            report.rows.extend(keys_here(&layout)?);
            Ok(report)
        };
        let mut report = examine()?;
        if self.fix && report.rows.iter().any(is_open) {
            let mended = self.mend(cx, &layout, &report)?;
            report = mended_report(report, settled(cx, &mended, examine)?, &mended);
        }
        match cx.printer.format() {
            Format::Table => cx.printer.records(&folded(&report.rows))?,
            _ => cx.printer.records(&report.rows)?,
        }
        let status = exit_status(&report);
        cx.printer.status(&summary(&report));
        Ok(status)
    }
}

impl Doctor {
    /// Mends what has a remedy; what came of each, by host and check.
    fn mend(&self, cx: &Context, layout: &Layout, report: &DoctorReport) -> Result<Vec<Outcome>, Failure> {
        if report.rows.iter().any(|row| row.remedy == Some(Remedy::CloseKeys)) {
            KeyStore::of(&layout.name).and_then(|store| store.close()).map_err(Failure::keys)?;
            cx.printer.hint("whoever read the keys meanwhile still has them: zeek-cluster keys rotate makes new ones");
        }
        let wanted: Vec<(String, Mend)> = report
            .rows
            .iter()
            .filter_map(|row| {
                let mend = match row.remedy.as_ref()? {
                    Remedy::ClosePermissions => Mend::Permissions,
                    Remedy::RemoveUploads => Mend::Uploads,
                    Remedy::BringProgram(hash) => Mend::Program(hash.clone()),
                    Remedy::StartAgent => Mend::Agent,
                    Remedy::CloseKeys => return None,
                };
                Some((row.host.clone(), mend))
            })
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let hosts: Vec<&str> = wanted.iter().map(|(host, _)| host.as_str()).collect();
        cx.change(layout, &self.lock, Needs::Revived, &hosts, async |settings, progress| {
            Ok(deploy::mend(layout, settings, &wanted, progress).await)
        })
    }
}

/// Looks again; after something was mended, until the nodes have noticed or had time to.
fn settled(
    cx: &Context,
    mended: &[Outcome],
    examine: impl Fn() -> Result<DoctorReport, Failure>,
) -> Result<DoctorReport, Failure> {
    let until = Instant::now() + NOTICED_WITHIN;
    let is_mended = mended.iter().any(|outcome| outcome.kind.is_success());
    loop {
        let report = examine()?;
        let is_noticed = !report.rows.iter().any(|row| row.check == "nodes" && row.verdict == Verdict::Failed);
        if is_noticed || !is_mended || Instant::now() >= until {
            return Ok(report);
        }
        cx.block_on(async { tokio::time::sleep(LOOK_AGAIN).await })?;
    }
}

fn is_open(row: &Finding) -> bool {
    matches!(row.verdict, Verdict::Warning | Verdict::Failed)
}

/// What is to be said of the keys on this machine; nothing without keys.
fn keys_here(layout: &Layout) -> Result<Option<Finding>, Failure> {
    if !layout.encrypted {
        return Ok(None);
    }
    let store = KeyStore::of(&layout.name).map_err(Failure::keys)?;
    if !store.folder().exists() {
        return Ok(None);
    }
    let folder = store.folder().display();
    Ok(Some(match store.exposed().as_slice() {
        [] => Finding::of(HERE, "keys", Verdict::Ok, format!("{folder} is closed to others")),
        [first, ..] => Finding::of(HERE, "keys", Verdict::Failed, format!("{} can be read by others", first.display()))
            .hint("zeek-cluster doctor --fix, or chmod 600; and rotate them if somebody did")
            .remedy(Remedy::CloseKeys),
    }))
}

/// What was found at last, with what became of each finding of before.
fn mended_report(before: DoctorReport, after: DoctorReport, mended: &[Outcome]) -> DoctorReport {
    let fate = |now: Finding| {
        let was = before.rows.iter().find(|row| (&row.host, &row.check) == (&now.host, &now.check) && is_open(row));
        let Some(was) = was else { return now };
        let outcome = mended.iter().find(|outcome| (&outcome.target, &outcome.step) == (&now.host, &now.check));
        let error = outcome.and_then(|outcome| outcome.error.as_ref()).map(|error| error.what.clone());
        match is_open(&now) {
            false if was.remedy.is_some() => {
                Finding { verdict: Verdict::Fixed, what: was.what.clone(), fix: Some("fixed".to_owned()), ..now }
            }
            false => now,
            true => {
                let why = match was.remedy {
                    None if was.hint.as_ref().is_some_and(|hint| hint.starts_with("zeek-cluster ")) => {
                        BY_COMMAND.to_owned()
                    }
                    None => BY_HAND.to_owned(),
                    Some(_) => error.unwrap_or_else(|| "tried, but the problem remains".to_owned()),
                };
                Finding { fix: Some(why), ..now }
            }
        }
    };
    DoctorReport { rows: after.rows.into_iter().map(fate).collect(), ..after }
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
    for (verdict, word) in [(Verdict::Fixed, "fixed"), (Verdict::Failed, "failed"), (Verdict::Warning, "warnings")] {
        if of(verdict).count() > 0 {
            parts.push(format!("{} {word} on {}", of(verdict).count(), hosts(verdict)));
        }
    }
    let is_empty = |row: &&Finding| row.check == "installed" && row.verdict == Verdict::Skipped;
    let empty = nodeset::fold(report.rows.iter().filter(is_empty).map(|row| row.host.as_str()));
    match (parts.is_empty(), empty.is_empty()) {
        (true, true) => format!("all is well on {}", hosts(Verdict::Ok)),
        (true, false) => format!("all is ready, and nothing is deployed yet on {empty}"),
        (false, _) => parts.join(" · "),
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
        let alike = (&a.check, a.verdict, &a.hint, &a.fix) == (&b.check, b.verdict, &b.hint, &b.fix);
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
    const COLUMNS: &'static [Column] = &[
        Column::stays("CHECK"),
        Column::stays("RESULT"),
        Column::gives("HOST", 2),
        Column::note("FOUND"),
        Column::below("REMEDY"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.check.clone(),
            self.verdict.as_str().to_owned(),
            self.host.clone(),
            self.what.clone(),
            match (&self.hint, &self.fix) {
                (Some(hint), Some(why)) => format!("{hint} (not fixed: {why})"),
                (hint, _) => hint.clone().unwrap_or_default(),
            },
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.host.clone(),
            self.check.clone(),
            self.verdict.as_str().to_owned(),
            self.what.clone(),
            shown(self.hint.as_deref()),
            shown(self.fix.as_deref()),
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
        Finding::of(host, check, verdict, what)
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
    fn a_finding_is_fixed_or_says_why_not() {
        let remedied = |row: Finding| row.remedy(Remedy::StartAgent);
        let report = |rows: Vec<Finding>| DoctorReport { rows, hosts: 1, reached: 1 };
        let before = report(vec![
            remedied(finding("a", "agent", Verdict::Warning, "it does not run")),
            remedied(finding("b", "agent", Verdict::Warning, "it does not run")),
            finding("a", "interface", Verdict::Failed, "eth1 is down"),
            finding("a", "disk", Verdict::Ok, "41 GiB free"),
        ]);
        let mut after = before.clone();
        after.rows[0] = finding("a", "agent", Verdict::Ok, "it runs");
        let error = crate::api::outcome::ErrorInfo { what: "no such file".into(), hint: None };
        let refused = Outcome {
            target: "b".into(),
            host: "b".into(),
            kind: crate::api::outcome::Kind::Failed,
            step: "agent".into(),
            elapsed_ms: 1,
            error: Some(error),
        };
        let report = mended_report(before, after, &[refused]);
        let told: Vec<(Verdict, &str, Option<&str>)> =
            report.rows.iter().map(|row| (row.verdict, row.what.as_str(), row.fix.as_deref())).collect();
        assert_eq!(
            told,
            [
                (Verdict::Fixed, "it does not run", Some("fixed")),
                (Verdict::Warning, "it does not run", Some("no such file")),
                (Verdict::Failed, "eth1 is down", Some(BY_HAND)),
                (Verdict::Ok, "41 GiB free", None),
            ]
        );
        assert_eq!(exit_status(&report), Status::Failed);
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
