//! How do I receive the logs of Zeek nodes in a program of my own?
//!
//! By being the `logger` of their layout: Zeek nodes send their log batches to its port and see no difference. Here each
//! record becomes a line on standard output; `Logs::files` would write them as Zeek does. Without arguments a manager and a
//! worker in the same process stand in for the Zeek nodes.
//!
//! ```sh
//! cargo run --example logger                          # stand-ins, ports from 27760 on
//! cargo run --example logger -- 30000                 # the same, ports from 30000 on
//! cargo run --example logger -- cluster.yaml logger   # the logger of that layout; the others run elsewhere
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it sees")]

use std::error::Error;

use zeek_cluster::wire::log_batch::{LogBatch, LogValue};
use zeek_cluster::{Cluster, Layout, LogBatches, Logs, parse_layout, read_layout};

/// Batches that wait for this program. While so many wait, the nodes do.
const WAITING: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [layout, name] = args.as_slice() {
        let layout = read_layout(layout)?;
        let (logs, mut batches) = Logs::received(WAITING);
        let (logger, _events) = Cluster::builder(&layout, name).logs(logs).init().await?;
        tokio::select! {
            printed = print(&mut batches, |_| false) => printed?,
            _ = tokio::signal::ctrl_c() => {}
        }
        return Ok(logger.close().await?);
    }
    demonstration(args.first().map_or("27760", String::as_str)).await
}

/// A cluster of three, of which one logs a line.
async fn demonstration(port: &str) -> Result<(), Box<dyn Error>> {
    let layout = layout(port)?;
    let (manager, _) = Cluster::builder(&layout, "manager").init().await?;
    let (logs, mut batches) = Logs::received(WAITING);
    let (logger, _) = Cluster::builder(&layout, "logger").logs(logs).init().await?;
    let (worker, mut at_worker) = Cluster::builder(&layout, "worker").init().await?;
    at_worker.node_up("logger").await.ok_or("the worker has ended")?;

    worker.log("hello from the worker").await?;
    print(&mut batches, |line| line.ends_with("hello from the worker")).await?;

    worker.close().await?;
    logger.close().await?;
    manager.close().await?;
    Ok(())
}

fn layout(port: &str) -> Result<Layout, Box<dyn Error>> {
    let nodes = "manager: { type: manager }\n  logger: { type: logger }\n  worker: { type: worker }";
    Ok(parse_layout(&format!("port: {port}\nnodes:\n  {nodes}\n"), "logger.yaml")?)
}

/// Prints records until one is the last.
async fn print(batches: &mut LogBatches, last: impl Fn(&str) -> bool) -> Result<(), Box<dyn Error>> {
    while let Some(received) = batches.next().await {
        let batch = match received.decode() {
            Ok(batch) => batch,
            // Whoever sent it is not authenticated: a bad batch is no reason to stop.
            Err(error) => {
                eprintln!("{}: {error}", received.sender.escape_ascii());
                continue;
            }
        };
        for line in lines(&batch) {
            println!("{line}");
            if last(&line) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn lines(batch: &LogBatch) -> Vec<String> {
    let path = batch.path.escape_ascii();
    batch
        .records
        .iter()
        .map(|record| format!("{path}: {}", record.iter().map(text).collect::<Vec<_>>().join(" ")))
        .collect()
}

/// A value, readable.
fn text(value: &LogValue) -> String {
    match value {
        LogValue::Unset => "-".to_owned(),
        LogValue::String(octets) | LogValue::Enum(octets) => octets.escape_ascii().to_string(),
        LogValue::Time(seconds) => format!("{seconds:.6}"),
        other => format!("{other:?}"),
    }
}
