//! The handle of one supervised node.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::link::NodeClient;
use super::messages::{Answer, Message, Verb};
use super::saved::{Saved, Spec};
use super::state::{ExitNote, Timing};
use super::task;
use crate::agent::events::EventLog;
use crate::api::agent::NodeStatus;
use crate::api::limits::Limits;
use crate::api::node::NodeView;
use crate::api::paths::ClusterDir;

/// Messages that may wait for a task; senders wait when there are more.
const MAILBOX: usize = 16;

/// The task that supervises a node has ended, which it does only when the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent no longer supervises it: the agent is ending")]
pub struct TaskEnded;

/// What is known of a node at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// For operators.
    pub status: NodeStatus,
    /// Whether it came up, see `Machine::is_ready`.
    pub ready: bool,
    /// See [`Answer::Began`].
    pub exits: u64,
    /// Whether SIGKILL was sent and it has not ended yet, or ended by it.
    pub killed: bool,
    /// What the node said last, while it answers.
    pub view: Option<Arc<NodeView>>,
    /// Whether it is a program of someone else.
    pub foreign: bool,
    /// `ManifestNode::live` of the current release.
    pub live_wanted: String,
    /// `ManifestNode::limits` of the current release.
    pub limits_wanted: Limits,
    /// How its last process ended, as far as this agent saw it.
    pub last_exit: ExitNote,
}

/// Where a task tells what becomes of its node.
#[derive(Clone)]
pub struct Listeners {
    /// Counted up whenever a node's status changes.
    pub changes: watch::Sender<u64>,
    /// The record of the host.
    pub events: Arc<EventLog>,
}

/// The handle of one supervised node; its task ends when the last handle is dropped, its process does not.
#[derive(Clone)]
pub struct Job {
    mailbox: mpsc::Sender<Message>,
    view: watch::Receiver<JobView>,
    client: NodeClient,
}

impl Job {
    /// Supervises a node: adopts its process if one runs, else waits to be asked. `found` is a process of it that was seen,
    /// for where its record is damaged. `listeners` hear of what becomes of it.
    pub fn supervise(
        dir: &ClusterDir,
        spec: Spec,
        saved: Option<Saved>,
        found: Option<u32>,
        timing: Timing,
        listeners: Listeners,
    ) -> Job {
        let client = NodeClient::new(dir, &spec.node.name);
        let (mailbox, messages) = mpsc::channel(MAILBOX);
        let task = task::Task::new(dir.clone(), spec, saved, found, timing, client.clone(), listeners);
        let view = task.subscribe();
        tokio::spawn(task.run(messages));
        Job { mailbox, view, client }
    }

    /// How to start and stop it from now on; touches nothing that runs.
    ///
    /// # Errors
    /// [`TaskEnded`].
    pub async fn configure(&self, spec: Spec) -> Result<(), TaskEnded> {
        self.send(Message::Configure(Box::new(spec))).await
    }

    /// Notes that the process has taken over what `ManifestNode::live` is the hash of.
    ///
    /// # Errors
    /// [`TaskEnded`].
    pub async fn took_over(&self, live: String) -> Result<(), TaskEnded> {
        self.send(Message::TookOver(live)).await
    }

    /// Gives the process the limits of the current release; returns when it has them.
    ///
    /// # Errors
    /// [`TaskEnded`].
    pub async fn limit(&self) -> Result<(), TaskEnded> {
        let (reply, done) = oneshot::channel();
        self.send(Message::Limit(reply)).await?;
        done.await.map_err(|_| TaskEnded)
    }

    /// Asks for something; the answer comes at once, what becomes of it is seen with [`Job::until`].
    ///
    /// # Errors
    /// [`TaskEnded`].
    pub async fn ask(&self, verb: Verb) -> Result<Answer, TaskEnded> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Ask(verb, reply)).await?;
        answer.await.map_err(|_| TaskEnded)
    }

    /// Waits until the node is as `done` wants it, and returns how it is then.
    ///
    /// # Errors
    /// [`TaskEnded`].
    pub async fn until(&self, done: impl FnMut(&JobView) -> bool) -> Result<JobView, TaskEnded> {
        let mut view = self.view.clone();
        view.wait_for(done).await.map(|view| view.clone()).map_err(|_| TaskEnded)
    }

    /// How the node is now.
    pub fn view(&self) -> JobView {
        self.view.borrow().clone()
    }

    /// A view with this status and nothing beside it.
    #[cfg(test)]
    pub fn view_for_tests(status: NodeStatus) -> JobView {
        JobView {
            status,
            ready: false,
            exits: 0,
            killed: false,
            view: None,
            foreign: false,
            live_wanted: String::new(),
            limits_wanted: Limits::default(),
            last_exit: ExitNote::default(),
        }
    }

    /// The node's own socket.
    pub fn client(&self) -> &NodeClient {
        &self.client
    }

    async fn send(&self, message: Message) -> Result<(), TaskEnded> {
        self.mailbox.send(message).await.map_err(|_| TaskEnded)
    }
}
