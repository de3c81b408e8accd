//! Whose host key is it: the lines of known_hosts files, judged as OpenSSH does.
//!
//! libssh2's own check is not used: it takes a key marked `@revoked` for known, loses every line after a malformed one,
//! knows no patterns, and calls it a mismatch when another type of key is on file. What is here is a function over
//! text: hashed names (HMAC-SHA1), patterns with negation, `[host]:port`, comma lists, markers, several keys per host;
//! malformed lines are skipped. Certificates are not supported: `@cert-authority` lines never match, and are named when
//! they were the only ones.
//!
//! Source of the format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; of the order of verdicts: OpenSSH 9.2, seen.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The port whose entries are written without a port.
const SSH_PORT: u16 = 22;

/// A pattern of this length or more covers nothing, nor does its line.
const PATTERN_LIMIT: usize = 1023;

/// The lines of some known_hosts files, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownHosts(Vec<Entry>);

/// What the files say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The key is known for this host.
    Match,
    /// Other keys are known for this host; the first of them.
    Mismatch(Known),
    /// No key is known for this host.
    Unknown {
        /// A `@cert-authority` line covers the host.
        authority: Option<Known>,
    },
    /// The key is marked as revoked for this host.
    Revoked(Known),
}

/// A line of a known_hosts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// Such as `ssh-ed25519`.
    pub key_type: String,
    /// `SHA256:` and base64, as OpenSSH shows it.
    pub fingerprint: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    file: PathBuf,
    line: usize,
    marker: Marker,
    names: Names,
    key_type: String,
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    Authority,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    Patterns(String),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl KnownHosts {
    /// From the text of files. Lines that are not understood are left out, as OpenSSH does.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a Path, &'a str)>) -> KnownHosts {
        let lines = files.into_iter().flat_map(|(file, text)| {
            text.split('\n').enumerate().filter_map(move |(index, line)| Entry::parse(file, index + 1, line))
        });
        KnownHosts(lines.collect())
    }

    /// Adds the lines of other files that revoke keys; what else stands there does not count.
    pub fn add_revoked_of(&mut self, others: KnownHosts) {
        self.0.extend(others.0.into_iter().filter(|entry| entry.marker == Marker::Revoked));
    }

    /// Judges the key (its raw bytes) that the server at `host` and `port` showed.
    pub fn judge(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        let verdict = self.judge_name(&name_of(host, port), key);
        if port == SSH_PORT || !matches!(verdict, Verdict::Unknown { .. }) {
            return verdict;
        }
        // An entry without a port vouches for the same key on any port. A different key there is that of the server on
        // port 22, and says nothing about this one.
        match self.judge_name(&host.to_ascii_lowercase(), key) {
            vouched @ (Verdict::Match | Verdict::Revoked(_)) => vouched,
            _ => verdict,
        }
    }

    /// The types of key that are known for a host, in the order of the files, each once: the types to ask the server
    /// for first, so that it shows a key that can be compared. As with OpenSSH, lines without the port have no say in it.
    pub fn key_types(&self, host: &str, port: u16) -> Vec<&str> {
        let (name, mut types) = (name_of(host, port), Vec::new());
        for entry in self.0.iter().filter(|e| e.marker == Marker::None && e.names.cover(&name)) {
            if !types.contains(&entry.key_type.as_str()) {
                types.push(entry.key_type.as_str());
            }
        }
        types
    }

    fn judge_name(&self, name: &str, key: &[u8]) -> Verdict {
        let covering = || self.0.iter().filter(|entry| entry.names.cover(name));
        let with = |marker| covering().find(move |entry| entry.marker == marker);
        if let Some(revoked) = covering().find(|e| e.marker == Marker::Revoked && e.key == key) {
            return Verdict::Revoked(revoked.known());
        }
        if covering().any(|e| e.marker == Marker::None && e.key == key) {
            return Verdict::Match;
        }
        match with(Marker::None) {
            Some(other) => Verdict::Mismatch(other.known()),
            None => Verdict::Unknown { authority: with(Marker::Authority).map(Entry::known) },
        }
    }
}

impl Entry {
    fn parse(file: &Path, line: usize, text: &str) -> Option<Entry> {
        let mut words = text.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
        let mut word = words.next().filter(|word| !word.starts_with('#'))?;
        let marker = match word {
            "@revoked" => Marker::Revoked,
            "@cert-authority" => Marker::Authority,
            _ if word.starts_with('@') => return None,
            _ => Marker::None,
        };
        if marker != Marker::None {
            word = words.next()?;
        }
        let names = Names::parse(word)?;
        let key_type = words.next()?.to_owned();
        let key = STANDARD.decode(words.next()?).ok()?;
        // A key cut short, or of another type than the line claims, is no key.
        is_whole(&key, &key_type).then(|| Entry { file: file.to_owned(), line, marker, names, key_type, key })
    }

    fn known(&self) -> Known {
        Known {
            file: self.file.clone(),
            line: self.line,
            key_type: self.key_type.clone(),
            fingerprint: fingerprint(&self.key),
        }
    }
}

