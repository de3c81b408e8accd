//! `layout`: the layout file itself; no host is asked.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record};
use crate::cli::source::{self, Source};
use crate::layout::{self, Fate, ReportLine, nodeset};
use crate::query::{self, OptionRow};

/// Check or print the layout file, without asking any host
#[derive(Debug, clap::Args)]
pub struct LayoutCommand {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Check the layout file and name everything that is wrong with it
    ///
    /// All problems are shown at once, each with its place, what was expected, and the nearest known word for a misspelt
    /// one. Exit status 3 when there is any.
    Check,
    /// Print the layout as it was understood
    ///
    /// Counts are expanded, defaults filled in, ports assigned. What is printed is itself a layout for the same cluster.
    Show(Show),
    /// Print a JSON Schema of the layout file, for editors
    Schema,
    /// Turn the files of zeekctl or of Zeek's zeek.conf into a layout
    ///
    /// SRC is zeekctl's prefix, its `etc` or its node.cfg (zeekctl.cfg and networks.cfg beside it are read too); Zeek 9's
    /// zeek.conf, or the folder of HOST.zeek.conf; or a cluster-layout.zeek. The layout is printed as YAML, each value with a
    /// comment that says where it comes from.
    ///
    /// What became of each setting is reported: `kept`, `translated` to another key, `not needed` here, or `not taken over`,
    /// with the reason. Without --output-file the report goes to standard error, with it to standard output as rows. Columns:
    /// file, line, setting, value, fate, reason.
    Import {
        /// What to read: a file or a folder
        #[arg(value_name = "SRC", value_hint = clap::ValueHint::AnyPath)]
        source: PathBuf,

        /// Write the layout into this file, which must not be there yet, and print the report
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        output_file: Option<PathBuf>,
    },
}

/// What is shown of a layout.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// In which form [default: json with `-o json`, else yaml]
    #[arg(short, long, value_enum)]
    format: Option<ShowFormat>,

    /// Print each option's value instead, and where it comes from
    ///
    /// All of Zeek's redefinable options that a layout can set or that follow from it, with the value that each has in
    /// the nodes: from the layout, from an environment variable of the node (its `env_vars`; on this machine also the
    /// environment of this command), or the default. Columns: option, value, origin, nodes. --output applies.
    #[arg(long, conflicts_with = "format")]
    options: bool,
}

impl Show {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self.options {
            true => options(cx),
            false => show(cx, self.format),
        }
    }
}

/// Forms in which a layout is shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShowFormat {
    /// The layout's own language
    Yaml,
    /// JSON
    Json,
    /// Zeek's cluster-layout.zeek
    Zeek,
}

impl LayoutCommand {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self.command {
            Sub::Check => check(cx),
            Sub::Show(command) => command.run(cx),
            Sub::Import { source, output_file } => import(cx, &source, output_file.as_deref()),
            Sub::Schema => Ok(cx.printer.json(&layout::schema()).map(|()| Status::Done)?),
        }
    }
}

fn check(cx: &Context) -> Result<Status, Failure> {
    let layout = cx.layout()?;
    let hosts = layout.hosts.iter().map(|host| host.name.as_str());
    let nodes = layout.nodes.iter().map(|node| node.name.as_str());
    cx.printer.status(&format!(
        "{}: cluster `{}`, {} nodes ({}) on {} hosts ({})",
        cx.global.layout.display(),
        layout.name,
        layout.nodes.len(),
        nodeset::fold(nodes),
        layout.hosts.len(),
        nodeset::fold(hosts)
    ));
    Ok(Status::Done)
}

fn show(cx: &Context, format: Option<ShowFormat>) -> Result<Status, Failure> {
    let layout = cx.layout()?;
    let wants_json = cx.global.output == Some(Format::Json);
    let text = match format.unwrap_or(if wants_json { ShowFormat::Json } else { ShowFormat::Yaml }) {
        ShowFormat::Yaml => query::layout_yaml(&layout),
        ShowFormat::Json => query::layout_json(&layout),
        ShowFormat::Zeek => query::layout_zeek(&layout).map_err(|error| Failure::deploy(error.into()))?,
    };
    Ok(cx.printer.text(&text).map(|()| Status::Done)?)
}

