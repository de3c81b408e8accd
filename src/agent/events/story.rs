//! One node's events: what changed between two of its views. The only place that knows which change is an event.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::agent::supervise::JobView;
use crate::api::agent::NodeState;
use crate::api::events::Happening;
use crate::api::node::Trouble;

/// The state that is kept of a node between two views.
#[derive(Debug)]
pub struct Story {
    before: JobView,
    /// Since when it does not work, seconds since the epoch; none while it does.
    unwell_since: Option<f64>,
    /// Whether it was told that it ends again and again; until it works.
    is_failing: bool,
    /// Whether its present process has joined, as far as is known.
    has_joined: bool,
    /// The troubles that have begun, and when.
    troubles: BTreeMap<String, f64>,
}

impl Story {
    /// Begins with the view of a new agent; an earlier one may have left incidents open.
    pub fn begin(first: JobView, open: Open) -> Story {
        let now = seconds_since_epoch();
        // The first view tells whether a trouble is still there.
        let troubles = open.troubles.into_iter().map(|trouble| (trouble, now)).collect();
        Story { before: first, unwell_since: open.node.then_some(now), is_failing: false, has_joined: false, troubles }
    }

    /// Its process is one that an earlier agent started: it may have joined long ago.
    pub fn adopted(&mut self, pid: u32) {
        self.before.status.pid = Some(pid);
        self.has_joined = true;
    }

    /// Returns the events since the last view.
    pub fn next(&mut self, now: &JobView) -> Vec<Happening> {
        let before = std::mem::replace(&mut self.before, now.clone());
        let mut events = Vec::new();
        self.ended(&before, now, &mut events);
        self.began(&before, now, &mut events);
        self.state(&before, now, &mut events);
        self.troubles(now, &mut events);
        events
    }

    fn ended(&mut self, before: &JobView, now: &JobView, events: &mut Vec<Happening>) {
        let (was, is) = (&before.status, &now.status);
        let gone = was.pid.filter(|_| was.pid != is.pid);
        let ran_s = was.started_at.map_or(0.0, |at| seconds_since_epoch() - at).max(0.0);
        if now.exits > before.exits {
            self.unwell_since.get_or_insert_with(seconds_since_epoch);
            events.push(match gone {
                Some(pid) => Happening::Crashed {
                    pid,
                    exit: now.last_exit.how.clone(),
                    ran_s,
                    line: now.last_exit.line.clone(),
                    oom: now.last_exit.oom,
                },
                None => Happening::StartFailed { error: is.error.clone().unwrap_or_default() },
            });
        } else if let Some(pid) = gone {
            self.unwell_since = None;
            events.push(Happening::Stopped { pid: Some(pid), killed: before.killed || now.killed });
        }
        if gone.is_some() {
            self.has_joined = false;
        }
    }

    fn began(&mut self, before: &JobView, now: &JobView, events: &mut Vec<Happening>) {
        let is = &now.status;
        let Some(pid) = is.pid.filter(|pid| before.status.pid != Some(*pid)) else { return };
        events.push(match is.restarts > before.status.restarts || self.unwell_since.is_some() {
            true => Happening::Restarted { pid, restarts: is.restarts },
            false => Happening::Started { pid },
        });
    }

    fn state(&mut self, before: &JobView, now: &JobView, events: &mut Vec<Happening>) {
        let is = &now.status;
        if is.state == before.status.state && is.pid == before.status.pid {
            return;
        }
        match is.state {
            NodeState::Running => self.works(now, events),
            // It takes part; its troubles are incidents of their own.
            NodeState::Degraded if has_troubles(now) => self.works(now, events),
            NodeState::Degraded | NodeState::Isolated => self.does_not_work(now, events),
            NodeState::Failing if !std::mem::replace(&mut self.is_failing, true) => {
                let (error, next_try) = (is.error.clone().unwrap_or_default(), is.next_try_at);
                events.push(Happening::Failing { error, next_try });
            }
            // It was told to stop before it came back, which ends the incident.
            NodeState::Stopped if self.unwell_since.take().is_some() && before.status.pid.is_none() => {
                events.push(Happening::Stopped { pid: None, killed: false });
            }
            _ => {}
        }
    }

    fn works(&mut self, now: &JobView, events: &mut Vec<Happening>) {
        let moment = seconds_since_epoch();
        self.is_failing = false;
        let joined_before = std::mem::replace(&mut self.has_joined, true);
        match self.unwell_since.take() {
            Some(since) if joined_before => events.push(Happening::Recovered { after_s: (moment - since).max(0.0) }),
            None if joined_before => {}
            _ => {
                let after_s = now.status.started_at.map_or(0.0, |at| (moment - at).max(0.0));
                events.push(Happening::Joined { after_s });
            }
        }
    }

    fn does_not_work(&mut self, now: &JobView, events: &mut Vec<Happening>) {
        self.unwell_since.get_or_insert_with(seconds_since_epoch);
        let reason = now.status.error.clone().unwrap_or_else(|| "it does not say why".to_owned());
        events.push(Happening::Degraded { state: now.status.state.as_str().to_owned(), reason });
    }

    fn troubles(&mut self, now: &JobView, events: &mut Vec<Happening>) {
        // A node that says nothing says nothing of its troubles either, unless it is gone.
        let Some(view) = &now.view else {
            if now.status.pid.is_none() {
                self.over(|_| true, events);
            }
            return;
        };
        let program = view.program.as_ref().and_then(|program| program.trouble.clone());
        let program = program.map(|why| (PROGRAM.to_owned(), why));
        let named = view.troubles.iter().map(|trouble| (name_of(trouble), trouble.text.clone()));
        let present: BTreeMap<String, String> = named.chain(program).collect();
        for (trouble, reason) in &present {
            if !self.troubles.contains_key(trouble) {
                self.troubles.insert(trouble.clone(), seconds_since_epoch());
                events.push(Happening::Trouble { trouble: trouble.clone(), reason: reason.clone() });
            }
        }
        self.over(|trouble| !present.contains_key(trouble), events);
    }

