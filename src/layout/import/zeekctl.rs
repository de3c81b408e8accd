//! zeekctl's files together: nodes with the ports that zeekctl counts for them, and what `zeekctl.cfg` says about the
//! cluster. Source: `zeekctl.md` 4, 6 and 7, zeekctl 2.6.0-67 (`install.py`, `cluster_backend_zeromq.py`).

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::draft::{Draft, Sourced};
use super::report::{Fate, Notes};
use super::site::{Origin, Site, SiteEncryption, SiteNode, SiteType, Tool};
use super::version::ToolVersion;
use super::zeekctl_cfg::{self, Options};
use super::{SourceFile, balance, networks, node_cfg};
use crate::api::config::{Compress, OptionValue};
use crate::data::NodeType;
use crate::layout::load::Environment;
use crate::layout::model::{Backend, HubPorts, WebSocket};
use crate::layout::problem::{Problems, Report, Sources, Span};
use crate::layout::spec::Encryption;
use crate::layout::tree::shorten;
use crate::layout::yaml::WEBSOCKET_PORT;

/// First metrics port unless `MetricsPort` is set.
const METRICS_PORT: i64 = 9991;

/// zeekctl's files, and what is known of the installation that they belong to.
#[derive(Clone, Debug)]
pub struct ZeekctlFiles<'a> {
    /// `node.cfg`.
    pub node_cfg: SourceFile<'a>,
    /// `zeekctl.cfg` or `broctl.cfg`, where there is one.
    pub zeekctl_cfg: Option<SourceFile<'a>>,
    /// `networks.cfg`, where there is one.
    pub networks_cfg: Option<SourceFile<'a>>,
    /// Where zeekctl is installed, unless `ZeekBase` says otherwise.
    pub prefix: Option<PathBuf>,
    /// Version of the Zeek there; none: as the latest one.
    pub version: Option<ToolVersion>,
}

/// Other files that `zeekctl.cfg` names, so that who opens files knows which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZeekctlPlaces {
    /// `NodeCfg`.
    pub node_cfg: Option<PathBuf>,
    /// `LocalNetsCfg`.
    pub networks_cfg: Option<PathBuf>,
    /// `StateFile`, or where it is below `SpoolDir`.
    pub state_db: Option<PathBuf>,
    /// `ZeekBase`.
    pub prefix: Option<PathBuf>,
}

impl ZeekctlPlaces {
    /// Reads them out of a `zeekctl.cfg`; what is wrong in it is reported by the import.
    pub fn of(zeekctl_cfg: &str) -> ZeekctlPlaces {
        let options = zeekctl_cfg::read(zeekctl_cfg, 0, &mut Problems::default());
        let path = |name: &str| options.filled(name).map(|value| PathBuf::from(&value.value));
        let folder = |name: &str, file: &str| path(name).map(|folder| folder.join(file));
        ZeekctlPlaces {
            node_cfg: path("nodecfg").or_else(|| folder("cfgdir", "node.cfg")),
            networks_cfg: path("localnetscfg").or_else(|| folder("cfgdir", "networks.cfg")),
            state_db: path("statefile").or_else(|| folder("spooldir", "state.db")),
            prefix: path("zeekbase"),
        }
    }
}

