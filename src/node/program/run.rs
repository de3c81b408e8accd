//! Starts the program, watches it, starts it again, ends it.

use std::io;
use std::path::PathBuf;
use std::slice;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::child::Child;
use super::environment::Surroundings;
use super::health::{Doctor, Health};
use super::policy::{Policy, Timing};
use super::said;
use crate::api::config::{HealthConfig, ProgramConfig};
use crate::api::node::ProgramView;
use crate::node::error::NodeError;
use crate::processes;

/// A program that is to run.
pub(in crate::node) struct Program {
    command: Vec<String>,
    surroundings: Surroundings,
    /// The node's own folder, where it runs.
    folder: PathBuf,
    grace: Duration,
    health: Option<HealthConfig>,
    timing: Timing,
    view: watch::Sender<ProgramView>,
}

impl Program {
    /// The program of a node, and what there is to say of it.
    pub(in crate::node) fn new(
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
            health: config.health.clone(),
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
        self.end_survivors().await;
        let record = processes::group_record(&self.folder);
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
            let pause = policy.exited(started.elapsed(), began.elapsed());
            self.ended(&why, policy.is_failing().then_some(pause));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(pause) => self.view.send_modify(|view| view.restarts += 1),
            }
        }
    }

    /// Ends what an earlier run of the program left behind when its node was killed.
    async fn end_survivors(&self) {
        let left = processes::survivors(slice::from_ref(&self.folder), &[std::process::id()]);
        if left.is_empty() {
            return;
        }
        tracing::warn!("ending {} processes that an earlier run of the program left behind", left.len());
        let left = left.into_iter().map(|survivor| survivor.process).collect();
        match spawn_blocking(|| processes::end(left, Duration::ZERO)).await {
            Ok(deaf) if deaf.is_empty() => {}
            deaf => tracing::error!(?deaf, "an earlier run of the program left processes that do not end"),
        }
    }

    fn start(&self, record: &std::path::Path) -> Result<Child, String> {
        let child = Child::start(&self.command, &self.surroundings, &self.folder)?;
        if let Err(error) = processes::remember_group(record, child.pid()) {
            tracing::warn!(path = %record.display(), %error, "cannot be written");
        }
        tracing::info!(pid = child.pid(), program = %self.command[0], "the program was started");
        self.view.send_modify(|view| view.pid = Some(child.pid()));
        Ok(child)
    }

    /// Until the program ends by itself or has to be ended, and why; none when it was told to end and did.
    async fn attend(&self, child: Child, stop: &CancellationToken) -> Option<String> {
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Attended::Told,
            ended = child.ended() => Attended::Ended(ended),
            why = self.watch_health() => Attended::Ill(why),
            () = self.forgive() => Attended::Told,
        };
        match ended {
            Attended::Told => {
                self.end(child).await;
                None
            }
            Attended::Ill(why) => {
                self.end(child).await;
                Some(format!("was ended: {why}"))
            }
            Attended::Ended(Err(error)) => Some(format!("cannot be watched: {error}")),
            Attended::Ended(Ok(())) => Some(match child.finish().await {
                Ok((status, line)) => said(status, line),
                Err(error) => format!("cannot be waited for: {error}"),
            }),
        }
    }

    /// Forgets what was, bit by bit, of a program that goes on running; never ends.
    async fn forgive(&self) {
        sleep(self.timing.settled_after).await;
        self.view.send_modify(|view| view.settled = true);
        sleep(self.timing.stable_after.saturating_sub(self.timing.settled_after)).await;
        self.view.send_if_modified(|view| {
            view.failing = false;
            !view.unhealthy && view.trouble.take().is_some()
        });
        std::future::pending().await
    }

    /// Asks the health command, if there is one; ends with the reason when the program has failed for as long as it may.
    async fn watch_health(&self) -> String {
        let Some(config) = &self.health else { return std::future::pending().await };
        let mut doctor = Doctor::new(config, &self.surroundings, self.folder.clone());
        loop {
            match doctor.next().await {
                Health::Lost(why) => return why,
                Health::Ill(why) => self.tell_health(Some(why)),
                Health::Well => self.tell_health(None),
            }
        }
    }

    fn tell_health(&self, ill: Option<String>) {
        self.view.send_if_modified(|view| match ill {
            Some(why) => {
                let is_new = !view.unhealthy || view.trouble.as_ref() != Some(&why);
                view.unhealthy = true;
                view.trouble = Some(why);
                is_new
            }
            None if view.unhealthy => {
                view.unhealthy = false;
                view.trouble = None;
                true
            }
            None => false,
        });
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

    /// `long_pause` is that of a failing program.
    fn ended(&self, why: &str, long_pause: Option<Duration>) {
        self.view.send_modify(|view| {
            view.pid = None;
            view.settled = false;
            view.unhealthy = false;
            view.failing = long_pause.is_some();
            view.exits += 1;
            view.trouble = Some(match (view.exits, long_pause) {
                (exits, Some(pause)) => format!(
                    "its program ended {exits} times, and is started again after {} s; the last time it {why}",
                    pause.as_secs()
                ),
                (1, None) => format!("its program {why}"),
                (exits, None) => format!("its program ended {exits} times; the last time it {why}"),
            });
        });
    }
}

/// What became of a running program.
enum Attended {
    /// The node is told to end.
    Told,
    /// It ended by itself.
    Ended(io::Result<()>),
    /// It has to be ended.
    Ill(String),
}
