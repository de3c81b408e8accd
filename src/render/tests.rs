//! Releases against golden files, and what changes a hash.

use std::path::{Path, PathBuf};

use super::*;
use crate::api::keys::CurveKeys;
use crate::layout::{Layout, test_layout};

const HASH: &str = "00000000000000000000000000000000000000000000000000000000000000ff";
/// The client's secret key of ZeroMQ RFC 26's example; four times the same serves here.
const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

fn keys() -> CurveKeys {
    CurveKeys::parse([KEY; 4]).expect("keys")
}

fn input(curve: Option<&CurveKeys>) -> ReleaseInput<'_> {
    ReleaseInput { binary_hash: HASH, created_by: "ann@desk", created_at: 1_700_000_000.0, curve }
}

fn rendered(layout: &Layout) -> Release {
    release(layout, &input(Some(&keys()))).expect("a release")
}

/// Compares a text with `tests/golden/CASE/out/FILE`; `UPDATE=1` writes it instead.
fn golden(case: &Path, file: &str, found: &str) {
    let path = case.join("out").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the golden folder");
        std::fs::write(&path, found).expect("the golden file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(found, expected, "{}; UPDATE=1 takes the new text", path.display());
}

/// Renders `tests/golden/CASE/in/cluster.yaml` and compares every file of every host.
fn check(case: &str) {
    let case = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case);
    let text = std::fs::read_to_string(case.join("in/cluster.yaml")).expect("the case's layout");
    let layout = test_layout(&text);
    golden(&case, "show.yaml", &layout_yaml(&layout));
    golden(&case, "show.json", &layout_json(&layout));
    for host in rendered(&layout).hosts {
        let manifest = serde_json::to_string_pretty(&host.manifest).expect("json");
        golden(&case, &format!("{}/manifest.json", host.manifest.host), &(manifest + "\n"));
        for file in &host.manifest.files {
            let content = String::from_utf8(host.blobs[&file.hash].clone()).expect("text");
            golden(&case, &format!("{}/{}", host.manifest.host, file.path.display()), &content);
        }
    }
}

#[test]
fn one_host() {
    check("render-one-host");
}

#[test]
fn two_hosts_ipv6_encrypted() {
    check("render-two-hosts");
}

#[test]
fn real_zeek_in_every_role() {
    check("render-zeek");
}

const LAYOUT: &str = "
hosts: { head: 192.0.2.1, sensor: 192.0.2.2 }
nodes:
  manager: { host: head }
  logger: { host: head }
  worker: { host: sensor, count: 2, interface: eth0 }
";

/// Node name and hash of all hosts.
fn hashes(release: &Release) -> Vec<(String, String)> {
    let nodes = release.hosts.iter().flat_map(|host| &host.manifest.nodes);
    nodes.map(|node| (node.name.clone(), node.hash.clone())).collect()
}

/// Names of nodes that a changed layout restarts.
fn restarted(from: &str, to: &str) -> Vec<String> {
    let (before, after) = (hashes(&rendered(&test_layout(from))), hashes(&rendered(&test_layout(to))));
    after.into_iter().filter(|node| !before.contains(node)).map(|(name, _)| name).collect()
}

#[test]
fn another_worker_restarts_nobody_else() {
    assert_eq!(restarted(LAYOUT, &LAYOUT.replace("count: 2", "count: 3")), ["worker-3"]);
}

#[test]
fn what_changes_restarts_whom_it_concerns() {
    let env = "interface: eth0, env_vars: { A: b }";
    assert_eq!(restarted(LAYOUT, &LAYOUT.replace("interface: eth0", env)), ["worker-1", "worker-2"]);
    let metrics = "interface: eth0, metrics_port: 9991";
    assert_eq!(restarted(LAYOUT, &LAYOUT.replace("interface: eth0", metrics)), ["worker-1", "worker-2"]);
    let pinned = "interface: eth0, pin_cpus: [1, 2]";
    assert_eq!(restarted(LAYOUT, &LAYOUT.replace("interface: eth0", pinned)), ["worker-1", "worker-2"]);
    let option = |option: &str| format!("{LAYOUT}options: {{ {option} }}\n");
    let marks = option("Cluster::Backend::ZeroMQ::xpub_sndhwm: 7");
    assert_eq!(restarted(LAYOUT, &marks), ["manager", "logger", "worker-1", "worker-2"]);
    for live in ["Telemetry::callback_timeout: 2sec", "Cluster::retry_interval: 2sec"] {
        assert_eq!(restarted(LAYOUT, &option(live)), Vec::<String>::new(), "{live}");
    }
}

