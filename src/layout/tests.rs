//! Layouts in, models and problems out.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::api::config::OptionValue;
use crate::api::limits::{CpuSet, Limits, Numa};
use crate::api::store::{BackendType, FailureMode, JournalMode, SqliteOptions, Synchronous};

/// Loads a text as `campus.yaml`: the name `head` resolves, 198.51.100.1 is this machine.
fn try_load(text: &str) -> Result<Loaded, Vec<Problem>> {
    let resolve = |name: &str| (name == "head").then(|| IpAddr::from([192, 0, 2, 10]));
    let is_local = |ip: IpAddr| ip == IpAddr::from([198, 51, 100, 1]);
    load(text, Path::new("campus.yaml"), &Environment { resolve: &resolve, is_local: &is_local })
}

/// A layout that must be without problems.
pub(crate) fn test_layout(text: &str) -> Layout {
    loaded(text).layout
}

fn loaded(text: &str) -> Loaded {
    try_load(text).unwrap_or_else(|problems| panic!("{}", shown(text, &problems).join("\n")))
}

/// `line:column [what is underlined] message; expected …; hint`.
fn shown(text: &str, problems: &[Problem]) -> Vec<String> {
    let show = |problem: &Problem| {
        let underlined = &text[problem.span.clone()];
        let rest = problem.to_string();
        let rest =
            rest.strip_prefix(&format!("campus.yaml:{}:{}: ", problem.line, problem.column)).expect("the place first");
        format!("{}:{} [{}] {rest}", problem.line, problem.column, underlined.replace('\n', "\\n"))
    };
    problems.iter().map(show).collect()
}

/// All problems of a text.
fn check(text: &str, expected: &[&str]) {
    let found = match try_load(text) {
        Ok(_) => Vec::new(),
        Err(problems) => shown(text, &problems),
    };
    assert_eq!(found, expected, "in\n{text}");
}

/// All warnings of a text that has no problems.
fn check_warnings(text: &str, expected: &[&str]) {
    assert_eq!(shown(text, &loaded(text).warnings), expected, "in\n{text}");
}

fn names(layout: &Layout) -> Vec<&str> {
    layout.nodes.iter().map(|node| node.name.as_str()).collect()
}

fn ports(layout: &Layout) -> Vec<(&str, u16)> {
    layout.nodes.iter().filter_map(|node| Some((node.name.as_str(), node.port?))).collect()
}

const FIVE_LINES: &str = "nodes:
  manager: {}
  logger: {}
  proxy: {}
  worker: { count: 2, interface: lo }
";

/// The example of the manual, with everything that a layout can say.
const CAMPUS: &str = r#"version: 1
name: campus
backend: zeromq
encryption: auto
base_dir: /opt/zeek-cluster
stop_grace: 20s
ssh:
  user: zeek
  identity_file: ~/.ssh/id_ed25519
  jump: bastion.example.net
  host_key_checking: strict
  connect_timeout: 10s
hosts:
  head:     { address: 192.0.2.10 }
  sensor-1: { address: 192.0.2.21, ssh: { port: 2222 } }
  sensor-2: { address: "2001:db8::22" }
nodes:
  manager:  { type: manager, host: head, websocket: { listen_addr: 127.0.0.1, listen_port: 27759 } }
  logger:   { type: logger,  host: head, count: 2 }
  proxy:    { type: proxy,   host: head }
  worker:   { type: worker,  host: [sensor-1, sensor-2], count: 4, interface: eth1, pin_cpus: [2, 3, 4, 5] }
options:
  Cluster::retry_interval: 1sec
  Cluster::enable_round_robin_logging: true
stores:
  intel: { backend: sqlite, master_node: manager }
logging: { format: tsv, rotation_interval: 1hr, compress: gzip, expire: 30days }
networks: [10.0.0.0/8, "fd00::/8"]
zeek:
  prefix: /opt/zeek
  scripts: [local]
"#;

#[test]
fn five_lines_are_a_cluster() {
    let layout = test_layout(FIVE_LINES);
    assert_eq!(layout.name, "campus");
    assert_eq!(names(&layout), ["manager", "logger", "proxy", "worker-1", "worker-2"]);
    assert_eq!(ports(&layout), [("logger", 27764)]);
    assert_eq!(layout.hub, HubPorts { xpub: 27760, xsub: 27761 });
    assert_eq!((layout.hosts.len(), &layout.hosts[0].reach), (1, &Reach::Local));
    assert!(!layout.encrypted && !layout.manager_is_logger);
    assert_eq!(layout.node("worker-2").and_then(|n| n.manager.as_deref()), Some("manager"));
}

