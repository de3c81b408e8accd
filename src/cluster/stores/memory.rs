//! `Broker::MEMORY`: gone when the process ends. It never fails, so there is nothing to roll back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use super::backend::{Backend, BackendError, Entries, Entry, MAX_WRITERS, Scan, Writer};

/// A store's data in memory: a master's, or a clone's copy.
#[derive(Debug, Default)]
pub struct Memory {
    entries: BTreeMap<Vec<u8>, Entry>,
    expiries: BTreeSet<(i64, Vec<u8>)>,
    writers: HashMap<Vec<u8>, (i64, Writer)>,
}

impl Memory {
    /// All entries, by the order of their keys' octets.
    pub fn entries(&self) -> &BTreeMap<Vec<u8>, Entry> {
        &self.entries
    }

    /// Replaces everything after `after` up to `upto` (inclusive; none for the end) by `entries`. Says which keys are gone
    /// and which entries are new or others than before.
    pub(super) fn replace(
        &mut self,
        after: Option<&[u8]>,
        upto: Option<&[u8]>,
        entries: Entries,
    ) -> (Vec<Vec<u8>>, Entries) {
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let upper = upto.map_or(Bound::Unbounded, Bound::Included);
        let backwards = matches!((after, upto), (Some(after), Some(upto)) if after >= upto);
        let range = (!backwards).then(|| self.entries.range::<[u8], _>((lower, upper)));
        let kept: BTreeSet<&Vec<u8>> = entries.iter().map(|(key, _)| key).collect();
        let gone = range.into_iter().flatten().map(|(key, _)| key).filter(|key| !kept.contains(key)).cloned();
        let gone: Vec<Vec<u8>> = gone.collect();
        gone.iter().for_each(|key| self.remove(key));
        let changed = |(key, entry): &(Vec<u8>, Entry)| self.entries.get(key) != Some(entry);
        let changed: Vec<_> = entries.into_iter().filter(changed).collect();
        changed.iter().for_each(|(key, entry)| self.insert(key, entry.clone()));
        (gone, changed)
    }

    pub(super) fn insert(&mut self, key: &[u8], entry: Entry) {
        if let Some(expiry) = entry.expiry {
            self.expiries.insert((expiry, key.to_vec()));
        }
        let expiry = entry.expiry;
        if let Some(Entry { expiry: Some(old), .. }) = self.entries.insert(key.to_vec(), entry)
            && expiry != Some(old)
        {
            self.expiries.remove(&(old, key.to_vec()));
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Some(Entry { expiry: Some(expiry), .. }) = self.entries.remove(key) {
            self.expiries.remove(&(expiry, key.to_vec()));
        }
    }

    pub(super) fn wipe(&mut self) {
        self.entries.clear();
        self.expiries.clear();
    }
}

impl Backend for Memory {
    fn get(&mut self, key: &[u8]) -> Result<Option<Entry>, BackendError> {
        Ok(self.entries.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], entry: Entry) -> Result<(), BackendError> {
        self.insert(key, entry);
        Ok(())
    }

    fn erase(&mut self, key: &[u8]) -> Result<(), BackendError> {
        self.remove(key);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), BackendError> {
        self.wipe();
        Ok(())
    }

    fn size(&mut self, now: i64) -> Result<u64, BackendError> {
        let expired = self.expiries.iter().take_while(|(expiry, _)| *expiry <= now).count();
        Ok((self.entries.len() - expired) as u64)
    }

    fn scan(&mut self, after: Option<&[u8]>, page: Scan) -> Result<Entries, BackendError> {
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = Vec::new();
        let mut octets = 0;
        for (key, entry) in self.entries.range::<[u8], _>((lower, Bound::Unbounded)) {
            octets += key.len() + entry.value.weight();
            found.push((key.clone(), entry.clone()));
            if found.len() >= page.entries || octets >= page.octets {
                break;
            }
        }
        Ok(found)
    }

    fn next_expiry(&mut self) -> Result<Option<i64>, BackendError> {
        Ok(self.expiries.first().map(|(expiry, _)| *expiry))
    }

    fn expired(&mut self, now: i64, most: usize) -> Result<Vec<Vec<u8>>, BackendError> {
        let expired = self.expiries.iter().take_while(|(expiry, _)| *expiry <= now);
        Ok(expired.take(most).map(|(_, key)| key.clone()).collect())
    }

    fn writer(&mut self, id: &[u8]) -> Result<Option<Writer>, BackendError> {
        Ok(self.writers.get(id).map(|(_, writer)| writer.clone()))
    }

    fn remember(&mut self, id: &[u8], writer: &Writer, now: i64) -> Result<(), BackendError> {
        self.writers.insert(id.to_vec(), (now, writer.clone()));
        if self.writers.len() > MAX_WRITERS {
            let oldest = self.writers.iter().min_by_key(|(_, (at, _))| *at).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.writers.remove(&id));
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn rollback(&mut self) {}
}
