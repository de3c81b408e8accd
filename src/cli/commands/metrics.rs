//! `metrics`: what nodes count and measure.

use regex::Regex;

use crate::cli::args::NodeArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, shown};
use crate::query::{self, MetricRow};
use crate::telemetry;

/// Show what each node counts and measures: events, drops, queues, memory
///
/// Asks each selected node that runs on its own socket, so that no metrics port need be reachable, or even be set. The names
/// are those that Prometheus finds on the node's `metrics_port`; a rising `..._drops_total` means that something was lost.
/// A real Zeek node tells here whether it has joined and whom it sees; the rest is on its own `metrics_port`.
///
/// Columns: node, metric, labels, value. In JSON each row has the kind and the help text, too.
#[derive(Debug, clap::Args)]
pub struct Metrics {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Show metrics whose name matches this regular expression only, such as `drops|errors`
    #[arg(long, value_name = "REGEX", value_parser = regex::Regex::new)]
    grep: Option<Regex>,

    /// Leave out figures that are zero
    #[arg(long)]
    nonzero: bool,

    /// Print one page of all nodes in Prometheus' text format, whatever --output says
    ///
    /// For a file that node_exporter's textfile collector reads, or for `promtool check metrics`.
    #[arg(long, conflicts_with = "nonzero")]
    prometheus: bool,
}

impl Metrics {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let mut report = cx.block_on(query::metrics(&layout, &nodes, &cx.asking()))?;
        if let Some(grep) = &self.grep {
            report.keep(|name| grep.is_match(name));
        }
        if self.prometheus {
            let page = telemetry::write(&report.page(), telemetry::Format::Text);
            cx.printer.bytes(page.as_bytes())?;
        } else {
            let mut rows = report.rows();
            rows.retain(|row| !(self.nonzero && row.value == 0.0));
            cx.printer.records(&rows)?;
        }
        for (node, why) in &report.missing {
            cx.printer.error(&format!("{node}: {why}"));
        }
        match cx.printer.silent_hosts(&report.silent, &nodes) {
            Status::Done if !report.missing.is_empty() => Ok(Status::Failed),
            heard => Ok(heard),
        }
    }
}

impl Record for MetricRow {
    const COLUMNS: &'static [Column] = &[Column::stays("NODE"), Column::stays("VALUE"), Column::note("METRIC")];

    fn cells(&self) -> Vec<String> {
        let labels = self.labels.iter().map(|(name, value)| format!(" {name}={value}"));
        let metric = labels.fold(self.metric.clone(), |line, label| line + &label);
        vec![self.node.clone(), self.value.to_string(), metric]
    }

    fn fields(&self) -> Vec<String> {
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let labels = (!labels.is_empty()).then(|| labels.join(","));
        vec![self.node.clone(), self.metric.clone(), shown(labels), self.value.to_string()]
    }

    fn name(&self) -> &str {
        &self.metric
    }
}
