//! All WebSocket servers of one node: `Cluster::listen_websocket`.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::counters::{Apps, WebSocketFigures};
use super::error::ListenError;
use super::options::WebSocketServerOptions;
use super::server::{Server, Shared};
use crate::cluster::{Handle, Kept, Topics};

/// The servers of one node; cheap to clone.
#[derive(Clone)]
pub struct WebSocketServers {
    inner: Arc<Inner>,
}

struct Inner {
    handle: Handle,
    apps: Arc<Apps>,
    next: Arc<AtomicU64>,
    running: Mutex<Vec<Running>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Running {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl WebSocketServers {
    /// None yet, for clients of the node of this handle. `kept` is `Cluster::Telemetry::websocket_metrics`, and `topics`
    /// are the cluster's.
    pub fn new(handle: Handle, kept: Kept, topics: Topics) -> WebSocketServers {
        let (apps, next, running) = (Arc::new(Apps::new(kept, topics)), Arc::default(), Mutex::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        WebSocketServers { inner: Arc::new(Inner { handle, apps, next, running, tasks, stop }) }
    }

    /// `Cluster::listen_websocket`: begins to listen; the result is where. With the options of a server that runs already
    /// nothing happens. To be called in a task runtime.
    ///
    /// # Errors
    /// Wrong options, files that cannot be used, an address that cannot be bound, another server on that address.
    pub fn listen_websocket(&self, options: WebSocketServerOptions) -> Result<SocketAddr, ListenError> {
        let Inner { handle, apps, next, running, tasks, stop } = &*self.inner;
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.is_cancelled() {
            return Err(ListenError::Ended);
        }
        let (addr, port) = (options.listen_addr, options.listen_port);
        let same_place = |other: &&Running| {
            let other = &other.shared.options;
            port != 0 && other.listen_addr == addr && other.listen_port == port
        };
        match running.iter().find(same_place) {
            Some(same) if same.shared.options == options => return Ok(same.address),
            Some(_) => return Err(ListenError::AlreadyListening { addr, port }),
            None => {}
        }
        let shared = Shared::new(handle.clone(), options, Arc::clone(apps), Arc::clone(next));
        let server = Server::bind(Arc::clone(&shared))?;
        let address = server.address();
        tasks.spawn(server.run(stop.clone()));
        tasks.close();
        running.push(Running { shared, address });
        Ok(address)
    }

    /// Pings the clients of all servers in another interval (`ping_interval`) from now on.
    pub fn set_ping_interval(&self, ping_interval: Duration) {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        for one in running.iter() {
            let every = WebSocketServerOptions { ping_interval, ..one.shared.options.clone() }.pings();
            one.shared.pings.send_if_modified(|now| std::mem::replace(now, every) != every);
        }
    }

    /// Keeps other figures (`Cluster::Telemetry::websocket_metrics`) from now on; those by topic begin anew then.
    pub fn keep(&self, kept: Kept) {
        self.inner.apps.keep(kept);
    }

    /// What has been counted so far.
    pub fn figures(&self) -> WebSocketFigures {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        let servers = running.iter().map(|one| one.shared.counters.figures(&one.shared.options.address())).collect();
        WebSocketFigures { servers, apps: self.inner.apps.figures() }
    }

    /// Sends every client a Close 1001 `Terminating`, waits for them, and hands over what they said last: within two
    /// seconds, as long as the node takes it.
    pub async fn end(&self) {
        self.inner.stop.cancel();
        self.ended().await;
    }

    /// Waits until no server works any more, which before [`WebSocketServers::end`] is a defect; at once when there is none.
    pub async fn ended(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Drop for Inner {
    /// Nobody can end them in order any more.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