/// Reads zeekctl's files.
pub(super) fn read(files: &ZeekctlFiles<'_>, env: &Environment<'_>) -> Draft {
    let (mut sources, mut problems, mut notes) = (Sources::default(), Problems::default(), Notes::default());
    let node_source = sources.add(files.node_cfg.path, files.node_cfg.text);
    let mut add = |file: &Option<SourceFile<'_>>| file.as_ref().map(|file| sources.add(file.path, file.text));
    let (options_source, networks_source) = (add(&files.zeekctl_cfg), add(&files.networks_cfg));
    let options = match (&files.zeekctl_cfg, options_source) {
        (Some(file), Some(source)) => zeekctl_cfg::read(file.text, source, &mut problems),
        _ => Options::default(),
    };
    let found = node_cfg::read(files.node_cfg.text, node_source, env, &mut notes, &mut problems);
    let networks = match (&files.networks_cfg, networks_source) {
        (Some(file), Some(source)) => networks::read(file.text, source, &mut notes, &mut problems),
        _ => Vec::new(),
    };
    let mut nodes = found.nodes;
    let mut reader = Reader { options: &options, version: files.version, problems: &mut problems };
    reader.environment(&mut nodes);
    balance::balance(&mut nodes, &options, reader.problems);
    let backend = reader.backend();
    let hub = reader.ports(&mut nodes, backend);
    let mut site = Site {
        tool: Tool::Zeekctl,
        backend,
        hub: None,
        encryption: SiteEncryption::Off,
        version: files.version,
        websocket: reader.websocket(),
        curve_dir: None,
        nodes,
    };
    site.hub = hub.and_then(|ports| Some((reader.hub_address(&site)?, ports)));
    site.encryption = reader.encryption(&site);
    site.curve_dir = curve_dir(&options, files.prefix.as_deref());
    let mut draft = Draft::new(site, sources);
    draft.start = Span { source: node_source, start: 0, end: 0 };
    draft.networks = networks;
    settings(&mut draft, &options, files, &mut notes, &mut problems);
    draft.notes = notes;
    draft.problems = problems;
    draft.tolerable = found.tolerable;
    draft
}

fn curve_dir(options: &Options, prefix: Option<&Path>) -> Option<PathBuf> {
    let path = |name: &str| options.filled(name).map(|value| PathBuf::from(&value.value));
    let prefix = path("zeekbase").or_else(|| prefix.map(Path::to_path_buf));
    let spool = || path("spooldir").or_else(|| prefix.map(|prefix| prefix.join("spool")));
    path("cluster_backend_zeromq.curve_dir").or_else(|| Some(spool()?.join("zeromq/curve")))
}

