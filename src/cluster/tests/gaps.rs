//! Where Zeek loses a peer (`zeromq.md` 4.6, 4.8, 4.9, 3.9), this core does not.

use std::time::Duration;

use super::handshake::Alone;
use super::world::World;
use crate::data::NodeType;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lost_greeting_is_repeated_until_the_peers_are_up() {
    for lost in 1..4 {
        let mut world = World::new(lost, &["manager", "worker-1"]);
        let mut left = lost;
        world.network.lose(move |_| {
            left = left.saturating_sub(1);
            left > 0
        });
        world.start("manager");
        world.start("worker-1");
        world.run(30 * SECOND);
        world.assert_all_see_each_other();
    }
}

#[test]
fn repetitions_are_bounded_and_at_least_three_seconds_apart() {
    let mut manager = Alone::new();
    manager.subscription("silent");
    let mut greetings = Vec::new();
    for second in 1..600 {
        if manager.wait(1000).iter().any(|word| word.starts_with("Cluster::Backend::ZeroMQ::hello")) {
            greetings.push(second);
        }
    }
    assert_eq!(greetings, [3, 6, 12, 24, 48]);
}

#[test]
fn a_zeek_whose_cluster_hello_was_lost_comes_up_all_the_same() {
    let mut manager = Alone::new();
    manager.subscription("z");
    manager.greeting("worker-1", "z");
    let words = manager.wait(15_000);
    assert!(words.contains(&"up worker-1 z".to_owned()), "{words:?}");
    assert!(words.contains(&"Warning node 'worker-1' is there but its Cluster::hello was lost (id:z)".to_owned()));
}

#[test]
fn a_zeek_whose_greeting_was_lost_gets_its_answer_from_the_cluster_hello() {
    let mut manager = Alone::new();
    manager.subscription("z");
    manager.hello("worker-1", "z");
    assert_eq!(manager.wait(20), ["Cluster::hello to zeek.cluster.nodeid.z."]);
    assert!(manager.wait(60_000).is_empty());
}

#[test]
fn a_known_peer_that_greets_again_gets_both_hellos() {
    let mut manager = Alone::new();
    manager.subscription("z");
    manager.greeting("worker-1", "z");
    manager.hello("worker-1", "z");
    manager.wait(20_000);
    assert_eq!(manager.greeting("worker-1", "z"), ["Cluster::Backend::ZeroMQ::hello to zeek.cluster.nodeid.z."]);
    assert_eq!(manager.wait(20), ["Cluster::hello to zeek.cluster.nodeid.z."]);
    assert!(manager.wait(60_000).is_empty());
}

#[test]
fn a_zeek_that_flapped_is_up_as_soon_as_its_subscription_is_back() {
    let mut manager = Alone::new();
    manager.subscription("z");
    manager.greeting("worker-1", "z");
    manager.hello("worker-1", "z");
    manager.unsubscription("z");
    let words = manager.subscription("z");
    assert!(words.contains(&"up worker-1 z".to_owned()), "{words:?}");
}

#[test]
fn both_ends_of_a_flap_see_each_other_again() {
    let mut world = World::settled(5, &["manager", "worker-1", "worker-2"]);
    let id = world.id("worker-1");
    world.network.cut(&id);
    world.run(SECOND);
    assert_eq!(world.processes["manager"].downs("worker-1"), 1);
    world.network.heal(&id);
    world.run(SECOND);
    world.assert_all_see_each_other();
    let before = world.network.bytes_carried();
    world.run(600 * SECOND);
    assert_eq!(world.network.bytes_carried(), before, "nodes that know each other are silent");
}

#[test]
fn hellos_of_a_new_instance_in_one_batch_end_in_node_up() {
    let mut manager = Alone::new();
    manager.subscription("old");
    manager.greeting("worker-1", "old");
    manager.hello("worker-1", "old");
    manager.subscription("new");
    let mut words = manager.greeting("worker-1", "new");
    words.extend(manager.hello("worker-1", "new"));
    let expected = [
        "Warning node 'worker-1' never said goodbye (old id:old new id:new",
        "down worker-1 old",
        "log node down: worker-1",
        "up worker-1 new",
        "hello worker-1 new",
        "log got hello from worker-1 (new)",
    ];
    let seen: Vec<&str> = words.iter().map(String::as_str).filter(|word| expected.contains(word)).collect();
    assert_eq!(seen, expected);
    assert_eq!(manager.core.get_active_node_count(NodeType::Worker), 1);
}

#[test]
fn a_duplicate_name_replaces_the_old_instance() {
    let mut manager = Alone::new();
    manager.subscription("old");
    manager.hello("worker-1", "old");
    manager.subscription("new");
    let words = manager.hello("worker-1", "new");
    let expected = ["Error Got Cluster::hello msg from duplicate node:worker-1", "down worker-1 old"];
    assert_eq!(words[..2], expected);
    assert_eq!(manager.core.nodeid_to_node("new").name, "worker-1");
    assert_eq!(manager.core.get_active_node_count(NodeType::Worker), 1);
}

