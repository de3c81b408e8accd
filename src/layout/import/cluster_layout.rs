//! `cluster-layout.zeek`: written by hand, by zeekctl, or by the generator of Zeek 9, whose hosts stand in a table of their
//! own. Source: `zeekctl.md` 9; Zeek 9.0.0-rc1, `zeek-cluster-layout-generator.cc`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::SourceFile;
use super::draft::{Draft, Sourced};
use super::report::{Fate, Notes};
use super::site::{Origin, Site, SiteEncryption, SiteNode, SiteType, Tool};
use super::zeek_script::{self, Field, Record, Token, TokenKind};
use crate::layout::load::Environment;
use crate::layout::model::{Backend, HubPorts, WebSocket};
use crate::layout::problem::{Problems, Report, Sources, Span, Spanned};
use crate::layout::schema::MAX_NODES;
use crate::layout::tree::{MAX_BYTES, shorten};

/// Fields of `Cluster::Node` that older versions of Zeek had.
const OLD_FIELDS: [&str; 4] = ["workers", "proxy", "interface", "time_machine"];

/// Reads the file.
pub(super) fn read(file: &SourceFile<'_>, env: &Environment<'_>) -> Draft {
    let (mut sources, mut problems, mut notes) = (Sources::default(), Problems::default(), Notes::default());
    let source = sources.add(file.path, file.text);
    let start = Span { source, start: 0, end: 0 };
    let tokens = match file.text.len() > MAX_BYTES {
        true => Vec::new(),
        false => zeek_script::tokens(file.text, source),
    };
    let script = Script { text: file.text, tokens: &tokens };
    let mut reader = Reader {
        script: &script,
        hosts: HashMap::new(),
        env,
        notes: &mut notes,
        problems: &mut problems,
        nodes: Vec::new(),
        unresolved: Vec::new(),
        control: None,
    };
    reader.hosts = reader.hosts();
    reader.all();
    reader.check_any(start, file.text.len() > MAX_BYTES);
    let (nodes, unresolved, control) = (reader.nodes, reader.unresolved, reader.control);
    let websocket = script.websocket(&mut problems);
    let site = Site {
        tool: Tool::ClusterLayout,
        backend: Backend::Zeromq,
        hub: None,
        encryption: SiteEncryption::Unknown,
        version: None,
        websocket: websocket.as_ref().map(|websocket| (websocket.value.listen_addr, websocket.value.listen_port)),
        curve_dir: None,
        nodes,
    };
    let mut draft = Draft::new(site, sources);
    draft.start = start;
    draft.port = hub_port(&draft.site, control);
    draft.site.hub = control.and_then(|_| {
        let xpub = draft.port.as_ref()?.value;
        Some((draft.site.head()?.addr?, HubPorts { xpub, xsub: xpub + 1 }))
    });
    draft.websocket = websocket.map(|websocket| websocket.value);
    draft.notes = notes;
    draft.problems = problems;
    draft.tolerable = unresolved;
    draft
}

/// zeekctl's forwarder stands two ports before what it calls `control`; a file that gives nodes the ports of ours was made
/// for a forwarder where Zeek puts it.
fn hub_port(site: &Site, control: Option<u16>) -> Option<Sourced<u16>> {
    if let Some(port) = control.and_then(|port| port.checked_sub(2)).filter(|port| *port > 0) {
        return Some(Sourced::new(port, Span::default(), "two before the port of `control`"));
    }
    let taken = site.nodes.iter().any(|node| matches!(node.port, Some(27760 | 27761)));
    taken.then(|| Sourced::new(5555, Span::default(), "where Zeek's ZeroMQ scripts put the forwarder"))
}

