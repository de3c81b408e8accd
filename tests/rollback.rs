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
