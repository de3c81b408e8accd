//! A foreign member of a cluster: `tests/peer/zeek_peer.py`, over libzmq's own Python binding.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::background::{Background, Line};
use super::python::python;

/// The four keys of a cluster, as the files of a key store hold them.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    pub server_public: String,
    pub server_secret: String,
    pub client_public: String,
    pub client_secret: String,
}

impl Keys {
    pub fn read(folder: &Path) -> Keys {
        let read = |name: &str| {
            let text = std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            text.trim().to_owned()
        };
        Keys {
            server_public: read("server_publickey"),
            server_secret: read("server_secretkey"),
            client_public: read("client_publickey"),
            client_secret: read("client_secretkey"),
        }
    }
}

/// A running peer, which says what it sees as one JSON object a line.
pub struct Peer {
    process: Background,
}

impl Peer {
    /// None where Python or its binding is missing: the test has to be skipped.
    pub fn start(hub: u16, keys: Option<&Keys>, arguments: &[&str]) -> Option<Peer> {
        let mut command = Command::new(python()?);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/zeek_peer.py")).args(arguments);
        command.args(["--xpub", &format!("tcp://127.0.0.1:{hub}"), "--xsub", &format!("tcp://127.0.0.1:{}", hub + 1)]);
        if let Some(keys) = keys {
            // With `=`, as a key may begin with a dash.
            command.arg(format!("--server-public={}", keys.server_public));
            command.arg(format!("--server-secret={}", keys.server_secret));
            command.arg(format!("--client-public={}", keys.client_public));
            command.arg(format!("--client-secret={}", keys.client_secret));
        }
        Some(Peer { process: Background::start(command) })
    }

    /// The next thing that it sees and that is as wanted.
    pub fn sees(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        self.process.wait_for(what, |line| match line {
            Line::Out(text) => serde_json::from_str(text).ok().filter(|value| wanted(value)),
            Line::Err(_) => None,
        })
    }

    pub fn sees_up(&self, name: &str) -> String {
        let seen = self.sees(name, |seen| seen["node_up"] == name);
        seen["id"].as_str().expect("an id").to_owned()
    }

    pub fn tell(&mut self, line: &str) {
        self.process.tell(line);
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }
}