struct Reader<'a> {
    options: &'a Options,
    version: Option<ToolVersion>,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    /// Whether this version does what a later one does too; the latest when it is not known.
    fn since(&self, has: fn(ToolVersion) -> bool) -> bool {
        self.version.is_none_or(has)
    }

    /// `Env_Vars`: the nodes' own win.
    fn environment(&mut self, nodes: &mut [SiteNode]) {
        let Some(written) = self.options.filled("env_vars") else { return };
        match node_cfg::env_vars(&written.value) {
            Err(what) => self.problems.push(Report::new(written.span, format!("zeekctl config: {what}"))),
            Ok(variables) => {
                for node in nodes {
                    for (name, value) in &variables {
                        node.env_vars.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                    node.origin.entry("env_vars").or_insert_with(|| Origin::new(written.span, "Env_Vars"));
                }
            }
        }
    }

    fn backend(&mut self) -> Backend {
        let written = self.options.get("clusterbackend").filter(|_| self.since(ToolVersion::has_backends));
        match written.map(|value| value.value.to_lowercase()).as_deref() {
            Some("broker") => Backend::Broker,
            Some("zeromq") => Backend::Zeromq,
            None if self.since(ToolVersion::has_zeromq_first) => Backend::Zeromq,
            None => Backend::Broker,
            Some(other) => {
                if let Some(written) = written {
                    let report = Report::new(written.span, format!("no cluster backend is named `{}`", shorten(other)));
                    self.problems.push(report.expected("`ZeroMQ` or `Broker`"));
                }
                Backend::Zeromq
            }
        }
    }

    /// Counts the ports of all nodes: a number for each, whatever host it is on. Returns those of the forwarder.
    fn ports(&mut self, nodes: &mut [SiteNode], backend: Backend) -> Option<HubPorts> {
        let default = self.version.map_or(27760, ToolVersion::first_port);
        let first = self.options.int("zeekport").unwrap_or(i64::from(default));
        let shifted = backend == Backend::Zeromq && self.since(ToolVersion::has_zeromq_first);
        let mut counter = Counter { next: if shifted { first + 2 } else { first }, step: 1 };
        let metrics = match self.since(ToolVersion::has_metrics) {
            true => self.options.int("metricsport").unwrap_or(METRICS_PORT),
            false => 0,
        };
        let mut metrics = Counter { next: metrics, step: i64::from(metrics != 0) };
        let alone = matches!(nodes, [only] if only.site_type == SiteType::Standalone);
        if !alone {
            // What zeekctl calls `control` takes a number, and never listens.
            counter.take();
        }
        let place = |option: &str| self.options.get(option).map(|value| value.span);
        let (zeek_port, metrics_port) = (place("zeekport"), place("metricsport"));
        for node_type in [SiteType::Standalone].into_iter().chain(ORDER.map(SiteType::Node)) {
            for node in nodes.iter_mut().filter(|node| node.site_type == node_type) {
                node.port = self.port(counter.take(), zeek_port.unwrap_or(node.span), &node.name);
                node.metrics_port = self.port(metrics.take(), metrics_port.unwrap_or(node.span), &node.name);
                let span = |place: Option<Span>| place.unwrap_or_default();
                node.origin.insert("port", Origin::new(span(zeek_port), format!("counted from ZeekPort {first}")));
                node.origin.insert("metrics_port", Origin::new(span(metrics_port), "counted from MetricsPort"));
            }
        }
        match (backend, shifted) {
            (Backend::Broker, _) => None,
            (Backend::Zeromq, true) => {
                let xpub = u16::try_from(first).ok().filter(|port| *port > 0)?;
                Some(HubPorts { xpub, xsub: xpub.checked_add(1)? })
            }
            (Backend::Zeromq, false) => Some(HubPorts { xpub: 5555, xsub: 5556 }),
        }
    }

    /// None for zero; what is no port is reported.
    fn port(&mut self, number: i64, span: Span, name: &str) -> Option<u16> {
        if number == 0 {
            return None;
        }
        let port = u16::try_from(number).ok();
        if port.is_none() {
            let report = Report::new(span, format!("the port of '{name}' would be {number}"));
            self.problems.push(report.expected("a port from 1 to 65535"));
        }
        port
    }

    /// zeekctl 8.0 leaves the forwarder where Zeek puts it.
    fn hub_address(&self, site: &Site) -> Option<IpAddr> {
        match self.since(ToolVersion::has_zeromq_first) {
            true => site.head().and_then(|head| head.addr),
            false => Some(Ipv4Addr::LOCALHOST.into()),
        }
    }

    fn websocket(&mut self) -> Option<(IpAddr, u16)> {
        let on = self.options.switch("usewebsocket").unwrap_or_else(|| self.since(ToolVersion::has_zeromq_first));
        if !on {
            return None;
        }
        let address = match self.options.filled("websockethost") {
            None => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(written) => {
                let address = written.value.trim_start_matches('[').trim_end_matches(']').parse().ok();
                if address.is_none() {
                    let message = format!("WebSocketHost cannot be `{}`", shorten(&written.value));
                    self.problems.push(Report::new(written.span, message).expected("an address, IPv6 in brackets"));
                }
                address
            }
        }?;
        let span = self.options.get("websocketport").map(|value| value.span).unwrap_or_default();
        let port = self.options.int("websocketport").unwrap_or(i64::from(WEBSOCKET_PORT));
        self.port(port, span, "the WebSocket API").map(|port| (address, port))
    }

    fn encryption(&mut self, site: &Site) -> SiteEncryption {
        if site.backend == Backend::Broker || self.version.is_some_and(|version| !version.has_curve()) {
            return SiteEncryption::Off;
        }
        let written = self.options.get("cluster_backend_zeromq.use_curve_encryption");
        match written.map(|value| value.value.to_lowercase()).as_deref() {
            Some("0" | "false") => SiteEncryption::Off,
            Some("1" | "true") => SiteEncryption::On,
            None | Some("auto") if !site.has_several_addresses() => SiteEncryption::Off,
            None | Some("auto") if self.version.is_some() => SiteEncryption::On,
            None | Some("auto") => SiteEncryption::Unknown,
            Some(other) => {
                if let Some(written) = written {
                    let report = Report::new(written.span, format!("invalid UseCurveEncryption value: {other}"));
                    self.problems.push(report.expected("`auto`, `0`, `1`, `true` or `false`"));
                }
                SiteEncryption::Unknown
            }
        }
    }
}