#[test]
fn a_real_zeek_restarts_for_what_it_reads_only_at_its_start() {
    let zeek = LAYOUT.replace("count: 2", "count: 2, engine: zeek");
    assert_eq!(restarted(&zeek, &zeek.replace("count: 2", "count: 3")), ["worker-1", "worker-2", "worker-3"]);
    assert_eq!(restarted(&zeek, &format!("{zeek}networks: [10.0.0.0/8]\n")), ["worker-1", "worker-2"]);
}

#[test]
fn the_id_is_of_the_contents_alone() {
    let layout = test_layout(LAYOUT);
    let (first, keys) = (rendered(&layout), keys());
    let later = ReleaseInput { created_at: 1.0, created_by: "bob@desk", ..input(Some(&keys)) };
    assert_eq!(release(&layout, &later).expect("a release").id, first.id);
    let other = ReleaseInput { binary_hash: "aa", ..input(Some(&keys)) };
    assert_ne!(release(&layout, &other).expect("a release").id, first.id);
    assert_eq!(first.id.len(), 12);
}

#[test]
fn what_cannot_be_rendered_says_why() {
    let layout = test_layout(LAYOUT);
    assert_eq!(release(&layout, &input(None)).err(), Some(RenderError::NoKeys));
    let nowhere = test_layout(&LAYOUT.replace("192.0.2.2", "nowhere.example"));
    let error = release(&nowhere, &input(Some(&keys()))).err().expect("an error");
    assert_eq!(error.to_string(), "no address is known for worker-[1-2]: `nowhere.example` did not resolve");
}

#[test]
fn a_program_is_told_the_nearest_websocket_server_and_half_the_grace() {
    let text = LAYOUT
        .replace("manager: { host: head }", "manager: { host: head, websocket: { listen_addr: \"2001:db8::1\" } }")
        .replace("interface: eth0 }", "interface: eth0, command: [sensor, -v] }\n  proxy: { host: head, command: [own], websocket: { listen_port: 5 } }");
    let layout = test_layout(&format!("stop_grace: 3s{text}"));
    let program = |name: &str| super::node_config(&layout, layout.node(name).expect(name)).expect(name).program;
    let sensor = program("worker-2").expect("a program");
    assert_eq!(sensor.command, ["sensor", "-v"]);
    assert_eq!(sensor.websocket_url.as_deref(), Some("ws://[2001:db8::1]:27759/v1/messages/json"));
    assert_eq!((sensor.interface.as_deref(), sensor.stop_grace_ms), (Some("eth0"), 1500));
    let own = program("proxy").expect("a program");
    assert_eq!(own.websocket_url.as_deref(), Some("ws://127.0.0.1:5/v1/messages/json"));
    assert_eq!(program("logger"), None);
    assert_eq!(restarted(LAYOUT, &LAYOUT.replace("eth0 }", "eth0, command: [sensor] }")), ["worker-1", "worker-2"]);
}

#[test]
fn secret_keys_are_for_their_owner_alone() {
    let release = rendered(&test_layout(LAYOUT));
    let files = release.hosts.iter().flat_map(|host| &host.manifest.files);
    let modes: std::collections::BTreeSet<(bool, u32)> =
        files.map(|file| (file.path.starts_with("keys"), file.mode)).collect();
    assert_eq!(modes.into_iter().collect::<Vec<_>>(), [(false, 0o644), (true, 0o600)]);
}

#[test]
fn shown_layouts_read_back_as_they_were() {
    for text in [LAYOUT, &with_websocket("core")] {
        let layout = test_layout(text);
        let again = test_layout(&layout_yaml(&layout));
        assert_eq!(layout_yaml(&again), layout_yaml(&layout));
        assert_eq!(layout_zeek(&again), layout_zeek(&layout));
        assert_eq!(again.nodes.first().map(|node| &node.websocket), layout.nodes.first().map(|node| &node.websocket));
    }
}

