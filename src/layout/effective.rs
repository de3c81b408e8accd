//! The value that each option has in a node, and who said so.

use std::collections::BTreeMap;

use super::model::Backend;
use super::options::{EnvRule, OPTIONS, OptionInfo};
use crate::api::config::{LogFormat, NodeConfig, OptionValue};
use crate::data::NodeType;

/// Where an effective value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table.
    Default,
    /// The layout.
    Layout,
    /// The named environment variable.
    Environment(&'static str),
}

impl Origin {
    /// `default`, `layout`, or the variable's name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::Layout => "layout",
            Origin::Environment(variable) => variable,
        }
    }
}

/// Each node's own address unless it is set.
const METRICS_ADDRESS: &str = "Telemetry::metrics_address";

/// The value that an option has in a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: OptionValue,
    /// The value in Zeek's script syntax.
    pub text: String,
    /// Who said so.
    pub origin: Origin,
}

/// The value that every option has in a node of this configuration, in the order of [`OPTIONS`]: what follows from the rest
/// of the layout, what the layout sets, the environment (asked through `env`) where the reference lets it speak, else the
/// default.
pub fn effective_options(
    config: &NodeConfig,
    backend: Backend,
    env: &dyn Fn(&str) -> Option<String>,
) -> Vec<Effective> {
    let derived = derived(config, backend);
    let mut options = effective(&config.options, backend, env);
    for option in &mut options {
        let Some((_, value)) = derived.iter().find(|(name, _)| *name == option.name) else { continue };
        // The only one that can also be set.
        if option.name == METRICS_ADDRESS && option.origin != Origin::Default {
            continue;
        }
        option.value.clone_from(value);
        option.origin = Origin::Layout;
        if let Some(info) = super::options::find(option.name) {
            option.text = info.kind.zeek_text(value);
        }
    }
    options
}

/// The same without what follows from the rest of the layout.
pub(super) fn effective(
    layout: &BTreeMap<String, OptionValue>,
    backend: Backend,
    env: &dyn Fn(&str) -> Option<String>,
) -> Vec<Effective> {
    OPTIONS.iter().map(|option| option.effective(layout.get(option.name), backend, env)).collect()
}

/// Options that follow from the rest of the layout. The keys are none of them: they are nobody's to read.
fn derived(config: &NodeConfig, backend: Backend) -> Vec<(&'static str, OptionValue)> {
    let text = |text: &str| OptionValue::Text(text.to_owned());
    let endpoints = &config.zeromq;
    let writes_logs = config.node_type == NodeType::Logger
        || (config.node_type == NodeType::Manager && config.manager_is_logger)
        || endpoints.listen_log_endpoint.is_some();
    let own = config.nodes.iter().find(|entry| entry.name == config.name);
    let mut derived = vec![
        (
            "Cluster::backend",
            text(match backend {
                Backend::Zeromq => "Cluster::CLUSTER_BACKEND_ZEROMQ",
                Backend::Broker => "Cluster::CLUSTER_BACKEND_BROKER",
            }),
        ),
        ("Cluster::manager_is_logger", OptionValue::Bool(config.manager_is_logger)),
        ("Cluster::node", text(&config.name)),
        (
            "Cluster::Backend::ZeroMQ::connect_log_endpoints",
            OptionValue::List(endpoints.connect_log_endpoints.iter().map(|endpoint| text(endpoint)).collect()),
        ),
        ("Cluster::Backend::ZeroMQ::connect_xpub_endpoint", text(&endpoints.connect_xpub_endpoint)),
        ("Cluster::Backend::ZeroMQ::connect_xsub_endpoint", text(&endpoints.connect_xsub_endpoint)),
        ("Cluster::Backend::ZeroMQ::ipv6", OptionValue::Bool(endpoints.ipv6)),
        ("Cluster::Backend::ZeroMQ::run_proxy_thread", OptionValue::Bool(endpoints.run_proxy_thread)),
        ("Log::default_rotation_interval", OptionValue::Real(config.logging.rotation_interval_s as f64)),
        ("Log::enable_local_logging", OptionValue::Bool(writes_logs)),
        ("Log::enable_remote_logging", OptionValue::Bool(!writes_logs)),
        ("LogAscii::use_json", OptionValue::Bool(config.logging.format == LogFormat::Json)),
        ("Telemetry::metrics_endpoint_name", text(&config.name)),
    ];
    let listening = [
        ("Cluster::Backend::ZeroMQ::listen_log_endpoint", &endpoints.listen_log_endpoint),
        ("Cluster::Backend::ZeroMQ::listen_xpub_endpoint", &endpoints.listen_xpub_endpoint),
        ("Cluster::Backend::ZeroMQ::listen_xsub_endpoint", &endpoints.listen_xsub_endpoint),
    ];
    derived.extend(listening.iter().filter_map(|(name, endpoint)| Some((*name, text(endpoint.as_ref()?)))));
    let metrics_port = own.and_then(|entry| entry.metrics_port);
    derived.extend(metrics_port.map(|port| ("Telemetry::metrics_port", OptionValue::Int(i64::from(port)))));
    let address = own.filter(|own| own.zone_id.is_empty()).map(|own| text(&own.ip.to_string()));
    derived.extend(address.map(|address| (METRICS_ADDRESS, address)));
    derived
}

