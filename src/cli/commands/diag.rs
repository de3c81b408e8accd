//! `diag`: shows nodes in full.

use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_yaml::Value;

use crate::api::diag::{CoreView, CrashView, NodeDiag};
use crate::cli::args::{Format, NodeArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::human;
use crate::query::{self, Backtrace, DiagQuery, DiagReport, DiagRow};

/// Show nodes in full: state, crashes, memory, core file, events, output
///
/// For each node: its state, since when and why; the peers that it does not see; the peak of its memory; its last crashes
/// with what they wrote to standard error; the core file of the last one, with a backtrace where gdb is installed on the
/// host; its configuration in force; its last events; the end of its output; and the next step.
///
/// With `--bundle` all of that is packed into one file to ask for help with: a .tar.gz (mode 0600, 64 MiB before compression at most)
/// with a folder for each host. Neither shows keys, nor what is written as a password, token or secret.
#[derive(Debug, clap::Args)]
pub struct Diag {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Write all of it into this file (.tar.gz), which must not exist yet
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    bundle: Option<PathBuf>,

    /// Lines of each output, and events of each node [default: 20, or 500 with --bundle]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,

    /// Do not ask gdb for a backtrace, which may take 45 seconds a node
    #[arg(long)]
    no_backtrace: bool,
}

/// How long one host may take: gdb reads large files.
const WITHIN: Duration = Duration::from_secs(90);

impl Diag {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let lines = self.lines.unwrap_or(if self.bundle.is_some() { 500 } else { 20 });
        let query = DiagQuery {
            nodes: nodes.iter().map(|node| node.name.clone()).collect(),
            lines,
            events: lines,
            backtrace: if self.no_backtrace { Backtrace::Leave } else { Backtrace::Take },
        };
        let settings = query::Settings { within: cx.global.timeout.unwrap_or(WITHIN), ..cx.asking() };
        let report = cx.block_on(query::diag(&layout, &nodes, &settings, &query))?;
        match &self.bundle {
            Some(path) => write_bundle(cx, path, &report)?,
            None => show(cx, &report)?,
        }
        for name in &report.unknown {
            cx.printer.error(&format!("{name}: not part of the deployed release (zeek-cluster deploy)"));
        }
        cx.printer.silent_hosts(&report.silent, &nodes);
        let complete = report.silent.is_empty() && report.unknown.is_empty();
        Ok(if complete { Status::Done } else { Status::Failed })
    }
}

fn write_bundle(cx: &Context, path: &Path, report: &DiagReport) -> Result<(), Failure> {
    let refused = |error: std::io::Error| Failure::File {
        what: format!("cannot write {}: {error}", path.display()),
        hint: (error.kind() == std::io::ErrorKind::AlreadyExists)
            .then(|| "name a file that does not exist yet".to_owned()),
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(refused)?;
    let packed = query::bundle(report, env!("CARGO_PKG_VERSION"), BufWriter::new(file));
    if let Err(error) = packed {
        // Half an archive is of no use.
        let _ = std::fs::remove_file(path);
        let causes = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        return Err(Failure::File { what: format!("cannot write {}: {error}{causes}", path.display()), hint: None });
    }
    cx.printer.status(&format!(
        "{}: {} nodes on {} hosts, without keys and passwords",
        path.display(),
        report.rows.len(),
        report.hosts.len()
    ));
    Ok(())
}

fn show(cx: &Context, report: &DiagReport) -> Result<(), Failure> {
    match cx.printer.format() {
        Format::Json => cx.printer.array(&report.rows)?,
        Format::Jsonl => report.rows.iter().try_for_each(|row| cx.printer.jsonl(row))?,
        Format::Name => cx.printer.names(report.rows.iter().map(|row| row.name.as_str()))?,
        Format::Table | Format::Tsv => {
            for (n, row) in report.rows.iter().enumerate() {
                let gap = if n > 0 { "\n" } else { "" };
                cx.printer.text(&format!("{gap}{}", in_full(row)))?;
            }
        }
    }
    Ok(())
}

/// One node as a page.
fn in_full(row: &DiagRow) -> String {
    let diag = &row.diag;
    let mut page = Page::default();
    page.heading(&head(row));
    if let Some(error) = &diag.status.error {
        page.fact("why", error);
    }
    facts(row, &mut page);
    for next in &row.next {
        page.fact("next", next);
    }
    crashes(diag, &mut page);
    if let Some(core) = &diag.core {
        core_file(core, &mut page);
    }
    page.heading("events");
    for event in &diag.events {
        page.line(&format!("{}  {:<13}  {}", human::local_time(event.ts), event.what.word(), event.what));
    }
    page.text("standard error", &diag.stderr);
    page.text("standard output", &diag.stdout);
    if !diag.env.is_empty() {
        page.heading("environment");
        diag.env.iter().for_each(|(name, value)| page.line(&format!("{name}={value}")));
    }
    page.text("configuration", &diag.config.as_deref().map(in_short).unwrap_or_default());
    page.0
}

/// A node's configuration without what is not set, and without the table of all nodes, which `nodes` shows. The other formats
/// and the bundle have all of it.
fn in_short(config: &str) -> String {
    let Ok(Value::Mapping(mut map)) = serde_yaml::from_str(config) else { return config.to_owned() };
    if let Some(Value::Sequence(nodes)) = map.get("nodes") {
        let nodes = format!("{} (zeek-cluster nodes)", nodes.len());
        map.insert("nodes".into(), nodes.into());
    }
    serde_yaml::to_string(&set(Value::Mapping(map))).unwrap_or_else(|_| config.to_owned())
}

/// What a value says beyond nothing: entries without a value are left out.
fn set(value: Value) -> Value {
    let Value::Mapping(map) = value else { return value };
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::Mapping(map) => !map.is_empty(),
        Value::Sequence(items) => !items.is_empty(),
        _ => true,
    };
    let entries = map.into_iter().map(|(key, value)| (key, set(value)));
    Value::Mapping(entries.filter(|(_, value)| is_set(value)).collect())
}

