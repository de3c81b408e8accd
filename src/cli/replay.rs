//! The commands that would finish a run, from what is known of it: a function of both histories, nothing is asked here.

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use super::args::{self, Args, PROGRAM};
use super::run::words;
use crate::deploy::quote;
use crate::query::{Later, Rest};

/// What is left to do of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Commands, one after the other: the program's name and its arguments.
    Commands(Vec<Vec<String>>),
    /// Nothing, for this reason.
    Nothing(String),
    /// Its command is not known, or not to this version.
    Unknown(String),
}

/// What is left to do of a run; `layout` is what the layout has to be named with from here.
pub fn replay(rest: &Rest, layout: &[String]) -> Replay {
    match rest.outcome.as_str() {
        "ok" | "unchanged" => return Replay::Nothing(format!("it ended {}", rest.outcome)),
        "in progress" => return Replay::Nothing("it is still at work".to_owned()),
        _ => {}
    }
    let Some(typed) = &rest.args else {
        return Replay::Unknown("its command is not known, or only in part".to_owned());
    };
    let Some(read) = Read::of(typed) else {
        return Replay::Unknown(format!("`{}` is no command of this version", line(typed)));
    };
    if let Some(later) = rest.later.iter().find(|later| has_settled(later)) {
        return Replay::Nothing(format!("run {} came after it and ended {}", later.run, later.outcome));
    }
    let well = |target: &&String| rest.later.iter().any(|later| later.well.contains(target));
    let left: Vec<String> = rest.left.iter().filter(|target| !well(target)).cloned().collect();
    if left.is_empty() && !rest.left.is_empty() {
        return Replay::Nothing("what it left behind was done since".to_owned());
    }
    let Some(again) = read.again(rest, typed, &left) else {
        return Replay::Unknown("what was in @failed or @unreachable then is not known any more".to_owned());
    };
    Replay::Commands(vec![[vec![PROGRAM.to_owned()], read.layout(layout), again].concat()])
}

