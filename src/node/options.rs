//! Turns the layout's options into what transport and core obey, and tells the effective values.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::NodeError;
use crate::api::config::{NodeConfig, OptionValue, WebSocketConfig, WebSocketTlsConfig};
use crate::api::node::OptionView;
use crate::api::store::BackendType;
use crate::cluster::pools::{PoolId, Pools};
use crate::cluster::stores::Definitions;
use crate::cluster::{self, EventSerializer, Kept, Topics};
use crate::layout::{self, Backend, Effective, options};
use crate::transport::zeromq::{HubOptions, Options, Tuning};
use crate::websocket::{WebSocketServerOptions, WebSocketTLSOptions};

const QUEUE_SIZE: &str = "Cluster::default_websocket_max_event_queue_size";
const PING_INTERVAL: &str = "Cluster::default_websocket_ping_interval";
/// Size classes of a histogram, for each pair of topic and event.
const MAX_BOUNDS: usize = 64;

/// The full name of one of the backend's options.
fn zeromq(name: &str) -> String {
    format!("Cluster::Backend::ZeroMQ::{name}")
}

/// The effective value of every option, each taken by whoever obeys it.
pub(super) struct Redefs {
    effective: BTreeMap<&'static str, Effective>,
}

impl Redefs {
    /// What the layout says, the environment of this process where the reference lets it speak, else the defaults.
    pub(super) fn new(config: &NodeConfig) -> Redefs {
        let env = |variable: &str| std::env::var(variable).ok();
        Redefs::of(layout::effective_options(config, Backend::Zeromq, &env))
    }

    fn of(effective: Vec<Effective>) -> Redefs {
        Redefs { effective: effective.into_iter().map(|option| (option.name, option)).collect() }
    }

    /// All options, in Zeek's script syntax.
    pub(super) fn views(&self) -> BTreeMap<String, OptionView> {
        let shown =
            |option: &Effective| OptionView { value: option.text.clone(), origin: option.origin.as_str().to_owned() };
        self.effective.iter().map(|(name, option)| ((*name).to_owned(), shown(option))).collect()
    }

    /// Options of the core.
    pub(super) fn cluster(&self) -> Result<cluster::Options, NodeError> {
        let mut options = cluster::Options::default();
        let topics = &mut options.topics;
        for (name, topic) in [
            ("Cluster::logger_topic", &mut topics.logger),
            ("Cluster::manager_topic", &mut topics.manager),
            ("Cluster::proxy_topic", &mut topics.proxy),
            ("Cluster::worker_topic", &mut topics.worker),
        ] {
            self.text(name, topic)?;
        }
        for (name, prefix) in
            [("node_topic_prefix", &mut topics.node_prefix), ("nodeid_topic_prefix", &mut topics.nodeid_prefix)]
        {
            // The option stands without the separator that the functions put behind it.
            let mut bare = prefix.trim_end_matches(topics.separator).to_owned();
            self.text(&zeromq(name), &mut bare)?;
            *prefix = format!("{bare}{}", topics.separator);
        }
        self.interval(&zeromq("hello_expiration"), &mut options.hello_expiration)?;
        options.event_serializer = self.event_serializer()?;
        options.core_metrics = self.metrics_of("core")?;
        Ok(options)
    }

    /// The predefined pools, as `Cluster::worker_pool_spec` and its sisters have them; not filled.
    pub(super) fn pools(&self, topics: &Topics) -> Result<Pools, NodeError> {
        let mut pools = Pools::new(topics);
        for (name, id) in [("worker", PoolId::WORKER), ("proxy", PoolId::PROXY), ("logger", PoolId::LOGGER)] {
            let option = |field: &str| format!("Cluster::{name}_pool_spec${field}");
            let spec = &mut pools.pool_mut(id).expect("predefined").spec;
            self.text(&option("topic"), &mut spec.topic)?;
            self.switch(&option("exclusive"), &mut spec.exclusive)?;
            let mut max_nodes = 0;
            self.number(&option("max_nodes"), &mut max_nodes, 0..=i64::from(i32::MAX))?;
            // There is no use for a pool without members, so 0 stands for the field that is not set.
            spec.max_nodes = usize::try_from(max_nodes).ok().filter(|most| *most > 0);
        }
        Ok(pools)
    }

