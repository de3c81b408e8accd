//! A core with real sockets and a hub of its own, for tests of the rooms that work beside it.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::core_task::{CoreTask, Parts};
use super::error::NodeError;
use super::log_sink::LogSink;
use crate::api::config::NodeEntry;
use crate::cluster::{Core, Handle, Hooks, Settings, Verdict};
use crate::data::NodeType;
use crate::transport::zeromq::{self, HubOptions, Options};
use crate::troubles::Troubles;

/// Nobody waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A manager without others, in the tasks of this test.
pub(crate) struct TestHost {
    pub(crate) handle: Handle,
    /// Messages of `Cluster::LOG`.
    pub(crate) logs: mpsc::UnboundedReceiver<String>,
    /// Topics that were subscribed to, the framework's own included.
    pub(crate) subscribed: mpsc::UnboundedReceiver<String>,
    stop: CancellationToken,
    core: JoinHandle<Result<(), NodeError>>,
}

impl TestHost {
    /// Starts it. To be called in a task runtime.
    pub(crate) fn start() -> TestHost {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let at = |port: u16| format!("tcp://127.0.0.1:{port}");
        let (id, xpub, xsub) = ("zeromq_manager_here_1_test", at(free()), at(free()));
        let entry = NodeEntry {
            name: "manager".to_owned(),
            node_type: NodeType::Manager,
            host: "here".to_owned(),
            ip: Ipv4Addr::LOCALHOST.into(),
            zone_id: String::new(),
            port: None,
            manager: None,
            metrics_port: None,
        };
        let (log, logs) = mpsc::unbounded_channel();
        let (topic, subscribed) = mpsc::unbounded_channel();
        let mut hooks = Hooks::default();
        hooks.log_policy(move |record| {
            let _gone = log.send(record.message.clone());
            Verdict::Veto
        });
        hooks.on_subscribe(move |subscribed| {
            let _gone = topic.send(subscribed.to_owned());
        });
        let core = Core::new(Settings::new("manager", id, vec![entry], true), hooks);
        let hub = HubOptions {
            listen_xpub_endpoint: xpub.clone(),
            listen_xsub_endpoint: xsub.clone(),
            ..HubOptions::default()
        };
        let options = Options {
            connect_xpub_endpoint: xsub,
            connect_xsub_endpoint: xpub,
            hub: Some(hub),
            xpub_sndhwm: 100_000,
            onloop_queue_hwm: 100_000,
            ..Options::new(id)
        };
        let (transport, inbox) = zeromq::start(options).unwrap();
        let logs_pushed = LogSink::push(id, &Troubles::default());
        let (task, doors) = CoreTask::new(Parts {
            core,
            transport: Arc::new(transport),
            inbox,
            logs: logs_pushed,
            program: None,
            troubles: Troubles::default(),
            threads: Vec::new(),
        });
        let stop = CancellationToken::new();
        let core = tokio::spawn(task.run(stop.clone()));
        TestHost { handle: doors.handle, logs, subscribed, stop, core }
    }

    /// The next line of `cluster.log`.
    pub(crate) async fn log(&mut self) -> String {
        tokio::time::timeout(DEADLINE, self.logs.recv()).await.expect("a line in time").expect("a core")
    }

    /// Ends it in order.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.core.await.unwrap().unwrap();
    }
}