/// A manager whose WebSocket server has all options.
fn with_websocket(engine: &str) -> String {
    format!(
        "nodes:\n  manager:\n    engine: {engine}\n    websocket:\n      listen_addr: \"::1\"\n      ping_interval: 1.5s\n      \
         max_event_queue_size: 64\n      origins: [https://console.example]\n      tls_options: {{ cert_file: /a.pem, key_file: /a.key, \
         enable_peer_verification: true, ca_file: SYSTEM, ciphers: HIGH }}\n"
    )
}

#[test]
fn a_websocket_server_goes_to_who_runs_it() {
    let zeek = test_layout(&with_websocket("zeek"));
    let script = layout_zeek(&zeek).expect("addresses");
    let options = "[$listen_addr=[::1], $listen_port=27759/tcp, $max_event_queue_size=64, $ping_interval=1500msec, \
                   $tls_options=[$cert_file=\"/a.pem\", $key_file=\"/a.key\", $enable_peer_verification=T, \
                   $ca_file=\"SYSTEM\", $ciphers=\"HIGH\"]]";
    assert!(script.contains(&format!("Cluster::listen_websocket({options});")), "{script}");
    let config = |layout: &Layout| super::node_config::node_config(layout, &layout.nodes[0]).expect("a configuration");
    assert_eq!(config(&zeek).websocket, None);
    let core = config(&test_layout(&with_websocket("core"))).websocket.expect("a server");
    assert_eq!((core.max_event_queue_size, core.ping_interval_ms), (Some(64), Some(1500)));
    assert_eq!(core.tls_options.and_then(|tls| tls.cert_file).as_deref(), Some("/a.pem"));
    let found_at = |websocket: &str| {
        let manager = format!("type: manager, ip: 192.0.2.7, command: [x], websocket: {websocket}");
        let program = config(&test_layout(&format!("nodes:\n  manager: {{ {manager} }}\n"))).program;
        program.and_then(|program| program.websocket_url).expect("a server")
    };
    assert_eq!(found_at("{ listen_addr: 0.0.0.0 }"), "ws://192.0.2.7:27759/v1/messages/json");
    let tls = "{ listen_addr: \"::1\", tls_options: { cert_file: /a, key_file: /b } }";
    assert_eq!(found_at(tls), "wss://[::1]:27759/v1/messages/json");
}

#[test]
fn what_an_imported_worker_has_is_not_added_again() {
    let layout = test_layout(
        "engine: zeek\nnodes:\n  manager: {}\n  worker: { count: 2, interface: \"zc:eth3@{n}\", lb_method: pf_ring, \
         env_vars: { PCAP_PF_RING_USE_CLUSTER_PER_FLOW_2_TUPLE: 1 } }\n  \
         tap: { type: worker, interface: af_packet::eth1, lb_method: af_packet, af_packet_fanout_id: 7, \
         af_packet_buffer_size: 128*1024*1024 }\nzeek: { args: [-C], redefs: { Notice::mail_dest: '\"a@b\"' } }\n",
    );
    let zeek = |name: &str| {
        let node = layout.node(name).expect("a node");
        super::zeek::zeek_config(&layout, node).expect("a real Zeek")
    };
    let ring = zeek("worker-2");
    assert_eq!(ring.interface.as_deref(), Some("zc:eth3@1"));
    assert!(!ring.env.contains_key("PCAP_PF_RING_USE_CLUSTER_PER_FLOW_4_TUPLE"), "{ring:#?}");
    let tap = zeek("tap");
    assert_eq!(
        (tap.interface.as_deref(), tap.args.as_slice()),
        (Some("af_packet::eth1"), ["-C".to_owned()].as_slice())
    );
    assert_eq!(
        (tap.redefs["AF_Packet::fanout_id"].as_str(), tap.redefs["AF_Packet::buffer_size"].as_str()),
        ("7", "128*1024*1024")
    );
    let script = super::zeek::config_script(&layout, "seed").expect("a script");
    assert!(script.contains("@ifdef ( Notice::mail_dest )\nredef Notice::mail_dest = \"a@b\";\n@endif\n"), "{script}");
}
