//! Scripts of operations chosen by a seed: writes from three clones, losses, cuts, masters that die at the worst moment. When
//! all is quiet again nothing that was acknowledged is lost, nothing was applied twice, and all copies are equal.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::World;
use crate::cluster::stores::{Answer, Definitions, Input, Kind, Operation, Query, Sqlite, SqliteOptions};
use crate::data::Data;

const CLONES: [&str; 3] = ["w1", "w2", "w3"];
const SEEDS: u64 = 60;

#[test]
fn whatever_happens_nothing_acknowledged_is_lost_and_all_copies_are_equal() {
    for seed in 0..SEEDS {
        if let Err(why) = play(seed) {
            panic!("seed {seed}: {why}");
        }
    }
}

fn play(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    let definitions = Definitions::default();
    world.start_master("m");
    CLONES.iter().for_each(|node| world.start_clone(node, &definitions));
    let mut puts = BTreeMap::new();
    let mut increments = Vec::new();
    for number in 0..60u64 {
        let node = CLONES[world.pick(3)];
        match world.pick(12) {
            0 => world.loses = 2 + world.pick(6),
            1 => world.loses = 0,
            2 => world.kill_master("m"),
            3 | 4 if world.masters["m"].master.is_none() => world.start_master("m"),
            3 => world.dies_before_it_tells = true,
            4 => {
                let whom = ["m", "w1", "w2"][world.pick(3)];
                world.cut.push(whom);
            }
            5 => world.cut.clear(),
            _ => {
                for part in 0..1 + world.pick(20) as u64 {
                    let key = number * 100 + part;
                    puts.insert(world.put(node, key, Data::from(node)), key);
                    let increment =
                        Operation::Add { key: "sum".into(), kind: Kind::Number, value: 1u64.into(), expiry: None };
                    increments.push(world.operate(node, increment));
                }
                let expiry = Some(Duration::from_millis(200));
                world.operate(
                    node,
                    Operation::Put { key: format!("short {number}").into(), value: "short".into(), expiry },
                );
            }
        }
        let time = [0, 10, 130, 1500][world.pick(4)];
        world.run(Duration::from_millis(time));
    }
    world.loses = 0;
    world.cut.clear();
    world.dies_before_it_tells = false;
    if world.masters["m"].master.is_none() {
        world.start_master("m");
    }
    world.run(Duration::from_secs(200));
    world.check_equal("m")?;
    let acknowledged = |world: &World, ticket: &u64| world.answers.get(ticket) == Some(&Ok(Answer::Done));
    for (ticket, key) in &puts {
        if !world.answers.contains_key(ticket) {
            return Err(format!("put {key} was never answered"));
        }
        if acknowledged(&world, ticket) && world.ask("w1", Query::Get { key: (*key).into() }).is_err() {
            return Err(format!("put {key} was acknowledged and is lost"));
        }
    }
    let sum = world.ask("w2", Query::Get { key: "sum".into() }).unwrap_or(Data::Count(0));
    let certain = increments.iter().filter(|ticket| acknowledged(&world, ticket)).count() as u64;
    let all = increments.len() as u64;
    match sum {
        Data::Count(sum) if (certain..=all).contains(&sum) => Ok(()),
        sum => Err(format!("{certain} increments of {all} were acknowledged, the sum is {sum}")),
    }
}

/// Puts of three clones into a master with a real file, which dies twice while they are on the way.
#[test]
fn of_a_hundred_thousand_puts_none_is_lost_when_the_master_dies_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = SqliteOptions { path: folder.path().join("s.sqlite"), ..SqliteOptions::default() };
    let open = || Box::new(Sqlite::open(&options, |error| panic!("removed: {error}")).expect("it opens"));
    let mut world = World::new(11);
    world.start_master("m");
    world.masters.get_mut("m").expect("known").disk = open();
    CLONES.iter().for_each(|node| world.start_clone(node, &Definitions::default()));
    world.run(Duration::from_secs(1));
    let mut put = 0u64;
    while put < 100_000 {
        for node in CLONES {
            let number = put;
            let operation = |number: u64| Input::Operation {
                ticket: number + 1,
                operation: Operation::Put { key: number.into(), value: Data::from(node), expiry: None },
            };
            let end = (number + 500).min(100_000);
            world.operate_all(node, (number..end).map(operation).collect());
            put = end;
        }
        world.run(Duration::from_millis(20));
        match put / 1500 {
            20 => world.dies_before_it_tells = true,
            44 => world.kill_master("m"),
            23 | 47 if world.masters["m"].master.is_none() => {
                // The file is opened anew, as by a new process.
                world.masters.get_mut("m").expect("known").disk = open();
                world.start_master("m");
            }
            _ => {}
        }
    }
    world.run(Duration::from_secs(60));
    assert_eq!(world.masters["m"].starts(), 3, "it died twice");
    assert_eq!(world.answers.len(), 100_000);
    assert!(world.answers.values().all(|answer| *answer == Ok(Answer::Done)));
    assert_eq!(world.ask("m", Query::Size), Ok(Data::Count(100_000)));
    world.check_equal("m").expect("equal");
}

#[test]
fn a_write_that_was_applied_before_the_master_died_is_not_applied_again() {
    let mut world = World::new(7);
    world.start_master("m");
    world.start_clone("w1", &Definitions::default());
    world.run(Duration::from_secs(2));
    world.dies_before_it_tells = true;
    let unique = Operation::PutUnique { key: "k".into(), value: 1u64.into(), expiry: None };
    let (first, second) = (world.operate("w1", unique.clone()), world.operate("w1", unique));
    world.run(Duration::from_millis(100));
    assert!(world.masters["m"].master.is_none(), "it died");
    assert!(world.answers.is_empty());
    world.start_master("m");
    world.run(Duration::from_secs(5));
    assert_eq!(world.answers[&first], Ok(Answer::Inserted(true)), "as the dead master decided");
    assert_eq!(world.answers[&second], Ok(Answer::Inserted(false)));
}

#[test]
fn writes_arrive_in_the_order_in_which_they_were_made_although_some_are_lost() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.start_master("m");
        world.start_clone("w1", &Definitions::default());
        world.run(Duration::from_secs(2));
        world.loses = 2;
        for number in 0..50u64 {
            let push = Operation::Add { key: "v".into(), kind: Kind::Vector, value: number.into(), expiry: None };
            world.operate("w1", push);
            world.run(Duration::from_millis(10));
        }
        world.loses = 0;
        world.run(Duration::from_secs(20));
        let expected = Data::vector(0..50u64);
        assert_eq!(world.ask("w1", Query::Get { key: "v".into() }), Ok(expected), "seed {seed}");
    }
}
