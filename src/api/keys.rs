//! The four CURVE keys of a cluster, as Z85 text. Source: `Cluster::Backend::ZeroMQ::curve_*`, ZeroMQ RFC 32.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Length of a key as Z85 text: 32 bytes.
pub const Z85_KEY_LEN: usize = 40;

/// One CURVE key as Z85 text of 40 characters. `Debug` prints nothing of it; equal keys compare equal.
#[derive(Clone, PartialEq, Eq)]
pub struct Z85Key(String);

/// Text that is not a CURVE key; it says nothing about the text but its length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another length than [`Z85_KEY_LEN`].
    #[error("a CURVE key has {Z85_KEY_LEN} characters of Z85, this one has {found}")]
    Length {
        /// Characters found, surrounding blanks and line ends not counted.
        found: usize,
    },
    /// A character outside the Z85 alphabet, or five characters beyond 32 bits.
    #[error("a CURVE key holds a character at position {position} that Z85 does not allow there")]
    Alphabet {
        /// From 1.
        position: usize,
    },
}

impl Z85Key {
    /// Reads a key as it stands in a key file; blanks and line ends around it are ignored.
    ///
    /// # Errors
    /// [`KeyError::Length`] for another length than [`Z85_KEY_LEN`], [`KeyError::Alphabet`] for a character that Z85
    /// does not allow where it stands.
    pub fn parse(text: &str) -> Result<Z85Key, KeyError> {
        let text = text.trim();
        let found = text.chars().count();
        if found != Z85_KEY_LEN {
            return Err(KeyError::Length { found });
        }
        match first_foreign(text) {
            Some(position) => Err(KeyError::Alphabet { position }),
            None => Ok(Z85Key(text.to_owned())),
        }
    }

    /// The 40 characters. Whoever asks for a secret key keeps it out of logs, arguments and messages.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Position (from 1) of the first character that cannot stand where it stands.
fn first_foreign(text: &str) -> Option<usize> {
    let foreign = text.bytes().position(|b| z85_digit(b).is_none()).map(|i| i + 1);
    foreign.or_else(|| {
        let overflow = text.as_bytes().chunks(5).position(|group| {
            let value = group.iter().fold(0u64, |sum, &b| sum * 85 + u64::from(z85_digit(b).unwrap_or(0)));
            value > u64::from(u32::MAX)
        });
        overflow.map(|group| group * 5 + 1)
    })
}

/// The value of a Z85 digit. Source: ZeroMQ RFC 32.
fn z85_digit(byte: u8) -> Option<u8> {
    const ALPHABET: &[u8; 85] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    ALPHABET.iter().position(|&digit| digit == byte).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Debug for Z85Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Z85Key(..)")
    }
}

/// One server pair and one client pair, shared by all nodes of a cluster.
///
/// As JSON an object with the names of [`KEY_FILES`]: what an agent hands to control and what an export holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "KeyTexts", into = "KeyTexts")]
pub struct CurveKeys {
    /// `curve_server_publickey`.
    pub server_public: Z85Key,
    /// `curve_server_secretkey`.
    pub server_secret: Z85Key,
    /// `curve_client_publickey`.
    pub client_public: Z85Key,
    /// `curve_client_secretkey`.
    pub client_secret: Z85Key,
}

/// File names of the four keys, as zeekctl has them; each file holds one key and a line end.
pub const KEY_FILES: [&str; 4] = ["server_publickey", "server_secretkey", "client_publickey", "client_secretkey"];

/// The folder of a release that holds them.
pub const KEY_FOLDER: &str = "keys";

/// The one key that only hosts with a listening node receive: with it a host can pose as the manager or a logger.
pub const SERVER_SECRET: &str = KEY_FILES[1];

/// Whether a file of a release holds a key.
pub fn is_key_file(path: &Path) -> bool {
    path.parent() == Some(Path::new(KEY_FOLDER))
}

impl CurveKeys {
    /// Reads the four texts, in the order of [`KEY_FILES`].
    ///
    /// # Errors
    /// The [`KeyError`] of the first text that is no key.
    pub fn parse(texts: [&str; 4]) -> Result<CurveKeys, KeyError> {
        let [server_public, server_secret, client_public, client_secret] = texts.map(Z85Key::parse);
        Ok(CurveKeys {
            server_public: server_public?,
            server_secret: server_secret?,
            client_public: client_public?,
            client_secret: client_secret?,
        })
    }

    /// File name and key, in the order of [`KEY_FILES`].
    pub fn files(&self) -> [(&'static str, &Z85Key); 4] {
        let keys = [&self.server_public, &self.server_secret, &self.client_public, &self.client_secret];
        let mut keys = keys.into_iter();
        KEY_FILES.map(|name| (name, keys.next().expect("as many names as keys")))
    }
}

/// The four keys before they are checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTexts {
    server_publickey: String,
    server_secretkey: String,
    client_publickey: String,
    client_secretkey: String,
}

impl TryFrom<KeyTexts> for CurveKeys {
    type Error = KeyError;

    fn try_from(texts: KeyTexts) -> Result<CurveKeys, KeyError> {
        let KeyTexts { server_publickey, server_secretkey, client_publickey, client_secretkey } = &texts;
        CurveKeys::parse([server_publickey, server_secretkey, client_publickey, client_secretkey])
    }
}

impl From<CurveKeys> for KeyTexts {
    fn from(keys: CurveKeys) -> KeyTexts {
        KeyTexts {
            server_publickey: keys.server_public.0,
            server_secretkey: keys.server_secret.0,
            client_publickey: keys.client_public.0,
            client_secretkey: keys.client_secret.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    #[test]
    fn a_key_is_read_with_its_line_end_and_never_shown() {
        let key = Z85Key::parse(&format!("{KEY}\n")).expect("a key of RFC 26");
        assert_eq!(key.expose(), KEY);
        assert_eq!(format!("{key:?}"), "Z85Key(..)");
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        assert_eq!(Z85Key::parse("short"), Err(KeyError::Length { found: 5 }));
        assert_eq!(Z85Key::parse(&KEY.replace('}', "~")), Err(KeyError::Alphabet { position: 7 }));
        assert_eq!(Z85Key::parse(&format!("{}#####", &KEY[5..])), Err(KeyError::Alphabet { position: 36 }));
    }

    #[test]
    fn keys_are_the_same_after_json_and_a_damaged_one_is_refused() {
        let keys = CurveKeys::parse([KEY; 4]).expect("keys");
        let json = serde_json::to_string(&keys).expect("text");
        assert_eq!(serde_json::from_str::<CurveKeys>(&json).expect("keys"), keys);
        let damaged = json.replacen(&KEY[..5], "~~~~~", 1);
        let refused = serde_json::from_str::<CurveKeys>(&damaged).expect_err("damaged").to_string();
        assert!(refused.contains("position 1") && !refused.contains(&KEY[5..]), "{refused}");
    }

    #[test]
    fn files_come_in_the_order_of_their_names() {
        let keys = CurveKeys::parse([KEY; 4]).expect("keys");
        assert_eq!(keys.files().map(|(name, _)| name), KEY_FILES);
    }
}
