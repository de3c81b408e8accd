//! A program that runs under a node: a sensor in any language becomes a member of the cluster.
//!
//! The node stays what it is; the program is its child, in a process group of its own, and speaks to the cluster through a
//! WebSocket server that its environment names. It is started again with growing pauses, up to five minutes, for ever; whatever
//! it left running is ended with it, and all of it with the node. Where the layout has a health command, a program that
//! does not work is told of, and restarted when that lasts.
//!
//! Locking: a program's group is written to `run/NODE/program`, and the node's folder is in the environment of all that it starts,
//! so that the next run of the node, or a stop, ends what a killed one left ([`processes`](crate::processes)).
//! Failure: a program that does not run never takes its node down; the node's view says so.

mod child;
mod environment;
mod health;
mod policy;
mod report;
mod run;

#[cfg(test)]
mod tests;

pub(super) use environment::Surroundings;
use report::said;
pub(super) use run::Program;
