//! One listening address: takes connections in, sees each through its handshakes, and ends in order.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use openssl::ssl::{Ssl, SslContext};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_openssl::SslStream;
use tokio_util::sync::CancellationToken;

use super::counters::{Apps, ServerCounters};
use super::dispatch::{self, Queue};
use super::encoder::Encoder;
use super::error::ListenError;
use super::options::WebSocketServerOptions;
use super::session::Client;
use super::{tls, upgrade};
use crate::cluster::Handle;

/// Most connections of one server, handshakes included; further ones are closed at once. Source: `websocket.md` 2.
pub const MAX_CLIENTS: usize = 100;
/// How long a TLS handshake may take, and then the HTTP request. Source: `websocket.md` 2.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// How long a refused client may take to take the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// After the system refused to accept a connection: it has no descriptors or no memory.
const RETRY: Duration = Duration::from_millis(100);
/// What strangers do wrong is told no more often than this.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// What a server's clients share.
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) options: WebSocketServerOptions,
    pub(super) counters: ServerCounters,
    pub(super) apps: Arc<Apps>,
    pub(super) encoder: Encoder,
    /// The number of the next connection of any server of the node.
    pub(super) next: Arc<AtomicU64>,
    /// The ping interval as it is now; none: nobody is pinged.
    pub(super) pings: watch::Sender<Option<Duration>>,
    /// Octets that all clients have begun to send, and their subscriptions; bounded by [`super::quota`].
    pub(super) begun: Arc<AtomicUsize>,
    pub(super) subscribed: Arc<AtomicUsize>,
    complaints: Mutex<Complaints>,
}

#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    left_out: u64,
}

/// A server that is bound and not yet running.
pub(super) struct Server {
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<SslContext>,
}

impl Shared {
    pub(super) fn new(
        handle: Handle,
        options: WebSocketServerOptions,
        apps: Arc<Apps>,
        next: Arc<AtomicU64>,
    ) -> Arc<Shared> {
        let (counters, encoder, complaints) = (ServerCounters::default(), Encoder::default(), Mutex::default());
        let (pings, begun, subscribed) = (watch::channel(options.pings()).0, Arc::default(), Arc::default());
        Arc::new(Shared { handle, options, counters, apps, encoder, next, pings, begun, subscribed, complaints })
    }

    /// Tells the operator what a stranger did, now and then.
    fn complain(&self, peer: SocketAddr, what: &str) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.last.is_some_and(|last| last.elapsed() < COMPLAIN_EVERY) {
            complaints.left_out += 1;
            return;
        }
        let left_out = std::mem::take(&mut complaints.left_out);
        complaints.last = Some(Instant::now());
        tracing::warn!(%peer, left_out, "WebSocket server on {}: {what}", self.options.address());
    }
}

impl Server {
    /// Checks the options and binds. To be called in a task runtime.
    pub(super) fn bind(shared: Arc<Shared>) -> Result<Server, ListenError> {
        let options = &shared.options;
        let tls = tls::context(&options.tls_options)?;
        let (addr, port) = (options.listen_addr, options.listen_port);
        let failed = |source| ListenError::Bind { addr, port, source };
        let listener = StdListener::bind((addr, port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        Ok(Server { shared, listener, address, tls })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop; then tells every client and waits for them.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Server { shared, listener, tls, .. } = self;
        let (queue, items) = mpsc::channel(shared.options.queue_size());
        let dispatching = tokio::spawn(dispatch::run(items, shared.handle.clone()));
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = sessions.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) if sessions.len() < MAX_CLIENTS => {
                        let arrival = Arrival::new(&shared, &queue, peer, &stop);
                        sessions.spawn(arrival.welcome(stream, tls.clone()));
                    }
                    Ok((_, peer)) => {
                        shared.counters.too_many.add(1);
                        shared.complain(peer, &format!("there are {MAX_CLIENTS} clients already, not accepting connection"));
                    }
                    Err(error) => {
                        tracing::warn!("WebSocket server cannot accept: {error}");
                        sleep(RETRY).await;
                    }
                },
            }
            shared.counters.clients.set(sessions.len() as u64);
        }
        drop((listener, queue));
        while sessions.join_next().await.is_some() {}
        // What they said last is handed over.
        if dispatching.await.is_err() {
            tracing::warn!("the WebSocket server's queue ended before its time");
        }
    }
}

/// A connection that is no client yet.
struct Arrival {
    shared: Arc<Shared>,
    queue: Queue,
    peer: SocketAddr,
    number: u64,
    stop: CancellationToken,
}

impl Arrival {
    fn new(shared: &Arc<Shared>, queue: &Queue, peer: SocketAddr, stop: &CancellationToken) -> Arrival {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        Arrival { shared: Arc::clone(shared), queue: queue.clone(), peer, number, stop: stop.clone() }
    }

    async fn welcome(self, stream: TcpStream, tls: Option<SslContext>) {
        // Small messages are not to wait for more; where the system refuses that, they do.
        let _delayed = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.upgrade(stream).await };
        match self.secure(stream, &tls).await {
            Ok(stream) => self.upgrade(stream).await,
            Err(reason) => {
                self.shared.counters.refused.add(1);
                self.shared.complain(self.peer, &format!("TLS handshake failed: {reason}"));
            }
        }
    }

    async fn secure(&self, stream: TcpStream, tls: &SslContext) -> Result<SslStream<TcpStream>, String> {
        let stream = Ssl::new(tls).and_then(|ssl| SslStream::new(ssl, stream));
        let mut stream = stream.map_err(|error| error.to_string())?;
        let accepted = tokio::select! {
            () = self.stop.cancelled() => return Err("the server ends".to_owned()),
            accepted = timeout(HANDSHAKE_WITHIN, Pin::new(&mut stream).accept()) => accepted,
        };
        match accepted {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("not done after {} s", HANDSHAKE_WITHIN.as_secs())),
        }
    }

    async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) {
        let mut buffer = BytesMut::with_capacity(1024);
        let deadline = Instant::now() + HANDSHAKE_WITHIN;
        let request = tokio::select! {
            () = self.stop.cancelled() => return,
            request = upgrade::read(&mut stream, &mut buffer, deadline) => request,
        };
        let request = match request {
            // It left.
            None => return,
            Some(Err(refused)) => {
                self.shared.counters.refused.add(1);
                self.shared.complain(self.peer, &format!("HTTP status: {} error: {}", refused.status, refused.text));
                return refuse(stream, &refused.answer()).await;
            }
            Some(Ok(request)) => request,
        };
        if let Some(refused) = request.foreign_origin(&self.shared.options.origins) {
            self.shared.counters.refused.add(1);
            self.shared.complain(self.peer, &refused.text);
            return refuse(stream, &refused.answer()).await;
        }
        let accepted = timeout_at(deadline, write(&mut stream, &request.accept())).await;
        if !matches!(accepted, Ok(Ok(()))) {
            return;
        }
        let client = Client::new(&self.shared, self.queue, self.number, self.peer, request.application_name);
        client.serve(stream, buffer, &self.stop).await;
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// Answers and reads on for a moment, so that the system does not throw the answer away together with what was not read.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &str) {
    let answered = async {
        write(&mut stream, answer).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // It is refused, whether it hears of it or not.
    let _either = timeout(ANSWER_WITHIN, answered).await;
}
