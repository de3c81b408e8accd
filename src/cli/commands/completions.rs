//! `completions`: what shells need to complete commands.

use clap_complete::Shell;

use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::manual;

/// Print the completion script of a shell
///
/// For bash: `zeek-cluster completions bash > ~/.local/share/bash-completion/completions/zeek-cluster`. This script
/// completes commands and options. To complete node names from the layout too, put `source <(COMPLETE=bash zeek-cluster)`
/// into `~/.bashrc` instead (likewise for zsh; fish: `COMPLETE=fish zeek-cluster | source`).
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        cx.printer.bytes(&manual::completion_script(self.shell))?;
        Ok(Status::Done)
    }
}
