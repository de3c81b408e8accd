//! `events`: what happened on the hosts.

use std::time::SystemTime;

use crate::cli::args::NodeArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human};
use crate::cli::values::{self, When};
use crate::layout::{Layout, Node};
use crate::query::{self, EventQuery, EventRow, Follow, Silent};

/// Show what happened: starts, crashes, restarts, full disks, deploys
///
/// Each host's agent writes down what happens there: nodes that start, join, stop working, crash (how, and the line of
/// their standard error that tells why) and come back; releases and requests with their operator; disks that fill up,
/// clocks that are set, agents that end. The record of each host is bounded (4 MiB). Events of several hosts are merged by
/// the time of each host's own clock. Commands that change something, and nodes that they no longer wait for, are on the record
/// of the manager's host.
///
/// Columns: ts (seconds since the epoch), host, node, event, run, text.
#[derive(Debug, clap::Args)]
pub struct Events {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Show the last N events [default: 50, or all with --since]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,

    /// Keep showing new events as they happen, until Ctrl-C
    ///
    /// A host that falls silent is named after 45 seconds at most, tried again every five, and read on from where it was
    /// lost.
    #[arg(short, long)]
    follow: bool,

    /// Show events from this time on, such as 10m (ago), 2026-03-01T12:00:00Z or @1772366400
    #[arg(long, value_name = "TIME", value_parser = values::when)]
    since: Option<When>,

    /// Show events before this time
    #[arg(long, value_name = "TIME", value_parser = values::when, conflicts_with = "follow")]
    until: Option<When>,
}

/// Events shown when the command line does not say how many.
const DEFAULT_LINES: u64 = 50;

impl Events {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let names = match self.nodes.nodes.is_empty() || nodes.len() == layout.nodes.len() {
            true => Vec::new(),
            false if nodes.is_empty() => return Ok(Status::Done),
            false => nodes.iter().map(|node| node.name.clone()).collect(),
        };
        let query = self.query(names);
        let settings = cx.asking();
        let mut rows = Vec::new();
        let silent = match query.follow {
            Follow::Yes => return self.follow(cx, &layout, &nodes, &query),
            Follow::No => {
                let collect = |row: &EventRow| {
                    rows.push(row.clone());
                    Ok::<(), Failure>(())
                };
                cx.block_on(query::events(&layout, &nodes, &settings, &query, collect, |_| {}))??
            }
        };
        cx.printer.records(&rows)?;
        cx.printer.silent_hosts(&silent, &nodes);
        Ok(if silent.is_empty() { Status::Done } else { Status::Failed })
    }

    fn follow(&self, cx: &Context, layout: &Layout, nodes: &[&Node], query: &EventQuery) -> Result<Status, Failure> {
        // Said when it happens: what ends the command may be far away.
        let lost = |silent: &Silent| {
            cx.printer.error(&silent.error.what);
            silent.error.hint.iter().for_each(|hint| cx.printer.hint(hint));
        };
        let settings = cx.asking();
        let show = |row: &EventRow| cx.printer.row(row);
        let silent = cx.follow(async { Ok(query::events(layout, nodes, &settings, query, show, lost).await?) })?;
        Ok(if silent.is_empty() { Status::Done } else { Status::Failed })
    }

    fn query(&self, nodes: Vec<String>) -> EventQuery {
        let now = SystemTime::now();
        let lines = match (self.lines, self.since) {
            (None, Some(_)) => None,
            (lines, _) => Some(lines.unwrap_or(DEFAULT_LINES)),
        };
        EventQuery {
            lines,
            since: self.since.map(|since| since.seconds(now)),
            until: self.until.map(|until| until.seconds(now)),
            after: None,
            nodes,
            follow: if self.follow { Follow::Yes } else { Follow::No },
        }
    }
}

impl Record for EventRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("TIME"),
        Column::gives("HOST", 2),
        Column::stays("NODE"),
        Column::stays("EVENT"),
        Column::note("WHAT"),
    ];

    fn cells(&self) -> Vec<String> {
        let node = self.event.node.as_deref().unwrap_or("-");
        vec![
            human::local_time(self.event.ts),
            format!("{:<10}", self.host),
            format!("{node:<12}"),
            format!("{:<13}", self.event.what.word()),
            self.text.clone(),
        ]
    }

    fn fields(&self) -> Vec<String> {
        let unset = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            format!("{:.6}", self.event.ts),
            self.host.clone(),
            unset(&self.event.node),
            self.event.what.word().to_owned(),
            unset(&self.event.run),
            self.text.clone(),
        ]
    }

    fn name(&self) -> &str {
        self.event.node.as_deref().unwrap_or(&self.host)
    }
}
