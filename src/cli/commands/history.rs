//! `history`: who changed the cluster.

use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use crate::cli::args::Format;
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::cli::replay::{self, Replay};
use crate::query::{self, HistoryReport, RunRow, Sources, StepRow};

/// Show who changed the cluster, when, with which release, and how it ended
///
/// Merges the history of this machine (`~/.local/state/zeek-cluster/CLUSTER/history.jsonl`, or below XDG_STATE_HOME) with
/// those of the hosts, which know what other operators did. Both are written while a command works, so one that was
/// killed is there too, as `broken off`, with the steps that it came to. Newest first.
///
/// Columns: run, ts (seconds since the epoch), operator, command, release, outcome, elapsed_ms, error.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct History {
    #[command(subcommand)]
    command: Option<Sub>,

    #[command(flatten)]
    source: SourceArgs,

    /// How many runs to show
    #[arg(short = 'n', long, value_name = "N", default_value = "20")]
    lines: usize,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Show the steps of one run, here and on the hosts, with what went wrong
    ///
    /// Columns: ts (seconds since the epoch, by the clock of its place), host (- for this machine), step, targets, outcome,
    /// elapsed_ms, error.
    ///
    /// With `--replay` it prints the commands that would finish the run instead, quoted for a shell, one a line: the command
    /// again, or `start`, `stop` and `restart` for those nodes that failed and were not brought there since. A deploy that
    /// was begun goes on without its saved plan, and a rollback names its release. Nothing is printed when nothing is left.
    Show {
        /// The run, or the beginning of its name; `last` is the newest
        #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
        run: String,

        /// Print the commands that would finish it
        #[arg(long)]
        replay: bool,

        #[command(flatten)]
        source: SourceArgs,
    },
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct SourceArgs {
    /// Ask no host: show what was done from this machine
    #[arg(long)]
    here: bool,
}

impl History {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self.command {
            None => {
                let report = read(cx, self.source)?;
                let newest = &report.runs[..report.runs.len().min(self.lines)];
                cx.printer.records(newest)?;
                Ok(conclude(cx, &report))
            }
            Some(Sub::Show { run, replay, source }) => {
                let report = read(cx, source)?;
                let row = report.find(&run).map_err(|error| Failure::usage(error.to_string()))?;
                cx.printer.status(&headline(row));
                if replay {
                    return finish(cx, &report, row);
                }
                cx.printer.records(&report.steps(&row.run))?;
                Ok(conclude(cx, &report))
            }
        }
    }
}

fn read(cx: &Context, source: SourceArgs) -> Result<HistoryReport, Failure> {
    let layout = cx.layout()?;
    let sources = if source.here { Sources::Here } else { Sources::All };
    cx.block_on(query::history(&layout, sources, &cx.asking()))?.map_err(Failure::here)
}

/// The commands that would finish a run.
fn finish(cx: &Context, report: &HistoryReport, row: &RunRow) -> Result<Status, Failure> {
    let commands = match replay::replay(&report.rest(row), &cx.global.layout_words()) {
        Replay::Commands(commands) => commands,
        Replay::Nothing(why) => {
            cx.printer.status(&format!("nothing is left to do: {why}"));
            Vec::new()
        }
        Replay::Unknown(why) => {
            return Err(Failure::Here {
                what: format!("it cannot be said what would finish run {}: {why}", row.run),
                hint: None,
            });
        }
    };
    let rows: Vec<CommandRow> =
        commands.into_iter().map(|args| CommandRow { command: replay::line(&args), args }).collect();
    match cx.printer.format() {
        Format::Json | Format::Jsonl => cx.printer.records(&rows)?,
        _ => cx.printer.names(rows.iter().map(|row| row.command.as_str()))?,
    }
    // What was begun here is known here.
    match report.began_here(&row.run) {
        true => Ok(Status::Done),
        false => Ok(conclude(cx, report)),
    }
}

/// A command that would finish a run. This is its JSON.
#[derive(Serialize)]
struct CommandRow {
    command: String,
    args: Vec<String>,
}

impl Record for CommandRow {
    const COLUMNS: &'static [Column] = &[Column::note("COMMAND")];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        vec![self.command.clone()]
    }

    fn name(&self) -> &str {
        &self.command
    }
}

/// Hosts that gave no answer may know more.
fn conclude(cx: &Context, report: &HistoryReport) -> Status {
    cx.printer.silent_hosts(&report.silent, &[])
}

/// Such as `run 3fa94c1d: deploy by ana@ops1, 2026-03-01 12:00:00.123: failed`.
fn headline(row: &RunRow) -> String {
    let error = row.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!(
        "run {}: {} by {}, {}: {}{error}",
        row.run,
        row.command.as_deref().unwrap_or("a command that is not known"),
        row.operator.as_deref().unwrap_or("somebody"),
        human::local_time(row.ts),
        row.outcome
    )
}

impl Record for RunRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("RUN"),
        Column::gives("WHEN", 3),
        Column::gives("WHO", 6),
        Column::stays("COMMAND"),
        Column::gives("RELEASE", 7),
        Column::stays("OUTCOME"),
        Column::gives("TIME", 5),
        Column::note("NOTE"),
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.fields();
        cells[1] = human::clock(self.ts);
        cells[6] = elapsed(self.elapsed_ms);
        cells[7] = self.error.clone().unwrap_or_default();
        cells
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.run.clone(),
            self.ts.to_string(),
            shown(self.operator.as_deref()),
            shown(self.command.as_deref()),
            shown(self.release.as_deref()),
            self.outcome.clone(),
            shown(self.elapsed_ms),
            shown(self.error.as_deref()),
        ]
    }

    fn name(&self) -> &str {
        &self.run
    }
}

impl Record for StepRow {
    const COLUMNS: &'static [Column] = &[
        Column::gives("WHEN", 6),
        Column::stays("HOST"),
        Column::stays("STEP"),
        Column::gives("TARGETS", 3),
        Column::stays("OUTCOME"),
        Column::gives("TIME", 5),
        Column::note("NOTE"),
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.fields();
        cells[0] = human::clock(self.ts);
        cells[5] = elapsed(self.elapsed_ms);
        cells[6] = self.error.clone().unwrap_or_default();
        cells
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.ts.to_string(),
            shown(self.host.as_deref()),
            self.step.clone(),
            shown(self.targets.as_deref()),
            self.outcome.clone(),
            shown(self.elapsed_ms),
            shown(self.error.as_deref()),
        ]
    }

    fn name(&self) -> &str {
        &self.step
    }
}

fn elapsed(ms: Option<u64>) -> String {
    shown(ms.map(|ms| format!("{:.1}s", ms as f64 / 1000.0)))
}
