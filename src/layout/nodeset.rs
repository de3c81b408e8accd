//! Node sets: how commands name nodes, and how output folds them back.
//!
//! ```text
//! set    := term (',' term)*                 union; `!term` takes away from what stands before it
//! term   := ['!'] factor ('&' factor)*       what is in all of them
//! factor := 'all' | '@workers' | '@loggers' | '@proxies' | '@managers' | '@host:NAME' | '@failed' | '@unreachable' | pattern
//! pattern:= text and brackets: `worker-[1-4,7]`, `sensor-[01-16]`, `worker-[1-9/2]`
//! ```
//!
//! A set that begins with `!` begins with all nodes. Blanks around `,` and `&` count for nothing. `@failed` and
//! `@unreachable` are what the last command on this machine left behind ([`LastRun`]). Where hosts are named
//! ([`select_hosts`]) a pattern may also be of hosts, and a node stands for its host.

use std::collections::BTreeSet;

use super::{Host, Layout, Node, suggest};
use crate::data::NodeType;

/// One pattern may stand for so many names at most.
pub const MAX_NAMES: usize = 10_000;
/// Longer texts are refused.
const MAX_TEXT: usize = 64 * 1024;

/// Why a text names no set of nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeSetError {
    /// No such node, host or group in the layout.
    #[error("no {what} is named `{name}`{}", suggestion(nearest))]
    Unknown {
        /// `node`, `host`, `node or host` or `group of nodes`.
        what: &'static str,
        /// As written.
        name: String,
        /// The nearest known name.
        nearest: Option<String>,
    },
    /// Not of the form that node sets have.
    #[error("`{text}` is not a set of nodes: {why}")]
    Syntax {
        /// The part that cannot be read.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `@failed` or `@unreachable`, and nobody knows of a last run.
    #[error("`@{0}` is what the last command left behind, and none is remembered here")]
    NoLastRun(&'static str),
    /// More names than [`MAX_NAMES`].
    #[error("`{text}` stands for more than {MAX_NAMES} names")]
    TooMany {
        /// The pattern.
        text: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// What a command on this machine did not bring to its end: the sets `@failed` and `@unreachable`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastRun {
    /// What failed, or was not finished in time.
    pub failed: Vec<Target>,
    /// What could not be reached.
    pub unreachable: Vec<Target>,
}

/// A node, or a host as a whole, which then has one name twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the node or host.
    pub name: String,
    /// Its host.
    pub host: String,
}

impl Target {
    fn is(&self, node: &Node) -> bool {
        self.name == node.name || (self.name == self.host && self.host == node.host)
    }
}

/// A parsed node set, not yet compared with a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSet(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    effect: Effect,
    factors: Vec<Factor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Add,
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Factor {
    All,
    Type(NodeType),
    Host(String),
    Last(Rest),
    Names(Vec<String>),
}

/// A part of a [`LastRun`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Failed,
    Unreachable,
}

impl Rest {
    fn word(self) -> &'static str {
        match self {
            Rest::Failed => "failed",
            Rest::Unreachable => "unreachable",
        }
    }

    fn of(self, last: Option<&LastRun>) -> &[Target] {
        match (self, last) {
            (Rest::Failed, Some(last)) => &last.failed,
            (Rest::Unreachable, Some(last)) => &last.unreachable,
            (_, None) => &[],
        }
    }
}

/// What a set is compared with.
#[derive(Clone, Copy)]
struct Known<'a> {
    layout: &'a Layout,
    last: Option<&'a LastRun>,
}

/// What a set can hold.
trait Member {
    /// What names stand for, when one is not known.
    const WHAT: &'static str;

    fn all(layout: &Layout) -> &[Self]
    where
        Self: Sized;

