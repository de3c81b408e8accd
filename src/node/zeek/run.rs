//! The parent of one Zeek.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::archive;
use super::child::Child;
use super::error::ZeekError;
use super::follow::{Seen, follow};
use super::install::{self, Install};
use super::launch::{Launch, Places};
use super::pulse::{self, Pulse, Turn};
use super::sight::Sight;
use super::traffic::Traffic;
use crate::api::config::{NodeConfig, ZeekConfig};
use crate::api::node::{Beat, NodeView};
use crate::api::paths::ClusterDir;
use crate::cluster::stores::Definitions;
use crate::node::api::{Api, Socket};
use crate::node::core_task::Request;
use crate::node::error::NodeError;
use crate::node::live::{Live, Parts};
use crate::node::metrics::{self, Metrics};
use crate::node::options::Redefs;
use crate::node::view::wall_clock;
use crate::node::{ObserveOptions, Stores, config, roles};
use crate::processes;
use crate::transport::zeromq::Keys;
use crate::troubles::Troubles;

/// Requests of the socket that may wait.
const REQUESTS: usize = 16;

/// Runs Zeek as a node until told to stop, or until Zeek ends. How long Zeek may take to stop is for whoever asked it to.
pub(in crate::node) async fn run(
    config: &NodeConfig,
    zeek: &ZeekConfig,
    dir: &ClusterDir,
    stop: CancellationToken,
) -> Result<(), NodeError> {
    let socket = Socket::bind(&dir.node_socket(&config.name))?;
    let install = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        found = install::find(zeek, config.curve_dir.is_some(), dir) => found?,
    };
    let keys = config::curve_keys(config, dir)?;
    let launch = Launch {
        config,
        zeek,
        dir,
        install: &install,
        places: Places::of(config, dir),
        keys: keys.as_ref(),
        program: own_program()?,
    };
    launch.write()?;
    let folder = dir.node(&config.name);
    end_survivors(&folder).await?;
    if roles::of(config).writes_logs {
        archive::leftovers(config, dir);
    }
    let path = pulse::path(&dir.node(&config.name));
    let pulse =
        Pulse::open(&path).map_err(|source| NodeError::System { what: "make the pipe run/NODE/pulse", source })?;
    let child = Child::start(&launch)?;
    let record = processes::zeek_record(&folder);
    processes::remember_process(&record, child.pid).map_err(|source| ZeekError::Write { path: record, source })?;
    tracing::info!(node = %config.name, zeek = %install.zeek.display(), version = %install.version, pid = child.pid, "started");
    let parent = Parent::new(config, &install, child, pulse, keys)?;
    parent.work(config, dir, socket, stop).await
}

/// Ends a Zeek that outlived its parent, with all that it had started: the kernel forgets to end a program that has
/// capabilities of its own (`prctl(2)`, `PR_SET_PDEATHSIG`), as `setcap` gives it. SIGKILL: its successor needs the ports now,
/// and archives its logs.
async fn end_survivors(folder: &Path) -> Result<(), NodeError> {
    let left = processes::survivors(&[folder.to_owned()], &[std::process::id()]);
    for survivor in &left {
        tracing::warn!(pid = survivor.process.pid, "a process of an earlier run is still there, ending it");
    }
    let left = left.into_iter().map(|survivor| survivor.process).collect();
    let ended = spawn_blocking(|| processes::end(left, Duration::ZERO)).await.map_err(io::Error::other);
    let source = match ended {
        Ok(deaf) if deaf.is_empty() => return Ok(()),
        Ok(deaf) => io::Error::new(io::ErrorKind::TimedOut, format!("processes {deaf:?} do not end")),
        Err(error) => error,
    };
    Err(NodeError::System { what: "end the zeek that an earlier run left behind", source })
}

/// As the agent started it; a replaced file keeps its old name here.
fn own_program() -> Result<PathBuf, NodeError> {
    env::current_exe().map_err(|source| NodeError::System { what: "find this program", source })
}

struct Parent {
    child: Child,
    pulse: Pulse,
    beats: watch::Sender<Beat>,
    sight: Sight,
    /// Of a node that reads an interface.
    traffic: Option<Traffic>,
    troubles: Troubles,
    seen: watch::Receiver<Seen>,
    views: watch::Sender<NodeView>,
    requests: mpsc::Receiver<Request>,
    asks: mpsc::Sender<Request>,
}