/// Zeek's script takes the id of any hello for the node's.
#[test]
fn forged_hellos_displace_no_node() {
    let mut manager = Alone::new();
    for (name, id) in [("worker-1", "real"), ("worker-2", "other")] {
        manager.subscription(id);
        manager.greeting(name, id);
        manager.hello(name, id);
    }
    for id in ["evil", "other"] {
        for words in [manager.greeting("worker-1", id), manager.hello("worker-1", id)] {
            assert!(!words.iter().any(|word| word.starts_with("up ") || word.starts_with("down ")), "{words:?}");
        }
    }
    manager.wait(60_000);
    assert_eq!(manager.core.nodeid_to_node("real").name, "worker-1");
    assert_eq!(manager.core.nodeid_to_node("other").name, "worker-2");
    assert_eq!(manager.core.nodeid_to_node("evil").name, "");
    assert!(manager.unsubscription("real").contains(&"down worker-1 real".to_owned()), "its end is still seen");
}

#[test]
fn a_forged_hello_makes_no_node_up() {
    let mut manager = Alone::new();
    manager.hello("worker-1", "evil");
    let words = manager.wait(60_000);
    assert_eq!(words, ["Warning Expired hello from nodeid evil"]);
    assert_eq!(manager.core.get_active_node_count(NodeType::Worker), 0);
}

/// `kill -9` and a restart, the old connection still half open: hellos and subscription of the new instance come in any order.
#[test]
fn a_new_instance_displaces_one_that_hangs_as_soon_as_it_is_subscribed() {
    for subscribed_first in [true, false] {
        let mut manager = Alone::new();
        manager.subscription("old");
        manager.greeting("worker-1", "old");
        manager.hello("worker-1", "old");
        let mut words = Vec::new();
        if subscribed_first {
            words.extend(manager.subscription("new"));
        }
        words.extend(manager.greeting("worker-1", "new"));
        words.extend(manager.hello("worker-1", "new"));
        if !subscribed_first {
            assert!(!words.contains(&"down worker-1 old".to_owned()), "{words:?}");
            words.extend(manager.subscription("new"));
        }
        assert!(words.contains(&"down worker-1 old".to_owned()), "{words:?}");
        assert!(words.contains(&"up worker-1 new".to_owned()), "{words:?}");
        manager.wait(60_000);
        manager.unsubscription("old");
        assert_eq!(manager.core.nodeid_to_node("new").name, "worker-1");
    }
}

#[test]
fn a_hello_of_a_process_that_has_ended_raises_no_ghost() {
    let mut manager = Alone::new();
    manager.subscription("z");
    manager.greeting("worker-1", "z");
    manager.unsubscription("z");
    assert!(!manager.hello("worker-1", "z").iter().any(|word| word.starts_with("up ")));
    assert_eq!(manager.core.get_active_node_count(NodeType::Worker), 0);
}

#[test]
fn the_hub_may_restart_without_anybody_going_down() {
    let mut world = World::settled(7, &["manager", "worker-1", "worker-2"]);
    world.network.stop_hub();
    world.run(SECOND);
    world.network.start_hub();
    world.run(10 * SECOND);
    world.assert_all_see_each_other();
    for (name, process) in &world.processes {
        let downs: usize = ["manager", "worker-1", "worker-2"].iter().map(|peer| process.downs(peer)).sum();
        assert_eq!(downs, 0, "{name}");
    }
}

#[test]
fn a_peer_that_ended_while_the_hub_was_away_leaves_no_ghost() {
    let mut world = World::settled(8, &["manager", "worker-1", "worker-2"]);
    world.network.stop_hub();
    world.kill("worker-2");
    world.run(SECOND);
    world.network.start_hub();
    world.run(Duration::from_millis(4500));
    world.assert_all_see_each_other();
    assert!(world.processes["manager"].warned("node 'worker-2' gave no sign of life after the hub came back"));
    world.start("worker-2");
    world.run(SECOND);
    world.assert_all_see_each_other();
}

#[test]
fn a_peer_taken_for_dead_is_back_with_its_next_event() {
    let mut manager = Alone::new();
    manager.subscription("z");
    manager.greeting("worker-1", "z");
    manager.hello("worker-1", "z");
    manager.link_lost_and_back();
    assert!(manager.wait(5000).contains(&"down worker-1 z".to_owned()));
    assert!(manager.foreign_event("z").contains(&"up worker-1 z".to_owned()));
}

#[test]
fn what_is_kept_of_strangers_is_bounded() {
    let mut manager = Alone::new();
    manager.subscription("z");
    manager.greeting("worker-1", "z");
    manager.hello("worker-1", "z");
    for number in 0..3000 {
        manager.subscription(&format!("stranger-{number}"));
        manager.greeting(&format!("name-{number}"), &format!("other-{number}"));
    }
    assert!(manager.core.counters().forgotten_strangers >= 4000);
    assert_eq!(manager.core.nodeid_to_node("z").name, "worker-1", "who is up is never forgotten");
    let huge = "x".repeat(10_000);
    assert!(manager.hello(&huge, "h")[0].len() < 300, "no foreign text goes unbounded into a report");
}
