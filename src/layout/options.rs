//! The one table of Zeek's redefinable options: names, types, defaults, one sentence each. The layout's check, the JSON
//! Schema, the manual, completion and each node's effective values read this table.
//!
//! Names, types and defaults: `protocol/cluster.md` 1.3, 2.3, 2.5, 5.1, 5.2, `protocol/zeromq.md` 6.1 and
//! `protocol/broker.md` 8, with the defaults that hold under the ZeroMQ backend.

use std::rc::Rc;

use super::duration;
use super::model::Backend;
use super::tree::{Scalar, Tree, Value};
use crate::api::config::OptionValue;

/// One redefinable option.
#[derive(Debug)]
pub struct OptionInfo {
    /// Full name, such as `Cluster::retry_interval`.
    pub name: &'static str,
    /// What it holds.
    pub kind: OptionKind,
    /// In Zeek's script syntax.
    pub default: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Who decides its value.
    pub set_by: SetBy,
    /// The environment variable that has a say.
    pub env: Option<(&'static str, EnvRule)>,
}

/// The type of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// `bool`.
    Bool,
    /// `count`.
    Count,
    /// `int`.
    Int,
    /// `double`.
    Double,
    /// `interval`.
    Interval,
    /// `string`.
    Text,
    /// `port`.
    Port,
    /// An `enum` with these names.
    Enum(&'static [&'static str]),
    /// `vector of string`.
    StringVector,
    /// `vector of double`.
    DoubleVector,
    /// `set` of an `enum` with these names.
    EnumSet(&'static [&'static str]),
}

/// Where the value of an option can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// `options:` of the layout; takes effect at the next start of a node, or at once when [`is_live`].
    Layout,
    /// It follows from other keys of the layout, which the text names.
    Derived(&'static str),
}

/// How an environment variable of the node acts on an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvRule {
    /// It replaces the default; a value in the layout wins.
    Default,
    /// It wins, read as whole seconds as C's `atoi` does: text is 0, and 0 means never.
    OverrideWholeSeconds,
    /// It wins, read as seconds with decimals.
    OverrideSeconds,
}

const fn option(name: &'static str, kind: OptionKind, default: &'static str, doc: &'static str) -> OptionInfo {
    OptionInfo { name, kind, default, doc, set_by: SetBy::Layout, env: None }
}

const fn derived(
    name: &'static str,
    kind: OptionKind,
    default: &'static str,
    from: &'static str,
    doc: &'static str,
) -> OptionInfo {
    OptionInfo { name, kind, default, doc, set_by: SetBy::Derived(from), env: None }
}

const fn with_env(option: OptionInfo, variable: &'static str, rule: EnvRule) -> OptionInfo {
    OptionInfo { env: Some((variable, rule)), ..option }
}

const BACKEND_TYPES: &[&str] = &["Broker::MEMORY", "Broker::SQLITE"];
const TELEMETRY_TYPES: &[&str] =
    &["Cluster::Telemetry::INFO", "Cluster::Telemetry::VERBOSE", "Cluster::Telemetry::DEBUG"];
const STRING_ESCAPES: &[&str] =
    &["JSON::STRING_ESCAPE_POLICY_HEX", "JSON::STRING_ESCAPE_POLICY_PUA", "JSON::STRING_ESCAPE_POLICY_TSV"];
const TIMESTAMPS: &[&str] = &["JSON::TS_EPOCH", "JSON::TS_MILLIS", "JSON::TS_MILLIS_UNSIGNED", "JSON::TS_ISO8601"];
const BACKENDS: &[&str] = &[
    "Cluster::CLUSTER_BACKEND_ZEROMQ",
    "Cluster::CLUSTER_BACKEND_BROKER",
    "Cluster::CLUSTER_BACKEND_BROKER_WEBSOCKET_SHIM",
    "Cluster::CLUSTER_BACKEND_NONE",
];
const OVERFLOW: &[&str] = &["drop_oldest", "drop_newest", "disconnect"];

const HUB: &str = "set the top-level `port` and the manager's address instead";
const LOGGERS: &str = "set the loggers' `port` and address instead";
const KEYS: &str = "set `encryption` instead; the keys are made at the first deploy";

use OptionKind::*;

/// Options that a running node of ours takes over and obeys from then on (`POST /v1/config` of its socket).
pub const LIVE: &[&str] = &[
    "Broker::default_clone_mutation_buffer_interval",
    "Broker::default_clone_resync_interval",
    "Broker::default_clone_stale_interval",
    "Cluster::Backend::ZeroMQ::hello_expiration",
    "Cluster::Backend::ZeroMQ::linger_ms",
    "Cluster::Backend::ZeroMQ::poll_max_messages",
    "Cluster::Telemetry::core_metrics",
    "Cluster::Telemetry::message_size_bounds",
    "Cluster::Telemetry::websocket_metrics",
    "Cluster::default_websocket_ping_interval",
    "Cluster::logger_pool_spec$exclusive",
    "Cluster::logger_pool_spec$max_nodes",
    "Cluster::proxy_pool_spec$exclusive",
    "Cluster::proxy_pool_spec$max_nodes",
    "Cluster::worker_pool_spec$exclusive",
    "Cluster::worker_pool_spec$max_nodes",
    "Log::flush_interval",
    "Telemetry::callback_timeout",
];