struct Script<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl Script<'_> {
    /// Where the tables of `redef NAME = {` and `redef NAME += {` begin.
    fn tables(&self, name: &str) -> Vec<usize> {
        let short = name.trim_start_matches("Cluster::");
        let is_name = |token: &Token| token.kind == TokenKind::Word && (token.text == name || token.text == short);
        let begins = |(at, token): (usize, &Token)| {
            if token.text != "redef" || !is_name(self.tokens.get(at + 1)?) {
                return None;
            }
            let mut at = at + 2;
            at += usize::from(self.tokens.get(at)?.is("+"));
            at += usize::from(self.tokens.get(at)?.is("="));
            self.tokens.get(at)?.is("{").then_some(at)
        };
        self.tokens.iter().enumerate().filter_map(begins).collect()
    }

    fn source_of(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Whether a word stands between `@if` and `@endif`.
    fn is_conditional(&self, at: usize) -> bool {
        let word = |text: &str| self.tokens[..at].iter().filter(|token| token.text == text).count();
        word("@if") + word("@ifdef") + word("@ifndef") > word("@endif")
    }

    /// The server that `Cluster::listen_websocket([…])` opens.
    fn websocket(&self, problems: &mut Problems) -> Option<Spanned<WebSocket>> {
        let at = self.tokens.iter().position(|token| token.text.ends_with("listen_websocket"))?;
        let opens = |at: usize, sign: &str| self.tokens.get(at).is_some_and(|token| token.is(sign));
        let open = if opens(at + 1, "(") && opens(at + 2, "[") { at + 2 } else { return None };
        let fields = zeek_script::fields(self.tokens, open)?;
        let text = |name: &str| {
            let field = fields.iter().find(|field| field.name.text == name)?;
            Some(field.value.iter().map(|token| token.text.as_str()).collect::<String>())
        };
        let address = text("listen_addr").map(|text| text.trim_matches(['[', ']']).parse());
        let port = text("listen_port").map(|text| text.trim_end_matches("/tcp").parse());
        let address = address.unwrap_or(Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        match (address, port) {
            (Ok(listen_addr), Some(Ok(listen_port))) => {
                let websocket = WebSocket::at(listen_addr, listen_port);
                Some(Spanned::new(websocket, self.tokens[at].span))
            }
            _ => {
                let report = Report::new(self.tokens[at].span, "only Zeek knows where this WebSocket server listens");
                problems.warn(report.hint("add `websocket:` to the manager"));
                None
            }
        }
    }
}

/// What the value of `$ip` says.
#[derive(Clone, Debug)]
enum Address {
    Ip(IpAddr),
    /// The resolver knows it.
    Name(String),
    /// An entry of `Cluster::hosts`.
    Host(String, Box<Address>),
    /// Only Zeek can tell.
    Computed,
}

struct Reader<'a> {
    script: &'a Script<'a>,
    /// `Cluster::hosts` of the generated file.
    hosts: HashMap<String, Address>,
    env: &'a Environment<'a>,
    notes: &'a mut Notes,
    problems: &'a mut Problems,
    nodes: Vec<SiteNode>,
    unresolved: Vec<Report>,
    /// Port of the entry that stands for zeekctl itself.
    control: Option<u16>,
}

