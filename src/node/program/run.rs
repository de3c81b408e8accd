//! Starts the program, watches it, starts it again, ends it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::child::Child;
use super::environment::Surroundings;
use super::policy::{Next, Policy, Timing};
use super::survivors;
use crate::api::config::ProgramConfig;
use crate::api::node::ProgramView;
use crate::node::child::in_words;
use crate::node::error::NodeError;

/// A program that is to run.
pub(in crate::node) struct Program {
    command: Vec<String>,
    surroundings: Surroundings,
    /// The node's own folder, where it runs.
    folder: PathBuf,
    grace: Duration,
    name: String,
    timing: Timing,
    view: watch::Sender<ProgramView>,
}

impl Program {
    /// The program of a node, and what there is to say of it.
    pub(in crate::node) fn new(
        name: &str,
        config: &ProgramConfig,
        surroundings: Surroundings,
        folder: PathBuf,
    ) -> (Program, watch::Receiver<ProgramView>) {
        let (view, seen) = watch::channel(ProgramView::default());
        let program = Program {
            command: config.command.clone(),
            surroundings,
            folder,
            grace: Duration::from_millis(config.stop_grace_ms),
            name: name.to_owned(),
            timing: Timing::default(),
            view,
        };
        (program, seen)
    }

    #[cfg(test)]
    pub(super) fn with_timing(self, timing: Timing) -> Program {
        Program { timing, ..self }
    }

    /// Runs it until told to stop. Never fails for the program's sake.
    pub(in crate::node) async fn run(self, stop: CancellationToken) -> Result<(), NodeError> {
        let record = survivors::record(&self.folder);
        match survivors::end(&record) {
            Ok(0) => {}
            Ok(count) => tracing::warn!("ended {count} processes that an earlier run of the program had left behind"),
            Err(error) => tracing::warn!(%error, "cannot look for what an earlier run of the program left behind"),
        }
        let began = Instant::now();
        let mut policy = Policy::new(self.timing);
        loop {
            let started = Instant::now();
            let why = match self.start(&record) {
                Err(why) => why,
                Ok(child) => match self.attend(child, &stop).await {
                    Some(why) => why,
                    None => return Ok(()),
                },
            };
            tracing::warn!("the program {why}");
            match policy.exited(started.elapsed(), began.elapsed()) {
                Next::StartAfter(pause) => {
                    self.ended(&why);
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        () = sleep(pause) => self.view.send_modify(|view| view.restarts += 1),
                    }
                }
                Next::GiveUp => {
                    self.gave_up(&why);
                    stop.cancelled().await;
                    return Ok(());
                }
            }
        }
    }

    fn start(&self, record: &std::path::Path) -> Result<Child, String> {
        let child = Child::start(&self.command, &self.surroundings, &self.folder)?;
        if let Err(error) = survivors::remember(record, child.pid()) {
            tracing::warn!(path = %record.display(), %error, "cannot be written");
        }
        tracing::info!(pid = child.pid(), program = %self.command[0], "the program was started");
        self.view.send_modify(|view| view.pid = Some(child.pid()));
        Ok(child)
    }

    /// Until the program ends by itself, and why; none when it was told to end and did.
    async fn attend(&self, child: Child, stop: &CancellationToken) -> Option<String> {
        let forgive = async {
            sleep(self.timing.stable_after).await;
            self.view.send_if_modified(|view| view.trouble.take().is_some());
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            ended = child.ended() => Some(ended),
            () = forgive => None,
        };
        match ended {
            None => {
                self.end(child).await;
                None
            }
            Some(Err(error)) => Some(format!("cannot be watched: {error}")),
            Some(Ok(())) => Some(match child.finish().await {
                Ok((status, line)) => said(status, line),
                Err(error) => format!("cannot be waited for: {error}"),
            }),
        }
    }

    /// SIGTERM, and SIGKILL when it takes too long.
    async fn end(&self, child: Child) {
        child.terminate();
        if timeout(self.grace, child.ended()).await.is_err() {
            tracing::warn!("the program did not end within {} s of SIGTERM, sending SIGKILL", self.grace.as_secs_f64());
            child.kill();
            // Only the kernel can hold it up now; the way out of the whole node has a deadline.
            let _ended = child.ended().await;
        }
        match child.finish().await {
            Ok((status, line)) => tracing::info!("the program {}", said(status, line)),
            Err(error) => tracing::warn!(%error, "the program cannot be waited for"),
        }
    }

    fn ended(&self, why: &str) {
        self.view.send_modify(|view| {
            view.pid = None;
            view.exits += 1;
            view.trouble = Some(match view.exits {
                1 => format!("its program {why}"),
                exits => format!("its program ended {exits} times; the last time it {why}"),
            });
        });
    }

    fn gave_up(&self, why: &str) {
        self.view.send_modify(|view| {
            view.pid = None;
            view.exits += 1;
            view.trouble = Some(format!(
                "its program ended {} times and is not started again (zeek-cluster restart {}); the last time it {why}",
                view.exits, self.name
            ));
        });
        tracing::error!("the program ended too often and is not started again");
    }
}

fn said(status: ExitStatus, line: Option<String>) -> String {
    match line {
        Some(line) => format!("{}: {line}", in_words(status)),
        None => in_words(status),
    }
}