/// Options that only a real Zeek has a use for: a running node of ours takes them over, and nothing changes.
pub const ZEEK_ONLY: &[&str] = &[
    "Broker::default_connect_retry",
    "Broker::default_listen_address",
    "Broker::default_listen_retry",
    "Broker::default_log_topic_prefix",
    "Broker::default_port",
    "Broker::disable_ssl",
    "Broker::forward_messages",
    "Broker::log_batch_interval",
    "Broker::log_batch_size",
    "Broker::max_threads",
    "Broker::peer_buffer_size",
    "Broker::peer_overflow_policy",
    "Broker::table_store_db_directory",
    "Cluster::Backend::ZeroMQ::debug_flags",
    "Cluster::Backend::ZeroMQ::internal_topic_prefix",
    "Cluster::default_publish_table_batch_size",
    "Cluster::default_table_publish_on_change_max_batch_delay",
    "Cluster::default_table_publish_on_change_max_batch_size",
    "Cluster::enable_round_robin_logging",
    "Cluster::node_topic_prefix",
    "Cluster::nodeid_topic_prefix",
    "Cluster::retry_interval",
    "Log::default_logdir",
    "Log::default_mail_alarms_interval",
    "Log::default_max_field_container_elements",
    "Log::default_max_field_string_bytes",
    "Log::default_max_total_container_elements",
    "Log::default_max_total_string_bytes",
    "Log::default_rotation_date_format",
    "Log::default_rotation_dir",
    "Log::default_rotation_postprocessor_cmd",
    "Log::max_log_record_size",
    "Log::write_buffer_size",
    "LogAscii::enable_leftover_log_rotation",
    "Telemetry::civetweb_threads",
];

/// Whether a running node of ours takes the option over; all others wait for its next start.
pub fn is_live(name: &str) -> bool {
    LIVE.contains(&name) || ZEEK_ONLY.contains(&name)
}

