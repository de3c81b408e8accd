//! Real files, and what their own tools make of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::*;
use crate::data::NodeType;
use crate::layout::load::Environment;
use crate::layout::{Layout, Loaded, Problem, load};

/// Where a case differs from `expected.json` on purpose.
const DIFFERENCES: &[(&str, &str, &str)] =
    &[("x-ipv6", "networks", "zeekctl writes brackets around brackets, which Zeek cannot read")];

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/zeekctl");
    let entries = std::fs::read_dir(folder).expect("the cases");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(|p| p.is_dir()).collect();
    cases.sort();
    cases
}

/// The files of a case.
struct Case {
    name: String,
    files: BTreeMap<String, String>,
    hosts: BTreeMap<String, IpAddr>,
    expected: Json,
}

impl Case {
    fn read(folder: &Path) -> Case {
        let entries = std::fs::read_dir(folder).expect("a case");
        let text = |path: &Path| std::fs::read_to_string(path).expect("text");
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let files: BTreeMap<String, String> =
            entries.map(|entry| entry.expect("an entry").path()).map(|path| (name(&path), text(&path))).collect();
        let line = |line: &str| {
            let (ip, host) = line.split_once(' ').expect("an address and a name");
            (host.trim().to_owned(), ip.parse().expect("an address"))
        };
        let hosts = files.get("hosts").map(|hosts| hosts.lines().map(line).collect()).unwrap_or_default();
        let expected = serde_json::from_str(&files["expected.json"]).expect("JSON");
        Case { name: name(folder), files, hosts, expected }
    }

    fn import(&self) -> (Import, Result<Loaded, Vec<Problem>>) {
        let resolve = |name: &str| self.hosts.get(name).copied();
        let env = Environment { resolve: &resolve, is_local: &|_| false };
        let file = |name: &'static str| self.files.get(name).map(|text| SourceFile { path: Path::new(name), text });
        let import = match file("cluster-layout.zeek") {
            Some(layout) => import_cluster_layout(&layout, &env),
            None => import_zeekctl(
                &ZeekctlFiles {
                    node_cfg: file("node.cfg").expect("a node.cfg"),
                    zeekctl_cfg: file("zeekctl.cfg").or_else(|| file("broctl.cfg")),
                    networks_cfg: file("networks.cfg"),
                    prefix: Some("/opt/zeek".into()),
                    version: None,
                },
                &env,
            ),
        };
        let loaded = import.load(&env);
        (import, loaded)
    }
}

/// What a node of a site is, in the shape of `expected.json`.
fn as_json(node: &SiteNode) -> Json {
    let mut json = serde_json::json!({
        "name": node.name,
        "type": match node.site_type {
            SiteType::Standalone => "standalone",
            SiteType::Node(node_type) => node_type.as_str(),
        },
        "host": node.host,
        "addr": node.addr.map(|ip| ip.to_string()),
        "interface": node.interface,
        "lb_method": node.lb_method,
        "lb_procs": node.lb_procs.map(|count| count.to_string()),
        "pin_cpu": node.pin_cpu,
        "zone_id": Some(&node.zone_id).filter(|zone| !zone.is_empty()),
        "port": node.port,
        "metrics_port": node.metrics_port,
    });
    if !node.env_vars.is_empty() {
        json["env_vars"] = serde_json::json!(node.env_vars);
    }
    if !node.af_packet.is_empty() {
        let keys = node.af_packet.iter().map(|(key, value)| (format!("af_packet_{key}"), value.clone()));
        json["af_packet"] = serde_json::json!(keys.collect::<BTreeMap<_, _>>());
    }
    json
}

