//! The tables of a store's SQLite file, as migrations that are only ever appended; `user_version` counts those that were done.
//!
//! **Locking**: one connection of one thread; a transaction for each batch of writes. SQLite's own locks keep other processes
//! out meanwhile, for at most [`BUSY`](super::sqlite::BUSY).
//!
//! **Compatibility**: `meta` and `store` are those of Broker 2.8 (`cluster.md` 3.6), which looks at no other table and never at
//! `user_version`: it reads and writes our files, we its. What is ours besides (an index, `zeek_cluster_writers`) does not
//! change what those two tables mean. A file with a `user_version` from the future is refused and left as it is.
//!
//! **Performance**: the index holds only keys that expire, so stores without expiries pay nothing for it.
//!
//! **Failure**: a migration is one transaction with its number: done or not begun.

use rusqlite::Connection;

use super::sqlite::OpenError;

/// In order; never edit one that was released.
const MIGRATIONS: [&str; 2] = [
    // Broker's, in its words; they may be there already.
    "create table if not exists meta(key text primary key, value text);
     create table if not exists store(key blob primary key, value blob, expiry integer);",
    "create index zeek_cluster_expiry on store(expiry) where expiry is not null;
     create table zeek_cluster_writers(
         id blob primary key,       -- node id of the clone
         last integer not null,     -- number of the last write that was applied
         answers blob not null,     -- of writes whose answer is not just `done`; broker-bin-v1
         seen integer not null      -- nanoseconds since the epoch
     ) without rowid;",
];

/// Whose format the two tables have; Broker writes its own version here and never reads it.
const BROKER_VERSION: &str = "2.8.0";

/// Brings a file to this version.
pub(super) fn migrate(connection: &Connection) -> Result<(), OpenError> {
    let done: i64 = connection.query_row("pragma user_version", (), |row| row.get(0))?;
    let done = usize::try_from(done).ok().filter(|done| *done <= MIGRATIONS.len());
    let Some(done) = done else { return Err(OpenError::Newer) };
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let script = format!("begin immediate; {migration} pragma user_version = {}; commit;", number + 1);
        if let Err(error) = connection.execute_batch(&script) {
            // Nothing is open when `begin` itself failed.
            let _none = connection.execute_batch("rollback");
            return Err(error.into());
        }
    }
    connection.execute("insert or ignore into meta(key, value) values('broker_version', ?1)", [BROKER_VERSION])?;
    Ok(())
}