/// All options, by module and name.
pub static OPTIONS: &[OptionInfo] = &[
    derived(
        "Cluster::backend",
        Enum(BACKENDS),
        "Cluster::CLUSTER_BACKEND_ZEROMQ",
        "set the top-level `backend` instead",
        "The backend that carries frames.",
    ),
    option(
        "Cluster::default_backend",
        Enum(BACKEND_TYPES),
        "Broker::MEMORY",
        "Where data stores keep their data unless told otherwise.",
    ),
    option(
        "Cluster::default_master_node",
        Text,
        "\"\"",
        "Node that holds the masters of data stores; empty for the manager.",
    ),
    option(
        "Cluster::default_persistent_backend",
        Enum(BACKEND_TYPES),
        "Broker::SQLITE",
        "Where persistent data stores keep their data.",
    ),
    option(
        "Cluster::default_publish_table_batch_size",
        Count,
        "10000",
        "Entries in one event when a whole table is published.",
    ),
    option("Cluster::default_store_dir", Text, "\"\"", "Folder for the files of persistent data stores."),
    option(
        "Cluster::default_table_publish_on_change_max_batch_delay",
        Interval,
        "10msec",
        "How long changes of a table are collected before they are published.",
    ),
    option(
        "Cluster::default_table_publish_on_change_max_batch_size",
        Count,
        "10",
        "Changes of a table that are published at once.",
    ),
    option(
        "Cluster::default_websocket_max_event_queue_size",
        Count,
        "32",
        "Events of WebSocket clients that may wait for the node before the clients have to.",
    ),
    option(
        "Cluster::default_websocket_ping_interval",
        Interval,
        "5sec",
        "How often WebSocket clients are pinged; below one second never.",
    ),
    option(
        "Cluster::enable_round_robin_logging",
        Bool,
        "T",
        "Whether log records are spread over the loggers one by one; ZeroMQ always spreads batches.",
    ),
    option(
        "Cluster::event_serializer",
        Enum(&["Cluster::EVENT_SERIALIZER_BROKER_BIN_V1", "Cluster::EVENT_SERIALIZER_BROKER_JSON_V1"]),
        "Cluster::EVENT_SERIALIZER_BROKER_BIN_V1",
        "Format of events on the wire; all nodes must agree.",
    ),
    option(
        "Cluster::log_serializer",
        Enum(&["Cluster::LOG_SERIALIZER_ZEEK_BIN_V1"]),
        "Cluster::LOG_SERIALIZER_ZEEK_BIN_V1",
        "Format of log batches on the wire; all nodes must agree.",
    ),
    option("Cluster::logger_topic", Text, "\"zeek.cluster.logger\"", "Topic that all loggers subscribe to."),
    derived(
        "Cluster::manager_is_logger",
        Bool,
        "T",
        "add or remove a node of type logger instead",
        "Whether the manager receives logs, which it does when there is no logger.",
    ),
    option("Cluster::manager_topic", Text, "\"zeek.cluster.manager\"", "Topic that the manager subscribes to."),
    with_env(
        derived("Cluster::node", Text, "\"\"", "it is each node's own name", "Name of this node in the layout."),
        "CLUSTER_NODE",
        EnvRule::Default,
    ),
    option(
        "Cluster::node_topic_prefix",
        Text,
        "\"zeek/cluster/node/\"",
        "Prefix of the nodes' own topics; not used by the ZeroMQ backend.",
    ),
    option(
        "Cluster::nodeid_topic_prefix",
        Text,
        "\"zeek/cluster/nodeid/\"",
        "Prefix of the topics of node ids; not used by the ZeroMQ backend.",
    ),
    option(
        "Cluster::logger_pool_spec$exclusive",
        Bool,
        "F",
        "Whether the members of the logger pool are in no other pool; needs `max_nodes`.",
    ),
    option(
        "Cluster::logger_pool_spec$max_nodes",
        Count,
        "0",
        "The most members of the logger pool; 0 for all nodes of the type.",
    ),
    option(
        "Cluster::logger_pool_spec$topic",
        Text,
        "\"zeek.cluster.pool.logger\"",
        "Topic that all members of the logger pool subscribe to.",
    ),
    option(
        "Cluster::proxy_pool_spec$exclusive",
        Bool,
        "F",
        "Whether the members of the proxy pool are in no other pool; needs `max_nodes`.",
    ),
    option(
        "Cluster::proxy_pool_spec$max_nodes",
        Count,
        "0",
        "The most members of the proxy pool; 0 for all nodes of the type.",
    ),
    option(
        "Cluster::proxy_pool_spec$topic",
        Text,
        "\"zeek.cluster.pool.proxy\"",
        "Topic that all members of the proxy pool subscribe to.",
    ),
    option(
        "Cluster::worker_pool_spec$exclusive",
        Bool,
        "F",
        "Whether the members of the worker pool are in no other pool; needs `max_nodes`.",
    ),
    option(
        "Cluster::worker_pool_spec$max_nodes",
        Count,
        "0",
        "The most members of the worker pool; 0 for all nodes of the type.",
    ),
    option(
        "Cluster::worker_pool_spec$topic",
        Text,
        "\"zeek.cluster.pool.worker\"",
        "Topic that all members of the worker pool subscribe to.",
    ),
    option("Cluster::proxy_topic", Text, "\"zeek.cluster.proxy\"", "Topic that all proxies subscribe to."),
    with_env(
        option(
            "Cluster::retry_interval",
            Interval,
            "1sec",
            "How long to wait before a failed connection is tried again; ZeroMQ reconnects by itself.",
        ),
        "ZEEK_DEFAULT_CONNECT_RETRY",
        EnvRule::OverrideWholeSeconds,
    ),
    option("Cluster::worker_topic", Text, "\"zeek.cluster.worker\"", "Topic that all workers subscribe to."),
    option(
        "Cluster::Telemetry::core_metrics",
        EnumSet(TELEMETRY_TYPES),
        "{Cluster::Telemetry::INFO}",
        "Which metrics of events between nodes are kept.",
    ),
    option(
        "Cluster::Telemetry::message_size_bounds",
        DoubleVector,
        "vector(10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10000.0, 50000.0)",
        "Bounds of the histograms of event sizes, in bytes.",
    ),
    option(
        "Cluster::Telemetry::websocket_metrics",
        EnumSet(TELEMETRY_TYPES),
        "{Cluster::Telemetry::INFO}",
        "Which metrics of events of WebSocket clients are kept.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::connect_log_endpoints",
        StringVector,
        "vector()",
        LOGGERS,
        "The loggers that this node sends to.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::connect_xpub_endpoint",
        Text,
        "\"tcp://127.0.0.1:5556\"",
        HUB,
        "The hub's XSUB, which the node's XPUB connects to.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::connect_xpub_nodrop",
        Bool,
        "T",
        "Whether a node's XPUB reports what it cannot send, so that drops are counted.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::connect_xsub_endpoint",
        Text,
        "\"tcp://127.0.0.1:5555\"",
        HUB,
        "The hub's XPUB, which the node's XSUB connects to.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::curve_client_publickey",
        Text,
        "\"\"",
        KEYS,
        "Public key that all nodes connect with.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::curve_client_secretkey",
        Text,
        "\"\"",
        KEYS,
        "Secret key that all nodes connect with.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::curve_server_publickey",
        Text,
        "\"\"",
        KEYS,
        "Public key of the hub and the loggers.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::curve_server_secretkey",
        Text,
        "\"\"",
        KEYS,
        "Secret key of the hub and the loggers.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::debug_flags",
        Count,
        "0",
        "Debug output of the backend: 1 polling, 2 threads, 3 both.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::hello_expiration",
        Interval,
        "10sec",
        "How long a half-seen node may take to say hello before that is reported.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::internal_topic_prefix",
        Text,
        "\"zeek.zeromq.internal.\"",
        "Prefix of topics that a node sends to itself only.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::ipv6",
        Bool,
        "F",
        "it is on as soon as a node has an IPv6 address",
        "Whether sockets speak IPv6.",
    ),
    derived("Cluster::Backend::ZeroMQ::listen_log_endpoint", Text, "\"\"", LOGGERS, "Where this node receives logs."),
    derived(
        "Cluster::Backend::ZeroMQ::listen_xpub_endpoint",
        Text,
        "\"tcp://127.0.0.1:5555\"",
        HUB,
        "Where the hub's XPUB listens.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::listen_xpub_nodrop",
        Bool,
        "T",
        "Whether the hub waits for a slow node instead of dropping its messages.",
    ),
    derived(
        "Cluster::Backend::ZeroMQ::listen_xsub_endpoint",
        Text,
        "\"tcp://127.0.0.1:5556\"",
        HUB,
        "Where the hub's XSUB listens.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::linger_ms",
        Int,
        "500",
        "How long unsent messages may hold up the end of a node, in milliseconds; -1 for ever.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::log_immediate",
        Bool,
        "F",
        "Whether log batches are queued for connected loggers only.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::log_rcvbuf",
        Int,
        "-1",
        "Kernel receive buffer of a logger's socket in bytes; -1 for the system's.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::log_rcvhwm",
        Int,
        "1000",
        "Log batches that may wait at a logger for each sender; more than 16 wait at the sender.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::log_sndbuf",
        Int,
        "-1",
        "Kernel send buffer towards loggers in bytes; -1 for the system's.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::log_sndhwm",
        Int,
        "1000",
        "Log batches that may wait for each logger; 0 without limit.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::node_topic_prefix",
        Text,
        "\"zeek.cluster.node\"",
        "Prefix of the nodes' own topics, without the dot after it; all nodes must agree.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::nodeid_topic_prefix",
        Text,
        "\"zeek.cluster.nodeid\"",
        "Prefix of the topics of node ids, without the dot after it; all nodes must agree.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::onloop_queue_hwm",
        Count,
        "10000",
        "Received events that may wait for a node's main loop before further ones are dropped; 0 without limit.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::poll_max_messages",
        Count,
        "100",
        "Messages that are read from one socket before the next one has its turn; 0 without limit.",
    ),
    option("Cluster::Backend::ZeroMQ::proxy_io_threads", Count, "2", "I/O threads of the hub."),
    derived(
        "Cluster::Backend::ZeroMQ::run_proxy_thread",
        Bool,
        "F",
        "the manager runs the hub",
        "Whether this node runs the hub.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::xpub_sndbuf",
        Int,
        "-1",
        "Kernel send buffer of a node's XPUB in bytes; -1 for the system's.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::xpub_sndhwm",
        Int,
        "1000",
        "Events that may wait in a node's XPUB before further ones are dropped; 0 without limit.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::xsub_rcvbuf",
        Int,
        "-1",
        "Kernel receive buffer of a node's XSUB in bytes; -1 for the system's.",
    ),
    option(
        "Cluster::Backend::ZeroMQ::xsub_rcvhwm",
        Int,
        "1000",
        "Events that may wait in a node's XSUB; 0 without limit.",
    ),
    option("Log::default_logdir", Text, "\"\"", "Folder of open log files; empty for the node's own."),
    option("Log::default_mail_alarms_interval", Interval, "0sec", "How often alarms are mailed; 0 never."),
    option(
        "Log::default_max_field_container_elements",
        Count,
        "100",
        "Elements of a set or vector in one log field; more are left out.",
    ),
    option(
        "Log::default_max_field_string_bytes",
        Count,
        "4096",
        "Bytes of a string in one log field; more are cut off.",
    ),
    option(
        "Log::default_max_total_container_elements",
        Count,
        "500",
        "Elements of all sets and vectors of a log record together.",
    ),
    option("Log::default_max_total_string_bytes", Count, "256000", "Bytes of all strings of a log record together."),
    option(
        "Log::default_rotation_date_format",
        Text,
        "\"%Y-%m-%d-%H-%M-%S\"",
        "Form of the time in a rotated file's name.",
    ),
    option("Log::default_rotation_dir", Text, "\"\"", "Folder of rotated files; empty to leave them where they are."),
    derived(
        "Log::default_rotation_interval",
        Interval,
        "1hr",
        "set `rotation_interval` under `logging` instead",
        "How often log files are rotated; 0 never.",
    ),
    option(
        "Log::default_rotation_postprocessor_cmd",
        Text,
        "\"\"",
        "Command that a real Zeek runs on each rotated file.",
    ),
    derived(
        "Log::enable_local_logging",
        Bool,
        "T",
        "nodes that receive logs write them",
        "Whether this node writes log files.",
    ),
    derived(
        "Log::enable_remote_logging",
        Bool,
        "T",
        "nodes that do not receive logs send them",
        "Whether this node sends its log records to loggers.",
    ),
    option("Log::flush_interval", Interval, "1sec", "How long log records are collected before they are sent."),
    option("Log::max_log_record_size", Count, "67108864", "Largest log record in bytes; larger ones are dropped."),
    option("Log::separator", Text, "\"\\t\"", "What stands between columns."),
    option("Log::write_buffer_size", Count, "1000", "Log records that are collected before they are sent."),
    option("LogAscii::empty_field", Text, "\"(empty)\"", "What an empty string, set or vector is written as."),
    option(
        "LogAscii::enable_leftover_log_rotation",
        Bool,
        "F",
        "Whether log files that a crash left behind are rotated at the next start.",
    ),
    option("LogAscii::enable_utf_8", Bool, "T", "Whether valid UTF-8 is written as it is."),
    option("LogAscii::gzip_file_extension", Text, "\"gz\"", "Ending of log files that are written compressed."),
    option("LogAscii::gzip_level", Count, "0", "Compression of open log files, 1 to 9; 0 for none."),
    option("LogAscii::include_meta", Bool, "T", "Whether files begin and end with lines about themselves."),
    option("LogAscii::json_include_unset_fields", Bool, "F", "Whether unset columns are written as null."),
    option(
        "LogAscii::json_string_escape_policy",
        Enum(STRING_ESCAPES),
        "JSON::STRING_ESCAPE_POLICY_HEX",
        "How strings of JSON files show octets that are no text (Zeek 9.0 and later).",
    ),
    option("LogAscii::json_timestamps", Enum(TIMESTAMPS), "JSON::TS_EPOCH", "How JSON files give times."),
    option("LogAscii::meta_prefix", Text, "\"#\"", "What the lines about a file begin with."),
    option("LogAscii::output_to_stdout", Bool, "F", "Whether records go to standard output instead of files."),
    option("LogAscii::separator", Text, "\"\\t\"", "What stands between columns."),
    option("LogAscii::set_separator", Text, "\",\"", "What stands between the elements of a set or vector."),
    option("LogAscii::unset_field", Text, "\"-\"", "What an unset column is written as."),
    derived(
        "LogAscii::use_json",
        Bool,
        "F",
        "set `format` under `logging` instead",
        "Whether files hold one JSON object a line.",
    ),
    option("Telemetry::callback_timeout", Interval, "5sec", "How long a scrape waits for the node's main loop."),
    option("Telemetry::civetweb_threads", Count, "2", "Threads of a real Zeek's metrics server."),
    with_env(
        option(
            "Telemetry::metrics_address",
            Text,
            "\"\"",
            "Address that metrics are served on: empty for each node's own, `0.0.0.0` or `::` for all.",
        ),
        "ZEEK_DEFAULT_LISTEN_ADDRESS",
        EnvRule::Default,
    ),
    option("Telemetry::metrics_endpoint_label", Text, "\"node\"", "Label that tells nodes apart."),
    derived(
        "Telemetry::metrics_endpoint_name",
        Text,
        "\"\"",
        "it is each node's own name",
        "Value of the label that tells nodes apart.",
    ),
    derived(
        "Telemetry::metrics_port",
        Port,
        "0/unknown",
        "set the node's `metrics_port` instead",
        "Where metrics are served.",
    ),
    with_env(
        option(
            "Broker::default_connect_retry",
            Interval,
            "1sec",
            "How long Broker waits before a failed connection is tried again.",
        ),
        "ZEEK_DEFAULT_CONNECT_RETRY",
        EnvRule::OverrideWholeSeconds,
    ),
    option(
        "Broker::default_clone_mutation_buffer_interval",
        Interval,
        "2min",
        "How long a clone without master keeps writes.",
    ),
    option(
        "Broker::default_clone_resync_interval",
        Interval,
        "10sec",
        "How often a clone without master looks for it.",
    ),
    option(
        "Broker::default_clone_stale_interval",
        Interval,
        "5min",
        "After so long without master a clone's reads fail; negative never.",
    ),
    with_env(
        option("Broker::default_listen_address", Text, "\"\"", "Address that Broker listens on; empty for all."),
        "ZEEK_DEFAULT_LISTEN_ADDRESS",
        EnvRule::Default,
    ),
    with_env(
        option(
            "Broker::default_listen_retry",
            Interval,
            "1sec",
            "How long Broker waits before it tries again to listen.",
        ),
        "ZEEK_DEFAULT_LISTEN_RETRY",
        EnvRule::OverrideSeconds,
    ),
    option(
        "Broker::default_log_topic_prefix",
        Text,
        "\"zeek/logs/\"",
        "Prefix of the topics that log records travel under with Broker.",
    ),
    option("Broker::default_port", Port, "9999/tcp", "Port that Broker listens on unless told otherwise."),
    option("Broker::disable_ssl", Bool, "F", "Whether Broker's connections are plain text."),
    option("Broker::forward_messages", Bool, "F", "Whether Broker hands on messages between its peers."),
    option("Broker::log_batch_interval", Interval, "1sec", "How long Broker collects log records."),
    option("Broker::log_batch_size", Count, "400", "Log records that Broker collects."),
    option("Broker::max_threads", Count, "1", "Threads of Broker."),
    option("Broker::peer_buffer_size", Count, "8192", "Messages that may wait for one Broker peer."),
    option(
        "Broker::peer_overflow_policy",
        Enum(OVERFLOW),
        "drop_oldest",
        "What Broker does when too many messages wait for a peer.",
    ),
    option("Broker::table_store_db_directory", Text, "\".\"", "Folder of the files of tables that live in stores."),
];

