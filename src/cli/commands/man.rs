//! `man`: the manual pages.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::manual;

/// Print the manual page of a command, for man
///
/// In roff: read it with `zeek-cluster man deploy | man -l -`. With `--dir` the pages of all commands are written into a
/// folder, as packages want them.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The command; none for the program itself
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write every page into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

impl Man {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        if let Some(folder) = &self.dir {
            return write_all(folder);
        }
        let page = manual::page(&self.command).map_err(|unknown| Failure::usage(unknown.to_string()))?;
        cx.printer.bytes(&page)?;
        Ok(Status::Done)
    }
}

fn write_all(folder: &Path) -> Result<Status, Failure> {
    let failed = |path: &Path, error| Failure::unwritable(path, &error);
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, page) in manual::pages() {
        let path = folder.join(name);
        std::fs::write(&path, page).map_err(|error| failed(&path, error))?;
    }
    Ok(Status::Done)
}
