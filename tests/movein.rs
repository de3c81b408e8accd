//! Operators who come from zeekctl or from Zeek's zeek.conf: their files are read as they are, their commands answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::Sandbox;

const NODE_CFG: &str = "\
[manager]
type=manager
host=localhost

[logger-1]
type=logger
host=localhost

[proxy-1]
type=proxy
host=localhost

[worker-1]
type=worker
host=localhost
interface=eth0 # no comment
lb_method=af_packet
lb_procs=2
pin_cpus=3,4
af_packet.fanout_id=23
env_vars=A=1
";

/// zeekctl's prefix with these files in `etc`.
fn prefix(sandbox: &Sandbox, files: &[(&str, &str)]) -> PathBuf {
    let prefix = sandbox.path().join("zeek");
    for (name, text) in files {
        let path = prefix.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    prefix
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_file_and_a_folder_of_zeekctl_are_a_layout() {
    let sandbox = Sandbox::new();
    let node_cfg = NODE_CFG.replace(" # no comment", "");
    let options = "ZeekPort = 28000\nMailTo = root@localhost\nLogExpireInterval = 7 day\n";
    let networks = "10.0.0.0/8 Corp\n";
    let prefix =
        prefix(&sandbox, &[("etc/node.cfg", &node_cfg), ("etc/zeekctl.cfg", options), ("etc/networks.cfg", networks)]);
    for named in [prefix.clone(), prefix.join("etc"), prefix.join("etc/node.cfg"), prefix.join("etc/zeekctl.cfg")] {
        let named = text(&named);
        let layout = sandbox.json(0, &["layout", "show", "-l", &named]);
        assert_eq!(layout["port"], 28000, "{named}");
        assert_eq!(layout["nodes"]["logger-1"]["port"], 28004);
        let worker = &layout["nodes"]["worker-1-2"];
        assert_eq!((worker["interface"].as_str(), &worker["pin_cpus"][0]), (Some("af_packet::eth0"), &Value::from(4)));
        assert_eq!(worker["af_packet_fanout_id"], "23");
        assert_eq!(worker["metrics_port"], 9995);
        assert_eq!(layout["networks"][0], "10.0.0.0/8 Corp");
        assert_eq!(layout["zeek"]["redefs"]["Notice::mail_dest"], "\"root@localhost\"");
        assert_eq!(layout["zeek"]["prefix"], text(&fs::canonicalize(&prefix).expect("a folder")));
    }
    let names = sandbox.expect(0, &["nodes", "-o", "name", "-l", &text(&prefix)]);
    assert_eq!(names.stdout, "manager\nlogger-1\nproxy-1\nworker-1-1\nworker-1-2\n");
}

#[test]
fn import_writes_a_layout_that_says_the_same_and_a_line_for_each_setting() {
    let sandbox = Sandbox::new();
    let node_cfg = NODE_CFG.replace(" # no comment", "");
    let prefix =
        prefix(&sandbox, &[("etc/node.cfg", &node_cfg), ("etc/zeekctl.cfg", "LogDir = /data\nMinDiskSpace = 5\n")]);
    let source = text(&prefix);
    let printed = sandbox.expect(0, &["layout", "import", &source]);
    assert!(
        printed.stdout.contains("interface: \"af_packet::eth0\"")
            || printed.stdout.contains("interface: af_packet::eth0")
    );
    assert!(printed.stdout.contains("# node.cfg:16 interface"), "{}", printed.stdout);
    assert!(printed.stderr.contains("not taken over: rotated logs are kept"), "{}", printed.stderr);

    let report = sandbox.json(0, &["layout", "import", &source, "--output-file", "imported.yaml"]);
    let report = report.as_array().expect("rows");
    let fate = |setting: &str| {
        let line = report.iter().find(|line| line["setting"] == setting).unwrap_or_else(|| panic!("{setting}"));
        line["fate"].as_str().expect("text").to_owned()
    };
    assert_eq!(fate("worker-1.lb_procs"), "kept");
    assert_eq!(fate("worker-1.host"), "translated");
    assert_eq!(fate("MinDiskSpace"), "not_needed");
    assert_eq!(fate("LogDir"), "not_taken_over");
    let [mut direct, mut imported] =
        [&source, "imported.yaml"].map(|named| sandbox.json(0, &["layout", "show", "-l", named]));
    for layout in [&mut direct, &mut imported] {
        layout["hosts"] = Value::Null;
    }
    assert_eq!(direct, imported);
    let again = sandbox.expect(3, &["layout", "import", &source, "--output-file", "imported.yaml"]);
    assert!(again.stderr.contains("is there already"), "{again:#?}");
}

#[test]
fn what_zeekctl_refuses_is_refused_with_its_words_and_the_place() {
    let sandbox = Sandbox::new();
    let prefix = prefix(&sandbox, &[("etc/node.cfg", &NODE_CFG.replace("lb_procs=2", "lb_procs=2 # two"))]);
    let refused = sandbox.expect(3, &["layout", "check", "-l", &text(&prefix)]);
    assert!(
        refused.stderr.contains("number of load-balanced processes must be an integer for node 'worker-1'"),
        "{refused:#?}"
    );
    assert!(refused.stderr.contains("node.cfg:18:10"), "{refused:#?}");
    assert!(refused.stderr.contains("a comment has a line of its own"), "{refused:#?}");
}

#[test]
fn files_of_other_kinds_are_named() {
    let sandbox = Sandbox::new();
    let check = |name: &str, content: &[u8], expected: &str| {
        fs::write(sandbox.path().join(name), content).expect("a file");
        let refused = sandbox.expect(3, &["layout", "check", "-l", name]);
        assert!(refused.stderr.contains(expected), "{name}: {refused:#?}");
    };
    check("zeekctl.cfg", b"MailTo = root\n", "this is zeekctl's zeekctl.cfg");
    check("networks.cfg", b"10.0.0.0/8 Private\n", "this is zeekctl's networks.cfg");
    check("local.zeek", b"@load misc/scan\n", "this is a script for Zeek");
    check("layout.yaml.j2", b"nodes:\n{% for n in nodes %}\n  {{ n }}: {}\n{% endfor %}\n", "this is a template");
    check("latin1.yaml", b"# f\xfcr alle\nnodes: {}\n", "latin1.yaml:1:4: byte 0xfc is no UTF-8");
    check("utf16.yaml", b"\xff\xfen\0", "is UTF-16");
    fs::create_dir(sandbox.path().join("empty")).expect("a folder");
    let refused = sandbox.expect(3, &["layout", "check", "-l", "empty"]);
    assert!(refused.stderr.contains("holds no layout, and no files of zeekctl"), "{refused:#?}");
}

#[test]
fn zeek_confs_of_three_hosts_are_one_encrypted_layout() {
    let sandbox = Sandbox::new();
    let manager = "[zeek]\nmanager = 1\nloggers = 2\nproxies = 1\naddress = 127.0.0.1\n";
    let worker = |address: &str| {
        format!("[zeek]\naddress = {address}\n[interface eth1]\ninterface = af_packet::eth1\nworkers = 2\n")
    };
    let (first, second) = (worker("192.0.2.21"), worker("192.0.2.22"));
    let manager = manager.replace("127.0.0.1", "192.0.2.10");
    let folder = "etc/zeek/cluster/";
    let files = [
        (format!("{folder}c-mgr.zeek.conf"), manager),
        (format!("{folder}c-w-01.zeek.conf"), first),
        (format!("{folder}c-w-02.zeek.conf"), second),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let prefix = prefix(&sandbox, &files);
    let names = sandbox.expect(0, &["nodes", "--fold", "-l", &text(&prefix)]);
    assert_eq!(
        names.stdout,
        "manager,c-mgr-logger-[1-2],c-mgr-proxy-1,c-w-01-worker-eth1-[1-2],c-w-02-worker-eth1-[1-2]\n"
    );
    let layout = sandbox.json(0, &["layout", "show", "-l", &text(&prefix.join(folder))]);
    assert_eq!((layout["encryption"].as_str(), &layout["port"]), (Some("on"), &Value::from(5555)));
    assert_eq!(layout["nodes"]["c-mgr-logger-2"]["port"], 27762);
}

#[test]
fn zeekctl_and_zeek_conf_in_one_folder_are_not_mixed_up() {
    let sandbox = Sandbox::new();
    let node_cfg = "[zeek]\ntype=standalone\nhost=localhost\ninterface=eth0\n";
    let conf = "interface = eth0\nworkers = 1\nmanager = 1\n";
    let prefix = prefix(&sandbox, &[("etc/node.cfg", node_cfg), ("etc/zeek/zeek.conf", conf)]);
    let named = text(&prefix);
    let refused = sandbox.expect(3, &["layout", "check", "-l", &named]);
    assert!(refused.stderr.contains("holds both zeekctl's"), "{refused:#?}");
    fs::create_dir_all(prefix.join("spool")).expect("a folder");
    fs::write(prefix.join("spool/state.db"), "").expect("a file");
    assert_eq!(sandbox.expect(0, &["nodes", "--fold", "-l", &named]).stdout, "zeek,zeek-worker\n");
    fs::remove_dir_all(prefix.join("spool")).expect("removed");
    fs::create_dir_all(prefix.join("var/spool/zeek/generated-scripts")).expect("a folder");
    assert_eq!(sandbox.expect(0, &["nodes", "--fold", "-l", &named]).stdout, "manager,worker-1\n");
}

#[test]
fn a_cluster_of_broker_is_called_so() {
    let sandbox = Sandbox::new();
    let node_cfg = NODE_CFG.replace(" # no comment", "");
    let prefix = prefix(&sandbox, &[("etc/node.cfg", &node_cfg), ("etc/zeekctl.cfg", "ClusterBackend = Broker\n")]);
    let named = text(&prefix);
    let refused = sandbox.expect(3, &["nodes", "--connect", &named]);
    assert!(refused.stderr.contains("this cluster speaks Broker"), "{refused:#?}");
    fs::write(prefix.join("etc/zeekctl.cfg"), "").expect("a file");
    fs::create_dir_all(prefix.join("bin")).expect("a folder");
    fs::write(prefix.join("bin/zeek-config"), "#!/bin/sh\nversion=8.0.3\n").expect("a file");
    let refused = sandbox.expect(3, &["nodes", "--connect", &named]);
    assert!(refused.stderr.contains("zeekctl of Zeek 8.0 uses Broker unless"), "{refused:#?}");
}

#[test]
fn a_closed_port_is_told_at_once() {
    let sandbox = Sandbox::new();
    let place = format!("127.0.0.1:{}", sandbox.port);
    let refused = sandbox.expect(4, &["nodes", "--connect", &place]);
    assert!(refused.stderr.contains("nothing listens at") && refused.stderr.contains("refused"), "{refused:#?}");
    assert!(refused.elapsed < Duration::from_secs(4), "{refused:#?}");
}

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  worker: { type: worker, count: 3 }
";

#[test]
fn zeekctls_words_for_nodes_are_understood() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let fold = |word: &str| sandbox.expect(0, &["nodes", "--fold", word]).stdout;
    assert_eq!((fold("workers").as_str(), fold("manager").as_str()), ("worker-[1-3]\n", "manager\n"));
    let refused = |word: &str| sandbox.expect(2, &["nodes", "--fold", word]).stderr;
    assert!(refused("worker").contains("did you mean `worker-[1-3]`?"), "{}", refused("worker"));
    assert!(refused("worker-*").contains("`@workers` are all workers"), "{}", refused("worker-*"));
}

#[test]
fn zeekctls_commands_say_what_replaces_them() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let cron = sandbox.expect(0, &["cron"]);
    assert!(cron.stderr.contains("take the line out of the crontab"), "{cron:#?}");
    sandbox.expect(0, &["cron", "--no-watch"]);
    sandbox.expect(0, &["quit"]);
    assert!(sandbox.expect(0, &["config"]).stdout.contains("name: campus"));
    let print = sandbox.expect(2, &["print", "Site::local_nets", "worker-1"]);
    assert!(print.stderr.contains("has no equal here"), "{print:#?}");
    let netstats = sandbox.expect(2, &["netstats"]);
    assert!(netstats.stderr.contains("zeek-cluster metrics"), "{netstats:#?}");
    let exec = sandbox.expect(2, &["exec", "uptime"]);
    assert!(exec.stderr.contains("zeek-cluster exec all -- uptime"), "{exec:#?}");
    let topic = sandbox.expect(0, &["help", "from-zeekctl"]).stdout;
    for word in ["peerstatus", "LogRotationInterval", "etc/networks.cfg"] {
        assert!(topic.contains(word), "{word}");
    }
}
