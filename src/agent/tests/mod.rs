//! The agent as a process of its own, with real nodes.
//!
//! The agent and the nodes that answer on `node.sock` are this very test program, run again with the name of one ignored
//! test each ([`harness::agent_process`], [`harness::node_process`]); other nodes are shell scripts.

mod harness;
mod lifecycle;
mod limits;
mod lock;
mod releases;
mod survival;
