//! What the capability tests share: a sandbox that runs the real program, machines made of network namespaces, processes
//! that run beside a test, and a foreign member of a cluster.

mod background;
mod certificates;
mod fleet;
mod hosts;
mod lacking;
mod nobody;
mod peer;
mod python;
mod sandbox;
#[allow(dead_code, reason = "stories are played by the tests in `src/`")]
pub mod simulation;
mod small_disk;
mod systemd;

pub use background::{Background, Line};
pub use certificates::Authority;
pub use fleet::{Fleet, GATE, INNER, Taken};
pub use hosts::{Machines, has_machines};
pub use lacking::ignored;
pub use nobody::Nobody;
pub use peer::{Keys, Peer};
pub use python::python_with;
pub use sandbox::{Output, Sandbox, finish, free_ports, kill_agent};
pub use small_disk::{SmallDisk, pad_to_a_page};
pub use systemd::{Systemd, can_boot};
