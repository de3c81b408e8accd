//! A busy cluster on two machines while chance breaks it: processes killed and stopped, sockets and state files taken away,
//! full disks, partitions, descriptors used up, clocks stepped, deploys and restarts in between. When the faults end every
//! node runs and sees every other, and each record that a logger took stands in exactly one file.
//!
//! `ZEEK_CLUSTER_STORM_SECONDS` says how long the faults go on; `ZEEK_CLUSTER_SEED` repeats the choices of a run, though not
//! its timing.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::simulation::{Random, number, seed};
use crate::support::{Machines, Sandbox, has_machines};
use faults::{Deed, Weather};
use ledger::Ledger;
use sender::{Events, Records};

mod faults;
mod ledger;
mod sender;

/// How long the faults go on.
const SECONDS: &str = "ZEEK_CLUSTER_STORM_SECONDS";
/// The same where nothing else is asked for.
const IN_CI: u64 = 120;
/// Room of each machine's disk, KiB: the program takes most of it.
const DISK_KIB: u32 = 900_000;
/// How long a cluster may take to be as it should once the faults have ended.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
const LOGGERS: [&str; 2] = ["logger-1", "logger-2"];
const NODES: [&str; 9] =
    ["manager", "logger-1", "logger-2", "proxy-1", "proxy-2", "worker-1", "worker-2", "worker-3", "worker-4"];

/// The cluster in the storm; machine 0 has the manager, and every type has a node on each.
struct Town {
    // Dropped in this order: what runs on the machines ends with them.
    sandbox: Sandbox,
    machines: Machines,
    round: usize,
}

