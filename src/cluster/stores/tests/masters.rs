//! Single situations: intervals, two masters, missed updates, refusals.

use std::time::Duration;

use super::world::World;
use crate::cluster::stores::{Answer, Definitions, Kind, Operation, Query, Refusal, StoreError};
use crate::data::Data;

const SECOND: Duration = Duration::from_secs(1);

fn get(key: impl Into<Data>) -> Query {
    Query::Get { key: key.into() }
}

fn world(definitions: &Definitions) -> World {
    let mut world = World::new(1);
    world.start_master("m");
    world.start_clone("w1", definitions);
    world.start_clone("w2", definitions);
    world.run(SECOND * 2);
    world
}

#[test]
fn what_one_clone_writes_the_other_reads() {
    let mut world = world(&Definitions::default());
    let ticket = world.put("w1", "k", 1u64);
    world.run(SECOND);
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    for node in ["w1", "w2", "m"] {
        assert_eq!(world.ask(node, get("k")), Ok(Data::Count(1)), "{node}");
        assert_eq!(world.ask(node, Query::Size), Ok(Data::Count(1)), "{node}");
        assert_eq!(world.ask(node, Query::Keys), Ok(Data::set(["k"])), "{node}");
        assert_eq!(world.ask(node, get("x")), Err(StoreError::Refused(Refusal::NoSuchKey)), "{node}");
    }
    world.operate_master("m", Operation::Clear);
    world.run(SECOND);
    assert_eq!(world.ask("w2", Query::Exists { key: "k".into() }), Ok(Data::Boolean(false)));
}

#[test]
fn refusals_come_back_to_the_clone_that_asked() {
    let mut world = world(&Definitions::default());
    world.put("w1", "k", "text");
    world.run(SECOND);
    let add = Operation::Add { key: "k".into(), kind: Kind::Number, value: 1u64.into(), expiry: None };
    let clash = world.operate("w2", add);
    let missing = world.operate("w2", Operation::Subtract { key: "x".into(), value: 1u64.into(), expiry: None });
    world.run(SECOND);
    assert!(matches!(world.answers[&clash], Err(StoreError::Refused(Refusal::TypeClash { .. }))));
    assert_eq!(world.answers[&missing], Err(StoreError::Refused(Refusal::NoSuchKey)));
}

#[test]
fn a_key_vanishes_everywhere_when_its_time_has_come_and_an_increment_removes_the_expiry() {
    let mut world = world(&Definitions::default());
    let expiry = Some(SECOND * 3);
    for key in ["gone", "kept"] {
        world.operate("w1", Operation::Put { key: key.into(), value: 1u64.into(), expiry });
    }
    world.run(SECOND);
    let increment = Operation::Add { key: "kept".into(), kind: Kind::Number, value: 1u64.into(), expiry: None };
    world.operate("w2", increment);
    assert_eq!(world.ask("w2", Query::Size), Ok(Data::Count(2)));
    world.run(SECOND * 3);
    for node in ["w1", "w2", "m"] {
        assert_eq!(world.ask(node, Query::Keys), Ok(Data::set(["kept"])), "{node}");
    }
    world.check_equal("m").expect("equal");
}

#[test]
fn a_clone_without_master_answers_until_its_copy_is_stale_and_again_when_the_master_is_back() {
    let definitions = Definitions { default_clone_stale_interval: Some(SECOND * 20), ..Definitions::default() };
    let mut world = world(&definitions);
    world.put("w1", "k", 1u64);
    world.run(SECOND);
    world.kill_master("m");
    world.run(SECOND * 18);
    assert_eq!(world.ask("w1", get("k")), Ok(Data::Count(1)));
    world.run(SECOND * 4);
    assert!(matches!(world.ask("w1", get("k")), Err(StoreError::Stale { since: Some(_), .. })));
    world.start_master("m");
    world.run(SECOND * 2);
    assert_eq!(world.ask("w1", get("k")), Ok(Data::Count(1)));
    assert!(world.reports.iter().any(|text| text == "store 's': w1 lost the master on m"), "{:?}", world.reports);
}

