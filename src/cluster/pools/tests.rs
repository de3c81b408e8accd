use proptest::prelude::*;

use super::*;

fn topic(name: &str) -> String {
    format!("zeek.cluster.node.{name}.")
}

fn members<'a>(nodes: &[&'a str], local: &'a str) -> Members<'a> {
    let node_type = |name: &str| match name.split('-').next() {
        Some("proxy") => NodeType::Proxy,
        Some("logger") => NodeType::Logger,
        Some("manager") => NodeType::Manager,
        _ => NodeType::Worker,
    };
    let nodes = nodes.iter().map(|name| (*name, node_type(name))).collect();
    Members { nodes, local, manager_is_logger: false, node_topic: &topic }
}

fn limited(topic: &str, node_type: NodeType, max_nodes: usize, exclusive: bool) -> PoolSpec {
    PoolSpec { topic: topic.into(), node_type, max_nodes: Some(max_nodes), exclusive }
}

/// Registers the pools in this order, fills them, and gives their members' names.
fn filled(specs: Vec<PoolSpec>, members: &Members) -> Result<Vec<Vec<String>>, PoolError> {
    let mut pools = Pools { pools: Vec::new() };
    for spec in specs {
        pools.register_pool(spec);
    }
    pools.fill(members)?;
    Ok(pools.iter().map(|pool| pool.nodes().iter().map(|node| node.name.clone()).collect()).collect())
}

fn one_pool(nodes: &[&str], local: &str, node_type: NodeType) -> Pool {
    let mut pools = Pools { pools: Vec::new() };
    let id = pools.register_pool(PoolSpec::all("pool", node_type));
    pools.fill(&members(nodes, local)).expect("filled");
    pools.pool(id).expect("registered").clone()
}

const MY_POOL: &str = "zeek/cluster/pool/my_pool";
const PROXY_POOL: &str = "zeek/cluster/pool/proxy";

#[test]
fn an_exclusive_pool_takes_the_first_nodes_away_from_the_others() {
    let nodes = members(&["proxy-2", "proxy-1", "worker-1"], "worker-1");
    let specs = vec![limited(PROXY_POOL, NodeType::Proxy, 1, true), PoolSpec::all(MY_POOL, NodeType::Proxy)];
    assert_eq!(filled(specs, &nodes), Ok(vec![vec!["proxy-1".into()], vec!["proxy-2".into()]]));
}

#[test]
fn a_limited_pool_leaves_its_nodes_to_the_others() {
    let nodes = members(&["proxy-1", "proxy-2"], "proxy-1");
    let specs = vec![limited(PROXY_POOL, NodeType::Proxy, 1, false), PoolSpec::all(MY_POOL, NodeType::Proxy)];
    let both = vec!["proxy-1".into(), "proxy-2".into()];
    assert_eq!(filled(specs, &nodes), Ok(vec![vec!["proxy-1".into()], both]));
}

#[test]
fn limited_pools_take_turns_and_the_cursor_wraps() {
    let nodes = members(&["proxy-1", "proxy-2", "proxy-3"], "proxy-1");
    let specs = ["a", "b", "c"].map(|topic| limited(topic, NodeType::Proxy, 2, false));
    let names = |numbers: &[u8]| numbers.iter().map(|n| format!("proxy-{n}")).collect::<Vec<_>>();
    let mut specs = specs.to_vec();
    specs.push(PoolSpec::all("bb", NodeType::Proxy));
    // By topic: a 1 2, b 3 1, bb all from the cursor at 2, c 2 3.
    assert_eq!(filled(specs, &nodes), Ok(vec![names(&[1, 2]), names(&[3, 1]), names(&[2, 3]), names(&[2, 3, 1])]));
}

#[test]
fn each_type_has_its_own_nodes_and_a_manager_may_be_a_logger() {
    let mut nodes = members(&["manager", "worker-10", "worker-2", "logger-1", "manager-0"], "manager");
    nodes.manager_is_logger = true;
    let specs = vec![
        PoolSpec::all("w", NodeType::Worker),
        PoolSpec::all("l", NodeType::Logger),
        PoolSpec::all("p", NodeType::Proxy),
    ];
    let expected = vec![vec!["worker-10".into(), "worker-2".into()], vec!["logger-1".into(), "manager".into()], vec![]];
    assert_eq!(filled(specs, &nodes), Ok(expected));
}

