//! Which private keys there are, and what their files say before they are used.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::known_hosts;
use super::settings::{Secret, Settings};

/// Looked for below `~/.ssh` where nothing else is said, in this order.
pub(super) const USUAL_NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// A file beyond this is no key.
const KEY_LIMIT: u64 = 64 << 10;

/// What the file of a private key says without its passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFile {
    pub path: PathBuf,
    /// Whether a passphrase is needed.
    pub encrypted: bool,
    /// The public half, where the file or the one beside it (`.pub`) tells.
    pub public: Option<Vec<u8>>,
    /// A certificate beside it (`-cert.pub`).
    pub certificate: Option<PathBuf>,
}

impl KeyFile {
    /// Whether its private half is on a FIDO token (PROTOCOL.u2f of OpenSSH).
    pub fn is_of_token(&self) -> bool {
        let kind = self.public.as_deref().and_then(known_hosts::key_type);
        kind.is_some_and(|kind| kind.starts_with("sk-"))
    }

    /// Reads the file; the error is a fragment for the operator.
    pub fn read(path: &Path) -> Result<KeyFile, String> {
        let say = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let size = fs::metadata(path).map_err(|e| say(&e))?.len();
        if size > KEY_LIMIT {
            return Err(say(&"too long for a private key"));
        }
        let text = fs::read_to_string(path).map_err(|e| say(&e))?;
        if !text.contains("PRIVATE KEY-----") {
            return Err(say(&"not a private key"));
        }
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let (encrypted, public) = match openssh_header(&text) {
            Some((encrypted, public)) => (encrypted, Some(public)),
            // RFC 1421 and PKCS #8 headers.
            None => (text.contains("Proc-Type: 4,ENCRYPTED") || text.contains("BEGIN ENCRYPTED PRIVATE KEY"), None),
        };
        let public = public.or_else(|| {
            let line = fs::read_to_string(beside(".pub")).ok()?;
            STANDARD.decode(line.split_whitespace().nth(1)?).ok()
        });
        let certificate = Some(beside("-cert.pub")).filter(|path| path.exists());
        Ok(KeyFile { path: path.to_owned(), encrypted, public, certificate })
    }
}

/// Whether it is encrypted, and its public half: OpenSSH's PROTOCOL.key.
fn openssh_header(text: &str) -> Option<(bool, Vec<u8>)> {
    let (_, body) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let (body, _) = body.split_once("-----END")?;
    let bytes = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = take(rest)?;
    let (_kdf, rest) = take(rest)?;
    let (_kdf_options, rest) = take(rest)?;
    let (_count, rest) = rest.split_first_chunk::<4>()?;
    let (public, _) = take(rest)?;
    Some((cipher != b"none", public.to_vec()))
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

impl Settings {
    /// The passphrase of a key, asked for at most once in this command, however many hosts take the key.
    pub(super) fn passphrase(&self, key: &Path) -> Option<Secret> {
        // Held while the operator types: the other hosts wait for the same answer.
        let mut known = lock(&self.passphrases);
        if let Some(answer) = known.get(key) {
            return answer.clone();
        }
        let answer = self.prompt.as_ref()?.ask(&format!("passphrase of {}: ", key.display()), false);
        known.insert(key.to_owned(), answer.clone());
        answer
    }
}

fn lock<T>(map: &Mutex<HashMap<PathBuf, T>>) -> MutexGuard<'_, HashMap<PathBuf, T>> {
    map.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::fleet::Prompt;

    fn generate(dir: &Path, name: &str, arguments: &[&str]) -> PathBuf {
        let path = dir.join(name);
        let done = Command::new("ssh-keygen").args(["-q", "-C", "", "-f"]).arg(&path).args(arguments).status().unwrap();
        assert!(done.success());
        path
    }

    #[test]
    fn files_of_every_format_tell_whether_they_are_encrypted() {
        let dir = tempfile::tempdir().unwrap();
        let cases: [(&str, &[&str], bool); 5] = [
            ("plain", &["-t", "ed25519", "-N", ""], false),
            ("locked", &["-t", "ed25519", "-N", "secret"], true),
            ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""], false),
            ("pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret"], true),
            ("pkcs8", &["-t", "ecdsa", "-m", "PKCS8", "-N", "secret"], true),
        ];
        for (name, arguments, encrypted) in cases {
            let path = generate(dir.path(), name, arguments);
            let key = KeyFile::read(&path).unwrap();
            assert_eq!(key.encrypted, encrypted, "{name}");
            let public = key.public.expect("a .pub file lies beside it");
            assert!(known_hosts::key_type(&public).is_some(), "{name}");
        }
    }

    #[test]
    fn the_key_of_a_token_is_known_by_its_public_half() {
        let of = |kind: &str| {
            let name = [&(kind.len() as u32).to_be_bytes(), kind.as_bytes()].concat();
            KeyFile { path: "/k".into(), encrypted: false, public: Some(name), certificate: None }
        };
        assert!(
            of("sk-ssh-ed25519@openssh.com").is_of_token() && of("sk-ecdsa-sha2-nistp256@openssh.com").is_of_token()
        );
        assert!(!of("ssh-ed25519").is_of_token());
    }

    #[test]
    fn what_is_not_a_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(KeyFile::read(&path).unwrap_err().contains("No such file"));
        fs::write(&path, "hello").unwrap();
        assert!(KeyFile::read(&path).unwrap_err().ends_with("x: not a private key"));
    }

    #[test]
    fn the_operator_is_asked_once_per_key() {
        let (sender, asked) = std::sync::mpsc::channel();
        let prompt = Prompt::new(move |question| {
            sender.send(question.text.to_owned()).unwrap();
            Some("secret".into())
        });
        let settings = Settings { prompt: Some(prompt), ..Settings::from_env() };
        let other = settings.clone();
        for settings in [&settings, &settings, &other] {
            assert_eq!(settings.passphrase(Path::new("/k")), Some(Secret("secret".into())));
        }
        drop((settings, other));
        assert_eq!(asked.iter().collect::<Vec<_>>(), ["passphrase of /k: "]);
    }
}