/// The nodes of a case, each key that is expected of them compared.
fn compare_nodes(case: &Case, site: &Site, wrong: &mut Vec<String>) {
    let expected = case.expected["nodes"].as_array().expect("nodes");
    let mut names: Vec<&str> = site.nodes.iter().map(|node| node.name.as_str()).collect();
    let mut wanted: Vec<&str> = expected.iter().filter_map(|node| node["name"].as_str()).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    if names != wanted {
        wrong.push(format!("{}: nodes {names:?}, expected {wanted:?}", case.name));
        return;
    }
    for node in expected {
        let found = site.nodes.iter().find(|found| node["name"] == found.name.as_str()).expect("a node of that name");
        let found = as_json(found);
        // Zeek's own layout files say nothing of what zeekctl counts.
        let keys =
            node.as_object().expect("an object").keys().filter(|key| !["count", "manager"].contains(&key.as_str()));
        for key in keys.filter(|key| found[key.as_str()] != node[key.as_str()]) {
            wrong.push(format!("{}: {} {key}: {} expected {}", case.name, node["name"], found[key], node[key]));
        }
        let more = ["interface", "pin_cpu", "env_vars", "af_packet"].into_iter();
        for key in more.filter(|key| node.get(key).is_none() && !found[*key].is_null()) {
            wrong.push(format!("{}: {} has {key} {}", case.name, node["name"], found[key]));
        }
    }
}

fn compare_options(case: &Case, site: &Site, loaded: &Loaded, wrong: &mut Vec<String>) {
    let options = &case.expected["options"];
    if let Some(port) = options["xpub_port"].as_u64() {
        let hub = site.hub.map(|(ip, hub)| (ip.to_string(), u64::from(hub.xpub)));
        let address = options["xpub_xsub_addr"].as_str().unwrap_or_default().trim_matches(['[', ']']);
        if hub != Some((address.to_owned(), port)) {
            wrong.push(format!("{}: the hub is at {hub:?}", case.name));
        }
    }
    let differs = |what: &str| DIFFERENCES.iter().any(|(case_name, part, _)| (*case_name, *part) == (&case.name, what));
    if let (Some(networks), false) = (case.expected["networks"].as_array(), differs("networks")) {
        let found: Vec<(String, String)> = loaded
            .layout
            .networks
            .iter()
            .map(|network| {
                let prefix = match network.prefix.split_once('/') {
                    Some((address, bits)) if address.contains(':') => format!("[{address}]/{bits}"),
                    _ => network.prefix.clone(),
                };
                (prefix, network.description.clone().unwrap_or_default())
            })
            .collect();
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let expected: Vec<(String, String)> = networks.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
        if found != expected {
            wrong.push(format!("{}: networks {found:?}", case.name));
        }
    }
}

/// What zeekctl says, without what Python adds to it.
fn core_of(error: &Json) -> String {
    let text = match &error["text"] {
        Json::Array(lines) => lines.last().and_then(Json::as_str).unwrap_or_default(),
        text => text.as_str().unwrap_or_default(),
    };
    let text = text.split_once("]: ").map_or(text, |(_, rest)| rest);
    let text = text.trim_end_matches("\\n'").trim_start_matches('\'');
    text.split(" [Name or service").next().unwrap_or_default().to_owned()
}

fn compare_error(case: &Case, import: &Import, loaded: Result<Loaded, Vec<Problem>>, wrong: &mut Vec<String>) {
    let core = core_of(&case.expected["error"]);
    let Err(problems) = loaded else {
        wrong.push(format!("{}: taken, although zeekctl says: {core}", case.name));
        return;
    };
    if !problems.iter().any(|problem| problem.message.contains(&core)) {
        wrong.push(format!("{}: {problems:#?} instead of: {core}", case.name));
    }
    let text = case.expected["error"]["text"].as_str().unwrap_or_default();
    let line = text.split_once("[line").and_then(|(_, rest)| rest.split(']').next()?.trim().parse::<u32>().ok());
    if let Some(line) = line.filter(|line| problems[0].line != *line) {
        wrong.push(format!("{}: line {} instead of {line}", case.name, problems[0].line));
    }
    drop(import.report());
}

