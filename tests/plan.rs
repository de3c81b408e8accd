//! What a deploy would do, and that it does exactly that: edits of a layout, one part after the other, on this machine and
//! on several.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Background, Line, Machines, Output, Sandbox, has_machines};

const HEAD: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  proxy: { type: proxy }
";

/// Four workers, each with its own line.
fn layout(workers: [&str; 4]) -> String {
    let line = |(index, rest): (usize, &&str)| format!("  worker-{}: {{ type: worker{rest} }}\n", index + 1);
    format!("{HEAD}{}", workers.iter().enumerate().map(line).collect::<String>())
}

const PLAIN: [&str; 4] = [""; 4];
const CHANGED: [&str; 4] = [", env_vars: { RUN: two }"; 4];

fn pids(sandbox: &Sandbox) -> BTreeMap<String, Option<u64>> {
    let output = sandbox.run(&["status", "-o", "json"]);
    let rows: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:#?}"));
    let rows = rows.as_array().expect("an array").iter();
    rows.map(|row| (row["name"].as_str().expect("a name").to_owned(), row["pid"].as_u64())).collect()
}

/// The nodes whose process is another one now.
fn restarted(before: &BTreeMap<String, Option<u64>>, after: &BTreeMap<String, Option<u64>>) -> Vec<String> {
    after.iter().filter(|(name, pid)| before.get(*name) != Some(*pid)).map(|(name, _)| name.clone()).collect()
}

fn says(output: &Output, text: &str) {
    assert!(output.stderr.contains(text) || output.stdout.contains(text), "{text}: {output:#?}");
}

#[test]
fn a_plan_says_what_and_why_and_deploy_does_exactly_that() {
    let sandbox = Sandbox::with_layout(&layout(PLAIN));
    let first = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&first, "localhost: nothing deployed there yet");
    says(&first, "worker-[1-4]: start, it is new");
    assert!(!sandbox.base().exists(), "a plan installs nothing");
    sandbox.expect(0, &["deploy"]);
    says(&sandbox.expect(0, &["plan", "-o", "table"]), "nothing to do: 1 host is as the layout says");
    says(&sandbox.expect(0, &["deploy"]), "unchanged: 1 host");

    sandbox.write_layout(&layout(CHANGED));
    let before = pids(&sandbox);
    let plan = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&plan, "worker-[1-4]: restart, `env_vars` sets RUN");
    says(&plan, "restart 4 of 7 nodes");
    assert_eq!(restarted(&before, &pids(&sandbox)), Vec::<String>::new(), "a plan changes nothing");
    let json = sandbox.json(10, &["plan"]);
    assert_eq!(json["schema"], "zeek-cluster/plan/v1");
    let steps: Vec<&str> = json["steps"].as_array().expect("steps").iter().filter_map(|s| s["step"].as_str()).collect();
    assert_eq!(steps, ["stage", "activate", "restart"]);

    says(&sandbox.expect(0, &["deploy"]), "restarted worker-[1-4]");
    let workers = ["worker-1", "worker-2", "worker-3", "worker-4"];
    assert_eq!(restarted(&before, &pids(&sandbox)), workers);
    sandbox.expect(0, &["plan"]);

    // An option that a running node takes over restarts nobody.
    let name = "Cluster::Backend::ZeroMQ::hello_expiration";
    sandbox.write_layout(&format!("{}options: {{ {name}: 20sec }}\n", layout(CHANGED)));
    let before = pids(&sandbox);
    let plan = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&plan, &format!("update without restart, `{name}` is set to 20sec"));
    says(&plan, "update 7 of 7 nodes");
    sandbox.expect(0, &["deploy"]);
    assert_eq!(restarted(&before, &pids(&sandbox)), Vec::<String>::new());
    sandbox.expect(0, &["plan"]);
    sandbox.write_layout(&layout(CHANGED));
    sandbox.expect(0, &["deploy"]);

    // What only the loggers need restarts only them; the diff shows it.
    sandbox.write_layout(&format!("{}logging: {{ format: json }}\n", layout(CHANGED)));
    let plan = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&plan, "-  format: tsv\n+  format: json");
    says(&plan, "logger: restart, `logging.format` tsv -> json");
    says(&plan, "restart 1 of 7 nodes");
}

