//! `Broker::SQLITE`: a file in Broker's schema (see `schema.rs` for locking, compatibility, performance and failure).

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Params, Row, params};

use super::backend::{Backend, BackendError, Entries, Entry, MAX_WRITERS, Scan, Writer};
use super::message;
use super::schema;
use crate::api::store::{FailureMode, SqliteOptions};
use crate::wire::broker_bin;

/// How long another process may keep the file locked.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// A store's file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite's refusal.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The folder cannot be made, or the damaged file not removed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder or the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `PRAGMA integrity_check` found damage.
    #[error("the integrity check failed: {0}")]
    Damaged(String),
    /// A later version of this program wrote the file.
    #[error("a newer version of zeek-cluster has written it")]
    Newer,
}

impl OpenError {
    /// Whether the content is what is wrong; only then may `SQLITE_FAILURE_MODE_DELETE` throw it away.
    fn is_damage(&self) -> bool {
        match self {
            OpenError::Damaged(_) => true,
            OpenError::Sqlite(error) => match error.sqlite_error_code() {
                Some(code) => {
                    matches!(code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
                }
                None => false,
            },
            OpenError::Io { .. } | OpenError::Newer => false,
        }
    }
}

impl Sqlite {
    /// Opens or makes the file that the options name, folders included. Blocks: until another process gives the file free,
    /// and for the integrity check. With `SQLITE_FAILURE_MODE_DELETE` a damaged file is removed; says so through `removed`.
    ///
    /// # Errors
    /// `OpenError`.
    pub fn open(options: &SqliteOptions, removed: impl FnOnce(&OpenError)) -> Result<Sqlite, OpenError> {
        let path = &options.path;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
        }
        match Sqlite::open_once(options) {
            Err(error) if options.failure_mode == FailureMode::Delete && error.is_damage() => {
                removed(&error);
                remove(path)?;
                Sqlite::open_once(options)
            }
            opened => opened,
        }
    }

    fn open_once(options: &SqliteOptions) -> Result<Sqlite, OpenError> {
        let connection = Connection::open(&options.path)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(32);
        if let Some(synchronous) = options.synchronous {
            connection.execute_batch(&format!("pragma synchronous = {}", synchronous.as_str()))?;
        }
        if let Some(mode) = options.journal_mode {
            // Answers with the mode that it is in now.
            connection.query_row(&format!("pragma journal_mode = {}", mode.as_str()), (), |_| Ok(()))?;
        }
        schema::migrate(&connection)?;
        if options.integrity_check {
            let found: String = connection.query_row("pragma integrity_check", (), |row| row.get(0))?;
            if found != "ok" {
                return Err(OpenError::Damaged(found));
            }
        }
        Ok(Sqlite { connection })
    }

    fn run(&mut self, sql: &str, values: impl Params) -> Result<usize, BackendError> {
        Ok(self.connection.prepare_cached(sql)?.execute(values)?)
    }