#[test]
fn the_manuals_example_is_read_as_it_says() {
    let layout = test_layout(CAMPUS);
    assert_eq!(fold(&layout), "manager,logger-[1-2],proxy,worker-[1-8]");
    assert!(layout.encrypted);
    assert_eq!(layout.stop_grace, Duration::from_secs(20));
    let worker = layout.node("worker-6").expect("worker-6");
    assert_eq!((worker.host.as_str(), worker.pin_cpus.as_slice()), ("sensor-2", [3].as_slice()));
    assert_eq!(worker.group, ("worker".to_owned(), 5));
    let Reach::Ssh(ssh) = &layout.host("sensor-1").expect("sensor-1").reach else { panic!("by SSH") };
    assert_eq!(
        (ssh.user.as_deref(), ssh.port, ssh.connect_timeout),
        (Some("zeek"), Some(2222), Some(Duration::from_secs(10)))
    );
    assert_eq!(ssh.identity_files, [PathBuf::from("~/.ssh/id_ed25519")]);
    assert_eq!(layout.host("sensor-1").map(|h| h.line), Some(15));
    assert_eq!(layout.options["Cluster::retry_interval"], OptionValue::Text("1sec".into()));
    assert_eq!(layout.options["Cluster::enable_round_robin_logging"], OptionValue::Bool(true));
    assert_eq!(layout.stores["intel"].clone_stale_interval, Duration::from_secs(300));
    assert_eq!(layout.logging.expire, Duration::from_secs(30 * 86_400));
    assert_eq!(layout.networks[1].prefix, "fd00::/8");
}

fn fold(layout: &Layout) -> String {
    nodeset::fold(names(layout))
}

#[test]
fn counts_expand_as_zeekctl_names_its_workers() {
    let expanded = |worker: &str| {
        let hosts = "hosts: { a: 192.0.2.1, b: 192.0.2.2 }\n";
        fold(&test_layout(&format!("{hosts}nodes:\n  manager: {{ host: a }}\n  {worker}\n")))
    };
    assert_eq!(expanded("worker: { host: a }"), "manager,worker");
    assert_eq!(expanded("worker: { host: a, count: 1 }"), "manager,worker-1");
    assert_eq!(expanded("worker: { host: [a, b] }"), "manager,worker-[1-2]");
    assert_eq!(expanded("worker-1: { host: a, lb_procs: 3 }"), "manager,worker-1-[1-3]");
}

#[test]
fn ports_stay_when_nodes_come_and_go() {
    let with = |more: &str| test_layout(&format!("nodes:\n  manager: {{}}\n{more}  logger-2: {{}}\n"));
    assert_eq!(ports(&with("")), [("logger-2", 27765)]);
    assert_eq!(ports(&with("  logger-1: {}\n")), [("logger-1", 27764), ("logger-2", 27765)]);
    assert_eq!(ports(&test_layout("port: 30000\nnodes: { manager: {} }\n")), [("manager", 30003)]);
    let written = test_layout("nodes: { manager: {}, logger: { count: 2, port: 4000 } }");
    assert_eq!(ports(&written), [("logger-1", 4000), ("logger-2", 4001)]);
}

#[test]
fn reach_follows_address_and_ssh() {
    let reach = |host: &str| {
        let text = format!("encryption: off\nhosts: {{ h: {host} }}\nnodes: {{ manager: {{}} }}\n");
        matches!(test_layout(&text).hosts[0].reach, Reach::Local)
    };
    assert!(reach("localhost") && reach("127.0.0.5") && reach("198.51.100.1") && reach("{ address: '::1' }"));
    assert!(!reach("192.0.2.1") && !reach("head") && !reach("{ address: 127.0.0.1, ssh: {} }"));
    assert!(!reach("{ address: 127.0.0.1, ssh: }"), "an empty ssh key is one too");
}

#[test]
fn every_problem_of_a_file_is_reported_at_once() {
    check(
        "name: my cluster
backnd: zeromq
hosts:
  head: { adress: 192.0.2.10 }
  head: 192.0.2.11
nodes:
  manager: { type: manager, host: haed, prot: 1 }
  worker: { type: wroker, host: head, count: none }
  'wörker': { type: worker, host: head, port: 70000, ip: 300.1.1.1 }
",
        &[
            "1:7 [my cluster] `name` cannot be `my cluster`; expected letters, digits, `_`, `-` and `.`, not beginning with `-` or `.`, at most 64",
            "2:1 [backnd] unknown key `backnd`; expected `version`, `name`, `backend`, `encryption`, `base_dir`, `stop_grace`, `restart_when_silent`, `port`, `engine`, `ssh`, `defaults`, `hosts`, `nodes`, `options`, `stores`, `logging`, `networks`, `zeek` or `notify`; did you mean `backend`?",
            "4:11 [adress] unknown key `adress`; expected `address` or `ssh`; did you mean `address`?",
            "5:3 [head] `head` stands here twice; expected each key once",
            "7:35 [haed] unknown host `haed`; expected one of head; did you mean `head`?",
            "7:41 [prot] unknown key `prot`; expected `type`, `host`, `count`, `lb_procs`, `ip`, `zone_id`, `port`, `manager`, `metrics_port`, `engine`, `websocket`, `interface`, `lb_method`, `pin_cpus`, `memory_max`, `memory_high`, `nice`, `cpu_set`, `numa`, `open_files`, `core_dumps`, `command`, `health`, `restart_when_silent`, `env_vars` or `aux_scripts`; did you mean `port`?",
            "8:19 [wroker] `type` cannot be `wroker`; expected `manager`, `logger`, `proxy` or `worker`; did you mean `worker`?",
            "8:46 [none] `count` cannot be `none`; expected a whole number from 1 to 10000",
            "9:3 ['wörker'] `wörker` is no name; expected letters, digits, `_`, `-` and `.`, not beginning with `-` or `.`, at most 64",
            "9:47 [70000] `port` cannot be `70000`; expected a whole number from 1 to 65535",
            "9:58 [300.1.1.1] `ip` cannot be `300.1.1.1`; expected an IP address such as `192.0.2.10` or `\"2001:db8::10\"`",
        ],
    );
}