/// Words for a POSIX shell.
pub fn line(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a run has brought the whole cluster to a state that its operator wanted.
fn has_settled(later: &Later) -> bool {
    let is_well = matches!(later.outcome.as_str(), "ok" | "unchanged");
    let read = later.args.as_deref().and_then(Read::of);
    is_well && read.is_some_and(|read| read.is_whole())
}

/// A command line, as clap understands it.
struct Read {
    words: String,
    leaf: ArgMatches,
    names_layout: bool,
}

impl Read {
    /// None when this version does not understand it.
    fn of(typed: &[String]) -> Option<Read> {
        let line = [PROGRAM.to_owned()].into_iter().chain(typed.iter().cloned());
        let matches = args::tree().try_get_matches_from(line).ok()?;
        Args::from_arg_matches(&matches).ok()?;
        let (words, leaf) = words(&matches);
        let names_layout = leaf.value_source("layout") == Some(ValueSource::CommandLine);
        Some(Read { words, leaf: leaf.clone(), names_layout })
    }

    /// Whether it is about all hosts of the cluster and what they have.
    fn is_whole(&self) -> bool {
        let is_about_some = self.words == "deploy" && self.leaf.get_many::<String>("hosts").is_some();
        matches!(self.words.as_str(), "deploy" | "rollback" | "remove" | "keys rotate") && !is_about_some
    }

    /// The option for the layout where it was not typed and is needed now.
    fn layout(&self, layout: &[String]) -> Vec<String> {
        if self.names_layout { Vec::new() } else { layout.to_vec() }
    }

    /// None when it was about a set that has changed since.
    fn again(&self, rest: &Rest, typed: &[String], left: &[String]) -> Option<Vec<String>> {
        let names_last_run = |word: &String| word.contains("@failed") || word.contains("@unreachable");
        let typed = match (typed.iter().any(names_last_run), self.words.as_str()) {
            (false, _) => typed.to_vec(),
            (true, "start" | "stop" | "restart") if !left.is_empty() => typed.to_vec(),
            (true, "deploy") if !rest.hosts.is_empty() => {
                let others = typed.iter().filter(|word| !names_last_run(word));
                others.chain(&rest.hosts).cloned().collect()
            }
            (true, _) => return None,
        };
        Some(match self.words.as_str() {
            "start" | "stop" | "restart" if !left.is_empty() => self.for_nodes(left),
            // A plan holds no longer when a part of it was performed.
            "deploy" if rest.switched.is_some() => without_plan(&typed),
            // The one that was current before may be another one now.
            "rollback" if self.leaf.get_one::<String>("release").is_none() => {
                let release = rest.release.iter().chain(&rest.switched).next().cloned();
                typed.iter().cloned().chain(release).collect()
            }
            // The new keys are in force: what is left is to bring them everywhere.
            "keys rotate" if rest.outcome == "failed" && rest.switched.is_some() => {
                [self.global(), vec!["deploy".to_owned()]].concat()
            }
            _ => typed,
        })
    }

    /// The same verb for these nodes alone.
    fn for_nodes(&self, nodes: &[String]) -> Vec<String> {
        let lock = self.leaf.get_flag("no_lock").then(|| "--no-lock".to_owned());
        [self.global(), vec![self.words.clone()], lock.into_iter().collect(), nodes.to_vec()].concat()
    }

    /// Global options that matter for the outcome.
    fn global(&self) -> Vec<String> {
        let mut said = Vec::new();
        for (name, option) in [("layout", "--layout"), ("timeout", "--timeout"), ("parallel", "--parallel")] {
            if self.leaf.value_source(name) == Some(ValueSource::CommandLine)
                && let Some(value) = self.leaf.get_raw(name).and_then(|mut values| values.next_back())
            {
                said.extend([option.to_owned(), value.to_string_lossy().into_owned()]);
            }
        }
        said
    }
}

fn without_plan(typed: &[String]) -> Vec<String> {
    let mut words = typed.iter();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--plan" => drop(words.next()),
            word if word.starts_with("--plan=") => {}
            word => kept.push(word.to_owned()),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(outcome: &str, typed: &str, left: &[&str]) -> Rest {
        Rest {
            outcome: outcome.into(),
            args: Some(typed.split(' ').map(str::to_owned).collect()),
            release: None,
            switched: None,
            left: left.iter().map(|name| (*name).to_owned()).collect(),
            hosts: vec!["sensor-2".into()],
            later: Vec::new(),
        }
    }

    fn shown(rest: &Rest) -> String {
        match replay(rest, &[]) {
            Replay::Commands(commands) => commands.iter().map(|words| line(words)).collect::<Vec<_>>().join("; "),
            Replay::Nothing(why) | Replay::Unknown(why) => format!("({why})"),
        }
    }

    #[test]
    fn a_deploy_is_done_again_without_a_plan_that_was_begun() {
        let typed = "-l c.yaml deploy --plan p.json --max-unavailable 1";
        assert_eq!(shown(&rest("refused", typed, &[])), format!("zeek-cluster {typed}"));
        let begun = Rest { switched: Some("ab".into()), ..rest("broken off", typed, &[]) };
        assert_eq!(shown(&begun), "zeek-cluster -l c.yaml deploy --max-unavailable 1");
        // The set has changed since.
        let some = rest("failed", "deploy @failed --allow-partial", &["w"]);
        assert_eq!(shown(&some), "zeek-cluster deploy --allow-partial sensor-2");
        let unknown = Rest { hosts: Vec::new(), ..some };
        assert_eq!(shown(&unknown), "(what was in @failed or @unreachable then is not known any more)");
        let named = Replay::Commands(vec![["zeek-cluster", "-l", "here.yaml", "deploy"].map(str::to_owned).into()]);
        assert_eq!(replay(&rest("failed", "deploy", &["w"]), &["-l".into(), "here.yaml".into()]), named);
    }

    #[test]
    fn nodes_that_failed_are_named_and_those_that_were_done_since_are_not() {
        let failed = rest("failed", "--timeout 5s start @workers --wait=3s", &["worker-3", "worker-7"]);
        assert_eq!(shown(&failed), "zeek-cluster --timeout 5s start worker-3 worker-7");
        let later = |well: &[&str]| Later {
            run: "b".into(),
            outcome: "failed".into(),
            args: Some(vec!["start".into()]),
            well: well.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(
            shown(&Rest { later: vec![later(&["worker-3"])], ..failed.clone() }),
            "zeek-cluster --timeout 5s start worker-7"
        );
        assert_eq!(
            shown(&Rest { later: vec![later(&["worker-3", "worker-7"])], ..failed }),
            "(what it left behind was done since)"
        );
        assert_eq!(shown(&rest("broken off", "stop worker-[1-2]", &[])), "zeek-cluster stop 'worker-[1-2]'");
    }

    #[test]
    fn a_rollback_names_its_release_and_new_keys_are_deployed() {
        let back = Rest { switched: Some("ab12".into()), ..rest("broken off", "rollback", &[]) };
        assert_eq!(shown(&back), "zeek-cluster rollback ab12");
        assert_eq!(shown(&Rest { switched: None, ..back }), "zeek-cluster rollback");
        let keys = Rest { switched: Some("ab12".into()), ..rest("failed", "keys rotate --no-lock", &["w"]) };
        assert_eq!(shown(&keys), "zeek-cluster deploy");
        assert_eq!(shown(&Rest { outcome: "interrupted".into(), ..keys }), "zeek-cluster keys rotate --no-lock");
    }

    #[test]
    fn a_later_deploy_of_everything_leaves_nothing_to_do() {
        let later = |args: &str, outcome: &str| Rest {
            later: vec![Later {
                run: "b7".into(),
                outcome: outcome.into(),
                args: Some(args.split(' ').map(str::to_owned).collect()),
                well: Vec::new(),
            }],
            ..rest("interrupted", "deploy", &[])
        };
        assert_eq!(shown(&later("deploy", "ok")), "(run b7 came after it and ended ok)");
        assert_eq!(shown(&later("deploy", "failed")), "zeek-cluster deploy");
        assert_eq!(shown(&later("deploy sensor-1", "ok")), "zeek-cluster deploy");
        assert_eq!(shown(&later("start", "ok")), "zeek-cluster deploy");
        assert_eq!(shown(&rest("ok", "deploy", &[])), "(it ended ok)");
        assert_eq!(
            shown(&Rest { args: None, ..rest("failed", "", &[]) }),
            "(its command is not known, or only in part)"
        );
        assert_eq!(shown(&rest("failed", "dance now", &[])), "(`dance now` is no command of this version)");
    }
}
