//! zeekctl's commands, options and files, and what stands in their place here: `help from-zeekctl`, the manual page of that
//! name, and the answers of commands that have no equal all read these tables.

use crate::layout::{self, Fate};

/// What becomes of a command of zeekctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A command of the same name does the same.
    Same,
    /// This command does it.
    Command(&'static str),
    /// Nothing has to do it: scripts may go on.
    NotNeeded,
    /// Nothing does it.
    Nothing,
}

/// A command of zeekctl.
#[derive(Clone, Copy, Debug)]
pub struct OldCommand {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub place: Place,
    /// What is different, or what to do instead.
    pub note: &'static str,
}

const fn old(name: &'static str, place: Place, note: &'static str) -> OldCommand {
    OldCommand { name, place, note }
}

/// All commands of zeekctl, in alphabetical order.
pub const COMMANDS: &[OldCommand] = &[
    old(
        "capstats",
        Place::Nothing,
        "the kernel counts what an interface receives: `zeek-cluster exec all -- ip -s link`",
    ),
    old("check", Place::Same, "each Zeek reads its scripts on its own host, not on the manager's"),
    old(
        "cleanup",
        Place::NotNeeded,
        "working folders are kept tidy by themselves; `remove` takes a cluster off its hosts",
    ),
    old(
        "config",
        Place::Command("layout show"),
        "`layout show --options` prints each option and where its value comes from",
    ),
    old(
        "cron",
        Place::NotNeeded,
        "agents start nodes that ended, rotate and expire logs by themselves: take the line out of the crontab",
    ),
    old("deploy", Place::Same, "nodes that did not change are not restarted; `plan` says what will be done"),
    old("df", Place::Same, ""),
    old(
        "diag",
        Place::Command("output"),
        "`output NODE` shows what a node wrote, `doctor` looks for what is wrong on its host",
    ),
    old("exec", Place::Same, "hosts come first, the command behind `--`: `exec all -- uptime`"),
    old("exit", Place::NotNeeded, "there is no shell of its own"),
    old("help", Place::Same, ""),
    old("install", Place::Same, ""),
    old("netstats", Place::Command("metrics"), "`metrics [NODES]` has the nodes' counters"),
    old("nodes", Place::Same, "also says which nodes are active; `layout show` prints all that is known of them"),
    old("peerstatus", Place::Command("peers"), ""),
    old("print", Place::Nothing, "no command asks a running Zeek for the value of a script variable"),
    old("process", Place::Nothing, "Zeek reads traces itself: `zeek -r TRACE SCRIPTS`"),
    old("quit", Place::NotNeeded, "there is no shell of its own"),
    old("restart", Place::Same, "one node after the other; `--clean` is not needed"),
    old("scripts", Place::Nothing, "each Zeek writes its scripts into loaded_scripts.log; `check` has them read"),
    old("start", Place::Same, ""),
    old("status", Place::Same, "exit status 0 only when all nodes run"),
    old("stop", Place::Same, ""),
    old("top", Place::Same, ""),
];

/// Files of zeekctl and what stands in their place.
const FILES: [(&str, &str); 10] = [
    ("etc/node.cfg", "hosts and nodes of the layout; -l reads node.cfg itself, `layout import` turns it into a layout"),
    ("etc/zeekctl.cfg", "the other keys of the layout; read together with node.cfg"),
    ("etc/networks.cfg", "networks of the layout; read together with node.cfg"),
    ("etc/zeek/zeek.conf", "Zeek 9's, as node.cfg: -l reads it, and the folder of HOST.zeek.conf"),
    ("share/zeek/site/local.zeek", "zeek.scripts of the layout; stays where it is"),
    ("logs/current", "run/NODE/ below base_dir/NAME on the logger's host; `zeek-cluster log` finds it"),
    ("logs/YYYY-MM-DD", "logs/YYYY-MM-DD below base_dir/NAME, files named as before"),
    ("spool/NODE", "run/NODE below base_dir/NAME"),
    ("spool/state.db", "each host's agent keeps its own state"),
    ("spool/zeromq/curve", "`zeek-cluster keys`"),
];

const INTRODUCTION: &str = "\
zeek-cluster reads zeekctl's files as they are: `zeek-cluster -l /opt/zeek status`, also with `--connect`, which only looks. \
`zeek-cluster layout import /opt/zeek --output-file cluster.yaml` turns them into a layout, and reports what became of each \
setting. Groups of nodes are named @workers, @loggers, @proxies and @managers; zeekctl's words workers, loggers and proxies \
are understood.";

/// The command of that name.
pub fn find(name: &str) -> Option<&'static OldCommand> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl OldCommand {
    /// What stands in its place, in words.
    pub fn replacement(&self) -> String {
        let place = match self.place {
            Place::Same => self.name.to_owned(),
            Place::Command(command) => command.to_owned(),
            Place::NotNeeded => "not needed".to_owned(),
            Place::Nothing => "nothing".to_owned(),
        };
        if self.note.is_empty() { place } else { format!("{place}; {}", self.note) }
    }
}

/// The sections of the topic: their headings, and pairs of old and new.
fn sections() -> [(&'static str, Vec<(String, String)>); 3] {
    let commands = COMMANDS.iter().map(|command| (command.name.to_owned(), command.replacement())).collect();
    let option = |(name, fate, reason): (&str, Fate, &str)| (name.to_owned(), format!("{}: {reason}", fate.as_str()));
    let options = layout::zeekctl_options().map(option).collect();
    let files = FILES.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
    [("Commands", commands), ("Options of zeekctl.cfg", options), ("Files", files)]
}

/// The topic as text.
pub fn text() -> String {
    let mut text = format!("{INTRODUCTION}\n");
    for (heading, pairs) in sections() {
        text.push_str(&format!("\n{heading}:\n\n"));
        let width = pairs.iter().map(|(old, _)| old.len()).max().unwrap_or_default().min(30);
        for (old, new) in pairs {
            text.push_str(&format!("  {old:width$}  {new}\n"));
        }
    }
    text
}

/// The topic as a manual page in roff.
pub fn page() -> Vec<u8> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-").replace('\'', "\\(aq");
    let mut page = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH zeek-cluster-from-zeekctl 7 \"\" \"zeek-cluster {}\" \"Zeek clusters\"\n\
         .SH NAME\nzeek\\-cluster\\-from\\-zeekctl \\- what stands in the place of zeekctl's commands, options and files\n\
         .SH DESCRIPTION\n{}\n",
        env!("CARGO_PKG_VERSION"),
        escaped(INTRODUCTION)
    );
    for (heading, pairs) in sections() {
        page.push_str(&format!(".SH {}\n", heading.to_uppercase()));
        for (old, new) in pairs {
            page.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", escaped(&old), escaped(&new)));
        }
    }
    page.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    #[test]
    fn every_command_of_zeekctl_is_one_here_and_what_replaces_it_too() {
        let tree = args::tree();
        for command in COMMANDS {
            let name = command.name;
            assert!(tree.find_subcommand(name).is_some() || name == "diag", "{name}");
            if let Place::Command(words) = command.place {
                let found = words.split(' ').try_fold(&tree, |tree, word| tree.find_subcommand(word));
                assert!(found.is_some(), "{words}");
            }
        }
    }

    #[test]
    fn the_topic_names_every_option() {
        let text = text();
        for name in ["MailTo", "ZeekPort", "SitePolicyScripts", "lb_custom.InterfacePrefix", "cron"] {
            assert!(text.contains(name), "{name}");
        }
    }
}