#[test]
fn clusters_need_one_manager() {
    check(
        "",
        &[
            "1:1 [] this cluster has no nodes; expected `nodes:` with at least a manager, such as `manager: { type: manager }`",
        ],
    );
    check(
        "nodes:\n",
        &[
            "1:1 [nodes] this cluster has no nodes; expected `nodes:` with at least a manager, such as `manager: { type: manager }`",
        ],
    );
    check("nodes: { logger: {} }", &["1:1 [nodes] this cluster has no manager; expected one node of type manager"]);
    check(
        "nodes: { worker: {} }",
        &[
            "1:1 [nodes] this cluster has no manager, which `worker` and the others need; expected one node of type manager",
        ],
    );
    check(
        "nodes:\n  manager: {}\n  second: { type: manager }\n",
        &["3:3 [second] `second` is a second manager beside `manager`; expected one manager"],
    );
    check(
        "nodes:\n  manager: {}\n  proxy: {}\n  worker: { manager: proxy }\n",
        &["4:22 [proxy] `proxy` is a proxy; expected the manager's name, or leave the key out"],
    );
    check(
        "nodes:\n  manager: {}\n  worker: { manager: manger }\n",
        &[
            "3:22 [manger] there is no node `manger`; expected the manager's name, or leave the key out; did you mean `manager`?",
        ],
    );
}

#[test]
fn names_are_told_apart() {
    check(
        "nodes:\n  manager: {}\n  worker: { count: 2 }\n  worker-1: {}\n",
        &[
            "4:3 [worker-1] `worker` and `worker-1` both stand for a node `worker-1`; expected names that differ in more than case",
        ],
    );
    check(
        "nodes:\n  manager: {}\n  worker-a: {}\n  worker-A: {}\n",
        &["4:3 [worker-A] `worker-a` and `worker-A` differ only in case; expected names that differ in more than case"],
    );
    check(
        "nodes:\n  manager: {}\n  control: { type: worker }\n",
        &[
            "3:3 [control] no node can be named `control`; `control` is the name that zeekctl gives to itself in a layout; nothing runs under it",
        ],
    );
    check(
        "nodes:\n  manager: {}\n  x: {}\n",
        &["3:3 [x] `x` has no type; expected `type: manager`, `logger`, `proxy` or `worker`"],
    );
}

#[test]
fn addresses_and_ports_are_taken_once() {
    check(
        "nodes:\n  manager: {}\n  logger: {}\n  logger-1: {}\n",
        &[
            "4:3 [logger-1] `logger` and `logger-1` both listen on 127.0.0.1 port 27764; expected each address and port once; set `port` for one of the two",
        ],
    );
    check(
        "nodes:\n  manager: { metrics_port: 27761 }\n",
        &[
            "2:28 [27761] the hub's XSUB on `manager` and the metrics of `manager` both listen on 127.0.0.1 port 27761; expected each address and port once; change one of the two ports",
        ],
    );
    check(
        "hosts: { head: 192.0.2.1, a: 127.0.0.1 }\nnodes:\n  manager: { host: a }\n  worker: { host: head }\n",
        &[
            "3:3 [manager] `manager` would listen on 127.0.0.1, where `worker` on another address cannot reach it; expected an address of the network; give host `a` its own address instead of 127.0.0.1",
        ],
    );
}

#[test]
fn processes_and_cpus_fit_each_other() {
    check(
        "nodes:\n  manager: {}\n  worker: { count: 2, pin_cpus: [1, 2, 3] }\n",
        &[
            "3:33 [[1, 2, 3]] `worker` pins 3 CPUs and runs 2 on each host; expected at most 2, one for each process; or set `count: 3`",
        ],
    );
    check_warnings(
        "nodes:\n  manager: {}\n  worker: { count: 3, pin_cpus: [1, 2] }\n",
        &["3:33 [[1, 2]] `worker` pins 2 CPUs for 3 processes: they are used again from the first"],
    );
    check(
        "nodes:\n  manager: {}\n  worker: { count: 3, interface: [eth0, eth1] }\n",
        &[
            "3:34 [[eth0, eth1]] `worker` lists 2 interfaces and runs 3 processes on each host; expected one interface, or one for each process",
        ],
    );
}