    /// What the options say about stores; nothing of `Cluster::stores`.
    pub(super) fn stores(&self) -> Result<Definitions, NodeError> {
        let mut definitions = Definitions::default();
        self.backend_type("Cluster::default_backend", &mut definitions.default_backend)?;
        self.backend_type("Cluster::default_persistent_backend", &mut definitions.default_persistent_backend)?;
        self.text("Cluster::default_master_node", &mut definitions.default_master_node)?;
        let mut folder = String::new();
        self.text("Cluster::default_store_dir", &mut folder)?;
        definitions.default_store_dir = folder.into();
        self.interval("Broker::default_clone_resync_interval", &mut definitions.default_clone_resync_interval)?;
        self.interval_or_never("Broker::default_clone_stale_interval", &mut definitions.default_clone_stale_interval)?;
        let mut buffer = Some(definitions.default_clone_mutation_buffer_interval);
        self.interval_or_never("Broker::default_clone_mutation_buffer_interval", &mut buffer)?;
        definitions.default_clone_mutation_buffer_interval = buffer.unwrap_or_default();
        Ok(definitions)
    }

    /// Options of the sockets, over the defaults that are there already.
    pub(super) fn sockets(&self, options: &mut Options) -> Result<(), NodeError> {
        let mut linger = i64::try_from(options.linger.as_millis()).unwrap_or(i64::MAX);
        self.number(&zeromq("linger_ms"), &mut linger, -1..=3_600_000)?;
        // Closing always ends here; Zeek's -1, for ever, becomes the longest time that shutting down may take.
        options.linger = if linger < 0 { super::shutdown::DEADLINE } else { Duration::from_millis(linger as u64) };
        for (name, value) in [
            ("xpub_sndhwm", &mut options.xpub_sndhwm),
            ("xpub_sndbuf", &mut options.xpub_sndbuf),
            ("xsub_rcvhwm", &mut options.xsub_rcvhwm),
            ("xsub_rcvbuf", &mut options.xsub_rcvbuf),
            ("log_sndhwm", &mut options.log_sndhwm),
            ("log_sndbuf", &mut options.log_sndbuf),
            ("log_rcvhwm", &mut options.log_rcvhwm),
            ("log_rcvbuf", &mut options.log_rcvbuf),
        ] {
            let mut number = i64::from(*value);
            self.number(&zeromq(name), &mut number, -1..=i64::from(i32::MAX))?;
            *value = number as i32;
        }
        for (name, value) in
            [("onloop_queue_hwm", &mut options.onloop_queue_hwm), ("poll_max_messages", &mut options.poll_max_messages)]
        {
            let mut number = *value as i64;
            self.number(&zeromq(name), &mut number, 0..=10_000_000)?;
            *value = number as usize;
        }
        self.switch(&zeromq("log_immediate"), &mut options.log_immediate)?;
        self.switch(&zeromq("connect_xpub_nodrop"), &mut options.connect_xpub_nodrop)
    }

    /// What of the sockets' options can change while they are open.
    pub(super) fn socket_tuning(&self) -> Result<Tuning, NodeError> {
        let mut options = Options::new("");
        self.sockets(&mut options)?;
        Ok(Tuning { linger: options.linger, poll_max_messages: options.poll_max_messages })
    }

