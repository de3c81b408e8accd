//! What is deployed against what the agent remembers of it: found within seconds, mended from the blobs where that is possible,
//! and told where it is not.
//!
//! **Performance**: a `stat` of each file every few seconds; a file is read again only when its `stat` has changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::durable::hash_file;
use super::releases::{self, Releases};
use super::serve::Service;
use crate::api::agent::{Damage, DamagedPart, FileEntry, Manifest};

/// How often what is deployed is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Looks until dropped.
pub async fn inspect(service: Arc<Service>) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        service.inspect().await;
    }
}

/// What tells that a file was not touched: device, inode, size, and the times of its content and of its entry.
type Print = (u64, u64, u64, (i64, i64), (i64, i64));

/// Remembers which files were whole.
#[derive(Debug, Default)]
pub struct Inspector {
    whole: BTreeMap<PathBuf, Print>,
    /// Why the last damage could not be mended; told once.
    told: String,
    /// The damage that was mended and not yet told.
    mended: Option<String>,
}

impl Inspector {
    /// What is damaged of the current release after what can be mended was mended. Reads files; blocks.
    pub fn inspect(&mut self, manifest: &Manifest, releases: &mut Releases) -> Vec<Damage> {
        let mut found = self.release_damage(manifest, releases);
        if let Some(first) = found.first() {
            match releases.put_back(manifest) {
                Ok(()) => {
                    tracing::warn!("what is deployed was damaged and has been mended: {}", first.what);
                    self.mended = Some(first.what.clone());
                    found = self.release_damage(manifest, releases);
                    self.told.clear();
                }
                Err(error) => {
                    let why = format!("{}, and cannot be mended from what is here: {error}", first.what);
                    if self.told != why {
                        tracing::error!("{why}");
                        self.told = why;
                    }
                }
            }
        }
        found.extend(self.program_damage(manifest, releases));
        found
    }

    /// The damage that was mended since the last call.
    pub fn take_mended(&mut self) -> Option<String> {
        self.mended.take()
    }

    fn release_damage(&mut self, manifest: &Manifest, releases: &Releases) -> Vec<Damage> {
        let id = &manifest.id;
        let mut found = Vec::new();
        if !releases.points_to(id) {
            found.push(damage(DamagedPart::Current, format!("`current` does not point to release {id}")));
        }
        if !releases.has_manifest(manifest) {
            found.push(damage(DamagedPart::Release, format!("the manifest of release {id} is damaged")));
        }
        for file in &manifest.files {
            if !self.is_file_whole(id, file, releases) {
                let what = format!("{} of release {id} is damaged", file.path.display());
                found.push(damage(DamagedPart::Release, what));
            }
        }
        found
    }

    fn is_file_whole(&mut self, id: &str, file: &FileEntry, releases: &Releases) -> bool {
        let path = releases.file_of(id, &file.path);
        let folder = releases.file_of(id, Path::new(""));
        self.is_whole(&path, || releases::is_whole(&folder, file))
    }

    fn program_damage(&mut self, manifest: &Manifest, releases: &Releases) -> Option<Damage> {
        let path = releases.program_of(manifest)?;
        let there = fs::metadata(&path);
        let is_program = there.is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o100 != 0);
        // It was checked when it was brought; it is read again only when it has changed since.
        let is_known = self.whole.contains_key(&path);
        if is_program
            && self.is_whole(&path, || !is_known || hash_file(&path).is_ok_and(|hash| hash == manifest.binary))
        {
            return None;
        }
        let state = if is_program { "damaged" } else { "missing" };
        Some(damage(DamagedPart::Program, format!("the program of release {} is {state}", manifest.id)))
    }

    /// Asks `read` only about a file whose print is not that of a whole one.
    fn is_whole(&mut self, path: &Path, read: impl FnOnce() -> bool) -> bool {
        let Some(print) = print(path) else { return false };
        if self.whole.get(path) == Some(&print) {
            return true;
        }
        let whole = read();
        if whole {
            self.whole.insert(path.to_owned(), print);
        }
        whole
    }
}

fn print(path: &Path) -> Option<Print> {
    let there = fs::symlink_metadata(path).ok()?;
    let times = ((there.mtime(), there.mtime_nsec()), (there.ctime(), there.ctime_nsec()));
    Some((there.dev(), there.ino(), there.size(), times.0, times.1))
}

fn damage(part: DamagedPart, what: String) -> Damage {
    Damage { part, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::testing::{file, manifest, node, sha256};
    use crate::api::paths::ClusterDir;
    use std::time::SystemTime;

    struct Fixture {
        _folder: tempfile::TempDir,
        dir: ClusterDir,
        releases: Releases,
        manifest: Manifest,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(folder.path().join("c"));
        let mut releases = Releases::open(&dir).unwrap();
        let mut incoming = releases.receive(&sha256(b"one")).unwrap();
        incoming.write(b"one").unwrap();
        incoming.finish().unwrap();
        let mut manifest = manifest("r1", vec![node("worker-1", &["/bin/true"])]);
        manifest.files = vec![file("nodes/worker-1.yaml", b"one")];
        releases.stage(&manifest, "r1").unwrap();
        releases.activate("r1", &[], SystemTime::now(), "").unwrap();
        Fixture { _folder: folder, dir, releases, manifest }
    }

    #[test]
    fn what_the_blobs_can_mend_is_mended() {
        let Fixture { _folder, dir, mut releases, manifest } = fixture();
        let mut inspector = Inspector::default();
        assert_eq!(inspector.inspect(&manifest, &mut releases), []);
        let node = dir.release("r1").join("nodes/worker-1.yaml");
        let harm: [&dyn Fn(); 4] = [
            &|| fs::remove_file(dir.current()).unwrap(),
            &|| fs::write(&node, "rot").unwrap(),
            &|| fs::write(dir.release("r1").join("manifest.json"), "{").unwrap(),
            &|| fs::remove_dir_all(dir.releases()).and_then(|()| fs::create_dir(dir.releases())).unwrap(),
        ];
        for harm in harm {
            harm();
            assert_eq!(inspector.inspect(&manifest, &mut releases), []);
            assert_eq!(fs::read(dir.current().join("nodes/worker-1.yaml")).unwrap(), b"one");
            assert_eq!(releases.current().as_ref(), Some(&manifest));
        }
    }

    #[test]
    fn what_they_cannot_mend_is_told_until_it_is_brought_again() {
        let Fixture { _folder, dir, mut releases, mut manifest } = fixture();
        let mut inspector = Inspector::default();
        fs::write(dir.release("r1").join("nodes/worker-1.yaml"), "rot").unwrap();
        fs::remove_file(dir.blob(&sha256(b"one"))).unwrap();
        let found = inspector.inspect(&manifest, &mut releases);
        assert_eq!(found, [damage(DamagedPart::Release, "nodes/worker-1.yaml of release r1 is damaged".into())]);
        let mut incoming = releases.receive(&sha256(b"one")).unwrap();
        incoming.write(b"one").unwrap();
        incoming.finish().unwrap();
        assert_eq!(inspector.inspect(&manifest, &mut releases), []);
        manifest.nodes[0].command = None;
        assert_eq!(
            inspector.program_damage(&manifest, &releases),
            Some(damage(DamagedPart::Program, "the program of release r1 is missing".into()))
        );
    }
}
