//! A cluster in a temporary folder, and how to look at it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::api::config::{
    Compress, LogFormat, LoggingConfig, NodeConfig, NodeEntry, OptionValue, ProgramConfig, ZeromqEndpoints,
};
use crate::api::node::NodeView;
use crate::api::paths::ClusterDir;
use crate::api::store::StoreConfig;
use crate::data::NodeType;
use crate::node::run::run_until;
use crate::node::{NodeError, NodeOptions};

/// Nobody waits longer for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A running node.
pub struct Running {
    stop: CancellationToken,
    thread: JoinHandle<Result<(), NodeError>>,
}

/// A cluster on this machine.
pub struct TestCluster {
    _folder: TempDir,
    pub dir: ClusterDir,
    pub nodes: Vec<NodeEntry>,
    pub endpoints: ZeromqEndpoints,
    pub hub_elsewhere: bool,
    pub options: BTreeMap<String, OptionValue>,
    /// Runs under each worker.
    pub program: Option<ProgramConfig>,
    pub stores: BTreeMap<String, StoreConfig>,
    pub running: BTreeMap<String, Running>,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub fn node_type(name: &str) -> NodeType {
    match name.split('-').next() {
        Some("manager") => NodeType::Manager,
        Some("logger") => NodeType::Logger,
        Some("proxy") => NodeType::Proxy,
        _ => NodeType::Worker,
    }
}

impl TestCluster {
    /// A cluster of these nodes, of which none runs yet.
    pub fn new(names: &[&str]) -> TestCluster {
        let folder = TempDir::new().unwrap();
        let dir = ClusterDir::new(folder.path());
        let nodes: Vec<NodeEntry> = names
            .iter()
            .map(|name| NodeEntry {
                name: (*name).to_owned(),
                node_type: node_type(name),
                host: "here".to_owned(),
                ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                zone_id: String::new(),
                port: (node_type(name) == NodeType::Logger).then(free_port),
                manager: Some("manager".to_owned()),
                metrics_port: None,
            })
            .collect();
        let log_port = nodes.iter().find_map(|node| node.port).unwrap_or_else(free_port);
        let (xpub, xsub) = (free_port(), free_port());
        let at = |port: u16| format!("tcp://127.0.0.1:{port}");
        let endpoints = ZeromqEndpoints {
            connect_xpub_endpoint: at(xsub),
            connect_xsub_endpoint: at(xpub),
            connect_log_endpoints: vec![at(log_port)],
            run_proxy_thread: true,
            listen_xpub_endpoint: Some(at(xpub)),
            listen_xsub_endpoint: Some(at(xsub)),
            listen_log_endpoint: Some(at(log_port)),
            ipv6: false,
        };
        fs::create_dir_all(dir.current().join("nodes")).unwrap();
        TestCluster {
            _folder: folder,
            dir,
            nodes,
            endpoints,
            hub_elsewhere: false,
            options: BTreeMap::new(),
            program: None,
            stores: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    pub fn has_logger(&self) -> bool {
        self.nodes.iter().any(|node| node.node_type == NodeType::Logger)
    }

    /// The configuration of one node, as `render` would write it.
    pub fn config(&self, name: &str) -> NodeConfig {
        let kind = node_type(name);
        let is_manager = kind == NodeType::Manager;
        let writes_logs = kind == NodeType::Logger || (is_manager && !self.has_logger());
        let all = self.endpoints.clone();
        NodeConfig {
            zeek: None,
            program: self.program.clone().filter(|_| kind == NodeType::Worker),
            websocket: None,
            cluster: "test".to_owned(),
            name: name.to_owned(),
            node_type: kind,
            host: "here".to_owned(),
            manager_is_logger: !self.has_logger(),
            zeromq: ZeromqEndpoints {
                connect_log_endpoints: if writes_logs { Vec::new() } else { all.connect_log_endpoints },
                run_proxy_thread: is_manager && !self.hub_elsewhere,
                listen_xpub_endpoint: all.listen_xpub_endpoint.filter(|_| is_manager && !self.hub_elsewhere),
                listen_xsub_endpoint: all.listen_xsub_endpoint.filter(|_| is_manager && !self.hub_elsewhere),
                listen_log_endpoint: all.listen_log_endpoint.filter(|_| writes_logs),
                ..all
            },
            curve_dir: None,
            options: self.options.clone(),
            stores: self.stores.clone(),
            logging: LoggingConfig {
                format: LogFormat::Tsv,
                rotation_interval_s: 0,
                compress: Compress::None,
                expire_s: 0,
                suffix: None,
            },
            nodes: self.nodes.clone(),
        }
    }

    pub fn write_config(&self, config: &NodeConfig) {
        let path = self.dir.current().join("nodes").join(format!("{}.yaml", config.name));
        fs::write(path, serde_yaml::to_string(config).unwrap()).unwrap();
    }

    /// Starts a node and waits until its socket answers.
    pub fn start(&mut self, name: &str) {
        self.write_config(&self.config(name));
        let options = NodeOptions { dir: self.dir.clone(), name: name.to_owned() };
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_owned());
        let run = move || {
            run_until(options, |stop| {
                sender.send(stop.clone()).unwrap();
                Ok(stop)
            })
        };
        let thread = thread.spawn(run).unwrap();
        let running = Running { stop: receiver.recv().unwrap(), thread };
        let began = Instant::now();
        while UnixStream::connect(self.dir.node_socket(name)).is_err() {
            assert!(!running.thread.is_finished(), "{name} ended: {:?}", running.thread.join());
            assert!(began.elapsed() < DEADLINE, "{name} does not answer");
            thread::sleep(Duration::from_millis(2));
        }
        self.running.insert(name.to_owned(), running);
    }

    /// Starts a node that cannot start; why.
    pub fn start_and_fail(&self, name: &str) -> NodeError {
        self.write_config(&self.config(name));
        let options = NodeOptions { dir: self.dir.clone(), name: name.to_owned() };
        run_until(options, Ok).expect_err("it started")
    }

    /// Stops a node in order; how it ended.
    pub fn stop(&mut self, name: &str) -> Result<(), NodeError> {
        let running = self.running.remove(name).unwrap();
        running.stop.cancel();
        running.thread.join().unwrap()
    }

    pub fn stop_all(&mut self) {
        let names: Vec<String> = self.running.keys().rev().cloned().collect();
        names.iter().for_each(|name| self.stop(name).unwrap());
    }

    /// Sends a request to a node's socket; status and body.
    pub fn request(&self, name: &str, request: &str, body: &str) -> (u16, String) {
        let mut stream = UnixStream::connect(self.dir.node_socket(name)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        let head = "Host: node\r\nConnection: close\r\nContent-Type: application/json";
        write!(stream, "{request} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn view(&self, name: &str) -> NodeView {
        let (status, body) = self.request(name, "GET /v1/node", "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Follows `/v1/watch` until a view is as wanted; how long that took.
    pub fn wait_for(&self, name: &str, what: &str, wanted: impl Fn(&NodeView) -> bool) -> Duration {
        let began = Instant::now();
        let mut stream = UnixStream::connect(self.dir.node_socket(name)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET /v1/watch HTTP/1.1\r\nHost: node\r\n\r\n").unwrap();
        let mut last = None;
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            // Heads and chunk sizes stand on lines of their own.
            let Some(view) = line.starts_with('{').then(|| serde_json::from_str::<NodeView>(&line).unwrap()) else {
                continue;
            };
            if wanted(&view) {
                return began.elapsed();
            }
            last = Some(view);
        }
        panic!("{name} never came to \"{what}\": {last:#?}");
    }

    /// Waits until every running node has joined and sees exactly the running ones up.
    pub fn wait_until_all_see_all(&self) -> Duration {
        let began = Instant::now();
        let up = |view: &NodeView| {
            view.joined && view.peers.iter().all(|peer| peer.up == self.running.contains_key(&peer.peer))
        };
        for name in self.running.keys() {
            self.wait_for(name, "all see all", up);
        }
        began.elapsed()
    }

    /// Lines of `cluster.log` as `node message`, once there are as many as wanted.
    pub fn cluster_log(&self, logger: &str, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let path = self.dir.logs_current(logger).join("cluster.log");
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let rows = text.lines().filter(|line| !line.starts_with('#'));
            let lines: Vec<String> =
                rows.filter_map(|row| row.split_once('\t')).map(|(_, rest)| rest.to_owned()).collect();
            if enough(&lines) {
                return lines;
            }
            assert!(began.elapsed() < DEADLINE, "{}: {text}", path.display());
            thread::sleep(Duration::from_millis(10));
        }
    }
}