/// The order in which ports are counted.
const ORDER: [NodeType; 4] = [NodeType::Manager, NodeType::Logger, NodeType::Proxy, NodeType::Worker];

/// Numbers, one after the other.
struct Counter {
    next: i64,
    step: i64,
}

impl Counter {
    fn take(&mut self) -> i64 {
        let taken = self.next;
        self.next = self.next.saturating_add(self.step);
        taken
    }
}

/// What `zeekctl.cfg` says of the whole cluster, in the layout's keys; each option has a line in the report.
fn settings(
    draft: &mut Draft,
    options: &Options,
    files: &ZeekctlFiles<'_>,
    notes: &mut Notes,
    problems: &mut Problems,
) {
    let prefix = match options.filled("zeekbase") {
        Some(written) => Some(Sourced::new(PathBuf::from(&written.value), written.span, "ZeekBase")),
        None => files.prefix.clone().map(|prefix| Sourced::new(prefix, draft.start, "where node.cfg lies")),
    };
    draft.prefix = prefix.filter(|prefix| prefix.value.is_absolute());
    draft.port = draft.site.hub.map(|(_, hub)| hub.xpub).map(|port| {
        let span = options.get("zeekport").map(|value| value.span).unwrap_or_default();
        Sourced::new(port, span, "ZeekPort")
    });
    if draft.site.backend == Backend::Broker && draft.site.receives_logs_at([27760, 27761]) {
        draft.port = Some(Sourced::new(5555, Span::default(), "the nodes have the ports of ZeekPort"));
    }
    for option in options.all() {
        let name = option.name.to_lowercase();
        let (span, value) = (option.value.span, option.value.value.as_str());
        let (mut fate, mut reason) = (option.fate, option.reason.to_owned());
        if let Some((better, why)) = translate(draft, options, &name, value, span, problems) {
            (fate, reason) = (better, why);
        }
        notes.add(span, option.name, value, fate, reason);
    }
    let written = |name: &str| options.get(name).is_some();
    let asked = written("usewebsocket") || written("websockethost") || written("websocketport");
    draft.set_websocket(asked);
}

/// Why the value of an option needs nothing here; none when it does.
fn unneeded(draft: &Draft, options: &Options, name: &str, value: &str) -> Option<&'static str> {
    let (is_on, is_off) = (options.switch(name) == Some(true), options.switch(name) == Some(false));
    let says = |default: &str| value.eq_ignore_ascii_case(default);
    let own_zeek = || draft.prefix.as_ref().is_some_and(|prefix| prefix.value.join("bin/zeek") == Path::new(value));
    match name {
        "metricsaddress" if value.is_empty() => Some("Zeek's own default holds"),
        "compresscmd" if says("gzip") => Some("it is what is done here"),
        "compressextension" if says("gz") => Some("it is what is done here"),
        "compresslogsinflight" if options.int(name) == Some(0) => Some("it is off"),
        "privateaddressspaceislocal" if is_on => Some("Zeek's own default"),
        "mailconnectionsummary" | "savetraces" if is_off => Some("it is off"),
        "memlimit" if says("unlimited") => Some("it is off"),
        "keeplogs" | "croncmd" | "sitepluginpath" | "zeekargs" | "fileextractdir" if value.is_empty() => {
            Some("it is empty")
        }
        "prefixes" if value == "local" => Some("`-p local` is always there"),
        "zeek" if own_zeek() => Some("it is what is started anyway"),
        _ => None,
    }
}

