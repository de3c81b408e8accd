//! The HTTP server of a node's `metrics_port`: `/metrics` on every node, `/services.json` on the manager.
//!
//! Compatibility: `cluster.md` 5.1. Failure: whoever connects gets one answer and little time. A connection ends after
//! [`LIFETIME`] beyond what the figures may take, or after [`MAX_REQUEST`] octets of request; beyond [`CONNECTIONS`] of them
//! the oldest makes room, so that many silent ones keep nobody out.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::exposition::{self, Format};
use super::registry::Families;
use crate::api::metrics::{MetricFamily, Summary};

/// Connections at once.
const CONNECTIONS: usize = 16;
/// How long a connection may last beyond the time that the figures may take.
const LIFETIME: Duration = Duration::from_secs(10);
/// How long connections may go on when the node ends.
const FAREWELL: Duration = Duration::from_millis(500);
/// Octets that are taken from one connection. Prometheus sends about 400.
const MAX_REQUEST: usize = 16 << 10;
/// What counts as lately where latencies are told, the most of them that are kept, and the shares that are told. Source: the
/// exposer of prometheus-cpp, which Zeek serves with.
const LATELY: Duration = Duration::from_secs(60);
const OBSERVATIONS: usize = 1024;
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
/// How long to wait when the system gives no more descriptors.
const REST: Duration = Duration::from_millis(100);

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is none.
    #[error("'{address}' is no IP address")]
    Address {
        /// `Telemetry::metrics_address`.
        address: String,
    },
    /// The port cannot be bound. The words are Zeek's.
    #[error("Failed to setup Prometheus endpoint: {source}. Attempted to bind to {address}.")]
    Bind {
        /// Address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Who knows the figures.
pub trait Source: Clone + Send + Sync + 'static {
    /// How long an answer may take; it may change.
    fn within(&self) -> Duration;

    /// Everything; else why there is nothing, in a sentence. Ends within that time.
    fn families(&self) -> impl Future<Output = Result<Vec<MetricFamily>, String>> + Send;

    /// The text of `/services.json`; none where there is none.
    fn services(&self) -> impl Future<Output = Result<Option<String>, String>> + Send;
}

/// A bound port, ready to be served.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    figures: Arc<Figures>,
}

/// Zeek's `exposer_*`.
#[derive(Debug, Default)]
struct Figures {
    scrapes: AtomicU64,
    transferred: AtomicU64,
    latencies: Mutex<Latencies>,
}

/// How long answers took, in microseconds.
#[derive(Debug, Default)]
struct Latencies {
    count: u64,
    sum: f64,
    /// Those of the last [`LATELY`], the oldest first; [`OBSERVATIONS`] at most.
    lately: VecDeque<(Instant, f64)>,
}

impl Latencies {
    fn add(&mut self, took: Duration, now: Instant) {
        let micros = took.as_micros() as f64;
        self.count += 1;
        self.sum += micros;
        if self.lately.len() == OBSERVATIONS {
            self.lately.pop_front();
        }
        self.lately.push_back((now, micros));
    }

