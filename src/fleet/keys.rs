//! Which private keys there are, and what their files say before they are used.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Whether this is the public half alone: an SSH agent, or a card behind it, has the private one.
    pub is_public_half: bool,
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
        let (text, metadata) = match read_short(path) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return KeyFile::of_half(path, &beside(path, ".pub")).ok_or_else(|| say(&error));
            }
            Err(error) => return Err(say(&error)),
        };
        if !text.contains("PRIVATE KEY-----") {
            return KeyFile::of_half(path, path).ok_or_else(|| say(&"not a private key"));
        }
        // As OpenSSH, which leaves it out.
        if metadata.uid() == rustix::process::getuid().as_raw() && metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o777;
            return Err(say(&format_args!("others may read it (mode {mode:04o}): chmod 600 it, or make a new key")));
        }
        let (encrypted, public) = match openssh_header(&text) {
            Some((encrypted, public)) => (encrypted, Some(public)),
            // RFC 1421 and PKCS #8 headers.
            None => (text.contains("Proc-Type: 4,ENCRYPTED") || text.contains("BEGIN ENCRYPTED PRIVATE KEY"), None),
        };
        let public = public.or_else(|| public_key(&beside(path, ".pub")));
        let certificate = Some(beside(path, "-cert.pub")).filter(|path| path.exists());
        Ok(KeyFile { path: path.to_owned(), encrypted, public, certificate, is_public_half: false })
    }

    /// Of a public half, where that is one.
    fn of_half(path: &Path, half: &Path) -> Option<KeyFile> {
        let public = Some(public_key(half)?);
        Some(KeyFile { path: path.to_owned(), encrypted: false, public, certificate: None, is_public_half: true })
    }

    /// The same with its certificate among these, unless it has one beside it.
    pub fn with_certificate(mut self, certificates: &[PathBuf]) -> KeyFile {
        let is_of = |file: &&PathBuf| {
            let certificate = public_key(file);
            certificate.is_some_and(|blob| self.public.as_deref().is_some_and(|key| certifies(&blob, key)))
        };
        if self.certificate.is_none() {
            self.certificate = certificates.iter().find(is_of).cloned();
        }
        self
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn read_short(path: &Path) -> io::Result<(String, fs::Metadata)> {
    let metadata = fs::metadata(path)?;
    if metadata.len() > KEY_LIMIT {
        return Err(io::Error::other("too long for a key"));
    }
    Ok((fs::read_to_string(path)?, metadata))
}

/// The key of a line such as `ssh-ed25519 AAAA... comment`.
fn public_key(file: &Path) -> Option<Vec<u8>> {
    let (text, _) = read_short(file).ok()?;
    let mut words = text.lines().find(|line| !line.trim().is_empty())?.split_whitespace();
    let kind = words.next()?;
    let key = STANDARD.decode(words.next()?).ok()?;
    (known_hosts::key_type(&key) == Some(kind)).then_some(key)
}

/// Whether a certificate is of this key: behind its type and a random number come the parts of the key (PROTOCOL.certkeys).
fn certifies(certificate: &[u8], key: &[u8]) -> bool {
    let parts = |bytes| known_hosts::take_string(bytes);
    let (Some((kind, rest)), Some((of, key))) = (parts(certificate), parts(key)) else { return false };
    let is_of_kind = kind.strip_suffix(b"-cert-v01@openssh.com").is_some_and(|kind| of.starts_with(kind));
    is_of_kind && parts(rest).is_some_and(|(_, rest)| rest.starts_with(key))
}

/// Whether it is encrypted, and its public half: OpenSSH's PROTOCOL.key.
fn openssh_header(text: &str) -> Option<(bool, Vec<u8>)> {
    let (_, body) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let (body, _) = body.split_once("-----END")?;
    let bytes = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = known_hosts::take_string(rest)?;
    let (_kdf, rest) = known_hosts::take_string(rest)?;
    let (_kdf_options, rest) = known_hosts::take_string(rest)?;
    let (_count, rest) = rest.split_first_chunk::<4>()?;
    let (public, _) = known_hosts::take_string(rest)?;
    Some((cipher != b"none", public.to_vec()))
}

/// How often the passphrase of one key is asked for, until it is right.
const TRIES: u8 = 3;

/// Passphrases that the operator gave: each is asked for once, by all settings that share this.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<HashMap<PathBuf, Given>>>);

#[derive(Debug)]
struct Given {
    answer: Option<Secret>,
    tries: u8,
}

impl Settings {
    /// The passphrase of a key, asked for at most once in this command, however many hosts take the key. One that turned
    /// out to be wrong is asked for again, a few times.
    pub(super) fn passphrase(&self, key: &Path, wrong: Option<&Secret>) -> Option<Secret> {
        // Held while the operator types: the other hosts wait for the same answer.
        let mut known = self.answers.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(key);
        if let Some(given) = before {
            let is_news = wrong.is_none() || given.answer.as_ref() != wrong;
            if is_news {
                return given.answer.clone();
            }
            if given.tries == TRIES {
                return None;
            }
        }
        let tries = before.map_or(0, |given| given.tries) + 1;
        let again = if wrong.is_some() { "wrong passphrase; once more, " } else { "" };
        let answer = self.prompt.as_ref()?.ask(&format!("{again}passphrase of {}: ", key.display()), false);
        known.insert(key.to_owned(), Given { answer: answer.clone(), tries });
        answer
    }
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
            KeyFile {
                path: "/k".into(),
                encrypted: false,
                public: Some(name),
                certificate: None,
                is_public_half: false,
            }
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
            assert_eq!(settings.passphrase(Path::new("/k"), None), Some(Secret("secret".into())));
        }
        // Wrong for all of them: asked for again, and not for ever.
        let wrong = Secret("secret".into());
        for again in [true, true, false, false] {
            assert_eq!(other.passphrase(Path::new("/k"), Some(&wrong)).is_some(), again);
        }
        let typed_since = Secret("another".into());
        assert_eq!(settings.passphrase(Path::new("/k"), Some(&typed_since)), Some(wrong));
        drop((settings, other));
        let again = "wrong passphrase; once more, passphrase of /k: ";
        assert_eq!(asked.iter().collect::<Vec<_>>(), ["passphrase of /k: ", again, again]);
    }
}
