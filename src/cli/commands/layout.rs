//! `layout`: the layout file itself; no host is asked.

use clap::ValueEnum;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::Record;
use crate::layout::{self, nodeset};
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
    Show {
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
    },
    /// Print a JSON Schema of the layout file, for editors
    Schema,
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
            Sub::Show { options: true, .. } => options(cx),
            Sub::Show { format, .. } => show(cx, format),
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

fn options(cx: &Context) -> Result<Status, Failure> {
    let layout = cx.layout()?;
    let env = |variable: &str| std::env::var(variable).ok();
    let rows = query::options(&layout, &env).map_err(|error| Failure::deploy(error.into()))?;
    cx.printer.records(&rows)?;
    Ok(Status::Done)
}

impl Record for OptionRow {
    const HEADINGS: &'static [&'static str] = &["OPTION", "VALUE", "ORIGIN", "NODES"];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        let nodes = nodeset::fold(self.nodes.iter().map(String::as_str));
        vec![self.option.clone(), self.value.clone(), self.origin.clone(), nodes]
    }

    fn name(&self) -> &str {
        &self.option
    }
}