    fn is_in(&self, factor: &Factor, known: Known<'_>) -> bool;

    /// The names that a pattern may hold.
    fn names(layout: &Layout) -> BTreeSet<&str>;
}

/// The words after `@`.
const GROUPS: [(&str, NodeType); 8] = [
    ("workers", NodeType::Worker),
    ("loggers", NodeType::Logger),
    ("proxies", NodeType::Proxy),
    ("managers", NodeType::Manager),
    ("worker", NodeType::Worker),
    ("logger", NodeType::Logger),
    ("proxy", NodeType::Proxy),
    ("manager", NodeType::Manager),
];

/// Reads a node set.
///
/// # Errors
/// [`NodeSetError::Syntax`] names the part that cannot be read, [`NodeSetError::TooMany`] a text or pattern that is too
/// long, [`NodeSetError::Unknown`] a group that there is not.
pub fn parse(text: &str) -> Result<NodeSet, NodeSetError> {
    if text.len() > MAX_TEXT {
        return Err(NodeSetError::TooMany { text: text.chars().take(40).collect() });
    }
    split(text, ',').into_iter().map(term).collect::<Result<_, _>>().map(NodeSet)
}

/// The nodes of a set, in the order of the layout, each once. An empty intersection is no error: the result is empty.
///
/// # Errors
/// Those of [`parse`]; [`NodeSetError::Unknown`] for a node or host that the layout does not have;
/// [`NodeSetError::NoLastRun`] for `@failed` and `@unreachable` without `last`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use zeek_cluster::layout::nodeset;
///
/// let text = "nodes:\n  manager: { type: manager }\n  worker: { type: worker, count: 4 }\n";
/// let layout = zeek_cluster::parse_layout(text, "campus.yaml")?;
/// let chosen = nodeset::select(&layout, "@workers,!worker-2", None)?;
/// assert_eq!(nodeset::fold(chosen.iter().map(|node| node.name.as_str())), "worker-[1,3-4]");
/// let unknown = nodeset::select(&layout, "wroker-1", None).unwrap_err();
/// assert_eq!(unknown.to_string(), "no node is named `wroker-1`; did you mean `worker-1`?");
/// # Ok(())
/// # }
/// ```
pub fn select<'a>(layout: &'a Layout, text: &str, last: Option<&LastRun>) -> Result<Vec<&'a Node>, NodeSetError> {
    parse(text)?.choose(layout, last)
}

/// The hosts of a set, in the order of the layout, each once: those that it names, and those of nodes that it names.
///
/// # Errors
/// As [`select`].
pub fn select_hosts<'a>(layout: &'a Layout, text: &str, last: Option<&LastRun>) -> Result<Vec<&'a Host>, NodeSetError> {
    parse(text)?.choose(layout, last)
}

impl NodeSet {
    fn choose<'a, M: Member>(&self, layout: &'a Layout, last: Option<&LastRun>) -> Result<Vec<&'a M>, NodeSetError> {
        let all = M::all(layout);
        let begins_with_removal = self.0.first().is_some_and(|t| t.effect == Effect::Remove);
        let mut chosen = vec![begins_with_removal; all.len()];
        for term in &self.0 {
            let matched = term.matches::<M>(Known { layout, last })?;
            for (chosen, _) in chosen.iter_mut().zip(matched).filter(|(_, matched)| *matched) {
                *chosen = term.effect == Effect::Add;
            }
        }
        Ok(all.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(member, _)| member).collect())
    }
}

impl Term {
    /// For each member that there is, whether it is in all factors.
    fn matches<M: Member>(&self, known: Known<'_>) -> Result<Vec<bool>, NodeSetError> {
        for factor in &self.factors {
            factor.check::<M>(known)?;
        }
        let is_in_all = |member: &M| self.factors.iter().all(|factor| member.is_in(factor, known));
        Ok(M::all(known.layout).iter().map(is_in_all).collect())
    }
}

impl Member for Node {
    const WHAT: &'static str = "node";

    fn all(layout: &Layout) -> &[Node] {
        &layout.nodes
    }

    fn is_in(&self, factor: &Factor, known: Known<'_>) -> bool {
        match factor {
            Factor::All => true,
            Factor::Type(node_type) => self.node_type == *node_type,
            Factor::Host(host) => self.host == *host,
            Factor::Last(rest) => rest.of(known.last).iter().any(|target| target.is(self)),
            Factor::Names(names) => match meant_type::<Node>(names, known.layout) {
                Some(node_type) => self.node_type == node_type,
                None => names.binary_search(&self.name).is_ok(),
            },
        }
    }

