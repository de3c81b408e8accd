//! Agents and nodes as processes, and a client for them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::UnixListener;

use crate::agent::client::AgentClient;
use crate::agent::run::run_with;
use crate::agent::supervise::Timing;
use crate::agent::testing::{file, manifest, node, node_view, sha256};
use crate::agent::{AgentOptions, AtEnd, Detached, Hung, start_detached};
use crate::api::agent::{AgentStatus, Manifest, ManifestNode, NodeState, NodeStatus};
use crate::api::config::{Compress, LogFormat, LoggingConfig, NodeConfig, ZeromqEndpoints};
use crate::api::outcome::{Kind, Outcome};
use crate::api::paths::ClusterDir;
use crate::data::NodeType;

/// Longer than anything here takes, also on a machine that is busy.
pub const DEADLINE: Duration = Duration::from_secs(30);

const FAST: &str = "ZEEK_CLUSTER_TEST_FAST";
const DIR: &str = "ZEEK_CLUSTER_TEST_DIR";
const NODE: &str = "ZEEK_CLUSTER_TEST_NODE";

/// A cluster's folder; whatever still runs in it is killed when it is dropped.
pub struct Host {
    _folder: TempDir,
    pub dir: ClusterDir,
    program: std::path::PathBuf,
}

impl Host {
    pub fn new() -> Host {
        Host::with(false)
    }

    /// With pauses of milliseconds.
    pub fn fast() -> Host {
        Host::with(true)
    }

