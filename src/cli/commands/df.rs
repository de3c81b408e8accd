//! `df`: how full the hosts' disks are.

use crate::cli::args::HostArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::query::{self, DfRow};

/// Show how full the hosts' disks are, and what the cluster takes
///
/// One row for each host: the file system of the cluster's folder, and what logs, stores and releases (with the programs)
/// take of it. A host that gives no answer has a row too, which says why.
///
/// Columns, sizes in bytes: host, path, total, used, free, inodes, inodes_free, logs, stores, releases, error.
#[derive(Debug, clap::Args)]
pub struct Df {
    #[command(flatten)]
    hosts: HostArgs,
}

impl Df {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let hosts = cx.select_hosts(&layout, &self.hosts)?;
        let report = cx.block_on(query::df(&layout, &hosts, &cx.asking()))?;
        cx.printer.records(&report.rows)?;
        let outcomes: Vec<_> = report.silent.iter().map(|silent| silent.outcome(&silent.host)).collect();
        if outcomes.is_empty() {
            return Ok(Status::Done);
        }
        cx.printer.verdict(&outcomes);
        let unreached = report.silent.iter().filter(|silent| silent.is_unreached()).count();
        Ok(if unreached == report.rows.len() { Status::Unreachable } else { Status::Failed })
    }
}

impl DfRow {
    fn inodes_used(&self) -> Option<String> {
        let (all, free) = self.inodes.zip(self.inodes_free)?;
        share(all.saturating_sub(free), all)
    }
}

/// `43%`, rounded up as df(1) does; none of nothing.
fn share(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| format!("{}%", (u128::from(part) * 100).div_ceil(u128::from(whole))))
}

impl Record for DfRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("HOST"),
        Column::gives("SIZE", 5),
        Column::gives("USED", 7),
        Column::stays("FREE"),
        Column::gives("USE%", 1),
        Column::gives("IUSE%", 6),
        Column::gives("LOGS", 2),
        Column::gives("STORES", 4),
        Column::gives("RELEASES", 3),
        Column::gives("FOLDER", 8),
        Column::note("NOTE"),
    ];

    fn cells(&self) -> Vec<String> {
        let size = |bytes: Option<u64>| shown(bytes.map(human::size));
        let used = self.used_bytes.zip(self.free_bytes).and_then(|(used, free)| share(used, used + free));
        let least = if self.complete == Some(false) { ">" } else { "" };
        let part = |bytes: Option<u64>| shown(bytes.map(|bytes| format!("{least}{}", human::size(bytes))));
        vec![
            self.host.clone(),
            size(self.total_bytes),
            size(self.used_bytes),
            size(self.free_bytes),
            shown(used),
            shown(self.inodes_used()),
            part(self.logs_bytes),
            part(self.stores_bytes),
            part(self.releases_bytes),
            shown(self.path.as_ref().map(|path| path.display())),
            self.error.clone().unwrap_or_default(),
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.host.clone(),
            shown(self.path.as_ref().map(|path| path.display())),
            shown(self.total_bytes),
            shown(self.used_bytes),
            shown(self.free_bytes),
            shown(self.inodes),
            shown(self.inodes_free),
            shown(self.logs_bytes),
            shown(self.stores_bytes),
            shown(self.releases_bytes),
            shown(self.error.as_deref()),
        ]
    }

    fn name(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_up() {
        assert_eq!(share(1, 1000).as_deref(), Some("1%"));
        assert_eq!(share(500, 1000).as_deref(), Some("50%"));
        assert_eq!(share(0, 0), None);
    }
}
