//! `releases`: what is on the hosts to go back to.

use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::layout::nodeset;
use crate::query::{self, ReleaseRow};

/// List the releases that are on the hosts
///
/// Each deploy that changed something made a release; `zeek-cluster rollback` goes back to one. A host keeps its last five,
/// and beyond them the one that is current somewhere and the one that was so before, with the programs that they need.
///
/// Columns: id, created_at (seconds since the epoch), created_by, nodes, hosts on which it is current, hosts on which it
/// was current before, hosts that have it, hosts that should and do not, SHA-256 of the layout that it was made from (the
/// table shows its first 12 digits; - when it was not written down).
#[derive(Debug, clap::Args)]
pub struct Releases {}

impl Releases {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let report = cx.block_on(query::releases(&layout, &cx.asking()))?;
        cx.printer.records(&report.rows)?;
        let unreached = report.silent.iter().filter(|silent| silent.is_unreached()).count();
        Ok(match cx.printer.silent_hosts(&report.silent, &[]) {
            Status::Failed if unreached == layout.hosts.len() => Status::Unreachable,
            heard => heard,
        })
    }
}

/// Digits of a hash that are shown.
const SHOWN_HASH: usize = 12;

impl Record for ReleaseRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("RELEASE"),
        Column::gives("WHEN", 2),
        Column::gives("WHO", 6),
        Column::gives("NODES", 5),
        Column::stays("CURRENT ON"),
        Column::gives("BEFORE ON", 7),
        Column::gives("HOSTS", 8),
        Column::gives("MISSING ON", 3),
        Column::gives("LAYOUT", 9),
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.fields();
        cells[1] = human::clock(self.created_at);
        cells[8] = shown(self.layout.as_deref().map(|hash| hash.get(..SHOWN_HASH).unwrap_or(hash)));
        cells
    }

    fn fields(&self) -> Vec<String> {
        let folded = |hosts: &[String]| match hosts.is_empty() {
            true => "-".to_owned(),
            false => nodeset::fold(hosts.iter().map(String::as_str)),
        };
        vec![
            self.id.clone(),
            self.created_at.to_string(),
            self.created_by.clone(),
            self.nodes.to_string(),
            folded(&self.current),
            folded(&self.previous),
            folded(&self.hosts),
            folded(&self.missing),
            shown(self.layout.as_deref()),
        ]
    }

    fn name(&self) -> &str {
        &self.id
    }
}