    fn over(&mut self, is_over: impl Fn(&str) -> bool, events: &mut Vec<Happening>) {
        let moment = seconds_since_epoch();
        self.troubles.retain(|trouble, since| {
            let over = is_over(trouble);
            if over {
                let after_s = (moment - *since).max(0.0);
                events.push(Happening::TroubleEnded { trouble: trouble.clone(), after_s });
            }
            !over
        });
    }
}

/// The incidents of a node that have begun and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Whether the node itself is down or does not work.
    pub node: bool,
    /// Its troubles, by name.
    pub troubles: Vec<String>,
}

fn has_troubles(now: &JobView) -> bool {
    now.view.as_ref().is_some_and(|view| !view.troubles.is_empty())
}

fn name_of(trouble: &Trouble) -> String {
    format!("{} {}", trouble.kind, trouble.subject).trim_end().to_owned()
}

/// The trouble of a program under a node.
const PROGRAM: &str = "program";

fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::supervise::Job;
    use crate::agent::testing::node_view;
    use crate::api::agent::NodeStatus;
    use crate::api::node::NodeView;
    use crate::data::NodeType;

    fn view(state: NodeState, pid: Option<u32>) -> JobView {
        let status = NodeStatus {
            name: "worker-1".into(),
            node_type: NodeType::Worker,
            state,
            pid,
            restarts: 0,
            last_restart_at: None,
            next_try_at: None,
            started_at: pid.map(|_| 0.0),
            error: Some("no manager".into()),
            running_hash: None,
            live_hash: None,
            logger_up: None,
            peers_up: None,
            id: None,
            limits: Default::default(),
            limits_missed: Vec::new(),
            cgroup: None,
        };
        Job::view_for_tests(status)
    }

    fn words(story: &mut Story, views: &[JobView]) -> Vec<&'static str> {
        views.iter().flat_map(|view| story.next(view)).map(|what| what.word()).collect()
    }

    fn down() -> JobView {
        view(NodeState::Stopped, None)
    }

    fn up(pid: u32) -> JobView {
        view(NodeState::Running, Some(pid))
    }

    fn crashed(exits: u64, state: NodeState) -> JobView {
        JobView { exits, ..view(state, None) }
    }

    #[test]
    fn a_crash_is_told_in_order_and_once() {
        let mut story = Story::begin(down(), Open::default());
        let starting = JobView { exits: 1, ..view(NodeState::Starting, Some(8)) };
        let back = JobView { exits: 1, ..up(8) };
        let views = [up(7), up(7), crashed(1, NodeState::Backoff), starting, back.clone(), back];
        assert_eq!(words(&mut story, &views), ["started", "joined", "crashed", "restarted", "joined"]);
    }

    #[test]
    fn a_node_that_loses_the_cluster_is_degraded_until_it_is_back() {
        let mut story = Story::begin(down(), Open::default());
        let (joining, isolated) = (view(NodeState::Joining, Some(7)), view(NodeState::Isolated, Some(7)));
        let views = [up(7), joining.clone(), up(7), joining, isolated.clone(), isolated, up(7)];
        assert_eq!(words(&mut story, &views), ["started", "joined", "degraded", "recovered"]);
    }

    #[test]
    fn a_stop_ends_an_incident_also_while_nothing_runs() {
        let mut story = Story::begin(down(), Open::default());
        let stopped = crashed(1, NodeState::Stopped);
        let views = [up(7), crashed(1, NodeState::Backoff), stopped.clone(), stopped];
        assert_eq!(words(&mut story, &views), ["started", "joined", "crashed", "stopped"]);
        let mut story = Story::begin(down(), Open::default());
        assert_eq!(words(&mut story, &[up(7), down()]), ["started", "joined", "stopped"]);
    }

    #[test]
    fn troubles_begin_and_end_once_each_and_end_with_the_process() {
        let with = |kinds: &[&str]| {
            let troubles = kinds.iter().map(|kind| Trouble {
                kind: (*kind).to_owned(),
                subject: "conn".to_owned(),
                text: format!("conn: {kind}"),
                since: 1.0,
            });
            let view = NodeView { troubles: troubles.collect(), ..node_view("logger") };
            JobView { view: Some(std::sync::Arc::new(view)), ..up(7) }
        };
        let mut story = Story::begin(down(), Open::default());
        let views =
            [with(&[]), with(&["log-rejected"]), with(&["log-rejected", "log-stalled"]), with(&["log-stalled"])];
        let told = ["started", "joined", "trouble", "trouble", "trouble_ended"];
        assert_eq!(words(&mut story, &views), told);
        // Silence says nothing of it; an end does.
        assert_eq!(words(&mut story, &[up(7)]), [""; 0]);
        assert_eq!(words(&mut story, &[down()]), ["stopped", "trouble_ended"]);
    }

    #[test]
    fn an_adopted_node_is_told_of_again_only_if_it_was_in_trouble() {
        let mut story = Story::begin(down(), Open::default());
        story.adopted(7);
        assert_eq!(words(&mut story, &[view(NodeState::Starting, Some(7)), up(7)]), [""; 0]);
        let mut story = Story::begin(down(), Open { node: true, troubles: Vec::new() });
        story.adopted(7);
        assert_eq!(words(&mut story, &[view(NodeState::Starting, Some(7)), up(7)]), ["recovered"]);
    }
}
