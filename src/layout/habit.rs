//! What is written from habit, from zeekctl's or from other tools' files, and the words that help. Nearness of letters does not
//! find these.

use super::problem::Report;
use super::schema;
use super::tree::{Tree, Value, shorten};

/// Words for a key, and the key; the first one that is known where it was written is meant.
const SYNONYMS: &[(&str, &str)] = &[
    ("addr", "address"),
    ("addr", "listen_addr"),
    ("address", "listen_addr"),
    ("base", "base_dir"),
    ("cert", "cert_file"),
    ("cmd", "command"),
    ("compression", "compress"),
    ("cpu", "pin_cpus"),
    ("cpus", "pin_cpus"),
    ("dir", "base_dir"),
    ("env", "env_vars"),
    ("environment", "env_vars"),
    ("hostname", "host"),
    ("iface", "interface"),
    ("identity", "identity_file"),
    ("interfaces", "interface"),
    ("key", "identity_file"),
    ("key", "key_file"),
    ("known_hosts", "known_hosts_file"),
    ("lb", "lb_method"),
    ("local_nets", "networks"),
    ("logs", "logging"),
    ("method", "lb_method"),
    ("metrics", "metrics_port"),
    ("nets", "networks"),
    ("nic", "interface"),
    ("node_type", "type"),
    ("processes", "count"),
    ("procs", "count"),
    ("proxy_jump", "jump"),
    ("retention", "expire"),
    ("role", "type"),
    ("rotation", "rotation_interval"),
    ("script", "aux_scripts"),
    ("scripts", "aux_scripts"),
    ("timeout", "connect_timeout"),
    ("port", "listen_port"),
    ("workers", "count"),
];

/// Keys that are none anywhere, and what does what they are meant to do.
const INSTEAD: &[(&str, &str)] = &[
    ("log_dir", "logs are kept below base_dir, in logs/YYYY-MM-DD"),
    ("logdir", "logs are kept below base_dir, in logs/YYYY-MM-DD"),
    ("spool_dir", "nodes work below base_dir, in run/NODE"),
    ("mail_to", "Zeek's own mails: `zeek: { redefs: { Notice::mail_dest: '\"root@localhost\"' } }`"),
    ("local_networks", "local networks stand in `networks:`"),
];

/// Options of Zeek that are none of a layout, and where they are said.
const OPTIONS: &[(&str, &str)] = &[
    ("Broker::metrics_port", "give the nodes a `metrics_port`"),
    ("Telemetry::metrics_port", "give the nodes a `metrics_port`"),
    ("Broker::default_port", "the top-level `port` is the cluster's first port"),
    ("Site::local_nets", "local networks stand in `networks:`"),
    ("Log::default_rotation_interval", "`logging: { rotation_interval: 1hr }`"),
    ("LogAscii::use_json", "`logging: { format: json }`"),
    ("Cluster::worker_pool_size", "`Cluster::worker_pool_spec$max_nodes` bounds a pool"),
];

/// The key that is meant by a word which is none of `names`.
pub(super) fn synonym<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase().replace('-', "_");
    let meant = SYNONYMS.iter().filter(|(word, _)| *word == written);
    meant.filter_map(|(_, key)| names.iter().find(|name| *name == key).copied()).next()
}

/// A report of an unknown key, with what is meant by it.
pub(super) fn unknown_key(report: Report, written: &str, names: &[&str], label: &str) -> Report {
    let word = written.to_lowercase();
    if let Some((_, instead)) = INSTEAD.iter().find(|(known, _)| *known == word) {
        return report.hint(*instead);
    }
    if label == LAYOUT && is_node_name(written) {
        return report.hint(format!("nodes stand below `nodes:`, indented: is `{}` one?", shorten(written)));
    }
    match synonym(written, names) {
        Some(meant) => report.hint(format!("did you mean `{meant}`?")),
        None => report.nearest(written, names.iter().copied()),
    }
}

/// What the whole file is called in messages.
pub(super) const LAYOUT: &str = "the layout";

/// Whether nodes are usually named so.
fn is_node_name(text: &str) -> bool {
    let word = text.split(['-', '_']).next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit());
    schema::NODE_TYPES.contains(&word)
}

/// An option of Zeek that is none of a layout, and what to do instead.
pub(super) fn option(name: &str) -> Option<String> {
    if let Some((_, instead)) = OPTIONS.iter().find(|(known, _)| *known == name) {
        return Some((*instead).to_owned());
    }
    let family = name.split_once("::").map(|(family, _)| family);
    match family {
        Some("Cluster" | "Broker" | "Telemetry" | "LogAscii") => None,
        _ => Some(format!(
            "Zeek's other options are redefined by a site script, or for all nodes by `zeek: {{ redefs: {{ {}: VALUE }} }}`",
            shorten(name)
        )),
    }
}

