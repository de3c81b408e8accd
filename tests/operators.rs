//! Two operators of one cluster who share its hosts and the layout, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Fleet, Keys, Machines, Output, Sandbox, Taken, finish};

/// An operator's machine: a home folder of its own.
struct Operator<'a> {
    sandbox: &'a Sandbox,
    home: PathBuf,
}

impl<'a> Operator<'a> {
    fn new(sandbox: &'a Sandbox, name: &str) -> Operator<'a> {
        let home = sandbox.home().join(name);
        fs::create_dir(&home).expect("a home folder");
        Operator { sandbox, home }
    }

    fn expect(&self, status: i32, args: &[&str]) -> Output {
        let mut command = self.sandbox.command(args);
        command.env("HOME", &self.home);
        let output = finish(command);
        assert_eq!(output.status, status, "{}: zeek-cluster {}: {output:#?}", self.home.display(), args.join(" "));
        output
    }

    fn key_folder(&self) -> PathBuf {
        self.home.join(".local/share/zeek-cluster/keys/campus")
    }

    fn keys(&self) -> Keys {
        Keys::read(&self.key_folder())
    }

    /// The process of each node.
    fn pids(&self) -> BTreeMap<String, u64> {
        let output = self.expect(0, &["status", "-o", "json"]);
        let rows: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let rows = rows.as_array().expect("an array");
        let pid =
            |row: &Value| (row["name"].as_str().expect("a name").to_owned(), row["pid"].as_u64().expect("a process"));
        rows.iter().map(pid).collect()
    }
}

/// Key files below a machine's folder whose content is one of these keys, and all of them with their modes.
fn key_files(fleet: &Taken<'_>, index: usize) -> Vec<(String, String)> {
    let cluster = fleet.machines().disk(index).join("campus");
    let mut found = Vec::new();
    let mut folders = vec![cluster.join("releases"), cluster.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path)
                && text.trim().len() == 40
            {
                assert_eq!(
                    fs::metadata(&path).expect("there").permissions().mode() & 0o777,
                    0o600,
                    "{}",
                    path.display()
                );
                found.push((path.display().to_string(), text.trim().to_owned()));
            }
        }
    }
    found
}

#[test]
fn operators_with_nothing_in_common_but_ssh_deploy_in_turn_and_restart_nobody() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    let (ana, bob) = (Operator::new(&fleet, "ana"), Operator::new(&fleet, "bob"));
    let first = ana.expect(0, &["deploy"]);
    assert!(first.stderr.contains("made the cluster's keys in"), "{first:#?}");
    let pids = ana.pids();

    let plan = bob.expect(0, &["plan"]);
    assert!(!bob.key_folder().exists(), "a plan stores nothing: {plan:#?}");
    let second = bob.expect(0, &["deploy"]);
    assert!(second.stderr.contains("took the cluster's keys from head"), "{second:#?}");
    assert!(second.stderr.contains("unchanged"), "{second:#?}");
    assert_eq!(bob.keys(), ana.keys());
    assert_eq!(ana.pids(), pids);

    for round in 0..4 {
        for operator in [&ana, &bob] {
            let again = operator.expect(0, &["deploy"]);
            assert!(again.stderr.contains("unchanged"), "round {round}: {again:#?}");
            operator.expect(0, &["publish", "zeek.cluster.node.manager.", "ping"]);
        }
    }
    assert_eq!(bob.pids(), pids);

    ana.expect(0, &["keys", "rotate", "--yes"]);
    let rotated = ana.pids();
    assert!(pids.iter().all(|(name, pid)| rotated[name] != *pid), "{pids:?} {rotated:?}");
    let stale = bob.keys();
    let third = bob.expect(0, &["deploy"]);
    assert!(third.stderr.contains("were not the cluster's and are replaced"), "{third:#?}");
    assert_eq!((bob.keys(), bob.pids()), (ana.keys(), rotated.clone()));
    for index in 0..fleet.machines().count() {
        let secrets = [&stale.server_secret, &stale.client_secret];
        let old: Vec<_> = key_files(&fleet, index).into_iter().filter(|(_, key)| secrets.contains(&key)).collect();
        assert!(old.is_empty(), "{} still has {old:?}", Machines::name(index));
    }

    let back = bob.expect(0, &["rollback"]);
    assert_eq!((ana.pids(), ana.keys()), (rotated, bob.keys()), "a rollback keeps the keys in force: {back:#?}");
    let forth = ana.expect(0, &["deploy"]);
    assert!(!forth.stderr.contains("restarting"), "{forth:#?}");
    bob.expect(0, &["publish", "zeek.cluster.node.manager.", "ping"]);
}

#[test]
fn only_hosts_where_something_listens_hold_the_servers_secret_key() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    let ana = Operator::new(&fleet, "ana");
    ana.expect(0, &["deploy"]);
    let rows: Value = serde_json::from_str(&ana.expect(0, &["status", "-o", "json"]).stdout).expect("JSON");
    let nodes = rows.as_array().expect("an array");
    let mut without = 0;
    for index in 0..fleet.machines().count() {
        let name = Machines::name(index);
        let listens = nodes
            .iter()
            .any(|node| node["host"] == *name && ["manager", "logger"].map(Value::from).contains(&node["type"]));
        let keys = key_files(&fleet, index);
        assert!(keys.iter().any(|(_, key)| *key == ana.keys().client_secret), "{name}");
        assert_eq!(keys.iter().any(|(_, key)| *key == ana.keys().server_secret), listens, "{name}");
        without += usize::from(!listens);
    }
    assert!(without > 0, "some host has workers alone");
}

#[test]
fn a_lost_home_costs_nothing_and_a_new_machine_publishes_at_once() {
    let Some(fleet) = Fleet::shared() else { return };
    let fleet = fleet.take();
    let ana = Operator::new(&fleet, "ana");
    ana.expect(0, &["deploy"]);
    let (keys, pids) = (ana.keys(), ana.pids());
    fs::remove_dir_all(&ana.home).expect("removed");
    fs::create_dir(&ana.home).expect("a home folder");
    let publish = ana.expect(0, &["publish", "zeek.cluster.node.manager.", "ping"]);
    assert!(publish.stderr.contains("took the keys from head"), "{publish:#?}");
    assert_eq!(ana.keys(), keys);
    fs::remove_dir_all(&ana.home).expect("removed");
    fs::create_dir(&ana.home).expect("a home folder");
    let kept = ana.expect(0, &["keys", "generate"]);
    assert!(kept.stderr.contains("unchanged: the cluster has keys"), "{kept:#?}");
    assert!(ana.expect(0, &["deploy"]).stderr.contains("unchanged"));
    assert_eq!((ana.keys(), ana.pids()), (keys, pids));
}

#[test]
fn a_host_that_was_away_takes_the_clusters_keys_and_gives_none() {
    let Some(fleet) = Fleet::shared() else { return };
    let mut fleet = fleet.take();
    fleet.machines_mut().stop_sshd(2);
    let keys = {
        let ana = Operator::new(&fleet, "ana");
        ana.expect(1, &["deploy"]);
        ana.keys()
    };
    fleet.machines_mut().start_sshd(2);
    let bob = Operator::new(&fleet, "bob");
    bob.expect(0, &["deploy"]);
    assert_eq!(bob.keys(), keys);
    assert!(key_files(&fleet, 2).iter().any(|(_, key)| *key == keys.client_secret));
}
