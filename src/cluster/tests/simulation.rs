//! Scripts of operations over many nodes, chosen by a seed. After all is quiet each live pair sees each other up, with
//! `node_up` and `node_down` alternating, and no ghost stays.

use std::time::Duration;

use super::world::World;

const NAMES: [&str; 6] = ["manager", "logger-1", "proxy-1", "worker-1", "worker-2", "worker-3"];
const SEEDS: u64 = 400;

#[test]
fn whatever_happens_all_live_nodes_see_each_other_in_the_end() {
    for seed in 0..SEEDS {
        let script = play(seed);
        if let Err((why, script)) = script {
            panic!("seed {seed}: {why}\n{}", script.join("\n"));
        }
    }
}

#[test]
fn in_any_order_of_starts_each_peer_comes_up_exactly_once() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, &NAMES);
        let mut waiting = NAMES.to_vec();
        while !waiting.is_empty() {
            let at = world.pick(waiting.len());
            world.start(waiting.swap_remove(at));
            if world.pick(2) == 0 {
                world.run(Duration::from_millis(7));
            }
        }
        world.run(Duration::from_secs(1));
        world.check().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        for (name, process) in &world.processes {
            for peer in NAMES.iter().filter(|peer| *peer != name) {
                assert_eq!(process.ups(peer), 1, "seed {seed}: {name} about {peer}");
            }
            let hellos = process.log.iter().filter(|line| line.starts_with("got hello from ")).count();
            assert_eq!(hellos, NAMES.len() - 1, "seed {seed}: {name}: {:?}", process.log);
            assert!(process.reports.is_empty(), "seed {seed}: {name}: {:?}", process.reports);
        }
    }
}

fn play(seed: u64) -> Result<(), (String, Vec<String>)> {
    let mut world = World::new(seed, &NAMES);
    let mut script = Vec::new();
    let mut cut: Vec<String> = Vec::new();
    let mut hub = true;
    for _ in 0..25 {
        let name = NAMES[world.pick(NAMES.len())];
        let runs = world.processes.contains_key(name);
        let operation = match world.pick(8) {
            0 | 1 if !runs => {
                world.start(name);
                format!("start {name}")
            }
            2 if runs => {
                world.kill(name);
                format!("kill {name}")
            }
            3 if runs => {
                let id = world.id(name);
                world.network.cut(&id);
                cut.push(id);
                format!("cut {name}")
            }
            4 if !cut.is_empty() => {
                let at = world.pick(cut.len());
                let id = cut.swap_remove(at);
                heal(&world, &id);
                format!("heal {id}")
            }
            5 if hub => {
                world.network.stop_hub();
                hub = false;
                "stop hub".to_owned()
            }
            5 | 6 if !hub => {
                world.network.start_hub();
                hub = true;
                "start hub".to_owned()
            }
            7 => {
                let (mut number, share) = (seed, 2 + world.pick(6) as u64);
                world.network.lose(move |_| {
                    number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (number >> 40) % share == 0
                });
                format!("lose one of {share}")
            }
            _ => "nothing".to_owned(),
        };
        script.push(format!("{:?} {operation}", world.now));
        match world.pick(4) {
            0 => {}
            1 => world.exchange(),
            2 => world.run(Duration::from_millis(130)),
            _ => world.run(Duration::from_secs(4)),
        }
    }
    script.push(format!("{:?} all is well", world.now));
    world.network.lose_nothing();
    if !hub {
        world.network.start_hub();
    }
    cut.iter().for_each(|id| heal(&world, id));
    for name in NAMES {
        if !world.processes.contains_key(name) && (name == "manager" || world.pick(2) == 0) {
            world.start(name);
        }
    }
    world.run(Duration::from_secs(120));
    world.check().map_err(|why| (why, script))
}

/// Heals a member that still runs.
fn heal(world: &World, id: &str) {
    if world.processes.values().any(|process| process.core.node_id() == id) {
        world.network.heal(id);
    }
}
