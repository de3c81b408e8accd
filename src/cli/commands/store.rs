//! `store`: what is in the cluster's data stores, and changes by hand.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::api::outcome::{ErrorInfo, Kind};
use crate::api::store::{StoreAsk, StoreChange, StoreState};
use crate::cli::args::NodeArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::cli::{values, zeek_values};
use crate::data::Data;
use crate::layout::{Layout, Node};
use crate::query::{self, StoreRow};
use crate::{deploy, node};

/// Look into the cluster's data stores, and change them
///
/// A store (`stores:` of the layout) has one master, which holds the data, and a clone on every other node. Requests go to the
/// master's node through its host's agent, or to the node that `--node` names, whose clone may lag behind by milliseconds.
///
/// Keys and values are written as those of `publish`: `TYPE:VALUE` such as addr:192.0.2.1 or string:text, or JSON, in which 5
/// is a count and "x" a string. They are shown as Zeek's scripts write them, and with `-o json` as broker-json-v1.
#[derive(Debug, clap::Args)]
pub struct StoreCommand {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Show which node has which stores, and how they are
    ///
    /// Asks each selected node. A master is `ready`, or `refused` when another node was the store's master before; a clone is
    /// `ready` when it has what its master has, else `syncing`.
    ///
    /// Columns: node, store, role, state, keys, changes (since the master began), pending (writes that wait for the master),
    /// master, backend, path.
    List(NodeArgs),
    /// Print the value of a key
    ///
    /// Exit status 1 when the key is not there.
    Get(OneKey),
    /// Print all keys, one a line
    Keys(Whole),
    /// Print how many keys there are
    Size(Whole),
    /// Write the value of a key
    ///
    /// Creates the key or replaces its value. Ends when the master has made the change durable.
    Put(Put),
    /// Remove a key
    ///
    /// Exit status 1 when the key was not there.
    Del(OneKey),
    /// Remove all keys
    ///
    /// Asks first, unless `--yes` is given. It cannot be undone.
    Clear(Whole),
    /// Print each change as it happens, until Ctrl-C
    ///
    /// Says on standard error from when on none is missed. Columns: ts (seconds since the epoch), change (put, erase, expire,
    /// clear; missed when changes came faster than they could be shown), key, value, expiry (seconds since the epoch).
    Watch(Whole),
}

#[derive(Debug, clap::Args)]
struct Whole {
    /// The store's name
    #[arg(value_name = "STORE")]
    store: String,

    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
struct OneKey {
    /// The store's name
    #[arg(value_name = "STORE")]
    store: String,

    /// The key, such as string:text, addr:192.0.2.1 or 5
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: String,

    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
struct Put {
    /// The store's name
    #[arg(value_name = "STORE")]
    store: String,

    /// The key, such as string:text, addr:192.0.2.1 or 5
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: String,

    /// The value, such as count:5, '"text"' or set:[1,2]
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    value: String,

