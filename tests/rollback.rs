//! Back to a release that was deployed before.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Sandbox;

fn layout(lines: &str) -> String {
    format!(
        "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: {{ type: manager }}\n  \
         worker: {{ type: worker, count: 2 }}\n{lines}"
    )
}

/// A cluster with two releases, the second of which has a proxy more.
fn deployed_twice() -> (Sandbox, String, String) {
    let sandbox = Sandbox::with_layout(&layout(""));
    sandbox.expect(0, &["deploy"]);
    let first = current(&sandbox);
    sandbox.write_layout(&layout("  proxy: { type: proxy }\n"));
    sandbox.expect(0, &["deploy"]);
    let second = current(&sandbox);
    assert_ne!(first, second);
    (sandbox, first, second)
}

fn folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.base().join("campus")
}

fn current(sandbox: &Sandbox) -> String {
    let target = fs::read_link(folder(sandbox).join("current")).expect("a current release");
    target.file_name().expect("releases/ID").to_string_lossy().into_owned()
}

#[test]
fn the_previous_release_comes_back_without_an_upload_and_goes_again() {
    let (sandbox, first, second) = deployed_twice();
    let rows = sandbox.json(0, &["releases"]);
    let shown = |row: &Value| (row["id"].clone(), row["current"].clone(), row["previous"].clone());
    let here = serde_json::json!(["localhost"]);
    let none = serde_json::json!([]);
    assert_eq!(
        rows.as_array().expect("an array").iter().map(shown).collect::<Vec<_>>(),
        [(second.clone().into(), here.clone(), none.clone()), (first.clone().into(), none, here)]
    );
    let manager = sandbox.node("manager")["pid"].clone();

    let back = sandbox.expect(0, &["rollback"]);
    assert!(back.stderr.contains(&format!("release {first}")), "{back:#?}");
    assert_eq!(current(&sandbox), first);
    assert_eq!(sandbox.node("proxy")["state"], "stopped", "the release before had none");
    assert_eq!(sandbox.node("manager")["pid"], manager, "what has not changed runs on");

    sandbox.expect(0, &["rollback", &second[..5]]);
    assert_eq!(current(&sandbox), second);
    assert_eq!(sandbox.node("proxy")["state"], "running");
    let last = sandbox.json(0, &["history", "-n", "1"]);
    assert_eq!((&last[0]["release"], &last[0]["outcome"]), (&second.as_str().into(), &"ok".into()), "{last}");
}

#[test]
fn a_plan_of_a_rollback_says_what_it_would_change_and_changes_nothing() {
    let (sandbox, first, second) = deployed_twice();
    let files = |sandbox: &Sandbox| {
        let mut found: Vec<PathBuf> =
            fs::read_dir(folder(sandbox)).expect("it").map(|e| e.expect("it").path()).collect();
        found.extend(fs::read_dir(folder(sandbox).join("releases")).expect("it").map(|e| e.expect("it").path()));
        found.sort();
        found
    };
    let (before, runs) = (files(&sandbox), sandbox.json(0, &["history"]));
    let manager = sandbox.node("manager")["pid"].clone();
    let plan = sandbox.expect(10, &["plan", "--to", &first[..6], "-o", "table"]);
    let says =
        |output: &crate::support::Output, text: &str| assert!(output.stdout.contains(text), "{text}: {output:#?}");
    says(&plan, &format!("proxy: stop, on localhost, release {first} does not have it"));
    says(&plan, "update without restart, the table of nodes changed");
    says(&plan, "- nodes/proxy.yaml on localhost");
    says(&plan, "~ cluster-layout.zeek on localhost");
    says(&plan, "stop 1, update 3 of 4 nodes");
    // The same without the release's name, from the verb that does it.
    let dry = sandbox.expect(10, &["rollback", "--dry-run", "-o", "table"]);
    assert_eq!(dry.stdout, plan.stdout);
    let read_only = crate::support::finish({
        let mut command = sandbox.command(&["rollback", "--dry-run", "-o", "json"]);
        command.env("ZEEK_CLUSTER_READ_ONLY", "1");
        command
    });
    assert_eq!(read_only.status, 10, "{read_only:#?}");
    let json: Value = serde_json::from_str(&read_only.stdout).expect("a plan");
    assert_eq!((&json["release"], &json["back"]), (&first.as_str().into(), &true.into()));
    let file = sandbox.path().join("plan.json");
    fs::write(&file, &read_only.stdout).expect("written");
    let refused = sandbox.expect(3, &["deploy", "--plan", file.to_str().expect("text")]);
    assert!(refused.stderr.contains(&format!("`zeek-cluster rollback {first}` performs it")), "{refused:#?}");

    assert_eq!((files(&sandbox), sandbox.json(0, &["history"])), (before, runs));
    assert_eq!((current(&sandbox), &sandbox.node("manager")["pid"]), (second.clone(), &manager));
    let same = sandbox.expect(0, &["plan", "--to", &second, "-o", "table"]);
    says(&same, &format!("nothing to do: 1 host is in release {second}"));
    let wrong = sandbox.expect(2, &["plan", "--to", "abcdefabcdef"]);
    assert!(wrong.stderr.contains("; there are ") && wrong.stderr.contains(&first), "{wrong:#?}");

    sandbox.expect(0, &["rollback"]);
    assert_eq!(current(&sandbox), first);
    sandbox.expect(0, &["plan", "--to", &first]);
}

