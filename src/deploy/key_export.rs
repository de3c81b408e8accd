//! A copy of the cluster's keys in one file, for a safe: `keys export` and `keys import`.
//!
//! JSON, mode 0600. With a passphrase the four keys are sealed with AES-256-GCM under a key that scrypt derives from it
//! (RFC 7914; cost and salt stand in the file), and the cluster's name is authenticated with them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use serde::{Deserialize, Serialize};

use crate::api::keys::CurveKeys;

/// The word by which an export is recognised.
const FORMAT: &str = "zeek-cluster keys 1";

/// Larger files are no export.
const MAX_BYTES: u64 = 64 << 10;

/// scrypt's cost: 32 MiB and about a tenth of a second. Source: RFC 7914 section 2, OWASP's password storage advice of 2023.
const COST: Cost = Cost { n: 1 << 15, r: 8, p: 1 };

/// No export asks for more memory than this, whatever it says.
const MAX_MEMORY: u64 = 256 << 20;

/// Octets of the salt, of AES-GCM's nonce and of its tag.
const SALT: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Why keys could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum KeyExportError {
    /// The file cannot be read or written.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// Such as `read`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not an export of keys: {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong; nothing of the content.
        why: String,
    },
    /// The export is of another cluster.
    #[error("{} holds the keys of cluster `{found}`, and the layout is of `{expected}`", path.display())]
    OtherCluster {
        /// The file.
        path: PathBuf,
        /// The cluster that it names.
        found: String,
        /// The layout's cluster.
        expected: String,
    },
    /// The export is sealed, and no passphrase was given.
    #[error("{} is sealed with a passphrase", .0.display())]
    Sealed(PathBuf),
    /// The passphrase does not open it, or it was tampered with.
    #[error("{} does not open: the passphrase is another one, or the file was changed", .0.display())]
    Passphrase(PathBuf),
    /// OpenSSL cannot do what it is asked for.
    #[error("the keys cannot be sealed")]
    Seal(#[from] openssl::error::ErrorStack),
}

#[derive(Serialize, Deserialize)]
struct Export {
    format: String,
    cluster: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Keys(CurveKeys),
    Sealed(SealedKeys),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cost {
    n: u64,
    r: u64,
    p: u64,
}

/// Binary fields are base64.
#[derive(Serialize, Deserialize)]
struct SealedKeys {
    scrypt: Cost,
    salt: String,
    nonce: String,
    text: String,
    tag: String,
}

/// Writes the keys to a new file that only its owner can read.
///
/// # Errors
/// [`KeyExportError::Io`] when the file is there already or cannot be written, [`KeyExportError::Seal`] when OpenSSL fails.
pub fn export(path: &Path, cluster: &str, keys: &CurveKeys, passphrase: Option<&str>) -> Result<(), KeyExportError> {
    let content = match passphrase {
        None => Content::Keys(keys.clone()),
        Some(passphrase) => Content::Sealed(seal(cluster, keys, passphrase)?),
    };
    let export = Export { format: FORMAT.to_owned(), cluster: cluster.to_owned(), content };
    let failed = |source| KeyExportError::Io { verb: "write", path: path.to_owned(), source };
    let mut text = serde_json::to_vec_pretty(&export).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // Half an export is worse than none.
        let _ = fs::remove_file(path);
        failed(source)
    })
}

/// Reads an export of this cluster.
///
/// # Errors
/// [`KeyExportError::Sealed`] when it needs a passphrase and there is none, [`KeyExportError::Passphrase`] when the
/// passphrase does not open it, [`KeyExportError::OtherCluster`], [`KeyExportError::Format`] and [`KeyExportError::Io`].
pub fn import(path: &Path, cluster: &str, passphrase: Option<&str>) -> Result<CurveKeys, KeyExportError> {
    let failed = |source| KeyExportError::Io { verb: "read", path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text)).map_err(failed)?;
    let format = |why: String| KeyExportError::Format { path: path.to_owned(), why };
    if text.len() as u64 > MAX_BYTES {
        return Err(format(format!("it has more than {MAX_BYTES} octets")));
    }
    let export: Export = serde_json::from_slice(&text).map_err(|error| {
        // serde's own words may quote a key.
        format(format!("line {}, column {} is not as `keys export` writes it", error.line(), error.column()))
    })?;
    if export.format != FORMAT {
        return Err(format(format!("expected the format `{FORMAT}`")));
    }
    if export.cluster != cluster {
        let (path, expected) = (path.to_owned(), cluster.to_owned());
        return Err(KeyExportError::OtherCluster { path, found: export.cluster, expected });
    }
    match (export.content, passphrase) {
        (Content::Keys(keys), _) => Ok(keys),
        (Content::Sealed(_), None) => Err(KeyExportError::Sealed(path.to_owned())),
        (Content::Sealed(sealed), Some(passphrase)) => {
            open(cluster, &sealed, passphrase).ok_or_else(|| KeyExportError::Passphrase(path.to_owned()))
        }
    }
}

