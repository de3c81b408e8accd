//! `publish`: one event into a running cluster.

use crate::cli::connect::{ConnectArgs, JOIN_WITHIN, Target};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::zeek_values;
use crate::data::Event;

/// Publish an event on a topic
///
/// Joins the cluster as an observer that no node notices: that of the layout, or the one that `--connect` names. Waits until
/// it is known who is subscribed to what, so the event arrives although the command ends at once. When nobody is subscribed
/// to the topic, nothing is published, and the exit status is 1.
///
/// Arguments are `TYPE:VALUE` or JSON. The types are bool (T), count, int, real, string, addr, subnet (10.0.0.0/8), port
/// (80/tcp), time (seconds since the epoch, or a date), interval (5s), enum (Notice::LOG), set, vector and table (of JSON,
/// such as set:[1,2] and table:{"a":1}). Of plain JSON, 5 is a count, -5 an int, 1.5 a real, "x" a string, [1,2] a vector and
/// null an unset value; an object is a value of broker-json-v1, such as {"@data-type":"address","data":"192.0.2.1"}.
#[derive(Debug, clap::Args)]
pub struct Publish {
    /// The topic, such as zeek.cluster.worker or zeek.cluster.node.worker-1.
    #[arg(value_name = "TOPIC")]
    topic: String,

    /// The event's full name, such as MyModule::my_event
    #[arg(value_name = "EVENT")]
    event: String,

    /// The event's arguments, such as count:5, addr:192.0.2.1 or '["a","b"]'
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    args: Vec<String>,

    #[command(flatten)]
    connect: ConnectArgs,
}

impl Publish {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let args = self.args.iter().map(|arg| zeek_values::read(arg)).collect::<Result<_, _>>();
        let event = Event::new(&self.event, args.map_err(Failure::usage)?);
        let target = self.connect.target_or_layout(cx)?;
        cx.block_on(self.publish(cx, &target, &event))?
    }

    async fn publish(&self, cx: &Context, target: &Target, event: &Event) -> Result<Status, Failure> {
        let observer = target.join(cx.global.timeout.unwrap_or(JOIN_WITHIN)).await?;
        if !observer.has_subscriber(self.topic.as_bytes()) {
            cx.printer.error(&format!("nobody is subscribed to `{}`; nothing was published", self.topic));
            cx.printer.hint("topics are matched as prefixes, such as zeek.cluster.node.NAME. with its last dot");
            return Ok(Status::Failed);
        }
        observer.publish(self.topic.as_bytes(), event).map_err(Failure::observer)?;
        // Blocks until the event is on its way.
        observer.close();
        cx.printer.status(&format!("published `{}` on `{}`", self.event, self.topic));
        Ok(Status::Done)
    }
}