    /// Let the key vanish after so long, such as 30s or 1h30m [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    expiry: Option<Duration>,

    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
struct At {
    /// Ask this node [default: the one that holds the master]
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
}

impl StoreCommand {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        match self.command {
            Sub::List(nodes) => list(cx, &layout, &nodes),
            Sub::Get(OneKey { store, key, at }) => {
                let key = json(&key)?;
                let value = ask(cx, &layout, &at, &store, StoreAsk::Get { key })?;
                cx.printer.records(&[Single::of(&value)?])?;
                Ok(Status::Done)
            }
            Sub::Keys(Whole { store, at }) => {
                let Data::Set(keys) = data(&ask(cx, &layout, &at, &store, StoreAsk::Keys)?)? else {
                    return Err(unreadable());
                };
                let rows: Vec<Single> = keys.iter().map(Single::new).collect();
                cx.printer.records(&rows)?;
                Ok(Status::Done)
            }
            Sub::Size(Whole { store, at }) => {
                let size = ask(cx, &layout, &at, &store, StoreAsk::Size)?;
                cx.printer.records(&[Single::of(&size)?])?;
                Ok(Status::Done)
            }
            Sub::Put(put) => put.run(cx, &layout),
            Sub::Del(OneKey { store, key, at }) => {
                let erased = change(cx, &layout, &at, &store, StoreAsk::Erase { key: json(&key)? })?;
                match data(&erased)? == Data::Boolean(true) {
                    true => cx.printer.status(&format!("removed {} from `{store}`", shown_key(&key)?)),
                    false => {
                        cx.printer.error(&format!("{} is not in `{store}`", shown_key(&key)?));
                        return Ok(Status::Failed);
                    }
                }
                Ok(Status::Done)
            }
            Sub::Clear(Whole { store, at }) => clear(cx, &layout, &store, &at),
            Sub::Watch(Whole { store, at }) => watch(cx, &layout, &store, &at),
        }
    }
}

impl Put {
    fn run(self, cx: &Context, layout: &Layout) -> Result<Status, Failure> {
        let ask = StoreAsk::Put {
            key: json(&self.key)?,
            value: json(&self.value)?,
            expiry_s: self.expiry.map(|expiry| expiry.as_secs_f64()),
        };
        change(cx, layout, &self.at, &self.store, ask)?;
        cx.printer.status(&format!("wrote {} into `{}`", shown_key(&self.key)?, self.store));
        Ok(Status::Done)
    }
}

fn list(cx: &Context, layout: &Layout, nodes: &NodeArgs) -> Result<Status, Failure> {
    let nodes = cx.select(layout, nodes)?;
    let report = cx.block_on(query::stores(layout, &nodes, &cx.asking()))?;
    cx.printer.records(&report.rows)?;
    let heard = cx.printer.silent_hosts(&report.silent, &nodes);
    for (_, why) in &report.not_running {
        cx.printer.error(why);
    }
    let refused = report.rows.iter().filter(|row| row.view.state == StoreState::Refused);
    for StoreRow { node, view } in refused {
        let (store, master) = (&view.name, &view.master_node);
        cx.printer.error(&format!("`{store}` has two masters: {node} refuses, because {master} was there first"));
        cx.printer.hint("give one of the two another master_node, or another name");
    }
    if report.rows.is_empty() && report.not_running.is_empty() && report.silent.is_empty() {
        cx.printer.hint("these nodes have no stores; `stores:` of the layout makes them at the next deploy");
    }
    let in_office = report.rows.iter().all(|row| row.view.state != StoreState::Refused);
    Ok(match heard {
        Status::Done if !report.not_running.is_empty() || !in_office => Status::Failed,
        heard => heard,
    })
}

fn clear(cx: &Context, layout: &Layout, store: &str, at: &At) -> Result<Status, Failure> {
    let size = data(&ask(cx, layout, at, store, StoreAsk::Size)?)?;
    let keys = if size == Data::Count(1) { "the one key".to_owned() } else { format!("all {size} keys") };
    cx.confirm(&format!("Remove {keys} of store `{store}`?"))?;
    change(cx, layout, at, store, StoreAsk::Clear)?;
    cx.printer.status(&format!("`{store}` is empty"));
    Ok(Status::Done)
}

fn watch(cx: &Context, layout: &Layout, store: &str, at: &At) -> Result<Status, Failure> {
    let node = at.node_of(layout, store)?;
    let settings = cx.asking();
    let ready = || cx.printer.status(&format!("watching `{store}` on {}", node.name));
    let line = |change: StoreChange| cx.printer.row(&ChangeRow(change));
    let watching = query::watch_store(layout, node, store, &settings, ready, line);
    cx.follow(async {
        match watching.await {
            Ok(shown) => Ok(shown.map(|()| Status::Done)?),
            Err(silent) => Err(failure(silent.kind, silent.error)),
        }
    })
}

/// Asks, and changes nothing.
fn ask(cx: &Context, layout: &Layout, at: &At, store: &str, ask: StoreAsk) -> Result<Value, Failure> {
    let node = at.node_of(layout, store)?;
    let answer = cx.block_on(query::store(layout, node, store, ask, &cx.asking()))?;
    answer.map_err(|silent| failure(silent.kind, silent.error))
}

fn change(cx: &Context, layout: &Layout, at: &At, store: &str, ask: StoreAsk) -> Result<Value, Failure> {
    let node = at.node_of(layout, store)?;
    let answer = cx.block_on(deploy::change_store(layout, node, store, ask, &cx.reach()))?;
    answer.map_err(|outcome| {
        let unknown = || ErrorInfo { what: format!("{} gave no reason", outcome.target), hint: None };
        failure(outcome.kind, outcome.error.clone().unwrap_or_else(unknown))
    })
}

fn failure(kind: Kind, ErrorInfo { what, hint }: ErrorInfo) -> Failure {
    match kind {
        Kind::Unreachable => Failure::Unreachable { what, hint },
        Kind::TimedOut => Failure::TimedOut { what },
        _ => Failure::Here { what, hint },
    }
}

impl At {
    fn node_of<'a>(&self, layout: &'a Layout, store: &str) -> Result<&'a Node, Failure> {
        match &self.node {
            Some(name) => layout.node(name).ok_or_else(|| Failure::Usage {
                what: format!("there is no node `{name}`"),
                hint: Some("`zeek-cluster nodes -o name` lists them".to_owned()),
            }),
            None => query::master_of(layout, store).ok_or_else(|| Failure::Usage {
                what: format!("the layout does not say who holds `{store}`"),
                hint: Some("name a node that has it with --node".to_owned()),
            }),
        }
    }
}