/// Reading the YAML gives the layout of the files.
fn compare_yaml(case: &Case, import: &Import, layout: &Layout, wrong: &mut Vec<String>) {
    let resolve = |name: &str| case.hosts.get(name).copied();
    let env = Environment { resolve: &resolve, is_local: &|_| false };
    let yaml = import.yaml();
    let mut read = match load(&yaml, Path::new("zeek.yaml"), &env) {
        Ok(loaded) => loaded.layout,
        Err(problems) => {
            wrong.push(format!("{}: {}\n{yaml}", case.name, problems[0]));
            return;
        }
    };
    let lines = |layout: &mut Layout| layout.hosts.iter_mut().for_each(|host| host.line = 0);
    let mut layout = layout.clone();
    lines(&mut read);
    lines(&mut layout);
    if read != layout {
        wrong.push(format!("{}: the YAML says something else:\n{yaml}\n{read:#?}\n{layout:#?}", case.name));
    }
}

/// The layout has every node of the site, with its address, ports and CPU.
fn compare_layout(case: &Case, site: &Site, layout: &Layout, wrong: &mut Vec<String>) {
    for node in &site.nodes {
        let Some(found) = layout.node(&node.name) else {
            wrong.push(format!("{}: no node `{}`", case.name, node.name));
            continue;
        };
        let alone = node.site_type == SiteType::Standalone;
        let cpus = |node: &crate::layout::Node| node.pin_cpus.first().copied();
        let same = (found.ip, found.port, found.metrics_port) == (node.addr, node.port, node.metrics_port);
        if !same
            || (!alone
                && (cpus(found), &found.interface, &found.env_vars) != (node.pin_cpu, &node.interface, &node.env_vars))
        {
            wrong.push(format!("{}: {found:#?} instead of {node:#?}", case.name));
        }
    }
}

