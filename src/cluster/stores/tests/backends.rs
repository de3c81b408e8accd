//! Both backends by one suite; SQLite files in Broker's format, both ways; a backend that fails.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::cluster::event::Now;
use crate::cluster::stores::{
    Answer, Backend, BackendError, Effect, Entries, Entry, FailureMode, Input, JournalMode, Master, Memory, Message,
    Operation, Query, Refusal, Scan, Sqlite, SqliteOptions, StoreError, Synchronous, To, Writer,
};
use crate::data::Data;
use crate::wire::broker_bin;

fn options(path: &Path) -> SqliteOptions {
    SqliteOptions { path: path.to_owned(), ..SqliteOptions::default() }
}

fn open(options: &SqliteOptions) -> Sqlite {
    Sqlite::open(options, |error| panic!("removed: {error}")).expect("it opens")
}

fn entry(value: impl Into<Data>, expiry: Option<i64>) -> Entry {
    Entry { value: value.into(), expiry }
}

fn key(key: impl Into<Data>) -> Vec<u8> {
    broker_bin::encode(&key.into())
}

fn conforms(backend: &mut dyn Backend) {
    backend.begin().unwrap();
    for number in 0..10u64 {
        let expiry = (number % 2 == 1).then_some(100 + number as i64);
        backend.put(&key(number), entry(number, expiry)).unwrap();
    }
    backend.put(&key(3u64), entry("other", None)).unwrap();
    backend.put(&key(5u64), entry("later", Some(1000))).unwrap();
    backend.erase(&key(9u64)).unwrap();
    backend.erase(&key("missing")).unwrap();
    backend.commit().unwrap();
    assert_eq!(backend.get(&key(3u64)).unwrap(), Some(entry("other", None)));
    assert_eq!(backend.get(&key(9u64)).unwrap(), None);
    assert_eq!(backend.next_expiry().unwrap(), Some(101));
    assert_eq!(backend.expired(107, 10).unwrap(), [key(1u64), key(7u64)]);
    assert_eq!(backend.expired(107, 1).unwrap(), [key(1u64)]);
    assert_eq!((backend.size(0).unwrap(), backend.size(107).unwrap()), (9, 7));

    let all = backend.scan(None, Scan::KEYS).unwrap();
    assert_eq!(all.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), (0..9u64).map(key).collect::<Vec<_>>());
    let page = backend.scan(Some(&key(2u64)), Scan { entries: 2, ..Scan::KEYS }).unwrap();
    assert_eq!(page, [(key(3u64), entry("other", None)), (key(4u64), entry(4u64, None))]);
    assert_eq!(backend.scan(None, Scan { octets: 1, ..Scan::KEYS }).unwrap().len(), 1);
    assert!(backend.scan(Some(&key("z")), Scan::KEYS).unwrap().is_empty());

    assert_eq!(backend.writer(b"w").unwrap(), None);
    let answers = [(4, Ok(Answer::Inserted(false))), (5, Err(Refusal::NoSuchKey))].into();
    let writer = Writer { last: 7, answers };
    for number in 0..1100i64 {
        backend.remember(format!("w{number}").as_bytes(), &writer, number).unwrap();
    }
    assert_eq!(backend.writer(b"w1099").unwrap(), Some(writer));
    assert_eq!(backend.writer(b"w0").unwrap(), None, "the oldest is forgotten");

    backend.clear().unwrap();
    assert_eq!((backend.size(0).unwrap(), backend.next_expiry().unwrap()), (0, None));
}

#[test]
fn memory_does_what_a_backend_does() {
    conforms(&mut Memory::default());
}

#[test]
fn sqlite_does_what_a_backend_does_in_each_mode() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&mut open(&options(&folder.path().join("made/on/the/way/s.sqlite"))));
    let modes = SqliteOptions {
        synchronous: Some(Synchronous::Normal),
        journal_mode: Some(JournalMode::Wal),
        integrity_check: true,
        ..options(&folder.path().join("wal.sqlite"))
    };
    conforms(&mut open(&modes));
    assert!(folder.path().join("wal.sqlite-wal").exists() || folder.path().join("wal.sqlite").exists());
    let connection = Connection::open(folder.path().join("wal.sqlite")).unwrap();
    let mode: String = connection.query_row("pragma journal_mode", (), |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn what_was_committed_is_there_after_a_new_start_and_what_was_not_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder.path().join("s.sqlite"));
    let mut file = open(&options);
    file.begin().unwrap();
    file.put(&key("kept"), entry(1u64, Some(5))).unwrap();
    file.remember(b"w", &Writer { last: 3, ..Writer::default() }, 1).unwrap();
    file.commit().unwrap();
    file.begin().unwrap();
    file.put(&key("lost"), entry(1u64, None)).unwrap();
    drop(file);
    let mut file = open(&options);
    assert_eq!(file.scan(None, Scan::KEYS).unwrap(), [(key("kept"), entry(1u64, Some(5)))]);
    assert_eq!(file.writer(b"w").unwrap().unwrap().last, 3);
    file.begin().unwrap();
    file.clear().unwrap();
    file.rollback();
    assert_eq!(file.size(0).unwrap(), 1);
}