    /// `Telemetry::metrics_endpoint_label`: what the label with the node's name is called.
    pub(super) fn metrics_label(&self) -> Result<String, NodeError> {
        let name = "Telemetry::metrics_endpoint_label";
        let mut label = "node".to_owned();
        self.text(name, &mut label)?;
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        match label.starts_with(is_letter) && label.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
            true => Ok(label),
            false => Err(wrong(name, "a name of letters, digits and `_`")),
        }
    }

    /// `Telemetry::metrics_address`: an IP address, or nothing for the node's own.
    pub(super) fn metrics_address(&self) -> Result<String, NodeError> {
        let mut address = String::new();
        self.text("Telemetry::metrics_address", &mut address)?;
        Ok(address)
    }

    /// `Telemetry::callback_timeout`: how long the core may take to answer a scraper.
    pub(super) fn callback_timeout(&self) -> Result<Duration, NodeError> {
        let mut timeout = Duration::from_secs(5);
        self.interval("Telemetry::callback_timeout", &mut timeout)?;
        Ok(timeout)
    }

    /// `Cluster::Telemetry::websocket_metrics` and the bounds of its histograms.
    pub(super) fn websocket_metrics(&self) -> Result<Kept, NodeError> {
        self.metrics_of("websocket")
    }

    fn metrics_of(&self, part: &str) -> Result<Kept, NodeError> {
        let name = &format!("Cluster::Telemetry::{part}_metrics");
        let mut kept = Kept { info: false, ..Kept::default() };
        let Some(OptionValue::List(levels)) = self.value(name) else { return Err(wrong(name, "a set")) };
        for level in levels {
            let OptionValue::Text(level) = level else { return Err(wrong(name, "a set of names")) };
            match level.trim_start_matches("Cluster::Telemetry::") {
                "INFO" => kept.info = true,
                "VERBOSE" => kept.verbose = true,
                "DEBUG" => kept.debug = true,
                _ => return Err(wrong(name, "a set of Cluster::Telemetry::INFO, …VERBOSE and …DEBUG")),
            }
        }
        kept.bounds = self.bounds()?;
        Ok(kept)
    }

    fn bounds(&self) -> Result<Vec<f64>, NodeError> {
        let name = "Cluster::Telemetry::message_size_bounds";
        let number = |value: &OptionValue| match value {
            OptionValue::Int(number) => Some(*number as f64),
            OptionValue::Real(number) => Some(*number),
            _ => None,
        };
        let bounds: Option<Vec<f64>> = match self.value(name) {
            Some(OptionValue::List(bounds)) => bounds.iter().map(number).collect(),
            _ => None,
        };
        let fit = |bounds: &Vec<f64>| bounds.len() <= MAX_BOUNDS && bounds.windows(2).all(|two| two[0] < two[1]);
        bounds.filter(fit).ok_or_else(|| wrong(name, "at most 64 numbers, ascending"))
    }

    /// Options of the forwarder.
    pub(super) fn hub(&self, options: &mut HubOptions) -> Result<(), NodeError> {
        let mut threads = i64::from(options.io_threads);
        self.number(&zeromq("proxy_io_threads"), &mut threads, 1..=64)?;
        options.io_threads = threads as i32;
        self.switch(&zeromq("listen_xpub_nodrop"), &mut options.xpub_nodrop)
    }

    /// What a WebSocket server of the layout listens with.
    pub(super) fn websocket(&self, config: &WebSocketConfig) -> Result<WebSocketServerOptions, NodeError> {
        let mut options = WebSocketServerOptions::new(config.listen_addr, config.listen_port);
        options.max_event_queue_size = match (config.max_event_queue_size, self.value(QUEUE_SIZE)) {
            (Some(size), _) => size as usize,
            (None, Some(OptionValue::Int(size))) => {
                usize::try_from(*size).map_err(|_| wrong(QUEUE_SIZE, "a whole number from 0"))?
            }
            (None, _) => return Err(wrong(QUEUE_SIZE, "a whole number from 0")),
        };
        match config.ping_interval_ms {
            Some(interval) => options.ping_interval = Duration::from_millis(interval),
            None => self.ping_interval(&mut options.ping_interval)?,
        }
        if let Some(size) = config.max_backlog_mib {
            options.max_backlog = (size as usize) << 20;
        }
        options.origins.clone_from(&config.origins);
        if let Some(tls) = config.tls_options.clone() {
            let WebSocketTlsConfig { cert_file, key_file, enable_peer_verification, ca_file, ciphers } = tls;
            options.tls_options =
                WebSocketTLSOptions { cert_file, key_file, enable_peer_verification, ca_file, ciphers };
        }
        Ok(options)
    }

    /// As in Zeek a negative one is none.
    fn ping_interval(&self, value: &mut Duration) -> Result<(), NodeError> {
        let negative = match self.value(PING_INTERVAL) {
            Some(OptionValue::Int(seconds)) => *seconds < 0,
            Some(OptionValue::Real(seconds)) => *seconds < 0.0,
            Some(OptionValue::Text(text)) => text.trim_start().starts_with('-'),
            _ => false,
        };
        if negative {
            *value = Duration::ZERO;
            return Ok(());
        }
        self.interval(PING_INTERVAL, value)
    }

    fn event_serializer(&self) -> Result<EventSerializer, NodeError> {
        let name = "Cluster::event_serializer";
        let mut tag = "Cluster::EVENT_SERIALIZER_BROKER_BIN_V1".to_owned();
        self.text(name, &mut tag)?;
        match tag.trim_start_matches("Cluster::") {
            "EVENT_SERIALIZER_BROKER_BIN_V1" => Ok(EventSerializer::BrokerBinV1),
            "EVENT_SERIALIZER_BROKER_JSON_V1" => Ok(EventSerializer::BrokerJsonV1),
            _ => Err(wrong(name, "one of Cluster::EVENT_SERIALIZER_BROKER_BIN_V1, …_BROKER_JSON_V1")),
        }
    }

    fn value(&self, name: &str) -> Option<&OptionValue> {
        self.effective.get(name).map(|option| &option.value)
    }

    fn text(&self, name: &str, value: &mut String) -> Result<(), NodeError> {
        match self.value(name) {
            Some(OptionValue::Text(text)) => value.clone_from(text),
            Some(_) => return Err(wrong(name, "a text")),
            None => {}
        }
        Ok(())
    }

    fn number(&self, name: &str, value: &mut i64, range: std::ops::RangeInclusive<i64>) -> Result<(), NodeError> {
        match self.value(name) {
            Some(OptionValue::Int(number)) if range.contains(number) => *value = *number,
            Some(_) => return Err(wrong(name, &format!("a number from {} to {}", range.start(), range.end()))),
            None => {}
        }
        Ok(())
    }

    fn switch(&self, name: &str, value: &mut bool) -> Result<(), NodeError> {
        match self.value(name) {
            Some(OptionValue::Bool(switch)) => *value = *switch,
            Some(OptionValue::Text(text)) if text == "T" || text == "F" => *value = text == "T",
            Some(_) => return Err(wrong(name, "T or F")),
            None => {}
        }
        Ok(())
    }

    fn backend_type(&self, name: &str, value: &mut BackendType) -> Result<(), NodeError> {
        let mut tag = String::new();
        self.text(name, &mut tag)?;
        if !tag.is_empty() {
            *value = BackendType::parse(&tag).ok_or_else(|| wrong(name, "Broker::MEMORY or Broker::SQLITE"))?;
        }
        Ok(())
    }

    /// An interval; none when it is negative, as Zeek writes `never`.
    fn interval_or_never(&self, name: &str, value: &mut Option<Duration>) -> Result<(), NodeError> {
        match self.value(name).and_then(options::seconds) {
            Some(seconds) if seconds < 0.0 => *value = None,
            _ => {
                let mut interval = value.unwrap_or_default();
                self.interval(name, &mut interval)?;
                *value = Some(interval);
            }
        }
        Ok(())
    }

    fn interval(&self, name: &str, value: &mut Duration) -> Result<(), NodeError> {
        let Some(seconds) = self.value(name).map(options::seconds) else { return Ok(()) };
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        *value = duration.ok_or_else(|| wrong(name, "an interval such as 10sec"))?;
        Ok(())
    }
}

