//! `cluster.log` of all loggers, merged by time.
//!
//! Each logger's lines arrive in the order in which it wrote them, which is nearly, not quite, the order of their times.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::ask::{self, Silent, broken_off};
use super::merge::{REORDER_LINES, Read, Reader, Timed, merged};
use super::settings::{Settings, Writer};
use crate::agent::client::{Follow, LogQuery};
use crate::api::agent::LogLine;
use crate::data::NodeType;
use crate::fleet::Host;
use crate::layout::{Layout, Node};

/// How far back a host is read again that was lost: its loggers' lines are not quite in the order of their times.
const READ_AGAIN: f64 = 5.0;

/// Hands each line to `line`, earliest first. Returns the hosts that gave no answer, or broke off; an error of `line` ends
/// it. A followed host that is lost is told to `lost`, once until it is there again.
///
/// # Errors
/// The first error of `line`, and nothing else.
pub async fn log<E>(
    layout: &Layout,
    settings: &Settings,
    options: &LogQuery,
    line: impl FnMut(&LogLine) -> Result<(), E>,
    lost: impl FnMut(&Silent),
) -> Result<Vec<Silent>, E> {
    let hosts = ask::reachable(layout, &ask::hosts_of(layout, &log_writers(layout)), settings);
    let reader =
        |host| LogReader { host, query: options.clone(), writer: settings.writer.clone(), recent: Recent::default() };
    merged(hosts.into_iter().map(reader).collect(), options.follow, options.lines, line, lost).await
}

/// The nodes that write log files.
pub fn log_writers(layout: &Layout) -> Vec<&Node> {
    let writes = |node: &&Node| {
        node.node_type == NodeType::Logger || (layout.manager_is_logger && node.node_type == NodeType::Manager)
    };
    layout.nodes.iter().filter(writes).collect()
}

/// Reads the loggers of one host.
struct LogReader {
    host: Arc<dyn Host>,
    query: LogQuery,
    writer: Writer,
    recent: Recent,
}

impl Timed for LogLine {
    fn ts(&self) -> f64 {
        self.ts
    }
}

impl Reader for LogReader {
    type Line = LogLine;

    async fn read_once(&mut self, lines: &mpsc::Sender<Read<LogLine>>, reads: &mut bool) -> Result<(), Silent> {
        let query = self.recent.query_behind(self.query.clone());
        let session = ask::open(self.host.as_ref()).await?;
        let mut stream = session.agent().log(&query).await.map_err(|error| broken_off(&session, error))?;
        self.writer.note(session.agent());
        *reads = true;
        let mut seen = self.recent.lines.clone();
        while let Some(line) = stream.next().await {
            let line = line.map_err(|error| broken_off(&session, error.into()))?;
            if let Some(at) = seen.iter().position(|before| *before == line) {
                seen.swap_remove_back(at);
                continue;
            }
            if query.follow == Follow::Yes {
                self.recent.note(&line);
            }
            if lines.send(Read::Line(line)).await.is_err() {
                return Ok(());
            }
        }
        match query.follow {
            // An agent that ends is followed by another one.
            Follow::Yes => Err(Silent::ended(self.host.name())),
            Follow::No => Ok(()),
        }
    }
}

/// The lines of the last [`READ_AGAIN`] seconds of a host, at most [`REORDER_LINES`].
#[derive(Default)]
struct Recent {
    lines: VecDeque<LogLine>,
    /// The latest time.
    until: Option<f64>,
}

impl Recent {
    fn note(&mut self, line: &LogLine) {
        let until = self.until.map_or(line.ts, |until| until.max(line.ts));
        self.until = Some(until);
        self.lines.push_back(line.clone());
        while self.lines.front().is_some_and(|first| first.ts < until - READ_AGAIN) || self.lines.len() > REORDER_LINES
        {
            self.lines.pop_front();
        }
    }

    /// The query that goes on behind these lines; the same where there are none.
    fn query_behind(&self, query: LogQuery) -> LogQuery {
        match self.until {
            Some(until) => LogQuery { lines: None, since: Some(until - READ_AGAIN), ..query },
            None => query,
        }
    }
}