/// Redefinable names of the reference that are no options of a layout, and what to do instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("Cluster::nodes", "declare the nodes under `nodes`"),
    ("Cluster::stores", "declare the stores under `stores`"),
    ("Cluster::node_id", FUNCTION),
    ("Cluster::node_topic", "set `Cluster::Backend::ZeroMQ::node_topic_prefix` instead"),
    ("Cluster::nodeid_topic", "set `Cluster::Backend::ZeroMQ::nodeid_topic_prefix` instead"),
    ("Cluster::logger_pool_spec", POOL),
    ("Cluster::proxy_pool_spec", POOL),
    ("Cluster::worker_pool_spec", POOL),
    ("Cluster::Telemetry::topic_normalizations", "the topics of node ids are always counted as one"),
];
const FUNCTION: &str = "a function cannot be redefined in a layout";
const POOL: &str = "set its fields instead, such as `Cluster::worker_pool_spec$max_nodes`";

/// What to do instead of setting a redefinable name of the reference that is no option of a layout; none for all others.
pub fn elsewhere(name: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead)
}

/// The option of that full name.
pub fn find(name: &str) -> Option<&'static OptionInfo> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// The nearest known name to one that is not known.
pub fn nearest(name: &str) -> Option<&'static str> {
    super::suggest::nearest(name, OPTIONS.iter().map(|option| option.name))
}

