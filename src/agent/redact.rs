//! Leaves secrets out of what is handed to people who help: by value, where the agent knows them, and by how they are
//! written, where it does not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::api::agent::Manifest;
use crate::api::diag::REDACTED;
use crate::api::notify::{NOTIFY_FILE, NotifyConfig, NotifyText, NotifyWay};
use crate::api::paths::ClusterDir;

/// Shorter values are words that stand for themselves elsewhere too.
const MIN_CHARS: usize = 6;

/// A larger file is no key.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// `password=x`, `"token": "x"`, `Authorization: Bearer x`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)((?:password|passwd|passphrase|secret|token|api[-_]?key|authorization)["']?\s*[:=]\s*["']?(?:(?:bearer|basic)\s+)?)[^\s"',;&]+"#)
        .expect("a constant pattern")
});

/// A private key in PEM.
static PEM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)")
        .expect("a constant pattern")
});

/// `https://user:password@host`.
static USERINFO: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(://[^/\s:@]+:)[^/\s@]+@").expect("a constant pattern"));

/// The secrets that the agent knows.
#[derive(Debug, Default)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// The content of every file of the host's releases that only its owner may read, and what the layout sets in the
    /// environment of nodes under a name that says so.
    pub fn of(dir: &ClusterDir, manifest: Option<&Manifest>) -> Secrets {
        let mut secrets = Secrets::default();
        for release in fs::read_dir(dir.releases()).into_iter().flatten().flatten() {
            secrets.take_folder(&release.path(), 0);
        }
        for node in manifest.iter().flat_map(|manifest| &manifest.nodes) {
            let named = node.env.iter().filter(|(name, _)| is_secret_name(name));
            named.for_each(|(_, value)| secrets.take(value));
        }
        secrets
    }

    fn take_folder(&mut self, folder: &Path, depth: usize) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() && depth < 4 {
                self.take_folder(&entry.path(), depth + 1);
            } else if metadata.is_file()
                && metadata.permissions().mode() & 0o077 == 0
                && metadata.len() <= MAX_KEY_BYTES
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                match entry.file_name() == NOTIFY_FILE {
                    true => self.take_notify(&text),
                    false => text.lines().for_each(|line| self.take(line)),
                }
            }
        }
    }

    /// Addresses and headers that the layout spells out; the rest of the file is no secret.
    fn take_notify(&mut self, text: &str) {
        let config: NotifyConfig = serde_yaml::from_str(text).unwrap_or_default();
        for target in config.values() {
            if let NotifyWay::Http(http) = &target.way {
                for text in std::iter::once(&http.url).chain(http.headers.values()) {
                    if let NotifyText::Value(value) = text {
                        self.take(value);
                    }
                }
            }
        }
    }

    fn take(&mut self, value: &str) {
        let value = value.trim();
        if value.chars().count() >= MIN_CHARS {
            self.0.insert(value.to_owned());
        }
    }

    /// Every text of a JSON value without secrets.
    pub fn leave_out(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.all(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.leave_out(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.leave_out(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text without the secrets that are known by their value.
    fn known(&self, text: String) -> String {
        // The longest first: a secret may be part of another one.
        let mut secrets: Vec<&String> = self.0.iter().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.into_iter().fold(text, |text, secret| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), REDACTED),
            false => text,
        })
    }

    /// The same, and without what is written as a secret.
    fn all(&self, text: &str) -> String {
        let text = PEM.replace_all(text, REDACTED);
        let text = USERINFO.replace_all(&text, format!("${{1}}{REDACTED}@"));
        let text = NAMED.replace_all(&text, format!("${{1}}{REDACTED}"));
        self.known(text.into_owned())
    }
}

/// Whether a variable's name says that its value is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "passw", "passphrase", "credential", "auth"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_a_secret_is_left_out() {
        let secrets = Secrets::default();
        let check = |text: &str, expected: &str| assert_eq!(secrets.all(text), expected);
        check("login with password=hunter2, ok", "login with password=[redacted], ok");
        check(r#"{"api_key": "abc", "n": 1}"#, r#"{"api_key": "[redacted]", "n": 1}"#);
        check("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]");
        check("GET https://ana:pw@host/x", "GET https://ana:[redacted]@host/x");
        check("a\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb", "a\n[redacted]\nb");
        check("the worker has no tokens left", "the worker has no tokens left");
    }

    #[test]
    fn what_is_known_is_left_out_wherever_it_stands() {
        let mut secrets = Secrets::default();
        secrets.take("yKuz&^%<JTa=Ep");
        secrets.take("a \"quoted\" one");
        secrets.take("short");
        let mut value = serde_json::json!({ "a": ["short yKuz&^%<JTa=Ep!a \"quoted\" one", 1], "b": null });
        secrets.leave_out(&mut value);
        assert_eq!(value, serde_json::json!({ "a": ["short [redacted]![redacted]", 1], "b": null }));
    }
}
