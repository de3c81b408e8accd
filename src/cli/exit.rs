//! The exit statuses, each documented once: `help exit-status`, the manual page and the program all read this table.

use std::process::ExitCode;

/// What a command's end means to a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All done.
    Done,
    /// A target failed, the others were done.
    Failed,
    /// The command line cannot be understood.
    Usage,
    /// The layout or another file is invalid.
    Invalid,
    /// No target could be reached.
    Unreachable,
    /// Another operator holds the lock.
    Locked,
    /// Waited in vain.
    TimedOut,
    /// `plan` found something to do.
    Changes,
    /// Ctrl-C.
    Interrupted,
    /// The status of a command elsewhere, where that was asked for; not in the table.
    Remote(u8),
}

impl Status {
    /// As a number.
    pub fn code(self) -> u8 {
        match self {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::Invalid => 3,
            Status::Unreachable => 4,
            Status::Locked => 5,
            Status::TimedOut => 6,
            Status::Changes => 10,
            Status::Interrupted => 130,
            Status::Remote(code) => code,
        }
    }
}

/// Every status with what it says, in ascending order.
pub const STATUSES: [(Status, &str); 9] = [
    (Status::Done, "All done; for `status`, all selected nodes are running."),
    (
        Status::Failed,
        "At least one target failed or could not be reached. Each is named on standard error with its reason; \
         the others were done.",
    ),
    (Status::Usage, "The command line is wrong, or names a node that the layout does not have. Nothing was touched."),
    (Status::Invalid, "The layout or another file is invalid. Nothing was touched."),
    (Status::Unreachable, "No target could be reached, or not the manager's host, which keeps the cluster's lock."),
    (Status::Locked, "Another command changes the cluster; it is named on standard error. Nothing was touched."),
    (Status::TimedOut, "Timed out: `wait` or `--wait` at its deadline, or nodes that did not join in time."),
    (Status::Changes, "`plan` found something that a deploy would change."),
    (Status::Interrupted, "Interrupted by Ctrl-C. What the hosts were told before, they finish."),
];

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status.code())
    }
}

/// The table as text, for `help exit-status` and the manual page.
pub fn table() -> String {
    let mut text = String::from("Exit status:\n\n");
    for (status, meaning) in STATUSES {
        text.push_str(&format!("  {:>3}  {meaning}\n", status.code()));
    }
    text.push_str("  101  The program broke an invariant of its own. This is always a bug.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_in_the_table_once_and_in_order() {
        let numbers: Vec<u8> = STATUSES.iter().map(|(status, _)| status.code()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 10, 130]);
        assert!(numbers.iter().all(|n| table().contains(&format!("{n:>3}  "))));
    }
}
