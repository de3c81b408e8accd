//! How do I write much into a data store, and know what is safe whatever dies meanwhile?
//!
//! With many writes at once: each is done when the master has it, and one that waits outlives the master's end, because the
//! clone sends it again to the master that comes back. This worker writes numbers under its name, says how far it is, and at
//! last prints the keys of its own copy, as soon as that has all that was written, by others too.
//!
//! ```sh
//! cargo run --example store_writer            # ports from 27760 on, a manager in the same process
//! cargo run --example store_writer -- 30000   # ports from 30000 on
//! # a worker of that layout, which puts 1000 entries and waits until there are 3000
//! cargo run --example store_writer -- cluster.yaml worker-1 known/hosts 1000 3000
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::error::Error;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use zeek_cluster::{Cluster, Data, Layout, Logs, Persistence, parse_layout, read_layout};

/// Writes that wait for the master at once.
const AT_ONCE: usize = 512;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [layout, node, store, puts, entries] = args.as_slice() {
        return write(&read_layout(layout)?, node, store, puts.parse()?, entries.parse()?).await;
    }
    let port = args.first().map_or("27760", String::as_str);
    let nodes = "manager: { type: manager }\n  worker: { type: worker }";
    let layout = parse_layout(&format!("port: {port}\nnodes:\n  {nodes}\n"), "store_writer.yaml")?;
    let (manager, _) = Cluster::builder(&layout, "manager").logs(Logs::discarded()).init().await?;
    manager.create_store("example/numbers", Persistence::Any).await?;
    write(&layout, "worker", "example/numbers", 4, 4).await?;
    manager.close().await?;
    Ok(())
}

/// Puts `puts` entries and waits until there are `entries`.
async fn write(layout: &Layout, node: &str, store: &str, puts: usize, entries: u64) -> Result<(), Box<dyn Error>> {
    let (worker, _) = Cluster::builder(layout, node).init().await?;
    let store = worker.create_store(store, Persistence::Any).await?.store.ok_or("a new store is open")?;
    let put = |number: usize| store.put(format!("{node}:{number}"), number as u64, None);
    let mut acknowledged = stream::iter((0..puts).map(put)).buffer_unordered(AT_ONCE);
    let mut done = 0;
    while acknowledged.try_next().await?.is_some() {
        done += 1;
        if done % 1000 == 0 || done == puts {
            println!("{node}: {done} acknowledged");
        }
    }
    // What the others wrote comes by itself; a copy that is not whole yet gives no answers.
    while store.size().await.ok() != Some(entries) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if let Data::Set(keys) = store.keys().await? {
        keys.iter().for_each(|key| println!("{key}"));
    }
    worker.close().await?;
    Ok(())
}
