//! Commands that change the cluster: one at a time, under its lock, and written down while they work.

use std::cell::Cell;
use std::time::Duration;

use super::args::LockArgs;
use super::context::Context;
use super::failure::Failure;
use super::output::human;
use crate::api::agent::Holder;
use crate::deploy::{
    Answer, COMMAND_CHARS, Claim, End, Ending, Interrupt, Interrupter, Lease, LockError, Needs, Progress, Run,
    Settings, StepName, quote,
};
use crate::layout::Layout;

/// Longer command lines are not kept word by word.
const ARGS_BYTES: usize = 64 << 10;

impl Context {
    /// Runs a verb that changes these hosts of the cluster: takes its lock, and tells the history of this machine and of the
    /// hosts what happens and how it ended.
    pub fn change<T: Answer>(
        &self,
        layout: &Layout,
        lock: &LockArgs,
        needs: Needs,
        hosts: &[&str],
        verb: impl AsyncFnOnce(&Settings, &dyn Progress) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let verb = async |settings: &Settings, progress: &dyn Progress, _| verb(settings, progress).await;
        self.change_until(layout, lock, needs, hosts, CtrlC::Ends, verb)
    }

    /// Like [`Context::change`], for verbs that can end between two steps: while one works, the first Ctrl-C asks it to, and
    /// the second one ends the command at once.
    pub fn change_in_steps<T: Answer>(
        &self,
        layout: &Layout,
        lock: &LockArgs,
        needs: Needs,
        hosts: &[&str],
        verb: impl AsyncFnOnce(&Settings, &dyn Progress, Interrupt) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.change_until(layout, lock, needs, hosts, CtrlC::Asks, verb)
    }

    fn change_until<T: Answer>(
        &self,
        layout: &Layout,
        lock: &LockArgs,
        needs: Needs,
        hosts: &[&str],
        ctrl_c: CtrlC,
        verb: impl AsyncFnOnce(&Settings, &dyn Progress, Interrupt) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let runtime = self.runtime()?;
        let ended = runtime.block_on(self.change_within(layout, lock, needs, hosts, ctrl_c, verb));
        // What blocks on a name server or a dead session must not hold up the end of the command.
        runtime.shutdown_background();
        ended
    }

    async fn change_within<T: Answer>(
        &self,
        layout: &Layout,
        lock: &LockArgs,
        needs: Needs,
        hosts: &[&str],
        ctrl_c: CtrlC,
        verb: impl AsyncFnOnce(&Settings, &dyn Progress, Interrupt) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (interrupter, interrupt) = Interrupt::new();
        let begun = Cell::new(false);
        let (mut settings, command, bar) = (self.reach(), typed(), self.printer.progress());
        let run = Run::begin(&layout.name, &command, &args(), &settings, &bar);
        settings.run = Some(run.id().to_owned());
        let mut lease = None;
        let answer = tokio::select! {
            answer = async {
                let claim = Claim { run: run.id(), command: &command, wait: Duration::ZERO, needs, hosts };
                lease = self.lock(layout, lock, claim, &run, &settings).await?;
                let step = run.step_name();
                begun.set(true);
                tokio::select! {
                    biased;
                    why = lost(lease.as_mut(), step) => Err(Failure::LockLost(why)),
                    answer = verb(&settings, &run, interrupt) => answer,
                }
            } => answer,
            () = self.interrupted(ctrl_c, &begun, &interrupter) => Err(Failure::Interrupted),
        };
        bar.finish();
        let trouble = run.end(lease, &end_of(&answer)).await;
        if let Some(trouble) = trouble {
            self.printer.warning(&format!("the history on this machine is not complete: {trouble}"));
        }
        answer
    }

    /// Ends when the command is to end at once.
    async fn interrupted(&self, ctrl_c: CtrlC, begun: &Cell<bool>, interrupter: &Interrupter) {
        let heard = tokio::signal::ctrl_c().await.is_ok();
        if heard && ctrl_c == CtrlC::Asks && begun.get() {
            interrupter.raise();
            self.printer.warning(
                "interrupted: nothing new is begun, the step under way is brought to its end; Ctrl-C again leaves at once",
            );
            // Without signals there is no second one.
            let _ = tokio::signal::ctrl_c().await;
        }
    }

    async fn lock(
        &self,
        layout: &Layout,
        lock: &LockArgs,
        mut claim: Claim<'_>,
        run: &Run<'_>,
        settings: &Settings,
    ) -> Result<Option<Lease>, Failure> {
        if lock.no_lock {
            self.printer
                .warning("going on without the cluster's lock: nothing keeps another operator from changing it too");
            return Ok(None);
        }
        let taken = match (run.lock(layout, settings, &claim).await, lock.wait) {
            (Err(LockError::Held(holder)), Some(wait)) => {
                self.printer.status(&format!("{}; waiting", locked_by(&holder)));
                claim.wait = wait;
                run.lock(layout, settings, &claim).await
            }
            (taken, _) => taken,
        };
        taken.map_err(Failure::lock)
    }
}

/// What Ctrl-C does to a command that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CtrlC {
    /// It ends at once.
    Ends,
    /// The first one asks it to end after the step under way.
    Asks,
}

/// Never, when there is no lock to lose.
async fn lost(lease: Option<&mut Lease>, step: StepName) -> String {
    match lease {
        Some(lease) => lease.keep(step).await,
        None => std::future::pending().await,
    }
}

fn end_of<T: Answer>(answer: &Result<T, Failure>) -> End<'_> {
    match answer {
        Ok(answer) => End {
            ending: match answer.is_interrupted() {
                true => Ending::Interrupted,
                false => Ending::of(answer.outcomes()),
            },
            release: answer.release(),
            outcomes: answer.outcomes(),
            error: None,
        },
        Err(failure) => {
            let ending = match failure {
                Failure::Locked { .. } | Failure::TimedOut { .. } | Failure::Unreachable { .. } => Ending::Refused,
                Failure::Interrupted | Failure::LockLost(_) => Ending::Interrupted,
                _ => Ending::Failed,
            };
            End { ending, release: None, outcomes: &[], error: Some(failure.to_string()) }
        }
    }
}

/// The words that were typed, without the program's name; none when they cannot be kept.
fn args() -> Vec<String> {
    let words: Option<Vec<String>> = std::env::args_os().skip(1).map(|word| word.into_string().ok()).collect();
    let is_short = |words: &Vec<String>| words.iter().map(String::len).sum::<usize>() <= ARGS_BYTES;
    words.filter(is_short).unwrap_or_default()
}

/// The command as it was typed, without the program's name.
fn typed() -> String {
    let words = std::env::args_os().skip(1).map(|word| quote(&word.to_string_lossy()));
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(COMMAND_CHARS).collect()
}

/// Such as `locked by ana@ops1 (pid 4711) since 14:02:11: deploy --on-failure stop`.
pub fn locked_by(holder: &Holder) -> String {
    let Holder { operator, pid, command, since, .. } = holder;
    format!("locked by {operator} (pid {pid}) since {}: {command}", human::clock(*since))
}

/// Such as `deploy by ana@ops1 in progress since 14:02:11 (staging the release)`.
pub fn in_progress(holder: &Holder) -> String {
    let step = holder.step.as_ref().map(|step| format!(" ({step})")).unwrap_or_default();
    format!("`{}` by {} in progress since {}{step}", holder.command, holder.operator, human::clock(holder.since))
}