/// Another value than the default for each option that a running node of ours takes over, and how a node tells it.
const LIVE: &[(&str, &str, &str)] = &[
    ("Broker::default_clone_mutation_buffer_interval", "1min", "1min"),
    ("Broker::default_clone_resync_interval", "5sec", "5sec"),
    ("Broker::default_clone_stale_interval", "2min", "2min"),
    ("Cluster::Backend::ZeroMQ::hello_expiration", "20sec", "20sec"),
    ("Cluster::Backend::ZeroMQ::linger_ms", "400", "400"),
    ("Cluster::Backend::ZeroMQ::poll_max_messages", "50", "50"),
    ("Cluster::Telemetry::core_metrics", "[Cluster::Telemetry::DEBUG]", "{Cluster::Telemetry::DEBUG}"),
    ("Cluster::Telemetry::message_size_bounds", "[10, 100]", "vector(10.0, 100.0)"),
    ("Cluster::Telemetry::websocket_metrics", "[Cluster::Telemetry::VERBOSE]", "{Cluster::Telemetry::VERBOSE}"),
    ("Cluster::default_websocket_ping_interval", "7sec", "7sec"),
    ("Cluster::logger_pool_spec$exclusive", "true", "T"),
    ("Cluster::logger_pool_spec$max_nodes", "1", "1"),
    ("Cluster::proxy_pool_spec$exclusive", "true", "T"),
    ("Cluster::proxy_pool_spec$max_nodes", "1", "1"),
    ("Cluster::worker_pool_spec$exclusive", "true", "T"),
    ("Cluster::worker_pool_spec$max_nodes", "3", "3"),
    ("Log::flush_interval", "2sec", "2sec"),
    ("Telemetry::callback_timeout", "4sec", "4sec"),
];

#[test]
fn a_deploy_restarts_nobody_for_what_running_nodes_take_over() {
    use zeek_cluster::layout::options;
    let names: Vec<&str> = LIVE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, options::LIVE, "each has its value here");
    let plain = format!("{}stores: {{ seen: {{}} }}\n", layout(PLAIN));
    let websocket = |more: &str| {
        let server = format!("type: manager, websocket: {{ listen_port: PORT8{more} }}");
        plain.replace("type: manager", &server)
    };
    let sandbox = Sandbox::new();
    let write = |text: &str| sandbox.write_layout(&text.replace("PORT8", &(sandbox.port + 8).to_string()));
    write(&websocket(""));
    sandbox.expect(0, &["deploy"]);

    // Three tellers: `options:`, `logging:` and keys of nodes and stores.
    let live: String = LIVE.iter().map(|(name, value, _)| format!("  {name}: {value}\n")).collect();
    let zeek = "  Cluster::retry_interval: 5sec\n  Log::write_buffer_size: 10\n";
    let logging = "logging: { rotation_interval: 2hr, compress: none, expire: 3days }\n";
    let changed = websocket(", ping_interval: 3s").replace("seen: {}", "seen: { clone_resync_interval: 2s }");
    write(&format!("{changed}{logging}options:\n{live}{zeek}"));
    let before = pids(&sandbox);
    let plan = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&plan, "update 7 of 7 nodes");
    says(&plan, "`Cluster::retry_interval` is set to 5sec");
    says(&plan, "`logging.expire_s`");
    sandbox.expect(0, &["deploy"]);
    assert_eq!(restarted(&before, &pids(&sandbox)), Vec::<String>::new());
    sandbox.expect(0, &["plan"]);
    for node in ["manager", "logger", "worker-2"] {
        let told = options_of(&sandbox, node);
        for (name, _, value) in LIVE {
            assert_eq!(told[*name]["value"], *value, "{node}: {name}");
        }
        assert_eq!(told["Cluster::retry_interval"]["value"], "5sec", "{node}");
    }

    // And back again.
    write(&websocket(""));
    sandbox.expect(0, &["deploy"]);
    assert_eq!(restarted(&before, &pids(&sandbox)), Vec::<String>::new());
    assert_eq!(options_of(&sandbox, "worker-1")["Cluster::worker_pool_spec$max_nodes"]["value"], "0");
    sandbox.expect(0, &["plan"]);
}