impl Reader<'_> {
    fn hosts(&mut self) -> HashMap<String, Address> {
        let mut hosts = HashMap::new();
        for at in self.script.tables("Cluster::hosts") {
            for record in zeek_script::table(self.script.tokens, at).unwrap_or_default() {
                let field = record.fields.iter().find(|field| field.name.text == "ip");
                let address = field.map_or(Address::Computed, |field| self.address(&field.value));
                hosts.insert(record.key.text, address);
            }
        }
        hosts
    }

    fn check_any(&mut self, start: Span, is_too_large: bool) {
        if is_too_large {
            self.problems.push(Report::new(start, "the file is too large").expected("at most 1 MiB"));
        } else if self.nodes.is_empty() && !self.problems.any() {
            let report = Report::new(start, "this script declares no nodes");
            self.problems.push(report.expected("`redef Cluster::nodes = { … };`"));
        }
    }

    fn all(&mut self) {
        for at in self.script.tables("Cluster::nodes") {
            let place = self.script.tokens[at].span;
            if self.script.is_conditional(at) {
                let report = Report::new(place, "these nodes stand behind an @if, whose condition only Zeek knows");
                self.problems.warn(report.hint("they are taken as if it were true"));
            }
            let Some(records) = zeek_script::table(self.script.tokens, at) else {
                let report = Report::new(place, "this table of nodes cannot be read");
                self.problems
                    .push(report.expected("entries such as `[\"worker-1\"] = [$node_type=Cluster::WORKER, …]`"));
                continue;
            };
            records.into_iter().for_each(|record| self.node(record));
        }
    }

    fn node(&mut self, record: Record) {
        let name = record.key.text.clone();
        let get = |wanted: &str| record.fields.iter().find(|field| field.name.text == wanted);
        if self.nodes.iter().any(|node| node.name == name) {
            let report = Report::new(record.key.span, format!("node `{}` stands here twice", shorten(&name)));
            self.problems.push(report.expected("each node once"));
            return;
        }
        if self.nodes.len() >= MAX_NODES as usize {
            self.problems.push(Report::new(record.key.span, format!("there are more than {MAX_NODES} nodes")));
            return;
        }
        let word = get("node_type").map(|field| self.plain(field)).unwrap_or_default();
        let word = word.trim_start_matches("Cluster::").to_lowercase();
        let Some(node_type) = crate::layout::yaml::node_type(&word) else {
            self.no_node(&record, &name, &word);
            return;
        };
        let mut node = SiteNode::new(name.clone(), SiteType::Node(node_type), record.key.span);
        match get("ip") {
            Some(field) => self.place(&mut node, field),
            None => self.problems.push(Report::new(record.key.span, format!("node `{name}` has no $ip"))),
        }
        for field in &record.fields {
            self.field(&mut node, field);
        }
        self.nodes.push(node);
    }

    /// An entry that is no process.
    fn no_node(&mut self, record: &Record, name: &str, word: &str) {
        match word {
            "control" | "time_machine" => {
                if word == "control" {
                    let port = record.fields.iter().find(|field| field.name.text == "p");
                    self.control = port.and_then(|field| port_number(&self.plain(field)));
                }
                let why = if word == "control" {
                    "it stands for zeekctl itself"
                } else {
                    "Zeek has no time machine nodes any more"
                };
                self.notes.add(record.key.span, format!("nodes[\"{name}\"]"), word, Fate::NotNeeded, why);
            }
            _ => {
                let message = format!("node `{}` has the type `{}`", shorten(name), shorten(word));
                let report = Report::new(record.key.span, message);
                self.problems.push(report.expected("Cluster::MANAGER, LOGGER, PROXY or WORKER"));
            }
        }
    }

    fn field(&mut self, node: &mut SiteNode, field: &Field) {
        let (span, text) = (field.span(), self.plain(field));
        let name = field.name.text.as_str();
        let (fate, reason) = match name {
            "node_type" | "ip" | "manager" => (Fate::Kept, format!("nodes.{}", node.name)),
            "zone_id" => {
                node.zone_id.clone_from(&text);
                (Fate::Kept, format!("nodes.{}.zone_id", node.name))
            }
            "p" | "metrics_port" => {
                let port = port_number(&text);
                let key = if name == "p" { "port" } else { "metrics_port" };
                if port.is_none() && text != "0/tcp" && text != "0/unknown" {
                    let message =
                        format!("`${name}` of `{}` is `{}`, which only Zeek can compute", node.name, shorten(&text));
                    self.problems.warn(Report::new(span, message).expected("a port such as `27764/tcp`"));
                }
                match name {
                    "p" => node.port = port,
                    _ => node.metrics_port = port,
                }
                node.origin.insert(key, Origin::new(span, format!("${name}")));
                (Fate::Kept, format!("nodes.{}.{key}", node.name))
            }
            "interface" => {
                node.interface = Some(text.clone()).filter(|text| !text.is_empty());
                node.origin.insert("interface", Origin::new(span, "$interface"));
                (Fate::Kept, format!("nodes.{}.interface", node.name))
            }
            name if OLD_FIELDS.contains(&name) => (Fate::NotNeeded, "Zeek has no such field any more".to_owned()),
            _ => (Fate::NotNeeded, "nothing of the cluster depends on it".to_owned()),
        };
        self.notes.add(field.name.span, format!("nodes[\"{}\"]${name}", node.name), &text, fate, reason);
    }

    fn place(&mut self, node: &mut SiteNode, field: &Field) {
        let address = self.address(&field.value);
        node.origin.insert("host", Origin::new(field.span(), "$ip"));
        let (host, addr, written) = self.resolve(&address);
        node.host = host.unwrap_or_default();
        node.addr = addr;
        if written {
            node.origin.insert("address", Origin::new(field.span(), "$ip"));
        }
        if addr.is_none() {
            let text = shorten(self.script.source_of(field.span()));
            let report =
                Report::new(field.span(), format!("the address of node `{}` is not known: `{text}`", node.name));
            let report = report.expected("an address, or a name that the resolver knows");
            match node.host.is_empty() {
                true => self.problems.push(report.hint("only Zeek can compute this value")),
                false => self.unresolved.push(report),
            }
        }
    }

    /// What the host is called, its address, and whether the file says the address itself.
    fn resolve(&self, address: &Address) -> (Option<String>, Option<IpAddr>, bool) {
        match address {
            Address::Ip(ip) => (Some(ip.to_string()), Some(*ip), true),
            Address::Name(name) => (Some(name.clone()), (self.env.resolve)(name), false),
            Address::Host(name, inner) => {
                let (_, ip, written) = self.resolve(inner);
                (Some(name.clone()), ip, written)
            }
            Address::Computed => (None, None, false),
        }
    }

    /// The forms that such files have.
    fn address(&self, value: &[Token]) -> Address {
        let texts: Vec<&str> = value.iter().map(|token| token.text.as_str()).collect();
        let ip = |text: &str| text.parse().map_or(Address::Computed, Address::Ip);
        match texts.as_slice() {
            [text] if value[0].kind == TokenKind::Word => ip(text),
            ["[", text, "]"] | ["to_addr", "(", text, ")"] => ip(text),
            ["hosts" | "Cluster::hosts", "[", name, "]", "$", "ip"] => {
                let inner = self.hosts.get(*name).cloned().unwrap_or_else(|| Address::Name((*name).to_owned()));
                Address::Host((*name).to_owned(), Box::new(inner))
            }
            ["(", "blocking_lookup_hostname", "(", name, ")", "as", "vector", "of", "addr", ")", "[", "0", "]"] => {
                Address::Name((*name).to_owned())
            }
            _ => Address::Computed,
        }
    }

    /// A string, a word, or the expression as it stands in the file.
    fn plain(&self, field: &Field) -> String {
        match field.value.as_slice() {
            [only] => only.text.clone(),
            _ => self.script.source_of(field.span()).to_owned(),
        }
    }
}

/// `27764/tcp`.
fn port_number(text: &str) -> Option<u16> {
    text.strip_suffix("/tcp")?.parse().ok().filter(|port| *port > 0)
}