/// Puts an option into the layout. Some when its value decides what the report says of it.
fn translate(
    draft: &mut Draft,
    options: &Options,
    name: &str,
    value: &str,
    span: Span,
    problems: &mut Problems,
) -> Option<(Fate, String)> {
    if let Some(why) = unneeded(draft, options, name, value) {
        return Some((Fate::NotNeeded, why.to_owned()));
    }
    let number = options.int(name);
    let seconds = number.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    match name {
        "clusterbackend" if draft.site.backend == Backend::Broker => {
            return Some((
                Fate::Translated,
                "these nodes will speak ZeroMQ: Broker is no backend of this program".into(),
            ));
        }
        "clusterbackend" => return Some((Fate::Kept, "backend".into())),
        "metricsport" if number == Some(0) => return Some((Fate::Translated, "no node has a metrics_port".into())),
        "logexpireinterval" => return expire(draft, options, value, span, problems),
        "stoptimeout" => draft.stop_grace = seconds.map(|grace| Sourced::new(grace, span, "StopTimeout")),
        "logrotationinterval" => draft.rotation = seconds.map(|s| Sourced::new(s, span, "LogRotationInterval")),
        "compresslogs" => {
            let compress = if options.switch(name)? { Compress::Gzip } else { Compress::None };
            draft.compress = Some(Sourced::new(compress, span, "CompressLogs"));
        }
        "metricsaddress" => {
            let value = Sourced::new(OptionValue::Text(value.to_owned()), span, "MetricsAddress");
            draft.options.insert("Telemetry::metrics_address".into(), value);
        }
        "prefixes" => {
            let words = value.split(':').filter(|word| !word.is_empty() && *word != "local");
            let words = words.flat_map(|word| ["-p".to_owned(), word.to_owned()]).collect();
            draft.args(words, span, "Prefixes");
        }
        "zeekargs" => match shlex::split(value) {
            Some(words) => draft.args(words, span, "ZeekArgs"),
            None => problems.push(Report::new(span, "a quote in ZeekArgs is not closed")),
        },
        "sitepolicyscripts" => {
            let scripts = value.split_whitespace().map(str::to_owned).collect();
            draft.scripts = Some(Sourced::new(scripts, span, "SitePolicyScripts"));
        }
        "cluster_backend_zeromq.use_curve_encryption" => set_encryption(draft, value, span),
        _ => redefine(draft, name, value, span, number),
    }
    None
}

/// `auto` is what a layout does too.
fn set_encryption(draft: &mut Draft, value: &str, span: Span) {
    let encryption = match draft.site.encryption {
        _ if value.eq_ignore_ascii_case("auto") => None,
        SiteEncryption::On => Some(Encryption::On),
        SiteEncryption::Off => Some(Encryption::Off),
        SiteEncryption::Unknown => None,
    };
    draft.encryption = encryption.map(|encryption| Sourced::new(encryption, span, "use_curve_encryption"));
}