/// What a node says of its options on its own socket.
fn options_of(sandbox: &Sandbox, node: &str) -> Value {
    let socket = sandbox.base().join("campus/run").join(node).join("node.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().expect("a client");
    let answer = async { client.get("http://node/v1/options").send().await?.text().await };
    let answer = runtime.block_on(answer).expect("the node answers");
    serde_json::from_str(&answer).expect("JSON")
}

#[test]
fn a_saved_plan_is_performed_and_refused_after_a_change() {
    let sandbox = Sandbox::with_layout(&layout(PLAIN));
    sandbox.expect(0, &["deploy"]);
    let file = sandbox.path().join("plan.json");
    let path = file.to_str().expect("text");
    let save =
        |sandbox: &Sandbox| fs::write(&file, sandbox.expect(10, &["plan", "-o", "json"]).stdout).expect("written");

    sandbox.write_layout(&layout(CHANGED));
    save(&sandbox);
    let before = pids(&sandbox);
    // Somebody stops a node meanwhile.
    sandbox.expect(0, &["stop", "worker-2"]);
    let refused = sandbox.expect(1, &["deploy", "--plan", path]);
    says(&refused, "worker-2 stopped on localhost");
    says(&refused, "nothing was changed");
    assert_eq!(restarted(&before, &pids(&sandbox)), ["worker-2"], "only the one that was stopped");

    // The layout is edited meanwhile.
    save(&sandbox);
    sandbox.write_layout(&layout([", env_vars: { RUN: three }"; 4]));
    says(&sandbox.expect(1, &["deploy", "--plan", path]), "the layout was changed");
    sandbox.write_layout(&layout(CHANGED));
    sandbox.expect(0, &["deploy", "--plan", path]);
    sandbox.expect(0, &["plan"]);
    says(&sandbox.expect(1, &["deploy", "--plan", path]), "the plan no longer holds");

    fs::write(&file, "{}").expect("written");
    says(&sandbox.expect(3, &["deploy", "--plan", path]), "is no plan of this version");
}

/// All four change, and the third can not be started any more.
fn broken() -> [&'static str; 4] {
    let mut workers = CHANGED;
    workers[2] = ", pin_cpus: [900]";
    workers
}

#[test]
fn a_rolling_restart_stops_at_the_node_that_does_not_come_up() {
    let sandbox = Sandbox::with_layout(&layout(PLAIN));
    sandbox.expect(0, &["deploy"]);
    let before = pids(&sandbox);
    sandbox.write_layout(&layout(broken()));
    let output = sandbox.expect(1, &["deploy", "--max-unavailable", "1"]);
    says(&output, "restarted worker-[1-2], stopped at worker-3: cannot start");
    says(&output, "(see: zeek-cluster output worker-3), not restarted: worker-4");
    says(&output, "skipped worker-4");
    let after = pids(&sandbox);
    assert_eq!(restarted(&before, &after), ["worker-1", "worker-2", "worker-3"]);

    // The next deploy goes on from there.
    sandbox.write_layout(&layout(CHANGED));
    sandbox.expect(0, &["deploy"]);
    assert_eq!(restarted(&after, &pids(&sandbox)), ["worker-3", "worker-4"]);
    sandbox.expect(0, &["plan"]);
}

#[test]
fn a_rolling_restart_goes_on_or_goes_back_when_it_is_told_so() {
    let sandbox = Sandbox::with_layout(&layout(PLAIN));
    sandbox.expect(0, &["deploy"]);
    let before = pids(&sandbox);
    sandbox.write_layout(&layout(broken()));
    let output = sandbox.expect(1, &["deploy", "--max-unavailable", "1", "--on-failure", "continue"]);
    says(&output, "restarted worker-[1-2,4], failed at worker-3: cannot start");
    assert_eq!(restarted(&before, &pids(&sandbox)), ["worker-1", "worker-2", "worker-3", "worker-4"]);

    sandbox.write_layout(&layout(PLAIN));
    sandbox.expect(0, &["deploy"]);
    let before = pids(&sandbox);
    sandbox.write_layout(&layout(broken()));
    let output = sandbox.expect(1, &["deploy", "--max-unavailable", "1", "--on-failure", "rollback"]);
    says(&output, "failed at worker-3: cannot start");
    says(&output, "went back to release ");
    let after = pids(&sandbox);
    assert!(after.values().all(Option::is_some), "all run again: {after:?}");
    assert_eq!(restarted(&before, &after), ["worker-1", "worker-2", "worker-3"], "worker-4 was never touched");
    sandbox.expect(0, &["status"]);
    sandbox.write_layout(&layout(PLAIN));
    sandbox.expect(0, &["plan"]);
}

#[test]
fn a_node_that_is_not_up_in_time_is_said_with_the_time() {
    let sandbox = Sandbox::with_layout(&layout(PLAIN));
    sandbox.expect(0, &["deploy"]);
    sandbox.write_layout(&layout(CHANGED));
    // Nobody can join while the manager stands still; stopped, it is not gone, so nothing else restarts.
    let manager = i32::try_from(sandbox.node("manager")["pid"].as_i64().expect("a pid")).expect("a pid");
    let manager = rustix::process::Pid::from_raw(manager).expect("a pid");
    rustix::process::kill_process(manager, rustix::process::Signal::STOP).expect("the manager is there");
    let output = sandbox.run(&["deploy", "--gate-timeout", "1s", "--timeout", "1s"]);
    rustix::process::kill_process(manager, rustix::process::Signal::CONT).expect("the manager is there");
    assert_eq!(output.status, 6, "{output:#?}");
    says(&output, "stopped at worker-1: not joined after 1 s (still ");
    says(&output, "(see: zeek-cluster output worker-1), not restarted: worker-[2-4]");
    says(&sandbox.expect(2, &["deploy", "--max-unavailable", "0"]), "0 would never restart anything");
    says(&sandbox.expect(2, &["deploy", "--max-unavailable", "101%"]), "no more than 100%");
}

#[test]
fn ctrl_c_begins_nothing_new_and_the_next_deploy_goes_on() {
    let sandbox = Sandbox::with_layout(&layout(PLAIN));
    sandbox.expect(0, &["deploy"]);
    let before = pids(&sandbox);
    sandbox.write_layout(&layout(CHANGED));
    // Only the second part is waited for; the first one is through when worker-1 has another process.
    let deploy = Background::start(sandbox.command(&["deploy", "--pause", "100s"]));
    sandbox.until(Duration::from_secs(20), "worker-1 is up again", |s| {
        let row = s.node("worker-1");
        let again = row["state"] == "running" && row["pid"].as_u64() != before["worker-1"];
        if again { Ok(()) } else { Err(row.to_string()) }
    });
    deploy.interrupt();
    let (status, lines) = deploy.end();
    assert_eq!(status, 130, "{lines:?}");
    let said: Vec<&str> = lines
        .iter()
        .map(|line| match line {
            Line::Out(text) | Line::Err(text) => text.as_str(),
        })
        .collect();
    let said = said.join("\n");
    assert!(said.contains("Ctrl-C again leaves at once"), "{said}");
    assert!(said.contains("restarted worker-1, not restarted: worker-[2-4]"), "{said}");
    assert!(said.contains("interrupted after the switch"), "{said}");
    let after = pids(&sandbox);
    assert_eq!(restarted(&before, &after), ["worker-1"]);
    sandbox.expect(0, &["deploy"]);
    assert_eq!(restarted(&after, &pids(&sandbox)), ["worker-2", "worker-3", "worker-4"]);
}

#[test]
fn nodes_come_and_go_and_the_others_run_on() {
    let sandbox = Sandbox::with_layout(&format!(
        "{}  worker: {{ type: worker, count: 2 }}\n",
        HEAD.replace("proxy }", "proxy, count: 2 }")
    ));
    sandbox.expect(0, &["deploy"]);
    let before = pids(&sandbox);
    let gone = before["proxy-2"].expect("a pid");
    sandbox.write_layout(&format!(
        "{}  worker: {{ type: worker, count: 3 }}\n",
        HEAD.replace("proxy: { type: proxy }", "proxy-1: { type: proxy }")
    ));
    let plan = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&plan, "proxy-2 leaves: pool keys are redistributed");
    says(&plan, "proxy-2: stop, on localhost, the layout no longer has it");
    says(&plan, "worker-3: start, it is new");
    says(&plan, "update without restart, the table of nodes changed");
    sandbox.expect(0, &["deploy", "--yes"]);
    let after = pids(&sandbox);
    assert_eq!(restarted(&before, &after), ["worker-3"]);
    assert_eq!(after.len(), 6);
    assert!(!std::path::Path::new(&format!("/proc/{gone}/stat")).exists(), "proxy-2 is stopped");
    // Those that ran on know the new one, and no longer the old one.
    assert_eq!(sandbox.json(0, &["count"])["total"], serde_json::json!({ "defined": 6, "active": 6 }));
    assert_eq!(sandbox.json(0, &["peers", "manager"]).as_array().map(Vec::len), Some(5));
    sandbox.expect(0, &["plan"]);
}

