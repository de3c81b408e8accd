//! Releases on disk: content-addressed blobs, releases built from them, and the one that is current.
//!
//! # Failure
//! Everything is built under a name that nobody reads and put in place by rename, after its content was made to last. What
//! an interrupted agent leaves is removed at the next start.
//!
//! # Locking
//! One agent per folder (`run/agent.lock`), and in it one writer at a time: the methods that change take `&mut self`.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

use super::durable::{copy_hashing, hash_file, hex, is_hash, sync_dir};
use super::manifest::{self, MANIFEST_FILE, ManifestError};
use crate::api::agent::{FileEntry, Manifest};
use crate::api::keys::{CurveKeys, KEY_FILES, KEY_FOLDER, KeyError, is_key_file};
use crate::api::paths::ClusterDir;
use crate::faults;

/// So many releases are kept, the current one included; besides them the previous one, and those that are current on other
/// hosts.
const KEPT_RELEASES: usize = 5;

/// An upload of a program that broke off is kept this long, so that it can go on.
const STALE_UPLOAD: Duration = Duration::from_secs(24 * 3600);

/// Names of programs that are being uploaded begin with this (`fleet/upload.rs`).
const UPLOAD: &str = ".upload-";

/// What no release names is kept this long: another operator may be about to name it.
const YOUNG: Duration = Duration::from_secs(600);

/// Names of what is being built begin with this.
const UNFINISHED: &str = ".new-";

/// Why a release could not be stored or activated.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It may not be written or run.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Not a SHA-256.
    #[error("{hash:?} is not a SHA-256 in lower-case hex")]
    NotAHash {
        /// What was given.
        hash: String,
    },
    /// What arrived is not what was announced.
    #[error("the content has the SHA-256 {found}, not {expected}")]
    OtherContent {
        /// Announced.
        expected: String,
        /// Computed.
        found: String,
    },
    /// Files of the release have not been uploaded.
    #[error("{} files of the release are not here, the first is {} ({})", count, path.display(), hash)]
    Missing {
        /// How many.
        count: usize,
        /// The first one.
        path: PathBuf,
        /// Its hash.
        hash: String,
    },
    /// A stored file is damaged; it was removed and has to be uploaded again.
    #[error("the stored content of {} was damaged and has been removed", path.display())]
    Damaged {
        /// The file of the release.
        path: PathBuf,
    },
    /// The executable of the nodes has not been uploaded.
    #[error("the executable {} is not here", path.display())]
    NoBinary {
        /// Where it should be.
        path: PathBuf,
    },
    /// The executable of the nodes is not what its name says.
    #[error("the executable {} is damaged", path.display())]
    DamagedBinary {
        /// Where it is.
        path: PathBuf,
    },
    /// There is no such release.
    #[error("there is no release {id} on this host")]
    Unknown {
        /// The release.
        id: String,
    },
    /// There is no such file in the release.
    #[error("release {id} has no file {}", path.display())]
    NoFile {
        /// The release.
        id: String,
        /// The file.
        path: PathBuf,
    },
    /// Only its owner may read the file, so it does not leave the host.
    #[error("{} holds a secret and does not leave this host", path.display())]
    Secret {
        /// The file of the release.
        path: PathBuf,
    },
    /// The current release has no keys, or not all of them.
    #[error("the current release on this host does not hold all of the cluster's keys")]
    NoKeys,
    /// A key file of the current release holds no key.
    #[error("the keys of the current release are damaged: {0}")]
    DamagedKeys(#[from] KeyError),
    /// The disk refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// What was being written or read.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl ReleaseError {
    /// Whether the disk or the quota is full.
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, ReleaseError::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ReleaseError + '_ {
    move |source| ReleaseError::Io { path: path.to_owned(), source }
}

/// The releases of one cluster's folder.
#[derive(Debug)]
pub struct Releases {
    dir: ClusterDir,
}

/// A blob that is being received.
pub struct Incoming {
    file: NamedTempFile,
    hasher: Sha256,
    hash: String,
    place: PathBuf,
}

