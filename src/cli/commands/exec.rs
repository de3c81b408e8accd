//! `exec`: a command on the hosts.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::api::outcome::Outcome;
use crate::cli::args::{Format, HostArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, shown};
use crate::deploy::{self, ExecOptions, ExecRow, Heard, Listen};
use crate::layout::{Host, Layout, nodeset};

/// Run a command on the hosts
///
/// Runs it once on each selected host, on all at once, in the home folder of the user who logs in. Its arguments reach it as
/// they are: no shell reads them, unless `--shell` is given. Its standard input is empty. Nothing has to be installed on a host
/// for it.
///
/// On a terminal equal answers are shown once, below the names of the hosts that gave them; `tsv` and `jsonl` have one row a
/// host: host, outcome, status, milliseconds, standard output, standard error, error. Of what one host says 1 MiB is kept.
///
/// Exit status 0 when it ended with 0 on every host, 4 when none could be reached, else 1; with `--max-rc` the highest status
/// that it ended with anywhere. A host that needs longer than 60 s (or `--timeout`), the login included, is `timed_out`, and
/// its command gets SIGTERM.
#[derive(Debug, clap::Args)]
pub struct Exec {
    #[command(flatten)]
    hosts: HostArgs,

    /// The command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    argv: Vec<String>,

    /// Let /bin/sh on the host read the command as one line of shell
    #[arg(long)]
    shell: bool,

    /// Show each line as it comes, the host's name before it; all of them, however many
    #[arg(long, conflicts_with_all = ["diff", "outdir"])]
    stream: bool,

    /// Show what most hosts say, and how the others differ from it
    #[arg(long)]
    diff: bool,

    /// Write what each host says to DIR/HOST, and what it says on standard error to DIR/HOST.err
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    outdir: Option<PathBuf>,

    /// Exit with the highest status that the command ended with
    #[arg(long)]
    max_rc: bool,
}

impl Exec {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        if self.argv.is_empty() {
            return Err(self.without_command());
        }
        let layout = cx.layout()?;
        let hosts = cx.select_hosts(&layout, &self.hosts)?;
        if self.stream && cx.printer.format() == Format::Json {
            return Err(Failure::Usage {
                what: "a JSON document is written when everything is known, and --stream does not wait".into(),
                hint: Some("-o jsonl".into()),
            });
        }
        if let Some(folder) = &self.outdir {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| Failure::unwritable(folder, &error))?;
        }
        let rows = self.run_on(cx, &layout, &hosts)?;
        self.show(cx, &rows)?;
        let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome.clone()).collect();
        cx.remember(&layout, &outcomes);
        Ok(self.status(cx.printer.verdict(&outcomes), &rows))
    }

    /// zeekctl's `exec` names no hosts.
    fn without_command(&self) -> Failure {
        let command = match self.hosts.hosts.is_empty() {
            true => "uptime".to_owned(),
            false => self.hosts.hosts.join(" "),
        };
        Failure::Usage {
            what: "no command is given; it stands behind `--`".to_owned(),
            hint: Some(format!("zeek-cluster exec all -- {command}")),
        }
    }

    fn run_on(&self, cx: &Context, layout: &Layout, hosts: &[&Host]) -> Result<Vec<ExecRow>, Failure> {
        let argv = match self.shell {
            true => vec!["/bin/sh".to_owned(), "-c".to_owned(), self.argv.join(" ")],
            false => self.argv.clone(),
        };
        let progress = cx.printer.brief_progress();
        let options = ExecOptions {
            argv: &argv,
            within: cx.global.timeout.unwrap_or(deploy::EXEC_WITHIN),
            listen: if self.stream { Listen::Lines } else { Listen::Keep },
            progress: &progress,
        };
        let heard = |heard: Heard<'_>| match heard {
            Heard::Line { host, on_stderr, line } => progress.aside(|| say(cx, host, on_stderr, line)),
            Heard::Done(row) if cx.printer.format() == Format::Jsonl => progress.aside(|| Ok(cx.printer.jsonl(row)?)),
            Heard::Done(_) => Ok(()),
        };
        let settings = cx.reach();
        let rows = cx.block_on(deploy::exec(layout, hosts, &settings, &options, heard));
        progress.finish();
        rows?
    }

    /// What the hosts said, unless it was shown as it came.
    fn show(&self, cx: &Context, rows: &[ExecRow]) -> Result<(), Failure> {
        if let Some(folder) = &self.outdir {
            write_files(cx, folder, rows)?;
        }
        let chosen = cx.global.output.is_some();
        match cx.printer.format() {
            Format::Jsonl => {}
            _ if self.stream => {}
            Format::Table if self.outdir.is_some() => {}
            Format::Table => self.print_folded(cx, rows)?,
            Format::Tsv if self.diff && !chosen => self.print_folded(cx, rows)?,
            _ => cx.printer.records(rows)?,
        }
        let cut = nodeset::fold(rows.iter().filter(|row| row.cut).map(|row| row.outcome.host.as_str()));
        if !cut.is_empty() {
            cx.printer.warning(&format!("{cut}: said more than 1 MiB, and the rest was left out (--stream shows all)"));
        }
        Ok(())
    }

    fn print_folded(&self, cx: &Context, rows: &[ExecRow]) -> std::io::Result<()> {
        match self.diff {
            true => cx.printer.differences(rows),
            false => cx.printer.folded(rows),
        }
    }

    fn status(&self, verdict: Status, rows: &[ExecRow]) -> Status {
        // Nobody waited for a state of the cluster here: a deadline is a failure like any other.
        let verdict = if verdict == Status::TimedOut { Status::Failed } else { verdict };
        let highest = rows.iter().filter_map(|row| row.status).max().unwrap_or(0);
        match u8::try_from(highest) {
            Ok(code) if self.max_rc && code > 0 => Status::Remote(code),
            _ => verdict,
        }
    }
}

