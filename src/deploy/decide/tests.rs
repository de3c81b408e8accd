//! Plans as values: real layouts, rendered, against what agents would say.

use super::*;
use crate::api::agent::API_VERSION;
use crate::layout::{Layout, test_layout};
use crate::render::{self, ReleaseInput};

mod simulation;

const HOSTS: &str = "\
name: campus
encryption: off
hosts:
  head: { address: 192.0.2.10 }
  sensor-1: { address: 192.0.2.21 }
  sensor-2: { address: 192.0.2.22 }
nodes:
  manager: { type: manager, host: head }
  logger: { type: logger, host: head }
  proxy: { type: proxy, host: head, count: 2 }
";

fn layout(workers: &str) -> Layout {
    test_layout(&format!("{HOSTS}  {workers}\n"))
}

fn release_of(layout: &Layout, binary: &str) -> Release {
    let binary = binary.repeat(64);
    let input = ReleaseInput { binary_hash: &binary, created_by: "ana@ops1", created_at: 0.0, curve: None };
    render::release(layout, &input).unwrap()
}

/// A cluster in which everything runs as a release says.
fn running(release: &Release) -> BTreeMap<String, Found> {
    release.hosts.iter().map(|part| (part.manifest.host.clone(), seen(part))).collect()
}

fn seen(part: &HostRelease) -> Found {
    let node = |node: &ManifestNode| NodeStatus {
        name: node.name.clone(),
        node_type: node.node_type,
        state: NodeState::Running,
        pid: Some(7),
        restarts: 0,
        last_restart_at: None,
        next_try_at: None,
        started_at: None,
        error: None,
        running_hash: Some(node.hash.clone()),
        live_hash: Some(node.live.clone()),
        logger_up: Some(true),
        peers_up: None,
        limits: node.limits.clone(),
        limits_missed: Vec::new(),
        cgroup: None,
        id: None,
    };
    let status = AgentStatus {
        boot: None,
        api_version: API_VERSION,
        version: String::new(),
        binary: part.manifest.binary.clone(),
        pid: 1,
        started_at: 0.0,
        folder_id: None,
        cluster: None,
        host: None,
        release: Some(part.manifest.id.clone()),
        releases: vec![part.manifest.id.clone()],
        nodes: part.manifest.nodes.iter().map(node).collect(),
        unseen: Vec::new(),
        damage: Vec::new(),
        notify: Vec::new(),
    };
    let text = |hash: &String| String::from_utf8(part.blobs[hash].clone()).unwrap();
    let texts = part.manifest.files.iter().map(|file| (file.path.clone(), text(&file.hash))).collect();
    Found::Seen(Box::new(status), Before { manifest: Some(part.manifest.clone()), texts })
}

fn status(found: &mut BTreeMap<String, Found>, host: &str, change: impl FnOnce(&mut AgentStatus)) {
    match found.get_mut(host) {
        Some(Found::Seen(status, _)) => change(status),
        _ => panic!("{host} was seen"),
    }
}

fn silence() -> Found {
    Found::Silent(Trouble::failed("connect", "no answer".into()))
}

struct Case<'a> {
    release: &'a Release,
    found: BTreeMap<String, Found>,
    last: Vec<Former>,
    allow_partial: bool,
    only: Option<&'a [String]>,
}

impl Case<'_> {
    fn plan(&self) -> Plan {
        decide(&self.question())
    }

    fn crossings(&self) -> Vec<String> {
        crossings(&self.question(), &self.plan())
    }

    fn question(&self) -> Question<'_> {
        Question {
            cluster: "campus",
            layout: "l",
            release: self.release,
            back: false,
            found: &self.found,
            last: &self.last,
            allow_partial: self.allow_partial,
            only: self.only,
            taken_ports: &NO_PORTS,
        }
    }
}

static NO_PORTS: BTreeMap<String, Vec<TakenPort>> = BTreeMap::new();

