//! Which commands change the cluster: one table that help, manual pages and `ZEEK_CLUSTER_READ_ONLY` read.

use clap::{ArgMatches, Command};

/// Set to anything but `0`, it refuses every command that changes the cluster.
pub const READ_ONLY_VARIABLE: &str = "ZEEK_CLUSTER_READ_ONLY";

/// What a command does to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It asks, and changes nothing there.
    Reads,
    /// The same, unless this option is given.
    ReadsUnless(&'static str),
    /// It changes hosts, nodes, or the keys that they will get; or nobody can know what it changes.
    Writes,
    /// The same, unless this option is given.
    WritesUnless(&'static str),
    /// It is a process of the cluster itself, or a part of one: programs start it.
    Process,
}

/// Every command that does something, by its words, in the order of the help.
const EFFECTS: &[(&str, Effect)] = &[
    ("plan", Effect::Reads),
    ("deploy", Effect::Writes),
    ("check", Effect::Reads),
    ("install", Effect::Writes),
    ("start", Effect::Writes),
    ("stop", Effect::Writes),
    ("restart", Effect::Writes),
    ("rollback", Effect::WritesUnless("dry-run")),
    ("unlock", Effect::Writes),
    ("remove", Effect::Writes),
    ("status", Effect::Reads),
    ("wait", Effect::Reads),
    ("nodes", Effect::Reads),
    ("count", Effect::Reads),
    ("peers", Effect::Reads),
    ("log", Effect::Reads),
    ("events", Effect::Reads),
    ("diag", Effect::Reads),
    ("doctor", Effect::ReadsUnless("fix")),
    ("output", Effect::Reads),
    ("top", Effect::Reads),
    ("df", Effect::Reads),
    ("metrics", Effect::Reads),
    ("releases", Effect::Reads),
    ("history", Effect::Reads),
    ("history show", Effect::Reads),
    // A target's program may do anything.
    ("notify", Effect::Writes),
    ("subscribe", Effect::Reads),
    ("publish", Effect::Writes),
    ("exec", Effect::Writes),
    ("store list", Effect::Reads),
    ("store get", Effect::Reads),
    ("store keys", Effect::Reads),
    ("store size", Effect::Reads),
    ("store put", Effect::Writes),
    ("store del", Effect::Writes),
    ("store clear", Effect::Writes),
    ("store watch", Effect::Reads),
    ("layout check", Effect::Reads),
    ("layout show", Effect::Reads),
    ("layout schema", Effect::Reads),
    ("layout import", Effect::Reads),
    ("keys generate", Effect::Writes),
    ("keys fetch", Effect::Reads),
    ("keys rotate", Effect::Writes),
    ("keys export", Effect::Reads),
    ("keys import", Effect::Writes),
    ("keys show-public", Effect::Reads),
    ("agent run", Effect::Process),
    ("agent keep", Effect::Process),
    ("agent connect", Effect::Process),
    ("agent free-cgroup", Effect::Process),
    ("agent install", Effect::Writes),
    ("agent uninstall", Effect::Writes),
    ("agent status", Effect::Reads),
    ("node run", Effect::Process),
    ("node archive-log", Effect::Process),
    ("node archive-leftovers", Effect::Process),
    ("node check", Effect::Process),
    ("completions", Effect::Reads),
    ("man", Effect::Reads),
    ("help", Effect::Reads),
    ("config", Effect::Reads),
    ("capstats", Effect::Reads),
    ("cleanup", Effect::Reads),
    ("cron", Effect::Reads),
    ("exit", Effect::Reads),
    ("netstats", Effect::Reads),
    ("print", Effect::Reads),
    ("process", Effect::Reads),
    ("quit", Effect::Reads),
    ("scripts", Effect::Reads),
];

impl Effect {
    /// The effect of a command, its words separated by blanks; none for what is no command.
    pub fn of(words: &str) -> Option<Effect> {
        EFFECTS.iter().find(|(known, _)| *known == words).map(|(_, effect)| *effect)
    }

    /// The last sentence of a command's description.
    fn sentence(self) -> Option<String> {
        match self {
            Effect::Reads => Some("Changes nothing in the cluster.".to_owned()),
            Effect::ReadsUnless(option) => Some(format!("Changes nothing in the cluster, unless --{option} is given.")),
            Effect::Writes => Some("Changes the cluster.".to_owned()),
            Effect::WritesUnless(option) => Some(format!("Changes the cluster, unless --{option} is given.")),
            Effect::Process => None,
        }
    }

    /// Whether a command changes the cluster with the options that it was given.
    pub fn writes(self, given: &ArgMatches) -> bool {
        // The name of an argument is its option with other dashes.
        let is_given = |option: &str| given.get_flag(&option.replace('-', "_"));
        match self {
            Effect::Reads | Effect::Process => false,
            Effect::ReadsUnless(option) => is_given(option),
            Effect::Writes => true,
            Effect::WritesUnless(option) => !is_given(option),
        }
    }
}

/// Whether the environment refuses commands that change the cluster.
pub fn is_read_only() -> bool {
    std::env::var_os(READ_ONLY_VARIABLE).is_some_and(|value| !value.is_empty() && value != *"0")
}

/// The tree of commands with what each does to the cluster as the last sentence of its description.
pub fn tag(root: Command) -> Command {
    let names: Vec<String> = root.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(root, |root, name| root.mut_subcommand(&name, |sub| tag_one(sub, &name)))
}

fn tag_one(command: Command, words: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |command, name| {
        let words = format!("{words} {name}");
        command.mut_subcommand(&name, |sub| tag_one(sub, &words))
    });
    let Some(sentence) = Effect::of(words).and_then(Effect::sentence) else { return command };
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    command.long_about(format!("{about}\n\n{sentence}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Args;

    /// The words of every command that does something.
    fn leaves(command: &Command, words: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let words = format!("{words} {}", sub.get_name()).trim_start().to_owned();
            if sub.has_subcommands() {
                leaves(sub, &words, found);
            }
            // With subcommands it does something itself only where it does not need one of them.
            if !sub.is_subcommand_required_set() {
                found.push(words);
            }
        }
    }

    #[test]
    fn every_command_says_whether_it_changes_the_cluster() {
        let mut commands = Vec::new();
        leaves(&Args::command(), "", &mut commands);
        let known: Vec<&str> = EFFECTS.iter().map(|(words, _)| *words).collect();
        let missing: Vec<&String> = commands.iter().filter(|words| !known.contains(&words.as_str())).collect();
        let left_over: Vec<&&str> = known.iter().filter(|words| !commands.iter().any(|c| c == *words)).collect();
        assert!(missing.is_empty(), "not in EFFECTS: {missing:?}");
        assert!(left_over.is_empty(), "in EFFECTS, and no command: {left_over:?}");
    }

    #[test]
    fn the_description_ends_with_it() {
        let root = tag(Args::command());
        let about = |words: &[&str]| {
            let command = words.iter().fold(&root, |command, word| command.find_subcommand(word).expect("a command"));
            command.get_long_about().map(ToString::to_string).unwrap_or_default()
        };
        assert!(about(&["deploy"]).ends_with("\n\nChanges the cluster."));
        assert!(about(&["layout", "show"]).ends_with("\n\nChanges nothing in the cluster."));
        assert!(!about(&["agent", "run"]).contains("Changes"));
    }
}
