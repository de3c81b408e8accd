//! What is written down while it happens: files of JSON lines that are bounded, and what a machine of an operator
//! remembers of the commands that changed a cluster.
//!
//! It refuses everything about hosts and nodes; a line is whole or not there, and a crash loses nothing that was written.

mod file;
mod record;
mod store;

pub use file::LineFile;
pub use record::{COMMAND_CHARS, Ending, Event, Record};
pub use store::{Journal, JournalError, new_run, path_of, read};
