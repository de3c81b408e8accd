//! `log`: the cluster's own log.

use std::time::SystemTime;

use clap_complete::engine::ArgValueCompleter;
use regex::Regex;

use crate::api::agent::LogLine;
use crate::cli::args::Format;
use crate::cli::complete;
use crate::cli::context::{self, Context};
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human};
use crate::cli::values::{self, When};
use crate::layout::Layout;
use crate::query::{self, Follow, LogQuery, Silent};

/// Show the cluster's log: who joined, who left, and why
///
/// Reads `cluster.log` of every logger, rotated files included, and merges them by time.
///
/// Columns: ts (seconds since the epoch), node, message.
#[derive(Debug, clap::Args)]
pub struct Log {
    /// Show the last N lines [default: 50, or all with --since]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,

    /// Keep showing new lines as they are written, until Ctrl-C
    ///
    /// A host that falls silent is named after 45 seconds at most, tried again every five, and read on from where it was
    /// lost.
    #[arg(short, long)]
    follow: bool,

    /// Show lines from this time on, such as 10m (ago), 2026-03-01T12:00:00Z or @1772366400
    #[arg(long, value_name = "TIME", value_parser = values::when)]
    since: Option<When>,

    /// Show lines before this time
    #[arg(long, value_name = "TIME", value_parser = values::when, conflicts_with = "follow")]
    until: Option<When>,

    /// Show lines of these nodes only (can be repeated)
    #[arg(long, value_name = "NODES", add = ArgValueCompleter::new(complete::nodes))]
    node: Vec<String>,

    /// Show lines whose message matches this regular expression only
    #[arg(long, value_name = "REGEX", value_parser = regex::Regex::new)]
    grep: Option<Regex>,
}

/// Lines shown when the command line does not say how many.
const DEFAULT_LINES: u64 = 50;

impl Log {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let options = self.options(&layout)?;
        let settings = cx.asking();
        let silent = match options.follow {
            Follow::Yes => {
                // Said when it happens: what ends the command may be far away.
                let lost = |silent: &Silent| {
                    cx.printer.error(&silent.error.what);
                    silent.error.hint.iter().for_each(|hint| cx.printer.hint(hint));
                };
                let show = |line: &LogLine| cx.printer.row(line);
                let silent = cx.follow(async { Ok(query::log(&layout, &settings, &options, show, lost).await?) })?;
                return Ok(if silent.is_empty() { Status::Done } else { Status::Failed });
            }
            Follow::No => {
                let mut lines = Vec::new();
                let collect = |line: &LogLine| {
                    lines.push(line.clone());
                    Ok::<(), Failure>(())
                };
                let silent = cx.block_on(query::log(&layout, &settings, &options, collect, |_| {}))??;
                self.show(cx, &lines)?;
                silent
            }
        };
        let writers = query::log_writers(&layout);
        Ok(cx.printer.silent_hosts(&silent, &writers))
    }

    fn options(&self, layout: &Layout) -> Result<LogQuery, Failure> {
        let now = SystemTime::now();
        let nodes: Vec<String> = match self.node.is_empty() {
            true => Vec::new(),
            false => context::select(layout, &self.node)?.iter().map(|node| node.name.clone()).collect(),
        };
        if nodes.is_empty() && !self.node.is_empty() {
            return Err(Failure::usage(format!("nothing is in `{}`", self.node.join(","))));
        }
        let lines = match (self.lines, self.since) {
            (None, Some(_)) => None,
            (lines, _) => Some(lines.unwrap_or(DEFAULT_LINES)),
        };
        Ok(LogQuery {
            lines,
            since: self.since.map(|since| since.seconds(now)),
            until: self.until.map(|until| until.seconds(now)),
            nodes,
            grep: self.grep.as_ref().map(|grep| grep.as_str().to_owned()),
            follow: if self.follow { Follow::Yes } else { Follow::No },
        })
    }

    /// One document in JSON, else line by line: a log is no table with columns as wide as its widest cell.
    fn show(&self, cx: &Context, lines: &[LogLine]) -> Result<(), Failure> {
        match cx.printer.format() {
            Format::Json => cx.printer.array(lines)?,
            _ => cx.printer.lines(lines)?,
        }
        Ok(())
    }
}

impl Record for LogLine {
    const COLUMNS: &'static [Column] = &[Column::stays("TIME"), Column::stays("NODE"), Column::note("MESSAGE")];

    fn cells(&self) -> Vec<String> {
        vec![human::local_time(self.ts), format!("{:<12}", self.node), self.message.clone()]
    }

    fn fields(&self) -> Vec<String> {
        vec![format!("{:.6}", self.ts), self.node.clone(), self.message.clone()]
    }

    fn name(&self) -> &str {
        &self.node
    }
}