/// One line of `--stream`. This is its JSON.
#[derive(Serialize)]
struct Line<'a> {
    host: &'a str,
    stream: &'static str,
    line: String,
}

fn say(cx: &Context, host: &str, on_stderr: bool, line: &[u8]) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(line).into_owned();
    let said = Line { host, stream: if on_stderr { "stderr" } else { "stdout" }, line: text };
    match cx.printer.format() {
        Format::Table if on_stderr => cx.printer.aloud(&format!("{host}: {}", said.line)),
        Format::Table => cx.printer.text_line(&format!("{host}: {}", said.line))?,
        _ => cx.printer.row(&said)?,
    }
    Ok(())
}

fn write_files(cx: &Context, folder: &Path, rows: &[ExecRow]) -> Result<(), Failure> {
    let mut written = 0;
    for row in rows {
        let (host, spoken) = (&row.outcome.host, |bytes: &Option<Vec<u8>>| bytes.clone().unwrap_or_default());
        let (stdout, stderr) = (spoken(&row.stdout), spoken(&row.stderr));
        if row.status.is_none() && row.signal.is_none() && stdout.is_empty() && stderr.is_empty() {
            continue;
        }
        for (name, bytes) in [(host.clone(), stdout), (format!("{host}.err"), stderr)] {
            if bytes.is_empty() && name != *host {
                continue;
            }
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(|error| Failure::unwritable(&path, &error))?;
        }
        written += 1;
    }
    cx.printer.status(&format!("what {written} of {} hosts said is in {}", rows.len(), folder.display()));
    Ok(())
}

impl Record for Line<'_> {
    const COLUMNS: &'static [Column] = &[Column::stays("HOST"), Column::stays("STREAM"), Column::stays("LINE")];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        vec![self.host.to_owned(), self.stream.to_owned(), self.line.clone()]
    }

    fn name(&self) -> &str {
        self.host
    }
}

impl Record for ExecRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("HOST"),
        Column::stays("OUTCOME"),
        Column::gives("STATUS", 3),
        Column::gives("TIME", 5),
        Column::note("STDOUT"),
        Column::note("STDERR"),
        Column::note("ERROR"),
    ];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        vec![
            self.outcome.host.clone(),
            self.outcome.kind.as_str().to_owned(),
            shown(self.status),
            self.outcome.elapsed_ms.to_string(),
            shown(text(&self.stdout)),
            shown(text(&self.stderr)),
            shown(self.outcome.error.as_ref().map(|error| &error.what)),
        ]
    }

    fn name(&self) -> &str {
        &self.outcome.host
    }
}