#[test]
fn what_this_version_cannot_run_is_said() {
    check(
        "backend: broker\nnodes: { manager: {} }\n",
        &["1:10 [broker] the backend `broker` cannot be run by this version; expected `zeromq`"],
    );
    check(
        "nodes:\n  manager: {}\n  tm: { type: TIME_MACHINE }\n",
        &[
            "3:15 [TIME_MACHINE] `type` cannot be `TIME_MACHINE`; expected `manager`, `logger`, `proxy` or `worker`; Zeek has no time machine nodes any more; leave this node out",
        ],
    );
}

#[test]
fn socket_paths_fit() {
    let base = format!("/{}", "x".repeat(80));
    check(
        &format!("base_dir: {base}\nnodes: {{ manager: {{}} }}\n"),
        &[&format!(
            "1:11 [{base}] `{base}/campus/run/manager/node.sock` has 110 bytes, too many for a Unix socket; expected at most 107 bytes; shorten `base_dir` or names by 3 bytes"
        )],
    );
}

#[test]
fn options_are_known_and_of_their_type() {
    check(
        "nodes: { manager: {} }
options:
  Cluster::retry_intervall: 1sec
  Cluster::retry_interval: soon
  Cluster::manager_is_logger: true
  Cluster::Telemetry::core_metrics: [Cluster::Telemetry::INFO, LOUD]
  Cluster::stores: {}
",
        &[
            "3:3 [Cluster::retry_intervall] unknown option `Cluster::retry_intervall`; did you mean `Cluster::retry_interval`?",
            "4:28 [soon] `Cluster::retry_interval` cannot be `soon`; expected a duration such as `500ms`, `10s`, `5min`, `1hr` or `30days`",
            "5:3 [Cluster::manager_is_logger] `Cluster::manager_is_logger` follows from other keys; add or remove a node of type logger instead",
            "6:37 [[Cluster::Telemetry::INFO, LOUD]] `Cluster::Telemetry::core_metrics` cannot be a list; expected a list of `Cluster::Telemetry::INFO`, `Cluster::Telemetry::VERBOSE`, `Cluster::Telemetry::DEBUG`",
            "7:3 [Cluster::stores] `Cluster::stores` is no option of a layout; declare the stores under `stores`",
        ],
    );
}

#[test]
fn a_missing_unit_is_suggested() {
    check(
        "stop_grace: 10\nnodes: { manager: {} }\n",
        &[
            "1:13 [10] `stop_grace` cannot be `10`; expected a duration such as `500ms`, `10s`, `5min`, `1hr` or `30days`; a unit is missing; did you mean `10s`?",
        ],
    );
}

#[test]
fn a_websocket_server_has_all_options_of_the_reference() {
    let layout = test_layout(
        "nodes:
  manager:
    websocket:
      listen_addr: \"::\"
      listen_port: 443
      max_event_queue_size: 64
      ping_interval: 1.5s
      max_backlog_mib: 16
      origins: [https://console.example]
      tls_options:
        cert_file: /etc/ssl/ws.pem
        key_file: /etc/ssl/ws.key
        enable_peer_verification: true
        ca_file: /etc/ssl/clients.pem
        ciphers: HIGH
",
    );
    let websocket = layout.node("manager").and_then(|node| node.websocket.clone()).expect("a server");
    assert_eq!((websocket.listen_addr.to_string().as_str(), websocket.listen_port), ("::", 443));
    assert_eq!(websocket.max_event_queue_size, Some(64));
    assert_eq!(websocket.ping_interval, Some(std::time::Duration::from_millis(1500)));
    assert_eq!(
        (websocket.max_backlog_mib, &websocket.origins[..]),
        (Some(16), &["https://console.example".to_owned()][..])
    );
    let tls = websocket.tls_options.expect("TLS");
    assert_eq!(tls.cert_file.as_deref(), Some("/etc/ssl/ws.pem"));
    assert!(tls.enable_peer_verification && tls.ca_file == "/etc/ssl/clients.pem" && tls.ciphers == "HIGH");
}

#[test]
fn wrong_combinations_of_tls_options_have_a_place() {
    let with = |tls: &str| format!("nodes:\n  manager: {{ websocket: {{ tls_options: {{ {tls} }} }} }}\n");
    let problem = |tls: &str| {
        let text = with(tls);
        let problems = shown(&text, &try_load(&text).err().unwrap_or_default());
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].clone()
    };
    assert!(problem("cert_file: /a").contains("`tls_options` has no `key_file`; expected `cert_file` and `key_file`"));
    assert!(problem("key_file: /a").contains("`tls_options` has no `cert_file`"));
    assert!(problem("cert_file: \"\", key_file: /a").contains("`tls_options` has no `cert_file`"));
    assert!(problem("cert_file: a.pem, key_file: /b").contains("`cert_file` of `tls_options` is no absolute path"));
    assert!(problem("ca_file: cas.pem").contains("`ca_file` of `tls_options` is no absolute path"));
    assert!(problem("enable_peer_verification: maybe").contains("expected `true` or `false`"));
    for fine in
        ["", "ca_file: SYSTEM", "ca_file: NONE", "cert_file: \"\", key_file: \"\"", "cert_file: /a, key_file: /b"]
    {
        test_layout(&with(fine));
    }
}