impl Parent {
    fn new(
        config: &NodeConfig,
        install: &Install,
        child: Child,
        pulse: Pulse,
        keys: Option<Keys>,
    ) -> Result<Parent, NodeError> {
        let sight = Sight::new(config, format!("Zeek {}", install.version), child.pid, wall_clock());
        let (asks, requests) = mpsc::channel(REQUESTS);
        let (views, _) = watch::channel(sight.view(Vec::new()));
        let (told, seen) = watch::channel(Seen::default());
        let observe = ObserveOptions {
            connect_xpub_endpoint: config.zeromq.connect_xpub_endpoint.clone(),
            connect_xsub_endpoint: config.zeromq.connect_xsub_endpoint.clone(),
            keys: keys.map(|keys| Keys { server_secret: None, ..keys }),
            event_serializer: Redefs::new(config).cluster()?.event_serializer,
        };
        tokio::spawn(follow(observe, told));
        let (beats, _) = watch::channel(Beat::default());
        let interface = config.zeek.as_ref().and_then(|zeek| zeek.interface.as_deref());
        let traffic = interface.map(|interface| Traffic::new(interface, Instant::now()));
        Ok(Parent { child, pulse, beats, sight, traffic, troubles: Troubles::default(), seen, views, requests, asks })
    }

    async fn work(
        mut self,
        config: &NodeConfig,
        dir: &ClusterDir,
        socket: Socket,
        stop: CancellationToken,
    ) -> Result<(), NodeError> {
        let redefs = Redefs::new(config);
        let registry = metrics::registry(config, &redefs)?;
        let metrics = Metrics::new(self.asks.clone(), None, registry, redefs.callback_timeout()?);
        let api = Api {
            core: self.asks.clone(),
            views: self.views.subscribe(),
            beats: self.beats.subscribe(),
            live: Arc::new(Live::new(config, dir, Parts::default())),
            metrics,
            // Zeek's stores and ours do not know each other (`cluster.md` 3.1).
            stores: Stores::new(None, Definitions::default()),
            stop: stop.clone(),
        };
        let mut serving = tokio::spawn(socket.serve(api));
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                // The socket ends when told to stop, which must be noticed first.
                biased;
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.child.terminate();
                }
                ended = self.child.ended() => break ended,
                changed = self.seen.changed() => {
                    if changed.is_err() {
                        let reason = "it panicked".to_owned();
                        return Err(NodeError::TaskDied { task: "view of the cluster", reason });
                    }
                    self.look();
                }
                turn = self.pulse.turned() => self.turned(turn),
                Some(request) = self.requests.recv() => self.answer(request),
                served = &mut serving, if !stopping => {
                    return served.map_err(|error| NodeError::TaskDied { task: "API socket", reason: error.to_string() })?;
                }
            }
        };
        let status = ended.map_err(|source| NodeError::System { what: "wait for zeek", source })?;
        if stopping && status.success() {
            // What it left running archives its last logs; that is waited for.
            self.child.last_words().await;
            tracing::info!("stopped");
            return Ok(());
        }
        Err(self.child.why(status).await.into())
    }

    /// Zeek's loop has turned.
    fn turned(&mut self, turn: Turn) {
        self.beats.send_modify(|beat| beat.beat += 1);
        let joining = self.sight.turned();
        let Some(traffic) = &mut self.traffic else {
            return if joining {
                self.look()
            };
        };
        traffic.turned(turn, Instant::now());
        let before = self.troubles.list().len();
        match traffic.look(Instant::now()) {
            Some(text) => self.troubles.raise("interface", "", text),
            None => self.troubles.clear("interface", ""),
        }
        if joining || self.troubles.list().len() != before {
            self.look();
        }
    }

    /// Takes in what the observer sees, and publishes it.
    fn look(&mut self) {
        let seen = self.seen.borrow_and_update().clone();
        self.sight.look(&seen, wall_clock());
        self.views.send_replace(self.sight.view(self.troubles.list()));
    }

    /// Whoever asked may have left.
    fn answer(&mut self, request: Request) {
        match request {
            Request::View(reply) => {
                let _left = reply.send(self.sight.view(self.troubles.list()));
            }
            Request::Layout(table, reply) => {
                self.sight.set_table(table);
                self.look();
                let _left = reply.send(());
            }
            // A real Zeek reads its options when it starts; none was taken.
            Request::Options(_, reply) => {
                let _left = reply.send(());
            }
        }
    }
}