    fn names(layout: &Layout) -> BTreeSet<&str> {
        layout.nodes.iter().map(|node| node.name.as_str()).collect()
    }
}

impl Member for Host {
    const WHAT: &'static str = "node or host";

    fn all(layout: &Layout) -> &[Host] {
        &layout.hosts
    }

    fn is_in(&self, factor: &Factor, known: Known<'_>) -> bool {
        let mut nodes = known.layout.nodes.iter().filter(|node| node.host == self.name);
        match factor {
            Factor::All => true,
            Factor::Host(host) => self.name == *host,
            Factor::Last(rest) => rest.of(known.last).iter().any(|target| target.host == self.name),
            Factor::Names(names) if names.binary_search(&self.name).is_ok() => true,
            Factor::Names(names) if meant_type::<Host>(names, known.layout).is_some() => {
                let meant = meant_type::<Host>(names, known.layout);
                nodes.any(|node| Some(node.node_type) == meant)
            }
            Factor::Type(_) | Factor::Names(_) => nodes.any(|node| node.is_in(factor, known)),
        }
    }

    fn names(layout: &Layout) -> BTreeSet<&str> {
        let hosts = layout.hosts.iter().map(|host| host.name.as_str());
        hosts.chain(layout.nodes.iter().map(|node| node.name.as_str())).collect()
    }
}

