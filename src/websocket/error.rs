//! Why a server does not listen. Source: `websocket.md` 2 and 3.

use std::io;
use std::net::IpAddr;

/// Why [`WebSocketServers::listen_websocket`](super::WebSocketServers::listen_websocket) failed; in Zeek's words where Zeek
/// has them.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A certificate without its key.
    #[error("Invalid tls_options: No key_file field")]
    NoKeyFile,
    /// A key without its certificate.
    #[error("Invalid tls_options: No cert_file field")]
    NoCertFile,
    /// There is a server with other options.
    #[error("Already listening on {addr}:{port}")]
    AlreadyListening {
        /// `listen_addr`.
        addr: IpAddr,
        /// `listen_port`.
        port: u16,
    },
    /// The system refuses the address or the port.
    #[error("WebSocket: Unable to listen on {addr}:{port}: {source}{}", hint(source, *port))]
    Bind {
        /// `listen_addr`.
        addr: IpAddr,
        /// `listen_port`.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// A file that `tls_options` names cannot be used.
    #[error("Invalid tls_options: {field} {path}: {reason}")]
    File {
        /// `cert_file`, `key_file` or `ca_file`.
        field: &'static str,
        /// What it names.
        path: String,
        /// What the system or OpenSSL said.
        reason: String,
    },
    /// The key belongs to another certificate.
    #[error("Invalid tls_options: key_file {key_file} is not the key of cert_file {cert_file}")]
    Mismatch {
        /// `cert_file`.
        cert_file: String,
        /// `key_file`.
        key_file: String,
    },
    /// OpenSSL knows none of the ciphers.
    #[error("Invalid tls_options: ciphers {ciphers}: {reason}; `openssl ciphers` shows what a list stands for")]
    Ciphers {
        /// `ciphers`.
        ciphers: String,
        /// What OpenSSL said.
        reason: String,
    },
    /// OpenSSL does not work here.
    #[error("cannot prepare TLS: {reason}")]
    Tls {
        /// What OpenSSL said.
        reason: String,
    },
    /// The node is ending.
    #[error("WebSocket: the node has ended")]
    Ended,
}

/// What to do about a port that cannot be bound.
fn hint(source: &io::Error, port: u16) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => format!("; `ss -tanp 'sport = :{port}'` shows who has it"),
        io::ErrorKind::AddrNotAvailable => "; that is no address of this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "; ports below 1024 are reserved".to_owned(),
        _ => String::new(),
    }
}