#[test]
fn what_may_go_wrong_later_is_warned_of() {
    check_warnings(
        "hosts:\n  head: nowhere.example\n  spare: 192.0.2.9\nnodes:\n  manager: {host: head}\n  worker: {host: head, port: 5}\n",
        &[
            "2:9 [nowhere.example] the address `nowhere.example` of host `head` does not resolve; until it does, this host's nodes cannot be deployed",
            "3:3 [spare] host `spare` has no node",
            "6:30 [5] `port` has no effect here: `worker` receives no logs and does not listen",
        ],
    );
}

#[test]
fn one_machine_is_one_host() {
    check(
        "hosts:\n  a: 127.0.0.1\n  b: localhost\nnodes:\n  manager: { host: a }\n  worker: { host: b }\n",
        &[
            "3:3 [b] host `b` is this machine, as `a` is; their nodes would share one folder; expected each machine once; put the nodes on one host and give them an `ip`",
        ],
    );
}

#[test]
fn anchors_and_merges_work() {
    let layout = test_layout(
        "nodes:
  manager: &base { env_vars: { A: one } }
  proxy: { <<: *base }
  worker: { <<: [*base], count: 2, env_vars: { B: two } }
",
    );
    assert_eq!(layout.node("proxy").map(|n| n.env_vars["A"].as_str()), Some("one"));
    assert_eq!(layout.node("worker-1").map(|n| n.env_vars.len()), Some(1));
}

#[test]
fn hostile_files_are_refused() {
    check("a: [1, 2\n", &["1:4 [[] not valid YAML: unclosed bracket '['"]);
    check("nodes: *none\n", &["1:8 [*none] unknown alias `*none`; expected an anchor `&name` above it"]);
    check("nodes: &a { b: *a }\n", &["1:16 [*a] this alias stands inside of what it names"]);
    check(
        "---\nnodes: { manager: {} }\n---\n{}\n",
        &["3:1 [---] a second document begins here; expected one document in a file"],
    );
    check("? [a]\n: b\n", &["1:3 [[a]] a list is no key; expected a word"]);
    check("name: !ruby/object x\n", &["1:20 [x] the tag `!ruby/object` means nothing here"]);
    check("- a\n", &["1:1 [- a\\n] `the layout` cannot be a list; expected a mapping of keys to values"]);
    check("nodes: [a]\n", &["1:8 [[a]] `nodes` cannot be a list; expected a mapping of names to values"]);
    let found = |text: &str| try_load(text).expect_err("a problem")[0].message.clone();
    assert_eq!(found(&"#".repeat(1024 * 1024 + 1)), "the file has 1048577 bytes, more than a layout may have");
    assert_eq!(found(&"[".repeat(1000)), "this is nested too deeply");
    assert_eq!(found(&"- ".repeat(1000)), "this is nested too deeply");
    let bomb: String = (1..30).map(|i| format!("a{i}: &a{i} [{}]\n", format!("*a{},", i - 1).repeat(9))).collect();
    assert_eq!(
        found(&format!("a0: &a0 lol\n{bomb}")),
        "with its aliases written out this holds more than 500000 values"
    );
    let deep: String = (1..80).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect();
    assert_eq!(found(&format!("a0: &a0 x\n{deep}")), "this is nested too deeply");
}

#[test]
fn both_yaml_readers_agree_on_what_the_samples_say() {
    for text in [FIVE_LINES, CAMPUS] {
        let other: serde_yaml::Value = serde_yaml::from_str(text).expect("YAML");
        let nodes = other["nodes"].as_mapping().expect("nodes").keys().filter_map(serde_yaml::Value::as_str);
        let layout = test_layout(text);
        let mut groups: Vec<&str> = layout.nodes.iter().map(|n| n.group.0.as_str()).collect();
        groups.dedup();
        assert_eq!(groups, nodes.collect::<Vec<_>>());
    }
}

#[test]
fn a_written_layout_reads_back() {
    let layout = test_layout(CAMPUS);
    let again = test_layout(&to_yaml(&layout));
    assert_eq!(to_yaml(&again), to_yaml(&layout));
    let plain = |layout: &Layout| {
        let mut layout = layout.clone();
        layout.hosts.iter_mut().for_each(|host| host.line = 0);
        layout.nodes.iter_mut().for_each(|node| node.group = (node.name.clone(), 0));
        layout
    };
    assert_eq!(plain(&again), plain(&layout));
}

