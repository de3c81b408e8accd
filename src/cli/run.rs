//! From the words on the command line to an exit status.

use clap::{CommandFactory, Parser};

use super::args::Args;
use super::context::Context;
use super::exit::Status;
use super::output::Printer;
use super::trace;

/// Reads the command line. The error is a usage error, or a request for help or for the version.
pub fn parse() -> Result<Args, clap::Error> {
    Args::try_parse()
}

/// The whole tree of commands, as clap knows it: what help, manual pages and completions are made from.
pub fn command() -> clap::Command {
    Args::command()
}

/// Writes help, version or a usage error to where it belongs.
pub fn report_usage(usage: &clap::Error) -> Status {
    // A reader of the help that went away is none of our business.
    let _ = usage.print();
    match usage.use_stderr() {
        true => Status::Usage,
        false => Status::Done,
    }
}

/// Runs a command to its end, says what went wrong, and tells the exit status.
pub fn run(args: Args) -> Status {
    // Nobody watches an agent or a node: what happens to them has to be in their files afterwards.
    let verbose = args.global.verbose.saturating_add(u8::from(args.command.is_lasting()));
    trace::start(args.global.quiet, verbose);
    let printer = Printer::new(args.global.output, args.global.quiet);
    let context = Context { global: args.global, printer };
    match args.command.run(&context) {
        Ok(status) => status,
        Err(failure) => {
            context.printer.failure(&failure);
            failure.status()
        }
    }
}
