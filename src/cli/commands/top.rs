//! `top`: what the nodes use.

use std::time::Duration;

use crate::cli::args::{Format, NodeArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::cli::values;
use crate::query::{self, HostLoad, TopReport, TopRow};

/// Show what each node uses: processor, memory, threads, descriptors
///
/// A node counts with all processes that it started. CPU is of one processor: 250 is two and a half. LOGS is how many
/// batches of log records wait to be written by the node. On a terminal it is shown anew every two seconds until Ctrl-C,
/// the busiest nodes first, below a line for each host; else once, in the order of the layout.
///
/// Columns: name, type, host, state, pid, cpu_percent, cpu_s, rss_bytes, threads, fds, log_waiting, error.
#[derive(Debug, clap::Args)]
pub struct Top {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Show it once
    #[arg(long, conflicts_with = "times")]
    once: bool,

    /// Show it N times
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,

    /// Pause between two looks, at most 5s
    #[arg(short, long, value_name = "TIME", default_value = "2s", value_parser = pause)]
    delay: Duration,
}

fn pause(text: &str) -> Result<Duration, String> {
    let pause = values::duration(text)?;
    let fits = (Duration::from_millis(100)..=Duration::from_secs(5)).contains(&pause);
    if fits { Ok(pause) } else { Err("expected a time from 0.1s to 5s".to_owned()) }
}

impl Top {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let settings = cx.asking();
        let times = if self.once || (self.times.is_none() && !cx.printer.is_watched()) { Some(1) } else { self.times };
        if times == Some(1) {
            let report = cx.block_on(query::top(&layout, &nodes, &settings))?;
            show(cx, &report)?;
            return Ok(cx.printer.silent_hosts(&report.silent, &nodes));
        }
        let mut live = cx.printer.live();
        cx.follow(async {
            query::follow_top(&layout, &nodes, &settings, self.delay, times, |report| {
                live.begin()?;
                show(cx, report)
            })
            .await
        })?;
        Ok(Status::Done)
    }
}

fn show(cx: &Context, report: &TopReport) -> Result<(), Failure> {
    let mut rows = report.rows.clone();
    if cx.printer.format() == Format::Table {
        report.hosts.iter().try_for_each(|host| cx.printer.text_line(&line(host)))?;
        rows.sort_by(|a, b| b.cpu_percent.unwrap_or(-1.0).total_cmp(&a.cpu_percent.unwrap_or(-1.0)));
    }
    Ok(cx.printer.records(&rows)?)
}

/// `head: load 0.52 on 4 CPUs, 12.1 GiB of 15.6 GiB memory free`.
fn line(host: &HostLoad) -> String {
    let (free, all) = (human::size(host.memory_available_bytes), human::size(host.memory_bytes));
    format!("{}: load {:.2} on {} CPUs, {free} of {all} memory free", host.host, host.load_1m, host.cpus)
}

impl Record for TopRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("NODE"),
        Column::gives("TYPE", 7),
        Column::gives("HOST", 4),
        Column::stays("STATE"),
        Column::gives("PID", 6),
        Column::gives("CPU%", 1),
        Column::gives("TIME", 5),
        Column::gives("MEMORY", 1),
        Column::gives("THREADS", 9),
        Column::gives("FDS", 8),
        Column::gives("LOGS", 3),
        Column::note("NOTE"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.node_type.to_string(),
            self.host.clone(),
            self.state.as_str().to_owned(),
            shown(self.pid),
            shown(self.cpu_percent.map(|percent| format!("{percent:.1}"))),
            shown(self.cpu_s.map(human::span)),
            shown(self.rss_bytes.map(human::size)),
            shown(self.threads),
            shown(self.fds),
            shown(self.log_waiting),
            self.error.clone().unwrap_or_default(),
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.node_type.to_string(),
            self.host.clone(),
            self.state.as_str().to_owned(),
            shown(self.pid),
            shown(self.cpu_percent),
            shown(self.cpu_s),
            shown(self.rss_bytes),
            shown(self.threads),
            shown(self.fds),
            shown(self.log_waiting),
            shown(self.error.as_deref()),
        ]
    }

    fn name(&self) -> &str {
        &self.name
    }
}
