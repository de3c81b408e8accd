//! The record as an answer: what is there, and with `follow` what comes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::log::EventLog;
use crate::api::events::HostEvent;

/// Which events to show.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Only the last so many of those that the other fields let through.
    pub lines: Option<usize>,
    /// Seconds since the epoch; events before it are left out.
    pub since: Option<f64>,
    /// Seconds since the epoch; events after it are left out.
    pub until: Option<f64>,
    /// Only events with a higher number.
    pub after: Option<u64>,
    /// Only events about these nodes; empty for all.
    pub nodes: Vec<String>,
    /// Go on with what happens from now on.
    pub follow: bool,
}

impl EventQuery {
    fn admits(&self, event: &HostEvent) -> bool {
        self.since.is_none_or(|since| event.ts >= since)
            && self.until.is_none_or(|until| event.ts <= until)
            && (self.nodes.is_empty() || event.is_about(&self.nodes))
    }
}

/// One line of JSON for each event.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn feed(log: Arc<EventLog>, query: EventQuery) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send> {
    let (mut events, coming) = log.read()?;
    let last = events.last().map_or(0, |event| event.seq);
    // A record that was begun anew since has lower numbers, and all of it is news.
    let after = query.after.filter(|after| *after <= last).unwrap_or(0);
    events.retain(|event| event.seq > after && query.admits(event));
    let surplus = query.lines.map_or(0, |lines| events.len().saturating_sub(lines));
    events.drain(..surplus);
    let follower = Follower { coming: query.follow.then_some(coming), ready: events.into(), last, log, query };
    Ok(stream::unfold(follower, |mut follower| async move {
        let line = follower.next().await?;
        Some((line, follower))
    }))
}

struct Follower {
    log: Arc<EventLog>,
    query: EventQuery,
    ready: VecDeque<HostEvent>,
    /// The number of the last event that was taken.
    last: u64,
    coming: Option<broadcast::Receiver<HostEvent>>,
}

impl Follower {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if !self.ready.is_empty() {
                return Some(self.piece());
            }
            match self.coming.as_mut()?.recv().await {
                Ok(event) => self.take(event),
                // It read too slowly; the file has what it missed.
                Err(RecvError::Lagged(_)) => match self.log.read() {
                    Ok((events, coming)) => {
                        self.coming = Some(coming);
                        events.into_iter().for_each(|event| self.take(event));
                    }
                    Err(error) => return Some(Err(error)),
                },
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn take(&mut self, event: HostEvent) {
        if event.seq <= self.last {
            return;
        }
        self.last = event.seq;
        if self.query.admits(&event) {
            self.ready.push_back(event);
        }
    }

    /// All that are ready, as one piece: a long record is not sent line by line.
    fn piece(&mut self) -> io::Result<Bytes> {
        let mut piece = Vec::new();
        for event in self.ready.drain(..) {
            serde_json::to_writer(&mut piece, &event)?;
            piece.push(b'\n');
        }
        Ok(piece.into())
    }
}
