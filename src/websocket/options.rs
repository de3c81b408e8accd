//! `Cluster::WebSocketServerOptions` and what must not be in it. Source: `websocket.md` 2 and 3.

use std::net::IpAddr;
use std::time::Duration;

use super::error::ListenError;

/// `Cluster::default_websocket_max_event_queue_size`.
const DEFAULT_MAX_EVENT_QUEUE_SIZE: usize = 32;
/// `Cluster::default_websocket_ping_interval`.
const DEFAULT_PING_INTERVAL: Duration = Duration::from_secs(5);
/// Enough for a client that reads in bursts.
const DEFAULT_MAX_BACKLOG: usize = 64 << 20;
/// What `max_event_queue_size` 0 stands for, and the most that it can be: nothing here is unlimited.
const MAX_EVENT_QUEUE_SIZE: usize = 65_536;

/// `Cluster::WebSocketServerOptions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketServerOptions {
    /// `listen_addr`: the address of this machine to listen on.
    pub listen_addr: IpAddr,
    /// `listen_port`, TCP; 0: one that the system chooses.
    pub listen_port: u16,
    /// `max_event_queue_size`: events of all clients that may wait for the node before the clients have to, default 32;
    /// 0: 65,536, which is also the most.
    pub max_event_queue_size: usize,
    /// `ping_interval`: after so long without a pong a client is dropped, default 5 s; truncated to whole seconds, below
    /// one second nobody is pinged.
    pub ping_interval: Duration,
    /// `max_backlog`: octets of events that may wait for one client, about; a client that falls further behind is closed with
    /// code 1008. Zeek knows no bound.
    pub max_backlog: usize,
    /// `origins`: what the header `Origin` of a browser may say beside this server's own address; `*` is anything. Zeek does not
    /// look at it.
    pub origins: Vec<String>,
    /// `tls_options`; without a certificate there is no TLS.
    pub tls_options: WebSocketTLSOptions,
}

/// `Cluster::WebSocketTLSOptions`: plain text without a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocketTLSOptions {
    /// `cert_file`: PEM, a chain if need be; empty together with `key_file`: TLS without certificate, for anonymous ciphers.
    pub cert_file: Option<String>,
    /// `key_file`: PEM.
    pub key_file: Option<String>,
    /// `enable_peer_verification`: clients must present a certificate that verifies.
    pub enable_peer_verification: bool,
    /// `ca_file`: what clients' certificates are verified against: a PEM file, PEM text, `SYSTEM` (also when it is empty) for
    /// the system's authorities, or `NONE` for no verification at all.
    pub ca_file: String,
    /// `ciphers`: OpenSSL's cipher list for TLS 1.2; empty or `DEFAULT` for ECDHE and DHE with AES.
    pub ciphers: String,
}

impl WebSocketServerOptions {
    /// A server on an address and port, everything else as in Zeek.
    pub fn new(listen_addr: IpAddr, listen_port: u16) -> WebSocketServerOptions {
        WebSocketServerOptions {
            listen_addr,
            listen_port,
            max_event_queue_size: DEFAULT_MAX_EVENT_QUEUE_SIZE,
            ping_interval: DEFAULT_PING_INTERVAL,
            max_backlog: DEFAULT_MAX_BACKLOG,
            origins: Vec::new(),
            tls_options: WebSocketTLSOptions::default(),
        }
    }

    /// `<addr>:<port>` as Zeek writes it.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.listen_addr, self.listen_port)
    }

    pub(super) fn queue_size(&self) -> usize {
        match self.max_event_queue_size {
            0 => MAX_EVENT_QUEUE_SIZE,
            size => size.min(MAX_EVENT_QUEUE_SIZE),
        }
    }

    /// None: nobody is pinged.
    pub(super) fn pings(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.ping_interval.as_secs())).filter(|interval| !interval.is_zero())
    }
}

impl WebSocketTLSOptions {
    /// Certificate and key; none for plain text.
    pub(super) fn files(&self) -> Result<Option<(&str, &str)>, ListenError> {
        match (&self.cert_file, &self.key_file) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(ListenError::NoKeyFile),
            (None, Some(_)) => Err(ListenError::NoCertFile),
            (Some(cert), Some(key)) if cert.is_empty() && !key.is_empty() => Err(ListenError::NoCertFile),
            (Some(cert), Some(key)) if key.is_empty() && !cert.is_empty() => Err(ListenError::NoKeyFile),
            (Some(cert), Some(key)) => Ok(Some((cert, key))),
        }
    }
}
