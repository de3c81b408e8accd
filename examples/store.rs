//! How do I share data between nodes, so that all of them read it locally and it outlives each of them?
//!
//! With a data store: its master is on one node, by default the manager, and every other node that creates it has a clone.
//! Writes go to the master and are acknowledged when they are safe there; each clone follows. Here the manager has the
//! master and two workers have clones.
//!
//! ```sh
//! cargo run --example store            # ports from 27760 on
//! cargo run --example store -- 30000   # ports from 30000 on
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::error::Error;
use std::time::Duration;

use zeek_cluster::{Cluster, Logs, Persistence, Store, parse_layout};

const NAME: &str = "example/scanners";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "27760".to_owned());
    let nodes = "manager: { type: manager }\n  worker: { type: worker, count: 2 }";
    let layout = parse_layout(&format!("port: {port}\nnodes:\n  {nodes}\n"), "store.yaml")?;
    let (manager, _) = Cluster::builder(&layout, "manager").logs(Logs::discarded()).init().await?;
    let (first, _) = Cluster::builder(&layout, "worker-1").init().await?;
    let (second, _) = Cluster::builder(&layout, "worker-2").init().await?;

    // `Persistence::Persistent` would keep it in a SQLite file of the master's node.
    let master = create(&manager).await?;
    let writer = create(&first).await?;
    let reader = create(&second).await?;

    // When this returns the master has it, whatever happens to the writer.
    writer.put("192.0.2.7", 17u64, None).await?;
    writer.put("192.0.2.8", 3u64, Some(Duration::from_secs(3600))).await?;
    println!("the master has {} entries", master.size().await?);
    // Counting at the master: two nodes that do it at once lose nothing.
    writer.increment("192.0.2.7", 5u64, None).await?;
    println!("192.0.2.7 was seen {} times, says the master", master.get("192.0.2.7").await?);

    // A clone has its own copy, and follows a moment later.
    while reader.get("192.0.2.7").await != master.get("192.0.2.7").await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("192.0.2.7 was seen {} times, says the other clone", reader.get("192.0.2.7").await?);

    second.close().await?;
    first.close().await?;
    manager.close().await?;
    Ok(())
}

async fn create(node: &Cluster) -> Result<Store, Box<dyn Error>> {
    let info = node.create_store(NAME, Persistence::Any).await?;
    println!("{} has {}", node.node(), if info.master { "the master" } else { "a clone" });
    Ok(info.store.ok_or("a store that was created is open")?)
}