impl Factor {
    /// Whether everything that it names exists.
    fn check<M: Member>(&self, known: Known<'_>) -> Result<(), NodeSetError> {
        let layout = known.layout;
        match self {
            Factor::All | Factor::Type(_) => Ok(()),
            Factor::Last(rest) => known.last.map(|_| ()).ok_or(NodeSetError::NoLastRun(rest.word())),
            Factor::Host(host) if layout.host(host).is_some() => Ok(()),
            Factor::Host(host) => Err(unknown("host", host, layout.hosts.iter().map(|h| h.name.as_str()))),
            Factor::Names(names) => {
                let there = M::names(layout);
                match names.iter().find(|name| !there.contains(name.as_str())) {
                    Some(_) if meant_type::<M>(names, layout).is_some() => Ok(()),
                    Some(name) => Err(unknown_name(M::WHAT, name, layout, there)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// zeekctl's groups, which it names without `@`.
const ZEEKCTL_GROUPS: [(&str, NodeType); 5] = [
    ("workers", NodeType::Worker),
    ("loggers", NodeType::Logger),
    ("proxies", NodeType::Proxy),
    ("managers", NodeType::Manager),
    ("manager", NodeType::Manager),
];

/// The type of nodes that a word means which names none: scripts written for zeekctl say `workers`.
fn meant_type<M: Member>(names: &[String], layout: &Layout) -> Option<NodeType> {
    let [name] = names else { return None };
    let (_, node_type) = ZEEKCTL_GROUPS.iter().find(|(word, _)| word == name)?;
    (!M::names(layout).contains(name.as_str())).then_some(*node_type)
}

/// The entry of the layout that nodes were expanded from stands for all of them, not for the one with the nearest name.
fn unknown_name<'a>(
    what: &'static str,
    name: &str,
    layout: &Layout,
    known: impl IntoIterator<Item = &'a str>,
) -> NodeSetError {
    let group = layout.nodes.iter().filter(|node| node.group.0 == name).map(|node| node.name.as_str());
    match fold(group) {
        set if set.is_empty() => unknown(what, name, known),
        set => NodeSetError::Unknown { what, name: name.to_owned(), nearest: Some(set) },
    }
}

fn unknown<'a>(what: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> NodeSetError {
    NodeSetError::Unknown { what, name: name.to_owned(), nearest: suggest::nearest(name, known).map(str::to_owned) }
}

fn syntax(text: &str, why: &'static str) -> NodeSetError {
    NodeSetError::Syntax { text: text.to_owned(), why }
}

/// Splits at a separator that stands outside of brackets; the parts are trimmed.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut depth = 0usize;
    text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == separator && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn term(text: &str) -> Result<Term, NodeSetError> {
    let (effect, rest) = match text.strip_prefix('!') {
        Some(rest) => (Effect::Remove, rest),
        None => (Effect::Add, text),
    };
    let factors = split(rest, '&').into_iter().map(factor).collect::<Result<_, _>>()?;
    Ok(Term { effect, factors })
}

fn factor(text: &str) -> Result<Factor, NodeSetError> {
    if text == "all" {
        return Ok(Factor::All);
    }
    match text.strip_prefix('@') {
        Some(group) => match group.strip_prefix("host:") {
            Some("") => Err(syntax(text, "a host's name follows `@host:`")),
            Some(host) => Ok(Factor::Host(host.to_owned())),
            None if group == Rest::Failed.word() => Ok(Factor::Last(Rest::Failed)),
            None if group == Rest::Unreachable.word() => Ok(Factor::Last(Rest::Unreachable)),
            None => node_type(group).map(Factor::Type),
        },
        None => {
            let mut names = expand(text)?;
            names.sort();
            Ok(Factor::Names(names))
        }
    }
}

/// The words after `@`, without `host:`.
fn group_words() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(word, _)| *word).chain([Rest::Failed.word(), Rest::Unreachable.word()])
}

fn node_type(group: &str) -> Result<NodeType, NodeSetError> {
    let found = GROUPS.iter().find(|(word, _)| *word == group).map(|(_, node_type)| *node_type);
    found.ok_or_else(|| match unknown("group of nodes", group, group_words()) {
        NodeSetError::Unknown { what, nearest, .. } => {
            NodeSetError::Unknown { what, name: format!("@{group}"), nearest: nearest.map(|n| format!("@{n}")) }
        }
        other => other,
    })
}

/// All names that a pattern stands for.
fn expand(pattern: &str) -> Result<Vec<String>, NodeSetError> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    if pattern.is_empty() {
        return Err(syntax(pattern, "a name is missing"));
    }
    while !rest.is_empty() {
        let open = rest.find(['[', ']']).unwrap_or(rest.len());
        let (literal, tail) = rest.split_at(open);
        if let Some(c) = literal.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.:".contains(*c)) {
            let why = if c == '@' || c == '!' {
                "`@` and `!` stand at the beginning"
            } else if c == '*' || c == '?' {
                "`*` is no pattern here; `@workers` are all workers, `worker-[1-4]` some of them"
            } else {
                "names hold letters, digits, `-`, `_` and `.`"
            };
            return Err(syntax(pattern, why));
        }
        names.iter_mut().for_each(|name| name.push_str(literal));
        let Some(tail) = tail.strip_prefix('[') else {
            if tail.is_empty() {
                break;
            }
            return Err(syntax(pattern, "`]` without `[`"));
        };
        let Some((inside, after)) = tail.split_once(']') else { return Err(syntax(pattern, "`[` without `]`")) };
        names = product(pattern, &names, &numbers(pattern, inside)?)?;
        rest = after;
    }
    Ok(names)
}

fn product(pattern: &str, names: &[String], endings: &[String]) -> Result<Vec<String>, NodeSetError> {
    if names.len().saturating_mul(endings.len()) > MAX_NAMES {
        return Err(NodeSetError::TooMany { text: pattern.to_owned() });
    }
    Ok(names.iter().flat_map(|name| endings.iter().map(move |ending| format!("{name}{ending}"))).collect())
}