fn wrong(option: &str, expected: &str) -> NodeError {
    NodeError::Option { option: option.to_owned(), reason: format!("expected {expected}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redefs(set: &[(&str, OptionValue)]) -> Redefs {
        let options = set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let config = NodeConfig { options, ..crate::node::tests::zeek_config("worker-1") };
        Redefs::of(layout::effective_options(&config, Backend::Zeromq, &|_| None))
    }

    #[test]
    fn without_redefs_everything_is_as_in_zeek() {
        let redefs = redefs(&[]);
        assert_eq!(redefs.cluster().unwrap(), cluster::Options::default());
        let (mut sockets, mut hub) = (Options::new("x"), HubOptions::default());
        redefs.sockets(&mut sockets).unwrap();
        redefs.hub(&mut hub).unwrap();
        assert_eq!(format!("{sockets:?}{hub:?}"), format!("{:?}{:?}", Options::new("x"), HubOptions::default()));
    }

    #[test]
    fn redefs_reach_core_and_sockets() {
        let redefs = redefs(&[
            ("Cluster::Backend::ZeroMQ::hello_expiration", OptionValue::Text("3sec".to_owned())),
            ("Cluster::Backend::ZeroMQ::nodeid_topic_prefix", OptionValue::Text("my.id".to_owned())),
            ("Cluster::Backend::ZeroMQ::xpub_sndhwm", OptionValue::Int(7)),
        ]);
        let core = redefs.cluster().unwrap();
        assert_eq!(core.hello_expiration, Duration::from_secs(3));
        assert_eq!(core.topics.nodeid_topic("a"), "my.id.a.");
        let mut sockets = Options::new("x");
        redefs.sockets(&mut sockets).unwrap();
        assert_eq!(sockets.xpub_sndhwm, 7);
    }

    #[test]
    fn redefs_reach_the_pools() {
        let unchanged = redefs(&[]).pools(&Topics::zeromq()).unwrap();
        assert_eq!(unchanged, Pools::new(&Topics::zeromq()));
        let redefs = redefs(&[
            ("Cluster::proxy_pool_spec$max_nodes", OptionValue::Int(2)),
            ("Cluster::proxy_pool_spec$exclusive", OptionValue::Bool(true)),
            ("Cluster::worker_pool_spec$topic", OptionValue::Text("my.workers".to_owned())),
        ]);
        let pools = redefs.pools(&Topics::zeromq()).unwrap();
        let proxies = &pools.pool(PoolId::PROXY).unwrap().spec;
        assert_eq!((proxies.max_nodes, proxies.exclusive), (Some(2), true));
        assert_eq!(pools.pool(PoolId::WORKER).unwrap().spec.topic, "my.workers");
    }

    #[test]
    fn a_websocket_server_takes_the_redefs_where_the_layout_says_nothing() {
        let mut config = WebSocketConfig {
            listen_addr: "127.0.0.1".parse().unwrap(),
            listen_port: 27759,
            max_event_queue_size: None,
            ping_interval_ms: None,
            max_backlog_mib: None,
            origins: Vec::new(),
            tls_options: None,
        };
        let plain = redefs(&[]).websocket(&config).unwrap();
        assert_eq!(plain, WebSocketServerOptions::new(config.listen_addr, 27759));
        let redefs =
            redefs(&[(QUEUE_SIZE, OptionValue::Int(7)), (PING_INTERVAL, OptionValue::Text("-1sec".to_owned()))]);
        let options = redefs.websocket(&config).unwrap();
        assert_eq!((options.max_event_queue_size, options.ping_interval), (7, Duration::ZERO));
        config.max_event_queue_size = Some(9);
        config.ping_interval_ms = Some(2500);
        config.max_backlog_mib = Some(2);
        config.origins = vec!["https://console.example".to_owned()];
        let options = redefs.websocket(&config).unwrap();
        assert_eq!((options.max_event_queue_size, options.ping_interval), (9, Duration::from_millis(2500)));
        assert_eq!((options.max_backlog, &options.origins), (2 << 20, &config.origins));
    }

    #[test]
    fn redefs_reach_the_stores() {
        assert_eq!(format!("{:?}", redefs(&[]).stores().unwrap()), format!("{:?}", Definitions::default()));
        let text = |text: &str| OptionValue::Text(text.to_owned());
        let redefs = redefs(&[
            ("Cluster::default_backend", text("Broker::SQLITE")),
            ("Cluster::default_persistent_backend", text("Broker::MEMORY")),
            ("Cluster::default_master_node", text("proxy")),
            ("Cluster::default_store_dir", text("/var/stores")),
            ("Broker::default_clone_resync_interval", text("3sec")),
            ("Broker::default_clone_stale_interval", OptionValue::Real(-1.0)),
            ("Broker::default_clone_mutation_buffer_interval", OptionValue::Int(-1)),
        ]);
        let stores = redefs.stores().unwrap();
        let backends = (stores.default_backend, stores.default_persistent_backend);
        assert_eq!(backends, (BackendType::Sqlite, BackendType::Memory));
        assert_eq!(stores.default_master_node, "proxy");
        assert_eq!(stores.default_store_dir, std::path::Path::new("/var/stores"));
        assert_eq!(stores.default_clone_resync_interval, Duration::from_secs(3));
        assert_eq!(stores.default_clone_stale_interval, None);
        assert_eq!(stores.default_clone_mutation_buffer_interval, Duration::ZERO);
    }

    #[test]
    fn a_value_of_the_wrong_type_names_the_option() {
        let redefs = redefs(&[("Cluster::Backend::ZeroMQ::xpub_sndhwm", OptionValue::Bool(true))]);
        let error = redefs.sockets(&mut Options::new("x")).unwrap_err().to_string();
        assert_eq!(error, "option Cluster::Backend::ZeroMQ::xpub_sndhwm: expected a number from -1 to 2147483647");
    }
}
