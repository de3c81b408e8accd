//! Everything that one may ask the task of a node.

use tokio::sync::oneshot;

use super::saved::Spec;

/// What an operator may want of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Run, from now on.
    Start,
    /// Do not run, from now on.
    Stop,
    /// Do not run for now: what an operator wants stays as it is, for the next agent.
    Halt,
    /// Run, with a process that is new.
    Restart,
    /// Run what the current release says, unless an operator stopped it.
    Apply,
    /// After the agent's own start: run if that was wanted and the process is gone.
    Resume,
}

/// What the task makes of a [`Verb`], at once; what becomes of it is seen in the job's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is so already.
    Unchanged,
    /// It has begun.
    Began {
        /// How often the process had ended without being told to, up to now: one more, and it went wrong.
        exits: u64,
    },
}

/// A message to the task of a node.
#[derive(Debug)]
pub enum Message {
    /// How to start and stop it from now on; touches nothing that runs.
    Configure(Box<Spec>),
    /// The process has taken over this much of its configuration (`ManifestNode::live`).
    TookOver(String),
    /// Give the process the limits that it should have now.
    Limit(oneshot::Sender<()>),
    /// What an operator wants.
    Ask(Verb, oneshot::Sender<Answer>),
}