/// What was typed, as a value of broker-json-v1.
fn json(text: &str) -> Result<Value, Failure> {
    let data = zeek_values::read(text).map_err(Failure::usage)?;
    serde_json::from_str(&node::value_to_json(&data)).map_err(Failure::here)
}

/// What was typed, as Zeek writes it.
fn shown_key(text: &str) -> Result<String, Failure> {
    zeek_values::read(text).map(|key| zeek_values::show(&key)).map_err(Failure::usage)
}

fn data(json: &Value) -> Result<Data, Failure> {
    node::value_from_json(&json.to_string()).map_err(|_| unreadable())
}

fn unreadable() -> Failure {
    let hint = Some("deploy again: control and nodes may be of different versions".to_owned());
    Failure::Here { what: "the node's answer cannot be read".to_owned(), hint }
}

/// A value on a line of its own.
struct Single {
    shown: String,
    json: Value,
}

impl Single {
    fn new(data: &Data) -> Single {
        let json = serde_json::from_str(&node::value_to_json(data)).unwrap_or_default();
        Single { shown: zeek_values::show(data), json }
    }

    fn of(json: &Value) -> Result<Single, Failure> {
        Ok(Single { shown: zeek_values::show(&data(json)?), json: json.clone() })
    }
}

impl Serialize for Single {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl Record for Single {
    const COLUMNS: &'static [Column] = &[Column::note("VALUE")];

    fn cells(&self) -> Vec<String> {
        vec![self.shown.clone()]
    }

    fn fields(&self) -> Vec<String> {
        vec![self.shown.clone()]
    }

    fn name(&self) -> &str {
        &self.shown
    }
}

impl Record for StoreRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("NODE"),
        Column::stays("STORE"),
        Column::gives("ROLE", 3),
        Column::stays("STATE"),
        Column::gives("KEYS", 2),
        Column::gives("PENDING", 5),
        Column::gives("MASTER", 6),
        Column::gives("BACKEND", 7),
        Column::gives("PATH", 8),
    ];

    fn cells(&self) -> Vec<String> {
        let mut fields = self.fields();
        fields.remove(5);
        fields
    }

    fn fields(&self) -> Vec<String> {
        let view = &self.view;
        vec![
            self.node.clone(),
            zeek_values::escaped(view.name.as_bytes()),
            if view.master { "master" } else { "clone" }.to_owned(),
            view.state.as_str().to_owned(),
            view.size.to_string(),
            view.changes.to_string(),
            view.pending.to_string(),
            view.master_node.clone(),
            view.backend.as_str().to_owned(),
            shown(view.path.as_ref().map(|path| path.display())),
        ]
    }

    fn name(&self) -> &str {
        &self.view.name
    }
}

/// A change, as a line of each format.
#[derive(Serialize)]
#[serde(transparent)]
struct ChangeRow(StoreChange);

impl ChangeRow {
    fn value(json: Option<&Value>) -> String {
        json.and_then(|json| data(json).ok()).map_or_else(|| "-".to_owned(), |data| zeek_values::show(&data))
    }
}

impl Record for ChangeRow {
    const COLUMNS: &'static [Column] =
        &[Column::stays("TIME"), Column::stays("CHANGE"), Column::stays("KEY"), Column::note("VALUE")];

    fn cells(&self) -> Vec<String> {
        let change = match self.0.missed {
            Some(missed) => format!("missed {missed}"),
            None => self.0.change.clone(),
        };
        let key = ChangeRow::value(self.0.key.as_ref());
        vec![human::local_time(self.0.ts), change, key, ChangeRow::value(self.0.value.as_ref())]
    }

    fn fields(&self) -> Vec<String> {
        let (key, value) = (ChangeRow::value(self.0.key.as_ref()), ChangeRow::value(self.0.value.as_ref()));
        let missed = self.0.missed.map(|missed| missed.to_string());
        let ts = format!("{:.6}", self.0.ts);
        vec![ts, self.0.change.clone(), key, missed.unwrap_or(value), shown(self.0.expiry)]
    }

    fn name(&self) -> &str {
        &self.0.change
    }
}