    fn summary(&self, now: Instant) -> Summary {
        let lately = self.lately.iter().filter(|(at, _)| now.saturating_duration_since(*at) < LATELY);
        let mut sorted: Vec<f64> = lately.map(|(_, micros)| *micros).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted.get(((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
        Summary { count: self.count, sum: self.sum, quantiles: QUANTILES.map(|share| (share, at(share))).to_vec() }
    }
}

impl Server {
    /// Binds `Telemetry::metrics_address` and the port; an empty address stands for all, of both families where there are
    /// both. Port 0 lets the system choose. Must be called within a runtime.
    ///
    /// # Errors
    /// When the address is none, or the port cannot be had.
    pub fn bind(address: &str, port: u16) -> Result<Server, ServeError> {
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let bound = match bare {
            "" => match listen(Ipv6Addr::UNSPECIFIED.into(), port) {
                // A system without IPv6.
                Err(ServeError::Bind { source, .. }) if !is_taken(&source) => {
                    listen(Ipv4Addr::UNSPECIFIED.into(), port)
                }
                bound => bound,
            },
            one => match one.parse() {
                Ok(ip) => listen(ip, port),
                Err(_) => Err(ServeError::Address { address: address.to_owned() }),
            },
        };
        let (listener, address) = bound?;
        Ok(Server { listener, address, figures: Arc::default() })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it tells of itself, for a registry.
    pub fn teller(&self) -> impl Fn(&mut Families) + Send + Sync + 'static {
        let figures = Arc::clone(&self.figures);
        move |families| {
            let transferred = figures.transferred.load(Ordering::Relaxed);
            families.bare_counter(
                "exposer_transferred_bytes_total",
                "Transferred bytes to metrics services",
                transferred,
            );
            let scrapes = figures.scrapes.load(Ordering::Relaxed);
            families.bare_counter("exposer_scrapes_total", "Number of times metrics were scraped", scrapes);
            let latencies = figures.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            let help = "Latencies of serving scrape requests, in microseconds";
            families.bare_summary("exposer_request_latencies", help, latencies.summary(Instant::now()));
        }
    }

    /// Answers until told to stop.
    ///
    /// # Errors
    /// Only what axum gives, and version 0.8 gives none.
    pub async fn serve(self, source: impl Source, stop: CancellationToken) -> io::Result<()> {
        let Server { listener, address, figures } = self;
        let gate = Gate { listener, address, open: VecDeque::new(), source: source.clone(), stop: stop.clone() };
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/services.json", get(services))
            .with_state((source, figures));
        axum::serve(gate, router).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

fn listen(ip: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = SocketAddr::new(ip, port);
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((TcpListener::from_std(listener)?, bound))
    });
    bound.map_err(|source| ServeError::Bind { address, source })
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

type Shared<S> = State<(S, Arc<Figures>)>;

async fn metrics<S: Source>(State((source, figures)): Shared<S>, asked: HeaderMap) -> Response {
    let began = Instant::now();
    let families = match source.families().await {
        Ok(families) => families,
        Err(why) => return answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", why.into_bytes()),
    };
    let format = Format::accepted(&text(&asked, header::ACCEPT));
    let page = exposition::write(&families, format).into_bytes();
    let mut response = match wants_gzip(&text(&asked, header::ACCEPT_ENCODING)) {
        true => match gzip(&page) {
            Ok(packed) => {
                let mut response = counted(&figures, StatusCode::OK, format.content_type(), packed);
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                response
            }
            Err(_) => counted(&figures, StatusCode::OK, format.content_type(), page),
        },
        false => counted(&figures, StatusCode::OK, format.content_type(), page),
    };
    let mut latencies = figures.latencies.lock().unwrap_or_else(PoisonError::into_inner);
    latencies.add(began.elapsed(), Instant::now());
    drop(latencies);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

async fn services<S: Source>(State((source, _)): Shared<S>) -> Response {
    match source.services().await {
        Ok(Some(document)) => answer(StatusCode::OK, "application/json", document.into_bytes()),
        Ok(None) => {
            let why = "only a manager tells where the nodes' metrics are".to_owned();
            answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", why.into_bytes())
        }
        Err(why) => answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", why.into_bytes()),
    }
}

fn counted(figures: &Figures, status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response {
    figures.scrapes.fetch_add(1, Ordering::Relaxed);
    figures.transferred.fetch_add(body.len() as u64, Ordering::Relaxed);
    answer(status, kind, body)
}

/// One answer a connection: who scrapes every fifteen seconds loses nothing by a new one, and time limits stay simple.
fn answer(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, kind), (header::CONNECTION, "close")], body).into_response()
}

fn text(asked: &HeaderMap, name: header::HeaderName) -> String {
    let values = asked.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn wants_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let refused = |quality: &str| quality.parse::<f32>() == Ok(0.0);
        parts.next() == Some("gzip") && !parts.any(|part| part.strip_prefix("q=").is_some_and(refused))
    })
}

fn gzip(page: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(page)?;
    packer.finish()
}

/// Lets connections in, and ends those that are over.
struct Gate<S> {
    listener: TcpListener,
    address: SocketAddr,
    /// Ends each connection that may still be open, the oldest first.
    open: VecDeque<CancellationToken>,
    /// Knows how long its answers may take.
    source: S,
    stop: CancellationToken,
}

impl<S: Source> Listener for Gate<S> {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => return (self.admit(stream), from),
                Err(error) => {
                    tracing::debug!(%error, "no connection could be taken");
                    sleep(REST).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl<S: Source> Gate<S> {
    fn admit(&mut self, stream: TcpStream) -> Guest {
        self.open.retain(|token| !token.is_cancelled());
        if self.open.len() >= CONNECTIONS
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.cancel();
        }
        let token = CancellationToken::new();
        self.open.push_back(token.clone());
        let (lifetime, stop, ended) = (LIFETIME + self.source.within(), self.stop.clone(), token.clone());
        let over = async move {
            tokio::select! {
                () = sleep(lifetime) => {}
                () = ended.cancelled() => {}
                () = async { stop.cancelled().await; sleep(FAREWELL).await } => {}
            }
        };
        Guest { stream, over: Box::pin(over), taken: 0, token }
    }
}

/// One connection.
struct Guest {
    stream: TcpStream,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    taken: usize,
    token: CancellationToken,
}

impl Guest {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.over.as_mut().poll(cx) {
            Poll::Ready(()) => {
                // Polled again it would panic.
                self.over = Box::pin(std::future::ready(()));
                Err(io::ErrorKind::TimedOut.into())
            }
            Poll::Pending if self.taken > MAX_REQUEST => Err(io::ErrorKind::InvalidData.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.token.cancel();
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.taken += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