impl OptionInfo {
    fn effective(
        &self,
        layout: Option<&OptionValue>,
        backend: Backend,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Effective {
        let from_env = self.env.and_then(|(variable, rule)| Some((variable, rule, env(variable)?)));
        let (value, origin) = match (from_env, layout) {
            (Some((variable, EnvRule::OverrideWholeSeconds, text)), _) => {
                (OptionValue::Real(atoi(&text)), Origin::Environment(variable))
            }
            (Some((variable, EnvRule::OverrideSeconds, text)), _) => (
                OptionValue::Real(text.trim().parse().ok().filter(|s: &f64| s.is_finite()).unwrap_or(0.0)),
                Origin::Environment(variable),
            ),
            (_, Some(value)) => (value.clone(), Origin::Layout),
            (Some((variable, EnvRule::Default, text)), None) => {
                (OptionValue::Text(text), Origin::Environment(variable))
            }
            (None, None) => (self.default_value(backend), Origin::Default),
        };
        Effective { name: self.name, text: self.kind.zeek_text(&value), value, origin }
    }
}

/// The number that a text begins with, as C's `atoi` reads it; negative ones count as 0.
fn atoi(text: &str) -> f64 {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits: String = text.chars().take_while(char::is_ascii_digit).take(9).collect();
    digits.parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::config::{Compress, LoggingConfig, NodeEntry, ZeromqEndpoints};
    use crate::layout::options::SetBy;

    fn value(name: &str, layout: &[(&str, OptionValue)], env: &[(&str, &str)]) -> (String, &'static str) {
        let layout = layout.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let env = |asked: &str| env.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        let all = effective(&layout, Backend::Zeromq, &env);
        let found = all.into_iter().find(|e| e.name == name).expect(name);
        (found.text, found.origin.as_str())
    }

    #[test]
    fn the_environment_wins_where_the_reference_says_so() {
        let retry = "Cluster::retry_interval";
        let layout = [(retry, OptionValue::Text("5 sec".into()))];
        assert_eq!(value(retry, &[], &[]), ("1sec".into(), "default"));
        assert_eq!(value(retry, &layout, &[]), ("5sec".into(), "layout"));
        let variable = "ZEEK_DEFAULT_CONNECT_RETRY";
        assert_eq!(value(retry, &layout, &[(variable, "3.9")]), ("3sec".into(), variable));
        assert_eq!(value(retry, &layout, &[(variable, "soon")]), ("0sec".into(), variable));
        assert_eq!(value(retry, &layout, &[(variable, "")]), ("0sec".into(), variable));
    }

    #[test]
    fn the_environment_gives_defaults_where_the_reference_says_so() {
        let (address, variable) = ("Broker::default_listen_address", "ZEEK_DEFAULT_LISTEN_ADDRESS");
        assert_eq!(value(address, &[], &[(variable, "192.0.2.1")]), ("\"192.0.2.1\"".into(), variable));
        let layout = [(address, OptionValue::Text("192.0.2.9".into()))];
        assert_eq!(value(address, &layout, &[(variable, "192.0.2.1")]), ("\"192.0.2.9\"".into(), "layout"));
    }

    fn manager() -> NodeConfig {
        NodeConfig {
            stores: BTreeMap::new(),
            websocket: None,
            cluster: "c".into(),
            name: "manager".into(),
            node_type: NodeType::Manager,
            host: "h".into(),
            manager_is_logger: true,
            zeromq: ZeromqEndpoints {
                connect_xpub_endpoint: "tcp://192.0.2.1:2".into(),
                connect_xsub_endpoint: "tcp://192.0.2.1:1".into(),
                connect_log_endpoints: Vec::new(),
                run_proxy_thread: true,
                listen_xpub_endpoint: Some("tcp://192.0.2.1:1".into()),
                listen_xsub_endpoint: Some("tcp://192.0.2.1:2".into()),
                listen_log_endpoint: Some("tcp://192.0.2.1:3".into()),
                ipv6: false,
            },
            curve_dir: Some("keys".into()),
            options: BTreeMap::new(),
            logging: LoggingConfig {
                format: LogFormat::Json,
                rotation_interval_s: 1800,
                compress: Compress::None,
                expire_s: 0,
                suffix: None,
            },
            zeek: None,
            program: None,
            nodes: vec![NodeEntry {
                name: "manager".into(),
                node_type: NodeType::Manager,
                host: "h".into(),
                ip: "192.0.2.1".parse().unwrap(),
                zone_id: String::new(),
                port: Some(3),
                manager: None,
                metrics_port: Some(9991),
            }],
        }
    }

    #[test]
    fn what_follows_from_the_layout_is_shown_as_it_is() {
        let all = effective_options(&manager(), Backend::Zeromq, &|variable| {
            (variable == "CLUSTER_NODE").then(|| "another".to_owned())
        });
        let shown = |name: &str| {
            let found = all.iter().find(|option| option.name == name).expect(name);
            format!("{} {}", found.text, found.origin.as_str())
        };
        assert_eq!(shown("Cluster::node"), "\"manager\" layout");
        assert_eq!(shown("Cluster::manager_is_logger"), "T layout");
        assert_eq!(shown("Cluster::Backend::ZeroMQ::listen_xpub_endpoint"), "\"tcp://192.0.2.1:1\" layout");
        assert_eq!(shown("Cluster::Backend::ZeroMQ::connect_log_endpoints"), "vector() layout");
        assert_eq!(shown("Log::default_rotation_interval"), "30min layout");
        assert_eq!(shown("Log::enable_remote_logging"), "F layout");
        assert_eq!(shown("LogAscii::use_json"), "T layout");
        assert_eq!(shown("Telemetry::metrics_port"), "9991/tcp layout");
        assert_eq!(shown("Cluster::Backend::ZeroMQ::curve_server_secretkey"), "\"\" default");
    }

    #[test]
    fn everything_that_follows_from_the_layout_is_told_but_the_keys() {
        let told: Vec<&str> = derived(&manager(), Backend::Zeromq).into_iter().map(|(name, _)| name).collect();
        let follows = OPTIONS.iter().filter(|option| matches!(option.set_by, SetBy::Derived(_)));
        for option in follows.filter(|option| !option.name.contains("curve_")) {
            assert!(told.contains(&option.name), "{}", option.name);
        }
    }
}
