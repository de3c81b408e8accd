//! The cluster's CURVE keys on the operator's side: made once per cluster, kept in files that only their owner can read.
//!
//! **Locking**: none; keys appear by renaming a complete folder, so of two operators who make keys at once one wins and
//! both then read the same ones. **Compatibility**: four files, named and written as zeekctl's. **Failure**: a folder with
//! missing or damaged files is an error that names the file; nothing is made anew over it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::api::keys::{CurveKeys, KEY_FILES, KeyError, Z85Key};

/// Names another folder than the default one for the keys of all clusters.
pub const KEYS_VARIABLE: &str = "ZEEK_CLUSTER_KEYS";

/// The keys of one cluster on this machine.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use zeek_cluster::deploy::keys::{KeyStore, Made};
///
/// let store = KeyStore::at(folder.path().join("campus"));
/// let keys = store.read_or_make()?.keys();
/// assert_eq!(store.read_or_make()?, Made::Found(keys.clone()));
/// assert_eq!(keys.client_public.expose().len(), 40);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStore {
    folder: PathBuf,
}

/// Why keys could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// Neither `ZEEK_CLUSTER_KEYS` nor `XDG_DATA_HOME` nor `HOME` says where.
    #[error("no folder for keys is known: {KEYS_VARIABLE}, XDG_DATA_HOME and HOME are all unset")]
    NoFolder,
    /// There are none.
    #[error("there are no keys in {}", .0.display())]
    None(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Others may read the secret keys.
    #[error("{} can be read by others (mode {mode:03o}): chmod 600 it, or rotate the keys", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold a key.
    #[error("the keys in {} are damaged", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
}

/// Whether keys were there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// They were.
    Found(CurveKeys),
    /// They were made now.
    New(CurveKeys),
}

impl Made {
    /// The keys, new or not.
    pub fn keys(self) -> CurveKeys {
        match self {
            Made::Found(keys) | Made::New(keys) => keys,
        }
    }
}

impl KeyStore {
    /// The store of a cluster: `ZEEK_CLUSTER_KEYS/CLUSTER`, else `XDG_DATA_HOME/zeek-cluster/keys/CLUSTER`, else the same
    /// below `~/.local/share`.
    ///
    /// # Errors
    /// [`KeyStoreError::NoFolder`] when none of the three variables is set.
    pub fn of(cluster: &str) -> Result<KeyStore, KeyStoreError> {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = path(KEYS_VARIABLE)
            .or_else(|| path("XDG_DATA_HOME").map(|data| data.join("zeek-cluster/keys")))
            .or_else(|| path("HOME").map(|home| home.join(".local/share/zeek-cluster/keys")));
        base.map(|base| KeyStore::at(base.join(cluster))).ok_or(KeyStoreError::NoFolder)
    }

    /// The store in a folder, which need not exist.
    pub fn at(folder: impl Into<PathBuf>) -> KeyStore {
        KeyStore { folder: folder.into() }
    }

    /// Where the keys are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads the keys. Keys that others may read are refused.
    ///
    /// # Errors
    /// [`KeyStoreError::None`] when there is no folder, [`KeyStoreError::Exposed`] for a file that others may read,
    /// [`KeyStoreError::Io`] for one that is missing or unreadable, [`KeyStoreError::Damaged`] for one that holds no
    /// key.
    pub fn read(&self) -> Result<CurveKeys, KeyStoreError> {
        if !self.folder.exists() {
            return Err(KeyStoreError::None(self.folder.clone()));
        }
        let mut texts = [const { String::new() }; 4];
        for (text, name) in texts.iter_mut().zip(KEY_FILES) {
            *text = read_private(&self.folder.join(name))?;
        }
        let texts = texts.each_ref().map(String::as_str);
        CurveKeys::parse(texts).map_err(|source| KeyStoreError::Damaged { path: self.folder.clone(), source })
    }

    /// Key files that others may read; none when there are no keys.
    pub fn exposed(&self) -> Vec<PathBuf> {
        let is_open = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        KEY_FILES.iter().map(|name| self.folder.join(name)).filter(is_open).collect()
    }