#[test]
fn impossible_specs_are_refused_in_zeeks_words() {
    let nodes = members(&["proxy-1"], "proxy-1");
    let refused = |specs: Vec<PoolSpec>| filled(specs, &nodes).expect_err("refused").to_string();
    assert_eq!(refused(vec![PoolSpec::all("x", NodeType::Manager)]), "invalid pool node type: Cluster::MANAGER");
    let unlimited = PoolSpec { max_nodes: None, ..limited("x", NodeType::Proxy, 1, true) };
    assert_eq!(
        refused(vec![unlimited]),
        "Cluster::PoolSpec 'max_nodes' field must be set when using the 'exclusive' flag (pool x)"
    );
    let two = vec![limited("x", NodeType::Proxy, 1, true), limited("y", NodeType::Proxy, 1, true)];
    assert_eq!(refused(two), "not enough Cluster::PROXY nodes to satisfy pool exclusivity requirements: need 2 nodes");
    let endless = limited("x", NodeType::Proxy, usize::MAX, true);
    assert!(filled(vec![endless.clone(), endless], &nodes).is_err());
}

#[test]
fn round_robin_goes_round_the_nodes_that_are_up() {
    let mut pool = one_pool(&["proxy-1", "proxy-2"], "worker-1", NodeType::Proxy);
    assert_eq!(pool.rr_topic("k"), None);
    pool.mark_pool_node_alive("proxy-1");
    pool.mark_pool_node_alive("proxy-2");
    let turns = |pool: &mut Pool, count: usize| -> Vec<Option<String>> {
        (0..count).map(|_| pool.rr_topic("k").map(str::to_owned)).collect()
    };
    let (one, two) = (Some(topic("proxy-1")), Some(topic("proxy-2")));
    assert_eq!(turns(&mut pool, 4), [one.clone(), two.clone(), one.clone(), two.clone()]);
    assert_eq!(pool.rr_topic("another key").map(str::to_owned), one);
    pool.mark_pool_node_dead("proxy-1");
    assert_eq!(turns(&mut pool, 3), [two.clone(), two.clone(), two]);
    pool.mark_pool_node_dead("proxy-2");
    assert_eq!(turns(&mut pool, 2), [None, None]);
    assert_eq!(pool.alive_count(), 0);
}

#[test]
fn the_local_node_is_up_for_round_robin_and_never_chosen_by_a_key() {
    let mut pool = one_pool(&["proxy-1", "proxy-2"], "proxy-1", NodeType::Proxy);
    assert_eq!(pool.alive_count(), 1);
    assert_eq!(pool.rr_topic("").map(str::to_owned), Some(topic("proxy-1")));
    assert_eq!(pool.hrw_topic("a"), None);
    pool.mark_pool_node_alive("proxy-2");
    for key in 0..20u64 {
        assert_eq!(pool.hrw_topic(key), Some(topic("proxy-2").as_str()));
    }
}

#[test]
fn keys_choose_the_nodes_of_the_reference() {
    let mut proxies = one_pool(&["proxy-1", "proxy-2"], "manager", NodeType::Proxy);
    let mut workers = one_pool(&["worker-1", "worker-2"], "manager", NodeType::Worker);
    for n in 1..=2 {
        assert!(proxies.mark_pool_node_alive(&format!("proxy-{n}")));
        assert!(workers.mark_pool_node_alive(&format!("worker-{n}")));
    }
    assert!(!workers.mark_pool_node_alive("proxy-1"));
    assert!(!workers.mark_pool_node_dead("proxy-1"));
    let chosen = [0u64, 1, 2, 3, 13, 37, 42, 101].map(|key| proxies.hrw_topic(key).expect("chosen").to_owned());
    assert_eq!(chosen, [2, 1, 2, 2, 1, 1, 1, 1].map(|n| topic(&format!("proxy-{n}"))));
    let chosen: Vec<_> =
        (0..10).map(|n| workers.hrw_node(n.to_string().as_str()).expect("chosen").name.clone()).collect();
    assert_eq!(chosen, [2, 1, 2, 1, 1, 2, 1, 2, 1, 1].map(|n| format!("worker-{n}")));
}

