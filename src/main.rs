//! The program: parse, trace, call, and turn what came of it into an exit status.

use std::process::ExitCode;

use zeek_cluster::cli;

fn main() -> ExitCode {
    cli::answer_completion_request();
    if let Some(status) = cli::answer_ssh_question() {
        return status.into();
    }
    match cli::parse() {
        Ok(args) => cli::run(args).into(),
        Err(usage) => cli::report_usage(&usage).into(),
    }
}