    /// Keeps others from reading them from now on.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`] for the first file whose mode cannot be changed; those before it are closed.
    pub fn close(&self) -> Result<(), KeyStoreError> {
        self.exposed().into_iter().try_for_each(|path| {
            let closed = fs::set_permissions(&path, fs::Permissions::from_mode(0o600));
            closed.map_err(|source| KeyStoreError::Io { verb: "change the mode of", path, source })
        })
    }

    /// Reads the keys, or makes them when there are none.
    ///
    /// # Errors
    /// As [`KeyStore::read`], but for `None`; and [`KeyStoreError::Io`] when new keys cannot be written.
    pub fn read_or_make(&self) -> Result<Made, KeyStoreError> {
        match self.read() {
            Err(KeyStoreError::None(_)) => self.make(),
            found => found.map(Made::Found),
        }
    }

    /// Makes new keys beside those in force, which stay until [`NextKeys::take_over`]. Next keys that an interrupted
    /// rotation left are replaced.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`] when they cannot be written.
    pub fn rotate(&self) -> Result<NextKeys, KeyStoreError> {
        self.next(generate())
    }

    /// Stores these keys in one step, in place of those that are there; whether there were others.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`] when they cannot be written, and then those that were there stay.
    pub fn replace(&self, keys: &CurveKeys) -> Result<bool, KeyStoreError> {
        let replaced = self.folder.exists();
        if replaced && self.read().is_ok_and(|there| there == *keys) {
            return Ok(false);
        }
        self.next(keys.clone())?.take_over()?;
        Ok(replaced)
    }

    fn next(&self, keys: CurveKeys) -> Result<NextKeys, KeyStoreError> {
        let folder = self.folder.with_extension("next");
        write_folder(&folder, &keys)?;
        Ok(NextKeys { keys, folder, store: self.clone() })
    }

    /// Makes keys in a folder beside the final one and renames it: keys are there completely or not at all.
    fn make(&self) -> Result<Made, KeyStoreError> {
        let keys = generate();
        let fresh = self.folder.with_extension(format!("new-{}", std::process::id()));
        write_folder(&fresh, &keys)?;
        match fs::rename(&fresh, &self.folder) {
            Ok(()) => Ok(Made::New(keys)),
            // Another operator was faster: theirs are the cluster's keys.
            Err(_) if self.folder.exists() => {
                remove_folder(&fresh)?;
                self.read().map(Made::Found)
            }
            Err(source) => Err(KeyStoreError::Io { verb: "rename", path: fresh, source }),
        }
    }
}

/// Keys that are to follow those in force.
#[derive(Debug)]
pub struct NextKeys {
    keys: CurveKeys,
    folder: PathBuf,
    store: KeyStore,
}

impl NextKeys {
    /// The new keys.
    pub fn keys(&self) -> &CurveKeys {
        &self.keys
    }

    /// Puts them in force, in one step, and deletes the old ones.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`] when the folders cannot be exchanged: then the old keys stay in force; or when the old ones
    /// cannot be removed afterwards.
    pub fn take_over(self) -> Result<(), KeyStoreError> {
        let how = if self.store.folder.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, &self.folder, CWD, &self.store.folder, how).map_err(|error| KeyStoreError::Io {
            verb: "rename",
            path: self.folder.clone(),
            source: error.into(),
        })?;
        remove_folder(&self.folder)
    }

    /// Deletes them; the old ones stay in force.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`] when the folder cannot be removed.
    pub fn discard(self) -> Result<(), KeyStoreError> {
        remove_folder(&self.folder)
    }
}

/// Writes keys into a folder of their own, anew.
fn write_folder(folder: &Path, keys: &CurveKeys) -> Result<(), KeyStoreError> {
    remove_folder(folder)?;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(|source| KeyStoreError::Io { verb: "make", path: folder.to_owned(), source })?;
    keys.files().into_iter().try_for_each(|(name, key)| write_private(&folder.join(name), key.expose()))
}

fn read_private(path: &Path) -> Result<String, KeyStoreError> {
    let failed = |source| KeyStoreError::Io { verb: "read", path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyStoreError::Exposed { path: path.to_owned(), mode });
    }
    fs::read_to_string(path).map_err(failed)
}

