//! What a command has at hand: the global options, the printer, and the ways from words to a layout and to nodes.

use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::{Global, HostArgs, NodeArgs, SshWay};
use super::change::in_progress;
use super::exit::Status;
use super::failure::Failure;
use super::output::{self, Printer, human};
use super::source::{self, Source};
use crate::api::outcome::Outcome;
use crate::deploy::{Answers, Prompt, Settings};
use crate::layout::nodeset::{self, LastRun, NodeSetError};
use crate::layout::{self, Host, Layout, Node, SshClient};
use crate::query::{self, Memory, Remembered};

/// What every command has at hand.
pub struct Context {
    /// The global options.
    pub global: Global,
    /// Writes the answer and speaks with the operator.
    pub printer: Printer,
    /// The words of the command, such as `keys rotate`.
    pub words: String,
    /// Who is seen to change the cluster while it is asked.
    pub writer: query::Writer,
    /// What the operator typed, for all steps of the command.
    pub answers: Answers,
}

impl Context {
    /// Reads the layout, or what another tool has instead of one; says its warnings.
    pub fn layout(&self) -> Result<Layout, Failure> {
        let environment = source::environment();
        let loaded = match source::open(&self.global.layout)? {
            Source::Layout(path, text) => layout::load(&text, &path, &environment),
            Source::Foreign(import) => import.load(&environment),
        };
        let loaded = loaded.map_err(Failure::Layout)?;
        if !loaded.warnings.is_empty() {
            self.printer.problems(&loaded.warnings, "warning");
        }
        Ok(loaded.layout)
    }