impl Names {
    fn parse(word: &str) -> Option<Names> {
        if !word.starts_with('|') {
            return Some(Names::Patterns(word.to_ascii_lowercase()));
        }
        let (salt, hash) = word.strip_prefix("|1|")?.split_once('|')?;
        Some(Names::Hashed { salt: STANDARD.decode(salt).ok()?, hash: STANDARD.decode(hash).ok()? })
    }

    fn cover(&self, name: &str) -> bool {
        match self {
            Names::Hashed { salt, hash } => {
                let mut mac = Hmac::<Sha1>::new_from_slice(salt).expect("HMAC takes keys of any length");
                mac.update(name.as_bytes());
                mac.verify_slice(hash).is_ok()
            }
            Names::Patterns(list) => {
                let matching = |pattern: &str| matches_pattern(pattern.as_bytes(), name.as_bytes());
                // OpenSSH's `match_pattern_list` gives such a line up.
                if list.split(',').any(|pattern| pattern.trim_start_matches('!').len() >= PATTERN_LIMIT) {
                    return false;
                }
                let negated = list.split(',').filter_map(|p| p.strip_prefix('!')).any(matching);
                !negated && list.split(',').filter(|p| !p.starts_with('!')).any(matching)
            }
        }
    }
}

/// How known_hosts names a server: lower case, `[host]:port` unless the port is 22.
pub fn name_of(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == SSH_PORT { host } else { format!("[{host}]:{port}") }
}

/// `SHA256:` and unpadded base64, as `ssh-keygen -l` shows a key.
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

/// The type that a key's bytes begin with, such as `ssh-ed25519`.
pub fn key_type(key: &[u8]) -> Option<&str> {
    let (name, _) = take_string(key)?;
    std::str::from_utf8(name).ok()
}

/// The line to write for a key that was accepted.
pub fn line_for(host: &str, port: u16, key: &[u8]) -> Option<String> {
    Some(format!("{} {} {}\n", name_of(host, port), key_type(key)?, STANDARD.encode(key)))
}

/// A public key is a row of length-prefixed strings, the first its type (RFC 4253, section 6.6).
fn is_whole(key: &[u8], claimed_type: &str) -> bool {
    if key_type(key) != Some(claimed_type) {
        return false;
    }
    let (mut rest, mut strings) = (key, 0);
    while let Some((_, after)) = take_string(rest) {
        (rest, strings) = (after, strings + 1);
    }
    // Keys of FIDO tokens end with a string too; only certificates hold bare numbers, and those are no host's plain key.
    rest.is_empty() && strings >= 2
}