#[test]
fn node_events_reach_all_pools_that_have_the_node() {
    let mut pools = Pools { pools: Vec::new() };
    let all = pools.register_pool(PoolSpec::all("a", NodeType::Worker));
    let one = pools.register_pool(limited("b", NodeType::Worker, 1, false));
    pools.fill(&members(&["worker-1", "worker-2"], "manager")).expect("filled");
    let alive = |pools: &Pools| [all, one].map(|id| pools.pool(id).expect("registered").alive_count());
    pools.node_up("worker-1");
    pools.node_up("worker-2");
    pools.node_up("worker-2");
    pools.node_up("nobody");
    assert_eq!(alive(&pools), [2, 1]);
    pools.node_down("worker-1");
    assert_eq!(alive(&pools), [1, 0]);
    assert_eq!(pools.pool(one).expect("registered").hrw_topic("x"), None);
    assert_eq!(pools.pool_mut(all).expect("registered").rr_topic(""), Some(topic("worker-2").as_str()));
}

#[test]
fn a_site_id_that_is_taken_is_passed_over() {
    let nodes = members(&["proxy-1"], "x");
    let mut pool = Pool::new(PoolSpec::all("p", NodeType::Proxy));
    let topic = String::new();
    let taken = PoolNode {
        name: "other".into(),
        alias: "other.0".into(),
        site_id: hrw::site_id("proxy-1.0"),
        alive: false,
        topic,
    };
    pool.node_list.push(taken);
    assert!(pool.init_pool_node("proxy-1", &nodes));
    assert!(!pool.init_pool_node("proxy-1", &nodes));
    let node = pool.node("proxy-1").expect("joined");
    assert_eq!((node.alias.as_str(), node.site_id), ("proxy-1.1", hrw::site_id("proxy-1.1")));
}

proptest! {
    /// Whatever comes and goes, a key moves only when its node left or a new one took it.
    #[test]
    fn membership_changes_move_only_the_keys_they_must(
        changes in proptest::collection::vec((0..8usize, any::<bool>()), 1..40),
        keys in proptest::collection::vec("[a-z0-9.]{1,12}", 30),
    ) {
        let names: Vec<String> = (1..=8).map(|n| format!("worker-{n}")).collect();
        let nodes: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut pool = one_pool(&nodes, "manager", NodeType::Worker);
        let chosen = |pool: &Pool| -> Vec<Option<String>> {
            keys.iter().map(|key| pool.hrw_node(key.as_str()).map(|node| node.name.clone())).collect()
        };
        let mut before = chosen(&pool);
        for (at, up) in changes {
            let name = &names[at];
            if up { pool.mark_pool_node_alive(name) } else { pool.mark_pool_node_dead(name) };
            let after = chosen(&pool);
            for (old, new) in before.iter().zip(&after) {
                let moved_to_it = up && new.as_ref() == Some(name);
                let moved_from_it = !up && old.as_ref() == Some(name);
                prop_assert!(old == new || moved_to_it || moved_from_it);
            }
            before = after;
        }
    }

    /// All nodes fill from the same layout in any order of its lines, and come to the same pools.
    #[test]
    fn every_node_comes_to_the_same_pools(order in Just(vec!["proxy-1", "proxy-2", "proxy-3", "worker-1"]).prop_shuffle()) {
        let specs = || vec![limited("b", NodeType::Proxy, 1, true), limited("a", NodeType::Proxy, 1, false), PoolSpec::all("c", NodeType::Proxy)];
        let sorted = filled(specs(), &members(&["proxy-1", "proxy-2", "proxy-3", "worker-1"], "proxy-3"));
        prop_assert_eq!(filled(specs(), &members(&order, "worker-1")), sorted);
    }
}