#[test]
fn every_case_is_what_zeekctl_makes_of_it() {
    let cases = cases();
    assert!(cases.len() >= 43, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for folder in cases {
        let case = Case::read(&folder);
        let (import, loaded) = case.import();
        if case.expected.get("error").is_some() {
            compare_error(&case, &import, loaded, &mut wrong);
            continue;
        }
        let (site, loaded) = match (import.site(), loaded) {
            (Ok((site, _)), Ok(loaded)) => (site, loaded),
            (_, loaded) => {
                wrong.push(format!("{}: refused: {loaded:#?}", case.name));
                continue;
            }
        };
        compare_nodes(&case, site, &mut wrong);
        compare_options(&case, site, &loaded, &mut wrong);
        compare_layout(&case, site, &loaded.layout, &mut wrong);
        compare_yaml(&case, &import, &loaded.layout, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_setting_has_a_line_in_the_report() {
    for folder in cases() {
        let case = Case::read(&folder);
        let (import, loaded) = case.import();
        if loaded.is_err() {
            continue;
        }
        let report = import.report();
        for name in ["node.cfg", "zeekctl.cfg", "networks.cfg"] {
            let Some(text) = case.files.get(name) else { continue };
            let is_setting = |line: &&str| {
                let indented = line.starts_with([' ', '\t']) && case.name == "x-continuation";
                let trimmed = line.trim();
                !trimmed.is_empty() && !trimmed.starts_with(['#', ';', '[']) && !indented
            };
            let known = |line: u32| report.iter().any(|entry| entry.file == name && entry.line == line);
            for (at, line) in text.lines().enumerate().filter(|(_, line)| is_setting(line)) {
                let number = u32::try_from(at + 1).expect("a short file");
                let again = text.lines().skip(at + 1).any(|later| same_key(line, later)) && name == "zeekctl.cfg";
                assert!(known(number) || again, "{}: {name}:{number}: {line}", case.name);
            }
        }
    }
}

fn same_key(line: &str, other: &str) -> bool {
    let key = |line: &str| line.split('=').next().map(|key| key.trim().to_lowercase());
    key(line) == key(other)
}

fn env() -> Environment<'static> {
    Environment { resolve: &|_| None, is_local: &|_| false }
}

fn conf(path: &'static str, text: &'static str) -> SourceFile<'static> {
    SourceFile { path: Path::new(path), text }
}

/// `name type host port metrics interface cpu` of each node.
fn rows(site: &Site) -> Vec<String> {
    let shown = |port: Option<u16>| port.map_or_else(|| "-".to_owned(), |port| port.to_string());
    let row = |node: &SiteNode| {
        let node_type = match node.site_type {
            SiteType::Standalone => "standalone",
            SiteType::Node(node_type) => node_type.as_str(),
        };
        let cpu = node.pin_cpu.map_or_else(|| "-".to_owned(), |cpu| cpu.to_string());
        let interface = node.interface.as_deref().unwrap_or("-");
        let (port, metrics) = (shown(node.port), shown(node.metrics_port));
        format!("{} {node_type} {} {port} {metrics} {interface} {cpu}", node.name, node.host)
    };
    site.nodes.iter().map(row).collect()
}

#[test]
fn versions_of_zeekctl_differ_in_backend_ports_and_keys() {
    let node_cfg = "[manager]\ntype=manager\nhost=192.0.2.1\n[proxy-1]\ntype=proxy\nhost=192.0.2.2\n";
    let site = |version: Option<&str>, options: &'static str| {
        let files = ZeekctlFiles {
            node_cfg: conf("node.cfg", node_cfg),
            zeekctl_cfg: Some(conf("zeekctl.cfg", options)),
            networks_cfg: None,
            prefix: None,
            version: version.and_then(ToolVersion::parse),
        };
        let import = import_zeekctl(&files, &env());
        let site = import.site().expect("a site").0.clone();
        let manager = site.nodes[0].port;
        (site.backend == crate::layout::Backend::Broker, site.hub.map(|(_, hub)| hub.xpub), manager, site.encryption)
    };
    let (on, off, unknown) = (SiteEncryption::On, SiteEncryption::Off, SiteEncryption::Unknown);
    assert_eq!(site(Some("8.0.1"), ""), (true, None, Some(27761), off));
    assert_eq!(site(Some("8.0.1"), "ClusterBackend=ZeroMQ"), (false, Some(5555), Some(27761), off));
    assert_eq!(site(Some("8.1.0"), ""), (false, Some(27760), Some(27763), off));
    assert_eq!(site(Some("8.2.2"), ""), (false, Some(27760), Some(27763), off));
    assert_eq!(site(Some("9.0.0-rc1"), ""), (false, Some(27760), Some(27763), on));
    assert_eq!(site(None, ""), (false, Some(27760), Some(27763), unknown));
    assert_eq!(site(None, "ZeekPort=40000\nClusterBackend=broker"), (true, None, Some(40001), off));
    assert_eq!(site(None, "cluster_backend_zeromq.use_curve_encryption=1"), (false, Some(27760), Some(27763), on));
}

const THREE_HOSTS: [(&str, &str); 3] = [
    (
        "cluster/c-mgr.zeek.conf",
        "[zeek]\nmanager  = 1\nloggers  = 3\nproxies  = 2\narchiver = 1\n\n\
         cluster_backend_args = misc/zeromq-multi-host-auto-setup\naddress = 192.0.2.1\n",
    ),
    (
        "cluster/c-w-01.zeek.conf",
        "[zeek]\ncluster_backend_args = misc/zeromq-multi-host-auto-setup\naddress = 192.0.2.2\n\n\
         [interface eth1]\ninterface = af_packet::eth1\nworkers = 2\nworkers_cpu_list = 4-7:2\n\
         worker_env =\n  INTF=${interface_section_name}\n  CPU=${worker_cpu}\n",
    ),
    (
        "cluster/c-w-02.zeek.conf",
        "[zeek]\ncluster_backend_args = misc/zeromq-multi-host-auto-setup\naddress = [2001:db8::2]\n\n\
         [interface napatech]\ninterface = napatech::${worker_index0}\nworkers = 2\n",
    ),
];

#[test]
fn zeek_conf_of_three_hosts_has_the_names_and_ports_of_zeeks_generator() {
    let files = THREE_HOSTS.map(|(path, text)| conf(path, text));
    let import = import_zeek_conf(&files, Some("/opt/zeek".into()), &env());
    let (site, warnings) = import.site().expect("a site");
    assert_eq!(warnings.len(), 0);
    assert_eq!(
        rows(site),
        [
            "manager manager c-mgr 27760 9991 - -",
            "c-mgr-logger-1 logger c-mgr 27761 9992 - -",
            "c-mgr-logger-2 logger c-mgr 27762 9993 - -",
            "c-mgr-logger-3 logger c-mgr 27763 9994 - -",
            "c-mgr-proxy-1 proxy c-mgr 27764 9995 - -",
            "c-mgr-proxy-2 proxy c-mgr 27765 9996 - -",
            "c-w-01-worker-eth1-1 worker c-w-01 - 9991 af_packet::eth1 4",
            "c-w-01-worker-eth1-2 worker c-w-01 - 9992 af_packet::eth1 6",
            "c-w-02-worker-napatech-1 worker c-w-02 - 9991 napatech::0 -",
            "c-w-02-worker-napatech-2 worker c-w-02 - 9992 napatech::1 -",
        ]
    );
    assert_eq!(site.hub.map(|(ip, hub)| (ip.to_string(), hub.xpub)), Some(("192.0.2.1".into(), 5555)));
    let loaded = import.load(&env()).expect("a layout");
    assert!(loaded.layout.encrypted);
    let worker = loaded.layout.node("c-w-01-worker-eth1-2").expect("a worker");
    assert_eq!((worker.env_vars["CPU"].as_str(), worker.env_vars["INTF"].as_str()), ("6", "eth1"));
    let mut read = load(&import.yaml(), Path::new("zeek.yaml"), &env()).expect("YAML").layout;
    read.hosts.iter_mut().zip(&loaded.layout.hosts).for_each(|(read, host)| read.line = host.line);
    assert_eq!(read, loaded.layout, "{}", import.yaml());
}

#[test]
fn zeek_conf_without_sections_has_one_interface() {
    let text = "interface = af_packet::eth0\nworkers = 2\nmanager = 1\nloggers = 1\nproxies = 1\nport = 40000\n\
                args = local -C\nwrokers = 3\n";
    let import = import_zeek_conf(&[conf("zeek.conf", text)], None, &env());
    let (site, warnings) = import.site().expect("a site");
    assert_eq!(
        rows(site),
        [
            "manager manager localhost 40000 9991 - -",
            "logger-1 logger localhost 40001 9992 - -",
            "proxy-1 proxy localhost 40002 9993 - -",
            "worker-1 worker localhost - 9994 af_packet::eth0 -",
            "worker-2 worker localhost - 9995 af_packet::eth0 -",
        ]
    );
    assert_eq!(
        warnings[0].to_string(),
        "zeek.conf:8:1: Zeek ignores the unknown option `wrokers`; did you mean `workers`?"
    );
    let layout = import.load(&env()).expect("a layout").layout;
    assert_eq!((layout.zeek.scripts, layout.zeek.args), (vec!["local".to_owned()], vec!["-C".to_owned()]));
}

/// Source: Zeek 9.0.0-rc1, `testing/btest/tools/systemd-generator/test-multi-interface-errors.sh` and its baselines.
#[test]
fn what_zeek_refuses_in_zeek_conf_is_refused_in_its_words() {
    let check = |text: &'static str, expected: &str| {
        let import = import_zeek_conf(&[conf("zeek.conf", text)], None, &env());
        let problems = import.site().expect_err(text);
        assert!(problems.iter().any(|problem| problem.message == expected), "{problems:#?}");
    };
    check("[interface eth1]\nworkers = 4\n", "found workers but no interface option in section 'interface eth1'");
    check("[interface eth1]\ninterface = eth1\n", "found interface but no worker option in section 'interface eth1'");
    check(
        "[interface e]\ninterface = e\nworkers = 4\nloggers = 7\n",
        "invalid option 'loggers' in section 'interface e'",
    );
    check(
        "[interface e]\ninterface = e\nworkers=1\nworkers_numa_policy = random\n",
        "invalid 'workers_numa_policy' value",
    );
    check("[interface e]\ninterface = e\nworkers=1\nworkers_cpu_list = a,b\n", "invalid workers_cpu_list value 'a,b'");
    check(
        "loggers = 3\n[interface e]\ninterface = e\nworkers=1\n",
        "options in unnamed section mixed with options in sections",
    );
    check(
        "[interface ETH]\ninterface = e\n",
        "invalid interface name in 'interface ETH' (must match /interface [-_a-z0-9]+/)",
    );
    check("[interface e]\nworkers = 2\nworkers = 2\n", "duplicate option 'workers' in section 'interface e'");
    check("[zeek]\nloggers 7\n", "invalid line 'loggers 7' in section 'zeek'");
    check("[interface e]\nworkers = 2\ninterface =\n", "empty interface option not allowed in section 'interface e'");
    check("[zeek]\nlogger = 7\n", "invalid key 'logger' in section 'zeek'");
}