/// The octets are those of the table of `cluster.md` 3.6.
const BROKER_FILE: &str = "
    create table meta(key text primary key, value text);
    create table store(key blob primary key, value blob, expiry integer);
    insert into meta values('broker_version', '2.8.0');
    insert into store values(x'0503737472', x'020000000000000007', null);
    insert into store values(x'03ffffffffffffffff', x'04400c000000000000', 1767225600000000000);
    insert into store values(x'0600000000000000000000ffff0a010203', x'0c02050161050162', null);
    insert into store values(x'08003502', x'0d0105016b020000000000000001', null);
    insert into store values(x'0e02050161020000000000000001', x'0e0302000000000000000100050178', null);
";

#[test]
fn a_file_that_broker_wrote_is_read_and_stays_readable_for_broker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sqlite");
    Connection::open(&path).unwrap().execute_batch(BROKER_FILE).unwrap();
    let mut file = open(&SqliteOptions { integrity_check: true, ..options(&path) });
    let mut get = |key: Data| file.get(&broker_bin::encode(&key)).unwrap().expect("it is there");
    assert_eq!(get("str".into()), entry(7u64, None));
    assert_eq!(get(Data::Integer(-1)), entry(3.5, Some(1_767_225_600_000_000_000)));
    assert_eq!(get(Data::address("10.1.2.3".parse().unwrap())), entry(Data::set(["a", "b"]), None));
    assert_eq!(get(Data::Port(crate::data::Port::udp(53))), entry(Data::table([("k", 1u64)]), None));
    let record = Data::vector([Data::Count(1), Data::None, Data::from("x")]);
    assert_eq!(get(Data::vector([Data::from("a"), Data::Count(1)])), entry(record, None));
    assert_eq!(file.next_expiry().unwrap(), Some(1_767_225_600_000_000_000));

    file.put(&key("ours"), entry(Data::set(["b", "a"]), Some(9))).unwrap();
    drop(file);
    // As Broker reads it: two tables, by their columns, keys compared as octets.
    let connection = Connection::open(&path).unwrap();
    let sql = "select value, expiry from store where key = x'05046f757273'";
    let row: (Vec<u8>, i64) = connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(row, (vec![0x0c, 2, 5, 1, b'a', 5, 1, b'b'], 9));
    let version: String =
        connection.query_row("select value from meta where key = 'broker_version'", (), |row| row.get(0)).unwrap();
    assert_eq!(version, "2.8.0");
    // And as it writes it, which our index has to survive.
    connection
        .execute_batch("replace into store values(x'05046f757273', x'00', null); delete from store where expiry <= 5")
        .unwrap();
    drop(connection);
    let mut file = open(&SqliteOptions { integrity_check: true, ..options(&path) });
    assert_eq!(file.get(&key("ours")).unwrap(), Some(entry(Data::None, None)));
}