fn plan(release: &Release, found: BTreeMap<String, Found>) -> Plan {
    Case { release, found, last: Vec::new(), allow_partial: false, only: None }.plan()
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

fn changes(plan: &Plan) -> Vec<String> {
    let said = plan.changes();
    said.map(|(host, change)| format!("{host}: {} {}: {}", change.action.as_str(), change.name, change.why.join(", ")))
        .collect()
}

#[test]
fn a_first_deploy_stages_switches_and_starts_in_order() {
    let release = release_of(&layout("worker: { type: worker, host: [sensor-1, sensor-2] }"), "a");
    let found = ["head", "sensor-1", "sensor-2"].map(|host| (host.to_owned(), Found::Empty)).into();
    let plan = plan(&release, found);
    assert_eq!(
        steps(&plan),
        [
            "staging the release: head, sensor-1, sensor-2",
            "switching to the release: head, sensor-1, sensor-2",
            "starting loggers: head (logger)",
            "starting managers: head (manager)",
            "starting proxies: head (proxy-1, proxy-2)",
            "starting workers: sensor-1 (worker-1), sensor-2 (worker-2)",
        ]
    );
    assert_eq!(plan.consequences, Vec::<String>::new());
    assert!(changes(&plan).contains(&"sensor-1: start worker-1: it is new".to_owned()), "{plan:?}");
}

#[test]
fn what_is_as_it_should_be_needs_nothing() {
    let release = release_of(&layout("worker: { type: worker, host: sensor-1 }"), "a");
    let plan = plan(&release, running(&release));
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(plan.summary(5), "nothing to do: 2 hosts are as the layout says");
}

#[test]
fn a_changed_key_restarts_its_nodes_and_is_named() {
    let old = release_of(&layout("worker: { type: worker, host: sensor-1, count: 2, pin_cpus: [1, 2] }"), "a");
    let new = release_of(&layout("worker: { type: worker, host: sensor-1, count: 2, pin_cpus: [1, 3] }"), "a");
    let plan = plan(&new, running(&old));
    assert_eq!(changes(&plan), ["sensor-1: restart worker-2: `pin_cpus` [2] -> [3]"]);
    assert_eq!(plan.together, None);
    assert_eq!(plan.summary(6), "2 hosts, 0 files, restart 1 of 6 nodes");
}

#[test]
fn a_key_of_the_layout_is_a_reason_with_both_values_and_the_file_shows_it() {
    let layout = |expire: &str| {
        test_layout(&format!("{HOSTS}  worker: {{ type: worker, host: sensor-1 }}\nlogging: {{ expire: {expire} }}\n"))
    };
    let (old, new) = (release_of(&layout("1day"), "a"), release_of(&layout("2days"), "a"));
    let plan = plan(&new, running(&old));
    let why = "`logging.expire_s` 86400 -> 172800";
    assert!(changes(&plan).contains(&format!("head: update logger: {why}")), "{plan:#?}");
    let file = plan.hosts[0].files.iter().find(|file| file.path.ends_with("logger.yaml")).unwrap();
    let diff = file.diff.as_deref().unwrap();
    assert!(diff.contains("-  expire_s: 86400") && diff.contains("+  expire_s: 172800"), "{diff}");
}

#[test]
fn another_program_restarts_everything_type_after_type() {
    let layout = layout("worker: { type: worker, host: sensor-1 }");
    let (old, new) = (release_of(&layout, "a"), release_of(&layout, "b"));
    let plan = plan(&new, running(&old));
    let restarting = steps(&plan).into_iter().filter(|step| step.starts_with("restarting")).collect::<Vec<_>>();
    assert_eq!(
        restarting,
        [
            "restarting loggers: head (logger)",
            "restarting managers: head (manager)",
            "restarting proxies: head (proxy-1, proxy-2)",
            "restarting workers: sensor-1 (worker)",
        ]
    );
    assert!(changes(&plan)[0].ends_with("program aaaaaaaaaaaa -> bbbbbbbbbbbb"), "{:?}", changes(&plan));
    assert!(plan.hosts.iter().all(|host| host.program.is_some()));
}

#[test]
fn a_new_worker_starts_and_the_others_are_told_without_a_restart() {
    let old = release_of(&layout("worker: { type: worker, host: sensor-1, count: 1 }"), "a");
    let new = release_of(&layout("worker: { type: worker, host: sensor-1, count: 2 }"), "a");
    let plan = plan(&new, running(&old));
    let restarts = plan.changes().filter(|(_, change)| change.action == Action::Restart).count();
    assert_eq!(restarts, 0, "{:?}", changes(&plan));
    assert!(changes(&plan).contains(&"sensor-1: start worker-2: it is new".to_owned()), "{:?}", changes(&plan));
    assert!(changes(&plan).contains(&"head: update manager: the table of nodes changed".to_owned()));
    assert_eq!(
        steps(&plan)[2],
        "telling running nodes what changed: head (manager, logger, proxy-1, proxy-2), sensor-1 (worker-1)"
    );
}

#[test]
fn a_proxy_that_leaves_is_stopped_and_the_pool_is_mentioned() {
    let workers = "  worker: { type: worker, host: sensor-1 }\n";
    let old = release_of(&test_layout(&format!("{HOSTS}{workers}")), "a");
    let new = release_of(&test_layout(&format!("{}{workers}", HOSTS.replace(", count: 2", ", count: 1"))), "a");
    let (old, new) = (old, new);
    let plan = plan(&new, running(&old));
    let stops: Vec<String> = changes(&plan).into_iter().filter(|change| change.contains(": stop ")).collect();
    assert!(!stops.is_empty() && stops.iter().all(|stop| stop.starts_with("head: stop proxy")), "{stops:?}");
    assert!(plan.consequences.iter().any(|said| said.ends_with("leaves: pool keys are redistributed")), "{plan:#?}");
}

#[test]
fn a_moved_node_stops_there_before_it_starts_here() {
    let old = release_of(&layout("worker: { type: worker, host: [sensor-1, sensor-2] }"), "a");
    let moved = "w1: { type: worker, host: sensor-2 }\n  w2: { type: worker, host: sensor-1 }";
    let old_named =
        release_of(&layout("w1: { type: worker, host: sensor-1 }\n  w2: { type: worker, host: sensor-2 }"), "a");
    assert_eq!(old.hosts.len(), 3);
    let new = release_of(&layout(moved), "a");
    let plan = plan(&new, running(&old_named));
    let said = changes(&plan);
    assert!(said.contains(&"sensor-1: stop w1: it moves to sensor-2".to_owned()), "{said:?}");
    assert!(said.contains(&"sensor-2: start w1: it moves here from sensor-1".to_owned()), "{said:?}");
    let order: Vec<Step> = plan.steps.iter().map(|phase| phase.step).collect();
    let at = |step: Step| order.iter().position(|other| *other == step).unwrap();
    assert!(at(Step::Activate) < at(Step::Retire) && at(Step::Retire) < at(Step::Start(NodeType::Worker)));
}

#[test]
fn a_node_that_may_still_run_on_a_silent_host_is_held_back_unless_a_part_is_allowed() {
    let old = release_of(&layout("w1: { type: worker, host: sensor-1 }"), "a");
    let new = release_of(&layout("w1: { type: worker, host: sensor-2 }"), "a");
    let mut found = running(&old);
    found.insert("sensor-1".into(), silence());
    found.insert("sensor-2".into(), Found::Empty);
    let last = vec![Former { host: "sensor-1".into(), nodes: vec!["w1".into()] }];
    let mut case = Case { release: &new, found, last, allow_partial: false, only: None };
    let held = "sensor-2: hold w1: it may still run on sensor-1, which gives no answer".to_owned();
    assert!(changes(&case.plan()).contains(&held), "{:?}", changes(&case.plan()));
    assert!(!steps(&case.plan()).iter().any(|step| step.contains("w1)")), "{:?}", steps(&case.plan()));
    case.allow_partial = true;
    let started = "sensor-2: start w1: it moves here from sensor-1".to_owned();
    assert!(changes(&case.plan()).contains(&started), "{:?}", changes(&case.plan()));
}

#[test]
fn whatever_runs_on_a_host_that_left_is_stopped() {
    let old = release_of(&layout("worker: { type: worker, host: [sensor-1, sensor-2] }"), "a");
    let new = release_of(&layout("worker: { type: worker, host: [sensor-1] }"), "a");
    let plan = plan(&new, running(&old));
    let host = plan.hosts.last().unwrap();
    assert_eq!((host.host.as_str(), host.state), ("sensor-2", HostState::Leaving));
    assert!(changes(&plan).contains(&"sensor-2: stop worker-2: the layout no longer has host sensor-2".to_owned()));
    assert!(steps(&plan).contains(&"stopping nodes that do not belong there any more: sensor-2 (worker-2)".to_owned()));
}

#[test]
fn hosts_that_are_left_out_stay_as_they_are() {
    let old = release_of(&layout("worker: { type: worker, host: [sensor-1, sensor-2] }"), "a");
    let new = release_of(&layout("worker: { type: worker, host: [sensor-1, sensor-2], env_vars: { A: b } }"), "a");
    let only = ["sensor-1".to_owned()];
    let case = Case { release: &new, found: running(&old), last: Vec::new(), allow_partial: false, only: Some(&only) };
    let plan = case.plan();
    assert_eq!(
        steps(&plan),
        [
            "staging the release: sensor-1",
            "switching to the release: sensor-1",
            "restarting workers: sensor-1 (worker-1)",
        ]
    );
    let left_out: Vec<(&str, Option<&str>)> = plan.left_out().collect();
    assert_eq!(left_out, [("head", Some(old.id.as_str())), ("sensor-2", Some(old.id.as_str()))]);
    assert_eq!((case.crossings(), &plan.only), (Vec::new(), &only.to_vec()));
    // What became of them meanwhile does not concern a saved plan.
    let mut later = plan.clone();
    later.hosts[0].observed.release = None;
    assert_eq!(later.moved_since(&plan), Vec::<String>::new());
    later.only.clear();
    assert_eq!(later.moved_since(&plan), ["it is about other hosts"]);
}

#[test]
fn a_node_does_not_move_between_a_host_that_is_named_and_one_that_is_not() {
    let old = release_of(&layout("w1: { type: worker, host: sensor-1 }"), "a");
    let new = release_of(&layout("w1: { type: worker, host: sensor-2 }"), "a");
    let crossings = |only: &str, mut found: BTreeMap<String, Found>| {
        found.entry("sensor-2".into()).or_insert(Found::Empty);
        let only = [only.to_owned()];
        Case { release: &new, found, last: Vec::new(), allow_partial: false, only: Some(&only) }.crossings()
    };
    assert_eq!(crossings("sensor-1", running(&old)), ["w1 moves from sensor-1 to sensor-2, and sensor-2 is left out"]);
    assert_eq!(crossings("sensor-2", running(&old)), ["w1 moves from sensor-1 to sensor-2, and sensor-1 is left out"]);
    assert_eq!(crossings("head", running(&old)), Vec::<String>::new());
    // It runs there already: stopping it here is what is left to do.
    let mut found = running(&new);
    let Some(here) = running(&old).remove("sensor-1") else { panic!("it was seen") };
    found.insert("sensor-1".into(), here);
    assert_eq!(crossings("sensor-1", found), Vec::<String>::new());
}

#[test]
fn what_splits_the_cluster_is_not_deployed_to_a_part_of_it() {
    let at = |port: u16| test_layout(&format!("port: {port}\n{HOSTS}  worker: {{ type: worker, host: sensor-1 }}\n"));
    let (old, new) = (release_of(&at(27760), "a"), release_of(&at(28760), "a"));
    let only = ["sensor-1".to_owned()];
    let crossings = |found: BTreeMap<String, Found>| {
        Case { release: &new, found, last: Vec::new(), allow_partial: false, only: Some(&only) }.crossings()
    };
    let why = "the address of the manager's forwarder changes, and the nodes of head, left out, would be apart from the others";
    assert_eq!(crossings(running(&old)), [why]);
    // The others have it already, and only this one was late.
    let mut found = running(&new);
    let Some(late) = running(&old).remove("sensor-1") else { panic!("it was seen") };
    found.insert("sensor-1".into(), late);
    assert_eq!(crossings(found), Vec::<String>::new());
}

#[test]
fn nodes_of_old_and_new_address_restart_together() {
    let at = |port: u16| test_layout(&format!("port: {port}\n{HOSTS}  worker: {{ type: worker, host: sensor-1 }}\n"));
    let (old, new) = (release_of(&at(27760), "a"), release_of(&at(28760), "a"));
    let plan = plan(&new, running(&old));
    assert_eq!(plan.together.as_deref(), Some("the address of the manager's forwarder changes"));
}

#[test]
fn an_earlier_configuration_and_a_crash_are_reasons() {
    let release = release_of(&layout("worker: { type: worker, host: sensor-1, count: 2 }"), "a");
    let mut found = running(&release);
    status(&mut found, "sensor-1", |status| {
        status.nodes[0].running_hash = Some("older".into());
        let crashed = &mut status.nodes[1];
        (crashed.pid, crashed.state) = (None, NodeState::Failing);
        crashed.error = Some("exited with status 1".into());
    });
    let plan = plan(&release, found);
    assert_eq!(
        changes(&plan),
        [
            "sensor-1: restart worker-1: it runs an earlier configuration",
            "sensor-1: start worker-2: it is failing: exited with status 1",
        ]
    );
    assert_eq!(steps(&plan), ["starting workers: sensor-1 (worker-2)", "restarting workers: sensor-1 (worker-1)"]);
}

#[test]
fn keys_are_named_and_never_shown_and_restart_everything_together() {
    let text =
        format!("{HOSTS}  worker: {{ type: worker, host: sensor-1 }}\n").replace("encryption: off", "encryption: on");
    let layout = test_layout(&text);
    let with = |keys: &crate::api::keys::CurveKeys| {
        let binary = "a".repeat(64);
        let input = ReleaseInput { binary_hash: &binary, created_by: "", created_at: 0.0, curve: Some(keys) };
        render::release(&layout, &input).unwrap()
    };
    let (first, second) = (super::super::keys::generate(), super::super::keys::generate());
    let (old, new) = (with(&first), with(&second));
    let plan = plan(&new, running(&old));
    assert_eq!(plan.together.as_deref(), Some("the keys change"));
    assert!(changes(&plan).iter().all(|change| change.ends_with("new keys")), "{:?}", changes(&plan));
    let json = serde_json::to_string(&plan).unwrap();
    for (_, key) in first.files().into_iter().chain(second.files()) {
        assert!(!json.contains(key.expose()));
    }
    assert!(plan.hosts[0].files.iter().all(|file| file.secret && file.diff.is_none()), "{:?}", plan.hosts[0].files);
}

#[test]
fn values_of_the_environment_are_not_said() {
    let old = release_of(&layout("worker: { type: worker, host: sensor-1, env_vars: { TOKEN: one } }"), "a");
    let new = release_of(&layout("worker: { type: worker, host: sensor-1, env_vars: { TOKEN: two, X: y } }"), "a");
    let plan = plan(&new, running(&old));
    let why = "`env_vars` sets TOKEN to something else, `env_vars` sets X";
    assert_eq!(changes(&plan), [format!("sensor-1: restart worker: {why}")]);
    assert!(!serde_json::to_string(&plan).unwrap().contains("two"));
}

#[test]
fn a_saved_plan_is_the_same_plan_and_says_what_moved() {
    let old = release_of(&layout("worker: { type: worker, host: sensor-1, count: 2, pin_cpus: [1, 2] }"), "a");
    let new = release_of(&layout("worker: { type: worker, host: sensor-1, count: 2, pin_cpus: [1, 3] }"), "a");
    let made = plan(&new, running(&old));
    let read: Plan = serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
    assert_eq!(read, made);
    assert_eq!(made.moved_since(&read), Vec::<String>::new());

    let mut found = running(&old);
    status(&mut found, "sensor-1", |status| (status.nodes[0].pid, status.nodes[0].state) = (None, NodeState::Stopped));
    assert_eq!(plan(&new, found).moved_since(&read), ["worker-1 stopped on sensor-1"]);
    let mut found = running(&old);
    found.insert("sensor-1".into(), silence());
    assert_eq!(plan(&new, found).moved_since(&read), ["sensor-1 had a release then and now gave no answer"]);
    let moved = plan(&new, running(&new)).moved_since(&read);
    assert!(moved.iter().any(|said| said.starts_with("sensor-1 had release ")), "{moved:?}");
}

#[test]
fn an_option_that_a_running_node_takes_over_restarts_nobody() {
    let with = |expiration: &str, more: &str| {
        let option = format!("options: {{ Cluster::Backend::ZeroMQ::hello_expiration: {expiration} }}\n{more}");
        test_layout(&format!("{HOSTS}  worker: {{ type: worker, host: sensor-1 }}\n{option}"))
    };
    let (old, new) = (release_of(&with("10sec", ""), "a"), release_of(&with("20sec", ""), "a"));
    let why = "`Cluster::Backend::ZeroMQ::hello_expiration` 10sec -> 20sec";
    let said = changes(&plan(&new, running(&old)));
    assert_eq!(said.last(), Some(&format!("sensor-1: update worker: {why}")));
    assert!(said.iter().all(|change| change.contains(": update ")), "{said:?}");

    // How logs are written matters only to who writes them.
    let logs = release_of(&with("10sec", "logging: { format: json }\n"), "a");
    let said = changes(&plan(&logs, running(&old)));
    assert_eq!(said, ["head: restart logger: `logging.format` tsv -> json"]);
}

#[test]
fn a_limit_is_given_to_a_running_node_and_a_memory_policy_restarts_it() {
    let worker = |more: &str| release_of(&layout(&format!("worker: {{ type: worker, host: sensor-1{more} }}")), "a");
    let (old, new) = (worker(", memory_max: 1GiB"), worker(", memory_max: 2GiB, nice: 5"));
    assert_eq!(
        changes(&plan(&new, running(&old))),
        ["sensor-1: update worker: `memory_max` 1GiB -> 2GiB, `nice` is set to 5"]
    );
    let (old, new) = (worker(""), worker(", numa: 0"));
    assert_eq!(changes(&plan(&new, running(&old))), ["sensor-1: restart worker: `numa` is set to 0"]);
    assert!(changes(&plan(&new, running(&new))).is_empty());
}

#[test]
fn a_taken_port_counts_where_its_node_starts_and_not_where_it_stays() {
    let release = release_of(&layout("worker: { type: worker, host: sensor-1 }"), "a");
    let part = &release.hosts[0];
    let nodes: Vec<String> = part.manifest.nodes.iter().map(|node| node.name.clone()).collect();
    let taken = |node: &String| TakenPort { port: 1, node: node.clone(), by: "nginx (pid 77)".into() };
    let ports = [(part.manifest.host.clone(), nodes.iter().map(taken).collect::<Vec<_>>())].into();
    let found = BTreeMap::from([(part.manifest.host.clone(), Found::Empty)]);
    let case = Case { release: &release, found, last: Vec::new(), allow_partial: false, only: None };
    let question = Question { taken_ports: &ports, ..case.question() };
    assert_eq!(decide(&question).hosts[0].taken_ports, ports[&part.manifest.host], "all of them start");
    let case = Case { found: BTreeMap::from([(part.manifest.host.clone(), silence())]), ..case };
    let question = Question { taken_ports: &ports, ..case.question() };
    assert_eq!(decide(&question).hosts[0].taken_ports, [], "nothing is done there");
}
