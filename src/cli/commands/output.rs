//! `output`: what nodes wrote to their standard output and error.

use clap::ValueEnum;

use serde::Serialize;

use crate::cli::args::{Format, NodeArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::query::{self, Follow, OutputStream};

/// Show what a node wrote to its standard output and error
///
/// The agent of each host keeps both streams of each node.
#[derive(Debug, clap::Args)]
pub struct Output {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Which stream
    #[arg(short, long, value_enum, default_value = "stderr")]
    stream: Stream,

    /// Show the last N lines
    #[arg(short = 'n', long, value_name = "N", default_value = "100")]
    lines: u64,

    /// Keep showing new lines as they are written, until Ctrl-C; for one node
    #[arg(short, long)]
    follow: bool,
}

/// One line. This is its JSON.
#[derive(Serialize)]
struct Line {
    node: String,
    line: String,
}

/// One of the two streams of a process.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stream {
    /// Standard output
    Stdout,
    /// Standard error
    Stderr,
}

impl Output {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        if self.follow && nodes.len() != 1 {
            return Err(Failure::usage("--follow shows one node; name it"));
        }
        let several = nodes.len() > 1;
        let (mut shown, mut kept) = (String::new(), Vec::new());
        let format = cx.printer.format();
        let line = |node: &str, text: &str| {
            if matches!(format, Format::Json | Format::Jsonl) {
                let line = Line { node: node.to_owned(), line: text.to_owned() };
                if self.follow || format == Format::Jsonl {
                    return cx.printer.jsonl(&line);
                }
                kept.push(line);
                return Ok(());
            }
            if several && shown != node {
                shown = node.to_owned();
                cx.printer.text(&format!("==> {node} <=="))?;
            }
            cx.printer.text(text)
        };
        let settings = cx.asking();
        let follow = if self.follow { Follow::Yes } else { Follow::No };
        let read = query::output(&layout, &nodes, &settings, self.stream.into(), self.lines, follow, line);
        let silent = match self.follow {
            true => cx.follow(async { Ok(read.await?) })?,
            false => cx.block_on(read)??,
        };
        if format == Format::Json && !self.follow {
            cx.printer.array(&kept)?;
        }
        Ok(cx.printer.silent_hosts(&silent, &nodes))
    }
}

impl From<Stream> for OutputStream {
    fn from(stream: Stream) -> OutputStream {
        match stream {
            Stream::Stdout => OutputStream::Stdout,
            Stream::Stderr => OutputStream::Stderr,
        }
    }
}