impl Releases {
    /// Makes the folders, and removes what an interrupted agent left.
    pub fn open(dir: &ClusterDir) -> io::Result<Releases> {
        for folder in [blobs(dir), dir.releases(), bin(dir)] {
            make_private(&folder)?;
            remove_unfinished(&folder)?;
        }
        remove_unfinished(dir.path())?;
        Ok(Releases { dir: dir.clone() })
    }

    /// Those of `hashes` that are not here, in their order.
    pub fn missing(&self, hashes: &[String]) -> Result<Vec<String>, ReleaseError> {
        if let Some(hash) = hashes.iter().find(|hash| !is_hash(hash)) {
            return Err(ReleaseError::NotAHash { hash: hash.clone() });
        }
        Ok(hashes.iter().filter(|hash| !self.dir.blob(hash).is_file()).cloned().collect())
    }

    /// Begins to receive a blob; dropped unfinished, nothing stays.
    pub fn receive(&self, hash: &str) -> Result<Incoming, ReleaseError> {
        if !is_hash(hash) {
            return Err(ReleaseError::NotAHash { hash: hash.to_owned() });
        }
        let folder = blobs(&self.dir);
        // It may have been taken away a moment ago.
        make_private(&folder).map_err(at(&folder))?;
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&folder).map_err(at(&folder))?;
        Ok(Incoming { file, hasher: Sha256::new(), hash: hash.to_owned(), place: self.dir.blob(hash) })
    }

    /// Builds a release from its blobs. One that is here already with the same content is left alone.
    pub fn stage(&mut self, manifest: &Manifest, asked: &str) -> Result<(), ReleaseError> {
        manifest::check(manifest, asked, &self.dir)?;
        self.check_binary(manifest)?;
        if self.is_staged(manifest) {
            return Ok(());
        }
        self.check_blobs(manifest)?;
        let building = self.new_release()?;
        self.build(manifest, building.path())?;
        faults::point("agent-before-release");
        self.put_in_place(building.path(), &self.dir.release(&manifest.id))
    }

    /// A folder to build a release in.
    fn new_release(&self) -> Result<TempDir, ReleaseError> {
        let folder = self.dir.releases();
        make_private(&folder).map_err(at(&folder))?;
        tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&folder).map_err(at(&folder))
    }

    /// Puts the current release back as its manifest says, from the blobs that are here, and points `current` to it; the
    /// program is not looked at.
    pub fn put_back(&mut self, manifest: &Manifest) -> Result<(), ReleaseError> {
        if !self.is_staged(manifest) {
            self.check_blobs(manifest)?;
            let building = self.new_release()?;
            self.build(manifest, building.path())?;
            self.put_in_place(building.path(), &self.dir.release(&manifest.id))?;
        }
        match self.points_to(&manifest.id) {
            true => Ok(()),
            false => self.point(&self.dir.current(), &manifest.id),
        }
    }

    /// Whether `current` points to a release.
    pub fn points_to(&self, id: &str) -> bool {
        fs::read_link(self.dir.current()).is_ok_and(|target| target == Path::new("releases").join(id))
    }

    /// Where a file of a release lies.
    pub fn file_of(&self, id: &str, path: &Path) -> PathBuf {
        self.dir.release(id).join(path)
    }

    /// Where the program of a release lies; none when no node of it needs that.
    pub fn program_of(&self, manifest: &Manifest) -> Option<PathBuf> {
        let needed = manifest.nodes.iter().any(|node| node.command.is_none());
        needed.then(|| self.dir.binary(&manifest.binary))
    }

    /// Whether the manifest of a release lies on disk as it is given.
    pub fn has_manifest(&self, manifest: &Manifest) -> bool {
        self.manifest(&manifest.id).is_ok_and(|there| there == *manifest)
    }

    /// Computes the hashes of a release again, and of the executable of its nodes; damaged files are mended from their blobs.
    /// Keys that were deleted because others are in force now count as whole: no release goes back to them.
    pub fn verify(&mut self, id: &str) -> Result<Manifest, ReleaseError> {
        let manifest = self.manifest(id)?;
        if keys_of(&manifest).all(|file| self.dir.blob(&file.hash).is_file()) {
            self.stage(&manifest, id)?;
        } else {
            self.verify_without_keys(&manifest)?;
        }
        let path = self.dir.binary(&manifest.binary);
        if manifest.nodes.iter().any(|node| node.command.is_none())
            && hash_file(&path).map_err(at(&path))? != manifest.binary
        {
            return Err(ReleaseError::DamagedBinary { path });
        }
        Ok(manifest)
    }

    fn verify_without_keys(&self, manifest: &Manifest) -> Result<(), ReleaseError> {
        manifest::check(manifest, &manifest.id, &self.dir)?;
        self.check_binary(manifest)?;
        let folder = self.dir.release(&manifest.id);
        let files = manifest.files.iter().filter(|file| !is_key_file(&file.path));
        for file in files.filter(|file| !is_whole(&folder, file)) {
            let path = folder.join(&file.path);
            remove_if_there(&path).map_err(at(&path))?;
            self.check_blob(file)?;
            self.copy_blob(file, &path)?;
        }
        Ok(())
    }

    /// Points `current` to a release and removes what is no longer kept; `also_kept` are current on other hosts. Returns
    /// its manifest.
    pub fn activate(
        &mut self,
        id: &str,
        also_kept: &[String],
        now: SystemTime,
        running_binary: &str,
    ) -> Result<Manifest, ReleaseError> {
        let manifest = self.manifest(id)?;
        let folder = self.dir.release(id);
        if let Some(key) = keys_of(&manifest).find(|file| !folder.join(&file.path).is_file()) {
            return Err(ReleaseError::Missing { count: 1, path: key.path.clone(), hash: key.hash.clone() });
        }
        if let Some(before) = self.current().filter(|before| before.id != id) {
            self.point(&self.dir.previous(), &before.id)?;
        }
        faults::point("agent-before-switch");
        self.point(&self.dir.current(), id)?;
        faults::point("agent-after-switch");
        if let Err(error) = self.forget_old_keys(&manifest) {
            tracing::error!(%error, "keys that are no longer in force cannot be deleted");
        }
        if let Err(error) = self.remove_surplus(also_kept, now, running_binary) {
            // The release is active; what could not be removed now is tried again at the next activation.
            tracing::warn!(%error, "old releases cannot be removed");
        }
        Ok(manifest)
    }

    /// Deletes every key file of the other releases, and its blob, that is not one of the keys in force. Going back to such a
    /// release brings the keys in force with it.
    fn forget_old_keys(&self, now: &Manifest) -> io::Result<()> {
        let in_force: BTreeSet<&str> = keys_of(now).map(|file| file.hash.as_str()).collect();
        if in_force.is_empty() {
            return Ok(());
        }
        for manifest in self.list() {
            for file in keys_of(&manifest).filter(|file| !in_force.contains(file.hash.as_str())) {
                remove_if_there(&self.dir.release(&manifest.id).join(&file.path))?;
                remove_if_there(&self.dir.blob(&file.hash))?;
            }
        }
        Ok(())
    }

    /// The cluster's keys as the current release holds them.
    pub fn keys(&self) -> Result<CurveKeys, ReleaseError> {
        let current = self.current().ok_or(ReleaseError::NoKeys)?;
        let folder = self.dir.release(&current.id).join(KEY_FOLDER);
        let mut texts = [const { String::new() }; 4];
        for (text, name) in texts.iter_mut().zip(KEY_FILES) {
            let path = folder.join(name);
            *text = match fs::read_to_string(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ReleaseError::NoKeys),
                read => read.map_err(at(&path))?,
            };
        }
        Ok(CurveKeys::parse(texts.each_ref().map(String::as_str))?)
    }

    /// Replaces a link to a release in one step.
    fn point(&self, link: &Path, id: &str) -> Result<(), ReleaseError> {
        let new = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .make_in(self.dir.path(), |path| symlink(Path::new("releases").join(id), path))
            .map_err(at(self.dir.path()))?;
        new.into_temp_path().persist(link).map_err(|error| at(link)(error.error))?;
        sync_dir(self.dir.path()).map_err(at(self.dir.path()))
    }

    /// The manifest that `current` points to; none before the first release.
    pub fn current(&self) -> Option<Manifest> {
        self.at_link(&self.dir.current())
    }

    /// The manifest of the release that was current before; none when there was none, or it is gone.
    pub fn previous(&self) -> Option<Manifest> {
        self.at_link(&self.dir.previous())
    }

    fn at_link(&self, link: &Path) -> Option<Manifest> {
        let target = fs::read_link(link).ok()?;
        self.manifest(target.file_name()?.to_str()?).ok()
    }

    /// All complete releases, newest first.
    pub fn list(&self) -> Vec<Manifest> {
        let names = fs::read_dir(self.dir.releases()).into_iter().flatten().flatten();
        let mut all: Vec<Manifest> =
            names.filter_map(|entry| self.manifest(entry.file_name().to_str()?).ok()).collect();
        all.sort_by(|a, b| b.created_at.total_cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        all
    }

    /// The manifest of a complete release; `current` names the current one.
    pub fn named(&self, id: &str) -> Result<Manifest, ReleaseError> {
        match id {
            "current" => self.current().ok_or_else(|| ReleaseError::Unknown { id: id.to_owned() }),
            id => self.manifest(id),
        }
    }

    /// A file of a release, for reading. Those that only their owner may read are refused: they hold keys.
    pub fn open_file(&self, id: &str, path: &str) -> Result<File, ReleaseError> {
        let manifest = self.named(id)?;
        let no_file = || ReleaseError::NoFile { id: manifest.id.clone(), path: path.into() };
        let entry = manifest.files.iter().find(|file| file.path == Path::new(path)).ok_or_else(no_file)?;
        if entry.mode & 0o077 == 0 {
            return Err(ReleaseError::Secret { path: entry.path.clone() });
        }
        let path = self.dir.release(&manifest.id).join(&entry.path);
        File::open(&path).map_err(at(&path))
    }

    fn manifest(&self, id: &str) -> Result<Manifest, ReleaseError> {
        let unknown = || ReleaseError::Unknown { id: id.to_owned() };
        if !manifest::is_name(id) {
            return Err(unknown());
        }
        let json = fs::read(self.dir.release(id).join(MANIFEST_FILE)).map_err(|_| unknown())?;
        serde_json::from_slice(&json).map_err(|_| unknown())
    }

    fn check_binary(&self, manifest: &Manifest) -> Result<(), ReleaseError> {
        let path = self.dir.binary(&manifest.binary);
        let needed = manifest.nodes.iter().any(|node| node.command.is_none());
        if needed && !path.is_file() { Err(ReleaseError::NoBinary { path }) } else { Ok(()) }
    }

    /// Whether it is here, as far as its content goes: who deployed it, when, and from which spelling of the layout may
    /// differ.
    fn is_staged(&self, manifest: &Manifest) -> bool {
        let Ok(mut there) = self.manifest(&manifest.id) else { return false };
        there.created_at = manifest.created_at;
        there.created_by.clone_from(&manifest.created_by);
        there.layout.clone_from(&manifest.layout);
        let folder = self.dir.release(&manifest.id);
        there == *manifest && manifest.files.iter().all(|file| is_whole(&folder, file))
    }

    fn check_blobs(&self, manifest: &Manifest) -> Result<(), ReleaseError> {
        let mut missing = manifest.files.iter().filter(|file| !self.dir.blob(&file.hash).is_file());
        match missing.next() {
            Some(first) => Err(ReleaseError::Missing {
                count: 1 + missing.count(),
                path: first.path.clone(),
                hash: first.hash.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check_blob(&self, file: &FileEntry) -> Result<(), ReleaseError> {
        match self.dir.blob(&file.hash).is_file() {
            true => Ok(()),
            false => Err(ReleaseError::Missing { count: 1, path: file.path.clone(), hash: file.hash.clone() }),
        }
    }

    fn build(&self, manifest: &Manifest, folder: &Path) -> Result<(), ReleaseError> {
        let mut folders = BTreeSet::from([folder.to_owned()]);
        for file in &manifest.files {
            let path = folder.join(&file.path);
            let parent = path.parent().expect("a file in a folder has a parent");
            DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(at(parent))?;
            folders.extend(parent.ancestors().take_while(|parent| parent.starts_with(folder)).map(Path::to_owned));
            self.copy_blob(file, &path)?;
        }
        let path = folder.join(MANIFEST_FILE);
        let json = serde_json::to_vec_pretty(manifest).map_err(|error| at(&path)(error.into()))?;
        write_new(&path, 0o600, |file| file.write_all(&json)).map_err(at(&path))?;
        folders.iter().try_for_each(|folder| sync_dir(folder).map_err(at(folder)))
    }

    /// Copied, not linked: a node that writes into its release must not change what other releases are built from.
    fn copy_blob(&self, file: &FileEntry, path: &Path) -> Result<(), ReleaseError> {
        let blob = self.dir.blob(&file.hash);
        let from = File::open(&blob).map_err(at(&blob))?;
        let hash = write_new(path, file.mode, |to| copy_hashing(from, to)).map_err(at(path))?;
        if hash == file.hash {
            return Ok(());
        }
        fs::remove_file(&blob).map_err(at(&blob))?;
        Err(ReleaseError::Damaged { path: file.path.clone() })
    }

    /// Renamed into place; a damaged release of the same name is exchanged and then removed with the temporary folder.
    fn put_in_place(&self, building: &Path, place: &Path) -> Result<(), ReleaseError> {
        let how = if place.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, building, CWD, place, how).map_err(|error| at(place)(error.into()))?;
        let folder = self.dir.releases();
        sync_dir(&folder).map_err(at(&folder))
    }

    fn remove_surplus(&self, also_kept: &[String], now: SystemTime, running_binary: &str) -> io::Result<()> {
        let [current, previous] =
            [self.current(), self.previous()].map(|manifest| manifest.map(|manifest| manifest.id));
        let (mut kept, mut room) = (Vec::new(), KEPT_RELEASES - usize::from(current.is_some()));
        for manifest in self.list() {
            let id = Some(&manifest.id);
            if current.as_ref() == id || previous.as_ref() == id || also_kept.contains(&manifest.id) {
                kept.push(manifest);
            } else if room > 0 {
                room -= 1;
                kept.push(manifest);
            } else {
                remove_release(&self.dir, &manifest.id)?;
            }
        }
        let blobs_kept: BTreeSet<&str> =
            kept.iter().flat_map(|manifest| &manifest.files).map(|file| file.hash.as_str()).collect();
        remove_unnamed(&blobs(&self.dir), now, YOUNG, |name| !is_hash(name) || blobs_kept.contains(name))?;
        remove_unnamed(&bin(&self.dir), now, STALE_UPLOAD, |name| !name.starts_with(UPLOAD))?;
        remove_unnamed(&bin(&self.dir), now, YOUNG, |name| match name.strip_prefix("zeek-cluster-") {
            Some(hash) => {
                !is_hash(hash) || hash == running_binary || kept.iter().any(|manifest| manifest.binary == hash)
            }
            None => true,
        })
    }
}

impl Incoming {
    /// Takes the next piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), ReleaseError> {
        self.hasher.update(piece);
        self.file.write_all(piece).map_err(at(&self.place))?;
        faults::point("agent-in-blob");
        Ok(())
    }

    /// Puts the blob in place if it is what was announced.
    pub fn finish(self) -> Result<(), ReleaseError> {
        let Incoming { file, hasher, hash, place } = self;
        let found = hex(hasher);
        if found != hash {
            return Err(ReleaseError::OtherContent { expected: hash, found });
        }
        file.as_file().sync_all().map_err(at(&place))?;
        file.persist(&place).map_err(|error| at(&place)(error.error))?;
        let folder = place.parent().expect("a blob lies in a folder");
        sync_dir(folder).map_err(at(folder))
    }
}

/// Makes a folder, with those above it, that only the user may enter.
fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn blobs(dir: &ClusterDir) -> PathBuf {
    dir.path().join("blobs")
}

fn bin(dir: &ClusterDir) -> PathBuf {
    dir.path().join("bin")
}

fn keys_of(manifest: &Manifest) -> impl Iterator<Item = &FileEntry> {
    manifest.files.iter().filter(|file| is_key_file(&file.path))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether a file of a release is as its manifest says, mode and content.
pub fn is_whole(release: &Path, file: &FileEntry) -> bool {
    let path = release.join(&file.path);
    let mode = fs::metadata(&path).map(|there| there.permissions().mode() & 0o777);
    mode.is_ok_and(|mode| mode == file.mode) && hash_file(&path).is_ok_and(|hash| hash == file.hash)
}

fn write_new<T>(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let mut file = File::create_new(path)?;
    // Before the content, which may be a key; and set, not asked for, as the umask would take some away.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    let written = write(&mut file)?;
    file.sync_all()?;
    Ok(written)
}

fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// First out of the way by rename, so that an interrupted removal leaves no half release.
fn remove_release(dir: &ClusterDir, id: &str) -> io::Result<()> {
    let going = dir.releases().join(format!("{UNFINISHED}gone-{id}"));
    fs::rename(dir.release(id), &going)?;
    fs::remove_dir_all(going)
}

/// Removes what nobody wants to keep and is at least so old.
fn remove_unnamed(folder: &Path, now: SystemTime, old: Duration, keep: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if age >= old && entry.file_name().to_str().is_some_and(|name| !keep(name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::testing::{file, manifest, node, sha256};

    struct Fixture {
        _folder: tempfile::TempDir,
        dir: ClusterDir,
        releases: Releases,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(folder.path().join("c"));
        let releases = Releases::open(&dir).unwrap();
        Fixture { _folder: folder, dir, releases }
    }

    fn put(releases: &Releases, content: &[u8]) -> Result<(), ReleaseError> {
        let mut incoming = releases.receive(&sha256(content))?;
        content.chunks(3).try_for_each(|piece| incoming.write(piece))?;
        incoming.finish()
    }

    fn one_file(id: &str, content: &[u8]) -> Manifest {
        let mut manifest = manifest(id, vec![node("worker-1", &["/bin/true"])]);
        manifest.files = vec![file("nodes/worker-1.yaml", content)];
        manifest
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_release_is_built_with_its_modes_and_switched_to() {
        let Fixture { _folder, dir, mut releases } = fixture();
        let mut manifest = one_file("r1", b"one");
        manifest.files[0].mode = 0o600;
        manifest.files.push(FileEntry { mode: 0o644, ..file("cluster-layout.zeek", b"two") });
        put(&releases, b"one").unwrap();
        assert!(matches!(releases.stage(&manifest, "r1"), Err(ReleaseError::Missing { count: 1, .. })));
        assert_eq!(names(&dir.releases()), Vec::<String>::new());
        put(&releases, b"two").unwrap();
        releases.stage(&manifest, "r1").unwrap();
        assert!(releases.current().is_none());
        releases.activate("r1", &[], SystemTime::now(), "").unwrap();
        assert_eq!(fs::read(dir.current().join("nodes/worker-1.yaml")).unwrap(), b"one");
        let mode = |path: &str| fs::metadata(dir.current().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("nodes/worker-1.yaml"), mode("cluster-layout.zeek")), (0o600, 0o644));
        assert_eq!(releases.current(), Some(manifest));
    }

    #[test]
    fn files_are_handed_out_but_those_that_hold_keys_are_not() {
        let Fixture { _folder, dir: _, mut releases } = fixture();
        put(&releases, b"one").unwrap();
        let mut manifest = one_file("r1", b"one");
        manifest.files.push(FileEntry { path: "keys/server_secretkey".into(), mode: 0o600, ..file("x", b"one") });
        manifest.files[0].mode = 0o644;
        releases.stage(&manifest, "r1").unwrap();
        let path = manifest.files[0].path.to_str().unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut releases.open_file("r1", path).unwrap(), &mut text).unwrap();
        assert_eq!(text, "one");
        let refused = |id: &str, path: &str| releases.open_file(id, path).unwrap_err().to_string();
        assert!(refused("r1", "keys/server_secretkey").contains("does not leave this host"));
        assert!(refused("r1", "../r1/manifest.json").contains("has no file"));
        assert!(refused("current", path).contains("no release current"));
    }

    #[test]
    fn content_with_another_hash_leaves_nothing() {
        let Fixture { _folder, dir, releases } = fixture();
        let mut incoming = releases.receive(&sha256(b"announced")).unwrap();
        incoming.write(b"something else").unwrap();
        assert!(matches!(incoming.finish(), Err(ReleaseError::OtherContent { .. })));
        let mut half = releases.receive(&sha256(b"announced")).unwrap();
        half.write(b"anno").unwrap();
        drop(half);
        assert_eq!(names(&dir.path().join("blobs")), Vec::<String>::new());
        put(&releases, b"announced").unwrap();
        assert_eq!(releases.missing(&[sha256(b"announced"), sha256(b"x")]).unwrap(), [sha256(b"x")]);
    }

    #[test]
    fn what_an_interrupted_agent_left_is_removed() {
        let Fixture { _folder, dir, releases } = fixture();
        fs::write(dir.path().join("blobs/.new-abc"), "half").unwrap();
        fs::create_dir_all(dir.releases().join(".new-r9/nodes")).unwrap();
        drop(releases);
        Releases::open(&dir).unwrap();
        assert_eq!(names(&dir.path().join("blobs")), Vec::<String>::new());
        assert_eq!(names(&dir.releases()), Vec::<String>::new());
    }

    /// A folder that is removed underneath is made again by the agent a moment later; an upload may come first.
    #[test]
    fn an_upload_makes_the_folder_that_was_taken_away() {
        let Fixture { _folder, dir, mut releases } = fixture();
        for folder in [dir.path().join("blobs"), dir.releases()] {
            fs::remove_dir_all(folder).unwrap();
        }
        put(&releases, b"one").unwrap();
        releases.stage(&one_file("r1", b"one"), "r1").unwrap();
        assert_eq!(names(&dir.releases()), ["r1"]);
    }

    #[test]
    fn a_damaged_blob_is_noticed_and_asked_for_again() {
        let Fixture { _folder, dir, mut releases } = fixture();
        put(&releases, b"one").unwrap();
        fs::write(dir.blob(&sha256(b"one")), "rot").unwrap();
        assert!(matches!(releases.stage(&one_file("r1", b"one"), "r1"), Err(ReleaseError::Damaged { .. })));
        assert_eq!(names(&dir.releases()), Vec::<String>::new());
        put(&releases, b"one").unwrap();
        releases.stage(&one_file("r1", b"one"), "r1").unwrap();
    }

    #[test]
    fn a_damaged_release_is_exchanged() {
        let Fixture { _folder, dir, mut releases } = fixture();
        put(&releases, b"one").unwrap();
        releases.stage(&one_file("r1", b"one"), "r1").unwrap();
        releases.activate("r1", &[], SystemTime::now(), "").unwrap();
        let path = dir.current().join("nodes/worker-1.yaml");
        fs::write(&path, "rot").unwrap();
        releases.stage(&one_file("r1", b"one"), "r1").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(&dir.releases()), ["r1"]);
    }

    #[test]
    fn five_releases_are_kept_and_the_current_one_always() {
        let Fixture { _folder, dir, mut releases } = fixture();
        let later = SystemTime::now() + 2 * YOUNG;
        for n in 0..8 {
            let content = format!("content {n}");
            put(&releases, content.as_bytes()).unwrap();
            let mut manifest = one_file(&format!("r{n}"), content.as_bytes());
            manifest.created_at = f64::from(n);
            releases.stage(&manifest, &manifest.id).unwrap();
        }
        releases.activate("r0", &[], later, "").unwrap();
        assert_eq!(names(&dir.releases()), ["r0", "r4", "r5", "r6", "r7"]);
        assert_eq!(names(&dir.path().join("blobs")).len(), 5);
    }

    #[test]
    fn the_previous_release_and_those_of_other_hosts_are_kept_beyond_the_five() {
        let Fixture { _folder, dir, mut releases } = fixture();
        let activate = |releases: &mut Releases, id: &str, also: &[String]| {
            releases.activate(id, also, SystemTime::now(), "").unwrap();
        };
        for n in 0..9 {
            let mut manifest = one_file(&format!("r{n}"), b"one");
            put(&releases, b"one").unwrap();
            manifest.created_at = f64::from(n);
            releases.stage(&manifest, &manifest.id).unwrap();
            if n == 0 {
                activate(&mut releases, "r0", &[]);
                assert_eq!(releases.previous(), None);
            }
        }
        activate(&mut releases, "r8", &["r2".to_owned()]);
        assert_eq!(releases.previous().unwrap().id, "r0");
        assert_eq!(names(&dir.releases()), ["r0", "r2", "r4", "r5", "r6", "r7", "r8"]);
        activate(&mut releases, "r8", &[]);
        assert_eq!(releases.previous().unwrap().id, "r0", "it did not become another one");
        activate(&mut releases, "r0", &[]);
        assert_eq!(releases.previous().unwrap().id, "r8");
    }

    #[test]
    fn verifying_mends_what_it_can_and_names_what_it_cannot() {
        let Fixture { _folder, dir, mut releases } = fixture();
        put(&releases, b"one").unwrap();
        releases.stage(&one_file("r1", b"one"), "r1").unwrap();
        let path = dir.release("r1").join("nodes/worker-1.yaml");
        fs::write(&path, "rot").unwrap();
        assert_eq!(releases.verify("r1").unwrap().id, "r1");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        fs::write(&path, "rot").unwrap();
        fs::remove_file(dir.blob(&sha256(b"one"))).unwrap();
        assert!(matches!(releases.verify("r1"), Err(ReleaseError::Missing { .. })));
        assert!(matches!(releases.verify("r9"), Err(ReleaseError::Unknown { .. })));
    }

    #[test]
    fn an_upload_that_broke_off_long_ago_is_removed() {
        let Fixture { _folder, dir, mut releases } = fixture();
        let upload = dir.path().join("bin/.upload-abc");
        fs::write(&upload, "half").unwrap();
        put(&releases, b"one").unwrap();
        releases.stage(&one_file("r1", b"one"), "r1").unwrap();
        releases.activate("r1", &[], SystemTime::now() + YOUNG, "").unwrap();
        assert!(upload.exists());
        releases.activate("r1", &[], SystemTime::now() + STALE_UPLOAD * 2, "").unwrap();
        assert!(!upload.exists());
    }

    #[test]
    fn executables_stay_as_long_as_they_are_named_or_run() {
        let Fixture { _folder, dir, mut releases } = fixture();
        let (running, old) = (sha256(b"running"), sha256(b"old"));
        for hash in [&running, &old] {
            fs::write(dir.binary(hash), "").unwrap();
        }
        put(&releases, b"one").unwrap();
        releases.stage(&one_file("r1", b"one"), "r1").unwrap();
        releases.activate("r1", &[], SystemTime::now(), &running).unwrap();
        assert!(dir.binary(&old).exists(), "it is young");
        releases.activate("r1", &[], SystemTime::now() + YOUNG * 2, &running).unwrap();
        assert!(!dir.binary(&old).exists() && dir.binary(&running).exists());
    }

    #[test]
    fn a_release_without_its_executable_is_refused() {
        let Fixture { _folder, dir: _, mut releases } = fixture();
        put(&releases, b"one").unwrap();
        let mut manifest = one_file("r1", b"one");
        manifest.nodes[0].command = None;
        assert!(matches!(releases.stage(&manifest, "r1"), Err(ReleaseError::NoBinary { .. })));
    }

    /// Needs root, for a file system of its own.
    #[test]
    fn a_full_disk_is_named_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "none"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no tmpfs can be mounted here");
            return;
        }
        let _unmount = Unmount(folder.path());
        let dir = ClusterDir::new(folder.path().join("c"));
        let mut releases = Releases::open(&dir).unwrap();
        let error = put(&releases, &vec![1; 512 << 10]).unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        assert_eq!(names(&dir.path().join("blobs")), Vec::<String>::new());
        // It fits once, but not twice: staging fails half way.
        let content = vec![2; 128 << 10];
        put(&releases, &content).unwrap();
        let mut twice = one_file("r1", &content);
        twice.files.push(file("again", &content));
        let error = releases.stage(&twice, "r1").unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        assert_eq!(names(&dir.releases()), Vec::<String>::new());
    }

    struct Unmount<'a>(&'a Path);

    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg(self.0).status();
        }
    }
}
