//! How do I run a whole cluster in one process?
//!
//! A manager and a worker, each a member of the cluster of one layout, meet over real sockets on loopback. The first one
//! to arrive sees the other come up, they exchange an event, and both leave in order.
//!
//! ```sh
//! cargo run --example two_nodes            # ports 27760 to 27763
//! cargo run --example two_nodes -- 30000   # ports from 30000 on
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::error::Error;

use zeek_cluster::{Cluster, ClusterEvent, Logs, NodeType, parse_layout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "27760".to_owned());
    let text = format!("port: {port}\nnodes:\n  manager: {{ type: manager }}\n  worker: {{ type: worker }}\n");
    let layout = parse_layout(&text, "two-nodes.yaml")?;

    // The manager runs the hub that everybody connects to. Where a layout has no logger it also receives the logs, so it
    // must be told what to do with them.
    let (manager, mut at_manager) = Cluster::builder(&layout, "manager").logs(Logs::discarded()).init().await?;
    let (worker, mut at_worker) = Cluster::builder(&layout, "worker").init().await?;

    // `init` returns when the hub is there; the other nodes come up one by one.
    let id = at_worker.node_up("manager").await.ok_or("the worker has ended")?;
    println!("worker sees manager as {}", if id == manager.node_id() { "itself" } else { "somebody else" });
    at_manager.node_up("worker").await.ok_or("the manager has ended")?;
    println!("manager sees {} worker", manager.get_active_node_count(NodeType::Worker).await?);

    // A node is subscribed to its own topics from the start: by name, by id, by type, by pool.
    let question = Cluster::make_event("My::question", vec!["how many packets?".into()]);
    manager.publish(&manager.node_topic("worker"), question).await?;
    while let Some(event) = at_worker.next().await {
        let ClusterEvent::Remote { sender, event, .. } = event else { continue };
        println!("worker hears {event}");
        let answer = Cluster::make_event("My::answer", vec![1234u64.into()]);
        worker.publish(&worker.nodeid_topic(std::str::from_utf8(&sender)?), answer).await?;
        break;
    }
    while let Some(event) = at_manager.next().await {
        let ClusterEvent::Remote { event, .. } = event else { continue };
        println!("manager hears {event}");
        break;
    }

    // Who closes says goodbye: the manager knows at once.
    worker.close().await?;
    while let Some(event) = at_manager.next().await {
        if let ClusterEvent::NodeDown { name, .. } = event {
            println!("manager sees {name} go down");
            break;
        }
    }
    manager.close().await?;
    Ok(())
}