fn write_private(path: &Path, text: &str) -> Result<(), KeyStoreError> {
    let failed = |source| KeyStoreError::Io { verb: "write", path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

fn remove_folder(path: &Path) -> Result<(), KeyStoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| KeyStoreError::Io { verb: "remove", path: path.to_owned(), source }),
    }
}

/// New keys: one pair for the servers, one for the clients. Nothing is written.
pub fn generate() -> CurveKeys {
    let (server_public, server_secret) = pair();
    let (client_public, client_secret) = pair();
    CurveKeys { server_public, server_secret, client_public, client_secret }
}

/// A Curve25519 pair, as `zmq_curve_keypair` makes it: libsodium's `crypto_box_keypair` as Z85.
fn pair() -> (Z85Key, Z85Key) {
    let (mut public, mut secret) = ([0u8; 32], [0u8; 32]);
    // SAFETY: both buffers have the 32 bytes that crypto_box_keypair writes (crypto_box_PUBLICKEYBYTES and
    // crypto_box_SECRETKEYBYTES); sodium_init may be called any number of times, from any thread.
    let made = unsafe {
        libsodium_sys::sodium_init();
        libsodium_sys::crypto_box_keypair(public.as_mut_ptr(), secret.as_mut_ptr())
    };
    assert_eq!(made, 0, "crypto_box_keypair has no way to fail");
    let key = |bytes: &[u8; 32]| Z85Key::parse(&z85(bytes)).expect("32 bytes are 40 characters of Z85");
    (key(&public), key(&secret))
}

/// Source: ZeroMQ RFC 32: four bytes, big-endian, are five digits of base 85.
fn z85(bytes: &[u8; 32]) -> String {
    const ALPHABET: &[u8; 85] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::with_capacity(40);
    for group in bytes.chunks_exact(4) {
        let value = u32::from_be_bytes([group[0], group[1], group[2], group[3]]);
        for power in [85u32.pow(4), 85u32.pow(3), 85u32.pow(2), 85, 1] {
            text.push(char::from(ALPHABET[(value / power % 85) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z85_is_that_of_the_rfc() {
        // The server key of ZeroMQ RFC 26's and zmq_curve's manual, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7".
        let mut bytes = [0u8; 32];
        bytes[..8].copy_from_slice(&[0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]);
        assert!(z85(&bytes).starts_with("HelloWorld"));
    }

    #[test]
    fn keys_are_made_once_and_private() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = KeyStore::at(folder.path().join("campus"));
        assert!(matches!(store.read(), Err(KeyStoreError::None(_))));
        let Made::New(keys) = store.read_or_make().expect("keys") else { panic!("there were none") };
        assert_eq!(store.read_or_make().expect("keys"), Made::Found(keys.clone()));
        assert_ne!(keys.server_secret, keys.client_secret);
        let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(store.folder().to_owned()), 0o700);
        assert!(KEY_FILES.iter().all(|name| mode(store.folder().join(name)) == 0o600));
    }

    #[test]
    fn rotation_replaces_all_keys() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = KeyStore::at(folder.path().join("campus"));
        let old = store.read_or_make().expect("keys").keys();
        let next = store.rotate().expect("keys");
        let new = next.keys().clone();
        assert_ne!(old.client_public, new.client_public);
        assert_eq!(store.read().expect("keys"), old, "until they are deployed");
        next.take_over().expect("renamed");
        assert_eq!(store.read().expect("keys"), new);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }

    #[test]
    fn a_rotation_that_is_given_up_leaves_the_old_keys_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = KeyStore::at(folder.path().join("campus"));
        let old = store.read_or_make().expect("keys").keys();
        drop(store.rotate().expect("an interrupted one"));
        store.rotate().expect("again").discard().expect("removed");
        assert_eq!(store.read().expect("keys"), old);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }

    #[test]
    fn keys_that_others_can_read_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = KeyStore::at(folder.path().join("campus"));
        store.read_or_make().expect("keys");
        let secret = store.folder().join("client_secretkey");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("owner");
        assert!(matches!(store.read(), Err(KeyStoreError::Exposed { mode: 0o644, .. })));
    }
}