pub(super) fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// `*` for any run, `?` for any one character (ssh_config(5), "PATTERNS"); linear in `text` times the stars.
fn matches_pattern(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, t) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(kind: &str, seed: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [kind.as_bytes(), &[seed; 32]] {
            bytes.extend((part.len() as u32).to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    fn entry(names: &str, kind: &str, seed: u8) -> String {
        format!("{names} {kind} {}", STANDARD.encode(key(kind, seed)))
    }

    fn hashed(name: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"salt-of-20-bytes-ok!").unwrap();
        mac.update(name.as_bytes());
        format!("|1|{}|{}", STANDARD.encode("salt-of-20-bytes-ok!"), STANDARD.encode(mac.finalize().into_bytes()))
    }

    fn word(text: &str, host: &str, port: u16) -> &'static str {
        let known = KnownHosts::parse([(Path::new("known_hosts"), text)]);
        match known.judge(host, port, &key("ssh-ed25519", 1)) {
            Verdict::Match => "match",
            Verdict::Mismatch(_) => "mismatch",
            Verdict::Unknown { authority: None } => "unknown",
            Verdict::Unknown { authority: Some(_) } => "authority",
            Verdict::Revoked(_) => "revoked",
        }
    }

    fn check(names: &str, host: &str, port: u16, expected: &str) {
        assert_eq!(word(&entry(names, "ssh-ed25519", 1), host, port), expected, "{names} for {host} port {port}");
    }

    #[test]
    fn names_cover_hosts_as_openssh_reads_them() {
        check("sensor-1", "sensor-1", 22, "match");
        check("sensor-1", "Sensor-1", 22, "match");
        check("SENSOR-1", "sensor-1", 22, "match");
        check("sensor-1", "sensor-2", 22, "unknown");
        check("a,sensor-1,b", "sensor-1", 22, "match");
        check("[sensor-1]:2222", "sensor-1", 2222, "match");
        check("[sensor-1]:2222", "sensor-1", 22, "unknown");
        check("sensor-1", "sensor-1", 2222, "match");
        check("*.lab", "x.lab", 22, "match");
        check("*.lab", "lab", 22, "unknown");
        check("sensor-?", "sensor-1", 22, "match");
        check("[127.0.0.*]:2222", "127.0.0.9", 2222, "match");
        check("*,!x", "sensor-1", 22, "match");
        check("*,!sensor-*", "sensor-1", 22, "unknown");
        check("!sensor-1", "sensor-2", 22, "unknown");
        check(&hashed("sensor-1"), "sensor-1", 22, "match");
        check(&hashed("sensor-1"), "SENSOR-1", 22, "match");
        check(&hashed("[sensor-1]:2222"), "sensor-1", 2222, "match");
        check(&hashed("sensor-1"), "sensor-2", 22, "unknown");
        check("|2|c2FsdA==|c2FsdA==", "sensor-1", 22, "unknown");
        check(&format!("sensor-1,{}", "x".repeat(1022)), "sensor-1", 22, "match");
        check(&format!("sensor-1,{}", "x".repeat(1023)), "sensor-1", 22, "unknown");
    }

    #[test]
    fn a_revoked_key_is_refused_wherever_its_line_stands() {
        let plain = entry("h", "ssh-ed25519", 1);
        let revoked = format!("@revoked {}", entry("*", "ssh-ed25519", 1));
        assert_eq!(word(&format!("{plain}\n{revoked}\n"), "h", 22), "revoked");
        assert_eq!(word(&format!("{revoked}\n{plain}\n"), "h", 22), "revoked");
        assert_eq!(word(&format!("{plain}\n@revoked {}\n", entry("*", "ssh-ed25519", 2)), "h", 22), "match");
        assert_eq!(word(&format!("@revoked {}\n", entry("h", "ssh-ed25519", 1)), "h", 2222), "revoked");
    }

    #[test]
    fn another_key_is_a_mismatch_and_a_second_line_can_still_match() {
        let (right, wrong) = (entry("h", "ssh-ed25519", 1), entry("h", "ssh-ed25519", 2));
        assert_eq!(word(&wrong, "h", 22), "mismatch");
        assert_eq!(word(&wrong, "h", 2222), "unknown");
        assert_eq!(word(&entry("h", "ssh-rsa", 3), "h", 22), "mismatch");
        for text in [format!("{right}\n{wrong}"), format!("{wrong}\n{right}")] {
            assert_eq!(word(&text, "h", 22), "match");
        }
    }

    #[test]
    fn lines_that_are_not_understood_cost_only_themselves() {
        let right = entry("h", "ssh-ed25519", 1);
        let cut = &right[..right.len() - 9];
        for bad in ["h", "h ssh-ed25519", cut, "# c", "   # indented", "@other h x y", "h ssh-rsa !!", "\0\u{fffd}"] {
            assert_eq!(word(&format!("{bad}\n{right} comment\n"), "h", 22), "match", "after {bad:?}");
            assert_eq!(word(bad, "h", 22), "unknown", "{bad:?}");
        }
        let dos = format!("   # note\r\n \t{right}\r\n");
        assert_eq!(word(&dos, "h", 22), "match");
    }

    #[test]
    fn a_certificate_authority_is_named_and_does_not_match() {
        let authority = format!("@cert-authority {}", entry("*", "ssh-ed25519", 1));
        assert_eq!(word(&authority, "h", 22), "authority");
        assert_eq!(word(&format!("{authority}\n{}", entry("h", "ssh-ed25519", 1)), "h", 22), "match");
    }

    #[test]
    fn known_types_come_in_order_and_once() {
        let text = [
            entry("h", "ssh-rsa", 1),
            entry("h", "ssh-ed25519", 2),
            entry("h", "ssh-rsa", 3),
            format!("@revoked {}", entry("h", "ecdsa-sha2-nistp256", 4)),
        ];
        let known = KnownHosts::parse([(Path::new("f"), text.join("\n").as_str())]);
        assert_eq!(known.key_types("h", 22), ["ssh-rsa", "ssh-ed25519"]);
        assert!(known.key_types("other", 22).is_empty() && known.key_types("h", 2222).is_empty());
    }

    #[test]
    fn a_mismatch_tells_file_line_and_fingerprint() {
        let text = format!("# first\n{}\n", entry("h", "ssh-ed25519", 2));
        let known = KnownHosts::parse([(Path::new("/k"), text.as_str())]);
        let Verdict::Mismatch(found) = known.judge("h", 22, &key("ssh-ed25519", 1)) else { panic!("a mismatch") };
        assert_eq!((found.file.as_path(), found.line), (Path::new("/k"), 2));
        assert_eq!(found.fingerprint, fingerprint(&key("ssh-ed25519", 2)));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let line = line_for("H", 2222, &key("ssh-ed25519", 1)).unwrap();
        assert_eq!(word(&line, "h", 2222), "match");
    }

    proptest! {
        #[test]
        fn no_text_and_no_key_breaks_it(text in "(?s).{0,200}", host in ".{0,20}", key in prop::collection::vec(any::<u8>(), 0..64)) {
            let known = KnownHosts::parse([(Path::new("f"), text.as_str())]);
            let _ = known.judge(&host, 2222, &key);
            let _ = (known.key_types(&host, 22), key_type(&key));
        }

        #[test]
        fn a_pattern_without_wildcards_matches_itself_alone(a in "[a-c]{0,4}", b in "[a-c]{0,4}") {
            prop_assert_eq!(matches_pattern(a.as_bytes(), b.as_bytes()), a == b);
        }
    }
}