/// A manager's host and one or two sensors, each with its workers.
fn machines_layout(machines: &Machines, workers: &[(&str, usize)]) -> String {
    let mut hosts = format!("  head: {{ address: {} }}\n", machines.address(0));
    let mut nodes = String::new();
    for (name, index) in workers {
        let host = format!("sensor-{index}");
        if !hosts.contains(&host) {
            hosts.push_str(&format!("  {host}: {{ address: {} }}\n", machines.address(*index)));
        }
        nodes.push_str(&format!("  {name}: {{ type: worker, host: {host} }}\n"));
    }
    format!(
        "name: campus\nbase_dir: BASE\nssh:\n  user: root\n  identity_file: {}\n  known_hosts_file: {}\n  connect_timeout: 2s\n\
         hosts:\n{hosts}nodes:\n  manager: {{ type: manager, host: head }}\n  logger: {{ type: logger, host: head }}\n{nodes}",
        machines.identity().display(),
        machines.known_hosts().display(),
    )
}

#[test]
fn nodes_move_between_machines_and_a_machine_leaves() {
    if !has_machines() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.base()).expect("the base folder");
    let mut machines = Machines::start(sandbox.path(), &sandbox.base(), 3);
    sandbox.write_layout(&machines_layout(&machines, &[("w1", 1), ("w2", 1), ("w3", 2)]));
    sandbox.expect(0, &["deploy"]);
    says(&sandbox.expect(0, &["deploy"]), "unchanged: 3 hosts");
    let before = pids(&sandbox);

    // w2 moves: it is stopped there before it starts here, the others run on.
    sandbox.write_layout(&machines_layout(&machines, &[("w1", 1), ("w2", 2), ("w3", 2)]));
    let plan = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&plan, "w2: stop, on sensor-1, it moves to sensor-2");
    says(&plan, "w2: start, it moves here from sensor-1");
    sandbox.expect(0, &["deploy"]);
    assert_eq!(restarted(&before, &pids(&sandbox)), ["w2"]);
    assert!(!is_alive(before["w2"]), "w2 runs once");
    sandbox.expect(0, &["plan"]);

    // sensor-2 leaves, and another operator, whose machine never saw it, deploys that.
    let before = pids(&sandbox);
    fs::remove_dir_all(sandbox.home().join(".local/state/zeek-cluster")).expect("it was written");
    sandbox.write_layout(&machines_layout(&machines, &[("w1", 1)]));
    let plan = sandbox.expect(10, &["plan", "-o", "table"]);
    says(&plan, "sensor-2: not in the layout any more");
    says(&plan, "w[2-3]: stop, on sensor-2, the layout no longer has host sensor-2");
    let refused = sandbox.expect(2, &["deploy"]);
    says(&refused, "these nodes are not in the layout and would be stopped: w[2-3] on sensor-2");
    assert!(is_alive(before["w2"]) && is_alive(before["w3"]), "nothing was done without a yes");
    sandbox.expect(0, &["deploy", "--yes"]);
    assert!(!is_alive(before["w2"]) && !is_alive(before["w3"]), "nothing runs on sensor-2");
    assert_eq!(restarted(&before, &pids(&sandbox)), Vec::<String>::new());
    sandbox.expect(0, &["plan"]);

    // A machine that gives no answer may still run what moved away from it.
    machines.stop_sshd(1);
    sandbox.write_layout(&machines_layout(&machines, &[("w1", 2)]));
    let plan = sandbox.expect(1, &["plan", "-o", "table"]);
    says(&plan, "w1: not started, it may still run on sensor-1, which gives no answer");
    says(&plan, "refused");
    let held = sandbox.expect(1, &["deploy"]);
    says(&held, "zeek-cluster deploy --allow-partial starts it all the same");
    sandbox.expect(1, &["deploy", "--allow-partial"]);
    assert_eq!(sandbox.node("w1")["state"], "running");
}