/// Options that are one redefinition of Zeek's.
fn redefine(draft: &mut Draft, name: &str, value: &str, span: Span, number: Option<i64>) {
    let texts = [
        ("sendmail", "Notice::sendmail", "SendMail"),
        ("mailsubjectprefix", "Notice::mail_subject_prefix", "MailSubjectPrefix"),
        ("mailto", "Notice::mail_dest", "MailTo"),
        ("mailfrom", "Notice::mail_from", "MailFrom"),
        ("mailalarmsto", "Notice::mail_dest_pretty_printed", "MailAlarmsTo"),
    ];
    let numbers = [
        ("mailalarmsinterval", "Log::default_mail_alarms_interval", "MailAlarmsInterval", " secs"),
        ("pcapsnaplen", "Pcap::snaplen", "PcapSnaplen", ""),
        ("pcapbufsize", "Pcap::bufsize", "PcapBufsize", ""),
        ("compresslogsinflight", "LogAscii::gzip_level", "CompressLogsInFlight", ""),
    ];
    match name {
        "privateaddressspaceislocal" => {
            draft.redef("Site::private_address_space_is_local", "F", span, "PrivateAddressSpaceIsLocal");
        }
        "fileextractdir" => {
            let folder = format!("{} + Cluster::node", zeek_string(&format!("{}/", value.trim_end_matches('/'))));
            draft.redef("FileExtract::prefix", &folder, span, "FileExtractDir");
        }
        _ => {}
    }
    if let Some((_, redef, option)) = texts.iter().find(|(known, ..)| *known == name) {
        draft.redef(redef, &zeek_string(value), span, option);
    }
    if let (Some((_, redef, option, unit)), Some(number)) = (numbers.iter().find(|(known, ..)| *known == name), number)
    {
        draft.redef(redef, &format!("{number}{unit}"), span, option);
    }
}

/// A text as a string of Zeek's script language.
fn zeek_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Days, or a number and a unit. Source: `zeekctl.md` 3.
fn expire(
    draft: &mut Draft,
    options: &Options,
    value: &str,
    span: Span,
    problems: &mut Problems,
) -> Option<(Fate, String)> {
    const DAY: u64 = 24 * 60;
    let units = [("day", DAY), ("hr", 60), ("min", 1)];
    let with_unit = || {
        let (number, rest) = value.split_at(value.find(|c: char| !c.is_ascii_digit())?);
        let unit = rest.strip_prefix(' ').unwrap_or(rest);
        let (_, minutes) = units.iter().find(|(word, _)| unit == *word || unit.strip_suffix('s') == Some(word))?;
        number.parse::<u64>().ok()?.checked_mul(*minutes)
    };
    let days = || zeekctl_cfg::python_int(value).and_then(|days| u64::try_from(days).ok()?.checked_mul(DAY));
    let Some(minutes) = days().or_else(with_unit) else {
        let message = format!(
            "value of zeekctl option \"logexpireinterval\" is invalid (value must be integer followed by a time unit \
             \"day\", \"hr\", or \"min\"): {}",
            shorten(value)
        );
        problems.push(Report::new(span, message));
        return None;
    };
    let seconds = minutes.saturating_mul(60);
    let rotation = options.int("logrotationinterval").unwrap_or(3600);
    if seconds > 0 && i64::try_from(seconds).is_ok_and(|seconds| seconds < rotation) {
        problems.push(Report::new(span, "Log expire interval cannot be shorter than the log rotation interval"));
    }
    if minutes == 0 {
        return Some((Fate::NotNeeded, "logs are kept for ever, as without it".to_owned()));
    }
    draft.expire = Some(Sourced::new(Duration::from_secs(seconds), span, "LogExpireInterval"));
    None
}

impl Draft {
    /// The manager's WebSocket server. Zeek's fails where the manager receives the logs, so there it has to be asked for.
    fn set_websocket(&mut self, asked: bool) {
        let Some((listen_addr, listen_port)) = self.site.websocket else { return };
        let has_logger = self.site.nodes.iter().any(|node| node.is(NodeType::Logger));
        if asked || has_logger {
            let websocket = WebSocket::at(listen_addr, listen_port);
            self.websocket = Some(websocket);
        }
    }

    fn redef(&mut self, name: &str, value: &str, span: Span, what: &str) {
        self.redefs.insert(name.to_owned(), Sourced::new(value.to_owned(), span, what));
    }

    fn args(&mut self, words: Vec<String>, span: Span, what: &str) {
        match &mut self.args {
            Some(args) => args.value.extend(words),
            None => self.args = Some(Sourced::new(words, span, what)),
        }
    }
}
