//! Data stores: puts and gets per second at a master, in memory and in SQLite (`journal_mode` WAL, `synchronous` NORMAL), one
//! after the other and from 256 callers at once; and puts through a clone's protocol, whose messages are encoded and decoded.
//! The peer is bare rusqlite with the same pragmas, schema and octets: a transaction for each put, and one for 256 of them.
//!
//! `cargo bench --bench stores`

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rusqlite::{Connection, params};
use zeek_cluster::cluster::Now;
use zeek_cluster::cluster::stores::{
    BackendOptions, BackendType, Definitions, Effect, Input, JournalMode, Master, Memory, Message, Operation,
    Persistence, Replica, SqliteOptions, Store, StoreInfo, Synchronous, To,
};
use zeek_cluster::data::{Data, Event};
use zeek_cluster::node::Stores;
use zeek_cluster::wire::broker_bin;

const OPERATIONS: usize = 100_000;
const CALLERS: usize = 256;
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut figures: Vec<(&str, Vec<f64>)> = Vec::new();
    for round in 0..ROUNDS {
        let file = |name: &str| folder.path().join(format!("{name}-{round}.sqlite"));
        let bare = Connection::open(file("bare")).expect("it opens");
        let mut note = |what, rate| match figures.iter_mut().find(|(known, _)| *known == what) {
            Some((_, rates)) => rates.push(rate),
            None => figures.push((what, vec![rate])),
        };
        prepare(&bare);
        runtime.block_on(async {
            let stores = stores(&file("ours"));
            for (name, one, many, get) in [
                ("memory", "memory: put, one by one", "memory: put, 256 callers", "memory: get, 256 callers"),
                ("sqlite", "sqlite: put, one by one", "sqlite: put, 256 callers", "sqlite: get, 256 callers"),
            ] {
                let store = stores.create_store(name, Persistence::Any).expect("a store").store.expect("a handle");
                note(one, put(&store, OPERATIONS / 5, 1).await);
                note(many, put(&store, OPERATIONS, CALLERS).await);
                note(get, gets(&store).await);
            }
            stores.close().await;
        });
        note("bare rusqlite: put, a transaction each", bare_puts(&bare, OPERATIONS / 5, 1));
        note("bare rusqlite: put, 256 in a transaction", bare_puts(&bare, OPERATIONS, CALLERS));
        note("bare rusqlite: get", bare_gets(&bare));
        note("memory: put through a clone, on one thread", through_a_clone());
    }
    for (what, mut rates) in figures {
        rates.sort_by(f64::total_cmp);
        let (low, median, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        println!("{what:45} median {median:9.0}/s, {low:9.0} to {high:9.0}");
    }
}

fn stores(path: &Path) -> Stores {
    let mut definitions = Definitions::default();
    let sqlite = SqliteOptions {
        path: path.to_owned(),
        synchronous: Some(Synchronous::Normal),
        journal_mode: Some(JournalMode::Wal),
        ..SqliteOptions::default()
    };
    let info =
        StoreInfo { backend: BackendType::Sqlite, options: BackendOptions { sqlite }, ..definitions.fresh("sqlite") };
    definitions.stores.insert("sqlite".to_owned(), info);
    Stores::new(None, definitions)
}

fn key(number: usize) -> Data {
    Data::from(format!("host-{number}.example.net"))
}

async fn put(store: &Store, puts: usize, callers: usize) -> f64 {
    let began = Instant::now();
    let put = |number: usize| async move { store.put(key(number), number as u64, None).await.expect("acknowledged") };
    stream::iter((0..puts).map(put)).buffer_unordered(callers).for_each(async |()| ()).await;
    rate(puts, began)
}

async fn gets(store: &Store) -> f64 {
    let began = Instant::now();
    let get = |number: usize| async move { store.get(key(number)).await.expect("it is there") };
    let answers = stream::iter((0..OPERATIONS).map(get)).buffer_unordered(CALLERS);
    assert_eq!(answers.count().await, OPERATIONS);
    rate(OPERATIONS, began)
}

fn prepare(bare: &Connection) {
    bare.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = normal;
         create table store(key blob primary key, value blob, expiry integer);",
    )
    .expect("the pragmas and the table");
}

fn bare_puts(bare: &Connection, puts: usize, in_one: usize) -> f64 {
    let began = Instant::now();
    let mut statement = bare.prepare("replace into store(key, value, expiry) values(?1, ?2, null)").expect("SQL");
    for first in (0..puts).step_by(in_one) {
        bare.execute_batch("begin immediate").expect("begun");
        for number in first..(first + in_one).min(puts) {
            let (key, value) = (broker_bin::encode(&key(number)), broker_bin::encode(&Data::Count(number as u64)));
            statement.execute(params![key, value]).expect("written");
        }
        bare.execute_batch("commit").expect("committed");
    }
    rate(puts, began)
}

fn bare_gets(bare: &Connection) -> f64 {
    let began = Instant::now();
    let mut statement = bare.prepare("select value from store where key = ?1").expect("SQL");
    for number in 0..OPERATIONS {
        let key = broker_bin::encode(&key(number));
        let value: Vec<u8> = statement.query_row([key], |row| row.get(0)).expect("it is there");
        assert_eq!(broker_bin::decode(&value), Ok(Data::Count(number as u64)));
    }
    rate(OPERATIONS, began)
}

/// A clone and its master, with nothing but the octets of their messages between them.
fn through_a_clone() -> f64 {
    let now = Now { elapsed: Duration::from_secs(1), wall: 1.7e9 };
    let mut disk = Memory::default();
    let mut master = Master::new("s", "m", b"m", now);
    let mut clone = Replica::new(&Definitions::default().fresh("s"), "w", now);
    let mut acknowledged = 0;
    let mut to_clone = master.step(&mut disk, Vec::new(), now);
    let mut to_master = Vec::new();
    let mut next = 0u64;
    let began = Instant::now();
    while acknowledged < OPERATIONS {
        let mut inputs: Vec<Input> = said(to_clone, b"m").collect();
        if clone.is_in_sync() && next < OPERATIONS as u64 {
            let puts = (next..next + 500).map(|number| Input::Operation {
                ticket: number,
                operation: Operation::Put { key: key(number as usize), value: Data::Count(number), expiry: None },
            });
            inputs.extend(puts);
            next += 500;
        }
        to_master.extend(clone.step(inputs, now));
        acknowledged += to_master.iter().filter(|effect| matches!(effect, Effect::Answer(_, Ok(_)))).count();
        to_clone = master.step(&mut disk, said(std::mem::take(&mut to_master), b"w").collect(), now);
    }
    rate(OPERATIONS, began)
}

fn said(effects: Vec<Effect>, from: &'static [u8]) -> impl Iterator<Item = Input> {
    let octets = effects.into_iter().filter_map(|effect| match effect {
        Effect::Publish(To::Master | To::Clones | To::One(_), message) => {
            Some(broker_bin::encode_event(&message.into_event()))
        }
        _ => None,
    });
    octets.map(|octets| {
        let event: Event = broker_bin::decode_event(&octets).expect("what was encoded");
        Input::Message { from: from.to_vec(), message: Message::from_event(&event).expect("what was said") }
    })
}

fn rate(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
