//! `help`: of a command, or about a topic.

use crate::cli::context::Context;
use crate::cli::exit::{self, Status};
use crate::cli::failure::Failure;
use crate::cli::from_zeekctl;
use crate::cli::manual;

/// Print the help of a command, or of the topic exit-status or from-zeekctl
///
/// `zeek-cluster help exit-status` lists what each exit status means, `zeek-cluster help from-zeekctl` what stands in the place
/// of zeekctl's commands, options and files.
#[derive(Debug, clap::Args)]
pub struct Help {
    /// A command or a topic; none for the whole program
    #[arg(value_name = "COMMAND")]
    topic: Vec<String>,
}

impl Help {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let text = match self.topic.as_slice() {
            [topic] if topic == "exit-status" => exit::table(),
            [topic] if topic == "from-zeekctl" => from_zeekctl::text(),
            command => manual::help(command).map_err(|unknown| Failure::usage(unknown.to_string()))?,
        };
        cx.printer.text(&text)?;
        Ok(Status::Done)
    }
}
