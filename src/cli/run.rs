//! From the words on the command line to an exit status.

use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, FromArgMatches, ValueEnum};

use super::args::{self, Args, Format};
use super::change::in_progress;
use super::context::Context;
use super::effect::{self, Effect, READ_ONLY_VARIABLE};
use super::exit::Status;
use super::failure::Failure;
use super::output::{Printer, Wording};
use super::trace;
use crate::deploy::Answers;
use crate::layout;
use crate::query::Writer;

/// Reads the command line. The error is a usage error, or a request for help or for the version.
///
/// # Errors
/// clap's: [`report_usage`] writes it and knows its exit status.
pub fn parse() -> Result<Args, clap::Error> {
    let mut tree = args::tree();
    let matches = tree.try_get_matches_from_mut(std::env::args_os()).map_err(nearest_first)?;
    let parsed = Args::from_arg_matches(&matches).map_err(|error| error.format(&mut tree))?;
    let (words, leaf) = words(&matches);
    let writes = Effect::of(&words).is_some_and(|effect| effect.writes(leaf));
    Ok(Args { words, writes, ..parsed })
}

/// The most similar commands that a usage error names.
const MAX_SIMILAR: usize = 3;

/// Of the commands that clap finds similar the one that was meant, or the most similar ones first: clap has them last.
fn nearest_first(mut usage: clap::Error) -> clap::Error {
    let written = usage.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
    let similar = usage.get(ContextKind::SuggestedSubcommand);
    if let (Some(written), Some(ContextValue::Strings(similar))) = (written, similar) {
        let words = similar.iter().rev().map(String::as_str);
        let nearest = match layout::nearest(&written, words.clone()) {
            Some(meant) => vec![meant.to_owned()],
            None => words.take(MAX_SIMILAR).map(str::to_owned).collect(),
        };
        usage.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(nearest));
    }
    usage
}

/// The names of the command and its subcommands, separated by blanks, and what was given to the last of them.
pub(super) fn words(matches: &ArgMatches) -> (String, &ArgMatches) {
    let mut words = Vec::new();
    let mut matches = matches;
    while let Some((name, below)) = matches.subcommand() {
        words.push(name);
        matches = below;
    }
    (words.join(" "), matches)
}

/// The whole tree of commands, as clap knows it: what help, manual pages and completions are made from.
pub fn command() -> clap::Command {
    args::tree()
}

/// Writes help, version or a usage error to where it belongs.
pub fn report_usage(usage: &clap::Error) -> Status {
    // A reader of the help that went away is none of our business.
    let _ = usage.print();
    if !usage.use_stderr() {
        return Status::Done;
    }
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let printer = Printer::new(format_asked_for(words), true, Wording::default());
    // Nor one of the document.
    let _ = printer.close(Status::Usage, Some(&in_words(usage)));
    Status::Usage
}

/// The format that words ask for which clap could not read: behind the first wrong one it reads nothing.
fn format_asked_for(words: impl Iterator<Item = String>) -> Option<Format> {
    let mut words = words.take_while(|word| word != "--");
    let mut asked = None;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--output").or_else(|| word.strip_prefix("-o")) {
            Some("") => words.next().unwrap_or_default(),
            Some(value) => value.trim_start_matches('=').to_owned(),
            None => continue,
        };
        asked = Format::from_str(&value, false).ok().or(asked);
    }
    asked
}

/// A usage error without the help that follows it.
fn in_words(usage: &clap::Error) -> Failure {
    let text = usage.to_string();
    let said: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let what = said.join(" ").trim_start_matches("error: ").to_owned();
    let hint = text.lines().find_map(|line| line.trim().strip_prefix("tip: ")).map(str::to_owned);
    Failure::Usage { what, hint }
}

/// Runs a command to its end, says what went wrong, and tells the exit status.
pub fn run(args: Args) -> Status {
    // Nobody watches an agent or a node: what happens to them has to be in their files afterwards.
    let is_lasting = args.command.is_lasting();
    trace::start(args.global.quiet, args.global.verbose.saturating_add(u8::from(is_lasting)));
    if is_lasting {
        trace::end_with_any_panic();
    }
    let printer = Printer::new(args.global.output, args.global.quiet, Wording::new(&args.global.layout_option()));
    let (writer, answers) = (Writer::default(), Answers::default());
    let context = Context { global: args.global, printer, words: args.words, writer, answers };
    let ended = match args.writes && effect::is_read_only() {
        false => args.command.run(&context),
        true => Err(refused(&context.words)),
    };
    if let Some(holder) = context.writer.take() {
        context.printer.status(&in_progress(&holder));
    }
    let (status, failure) = match ended {
        Ok(status) => (status, None),
        Err(failure) => (failure.status(), Some(failure)),
    };
    if let Some(failure) = &failure {
        context.printer.failure(failure);
    }
    // Nobody is left to be told that standard output is closed.
    let _ = context.printer.close(status, failure.as_ref());
    status
}

/// Commands that change the cluster where the environment says that none may.
fn refused(words: &str) -> Failure {
    Failure::Usage {
        what: format!("`{words}` changes the cluster, and {READ_ONLY_VARIABLE} is set"),
        hint: Some(format!("to do it all the same: env -u {READ_ONLY_VARIABLE} zeek-cluster {words}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_told_the_command_that_was_meant_and_no_others() {
        let said = |word: &str| {
            let usage = args::tree().try_get_matches_from(["zeek-cluster", word]).map_err(nearest_first);
            usage.expect_err("no such command").to_string()
        };
        for (word, meant) in [("stauts", "status"), ("restrat", "restart"), ("nodess", "nodes"), ("evnts", "events")] {
            let said = said(word);
            assert!(said.contains(&format!("a similar subcommand exists: '{meant}'")), "{said}");
        }
        assert!(said("conf").contains("'config', 'cron', 'count'"), "the most similar one first: {}", said("conf"));
    }

    #[test]
    fn the_format_is_found_among_words_that_are_wrong() {
        let asked = |line: &str| format_asked_for(line.split(' ').map(str::to_owned));
        for line in
            ["-o json stauts", "status --nonsense -o json", "-ojson x", "x -o=json", "--output json", "--output=json"]
        {
            assert_eq!(asked(line), Some(Format::Json), "{line}");
        }
        assert_eq!(asked("-o json -o tsv x"), Some(Format::Tsv));
        for line in ["status", "exec -- ls -o json", "-o", "-o nonsense", "--output"] {
            assert_eq!(asked(line), None, "{line}");
        }
    }
}