#[test]
fn without_a_stale_interval_a_copy_never_gets_stale_and_before_the_first_there_is_no_answer() {
    let definitions = Definitions { default_clone_stale_interval: None, ..Definitions::default() };
    let mut world = World::new(1);
    world.start_clone("w1", &definitions);
    world.run(SECOND);
    assert!(matches!(world.ask("w1", get("k")), Err(StoreError::Stale { since: None, .. })));
    world.start_master("m");
    world.run(SECOND);
    world.kill_master("m");
    world.run(SECOND * 1000);
    assert_eq!(world.ask("w1", Query::Size), Ok(Data::Count(0)));
}

#[test]
fn writes_wait_for_a_master_as_long_as_the_buffer_interval_says() {
    let definitions = Definitions { default_clone_mutation_buffer_interval: SECOND * 10, ..Definitions::default() };
    let mut world = world(&definitions);
    world.kill_master("m");
    world.run(SECOND * 5);
    let lost = world.put("w1", "lost", 1u64);
    world.run(SECOND * 9);
    assert!(world.answers.is_empty());
    world.run(SECOND * 2);
    assert!(matches!(world.answers[&lost], Err(StoreError::NoMaster { .. })));
    let kept = world.put("w1", "kept", 1u64);
    world.run(SECOND * 5);
    world.start_master("m");
    world.run(SECOND * 2);
    assert_eq!(world.answers[&kept], Ok(Answer::Done));
    assert_eq!(world.ask("w2", Query::Keys), Ok(Data::set(["kept"])));
}

#[test]
fn with_a_buffer_interval_of_zero_nothing_is_kept_for_later() {
    let definitions = Definitions { default_clone_mutation_buffer_interval: Duration::ZERO, ..Definitions::default() };
    let mut world = world(&definitions);
    let taken = world.put("w1", "k", 1u64);
    world.run(SECOND);
    assert_eq!(world.answers[&taken], Ok(Answer::Done));
    world.kill_master("m");
    world.run(SECOND * 5);
    let refused = world.put("w1", "k", 2u64);
    assert!(matches!(world.answers[&refused], Err(StoreError::NoMaster { .. })));
}

#[test]
fn a_clone_that_lost_updates_gets_them_or_everything() {
    for more in [10u64, 20_000] {
        let mut world = world(&Definitions::default());
        world.cut.push("w2");
        for number in 0..more {
            world.operate_master("m", Operation::Put { key: number.into(), value: number.into(), expiry: None });
        }
        world.operate_master("m", Operation::Erase { key: 3u64.into() });
        world.cut.clear();
        world.run(SECOND * 5);
        world.check_equal("m").expect("equal");
        assert_eq!(world.ask("w2", Query::Size), Ok(Data::Count(more - 1)));
    }
}

#[test]
fn while_a_clone_copies_the_master_goes_on_changing() {
    let mut world = World::new(5);
    world.start_master("m");
    let put = |number: u64, value: u64| Operation::Put { key: number.into(), value: value.into(), expiry: None };
    for number in 0..3000 {
        world.operate_master("m", put(number, 0));
    }
    world.start_clone("w1", &Definitions::default());
    for round in 1..400 {
        world.operate_master("m", put(round * 7 % 3000, round));
        world.operate_master("m", Operation::Erase { key: (round * 11 % 3000).into() });
        if round == 200 {
            world.loses = 5;
        }
        world.run(Duration::from_millis(10));
    }
    world.loses = 0;
    world.run(SECOND * 10);
    world.check_equal("m").expect("equal");
}

