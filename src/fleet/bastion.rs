//! Jump hosts, shared by the hosts behind them: one connection to a jump host carries all jumps of a command.
//!
//! sshd opens a jump by connecting on, and libssh2 opens one channel of a session at a time. A host behind the jump host
//! that swallows packets would therefore hold up all the others: a session whose opening does not come about within a
//! moment hands the waiting ones back, and they go through another session, up to [`WAYS`] of them.

use std::collections::HashMap;
use std::fmt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::fault::Fault;
use super::login::Hop;
use super::mailbox::{Dialled, Mailbox, Patience, Request};
use super::route::{Lost, Route};

/// Sessions to one jump host at most; more than one only while hosts behind it give no answer. As many unfinished
/// handshakes as sshd takes without refusing.
const WAYS: usize = 8;

/// The jump hosts of one command, by the way to them.
#[derive(Clone, Default)]
pub(super) struct Bastions(Arc<Mutex<HashMap<Vec<Hop>, Arc<Bastion>>>>);

impl fmt::Debug for Bastions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bastions")
    }
}

impl Bastions {
    /// The jump host at the end of these hops.
    pub fn behind(&self, hops: &[Hop]) -> Arc<Bastion> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(hops.to_vec()).or_insert_with(|| Arc::new(Bastion::new(hops))).clone()
    }
}

/// A jump host, and the sessions to it that are in use.
pub(super) struct Bastion {
    hops: Vec<Hop>,
    ways: tokio::sync::Mutex<Ways>,
}

#[derive(Default)]
struct Ways {
    /// Held by the sessions that go through them.
    open: Vec<Weak<Mailbox>>,
    /// When and why the last login failed: whoever waited for it meanwhile is not made to wait for another one.
    failed: Option<(Instant, Lost)>,
}

impl Bastion {
    fn new(hops: &[Hop]) -> Bastion {
        Bastion { hops: hops.to_vec(), ways: tokio::sync::Mutex::default() }
    }

    /// A stream from the jump host to another machine, and the session that it goes through, which has to be held as long.
    pub fn dial<'a>(
        &'a self,
        route: &'a Route,
        host: &'a str,
        port: u16,
        within: Duration,
    ) -> BoxFuture<'a, Result<(UnixStream, Arc<Mailbox>), DialFailed>> {
        Box::pin(async move {
            loop {
                let (way, patience) = self.way(route).await.map_err(DialFailed::NoWay)?;
                let host = host.to_owned();
                let dialled = way.ask(|reply| Request::Dial { host, port, within, patience, reply }).await;
                match dialled.map_err(DialFailed::Refused)? {
                    Dialled::Stream(stream) => return Ok((stream, way)),
                    Dialled::Busy => tracing::debug!("a jump waits for another host, going around it"),
                }
            }
        })
    }

    /// A session that opens jumps at once; logs in where there is none.
    async fn way(&self, route: &Route) -> Result<(Arc<Mailbox>, Patience), Lost> {
        let asked = Instant::now();
        let mut ways = self.ways.lock().await;
        ways.open.retain(|way| way.strong_count() > 0);
        let living: Vec<Arc<Mailbox>> =
            ways.open.iter().filter_map(Weak::upgrade).filter(|way| way.broken().is_none()).collect();
        if let Some(free) = living.iter().find(|way| !way.is_stuck()) {
            return Ok((free.clone(), Patience::Little));
        }
        if let Some(first) = living.first().filter(|_| living.len() >= WAYS) {
            return Ok((first.clone(), Patience::All));
        }
        if let Some((at, lost)) = &ways.failed
            && *at >= asked
        {
            return Err(lost.clone());
        }
        match route.open_jump(&self.hops).await {
            Ok(way) => {
                let way = Arc::new(way);
                ways.open.push(Arc::downgrade(&way));
                Ok((way, Patience::Little))
            }
            Err(lost) => {
                ways.failed = Some((Instant::now(), lost.clone()));
                Err(lost)
            }
        }
    }
}

/// Why a host behind a jump host was not dialled.
pub(super) enum DialFailed {
    /// The jump host was not reached.
    NoWay(Lost),
    /// It does not reach the host.
    Refused(Fault),
}