impl OptionInfo {
    /// What to change instead, when the layout's `options:` may not set it.
    pub fn derived_from(&self) -> Option<&'static str> {
        match self.set_by {
            SetBy::Layout => None,
            SetBy::Derived(from) => Some(from),
        }
    }

    /// The default under a backend, in Zeek's script syntax: topics have dots under ZeroMQ and slashes under Broker.
    pub fn default_under(&self, backend: Backend) -> &'static str {
        match (backend, self.name) {
            (Backend::Broker, "Cluster::logger_topic") => "\"zeek/cluster/logger\"",
            (Backend::Broker, "Cluster::manager_topic") => "\"zeek/cluster/manager\"",
            (Backend::Broker, "Cluster::proxy_topic") => "\"zeek/cluster/proxy\"",
            (Backend::Broker, "Cluster::worker_topic") => "\"zeek/cluster/worker\"",
            (Backend::Broker, "Cluster::logger_pool_spec$topic") => "\"zeek/cluster/pool/logger\"",
            (Backend::Broker, "Cluster::proxy_pool_spec$topic") => "\"zeek/cluster/pool/proxy\"",
            (Backend::Broker, "Cluster::worker_pool_spec$topic") => "\"zeek/cluster/pool/worker\"",
            _ => self.default,
        }
    }

    /// [`OptionInfo::default_under`] as a value.
    pub fn default_value(&self, backend: Backend) -> OptionValue {
        let default = self.default_under(backend);
        let list = |text: &str, open: &str, close: char| -> Vec<String> {
            let inside = text.trim_start_matches(open).trim_end_matches(close);
            inside.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        match self.kind {
            Bool => OptionValue::Bool(default == "T"),
            Count | Int => OptionValue::Int(default.parse().unwrap_or(0)),
            Port => OptionValue::Int(port(default).unwrap_or(0)),
            Double => OptionValue::Real(default.parse().unwrap_or(0.0)),
            Text => OptionValue::Text(default.trim_matches('"').replace("\\t", "\t")),
            Interval | Enum(_) => OptionValue::Text(default.to_owned()),
            EnumSet(_) => OptionValue::List(list(default, "{", '}').into_iter().map(OptionValue::Text).collect()),
            StringVector => {
                OptionValue::List(list(default, "vector(", ')').into_iter().map(OptionValue::Text).collect())
            }
            DoubleVector => {
                let numbers = list(default, "vector(", ')').into_iter().filter_map(|n| n.parse().ok());
                OptionValue::List(numbers.map(OptionValue::Real).collect())
            }
        }
    }
}