/// Source: Zeek 9.0.0-rc1, baseline of `test-zeek-cluster-layout-generator-multi-host-mix-address`.
const GENERATED: &str = r#"# Auto-generated by zeek-cluster-layout-generator

module Cluster;

type Host: record {
	ip: addr;
};

const hosts: table[string] of Host &redef;

redef Cluster::hosts += {
	["c-mgr"] = [$ip=10.0.0.3],
	["wkr-1"] = [$ip=(blocking_lookup_hostname("wkr-1") as vector of addr)[0]],
};

redef Cluster::nodes += {
    ["manager"] = [$node_type=Cluster::MANAGER, $ip=hosts["c-mgr"]$ip, $p=27760/tcp, $metrics_port=9991/tcp],
    ["c-mgr-logger-1"] = [$node_type=Cluster::LOGGER, $ip=hosts["c-mgr"]$ip, $p=27761/tcp, $manager="manager", $metrics_port=9992/tcp],
    ["wkr-1-worker-1"] = [$node_type=Cluster::WORKER, $ip=hosts["wkr-1"]$ip, $manager="manager", $metrics_port=9991/tcp],
};

redef Cluster::manager_is_logger = F;

@load base/frameworks/telemetry/options
@if ( Cluster::node in Cluster::nodes )
const my_ip = Cluster::nodes[Cluster::node]$ip;
@endif
"#;