    /// The nodes that the command line names, in the order of the layout; all of them when it names none.
    pub fn select<'a>(&self, layout: &'a Layout, args: &NodeArgs) -> Result<Vec<&'a Node>, Failure> {
        let nodes = select(layout, &args.nodes)?;
        self.warn_if_empty(layout, &args.nodes, nodes.is_empty());
        Ok(nodes)
    }

    /// The hosts that the command line names, or whose nodes it names, in the order of the layout; all of them when it
    /// names none.
    pub fn select_hosts<'a>(&self, layout: &'a Layout, args: &HostArgs) -> Result<Vec<&'a Host>, Failure> {
        if args.hosts.is_empty() {
            return Ok(layout.hosts.iter().collect());
        }
        let text = args.hosts.join(",");
        let hosts = nodeset::select_hosts(layout, &text, last_run(layout, &text).as_ref()).map_err(no_set)?;
        self.warn_if_empty(layout, &args.hosts, hosts.is_empty());
        Ok(hosts)
    }

    /// The names of the hosts that the command line names, or whose nodes it names: `Some(None)` for all, none when it
    /// names some and they are nobody.
    pub fn select_only(&self, layout: &Layout, args: &HostArgs) -> Result<Option<Option<Vec<String>>>, Failure> {
        let hosts = self.select_hosts(layout, args)?;
        Ok(match hosts.len() {
            0 => None,
            all if all == layout.hosts.len() => Some(None),
            _ => Some(Some(hosts.into_iter().map(|host| host.name.clone()).collect())),
        })
    }

    /// A set may be empty; nobody should take silence for success.
    fn warn_if_empty(&self, layout: &Layout, words: &[String], is_empty: bool) {
        if words.is_empty() || !is_empty {
            return;
        }
        let text = words.join(",");
        let about = |last: Remembered| format!(": the last run was `{}`, {}", last.command, human::ago(Some(last.at)));
        let last = Memory::of(&layout.name).last_run().filter(|_| names_last_run(&text)).map(about);
        self.printer.warning(&format!("nothing is in `{text}`{}", last.unwrap_or_default()));
    }

    /// The end of a command with outcomes: they are shown, remembered for `@failed` and `@unreachable`, and amount to an
    /// exit status.
    pub fn conclude(&self, layout: &Layout, outcomes: &[Outcome]) -> Result<Status, Failure> {
        self.remember(layout, outcomes);
        Ok(self.printer.outcomes(outcomes)?)
    }

    /// The end of a command about this machine alone: its outcome is shown, and remembered nowhere, as no set of a layout
    /// could name it.
    pub fn conclude_here(&self, outcome: Outcome) -> Result<Status, Failure> {
        Ok(self.printer.outcomes(&[outcome])?)
    }

    /// Keeps outcomes that are shown in another way.
    pub fn remember(&self, layout: &Layout, outcomes: &[Outcome]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Memory::of(&layout.name).remember_run(&self.words, now, outcomes);
    }

    /// How hosts are reached.
    pub fn reach(&self) -> Settings {
        let mut settings = Settings::from_env();
        settings.parallel = usize::from(self.global.parallel);
        settings.client = self.global.ssh.map(|way| match way {
            SshWay::Builtin => SshClient::Builtin,
            SshWay::System => SshClient::System,
        });
        // Its own file, also when that was replaced since.
        settings.asker = Some(format!("/proc/{}/exe", std::process::id()).into());
        settings.answers = self.answers.clone();
        settings.prompt = self.printer.is_interactive().then(|| Prompt::new(output::ask_secret));
        settings
    }

    /// How hosts are asked: `--timeout` bounds each host's answer.
    pub fn asking(&self) -> query::Settings {
        let within = self.global.timeout.unwrap_or(query::Settings::WITHIN);
        query::Settings { reach: self.reach(), within, writer: self.writer.clone() }
    }

    /// Asks whether to go on; `--yes` answers for the operator, and without a terminal nothing is done.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.global.yes {
            return Ok(());
        }
        match self.printer.ask(&format!("{question} [y/N]")) {
            Some(answer) if answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes") => Ok(()),
            Some(_) => Err(Failure::Declined),
            None => Err(Failure::Usage {
                what: format!("nothing was done: there is no terminal to ask on. {question}"),
                hint: Some("say --yes to go on without a question".into()),
            }),
        }
    }

    /// Runs a verb to its end, or to Ctrl-C. Builds the runtime that the verb needs.
    pub fn block_on<T>(&self, verb: impl Future<Output = T>) -> Result<T, Failure> {
        let runtime = self.runtime()?;
        let ended = runtime.block_on(async {
            tokio::select! {
                answer = verb => Ok(answer),
                _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
            }
        });
        // What blocks on a name server or a dead session must not hold up the end of the command.
        runtime.shutdown_background();
        ended
    }

    /// Says who changes the cluster as soon as that is seen.
    async fn say_writers(&self) {
        loop {
            self.printer.status(&in_progress(&self.writer.next().await));
        }
    }

    /// The runtime of one command.
    pub fn runtime(&self) -> Result<tokio::runtime::Runtime, Failure> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::here)
    }

    /// Like [`Context::block_on`], for commands that go on until somebody leaves: also ends when the reader of standard
    /// output does.
    pub fn follow<T>(&self, verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let ended = self.block_on(async {
            tokio::select! {
                answer = verb => answer,
                () = output::reader_left() => Err(Failure::ReaderLeft),
                () = self.say_writers() => Err(Failure::Ended),
            }
        });
        match ended {
            Err(Failure::Interrupted) => Err(Failure::Ended),
            ended => ended?,
        }
    }
}

/// The nodes that words name, in the order of the layout; all of them without words.
pub fn select<'a>(layout: &'a Layout, words: &[String]) -> Result<Vec<&'a Node>, Failure> {
    if words.is_empty() {
        return Ok(layout.nodes.iter().collect());
    }
    let text = words.join(",");
    nodeset::select(layout, &text, last_run(layout, &text).as_ref()).map_err(no_set)
}

fn no_set(error: NodeSetError) -> Failure {
    Failure::Usage { what: error.to_string(), hint: None }
}

/// What the last command left behind, where a set needs it.
fn last_run(layout: &Layout, text: &str) -> Option<LastRun> {
    if !names_last_run(text) {
        return None;
    }
    Memory::of(&layout.name).last_run().map(|last| last.sets())
}

fn names_last_run(text: &str) -> bool {
    ["@failed", "@unreachable"].iter().any(|set| text.contains(set))
}