/// One change of a text: drop, double or replace a piece of it.
fn mutate(text: &str, at: usize, length: usize, what: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let from = at % (chars.len() + 1);
    let to = (from + length).min(chars.len());
    chars[..from].iter().copied().chain(what.chars()).chain(chars[to..].iter().copied()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_layout_panics(
        changes in proptest::collection::vec((any::<usize>(), 0usize..12, "[ -~\\n\\t{}\\[\\],:&*<>|'\"#!%@é-]{0,6}"), 1..6)
    ) {
        let mut text = CAMPUS.to_owned();
        for (at, length, what) in changes {
            text = mutate(&text, at, length, &what);
        }
        if let Err(problems) = try_load(&text) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(text.get(problem.span.clone()).is_some(), "{problem}");
                prop_assert!(problem.line > 0 && problem.column > 0 && problem.length > 0, "{problem}");
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = try_load(&text);
    }
}

#[test]
fn a_command_is_a_list_with_a_program_and_wants_a_websocket_server() {
    check(
        "nodes:
  manager: { websocket: {} }
  worker: { command: python3 sensor.py }
  proxy: { command: [] }
  logger: { engine: zeek, command: [sensor] }
",
        &[
            "3:22 [python3 sensor.py] no shell reads `command`, and no program is called so; expected a list; write `[python3, sensor.py]`",
            "4:21 [[]] `command` names no program; expected a list such as `[/usr/local/bin/sensor, --verbose]`",
            "5:36 [[sensor]] `logger` is a real Zeek, under which no `command` runs; expected `engine: core`, or `command` on another node",
        ],
    );
    check_warnings(
        "nodes: { manager: {}, worker: { command: [sensor], count: 3 } }\n",
        &[
            "1:42 [[sensor]] the program of `worker-1` has no WebSocket server to speak to the cluster; give the node or the manager a `websocket:`",
        ],
    );
    let layout = test_layout("nodes: { manager: { websocket: {} }, worker: { command: [a, -b, 7], count: 2 } }\n");
    assert_eq!(layout.nodes[2].command, ["a", "-b", "7"]);
    let again = test_layout(&super::to_yaml(&layout));
    assert_eq!(again.nodes[2].command, layout.nodes[2].command);
    assert_eq!(layout.websocket_of(&layout.nodes[2]).map(|(node, _)| node.name.as_str()), Some("manager"));
}

#[test]
fn a_websocket_server_on_loopback_is_no_use_to_a_program_on_another_host() {
    check_warnings(
        "hosts: { head: 192.0.2.1, far: 192.0.2.2 }
nodes:
  manager: { host: head, websocket: {} }
  worker: { host: far, command: [sensor] }
",
        &[
            "4:33 [[sensor]] the program of `worker` cannot reach the WebSocket server of `manager`, which listens on 127.0.0.1; give the node a `websocket:` of its own, or that server a `listen_addr` of the network",
        ],
    );
}

#[test]
fn a_store_has_all_options_of_sqlite_and_takes_the_rest_from_the_options() {
    let text = "name: campus
nodes: { manager: {}, worker: {} }
options:
  Cluster::default_backend: Broker::SQLITE
  Broker::default_clone_resync_interval: 3sec
  Broker::default_clone_stale_interval: -1sec
stores:
  a: { path: x/a.sqlite, synchronous: off, journal_mode: wal, failure_mode: delete, integrity_check: on }
  b/c: { backend: memory, clone_resync_interval: 2s, clone_stale_interval: 1min, clone_mutation_buffer_interval: 0 }
";
    let layout = test_layout(text);
    check_warnings(text, &[]);
    let store = &layout.stores["a"];
    let sqlite = SqliteOptions {
        path: "x/a.sqlite".into(),
        synchronous: Some(Synchronous::Off),
        journal_mode: Some(JournalMode::Wal),
        failure_mode: FailureMode::Delete,
        integrity_check: true,
    };
    assert_eq!((store.backend, &store.sqlite), (BackendType::Sqlite, &sqlite));
    let intervals =
        |store: &Store| [store.clone_resync_interval, store.clone_stale_interval, store.clone_mutation_buffer_interval];
    assert_eq!(intervals(store), [3, 0, 120].map(Duration::from_secs));
    let store = &layout.stores["b/c"];
    assert_eq!((store.backend, &store.sqlite), (BackendType::Memory, &SqliteOptions::default()));
    assert_eq!(intervals(store), [2, 60, 0].map(Duration::from_secs));
    assert_eq!(test_layout(&to_yaml(&layout)).stores, layout.stores);
}

#[test]
fn the_master_of_a_store_is_a_node_of_ours() {
    let zeek = "engine: zeek\nnodes: { manager: {}, proxy: { engine: core }, worker: {} }\nstores:\n";
    check(&format!("{zeek}  s: {{ master_node: proxy }}\n"), &[]);
    check(
        &format!("{zeek}  s: {{}}\n  t: {{ master_node: worker }}\n"),
        &[
            "4:3 [s] `manager` runs a real Zeek, which cannot hold the store `s`; expected `master_node` with engine core; add a proxy with `engine: core`, and name it in `master_node`",
            "5:21 [worker] `worker` runs a real Zeek, which cannot hold the store `t`; expected `master_node` with engine core; add a proxy with `engine: core`, and name it in `master_node`",
        ],
    );
}

/// Each with the words that help; what is right is checked elsewhere.
#[test]
fn habits_of_other_tools_are_answered() {
    let hint = |text: &str| match try_load(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let check = |text: &str, expected: &str| {
        let found: Vec<String> = hint(text).iter().map(Problem::to_string).collect();
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}\nis not in {found:#?}");
    };
    let node = |keys: &str| format!("nodes:\n  manager: {{}}\n  worker: {{ {keys} }}\n");
    check("nodes:\n  manager: { host: 192.0.2.10 }\n", "hosts: { head: 192.0.2.10 }");
    check("nodes:\n  manager: { host: sensor1.example.net }\n", "hosts: { sensor1: sensor1.example.net }");
    check("hosts: { head: 192.0.2.10 }\nnodes:\n  manager: { host: 192.0.2.10 }\n", "write `host: head`");
    check(&node("env_vars: \"A=1,B=2\""), "write `{ A: 1, B: 2 }`");
    check(&node("env_vars: [A=1]"), "write `{ A: 1, B: 2 }`");
    check(&node("pin_cpus: 2-5"), "write `[2, 3, 4, 5]`");
    check(&node("websocket: 127.0.0.1:27759"), "{ listen_addr: 127.0.0.1, listen_port: 27759 }");
    check(&node("env: { A: 1 }"), "did you mean `env_vars`?");
    check(&node("cpus: [1]"), "did you mean `pin_cpus`?");
    check(&node("scripts: a"), "did you mean `aux_scripts`?");
    check(&node("websocket: { port: 1 }"), "did you mean `listen_port`?");
    check(&node("interface: \"eth0,eth1\""), "interface: [eth0, eth1]");
    check(&node("interface: \"\u{201c}eth1\u{201d}\""), "quotes included");
    check(&node("interface: \"\""), "has no name");
    check("manager: { type: manager }\nnodes:\n", "nodes stand below `nodes:`");
    check("nodes:\n  manager:\n  type: manager\n", "indent it further");
    check("logging: { rotation: 1hr }\nnodes: { manager: {} }\n", "did you mean `rotation_interval`?");
    check("logging: { expire: never }\nnodes: { manager: {} }\n", "`0` is never");
    check("stop_grace: 10S\nnodes: { manager: {} }\n", "did you mean `10s`?");
    check("stop_grace: 1m30s\nnodes: { manager: {} }\n", "one number and one unit");
    check("log_dir: /x\nnodes: { manager: {} }\n", "logs/YYYY-MM-DD");
    check("networks: { 10.0.0.0/8: lab }\nnodes: { manager: {} }\n", "- 10.0.0.0/8 lab");
    check("options: { Site::local_nets: x }\nnodes: { manager: {} }\n", "local networks stand in `networks:`");
    check(
        "options: { ignore_checksums: T }\nnodes: { manager: {} }\n",
        "zeek: { redefs: { ignore_checksums: VALUE } }",
    );
    check("options: { Broker::metrics_port: 1 }\nnodes: { manager: {} }\n", "`metrics_port`");
    check(
        "hosts: { a: zeek@192.0.2.10:2222 }\nnodes: { manager: {} }\n",
        "{ address: 192.0.2.10, ssh: { user: zeek, port: 2222 } }",
    );
    check("hosts: { a: \"[2001:db8::21]\" }\nnodes: { manager: {} }\n", "`\"2001:db8::21\"`");
}

#[test]
fn one_mistake_about_hosts_is_one_problem() {
    check(
        "hosts: [a]\nnodes:\n  manager: { host: a }\n  worker: { host: b }\n",
        &["1:8 [[a]] `hosts` cannot be a list; expected a mapping of names to values"],
    );
}

#[test]
fn what_cannot_be_seen_is_named_where_it_stands() {
    let place = |text: &str| {
        let problem = try_load(text).expect_err(text).remove(0);
        (problem.line, problem.column, problem.message)
    };
    let tab = place("nodes:\n  manager: {}\n\tworker: {}\n");
    assert_eq!((tab.0, tab.1), (3, 1), "{tab:?}");
    let blank = place("nodes:\n  manager:\n\u{a0}\u{a0}\u{a0}\u{a0}type: manager\n    host: localhost\n");
    assert_eq!((blank.0, blank.2.contains("U+00A0")), (3, true), "{blank:?}");
    let open = place("nodes:\n  manager: { type: manager\n  worker: { type: worker }\n");
    assert_eq!((open.0, open.1), (2, 12), "{open:?}");
}

#[test]
fn shared_settings_may_stand_below_a_key_of_their_own() {
    let layout = test_layout(
        "x-worker: &worker { type: worker, interface: lo }\nnodes:\n  manager: {}\n  sensor: { <<: *worker }\n",
    );
    assert_eq!(layout.node("sensor").and_then(|node| node.interface.as_deref()), Some("lo"));
}

#[test]
fn names_may_have_dots_and_hosts_addresses() {
    let layout = test_layout(
        "hosts: { sensor1.example.net: 192.0.2.21, \"2001:db8::22\": \"2001:db8::22\" }\nnodes:\n  manager: { host: sensor1.example.net }\n  \
         node-a.b: { type: worker, host: \"2001:db8::22\" }\n",
    );
    assert_eq!(names(&layout), ["manager", "node-a.b"]);
    assert_eq!(layout.node("node-a.b").and_then(|node| node.ip), Some("2001:db8::22".parse().expect("an address")));
    for name in [".", "..", ".a", "-a"] {
        assert!(try_load(&format!("nodes:\n  manager: {{}}\n  \"{name}\": {{ type: worker }}\n")).is_err(), "{name}");
    }
}

#[test]
fn a_port_of_a_zeek_that_does_not_listen_is_kept_for_its_scripts() {
    let layout =
        test_layout("engine: zeek\nnodes:\n  manager: {}\n  logger: {}\n  worker: { port: 27766, count: 2 }\n");
    assert_eq!(ports(&layout), [("logger", 27764), ("worker-1", 27766), ("worker-2", 27767)]);
    let worker = layout.node("worker-1").expect("a worker");
    assert_eq!(
        (layout.log_port(worker), layout.log_port(layout.node("logger").expect("a logger"))),
        (None, Some(27764))
    );
}

#[test]
fn limits_of_a_node_win_over_the_defaults_and_can_lift_them() {
    let text = "\
defaults: { memory_max: 4GiB, nice: 5, cpu_set: auto, open_files: 4096 }
nodes:
  manager: { memory_max: none, cpu_set: all, core_dumps: true }
  logger: { pin_cpus: 3 }
  proxy: { cpu_set: [0, 2-4], numa: 0-1, memory_high: 512MiB }
  worker: { count: 2 }
";
    let layout = test_layout(text);
    let limits = |name: &str| layout.node(name).map(|node| node.limits.clone()).unwrap_or_default();
    let base = Limits { memory_max: Some(4 << 30), nice: Some(5), open_files: Some(4096), ..Limits::default() };
    assert_eq!(limits("manager"), Limits { memory_max: None, core_dumps: Some(true), ..base.clone() });
    assert_eq!(limits("logger"), base, "what is pinned has no choice");
    let proxy = Limits {
        cpu_set: Some(CpuSet::List(vec![0, 2, 3, 4])),
        numa: Some(Numa::Bind(vec![0, 1])),
        memory_high: Some(512 << 20),
        ..base.clone()
    };
    assert_eq!(limits("proxy"), proxy);
    let avoid = vec![0, 2, 3, 4];
    let auto = |nth| Limits { cpu_set: Some(CpuSet::Auto { nth, avoid: avoid.clone() }), ..base.clone() };
    assert_eq!([limits("worker-1"), limits("worker-2")], [auto(0), auto(1)]);
    let written = test_layout(&to_yaml(&layout));
    let of_all = |layout: &Layout| layout.nodes.iter().map(|node| node.limits.clone()).collect::<Vec<_>>();
    assert_eq!(of_all(&written), of_all(&layout), "written out they are the same");
}

#[test]
fn limits_that_are_none_or_contradict_each_other_are_named_with_their_place() {
    check(
        "defaults: { memory_max: 1GiB }\nnodes:\n  manager: { memory_high: 2GiB }\n",
        &["3:27 [2GiB] `memory_high` 2GiB of `manager` is above its `memory_max` 1GiB; expected at most 1GiB"],
    );
    check(
        "nodes:\n  manager: { pin_cpus: 1, cpu_set: 2-5 }\n",
        &["2:36 [2-5] `manager` has both `pin_cpus` and `cpu_set`; expected one of the two"],
    );
    check(
        "nodes:\n  manager: { memory_max: 1MiB }\n",
        &[
            "2:26 [1MiB] `memory_max` cannot be `1MiB`; expected a size such as `512MiB` or `4GiB`, at least 16MiB, or `none`",
        ],
    );
    check(
        "nodes:\n  manager: { cpu_set: 5-2, nice: 20 }\n",
        &[
            "2:23 [5-2] `cpu_set` cannot be `5-2`; expected CPUs such as `2-5` or `0,2,4`, `auto` for one of its own, or `all`",
            "2:34 [20] `nice` cannot be `20`; expected a whole number from -20 to 19",
        ],
    );
}