impl OptionKind {
    /// What a value of this type looks like in a layout.
    pub(crate) fn expected(self) -> String {
        match self {
            Bool => "`true` or `false`".to_owned(),
            Count => "a whole number from 0".to_owned(),
            Int => "a whole number".to_owned(),
            Double => "a number".to_owned(),
            Interval => duration::EXPECTED.to_owned(),
            Text => "text".to_owned(),
            Port => "a port such as `9999/tcp`".to_owned(),
            Enum(names) => format!("one of `{}`", names.join("`, `")),
            StringVector => "a list of texts".to_owned(),
            DoubleVector => "a list of numbers".to_owned(),
            EnumSet(names) => format!("a list of `{}`", names.join("`, `")),
        }
    }

    /// Reads a value of the layout; none when it is of another type.
    pub(crate) fn read(self, tree: &Rc<Tree>) -> Option<OptionValue> {
        match (self, &tree.value) {
            (StringVector, _) => elements(tree, Text),
            (DoubleVector, _) => elements(tree, Double),
            (EnumSet(names), _) => elements(tree, Enum(names)),
            (_, Value::Scalar(scalar)) => self.read_scalar(scalar),
            _ => None,
        }
    }

    fn read_scalar(self, scalar: &Scalar) -> Option<OptionValue> {
        let text = scalar.text.as_str();
        if scalar.is_null() || text.contains('\0') {
            return None;
        }
        match self {
            Bool => super::schema::switch(text).map(OptionValue::Bool),
            Count => super::schema::int(text).filter(|n| *n >= 0).map(OptionValue::Int),
            Int => super::schema::int(text).map(OptionValue::Int),
            Double => text.parse().ok().filter(|n: &f64| n.is_finite()).map(OptionValue::Real),
            Interval => interval(text).map(|seconds| match text.parse::<f64>() {
                Ok(_) => OptionValue::Real(seconds),
                Err(_) => OptionValue::Text(text.to_owned()),
            }),
            Text => Some(OptionValue::Text(text.to_owned())),
            Port => port(text).map(OptionValue::Int),
            Enum(names) => names.contains(&text).then(|| OptionValue::Text(text.to_owned())),
            StringVector | DoubleVector | EnumSet(_) => None,
        }
    }

