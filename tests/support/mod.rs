//! What the capability tests share: a sandbox that runs the real program, and machines made of network namespaces.

mod hosts;
mod sandbox;

pub use hosts::{Machines, can_make_machines};
pub use sandbox::Sandbox;