impl Town {
    fn start() -> Town {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.base()).expect("the base folder");
        let machines = Machines::start(sandbox.path(), &sandbox.base(), 2);
        (0..machines.count()).for_each(|index| machines.limit_disk(index, "campus".as_ref(), DISK_KIB));
        fs::write(sandbox.path().join("clock"), "+0").expect("the clock's file");
        let mut town = Town { sandbox, machines, round: 0 };
        town.edit();
        town
    }

    /// Another environment for the workers, which restarts them.
    fn edit(&mut self) {
        self.round += 1;
        let (hosts, clock) = ("[head, sensor-1]", faults::clock_of(&self.sandbox));
        let text = format!(
            "name: campus\nbase_dir: BASE\nport: PORT\nencryption: off\nlogging: {{ rotation_interval: 20s }}\n{}nodes:\n  \
             manager: {{ type: manager, host: head }}\n  \
             logger: {{ type: logger, host: {hosts}{clock} }}\n  \
             proxy: {{ type: proxy, host: {hosts} }}\n  \
             worker: {{ type: worker, host: {hosts}, count: 2, env_vars: {{ ROUND: \"{}\" }} }}\n",
            self.machines.layout(""),
            self.round
        );
        self.sandbox.write_layout(&text);
    }

    /// Where a logger takes batches, and where the hub takes events.
    fn address(&self, logger: &str) -> String {
        let rows = self.sandbox.json(0, &["nodes", logger]);
        let port = rows[0]["port"].as_u64().expect("the logger's port");
        format!("{}:{port}", self.machines.address(LOGGERS.iter().position(|name| *name == logger).expect("a logger")))
    }

    /// Why the cluster is not yet as it should be.
    fn trouble(&self) -> Result<(), String> {
        let output = self.sandbox.run(&["status", "-o", "json"]);
        let rows: Value = serde_json::from_str(&output.stdout).map_err(|e| format!("{e}: {output:?}"))?;
        let rows = rows.as_array().ok_or("no rows")?;
        let wrong: Vec<String> = rows
            .iter()
            .filter(|row| row["state"] != "running")
            .map(|row| format!("{} is {}: {}", row["name"], row["state"], row["error"]))
            .collect();
        if !wrong.is_empty() || rows.len() != NODES.len() {
            return Err(format!("{} rows; {}", rows.len(), wrong.join("; ")));
        }
        self.views()
    }

    /// Whether all nodes see each other, everybody under the same id.
    fn views(&self) -> Result<(), String> {
        let output = self.sandbox.run(&["peers", "-o", "json"]);
        let rows: Value = serde_json::from_str(&output.stdout).map_err(|e| format!("{e}: {output:?}"))?;
        let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
        let rows = rows.as_array().ok_or("no rows")?;
        for row in rows {
            let (node, peer) = (row["node"].as_str().unwrap_or_default(), row["peer"].as_str().unwrap_or_default());
            let id = row["id"].as_str().ok_or_else(|| format!("{node} does not see {peer}"))?;
            let known = ids.insert(peer, id);
            if known.is_some_and(|known| known != id) {
                return Err(format!("{node} sees {peer} as {id}, another one as {known:?}"));
            }
        }
        let pairs = NODES.len() * (NODES.len() - 1);
        (rows.len() == pairs).then_some(()).ok_or_else(|| format!("{} of {pairs} pairs", rows.len()))
    }

    /// What an operator does when the storm is over, and then nothing more.
    fn settle(&self) -> Result<Duration, String> {
        let begin = Instant::now();
        loop {
            let output = self.sandbox.run(&["deploy", "--timeout", "60s"]);
            if output.status == 0 {
                break;
            }
            if begin.elapsed() > SETTLED_WITHIN {
                return Err(format!("no deploy succeeds: {}", output.stderr));
            }
        }
        loop {
            match self.trouble() {
                Ok(()) => return Ok(begin.elapsed()),
                Err(why) if begin.elapsed() > SETTLED_WITHIN => return Err(why),
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

#[test]
fn whatever_befalls_a_busy_cluster_it_runs_again_and_no_record_is_lost() {
    if !has_machines() {
        return;
    }
    let length = Duration::from_secs(number(SECONDS).unwrap_or(IN_CI));
    let seed = seed().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos())
    });
    println!("ZEEK_CLUSTER_SEED={seed}, {} s of faults", length.as_secs());
    let mut town = Town::start();
    town.sandbox.expect(0, &["deploy", "--timeout", "60s"]);
    let records = LOGGERS.map(|logger| Records::start(logger, town.address(logger), seed));
    let events = Events::start(town.machines.address(0), town.sandbox.port);

    let mut weather = Weather::new(Random::new(seed));
    let begin = Instant::now();
    while begin.elapsed() < length {
        weather.strike(&mut town);
    }
    weather.clear(&town);
    let settled = town.settle();
    let (sent, events) = (records.map(Records::stop), events.stop());
    let stopped = town.sandbox.run(&["stop", "--timeout", "60s"]);
    let ledger = Ledger::read(&town.machines, &sent, &weather.deeds);
    report(&weather.deeds, &ledger, &events.to_string(), &settled);

    let mut wrong = ledger.wrong();
    wrong.extend(settled.err().map(|why| format!("did not settle: {why}")));
    wrong.extend(events.wrong());
    if stopped.status != 0 {
        wrong.push(format!("stop: {}", stopped.stderr));
    }
    let removed = town.sandbox.run(&["remove", "--all", "--yes"]);
    let left = faults::processes(&town.machines);
    if removed.status != 0 || !left.is_empty() {
        wrong.push(format!("after remove (status {}) these run: {left:?}; {}", removed.status, removed.stderr));
    }
    assert!(wrong.is_empty(), "ZEEK_CLUSTER_SEED={seed}:\n{}", wrong.join("\n"));
}

fn report(deeds: &[Deed], ledger: &Ledger, events: &str, settled: &Result<Duration, String>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    deeds.iter().for_each(|deed| *counts.entry(deed.what.as_str()).or_default() += 1);
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!("faults: {}\nnot done here: {}", counts.join(", "), faults::left_out().join("; "));
    println!("{ledger}{events}\nsettled: {settled:?}");
}