    /// A value in Zeek's script syntax.
    pub fn zeek_text(self, value: &OptionValue) -> String {
        match (self, value) {
            (_, OptionValue::Bool(true)) => "T".to_owned(),
            (_, OptionValue::Bool(false)) => "F".to_owned(),
            (Port, OptionValue::Int(0)) => "0/unknown".to_owned(),
            (Port, OptionValue::Int(n)) => format!("{n}/tcp"),
            (Interval, OptionValue::Int(n)) => zeek_interval(*n as f64),
            (Interval, OptionValue::Real(seconds)) => zeek_interval(*seconds),
            (Interval, OptionValue::Text(text)) => interval(text).map_or_else(|| text.clone(), zeek_interval),
            (_, OptionValue::Int(n)) => n.to_string(),
            (_, OptionValue::Real(n)) => format!("{n:?}"),
            (Enum(_) | EnumSet(_), OptionValue::Text(text)) => text.clone(),
            (_, OptionValue::Text(text)) => zeek_string(text),
            (_, OptionValue::List(elements)) => {
                let element = match self {
                    EnumSet(names) => Enum(names),
                    DoubleVector => Double,
                    _ => Text,
                };
                let inside: Vec<_> = elements.iter().map(|e| element.zeek_text(e)).collect();
                match self {
                    EnumSet(_) => format!("{{{}}}", inside.join(", ")),
                    _ => format!("vector({})", inside.join(", ")),
                }
            }
        }
    }
}

fn elements(tree: &Rc<Tree>, kind: OptionKind) -> Option<OptionValue> {
    tree.elements().iter().map(|element| kind.read(element)).collect::<Option<_>>().map(OptionValue::List)
}

/// Seconds of an interval: a number of seconds, or a duration, either perhaps negative.
pub fn interval(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds).filter(|s| s.is_finite() && s.abs() < 1e10);
    }
    match text.strip_prefix('-') {
        Some(rest) => duration::parse(rest).map(|d| -d.as_secs_f64()),
        None => duration::parse(text).map(|d| d.as_secs_f64()),
    }
}

/// The seconds of a value that holds an interval; none for every other value.
pub fn seconds(value: &OptionValue) -> Option<f64> {
    match value {
        OptionValue::Int(seconds) => Some(*seconds as f64),
        OptionValue::Real(seconds) => Some(*seconds),
        OptionValue::Text(text) => interval(text),
        OptionValue::Bool(_) | OptionValue::List(_) => None,
    }
}