fn import(cx: &Context, path: &Path, output_file: Option<&Path>) -> Result<Status, Failure> {
    let import = match source::open(path)? {
        Source::Foreign(import) => import,
        Source::Layout(path, text) => {
            layout::load(&text, &path, &source::environment()).map_err(Failure::Layout)?;
            return Err(Failure::usage(format!("{} is a layout already", path.display())));
        }
    };
    let loaded = import.load(&source::environment()).map_err(Failure::Layout)?;
    if !loaded.warnings.is_empty() {
        cx.printer.problems(&loaded.warnings, "warning");
    }
    let (yaml, report) = (import.yaml(), import.report());
    let lost = report.iter().filter(|line| line.fate == Fate::NotTakenOver).count();
    match output_file {
        Some(file) => {
            write_new(file, &yaml)?;
            cx.printer.records(&report)?;
        }
        None if cx.printer.format() == Format::Json && cx.global.output.is_some() => {
            cx.printer.json(&serde_json::json!({ "layout": yaml, "report": report }))?;
        }
        None => {
            cx.printer.text(&yaml)?;
            report.iter().for_each(|line| cx.printer.status(&sentence(line)));
        }
    }
    let nodes = nodeset::fold(loaded.layout.nodes.iter().map(|node| node.name.as_str()));
    let count = loaded.layout.nodes.len();
    cx.printer.status(&format!("{count} nodes ({nodes}); {} settings, {lost} of them not taken over", report.len()));
    Ok(Status::Done)
}

/// `zeekctl.cfg:4: LogDir = /data/zeek: not taken over: rotated logs …`.
fn sentence(line: &ReportLine) -> String {
    let ReportLine { file, line, setting, value, fate, reason } = line;
    format!("{file}:{line}: {setting} = {value}: {}: {reason}", fate.as_str())
}

/// Writes a file that is not there yet.
fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let opened = std::fs::File::create_new(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::File {
            what: format!("{} is there already", file.display()),
            hint: Some("name another file with --output-file, or move that one away".to_owned()),
        },
        _ => Failure::unwritable(file, &error),
    })
}

impl Record for ReportLine {
    const COLUMNS: &'static [Column] = &[
        Column::gives("FILE", 4),
        Column::gives("LINE", 3),
        Column::stays("SETTING"),
        Column::gives("VALUE", 2),
        Column::stays("FATE"),
        Column::note("REASON"),
    ];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        let ReportLine { file, line, setting, value, fate, reason } = self;
        vec![file.clone(), line.to_string(), setting.clone(), value.clone(), fate.as_str().to_owned(), reason.clone()]
    }

    fn name(&self) -> &str {
        &self.setting
    }
}

fn options(cx: &Context) -> Result<Status, Failure> {
    let layout = cx.layout()?;
    let env = |variable: &str| std::env::var(variable).ok();
    let rows = query::options(&layout, &env).map_err(|error| Failure::deploy(error.into()))?;
    cx.printer.records(&rows)?;
    Ok(Status::Done)
}

impl Record for OptionRow {
    const COLUMNS: &'static [Column] =
        &[Column::stays("OPTION"), Column::gives("ORIGIN", 5), Column::gives("NODES", 6), Column::note("VALUE")];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.fields();
        let value = cells.remove(1);
        cells.push(value);
        cells
    }

    fn fields(&self) -> Vec<String> {
        let nodes = nodeset::fold(self.nodes.iter().map(String::as_str));
        vec![self.option.clone(), self.value.clone(), self.origin.clone(), nodes]
    }

    fn name(&self) -> &str {
        &self.option
    }
}