/// The numbers between brackets, as text: leading zeros of a range's beginning give its width.
fn numbers(pattern: &str, inside: &str) -> Result<Vec<String>, NodeSetError> {
    let mut found = Vec::new();
    for part in inside.split(',').map(str::trim) {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, number(pattern, step)?),
            None => (part, 1),
        };
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(pattern, from)?, number(pattern, to)?);
        if first > last {
            return Err(syntax(pattern, "a range ends before it begins"));
        }
        let step = usize::try_from(step).ok().filter(|step| *step > 0);
        let step = step.ok_or_else(|| syntax(pattern, "a step is at least 1"))?;
        let count = (last - first) / step as u64;
        if count >= (MAX_NAMES - found.len()) as u64 {
            return Err(NodeSetError::TooMany { text: pattern.to_owned() });
        }
        let width = if from.starts_with('0') { from.len() } else { 0 };
        found.extend((first..=last).step_by(step).map(|n| format!("{n:0width$}")));
    }
    Ok(found)
}

fn number(pattern: &str, text: &str) -> Result<u64, NodeSetError> {
    let digits = !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| syntax(pattern, "brackets hold numbers and ranges such as `1-4,7`"))
}

/// Folds names into patterns that [`parse`] reads back as the same set: `worker-[1-8]`. Patterns come in the order of
/// their first name, numbers ascending.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut groups: Vec<((&str, usize), BTreeSet<u64>)> = Vec::new();
    for name in names {
        let (stem, digits) = name.split_at(name.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        let number = Some(digits).filter(|d| !d.is_empty() && d.len() <= 18).and_then(|d| d.parse().ok());
        let Some(number) = number else {
            groups.push(((name, usize::MAX), BTreeSet::new()));
            continue;
        };
        let width = if digits.starts_with('0') { digits.len() } else { 0 };
        match groups.iter_mut().find(|(key, _)| *key == (stem, width)) {
            Some((_, numbers)) => _ = numbers.insert(number),
            None => groups.push(((stem, width), BTreeSet::from([number]))),
        }
    }
    let mut folded: Vec<String> =
        groups.into_iter().map(|((stem, width), numbers)| pattern(stem, width, &numbers)).collect();
    let mut seen = BTreeSet::new();
    folded.retain(|pattern| seen.insert(pattern.clone()));
    folded.join(",")
}

