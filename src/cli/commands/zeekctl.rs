//! zeekctl's commands that have no equal here: each says in one line what replaces it, so that nobody has to guess, and
//! scripts go on where nothing has to be done.

use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::from_zeekctl::{self, Place};

/// A command of zeekctl, and whatever was typed behind it.
#[derive(Debug, clap::Args)]
pub struct ZeekctlCommand {
    /// What zeekctl takes there
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl ZeekctlCommand {
    /// `name` is that of the command.
    pub fn run(self, cx: &Context, name: &str) -> Result<Status, Failure> {
        let Some(old) = from_zeekctl::find(name) else {
            return Err(Failure::usage(format!("there is no command `{name}`")));
        };
        match old.place {
            Place::NotNeeded => {
                cx.printer.status(&format!("`{name}` is not needed: {}", old.note));
                Ok(Status::Done)
            }
            Place::Same | Place::Command(_) | Place::Nothing => Err(Failure::Usage {
                what: format!("zeekctl's `{name}` has no equal here: {}", old.note),
                hint: Some(match (old.place, self.words.is_empty()) {
                    (Place::Command(command), _) => format!("zeek-cluster {command}"),
                    _ => "`zeek-cluster help from-zeekctl` lists all of zeekctl's commands".to_owned(),
                }),
            }),
        }
    }
}
