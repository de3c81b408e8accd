//! The only room that writes to standard output and standard error. Standard output is the answer, in the format that was
//! asked for; standard error is the conversation: status, warning, hint, error.

mod folded;
pub mod human;
mod json;
mod name;
mod outcomes;
mod pipe;
pub mod plan;
mod printer;
mod problems;
mod progress;
mod record;
mod table;
mod tsv;
mod wording;

pub use pipe::reader_left;
pub use printer::{Printer, ask_secret, colour_allowed};
pub use record::{Column, Record, shown};
pub use wording::Wording;
