//! Which keys the operator revoked: the file of `RevokedHostKeys`, either a key revocation list or lines of public keys.
//!
//! Source: ssh_config(5), "RevokedHostKeys"; PROTOCOL.krl of OpenSSH. As with OpenSSH, a file that is not understood revokes
//! every key: the check is refused rather than left out.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::known_hosts;

const KRL_MAGIC: &[u8] = b"SSHKRL\n\0";

/// Sections of a key revocation list (PROTOCOL.krl). Certificates are not taken by the builtin client, revoked or not.
const CERTIFICATES: u8 = 1;
const EXPLICIT_KEYS: u8 = 2;
const SHA1_FINGERPRINTS: u8 = 3;
const SHA256_FINGERPRINTS: u8 = 5;
const EXTENSION: u8 = 255;

/// The keys that a file revokes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RevokedKeys {
    file: PathBuf,
    /// Keys as they are sent, and what stands for keys: their hashes.
    keys: Vec<Vec<u8>>,
    sha1: Vec<Vec<u8>>,
    sha256: Vec<Vec<u8>>,
}

impl RevokedKeys {
    /// From the bytes of a file; the error is a fragment for the operator.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<RevokedKeys, String> {
        let mut revoked = RevokedKeys { file: file.to_owned(), ..RevokedKeys::default() };
        let read = match bytes.strip_prefix(KRL_MAGIC) {
            Some(rest) => revoked.read_list(rest),
            None => revoked.read_lines(bytes),
        };
        read.map_err(|what| format!("{}: {what}", file.display()))?;
        Ok(revoked)
    }

    /// The file, when it revokes the key (its raw bytes).
    pub fn revokes(&self, key: &[u8]) -> Option<&Path> {
        let revokes = self.keys.iter().any(|revoked| revoked == key)
            || self.sha1.iter().any(|hash| hash[..] == Sha1::digest(key)[..])
            || self.sha256.iter().any(|hash| hash[..] == Sha256::digest(key)[..]);
        revokes.then_some(&self.file)
    }

    fn read_lines(&mut self, bytes: &[u8]) -> Result<(), String> {
        for (index, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
            let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
            let Some(kind) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let key = words.next().and_then(|word| STANDARD.decode(word).ok());
            let key = key.filter(|key| known_hosts::key_type(key) == Some(kind));
            let key = key.ok_or_else(|| format!("line {} is no public key", index + 1))?;
            self.keys.push(key);
        }
        Ok(())
    }

    fn read_list(&mut self, bytes: &[u8]) -> Result<(), String> {
        // Format, number, date and flags.
        let (format, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut_short)?;
        if u32::from_be_bytes(*format) != 1 {
            return Err("it is a key revocation list of another format than 1".to_owned());
        }
        let (_, rest) = rest.split_at_checked(3 * 8).ok_or_else(cut_short)?;
        let (_reserved, rest) = take(rest)?;
        let (_comment, mut rest) = take(rest)?;
        while let Some((section, after)) = rest.split_first() {
            let (data, after) = take(after)?;
            self.read_section(*section, data)?;
            rest = after;
        }
        Ok(())
    }

    fn read_section(&mut self, section: u8, data: &[u8]) -> Result<(), String> {
        let into = match section {
            CERTIFICATES => return Ok(()),
            EXPLICIT_KEYS => &mut self.keys,
            SHA1_FINGERPRINTS => &mut self.sha1,
            SHA256_FINGERPRINTS => &mut self.sha256,
            EXTENSION => {
                let (_name, rest) = take(data)?;
                return match rest.first() {
                    Some(0) => Ok(()),
                    _ => Err("it has a critical extension, which the builtin client does not know".to_owned()),
                };
            }
            // Signed lists are one of these.
            _ => return Err(format!("it has a section of type {section}, which the builtin client does not know")),
        };
        let mut rest = data;
        while !rest.is_empty() {
            let (part, after) = take(rest)?;
            into.push(part.to_vec());
            rest = after;
        }
        Ok(())
    }
}

fn take(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    known_hosts::take_string(bytes).ok_or_else(cut_short)
}

fn cut_short() -> String {
    "it is a key revocation list that is cut short".to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::super::testing::keygen;
    use super::*;

    fn public(path: &Path) -> String {
        fs::read_to_string(path.with_extension("pub")).unwrap()
    }

    fn blob(line: &str) -> Vec<u8> {
        STANDARD.decode(line.split_whitespace().nth(1).unwrap()).unwrap()
    }

    /// Each file beside the verdict of `ssh-keygen -Q`, and of its own makers for lists of lines.
    #[test]
    fn lists_of_every_form_revoke_what_ssh_keygen_says() {
        let dir = tempfile::tempdir().unwrap();
        let [bad, good, ca] = ["bad", "good", "ca"].map(|name| {
            keygen(&dir.path().join(name), &["-t", "ed25519", "-N", ""]);
            dir.path().join(name)
        });
        let by_fingerprint = known_hosts::fingerprint(&blob(&public(&bad)));
        let forms = [
            ("key", public(&bad)),
            ("sha1", format!("sha1: {}", public(&bad))),
            ("sha256", format!("sha256: {}", public(&bad))),
            ("hash", format!("hash: {by_fingerprint}\n")),
            ("with serials", format!("serial: 1-9\nid: x\n{}", public(&bad))),
        ];
        for (form, text) in forms {
            let (spec, krl) = (dir.path().join("spec"), dir.path().join("krl"));
            fs::write(&spec, text).unwrap();
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-k", "-s"]).arg(ca.with_extension("pub")).arg("-f").arg(&krl).arg(&spec);
            assert!(make.status().unwrap().success(), "{form}");
            let bytes = fs::read(&krl).unwrap();
            let revoked = RevokedKeys::parse(&krl, &bytes).unwrap();
            for key in [&bad, &good] {
                let mut ask = Command::new("ssh-keygen");
                let said = ask.args(["-Q", "-f"]).arg(&krl).arg(key.with_extension("pub")).output().unwrap();
                let ours = revoked.revokes(&blob(&public(key))).is_some();
                assert_eq!((ours, ours), (!said.status.success(), *key == bad), "{form}: {said:?}");
            }
            for end in KRL_MAGIC.len()..bytes.len() - 1 {
                // Cut short at a border of sections it is a shorter list; never is it a panic.
                let _ = RevokedKeys::parse(&krl, &bytes[..end]);
            }
            assert!(RevokedKeys::parse(&krl, &bytes[..bytes.len() - 1]).unwrap_err().contains("cut short"));
        }
    }

    #[test]
    fn lines_are_keys_or_the_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        keygen(&path, &["-t", "ed25519", "-N", ""]);
        let line = public(&path);
        let revoked = |text: &str| RevokedKeys::parse(Path::new("/r"), text.as_bytes());
        let key = blob(&line);
        assert_eq!(revoked(&format!("# c\n\n \t{line}")).unwrap().revokes(&key), Some(Path::new("/r")));
        assert_eq!(revoked("").unwrap().revokes(&key), None);
        assert_eq!(revoked("ssh-rsa AAAA\n").unwrap_err(), "/r: line 1 is no public key");
        assert!(revoked(&format!("host {line}")).is_err());
    }
}