#[test]
fn a_clone_that_loses_its_master_while_it_copies_begins_again() {
    let mut world = World::new(3);
    world.start_master("m");
    for number in 0..2000u64 {
        world.operate_master("m", Operation::Put { key: number.into(), value: number.into(), expiry: None });
    }
    world.start_clone("w1", &Definitions::default());
    while world.clones["w1"].data().entries().is_empty() {
        world.run(Duration::from_millis(10));
    }
    assert!(!world.clones["w1"].is_in_sync(), "in the midst of it");
    world.cut.push("m");
    world.run(SECOND * 10);
    world.cut.clear();
    world.run(SECOND * 5);
    world.check_equal("m").expect("equal");
}

#[test]
fn a_clone_that_begins_while_others_write_all_the_time_finds_its_master_at_once() {
    let mut world = world(&Definitions::default());
    world.start_clone("w3", &Definitions::default());
    for number in 0..100u64 {
        world.put("w1", number, number);
        world.run(Duration::from_millis(10));
    }
    assert_eq!(world.ask("w3", Query::Exists { key: 0u64.into() }), Ok(Data::Boolean(true)));
}

#[test]
fn of_two_masters_the_younger_refuses_both_say_so_and_it_takes_over_when_the_other_is_gone() {
    let mut world = world(&Definitions::default());
    world.put("w1", "k", 1u64);
    world.run(SECOND);
    world.start_master("n");
    world.run(SECOND);
    let refused = world.operate_master("n", Operation::Clear);
    assert!(
        matches!(&world.answers[&refused], Err(StoreError::SecondMaster { node, other, .. }) if node == "n" && other == "m")
    );
    assert!(matches!(world.ask("n", Query::Size), Err(StoreError::SecondMaster { .. })));
    assert_eq!(world.ask("w1", get("k")), Ok(Data::Count(1)));
    let said = |world: &World, text: &str| world.reports.iter().filter(|report| *report == text).count();
    let own = "store 's': m is its master already; n refuses to be a second one until that one is gone";
    let others = "store 's': n began as a second master and is refused; m is the master";
    assert_eq!((said(&world, own), said(&world, others)), (1, 1), "{:?}", world.reports);

    world.kill_master("m");
    world.run(SECOND * 8);
    assert_eq!(said(&world, "store 's': master m is gone; n is the master from now on"), 1);
    let taken = world.put("w1", "x", 1u64);
    world.run(SECOND);
    assert_eq!(world.answers[&taken], Ok(Answer::Done));
    assert_eq!(world.ask("w1", Query::Keys), Ok(Data::set(["x"])));
    world.check_equal("n").expect("equal");
}

#[test]
fn after_a_partition_with_a_master_on_each_side_the_clones_follow_the_older() {
    let mut world = world(&Definitions::default());
    world.cut.push("m");
    world.run(SECOND * 5);
    world.start_master("n");
    world.run(SECOND);
    let ticket = world.put("w1", "other side", 1u64);
    world.run(SECOND);
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    world.cut.clear();
    world.run(SECOND * 5);
    world.check_equal("m").expect("equal");
    assert!(matches!(world.ask("n", Query::Size), Err(StoreError::SecondMaster { .. })));
}

#[test]
fn the_next_process_of_the_masters_node_is_no_second_master() {
    let mut world = world(&Definitions::default());
    world.start_master("m");
    world.run(SECOND * 3);
    let ticket = world.put("w1", "k", 1u64);
    world.run(SECOND);
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    assert!(!world.reports.iter().any(|text| text.contains("second")), "{:?}", world.reports);
}

#[test]
fn a_clone_that_is_created_again_in_the_same_process_is_not_taken_for_its_former_self() {
    let mut world = world(&Definitions::default());
    world.put("w1", "a", 1u64);
    world.run(SECOND);
    world.start_clone("w1", &Definitions::default());
    let ticket = world.put("w1", "b", 1u64);
    world.run(SECOND * 2);
    assert_eq!(world.answers[&ticket], Ok(Answer::Done));
    assert_eq!(world.ask("w2", Query::Keys), Ok(Data::set(["a", "b"])));
}
