//! Events of all hosts, merged by time.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::mpsc;

use super::ask::{self, Silent, broken_off};
use super::merge::{Read, Reader, Timed, merged};
use super::settings::{Settings, Writer};
use crate::agent::client::{EventQuery, Follow};
use crate::api::events::{HostEvent, Severity};
use crate::data::NodeType;
use crate::fleet::Host;
use crate::layout::{Layout, Node};

/// One event of one host. This is its JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRow {
    /// The host, whose clock `ts` is of.
    pub host: String,
    /// How much it matters.
    pub severity: Severity,
    /// In words.
    pub text: String,
    /// The event as its host wrote it down.
    #[serde(flatten)]
    pub event: HostEvent,
}

impl Timed for EventRow {
    fn ts(&self) -> f64 {
        self.event.ts
    }
}

/// Hands each event of the hosts of `nodes`, and of the manager's, where commands are on record, to `row`, earliest first. Returns the hosts that gave no answer, or broke off;
/// an error of `row` ends it. A followed host that is lost is told to `lost`, once until it is there again, and read on
/// behind the last event that it told of.
///
/// # Errors
/// The first error of `row`, and nothing else.
pub async fn events<E>(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    query: &EventQuery,
    row: impl FnMut(&EventRow) -> Result<(), E>,
    lost: impl FnMut(&Silent),
) -> Result<Vec<Silent>, E> {
    let manager = layout.nodes.iter().filter(|node| node.node_type == NodeType::Manager);
    let asked: Vec<&Node> = nodes.iter().copied().chain(manager).collect();
    let hosts = ask::reachable(layout, &ask::hosts_of(layout, &asked), settings);
    let reader = |host| EventReader { host, query: query.clone(), writer: settings.writer.clone(), begun: None };
    merged(hosts.into_iter().map(reader).collect(), query.follow, query.lines, row, lost).await
}

/// Reads the record of one host.
struct EventReader {
    host: Arc<dyn Host>,
    query: EventQuery,
    writer: Writer,
    /// When the first connection was made, seconds since the epoch.
    begun: Option<f64>,
}

/// How far the clocks of a host and of this machine may be apart where no event says where to go on.
const APART: f64 = 5.0;

impl EventReader {
    /// The query of the next connection: behind the last event; where there was none, from the first connection on.
    fn next_query(&mut self) -> EventQuery {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        match self.begun {
            None => self.begun = Some(now),
            Some(begun) if self.query.after.is_none() => {
                self.query.since = Some(begun - APART);
                self.query.lines = None;
            }
            Some(_) => self.query.lines = None,
        }
        self.query.clone()
    }
}

impl Reader for EventReader {
    type Line = EventRow;

    async fn read_once(&mut self, lines: &mpsc::Sender<Read<EventRow>>, reads: &mut bool) -> Result<(), Silent> {
        let session = ask::open(self.host.as_ref()).await?;
        let query = self.next_query();
        let mut stream = session.agent().events(&query).await.map_err(|error| broken_off(&session, error))?;
        self.writer.note(session.agent());
        *reads = true;
        while let Some(event) = stream.next().await {
            let event = event.map_err(|error| broken_off(&session, error.into()))?;
            self.query.after = Some(event.seq);
            let (host, severity, text) = (self.host.name().to_owned(), event.what.severity(), event.what.to_string());
            if lines.send(Read::Line(EventRow { host, severity, text, event })).await.is_err() {
                return Ok(());
            }
        }
        match self.query.follow {
            Follow::Yes => Err(Silent::ended(self.host.name())),
            Follow::No => Ok(()),
        }
    }
}