fn zeek_interval(seconds: f64) -> String {
    let units = [("day", 86_400.0), ("hr", 3600.0), ("min", 60.0), ("sec", 1.0), ("msec", 1e-3)];
    let whole = |size: f64| (seconds / size).fract().abs() < 1e-9 && (seconds / size).abs() >= 1.0;
    match units.iter().find(|(_, size)| whole(*size)) {
        Some((unit, size)) => format!("{}{unit}", (seconds / size).round()),
        None if seconds == 0.0 => "0sec".to_owned(),
        None => format!("{}usec", (seconds * 1e6).round()),
    }
}

/// A string literal.
pub(crate) fn zeek_string(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            c if c.is_ascii_control() => literal.push_str(&format!("\\x{:02x}", c as u32)),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

fn port(text: &str) -> Option<i64> {
    let number = ["/tcp", "/udp", "/unknown"].iter().find_map(|ending| text.strip_suffix(ending)).unwrap_or(text);
    super::schema::int(number).filter(|n| (0..=65_535).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_read_back_as_they_are_written() {
        for option in OPTIONS {
            assert_eq!(
                option.kind.zeek_text(&option.default_value(Backend::Zeromq)),
                option.default,
                "{}",
                option.name
            );
            assert!(option.doc.ends_with('.'), "{}", option.name);
        }
    }

    /// Names and types of the reference's `&redef` variables, from its page on `base/frameworks/cluster/main.zeek`.
    const REFERENCE: &[(&str, &str)] = &[
        ("Cluster::default_backend", "Broker::BackendType"),
        ("Cluster::default_master_node", "string"),
        ("Cluster::default_persistent_backend", "Broker::BackendType"),
        ("Cluster::default_store_dir", "string"),
        ("Cluster::default_websocket_max_event_queue_size", "count"),
        ("Cluster::default_websocket_ping_interval", "interval"),
        ("Cluster::enable_round_robin_logging", "bool"),
        ("Cluster::logger_topic", "string"),
        ("Cluster::manager_is_logger", "bool"),
        ("Cluster::manager_topic", "string"),
        ("Cluster::node", "string"),
        ("Cluster::node_topic_prefix", "string"),
        ("Cluster::nodeid_topic_prefix", "string"),
        ("Cluster::nodes", "table"),
        ("Cluster::proxy_topic", "string"),
        ("Cluster::retry_interval", "interval"),
        ("Cluster::worker_topic", "string"),
        ("Cluster::stores", "table"),
        ("Cluster::node_id", "function"),
        ("Cluster::node_topic", "function"),
        ("Cluster::nodeid_topic", "function"),
    ];

    #[test]
    fn every_redefinable_name_of_the_reference_is_an_option_or_says_what_to_do_instead() {
        for (name, kind) in REFERENCE {
            let Some(option) = find(name) else {
                assert!(elsewhere(name).is_some(), "{name}");
                continue;
            };
            let ours = match option.kind {
                Bool => "bool",
                Count => "count",
                Interval => "interval",
                Text => "string",
                Enum(names) if names == BACKEND_TYPES => "Broker::BackendType",
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(ours, *kind, "{name}");
            assert_eq!(elsewhere(name), None, "{name}");
        }
    }

    #[test]
    fn topics_have_dots_or_slashes_by_the_backend() {
        let check = |name: &str, zeromq: &str, broker: &str| {
            let option = find(name).expect(name);
            assert_eq!(option.default_value(Backend::Zeromq), OptionValue::Text(zeromq.into()), "{name}");
            assert_eq!(option.default_value(Backend::Broker), OptionValue::Text(broker.into()), "{name}");
        };
        check("Cluster::logger_topic", "zeek.cluster.logger", "zeek/cluster/logger");
        check("Cluster::manager_topic", "zeek.cluster.manager", "zeek/cluster/manager");
        check("Cluster::proxy_topic", "zeek.cluster.proxy", "zeek/cluster/proxy");
        check("Cluster::worker_topic", "zeek.cluster.worker", "zeek/cluster/worker");
        check("Cluster::worker_pool_spec$topic", "zeek.cluster.pool.worker", "zeek/cluster/pool/worker");
        check("Cluster::node_topic_prefix", "zeek/cluster/node/", "zeek/cluster/node/");
    }

    #[test]
    fn what_a_running_node_takes_over_are_options_of_the_layout() {
        for name in LIVE.iter().chain(ZEEK_ONLY) {
            let option = find(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(option.derived_from(), None, "{name}");
        }
        assert!(LIVE.iter().all(|name| !ZEEK_ONLY.contains(name)));
    }

    #[test]
    fn names_are_there_once() {
        let names: std::collections::BTreeSet<_> = OPTIONS.iter().map(|option| option.name).collect();
        assert_eq!(names.len(), OPTIONS.len());
    }

    #[test]
    fn intervals_may_be_negative_numbers_and_words() {
        assert_eq!(interval("-1sec"), Some(-1.0));
        assert_eq!(interval("90"), Some(90.0));
        assert_eq!(zeek_interval(90.0), "90sec");
        assert_eq!(zeek_interval(-1.0), "-1sec");
        assert_eq!(zeek_interval(0.00025), "250usec");
    }
}
