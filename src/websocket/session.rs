//! One client, from its first frame to its last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::close::Close;
use super::counters::AppCounters;
use super::dispatch::{self, Item, Queue};
use super::inbound::{Inbound, Pulse};
use super::outbound::Outbound;
use super::server::Shared;
use crate::cluster::{EndpointInfo, NetworkInfo};
use crate::data::{Port, Protocol};

/// Answers that may wait for a client; then nothing more of it is read.
const TOLD: usize = 64;
/// How long the last words may take.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(700);
/// How long the client's Close is waited for after the server's. Source: `websocket.md` 5.
const CLOSE_WITHIN: Duration = Duration::from_millis(300);

/// What is known of a client.
pub(super) struct Client {
    pub(super) server: Arc<Shared>,
    pub(super) queue: Queue,
    pub(super) app: Arc<AppCounters>,
    pub(super) endpoint: EndpointInfo,
    /// The endpoint's id as it stands beside each published event.
    pub(super) id: Bytes,
    /// `X-Application-Name`, unchecked.
    pub(super) raw_name: Option<Vec<u8>>,
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What scripts see.
    close: Close,
    who: Who,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The client sent a Close, which is answered.
    Client,
    /// This side sends one and waits for the answer.
    Server,
    /// There is nobody to send it to.
    Nobody,
}

impl End {
    pub(super) fn ours(close: Close) -> End {
        End { close, who: Who::Server }
    }

    pub(super) fn theirs(close: Close) -> End {
        End { close, who: Who::Client }
    }

    pub(super) fn silent(close: Close) -> End {
        End { close, who: Who::Nobody }
    }
}

impl Client {
    pub(super) fn new(
        server: &Arc<Shared>,
        queue: Queue,
        number: u64,
        peer: SocketAddr,
        raw_name: Option<Vec<u8>>,
    ) -> Client {
        let name = raw_name.as_deref().map(|name| String::from_utf8_lossy(name).into_owned());
        let fine = raw_name.as_deref().is_none_or(super::application::is_fine);
        let id = format!("{}-websocket-{number}", String::from_utf8_lossy(server.handle.id()));
        Client {
            app: server.apps.of(name.as_deref().filter(|_| fine)),
            id: Bytes::copy_from_slice(id.as_bytes()),
            endpoint: EndpointInfo {
                id,
                network: NetworkInfo {
                    address: peer.ip().to_canonical().to_string(),
                    bound_port: Port { number: peer.port(), protocol: Protocol::Tcp },
                },
                application_name: name,
            },
            server: Arc::clone(server),
            queue,
            raw_name,
        }
    }

    /// Serves the client until one side ends the connection or the server ends; `read` came behind the request.
    pub(super) async fn serve<S>(&self, stream: S, read: BytesMut, stop: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite,
    {
        let (reading, writing) = tokio::io::split(stream);
        let (tell, told) = mpsc::channel(TOLD);
        let pulse = Pulse::default();
        let mut inbound = Inbound::new(reading, read, self, &pulse, tell);
        let mut outbound = Outbound::new(writing, self, &pulse, told);
        let end = tokio::select! {
            biased;
            () = stop.cancelled() => End::ours(Close::TERMINATING),
            end = inbound.run() => end,
            end = outbound.run() => end,
        };
        if end.who != Who::Nobody {
            outbound.finish(&end.close, LAST_WORDS_WITHIN).await;
        }
        outbound.leave();
        if end.who == Who::Server {
            inbound.farewell(CLOSE_WITHIN).await;
        }
        if end.who != Who::Nobody {
            outbound.shut(CLOSE_WITHIN).await;
        }
        // Zeek, too, says nothing of clients that are there when it ends.
        if inbound.added && !stop.is_cancelled() {
            let lost = Item::Lost(self.endpoint.clone(), end.close);
            // The node may have ended meanwhile.
            let _ended = dispatch::put(&self.queue, lost, &self.server.counters).await;
        }
    }
}
