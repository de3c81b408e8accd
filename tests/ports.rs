//! Ports that another program holds are found before anything switches, and the program is named.

use std::net::TcpListener;

use crate::support::Sandbox;

const LAYOUT: &str = "\
name: NAME
base_dir: BASE
port: PORT
stop_grace: 2s
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";

fn layout(name: &str) -> String {
    LAYOUT.replace("NAME", name)
}

#[test]
fn check_plan_and_deploy_name_the_program_that_holds_a_port_and_nothing_is_switched() {
    let sandbox = Sandbox::with_layout(&layout("campus"));
    let holder = TcpListener::bind(("127.0.0.1", sandbox.port)).expect("the hub's port");
    let own = format!("(pid {})", std::process::id());
    let held = format!("port {} of manager on localhost is held by ", sandbox.port);
    for (command, status) in [("check", 1), ("plan", 1), ("deploy", 1)] {
        let output = sandbox.expect(status, &[command]);
        assert!(output.stderr.contains(&held) && output.stderr.contains(&own), "{command}: {output:#?}");
    }
    let cluster = sandbox.base().join("campus");
    assert!(!cluster.join("current").exists(), "nothing was switched");
    assert_eq!(
        std::fs::read_dir(cluster.join("run")).expect("run/").flatten().filter(|e| e.path().is_dir()).count(),
        0
    );
    let refused = sandbox.expect(1, &["deploy", "-o", "json"]);
    assert!(refused.stderr.contains("so nothing was switched"), "{refused:#?}");

    drop(holder);
    sandbox.expect(0, &["deploy"]);
    // Its own nodes are in nobody's way.
    for (command, status) in [("check", 0), ("plan", 0), ("deploy", 0)] {
        sandbox.expect(status, &[command]);
    }
    // Nor when one of them moves to a port of another one.
    let moved = layout("campus").replace("port: PORT", &format!("port: {}", sandbox.port + 1));
    sandbox.write_layout(&moved);
    sandbox.expect(0, &["check"]);
    sandbox.expect(10, &["plan"]);
    sandbox.expect(0, &["deploy"]);
}

#[test]
fn a_running_cluster_goes_on_when_the_next_release_needs_a_port_that_is_held() {
    let sandbox = Sandbox::with_layout(&layout("campus"));
    sandbox.expect(0, &["deploy"]);
    let before = ["manager", "logger", "worker-1"].map(|name| sandbox.node(name)["pid"].clone());
    let holder = TcpListener::bind(("0.0.0.0", sandbox.port + 9)).expect("a port");
    let wanted = format!("logger: {{ type: logger, port: {} }}", sandbox.port + 9);
    sandbox.write_layout(&layout("campus").replace("logger: { type: logger }", &wanted));
    let release = std::fs::read_link(sandbox.base().join("campus/current")).expect("a link");
    for command in [&["deploy"][..], &["deploy", "--allow-partial"]] {
        let refused = sandbox.expect(1, command);
        assert!(refused.stderr.contains(&format!("port {} of logger", sandbox.port + 9)), "{refused:#?}");
        assert_eq!(std::fs::read_link(sandbox.base().join("campus/current")).expect("a link"), release);
        assert_eq!(["manager", "logger", "worker-1"].map(|name| sandbox.node(name)["pid"].clone()), before);
    }
    drop(holder);
    sandbox.expect(0, &["deploy"]);
}

#[test]
fn the_nodes_of_a_second_cluster_do_not_join_the_first_ones_hub() {
    let sandbox = Sandbox::with_layout(&layout("first"));
    sandbox.expect(0, &["deploy"]);
    let second = sandbox.path().join("second.yaml");
    let text = std::fs::read_to_string(sandbox.layout()).expect("the layout").replace("name: first", "name: second");
    std::fs::write(&second, text).expect("written");
    let file = second.to_str().expect("a path");
    for command in ["check", "plan", "deploy"] {
        let refused = sandbox.expect(1, &["-l", file, command]);
        let folder = sandbox.base().join("first").display().to_string();
        let words = format!("is held by node manager of the cluster in {folder}");
        assert!(refused.stderr.contains(&words), "{command}: {refused:#?}");
    }
    let seen = sandbox.json(0, &["nodes"]);
    assert_eq!(seen.as_array().map(Vec::len), Some(4), "{seen:#}");
    sandbox.expect(0, &["status"]);
    sandbox.expect(0, &["-l", file, "remove", "--all", "--yes"]);
}
