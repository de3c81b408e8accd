//! Pools follow membership, and the node's subscriptions follow its pools.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::handshake::Alone;
use super::world::{World, entry};
use crate::cluster::pools::{PoolId, PoolSpec, Pools};
use crate::cluster::{Command, Core, Effect, Hooks, Input, Now, Settings, Topics, Verdict};
use crate::data::NodeType;

const NOW: Now = Now { elapsed: Duration::ZERO, wall: 1e9 };

fn limited_proxies(max_nodes: usize, exclusive: bool) -> Pools {
    let mut pools = Pools::new(&Topics::zeromq());
    let spec = &mut pools.pool_mut(PoolId::PROXY).expect("predefined").spec;
    (spec.max_nodes, spec.exclusive) = (Some(max_nodes), exclusive);
    pools
}

fn settings(name: &str, nodes: &[&str]) -> Settings {
    Settings::new(name, "I", nodes.iter().map(|name| entry(name)).collect(), true)
}

fn subscribed<'a>(effects: &'a [Effect]) -> Vec<&'a str> {
    let topic = |effect: &'a Effect| match effect {
        Effect::Subscribe(topic) => Some(topic.as_str()),
        _ => None,
    };
    effects.iter().filter_map(topic).collect()
}

#[test]
fn every_node_finds_the_same_member_by_key_and_takes_turns_for_itself() {
    let mut world = World::settled(1, &["manager", "proxy-1", "proxy-2", "worker-1"]);
    let topic = |name: &str| Some(format!("zeek.cluster.node.{name}."));
    // Numbers and choices: `cluster.md`, appendix B.
    for (key, proxy) in [(0u64, 2), (1, 1), (2, 2), (3, 2), (13, 1), (37, 1), (42, 1), (101, 1)] {
        for name in ["manager", "worker-1"] {
            let chosen = world.processes[name].core.hrw_topic(PoolId::PROXY, key);
            assert_eq!(chosen, topic(&format!("proxy-{proxy}")), "{key} on {name}");
        }
    }
    let manager = &mut world.processes.get_mut("manager").expect("it runs").core;
    let turns: Vec<_> = (0..3).map(|_| manager.rr_topic(PoolId::PROXY, "k")).collect();
    assert_eq!(turns, [topic("proxy-1"), topic("proxy-2"), topic("proxy-1")]);
    assert_eq!(manager.rr_topic(PoolId::PROXY, "another key"), topic("proxy-1"));
    assert_eq!(manager.hrw_topic(PoolId::LOGGER, "k"), None, "a node is never chosen by itself");
    assert_eq!(manager.rr_topic(PoolId::LOGGER, "k"), topic("manager"), "but takes its turn");
}

#[test]
fn who_goes_down_leaves_its_keys_to_the_others_and_who_comes_back_takes_them_again() {
    let mut world = World::settled(2, &["manager", "worker-1", "worker-2"]);
    let chosen = |world: &World| -> Vec<String> {
        let core = &world.processes["manager"].core;
        (0..50u64).map(|key| core.hrw_topic(PoolId::WORKER, key).expect("somebody is up")).collect()
    };
    let before = chosen(&world);
    world.kill("worker-2");
    world.run(Duration::from_secs(1));
    assert!(chosen(&world).iter().all(|topic| topic == "zeek.cluster.node.worker-1."));
    world.start("worker-2");
    world.run(Duration::from_secs(1));
    assert_eq!(chosen(&world), before);
    assert!(before.iter().any(|topic| topic == "zeek.cluster.node.worker-2."));
}

#[test]
fn a_pool_s_topic_is_subscribed_by_its_members_alone() {
    let nodes = ["manager", "proxy-1", "proxy-2"];
    for (name, is_member) in [("proxy-1", true), ("proxy-2", false)] {
        let settings = settings(name, &nodes).with_pools(limited_proxies(1, false)).expect("one proxy");
        let effects = Core::new(settings, Hooks::default()).step(Input::Start, NOW);
        assert_eq!(subscribed(&effects).contains(&"zeek.cluster.pool.proxy"), is_member, "{name}");
    }
}

#[test]
fn a_pool_of_one_s_own_takes_what_an_exclusive_one_leaves() {
    let mut pools = limited_proxies(1, true);
    let mine = pools.register_pool(PoolSpec::all("zeek.cluster.pool.my_pool", NodeType::Proxy));
    let settings = settings("proxy-2", &["manager", "proxy-1", "proxy-2"]).with_pools(pools).expect("two proxies");
    let mut core = Core::new(settings, Hooks::default());
    let effects = core.step(Input::Start, NOW);
    assert!(subscribed(&effects).contains(&"zeek.cluster.pool.my_pool"));
    assert_eq!(core.rr_topic(mine, "").as_deref(), Some("zeek.cluster.node.proxy-2."));
    assert!(core.pools().pool(PoolId::PROXY).expect("predefined").node("proxy-2").is_none());
}

