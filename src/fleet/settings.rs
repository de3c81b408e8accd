//! What an operator says about reaching hosts, beside the layout.

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bastion::Bastions;
use super::early::Early;
use super::keys::Answers;
use super::ssh_agent::Agents;
use super::system::Gates;
use crate::agent::client::AgentClient;
use crate::layout::SshClient;

/// Settings of one command, shared by all its hosts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many hosts are worked on at once (`--parallel`).
    pub parallel: usize,
    /// `~` of the operator: where `.ssh/` is looked for.
    pub home: PathBuf,
    /// The operator's own login name, the last resort for the name on the host.
    pub operator: String,
    /// The run that requests are part of, where they are part of one.
    pub run: Option<String>,
    /// Socket of the operator's SSH agent (`SSH_AUTH_SOCK`).
    pub ssh_agent: Option<PathBuf>,
    /// Whether the operator's and the system's `ssh_config` count.
    pub ssh_config: bool,
    /// Asks the operator; none where nobody can be asked, and then nothing is.
    pub prompt: Option<Prompt>,
    /// Who speaks SSH, whatever the layout says (`--ssh`).
    pub client: Option<SshClient>,
    /// A program that calls [`answer_question`](super::answer_question) when it starts: the installed `ssh` hands its
    /// questions over through it. None where it may ask nothing.
    pub asker: Option<PathBuf>,
    /// Passphrases that the operator gave.
    pub answers: Answers,
    /// Logins that were begun before they are needed.
    pub(super) early: Early,
    /// SSH agents that were asked whether they answer.
    pub(super) agents: Agents,
    /// Jump hosts that are in use.
    pub(super) bastions: Bastions,
    /// The same for the installed `ssh`.
    pub(super) gates: Gates,
}

impl Settings {
    /// How many hosts are worked on at once unless told otherwise.
    pub const PARALLEL: usize = 64;

    /// Settings from the environment (`HOME`, `USER` or `LOGNAME`, `SSH_AUTH_SOCK`); nobody is asked.
    pub fn from_env() -> Settings {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let operator = ["LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        Settings {
            parallel: Settings::PARALLEL,
            home: path("HOME").unwrap_or_else(|| PathBuf::from("/")),
            operator: operator.unwrap_or_else(|| "root".to_owned()),
            run: None,
            ssh_agent: path("SSH_AUTH_SOCK"),
            ssh_config: true,
            prompt: None,
            answers: Answers::default(),
            client: None,
            asker: None,
            early: Early::default(),
            agents: Agents::default(),
            bastions: Bastions::default(),
            gates: Gates::default(),
        }
    }

    /// Whether the installed `ssh` may have the operator asked.
    pub(super) fn can_ask_for_ssh(&self) -> bool {
        self.prompt.is_some() && self.asker.is_some()
    }

    /// The client, with the names of the operator and of the run.
    pub(super) fn sign(&self, agent: AgentClient) -> AgentClient {
        let agent = agent.with_operator(&self.operator_at());
        match &self.run {
            Some(run) => agent.with_run(run),
            None => agent,
        }
    }

    /// `user@machine`, as an agent's history names the operator.
    pub fn operator_at(&self) -> String {
        let system = rustix::system::uname();
        format!("{}@{}", self.operator, system.nodename().to_string_lossy())
    }
}

/// How long the steps of reaching a host may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For each step after the connection: login, a channel, a short command, starting the agent.
    pub step: Duration,
    /// For bringing the program to the host.
    pub upload: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines { step: Duration::from_secs(20), upload: Duration::from_secs(600) }
    }
}

/// Something that only the operator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The text to show, such as `passphrase of /home/ana/.ssh/id_ed25519: `.
    pub text: &'a str,
    /// How the answer is typed.
    pub answer: Typed,
}

/// How the answer to a [`Question`] is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Without being shown.
    Hidden,
    /// Shown.
    Shown,
    /// Not at all: it is a note.
    Nothing,
}

/// Asks the operator and waits for the answer; none when there is no answer. Called from any thread, one at a time.
#[derive(Clone)]
pub struct Prompt {
    ask: Arc<Mutex<Ask>>,
    clock: Arc<Mutex<AskClock>>,
}

type Ask = dyn FnMut(Question<'_>) -> Option<String> + Send;

/// How long somebody waited for the operator.
#[derive(Default)]
struct AskClock {
    /// Who waits now.
    waiting: usize,
    since: Option<Instant>,
    before: Duration,
}

impl Prompt {
    /// A prompt that calls `ask`.
    pub fn new(ask: impl FnMut(Question<'_>) -> Option<String> + Send + 'static) -> Prompt {
        Prompt { ask: Arc::new(Mutex::new(ask)), clock: Arc::default() }
    }

    /// Blocks until the operator has answered.
    pub(super) fn ask(&self, text: &str, echo: bool) -> Option<Secret> {
        {
            let mut clock = self.clock();
            clock.waiting += 1;
            clock.since.get_or_insert_with(Instant::now);
        }
        let answer = {
            let mut ask = self.ask.lock().unwrap_or_else(PoisonError::into_inner);
            ask(Question { text, answer: if echo { Typed::Shown } else { Typed::Hidden } }).map(Secret)
        };
        let mut clock = self.clock();
        clock.waiting -= 1;
        if clock.waiting == 0
            && let Some(since) = clock.since.take()
        {
            clock.before += since.elapsed();
        }
        answer
    }

    /// Tells the operator something that needs no answer.
    pub(super) fn tell(&self, text: &str) {
        let mut ask = self.ask.lock().unwrap_or_else(PoisonError::into_inner);
        ask(Question { text, answer: Typed::Nothing });
    }

    /// How long hosts waited for the operator so far.
    fn waited(&self) -> Duration {
        let clock = self.clock();
        clock.before + clock.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn clock(&self) -> MutexGuard<'_, AskClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often it is looked whether the operator has answered.
const TYPING_POLL: Duration = Duration::from_millis(200);

impl Settings {
    /// The work, or none when it takes longer; while the operator is asked for something the time stands still.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let waited = || self.prompt.as_ref().map_or(Duration::ZERO, Prompt::waited);
        let (from, before) = (Instant::now(), waited());
        let mut work = pin!(work);
        let mut left = limit;
        loop {
            if let Ok(done) = tokio::time::timeout(left, &mut work).await {
                return Some(done);
            }
            left = (limit + waited().saturating_sub(before)).saturating_sub(from.elapsed());
            if left.is_zero() {
                return None;
            }
            left = left.max(TYPING_POLL);
        }
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prompt")
    }
}

/// A passphrase or password; its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_stands_still_while_the_operator_types() {
        let (answer, answers) = std::sync::mpsc::channel::<String>();
        let prompt = Prompt::new(move |_| answers.recv().ok());
        let settings = Settings { prompt: Some(prompt.clone()), ..Settings::from_env() };
        let limit = Duration::from_millis(50);
        assert_eq!(settings.within(limit, std::future::pending::<()>()).await, None);
        let asked = tokio::task::spawn_blocking(move || prompt.ask("?", false));
        let typing = async {
            // Four times the limit, typed.
            tokio::time::sleep(limit * 4).await;
            answer.send("secret".into()).unwrap();
            asked.await.unwrap()
        };
        // The clock of the prompt starts with the question, on another thread.
        while settings.prompt.as_ref().unwrap().waited().is_zero() {
            tokio::task::yield_now().await;
        }
        assert_eq!(settings.within(limit, typing).await, Some(Some(Secret("secret".into()))));
    }
}
