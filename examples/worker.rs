//! How do I make another program, such as a sensor in C, a worker of the cluster?
//!
//! This one starts the program, publishes each line that it prints as an event to the manager, and leaves the cluster when it
//! ends. Without arguments the program is a few lines of shell, and a manager in the same process prints what it hears.
//!
//! ```sh
//! cargo run --example worker                                          # ports from 27760 on
//! cargo run --example worker -- 30000                                 # ports from 30000 on
//! cargo run --example worker -- cluster.yaml worker-1 tcpdump -lni eth1   # a worker of that layout
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::error::Error;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use zeek_cluster::{Cluster, ClusterEvent, Events, Layout, Logs, parse_layout, read_layout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [layout, name, program, arguments @ ..] = args.as_slice() {
        let mut command = Command::new(program);
        command.args(arguments);
        return run(&read_layout(layout)?, name, command).await;
    }
    let port = args.first().map_or("27760", String::as_str);
    let nodes = "manager: { type: manager }\n  worker: { type: worker }";
    let layout = parse_layout(&format!("port: {port}\nnodes:\n  {nodes}\n"), "worker.yaml")?;
    let (manager, at_manager) = Cluster::builder(&layout, "manager").logs(Logs::discarded()).init().await?;
    let mut command = Command::new("sh");
    command.args(["-c", "for number in 1 2 3; do echo \"packet $number\"; done"]);
    let (_, worked) = tokio::join!(print(at_manager), run(&layout, "worker", command));
    worked?;
    manager.close().await?;
    Ok(())
}

/// The worker, as long as the program runs.
async fn run(layout: &Layout, name: &str, mut command: Command) -> Result<(), Box<dyn Error>> {
    let (worker, mut events) = Cluster::builder(layout, name).init().await?;
    events.node_up("manager").await.ok_or("the worker has ended")?;
    // The program ends when this one does, and the other way round.
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
    let manager = worker.topics().manager.clone();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { break };
                worker.publish(&manager, Cluster::make_event("Sensor::line", vec![line.into()])).await?;
            }
            event = events.next() => {
                // A sensor may also be told what to do; here it only hears.
                let Some(_event) = event else { break };
            }
        }
    }
    let status = child.wait().await?;
    worker.log(&format!("the program ended: {status}")).await?;
    let ended = Cluster::make_event("Sensor::ended", vec![status.to_string().into()]);
    worker.publish(&manager, ended).await?;
    worker.close().await?;
    Ok(())
}

/// The manager's side, until the program has ended. Events of one node keep their order, but its `node_down` may overtake
/// the last of them: so it is an event that tells the end.
async fn print(mut events: Events) {
    while let Some(event) = events.next().await {
        let ClusterEvent::Remote { event, .. } = event else { continue };
        println!("{event}");
        if event.name == b"Sensor::ended" {
            return;
        }
    }
}