/// How a value is written that was written as another tool has it.
pub(super) fn shape(label: &str, tree: &Tree) -> Option<String> {
    let text = match &tree.value {
        Value::Scalar(scalar) => scalar.text.as_str(),
        Value::List(_) if label == "env_vars" => return Some("write `{ A: 1, B: 2 }`".to_owned()),
        Value::Map(_) if label == "networks" => {
            return Some("write `- 10.0.0.0/8 lab`: the prefix, then what it is called".to_owned());
        }
        _ => return None,
    };
    match label {
        "env_vars" => Some(variables(text)),
        "pin_cpus" => cpus(text).map(|cpus| format!("write `[{cpus}]`")),
        "websocket" => {
            let (address, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
            let fits =
                port.parse::<u16>().is_ok() && address.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
            let (address, port) = if fits { (address, port) } else { ("127.0.0.1", "27759") };
            Some(format!("write `{{ listen_addr: {}, listen_port: {port} }}`", address.trim_matches(['[', ']'])))
        }
        "address" | "ip" | "listen_addr" => address(text),
        _ => None,
    }
}

/// `A=1,B=2` as a mapping.
fn variables(text: &str) -> String {
    let pairs: Vec<String> = text
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| format!("{}: {}", name.trim(), value.trim()))
        .collect();
    match pairs.is_empty() {
        true => "write `{ A: 1, B: 2 }`".to_owned(),
        false => shorten(&format!("write `{{ {} }}`", pairs.join(", "))),
    }
}

/// `2-5` and `2,3` as elements of a list.
fn cpus(text: &str) -> Option<String> {
    let mut cpus: Vec<u32> = Vec::new();
    for part in text.split(',').map(str::trim) {
        match part.split_once('-') {
            None => cpus.push(part.parse().ok()?),
            Some((first, last)) => {
                let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
                if last < first || last - first > 64 {
                    return None;
                }
                cpus.extend(first..=last);
            }
        }
    }
    Some(cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
}

fn address(text: &str) -> Option<String> {
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
        return Some(format!("an IPv6 address stands without brackets, in quotes: `\"{inside}\"`"));
    }
    let (user, rest) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user), rest));
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        _ => (rest, None),
    };
    if user.is_none() && port.is_none() {
        return None;
    }
    let user = user.map(|user| format!("user: {user}"));
    let ssh: Vec<String> = user.into_iter().chain(port.map(|port| format!("port: {port}"))).collect();
    Some(format!("write `{{ address: {host}, ssh: {{ {} }} }}`", ssh.join(", ")))
}

/// How a duration is meant that cannot be read.
pub(super) fn duration(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    match lower.as_str() {
        "never" | "off" | "none" | "no" => Some("`0` is never".to_owned()),
        _ if lower != text && super::duration::parse(&lower).is_some() => Some(format!("did you mean `{lower}`?")),
        _ if text.parse::<f64>().is_ok() => Some(format!("a unit is missing; did you mean `{text}s`?")),
        _ if text.matches(|c: char| c.is_ascii_alphabetic()).count() > 1
            && text.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            Some("one number and one unit: `90s` for a minute and a half".to_owned())
        }
        _ => None,
    }
}

/// What in a text near a syntax error cannot be seen, or was not closed: where it stands, how long it is, what it is, and what
/// to do. Lines count from 0.
pub(super) fn invisible(text: &str, line: usize) -> Option<(usize, usize, String, &'static str)> {
    let mut start = 0;
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number + 1 >= line && number <= line + 1 {
            let indent = content.len() - content.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = content[..indent].find('\t') {
                return Some((start + tab, 1, "a tab cannot indent".to_owned(), "indent with blanks"));
            }
            if let Some((at, c)) = content.char_indices().find(|(_, c)| is_odd_blank(*c)) {
                let what = format!("this is no blank but U+{:04X}, which looks like one", u32::from(c));
                return Some((start + at, c.len_utf8(), what, "type the blank anew"));
            }
        }
        start += content.len();
    }
    None
}

/// Characters that look like a blank, or like nothing.
fn is_odd_blank(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200f}' | '\u{202f}' | '\u{205f}' | '\u{2060}' | '\u{3000}' | '\u{feff}'
    )
}

/// The last bracket before `end` that is not closed there.
pub(super) fn open_bracket(text: &str, end: usize) -> Option<(usize, char)> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut quote = None;
    let mut before = ' ';
    let mut comment = false;
    for (at, c) in text[..end.min(text.len())].char_indices() {
        match (c, quote) {
            ('\n', _) => comment = false,
            _ if comment => {}
            (c, Some(q)) if c == q && before != '\\' => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) if " [{,:(\n".contains(before) => quote = Some(c),
            ('#', None) if before.is_whitespace() => comment = true,
            ('{' | '[', None) => open.push((at, c)),
            ('}' | ']', None) => drop(open.pop()),
            _ => {}
        }
        before = c;
    }
    open.pop()
}