#[test]
fn the_layout_that_zeek_9_generates_is_read_with_its_hosts() {
    let resolve = |name: &str| (name == "wkr-1").then(|| IpAddr::from([10, 0, 0, 4]));
    let env = Environment { resolve: &resolve, is_local: &|_| false };
    let import = import_cluster_layout(&conf("cluster-layout.zeek", GENERATED), &env);
    let (site, _) = import.site().expect("a site");
    assert_eq!(
        rows(site),
        [
            "manager manager c-mgr 27760 9991 - -",
            "c-mgr-logger-1 logger c-mgr 27761 9992 - -",
            "wkr-1-worker-1 worker wkr-1 - 9991 - -",
        ]
    );
    let layout = import.load(&env).expect("a layout").layout;
    assert_eq!((layout.hub.xpub, layout.hosts[0].address.as_str()), (5555, "10.0.0.3"));
    assert_eq!(layout.node("wkr-1-worker-1").and_then(|node| node.ip), Some([10, 0, 0, 4].into()));
}

#[test]
fn what_only_zeek_can_compute_is_named() {
    let check = |text: &'static str, expected: &str| {
        let import = import_cluster_layout(&conf("cluster-layout.zeek", text), &env());
        let shown = match import.load(&env()) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        assert!(shown.iter().any(|problem| problem.to_string().contains(expected)), "{shown:#?}");
    };
    let node = "redef Cluster::nodes = { [\"manager-1\"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1, $p=to_port(getenv(\"P\"))] };";
    check(node, "`to_port(getenv(\"P\"))`, which only Zeek can compute");
    check("redef Cluster::nodes = { [\"a\"] = [$node_type=Cluster::MANAGER, $ip=f(1)] };", "only Zeek can compute");
    check("redef Cluster::nodes = { [\"a\"] = [$node_type=Cluster::BOSS, $ip=1.2.3.4] };", "has the type `boss`");
    check("redef Cluster::nodes = table();", "declares no nodes");
    check("redef Cluster::nodes = { f() };", "cannot be read");
}

