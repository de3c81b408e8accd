//! How a process ended, in words.

use std::process::ExitStatus;

use crate::node::child::in_words;

/// Its exit status and the last line of its standard error.
pub(super) fn said(status: ExitStatus, line: Option<String>) -> String {
    match line {
        Some(line) => format!("{}: {line}", in_words(status)),
        None => in_words(status),
    }
}