#[test]
fn a_new_file_has_brokers_two_tables_in_brokers_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sqlite");
    drop(open(&options(&path)));
    let connection = Connection::open(&path).unwrap();
    let columns = |table: &str| -> Vec<(String, String, i64)> {
        let mut statement = connection.prepare(&format!("pragma table_info({table})")).unwrap();
        let rows = statement.query_map((), |row| Ok((row.get(1)?, row.get(2)?, row.get(5)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let column = |name: &str, kind: &str, key: i64| (name.to_owned(), kind.to_owned(), key);
    assert_eq!(columns("meta"), [column("key", "TEXT", 1), column("value", "TEXT", 0)]);
    let store = [column("key", "BLOB", 1), column("value", "BLOB", 0), column("expiry", "INTEGER", 0)];
    assert_eq!(columns("store"), store);
}

#[test]
fn a_damaged_file_is_refused_or_removed_as_the_failure_mode_says_and_nothing_else_is_ever_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sqlite");
    std::fs::write(&path, "this is no database, and long enough to be seen as none by SQLite at all").unwrap();
    let error = Sqlite::open(&options(&path), |_| panic!("removed")).expect_err("no database");
    assert!(error.to_string().contains("not a database"), "{error}");
    let mut said = None;
    let delete = SqliteOptions { failure_mode: FailureMode::Delete, ..options(&path) };
    let mut file = Sqlite::open(&delete, |error| said = Some(error.to_string())).expect("a new one");
    assert!(said.is_some_and(|said| said.contains("not a database")));
    file.put(&key("k"), entry(1u64, None)).unwrap();
    drop(file);

    Connection::open(&path).unwrap().execute_batch("pragma user_version = 99").unwrap();
    let error = Sqlite::open(&delete, |_| panic!("removed")).expect_err("from the future");
    assert!(error.to_string().contains("newer version"), "{error}");
    let in_the_way = SqliteOptions { failure_mode: FailureMode::Delete, ..options(folder.path()) };
    Sqlite::open(&in_the_way, |_| panic!("removed")).expect_err("a folder");
}

/// Fails to commit as long as it is told to.
struct Full {
    disk: Memory,
    full: bool,
}

impl Backend for Full {
    fn get(&mut self, key: &[u8]) -> Result<Option<Entry>, BackendError> {
        self.disk.get(key)
    }
    fn put(&mut self, key: &[u8], entry: Entry) -> Result<(), BackendError> {
        if self.full { Err(BackendError("database or disk is full".into())) } else { self.disk.put(key, entry) }
    }
    fn erase(&mut self, key: &[u8]) -> Result<(), BackendError> {
        self.disk.erase(key)
    }
    fn clear(&mut self) -> Result<(), BackendError> {
        self.disk.clear()
    }
    fn size(&mut self, now: i64) -> Result<u64, BackendError> {
        self.disk.size(now)
    }
    fn scan(&mut self, after: Option<&[u8]>, page: Scan) -> Result<Entries, BackendError> {
        self.disk.scan(after, page)
    }
    fn next_expiry(&mut self) -> Result<Option<i64>, BackendError> {
        self.disk.next_expiry()
    }
    fn expired(&mut self, now: i64, most: usize) -> Result<Vec<Vec<u8>>, BackendError> {
        self.disk.expired(now, most)
    }
    fn writer(&mut self, id: &[u8]) -> Result<Option<Writer>, BackendError> {
        self.disk.writer(id)
    }
    fn remember(&mut self, id: &[u8], writer: &Writer, now: i64) -> Result<(), BackendError> {
        self.disk.remember(id, writer, now)
    }
    fn begin(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
    fn commit(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
    fn rollback(&mut self) {}
}

#[test]
fn a_full_disk_fails_the_writes_and_neither_the_reads_nor_what_comes_after() {
    let now = |s: u64| Now { elapsed: Duration::from_secs(s), wall: 1e9 + s as f64 };
    let mut disk = Full { disk: Memory::default(), full: false };
    let mut master = Master::new("s", "m", b"m#1", now(1));
    let put = |value: u64| Operation::Put { key: "k".into(), value: value.into(), expiry: None };
    let from_clone = |first: u64, value: u64| Input::Message {
        from: b"w".to_vec(),
        message: Message::Write { base: first, first, operations: vec![put(value)] },
    };
    master.step(&mut disk, vec![from_clone(1, 1)], now(2));
    disk.full = true;
    let local = Input::Operation { ticket: 5, operation: put(2) };
    let effects = master.step(&mut disk, vec![from_clone(2, 2), local], now(3));
    let failed = StoreError::Backend { store: "s".into(), reason: "database or disk is full".into() };
    assert!(effects.contains(&Effect::Answer(5, Err(failed.clone()))), "{effects:?}");
    let refused = effects.iter().any(|effect| {
        matches!(effect, Effect::Publish(To::One(id), Message::Failed { first: 2, through: 2, .. }) if id == b"w")
    });
    assert!(refused, "{effects:?}");
    let told = |effect: &Effect| matches!(effect, Effect::Changed(_) | Effect::Publish(_, Message::Update { .. }));
    assert!(!effects.iter().any(told), "{effects:?}");
    assert_eq!(master.query(&mut disk, Query::Get { key: "k".into() }, now(3)), Ok(Data::Count(1)));

    disk.full = false;
    let effects = master.step(&mut disk, vec![from_clone(3, 3)], now(4));
    let acknowledged = |effect: &Effect| matches!(effect, Effect::Publish(_, Message::Ack { through: 3, .. }));
    assert!(effects.iter().any(acknowledged), "{effects:?}");
}