#[test]
fn a_zeek_alone_becomes_a_manager_and_a_worker() {
    let files = ZeekctlFiles {
        node_cfg: conf("node.cfg", "[zeek]\ntype=standalone\nhost=localhost\ninterface=eth0\n"),
        zeekctl_cfg: None,
        networks_cfg: None,
        prefix: Some("/opt/zeek".into()),
        version: None,
    };
    let import = import_zeekctl(&files, &env());
    assert!(import.site().expect("a site").0.is_standalone());
    let layout = import.load(&env()).expect("a layout").layout;
    let nodes: Vec<(&str, NodeType, Option<&str>)> =
        layout.nodes.iter().map(|node| (node.name.as_str(), node.node_type, node.interface.as_deref())).collect();
    assert_eq!(nodes, [("zeek", NodeType::Manager, None), ("zeek-worker", NodeType::Worker, Some("eth0"))]);
    assert!(layout.manager_is_logger);
    let alone = import.report().into_iter().find(|line| line.setting == "zeek.type").expect("a line");
    assert_eq!(alone.fate, Fate::Translated);
}

#[test]
fn names_that_a_layout_cannot_have_are_changed_and_said() {
    let files = ZeekctlFiles {
        node_cfg: conf(
            "node.cfg",
            "[manager]\ntype=manager\nhost=localhost\n[proxy one]\ntype=proxy\nhost=localhost\n\
             [node-sensor1.example.net]\ntype=worker\nhost=127.0.0.1\ninterface=eth0\n",
        ),
        zeekctl_cfg: None,
        networks_cfg: None,
        prefix: None,
        version: None,
    };
    let import = import_zeekctl(&files, &env());
    let layout = import.load(&env()).expect("a layout").layout;
    let names: Vec<&str> = layout.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["manager", "proxy-one", "node-sensor1.example.net"]);
    assert_eq!(layout.host_names(), ["localhost"]);
    let said =
        |setting: &str| import.report().iter().any(|line| line.setting == setting && line.fate == Fate::Translated);
    assert!(said("[proxy one]") && said("host 127.0.0.1"), "{:#?}", import.report());
}

#[test]
fn kinds_of_files_are_told_apart() {
    let check =
        |name: &str, text: &str, expected: FileKind| assert_eq!(file_kind(Path::new(name), text), expected, "{name}");
    check("a", "# c\n[manager]\ntype = manager\nhost=x\n", FileKind::NodeCfg);
    check("a", "[zeek]\nmanager = 1\n", FileKind::ZeekConf);
    check("a", "interface = eth0\nworkers = 2\nmanager = 1\n", FileKind::ZeekConf);
    check("a", "MailTo = root@localhost\nZeekPort = 1\n", FileKind::ZeekctlCfg);
    check("a", "10.0.0.0/8 Private\nfd00::/8\n", FileKind::NetworksCfg);
    check("a", GENERATED, FileKind::ClusterLayout);
    check("local.zeek", "@load misc/scan\n", FileKind::ZeekScript);
    check("a.yaml", "nodes:\n{% for n in nodes %}\n  {{ n }}: {}\n", FileKind::Template);
    check("a.yaml", "nodes:\n  manager: { type: manager }\n", FileKind::Layout);
    check("a.json", "{\"nodes\": {\"manager\": {}}}", FileKind::Layout);
    check("a.yaml", "", FileKind::Layout);
    check("a.yaml", "nodes:\n  worker: { env_vars: { A: \"x=y\" } }\n", FileKind::Layout);
}

/// Broker's manager has the second port, where our hub would have its XSUB.
#[test]
fn a_cluster_of_broker_without_logger_leaves_its_ports_to_the_nodes() {
    let node_cfg = "[manager]\ntype=manager\nhost=localhost\n[proxy-1]\ntype=proxy\nhost=localhost\n";
    let files = ZeekctlFiles {
        node_cfg: conf("node.cfg", node_cfg),
        zeekctl_cfg: Some(conf("zeekctl.cfg", "ClusterBackend = Broker\n")),
        networks_cfg: None,
        prefix: None,
        version: None,
    };
    let layout = import_zeekctl(&files, &env()).load(&env()).expect("a layout").layout;
    assert_eq!((layout.hub.xpub, layout.node("manager").and_then(|node| node.port)), (5555, Some(27761)));
}
