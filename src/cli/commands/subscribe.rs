//! `subscribe`: the events of a running cluster, one a line.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::cli::connect::{ConnectArgs, JOIN_WITHIN, Target};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human};
use crate::cli::zeek_values;
use crate::node::ObservedEvent;

/// Print the events that are published on topics, until Ctrl-C
///
/// Joins the cluster as an observer that no node notices: that of the layout, or the one that `--connect` names. Prints one
/// event a line as it comes, and says on standard error from when on none is missed. Ends at Ctrl-C, after `-n` events, or
/// after `--timeout`: with exit status 6 when `-n` events did not come by then.
///
/// Columns: ts (of arrival, seconds since the epoch), topic, sender (its node id), event, args. With `-o json` each line is
/// the data message of Zeek's WebSocket API, the event in broker-json-v1, with `ts` and `sender` beside it.
#[derive(Debug, clap::Args)]
pub struct Subscribe {
    /// Show events whose topic begins so, such as zeek.cluster.worker; an empty one is every topic
    #[arg(value_name = "TOPIC", required = true)]
    topics: Vec<String>,

    /// End after N events
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,

    #[command(flatten)]
    connect: ConnectArgs,
}

impl Subscribe {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let target = self.connect.target_or_layout(cx)?;
        let limit = cx.global.timeout;
        cx.follow(async {
            let mut shown = 0;
            let printing = self.print(cx, &target, &mut shown);
            let Some(limit) = limit else { return printing.await };
            match tokio::time::timeout(limit, printing).await {
                Ok(ended) => ended,
                Err(_) => self.out_of_time(shown),
            }
        })
    }

    async fn print(&self, cx: &Context, target: &Target, shown: &mut u64) -> Result<Status, Failure> {
        let mut observer = target.join(JOIN_WITHIN).await?;
        for topic in &self.topics {
            observer.subscribe(topic).map_err(|error| Failure::usage(error.to_string()))?;
        }
        observer.ready(JOIN_WITHIN).await.map_err(Failure::observer)?;
        cx.printer.status(&format!("subscribed to {}", quoted(&self.topics)));
        let mut lost = 0;
        while self.events.is_none_or(|events| *shown < events) {
            let event = observer.next().await.ok_or_else(ended)?;
            cx.printer.row(&EventRow::new(&event, SystemTime::now()))?;
            *shown += 1;
            let now_lost = observer.lost();
            if now_lost > lost {
                cx.printer.warning(&format!("{} events were lost or could not be read", now_lost - lost));
                lost = now_lost;
            }
        }
        Ok(Status::Done)
    }

    /// Without a number of events, the time that was given is how long to listen.
    fn out_of_time(&self, shown: u64) -> Result<Status, Failure> {
        match self.events {
            None => Ok(Status::Done),
            Some(events) => {
                let what = format!("{shown} of {events} events on {} in time", quoted(&self.topics));
                Err(Failure::TimedOut { what })
            }
        }
    }
}

fn ended() -> Failure {
    Failure::Unreachable { what: "the connection to the cluster has ended".into(), hint: None }
}

fn quoted(topics: &[String]) -> String {
    let quoted: Vec<String> = topics.iter().map(|topic| format!("`{topic}`")).collect();
    quoted.join(", ")
}

/// An event, as a line of each format.
struct EventRow {
    ts: f64,
    topic: String,
    sender: String,
    event: String,
    args: String,
    json: String,
}

impl EventRow {
    fn new(seen: &ObservedEvent, arrived: SystemTime) -> EventRow {
        let ts = arrived.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        EventRow {
            ts,
            topic: zeek_values::escaped(&seen.topic),
            sender: zeek_values::escaped(&seen.sender),
            event: zeek_values::escaped(&seen.event.name),
            args: zeek_values::list(&seen.event.args),
            json: seen.to_json(ts),
        }
    }
}

impl Serialize for EventRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Members(members) = serde_json::from_str(&self.json).map_err(S::Error::custom)?;
        serializer.collect_map(members)
    }
}

/// The members of a JSON object in their order.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

impl Record for EventRow {
    const COLUMNS: &'static [Column] =
        &[Column::stays("TIME"), Column::stays("TOPIC"), Column::stays("SENDER"), Column::note("EVENT")];

    fn cells(&self) -> Vec<String> {
        let event = format!("{}({})", self.event, self.args);
        vec![human::local_time(self.ts), self.topic.clone(), self.sender.clone(), event]
    }

    fn fields(&self) -> Vec<String> {
        let ts = format!("{:.6}", self.ts);
        vec![ts, self.topic.clone(), self.sender.clone(), self.event.clone(), self.args.clone()]
    }

    fn name(&self) -> &str {
        &self.event
    }
}