#[test]
fn a_deploy_of_some_hosts_leaves_the_others_as_they_are() {
    if !has_machines() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.base()).expect("the base folder");
    let mut machines = Machines::start(sandbox.path(), &sandbox.base(), 3);
    let workers = |one: &str, two: &str| {
        machines_layout(&machines, &[("w1", 1), ("w2", 2)])
            .replace("w1: { type: worker", &format!("w1: {{ type: worker{one}"))
            .replace("w2: { type: worker", &format!("w2: {{ type: worker{two}"))
    };
    sandbox.write_layout(&workers("", ""));
    says(&sandbox.expect(2, &["deploy", "@failed"]), "@failed");
    sandbox.expect(0, &["deploy"]);
    let before = pids(&sandbox);
    let nobody = sandbox.expect(0, &["deploy", "@failed"]);
    says(&nobody, "nothing is in `@failed`: the last run was `deploy`");

    let changed = ", env_vars: { RUN: two }";
    sandbox.write_layout(&workers(changed, changed));
    let plan = sandbox.expect(10, &["plan", "w1", "-o", "table"]);
    says(&plan, "head,sensor-2: left out, stays as it is");
    says(&plan, "w1: restart, `env_vars` sets RUN");
    says(&plan, "restart 1 of 4 nodes");
    let file = sandbox.path().join("plan.json");
    fs::write(&file, sandbox.expect(10, &["plan", "sensor-1", "-o", "json"]).stdout).expect("written");
    let some = sandbox.expect(0, &["deploy", "--plan", file.to_str().expect("text"), "-o", "json"]);
    says(&some, "left as they are: head,sensor-2 on release ");
    says(&some, "ok w1");
    says(&some, "skipped manager,logger,w2");
    let outcomes: Value = serde_json::from_str(&some.stdout).expect("a document");
    let kinds: BTreeMap<&str, &str> = outcomes
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(|row| Some((row["target"].as_str()?, row["kind"].as_str()?)))
        .collect();
    assert_eq!(kinds, BTreeMap::from([("manager", "skipped"), ("logger", "skipped"), ("w1", "ok"), ("w2", "skipped")]));
    assert_eq!(restarted(&before, &pids(&sandbox)), ["w1"]);
    says(&sandbox.expect(0, &["deploy", "sensor-1"]), "unchanged: 1 host");
    sandbox.expect(0, &["plan", "sensor-1"]);
    says(&sandbox.expect(10, &["plan", "-o", "table"]), "w2: restart, `env_vars` sets RUN");
    assert_eq!(sandbox.json(0, &["history", "-n", "2"])[1]["outcome"], "ok", "leaving some out is no failure");

    // What was not reached is deployed when it is back, and no other host is touched.
    machines.stop_sshd(2);
    sandbox.expect(1, &["deploy"]);
    machines.start_sshd(2);
    let before = pids(&sandbox);
    let late = sandbox.expect(0, &["deploy", "@unreachable"]);
    says(&late, "ok w2");
    assert_eq!(restarted(&before, &pids(&sandbox)), ["w2"]);
    sandbox.expect(0, &["plan"]);

    // A node that moves needs both its hosts.
    sandbox.write_layout(&machines_layout(&machines, &[("w1", 2), ("w2", 2), ("w3", 1)]));
    for host in ["sensor-1", "sensor-2"] {
        let refused = sandbox.expect(2, &["deploy", host]);
        says(&refused, "w1 moves from sensor-1 to sensor-2, and ");
        says(&refused, "name these hosts too, or none to deploy all");
        says(&sandbox.expect(2, &["plan", host]), "w1 moves from sensor-1");
    }
    sandbox.expect(0, &["deploy", "sensor-1,sensor-2"]);
    assert_eq!(sandbox.node("w1")["host"], "sensor-2");
    assert_eq!(sandbox.node("w1")["state"], "running");
}

fn is_alive(pid: Option<u64>) -> bool {
    // The process ids of all namespaces are this machine's.
    std::path::Path::new(&format!("/proc/{}/stat", pid.expect("a pid"))).exists()
}
