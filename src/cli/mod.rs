//! The command line: one file per command, which parses, calls one verb, and hands its report to the printer.
//!
//! What an operator typed becomes typed values here and nowhere else; what the verbs return becomes text in `output/`
//! and nowhere else; every way to fail becomes an exit status in `exit.rs` and nowhere else. The runtime is built by the
//! commands that need one: `--help` and completion never pay for it.

mod args;
mod change;
mod cluster_keys;
mod commands;
mod exit;

mod complete;
mod connect;
mod context;
mod effect;
mod failure;
mod from_zeekctl;
mod manual;
mod output;
mod replay;
mod run;
mod source;
mod trace;
mod values;
mod zeek_values;

pub use crate::deploy::answer_question as answer_ssh_question;
pub use complete::answer_completion_request;
pub use run::{command, parse, report_usage, run};