fn seal(cluster: &str, keys: &CurveKeys, passphrase: &str) -> Result<SealedKeys, KeyExportError> {
    let (mut salt, mut nonce, mut tag) = ([0; SALT], [0; NONCE], [0; TAG]);
    openssl::rand::rand_bytes(&mut salt)?;
    openssl::rand::rand_bytes(&mut nonce)?;
    let key = derive(passphrase, &salt, COST)?;
    let plain = serde_json::to_vec(keys).expect("four texts are JSON");
    let text = encrypt_aead(Cipher::aes_256_gcm(), &key, Some(&nonce), cluster.as_bytes(), &plain, &mut tag)?;
    let base64 = |octets: &[u8]| STANDARD.encode(octets);
    Ok(SealedKeys { scrypt: COST, salt: base64(&salt), nonce: base64(&nonce), text: base64(&text), tag: base64(&tag) })
}

/// `None` for another passphrase and for a file that was changed, which cannot be told apart.
fn open(cluster: &str, sealed: &SealedKeys, passphrase: &str) -> Option<CurveKeys> {
    let octets = |text: &str| STANDARD.decode(text).ok();
    let (nonce, tag) = (octets(&sealed.nonce)?, octets(&sealed.tag)?);
    // OpenSSL accepts shorter tags, which are easier to forge.
    if nonce.len() != NONCE || tag.len() != TAG {
        return None;
    }
    let key = derive(passphrase, &octets(&sealed.salt)?, sealed.scrypt).ok()?;
    let text = octets(&sealed.text)?;
    let plain = decrypt_aead(Cipher::aes_256_gcm(), &key, Some(&nonce), cluster.as_bytes(), &text, &tag).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn derive(passphrase: &str, salt: &[u8], cost: Cost) -> Result<[u8; 32], openssl::error::ErrorStack> {
    let mut key = [0; 32];
    openssl::pkcs5::scrypt(passphrase.as_bytes(), salt, cost.n, cost.r, cost.p, MAX_MEMORY, &mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::deploy::keys::generate;

    #[test]
    fn an_export_comes_back_with_and_without_a_passphrase() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let keys = generate();
        for (name, passphrase) in [("plain", None), ("sealed", Some("correct horse"))] {
            let path = folder.path().join(name);
            export(&path, "campus", &keys, passphrase).expect("written");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            assert_eq!(import(&path, "campus", passphrase).expect("read"), keys);
            assert!(export(&path, "campus", &keys, None).is_err(), "an export is never overwritten");
            let other = import(&path, "other", passphrase).expect_err("another cluster");
            assert!(matches!(other, KeyExportError::OtherCluster { .. }), "{other}");
        }
    }

    #[test]
    fn a_sealed_export_hides_the_keys_and_opens_with_its_passphrase_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (path, keys) = (folder.path().join("sealed"), generate());
        export(&path, "campus", &keys, Some("correct horse")).expect("written");
        let text = fs::read_to_string(&path).expect("there");
        assert!(keys.files().iter().all(|(_, key)| !text.contains(key.expose())));
        assert!(matches!(import(&path, "campus", None), Err(KeyExportError::Sealed(_))));
        assert!(matches!(import(&path, "campus", Some("wrong")), Err(KeyExportError::Passphrase(_))));
        let moved = text.replace("campus", "forged");
        fs::write(&path, moved).expect("written");
        let refused = import(&path, "forged", Some("correct horse"));
        assert!(matches!(refused, Err(KeyExportError::Passphrase(_))), "the cluster's name is authenticated");
        fs::write(&path, text.replace("\"n\": 32768", "\"n\": 4611686018427387904")).expect("written");
        assert!(matches!(import(&path, "campus", Some("correct horse")), Err(KeyExportError::Passphrase(_))));
    }

    #[test]
    fn other_files_are_named_as_what_they_are_not_and_nothing_of_them_is_quoted() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("other");
        for text in ["", "name: campus", "{\"format\": \"secret-word\"}", "[1,2,3]"] {
            fs::write(&path, text).expect("written");
            let error = import(&path, "campus", None).expect_err("no export");
            assert!(matches!(error, KeyExportError::Format { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("secret-word"));
        }
        fs::write(&path, vec![b' '; MAX_BYTES as usize + 1]).expect("written");
        assert!(matches!(import(&path, "campus", None), Err(KeyExportError::Format { .. })));
    }
}
