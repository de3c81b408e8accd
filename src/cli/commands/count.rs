//! `count`: how many nodes there are, and how many are active.

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::args::{Format, NodeArgs};
use crate::cli::connect::{ConnectArgs, Target};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record};
use crate::data::NodeType;
use crate::layout::nodeset;
use crate::query::{self, CountReport, Counted, Counts};

/// Count the nodes by type: how many are defined, how many are active
///
/// Without options: one row per node type and one for all. With `--type`, `--active` or `--defined`: the bare number, for
/// scripts.
///
/// With `--connect` the cluster is looked at from outside: defined are the nodes of the files that it names, or those that are
/// there when nobody tells. Types are known as for `zeek-cluster nodes`; a node of unknown type counts among all only.
#[derive(Debug, clap::Args)]
pub struct Count {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Count nodes of this type only
    #[arg(short, long = "type", value_name = "TYPE", value_enum)]
    node_type: Option<TypeArg>,

    /// Print how many are active, as the cluster itself sees it
    #[arg(short, long, conflicts_with = "defined")]
    active: bool,

    /// Print how many the layout defines; asks no host
    #[arg(short, long)]
    defined: bool,

    /// Exit with status 1 unless this many are active (or defined, with `--defined`)
    #[arg(short, long, value_name = "N")]
    expect: Option<u64>,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// The node types that a layout can have.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TypeArg {
    Manager,
    Logger,
    Proxy,
    Worker,
}

impl From<TypeArg> for NodeType {
    fn from(arg: TypeArg) -> NodeType {
        match arg {
            TypeArg::Manager => NodeType::Manager,
            TypeArg::Logger => NodeType::Logger,
            TypeArg::Proxy => NodeType::Proxy,
            TypeArg::Worker => NodeType::Worker,
        }
    }
}

impl Count {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self.connect.target(cx)? {
            Some(target) => {
                let report = self.observed(cx, &target)?;
                self.show(cx, &report)?;
                Ok(self.verdict(cx, &report))
            }
            None => self.ask(cx),
        }
    }

    fn observed(&self, cx: &Context, target: &Target) -> Result<CountReport, Failure> {
        let mut rows = target.node_rows(&target.look(cx)?, &self.nodes.nodes)?;
        rows.retain(|row| self.node_type.is_none_or(|only| row.node_type == Some(NodeType::from(only))));
        Ok(CountReport::of(&rows))
    }

    fn ask(&self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let mut nodes = cx.select(&layout, &self.nodes)?;
        nodes.retain(|node| self.node_type.is_none_or(|only| NodeType::from(only) == node.node_type));
        let report = match self.defined {
            true => query::defined(&nodes),
            false => cx.block_on(query::count(&layout, &nodes, &cx.asking()))?,
        };
        self.show(cx, &report)?;
        let heard = cx.printer.silent_hosts(&report.silent, &nodes);
        match self.verdict(cx, &report) {
            // Hosts that gave no answer were not counted.
            Status::Failed if heard != Status::Unreachable => Ok(Status::Failed),
            _ => Ok(heard),
        }
    }

    fn number(&self, report: &CountReport) -> u64 {
        let total = report.counts.total;
        if self.defined { total.defined } else { total.active }
    }

    fn show(&self, cx: &Context, report: &CountReport) -> Result<(), Failure> {
        match self.wants_number() {
            true => self.print_number(cx, self.number(report)),
            false => print_all(cx, &report.counts),
        }
    }

    fn wants_number(&self) -> bool {
        self.active || self.defined || self.node_type.is_some()
    }

    fn print_number(&self, cx: &Context, number: u64) -> Result<(), Failure> {
        Ok(cx.printer.text(&number.to_string())?)
    }

    fn verdict(&self, cx: &Context, report: &CountReport) -> Status {
        let (number, inactive) = (self.number(report), &report.inactive);
        let Some(expected) = self.expect.filter(|expected| *expected != number) else { return Status::Done };
        cx.printer.error(&shortfall(number, expected, inactive));
        Status::Failed
    }
}

/// What is not as expected: `7 of 8, missing: worker-3`.
fn shortfall(number: u64, expected: u64, inactive: &[String]) -> String {
    match inactive.is_empty() {
        true => format!("{number} of {expected}"),
        false => format!("{number} of {expected}, missing: {}", nodeset::fold(inactive.iter().map(String::as_str))),
    }
}

fn print_all(cx: &Context, counts: &Counts) -> Result<(), Failure> {
    match cx.printer.format() {
        Format::Json => cx.printer.object(counts)?,
        Format::Jsonl => cx.printer.jsonl(counts)?,
        _ => cx.printer.records(&rows(counts))?,
    }
    Ok(())
}

/// One line of the table: a type, or all of them.
#[derive(Serialize)]
struct CountRow {
    name: String,
    defined: u64,
    active: u64,
}

fn rows(counts: &Counts) -> Vec<CountRow> {
    let row = |name: &str, counted: &Counted| CountRow {
        name: name.to_owned(),
        defined: counted.defined,
        active: counted.active,
    };
    let by_type = counts.by_type.iter().map(|(node_type, counted)| row(node_type.as_str(), counted));
    by_type.chain([row("total", &counts.total)]).collect()
}

impl Record for CountRow {
    const COLUMNS: &'static [Column] = &[Column::stays("TYPE"), Column::stays("DEFINED"), Column::stays("ACTIVE")];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        vec![self.name.clone(), self.defined.to_string(), self.active.to_string()]
    }

    fn name(&self) -> &str {
        &self.name
    }
}