    fn first<T>(
        &mut self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, BackendError> {
        Ok(self.connection.prepare_cached(sql)?.query_row(values, read).optional()?)
    }
}

impl From<rusqlite::Error> for BackendError {
    fn from(error: rusqlite::Error) -> BackendError {
        BackendError(error.to_string())
    }
}

/// The file and what SQLite keeps beside it.
fn remove(path: &Path) -> Result<(), OpenError> {
    for ending in ["", "-journal", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        match fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Io { path: file.into(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Octets of a blob, or of a text: SQLite converts neither.
fn octets(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(octets) | ValueRef::Text(octets) => octets,
        _ => &[],
    }
}

fn entry(value: &[u8], expiry: Option<i64>) -> Result<Entry, BackendError> {
    let value = broker_bin::decode(value).map_err(|error| BackendError(format!("a value in the file: {error}")))?;
    Ok(Entry { value, expiry })
}

impl Backend for Sqlite {
    fn get(&mut self, key: &[u8]) -> Result<Option<Entry>, BackendError> {
        let sql = "select value, expiry from store where key = ?1";
        let read = |row: &Row| Ok((octets(row.get_ref(0)?).to_vec(), row.get(1)?));
        self.first(sql, [key], read)?.map(|(value, expiry)| entry(&value, expiry)).transpose()
    }

    fn put(&mut self, key: &[u8], entry: Entry) -> Result<(), BackendError> {
        let value = broker_bin::encode(&entry.value);
        self.run("replace into store(key, value, expiry) values(?1, ?2, ?3)", params![key, value, entry.expiry])?;
        Ok(())
    }

    fn erase(&mut self, key: &[u8]) -> Result<(), BackendError> {
        self.run("delete from store where key = ?1", [key])?;
        Ok(())
    }

    fn clear(&mut self) -> Result<(), BackendError> {
        self.run("delete from store", ())?;
        Ok(())
    }

    fn size(&mut self, now: i64) -> Result<u64, BackendError> {
        let sql = "select (select count(*) from store) - (select count(*) from store where expiry <= ?1)";
        let size: Option<i64> = self.first(sql, [now], |row| row.get(0))?;
        Ok(size.unwrap_or_default().unsigned_abs())
    }

    fn scan(&mut self, after: Option<&[u8]>, page: Scan) -> Result<Entries, BackendError> {
        // No key is empty, so all are greater than the empty one.
        let sql = "select key, value, expiry from store where key > ?1 order by key limit ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![after.unwrap_or_default(), page.entries as i64])?;
        let mut found = Vec::new();
        let mut size = 0;
        while let Some(row) = rows.next()? {
            let (key, value) = (octets(row.get_ref(0)?), octets(row.get_ref(1)?));
            size += key.len() + value.len();
            found.push((key.to_vec(), entry(value, row.get(2)?)?));
            if size >= page.octets {
                break;
            }
        }
        Ok(found)
    }

    fn next_expiry(&mut self) -> Result<Option<i64>, BackendError> {
        let sql = "select expiry from store where expiry is not null order by expiry limit 1";
        self.first(sql, (), |row| row.get(0))
    }

    fn expired(&mut self, now: i64, most: usize) -> Result<Vec<Vec<u8>>, BackendError> {
        let sql = "select key from store where expiry <= ?1 order by expiry limit ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![now, most as i64], |row| Ok(octets(row.get_ref(0)?).to_vec()))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn writer(&mut self, id: &[u8]) -> Result<Option<Writer>, BackendError> {
        let sql = "select last, answers from zeek_cluster_writers where id = ?1";
        let read = |row: &Row| Ok((row.get::<_, i64>(0)?, octets(row.get_ref(1)?).to_vec()));
        let Some((last, answers)) = self.first(sql, [id], read)? else { return Ok(None) };
        let answers = message::decode_answers(&answers).map_err(BackendError)?;
        Ok(Some(Writer { last: last.unsigned_abs(), answers }))
    }

    fn remember(&mut self, id: &[u8], writer: &Writer, now: i64) -> Result<(), BackendError> {
        let answers = message::encode_answers(&writer.answers);
        let last = i64::try_from(writer.last).unwrap_or(i64::MAX);
        let sql = "replace into zeek_cluster_writers(id, last, answers, seen) values(?1, ?2, ?3, ?4)";
        self.run(sql, params![id, last, answers, now])?;
        let count: Option<i64> = self.first("select count(*) from zeek_cluster_writers", (), |row| row.get(0))?;
        if count.is_some_and(|count| count > MAX_WRITERS as i64) {
            let oldest = "delete from zeek_cluster_writers where id =
                (select id from zeek_cluster_writers order by seen limit 1)";
            self.run(oldest, ())?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), BackendError> {
        self.run("begin immediate", ())?;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), BackendError> {
        self.run("commit", ())?;
        Ok(())
    }

    fn rollback(&mut self) {
        // SQLite has rolled back by itself after some errors; then there is nothing to do.
        let _done = self.run("rollback", ());
    }
}