#[test]
fn releases_say_which_layout_they_were_made_from() {
    let (sandbox, first, _) = deployed_twice();
    let rows = sandbox.json(0, &["releases"]);
    let hashes: Vec<&str> =
        rows.as_array().expect("an array").iter().filter_map(|row| row["layout"].as_str()).collect();
    assert!(hashes.len() == 2 && hashes.iter().all(|hash| hash.len() == 64) && hashes[0] != hashes[1], "{rows}");
    assert_eq!(sandbox.json(10, &["plan", "--to", &first])["layout"], hashes[1]);
    let table = sandbox.expect(0, &["releases", "-o", "table"]).stdout;
    assert!(table.contains("LAYOUT") && table.contains(&hashes[0][..12]) && !table.contains(hashes[0]), "{table}");
    let tsv = sandbox.expect(0, &["releases"]).stdout;
    assert!(tsv.lines().next().is_some_and(|line| line.ends_with(hashes[0])), "{tsv}");
    // One of a program that did not write it down.
    let path = folder(&sandbox).join("releases").join(&first).join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).expect("it")).expect("JSON");
    manifest.as_object_mut().expect("an object").remove("layout");
    fs::write(&path, manifest.to_string()).expect("written");
    assert_eq!(sandbox.json(0, &["releases"])[1]["layout"], Value::Null);
    let tsv = sandbox.expect(0, &["releases"]).stdout;
    assert!(tsv.lines().nth(1).is_some_and(|line| line.ends_with("\t-")), "{tsv}");
    sandbox.expect(0, &["rollback", &first]);
}

#[test]
fn a_release_that_is_not_whole_any_more_is_not_gone_back_to() {
    let (sandbox, first, second) = deployed_twice();
    let rotten = folder(&sandbox).join("releases").join(&first).join("nodes/worker-1.yaml");
    let text = fs::read(&rotten).expect("a file of the release");
    fs::write(&rotten, "rot").expect("written");
    // Its blob mends it.
    sandbox.expect(0, &["rollback"]);
    assert_eq!(fs::read(&rotten).expect("a file of the release"), text);
    sandbox.expect(0, &["rollback"]);

    fs::write(&rotten, "rot").expect("written");
    fs::remove_dir_all(folder(&sandbox).join("blobs")).expect("removed");
    fs::create_dir(folder(&sandbox).join("blobs")).expect("made");
    let refused = sandbox.expect(1, &["rollback"]);
    assert!(refused.stderr.contains("localhost: ") && refused.stderr.contains("are not here"), "{refused:#?}");
    assert_eq!(current(&sandbox), second);
    sandbox.expect(0, &["status"]);
}

#[test]
fn where_there_is_nothing_to_go_back_to_that_is_said() {
    let sandbox = Sandbox::with_layout(&layout(""));
    let never = sandbox.expect(1, &["rollback"]);
    assert!(never.stderr.contains("nothing is deployed yet"), "{never:#?}");
    sandbox.expect(0, &["deploy"]);
    let only = sandbox.expect(1, &["rollback"]);
    assert!(only.stderr.contains("no release was current before"), "{only:#?}");
    sandbox.expect(2, &["rollback", "abcdefabcdef"]);
}