fn head(row: &DiagRow) -> String {
    let status = &row.diag.status;
    let since = row.diag.since.map(|at| format!(" since {} ({})", human::clock(at), human::ago(Some(at))));
    let pid = status.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let (state, since) = (status.state.as_str(), since.unwrap_or_default());
    format!("{} ({}) on {}: {state}{since}{pid}, {} restarts", row.name, status.node_type, row.host, status.restarts)
}

fn facts(row: &DiagRow, page: &mut Page) {
    if let Some(view) = &row.diag.view {
        let up = view.peers.len() - row.missing_peers.len();
        let missing = match row.missing_peers.is_empty() {
            true => String::new(),
            false => format!(", missing: {}", row.missing_peers.join(" ")),
        };
        page.fact("peers", &format!("{up} of {} up{missing}", view.peers.len()));
    }
    if let Some(memory) = &row.diag.memory {
        let cgroup = memory.cgroup_peak_bytes.map(|peak| format!(", cgroup peak {}", human::size(peak)));
        page.fact(
            "memory",
            &format!(
                "{} now, {} peak{} ({} processes)",
                human::size(memory.rss_bytes),
                human::size(memory.peak_bytes),
                cgroup.unwrap_or_default(),
                memory.processes
            ),
        );
    }
    if let Some(release) = &row.release {
        page.fact("release", release);
    }
}

fn crashes(diag: &NodeDiag, page: &mut Page) {
    page.heading(match diag.crashes.len() {
        0 => "no crashes",
        _ => "crashes, the last one first",
    });
    for (n, crash) in diag.crashes.iter().enumerate() {
        page.line(&crash_line(crash));
        // Of the older ones the line is enough; JSON and the bundle have all.
        if n == 0 {
            crash.stderr.lines().for_each(|line| page.line(&format!("  | {line}")));
        }
    }
}

fn crash_line(crash: &CrashView) -> String {
    let pid = crash.pid.map(|pid| format!("pid {pid} ")).unwrap_or_default();
    let ran = crash.started_at.zip(crash.ended_at).map(|(from, to)| format!(" after {}", human::span(to - from)));
    let at = crash.ended_at.map_or_else(|| crash.time.clone(), human::local_time);
    format!("{at}  {pid}{}{}", crash.exit, ran.unwrap_or_default())
}

fn core_file(core: &CoreView, page: &mut Page) {
    page.heading("core file of the last crash");
    if let Some(file) = &core.file {
        page.line(&format!("{file} ({})", human::size(core.bytes.unwrap_or(0))));
    }
    core.note.iter().for_each(|note| page.line(note));
    core.backtrace.iter().flat_map(|text| text.lines()).for_each(|line| page.line(&format!("  | {line}")));
}

/// Headings at the margin, what belongs to them two blanks in.
#[derive(Default)]
struct Page(String);

impl Page {
    fn heading(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.0.push_str("  ");
        self.heading(text);
    }

    fn fact(&mut self, name: &str, text: &str) {
        self.line(&format!("{name:<8} {text}"));
    }

    /// A heading and text below it; nothing without text.
    fn text(&mut self, heading: &str, text: &str) {
        if !text.is_empty() {
            self.heading(heading);
            text.lines().for_each(|line| self.line(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_in_short_says_what_is_set() {
        let config = "cluster: campus\noptions: {}\ncurve_dir: null\nlogging:\n  format: tsv\n  suffix: null\nzeromq:\n  \
                      listen_xpub_endpoint: null\nnodes:\n- name: manager\n- name: logger\n";
        assert_eq!(in_short(config), "cluster: campus\nlogging:\n  format: tsv\nnodes: 2 (zeek-cluster nodes)\n");
        assert_eq!(in_short("no: [yaml"), "no: [yaml", "what cannot be read is shown as it is");
    }
}
