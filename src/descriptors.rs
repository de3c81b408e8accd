//! The limit of files and connections that a process may have open: each peer of the cluster takes one or two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer than these are used up by some hundred peers, or by strangers that connect.
const FEW: u64 = 4096;

/// Raises the soft limit to the hard one, and says so in the log when even that is low. Systems keep the soft limit at 1,024
/// for programs that use `select`, which none of ours does. Returns the limit in force; none: unlimited.
pub fn raise_limit() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    keep_limit()
}

/// Says so in the log when the soft limit is low. Returns it; none: unlimited.
pub fn keep_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile).current;
    if let Some(limit) = limit.filter(|limit| *limit < FEW) {
        tracing::warn!(
            limit,
            "this process may open {limit} files and connections, which strangers can use up; raise its limit to \
             {FEW} or more (`open_files` in the layout, `ulimit -Hn`, LimitNOFILE= of a systemd unit)"
        );
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let before = getrlimit(Resource::Nofile);
        let lowered = Rlimit { current: before.maximum.map(|maximum| maximum / 2), maximum: before.maximum };
        setrlimit(Resource::Nofile, lowered).expect("lowering a soft limit is always allowed");
        assert_eq!(raise_limit(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