/// One stem with its numbers.
fn pattern(stem: &str, width: usize, numbers: &BTreeSet<u64>) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &n in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => ranges.push((n, n)),
        }
    }
    let parts: Vec<String> = ranges
        .iter()
        .map(|&(first, last)| match last - first {
            0 => format!("{first:0width$}"),
            _ => format!("{first:0width$}-{last:0width$}"),
        })
        .collect();
    match (parts.as_slice(), numbers.len()) {
        ([], _) => stem.to_owned(),
        ([only], 1) => format!("{stem}{only}"),
        _ => format!("{stem}[{}]", parts.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::test_layout;

    const LAYOUT: &str = "
hosts: { head: 192.0.2.1, sensor-1: 192.0.2.2, sensor-2: 192.0.2.3 }
nodes:
  manager: { host: head }
  logger: { host: head, count: 2 }
  proxy: { host: head }
  worker: { host: [sensor-1, sensor-2], count: 4 }
";

    /// worker-2 failed, and so did something that is gone since; sensor-2 was not reached.
    fn last() -> LastRun {
        let target = |name: &str, host: &str| Target { name: name.into(), host: host.into() };
        LastRun {
            failed: vec![target("worker-2", "sensor-1"), target("gone", "nowhere")],
            unreachable: vec![target("sensor-2", "sensor-2")],
        }
    }

    fn check(text: &str, expected: &str) {
        let layout = test_layout(LAYOUT);
        let found = match select(&layout, text, Some(&last())) {
            Ok(nodes) => fold(nodes.iter().map(|n| n.name.as_str())),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{text}");
    }

    fn check_hosts(text: &str, expected: &str) {
        let layout = test_layout(LAYOUT);
        let found = match select_hosts(&layout, text, Some(&last())) {
            Ok(hosts) => fold(hosts.iter().map(|h| h.name.as_str())),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_the_last_run_left_behind_is_a_set() {
        check("@failed", "worker-2");
        check("@unreachable", "worker-[5-8]");
        check("@workers, !@unreachable", "worker-[1-4]");
        check("@failed & @unreachable", "");
        check("@failde", "no group of nodes is named `@failde`; did you mean `@failed`?");
        check_hosts("@failed", "sensor-1");
        check_hosts("@failed,@unreachable", "sensor-[1-2]");
        let error = select(&test_layout(LAYOUT), "@failed", None).expect_err("nothing is remembered");
        assert_eq!(error.to_string(), "`@failed` is what the last command left behind, and none is remembered here");
    }

    #[test]
    fn hosts_are_named_by_themselves_or_by_their_nodes() {
        check_hosts("sensor-[1-2]", "sensor-[1-2]");
        check_hosts("@workers", "sensor-[1-2]");
        check_hosts("worker-[1-3], manager", "head,sensor-1");
        check_hosts("!@host:head", "sensor-[1-2]");
        check_hosts("all & @loggers", "head");
        check_hosts("snesor-1", "no node or host is named `snesor-1`; did you mean `sensor-1`?");
    }

    #[test]
    fn terms_add_and_take_away() {
        check("all", "manager,logger-[1-2],proxy,worker-[1-8]");
        check("worker-[1-4,7], proxy", "proxy,worker-[1-4,7]");
        check("@workers,!worker-3", "worker-[1-2,4-8]");
        check("!@workers", "manager,logger-[1-2],proxy");
        check("@host:sensor-1", "worker-[1-4]");
        check(
            "@workers & @host:sensor-2 & !worker-1",
            "`!worker-1` is not a set of nodes: `@` and `!` stand at the beginning",
        );
        check("@workers & @host:sensor-2", "worker-[5-8]");
        check("@host:head&@workers", "");
        check("worker-[1-8/3]", "worker-[1,4,7]");
    }

    #[test]
    fn what_is_unknown_is_named_with_its_nearest() {
        check("wroker-1", "no node is named `wroker-1`; did you mean `worker-1`?");
        check("worker-[7-9]", "no node is named `worker-9`; did you mean `worker-1`?");
        check("@wokers", "no group of nodes is named `@wokers`; did you mean `@workers`?");
        check("@host:sensr-1", "no host is named `sensr-1`; did you mean `sensor-1`?");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        check("worker-[1-4", "`worker-[1-4` is not a set of nodes: `[` without `]`");
        check("worker-1]", "`worker-1]` is not a set of nodes: `]` without `[`");
        check("worker-[4-1]", "`worker-[4-1]` is not a set of nodes: a range ends before it begins");
        check("worker-[1-4/0]", "`worker-[1-4/0]` is not a set of nodes: a step is at least 1");
        check("a,,b", "`` is not a set of nodes: a name is missing");
        check("worker-[1-10001]", "`worker-[1-10001]` stands for more than 10000 names");
        check("w[1-1000][1-1000]", "`w[1-1000][1-1000]` stands for more than 10000 names");
        check(
            "w[0-18446744073709551615]",
            "`w[0-18446744073709551615]` is not a set of nodes: brackets hold numbers and ranges such as `1-4,7`",
        );
    }

    #[test]
    fn zeros_are_kept() {
        let names = expand("s[08-11]").expect("a pattern");
        assert_eq!(names, ["s08", "s09", "s10", "s11"]);
        assert_eq!(fold(names.iter().map(String::as_str)), "s[08-09],s[10-11]");
    }

    proptest! {
        #[test]
        fn folded_names_are_read_back(names in proptest::collection::btree_set("[a-z]{1,2}-?[0-9]{0,3}(-[0-9]{1,2})?", 1..60)) {
            let folded = fold(names.iter().map(String::as_str));
            let NodeSet(terms) = parse(&folded).expect("what fold writes");
            let mut read = BTreeSet::new();
            for factor in terms.into_iter().flat_map(|t| t.factors) {
                match factor {
                    Factor::Names(found) => read.extend(found),
                    Factor::All => _ = read.insert("all".to_owned()),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert_eq!(read, names);
        }

        #[test]
        fn no_text_panics(text in "[a-z@!&,\\[\\]/0-9:-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