    fn with(fast: bool) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(folder.path().join("c"));
        let program = folder.path().join("program");
        write_script(&program, fast);
        let binary = dir.binary(&sha256(b"binary"));
        fs::create_dir_all(binary.parent().unwrap()).unwrap();
        fs::copy(&program, binary).unwrap();
        Host { _folder: folder, dir, program }
    }

    /// Starts an agent that outlives its starter; its pid.
    pub fn start_agent(&self) -> u32 {
        match start_detached(&self.dir, &self.program, Hung::Leave).unwrap() {
            Detached::Started { pid } => pid,
            Detached::AlreadyRunning => panic!("an agent runs already"),
        }
    }

    /// Starts an agent in the foreground.
    pub fn spawn_agent(&self) -> Child {
        let mut command = Command::new(&self.program);
        command.args(["agent", "run", "--dir"]).arg(self.dir.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn client(&self) -> AgentClient {
        AgentClient::new(self.dir.agent_socket()).with_operator("op@desk").with_deadline(DEADLINE)
    }

    /// Uploads a release and makes it the current one.
    pub async fn deploy(&self, manifest: &Manifest, configs: &BTreeMap<String, String>) {
        let client = self.client();
        for config in configs.values() {
            client.put_blob(&sha256(config.as_bytes()), config.clone().into(), DEADLINE).await.unwrap();
        }
        client.put_release(manifest, DEADLINE).await.unwrap();
        client.activate(&manifest.id, &[]).await.unwrap();
    }

    /// Deploys and applies nodes; all have to come up.
    pub async fn run_nodes(&self, id: &str, nodes: Vec<ManifestNode>) -> Vec<Outcome> {
        let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
        let (manifest, configs) = release(id, nodes);
        self.deploy(&manifest, &configs).await;
        self.client().apply(&names, DEADLINE).await.unwrap()
    }

    /// Waits until the status is as wanted.
    pub async fn until(&self, mut wanted: impl FnMut(&AgentStatus) -> bool) -> AgentStatus {
        let mut last = None;
        let waiting = async {
            let mut statuses = self.client().watch().await.unwrap();
            while let Some(status) = statuses.next().await {
                let status = status.unwrap();
                if wanted(&status) {
                    return status;
                }
                last = Some(status);
            }
            panic!("the agent ended");
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(status) => status,
            Err(_) => panic!("still {last:#?}"),
        }
    }

    pub async fn until_state(&self, name: &str, state: NodeState) -> NodeStatus {
        let status = self.until(|status| of(status, name).state == state).await;
        of(&status, name).clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let run = self.dir.path().join("run");
        let lock = fs::read_to_string(self.dir.agent_lock()).unwrap_or_default();
        if let Some(pid) = lock.trim().strip_prefix("pid ").and_then(|pid| pid.parse().ok()) {
            kill_if_ours(pid, self.dir.path());
        }
        for entry in fs::read_dir(run).into_iter().flatten().flatten() {
            let record = fs::read_to_string(entry.path().join("pid")).unwrap_or_default();
            let pid = record.lines().nth(1).and_then(|stat| stat.split(' ').next()?.parse().ok());
            if let Some(pid) = pid {
                kill_if_ours(pid, self.dir.path());
            }
        }
    }
}

/// A pid may have been reused: only a process whose environment or folder names this cluster's is killed.
fn kill_if_ours(pid: i32, dir: &Path) {
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let dir = dir.to_string_lossy();
    let named = |text: &[u8]| String::from_utf8_lossy(text).contains(&*dir);
    if cwd.starts_with(&*dir) || named(&command) || named(&environment) {
        let pid = Pid::from_raw(pid).unwrap();
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Stands for `zeek-cluster`: `agent run --dir DIR` and `node run NAME --dir DIR` become runs of this test program.
fn write_script(path: &Path, fast: bool) {
    let me = env::current_exe().unwrap();
    let me = me.display();
    let fast = if fast { format!("export {FAST}=1") } else { String::new() };
    let script = format!(
        "#!/bin/sh\n{fast}\ncase $1 in\n\
         agent) export {DIR}=\"$4\"; exec {me} --exact agent::tests::harness::agent_process --ignored --nocapture;;\n\
         node) export {DIR}=\"$5\" {NODE}=\"$3\"; exec {me} --exact agent::tests::harness::node_process --ignored --nocapture;;\n\
         esac\n"
    );
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Not a test: what an agent of [`Host`] runs.
#[test]
#[ignore = "a process for the other tests"]
fn agent_process() {
    let Ok(dir) = env::var(DIR) else { return };
    let millis = Duration::from_millis;
    let fast = Timing { backoff_first: millis(5), backoff_max: millis(50), ..Timing::default() };
    let timing = if env::var(FAST).is_ok() { fast } else { Timing::default() };
    if let Err(error) = run_with(AgentOptions { dir: ClusterDir::new(dir), at_end: AtEnd::LeaveNodes }, timing) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// Not a test: a node that joins at once and writes down the node tables that it is given.
#[test]
#[ignore = "a process for the other tests"]
fn node_process() {
    let (Ok(dir), Ok(name)) = (env::var(DIR), env::var(NODE)) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(serve_node(ClusterDir::new(dir), name));
}

async fn serve_node(dir: ClusterDir, name: String) {
    let view = serde_json::to_string(&node_view(&name)).unwrap();
    let watched = view.clone();
    let watch = move || {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(format!("{watched}\n"))]);
        async move { axum::body::Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending())) }
    };
    let table = dir.node(&name).join("table.json");
    let layout = move |body: String| async move { fs::write(table, body).unwrap() };
    let router = Router::new()
        .route("/v1/watch", get(watch))
        .route("/v1/node", get(move || async move { view }))
        .route("/v1/config", post(async || ()))
        .route("/v1/layout", post(layout));
    let socket = dir.node_socket(&name);
    let _ = fs::remove_file(&socket);
    println!("node {name} listens");
    axum::serve(UnixListener::bind(socket).unwrap(), router).await.unwrap();
}

/// A node of ours: it answers.
pub fn our_node(name: &str, node_type: NodeType) -> ManifestNode {
    ManifestNode { command: None, node_type, ..node(name, &["ours"]) }
}

/// A node that is a shell script.
pub fn script(name: &str, script: &str) -> ManifestNode {
    node(name, &["/bin/sh", "-c", script])
}

/// A release of these nodes and its configuration files by path.
pub fn release(id: &str, nodes: Vec<ManifestNode>) -> (Manifest, BTreeMap<String, String>) {
    let mut manifest = manifest(id, nodes);
    let config = |node: &ManifestNode| serde_yaml::to_string(&config(&node.name, node.node_type)).unwrap();
    let configs: BTreeMap<String, String> =
        manifest.nodes.iter().map(|node| (format!("nodes/{}.yaml", node.name), config(node))).collect();
    manifest.files = configs.iter().map(|(path, content)| file(path, content.as_bytes())).collect();
    (manifest, configs)
}

fn config(name: &str, node_type: NodeType) -> NodeConfig {
    NodeConfig {
        zeek: None,
        program: None,
        websocket: None,
        cluster: "campus".into(),
        name: name.into(),
        node_type,
        host: "head".into(),
        manager_is_logger: false,
        zeromq: ZeromqEndpoints {
            connect_xpub_endpoint: "tcp://127.0.0.1:1".into(),
            connect_xsub_endpoint: "tcp://127.0.0.1:2".into(),
            connect_log_endpoints: Vec::new(),
            run_proxy_thread: false,
            listen_xpub_endpoint: None,
            listen_xsub_endpoint: None,
            listen_log_endpoint: None,
            ipv6: false,
        },
        curve_dir: None,
        options: BTreeMap::new(),
        stores: BTreeMap::new(),
        logging: LoggingConfig {
            format: LogFormat::Tsv,
            rotation_interval_s: 0,
            compress: Compress::None,
            expire_s: 0,
            suffix: None,
        },
        nodes: Vec::new(),
    }
}

pub fn of<'a>(status: &'a AgentStatus, name: &str) -> &'a NodeStatus {
    status.nodes.iter().find(|node| node.name == name).unwrap()
}

pub fn kinds(outcomes: &[Outcome]) -> Vec<(&str, Kind)> {
    outcomes.iter().map(|outcome| (outcome.target.as_str(), outcome.kind)).collect()
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// Whether a process runs; one that ended and was not reaped does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits for the end of a process that is no child of this one.
pub fn until_ended(pid: u32) {
    let Ok(pidfd) = rustix::process::pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()) else {
        return;
    };
    let deadline = Timespec { tv_sec: DEADLINE.as_secs() as i64, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&deadline)), Ok(1), "process {pid} still runs");
}