#[test]
fn pools_that_cannot_be_had_are_refused_in_zeek_s_words() {
    let error = settings("proxy-1", &["manager", "proxy-1"]).with_pools(limited_proxies(2, true)).expect_err("one");
    let expected = "not enough Cluster::PROXY nodes to satisfy pool exclusivity requirements: need 2 nodes";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_changed_layout_refills_the_pools_and_keeps_who_is_up() {
    let mut manager = Alone::new();
    let id = "zeromq_worker-2_h_3_Nc";
    manager.subscription(id);
    manager.greeting("worker-2", id);
    manager.hello("worker-2", id);
    let grown = ["manager", "worker-1", "worker-2", "worker-3", "logger-1"].map(entry).to_vec();
    assert!(manager.step(Input::Layout(grown)).is_empty(), "its own pools are the same");
    let workers = manager.core.pools().pool(PoolId::WORKER).expect("predefined");
    let alive: Vec<(&str, bool)> = workers.nodes().iter().map(|node| (node.name.as_str(), node.alive)).collect();
    assert_eq!(alive, [("worker-1", false), ("worker-2", true), ("worker-3", false)]);
}

#[test]
fn a_node_that_a_changed_layout_takes_out_of_a_pool_leaves_its_topic() {
    let settings = settings("proxy-2", &["manager", "proxy-2"]).with_pools(limited_proxies(1, true)).expect("one");
    let mut core = Core::new(settings, Hooks::default());
    core.step(Input::Start, NOW);
    let effects = core.step(Input::Layout(["manager", "proxy-1", "proxy-2"].map(entry).to_vec()), NOW);
    assert_eq!(effects, [Effect::Unsubscribe("zeek.cluster.pool.proxy".to_owned())]);
    let effects = core.step(Input::Layout(["manager", "proxy-2"].map(entry).to_vec()), NOW);
    assert_eq!(effects, [Effect::Subscribe("zeek.cluster.pool.proxy".to_owned())]);
}

#[test]
fn hooks_see_every_subscription_and_may_veto_a_log_record_only() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut hooks = Hooks::default();
    let push = |what: &'static str| {
        let seen = Arc::clone(&seen);
        move |topic: &str| seen.lock().expect("one thread").push(format!("{what} {topic}"))
    };
    hooks.on_subscribe(push("+"));
    hooks.on_unsubscribe(push("-"));
    hooks.log_policy(|record| if record.message.contains("secret") { Verdict::Veto } else { Verdict::Keep });
    let mut core = Core::new(settings("worker-1", &["manager", "worker-1"]), hooks);
    core.step(Input::Start, NOW);
    assert_eq!(seen.lock().expect("one thread").len(), 6, "the framework's own topics");
    seen.lock().expect("one thread").clear();

    let command = |command| Input::Command(command);
    assert_eq!(core.step(command(Command::Subscribe("t".into())), NOW), [Effect::Subscribe("t".into())]);
    core.step(command(Command::Subscribe("t".into())), NOW);
    core.step(command(Command::Unsubscribe("never".into())), NOW);
    core.unsubscribe_in_vain("zeek.cluster.worker");
    assert_eq!(*seen.lock().expect("one thread"), ["+ t", "+ t", "- never", "- zeek.cluster.worker"]);

    assert!(core.step(command(Command::Log("a secret".into())), NOW).is_empty());
    let logged = core.step(command(Command::Log("all is well".into())), NOW);
    let [Effect::Log(record)] = logged.as_slice() else { panic!("{logged:?}") };
    let written = (record.ts, record.node.as_str(), record.message.as_str());
    assert_eq!(written, (1e9, "worker-1", "all is well"));
}

#[test]
fn limits_of_a_pool_that_change_move_its_members_and_their_subscriptions() {
    let mut core = Core::new(settings("proxy-2", &["manager", "proxy-1", "proxy-2"]), Hooks::default());
    let pool = "zeek.cluster.pool.proxy";
    assert!(subscribed(&core.step(Input::Start, NOW)).contains(&pool));
    let effects = core.step(Input::PoolSpecs(Box::new(limited_proxies(1, false))), NOW);
    assert!(effects.contains(&Effect::Unsubscribe(pool.to_owned())), "{effects:?}");
    let members = |core: &Core| core.pools().pool(PoolId::PROXY).expect("predefined").nodes().len();
    assert_eq!(members(&core), 1);
    assert_eq!(core.step(Input::PoolSpecs(Box::new(limited_proxies(1, false))), NOW), [], "the same again");

    // More than the layout has: nothing changes before a layout that has them.
    core.step(Input::PoolSpecs(Box::new(limited_proxies(3, true))), NOW);
    assert_eq!(members(&core), 1);
    let more = ["manager", "proxy-1", "proxy-2", "proxy-3"].map(entry).to_vec();
    let effects = core.step(Input::Layout(more), NOW);
    assert_eq!(subscribed(&effects), [pool]);
    assert_eq!(members(&core), 3);
}
