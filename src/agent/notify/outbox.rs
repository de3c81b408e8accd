//! Decides which messages to send and when, as a pure function of events and time; touches no clock, file or socket.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::api::events::{HostEvent, Phase, Severity};
use crate::api::notify::{IncidentKind, Notice, NoticePhase, NotifyConfig, NotifyView};

/// Messages that wait for one target; the oldest is given up for a newer one.
const MAX_WAITING: usize = 200;

/// Messages to one target within [`WINDOW_S`].
const LIMIT: usize = 10;

/// See [`LIMIT`], seconds.
const WINDOW_S: f64 = 60.0;

/// The first pause after a failure, seconds; doubles up to [`LONGEST_PAUSE_S`].
const FIRST_PAUSE_S: f64 = 5.0;

/// The longest pause, seconds.
const LONGEST_PAUSE_S: f64 = 300.0;

/// A message that is older is given up, seconds.
const GIVE_UP_S: f64 = 86_400.0;

/// Incidents that a summary names.
const NAMED: usize = 10;

/// Which cluster and host a message is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sender {
    /// The cluster's name.
    pub cluster: String,
    /// The host's name in the layout.
    pub host: String,
}

/// All targets. This is the content of `run/notify.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// Incidents whose begin was told and whose end was not.
    begun: BTreeSet<String>,
    targets: BTreeMap<String, Queue>,
}

/// One target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Queue {
    waiting: VecDeque<Notice>,
    /// When the last messages were sent, seconds since the epoch.
    #[serde(default)]
    sent: VecDeque<f64>,
    #[serde(default)]
    failures: u32,
    #[serde(default)]
    next_try: f64,
    #[serde(default)]
    dropped: u64,
    #[serde(default)]
    failing_since: Option<f64>,
    #[serde(default)]
    error: Option<String>,
}

/// The effect of a delivery on the state of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was as before.
    None,
    /// The first failure in a row.
    Fails,
    /// The first success after a failure.
    Works,
}

impl Outbox {
    /// Takes an event; each target that wants it gets a message, unless its incident was told of already.
    pub fn take(&mut self, event: &HostEvent, sender: &Sender, config: &NotifyConfig) {
        let Some((incident, phase)) = event.incident() else { return };
        let is_news = match phase {
            Phase::Begin => self.begun.insert(incident.clone()),
            Phase::End => self.begun.remove(&incident),
            Phase::Once => true,
        };
        if is_news {
            let notice = notice(event, incident, phase, sender);
            self.put(&notice, config);
        }
    }

    /// Reconciles the incidents with the record: `open` holds those that have begun and not ended, with their last event.
    /// Sends what a killed agent recorded and did not send.
    pub fn agree(&mut self, open: &BTreeMap<String, HostEvent>, now: f64, sender: &Sender, config: &NotifyConfig) {
        for event in open.values() {
            self.take(event, sender, config);
        }
        let over: Vec<String> = self.begun.iter().filter(|name| !open.contains_key(*name)).cloned().collect();
        for incident in over {
            self.begun.remove(&incident);
            let text = format!("{}: {incident}: over", place(sender));
            let kind = kind_of(&incident);
            self.put(&Notice { incident, kind, text, ..blank(NoticePhase::End, now, sender) }, config);
        }
    }

    /// Forgets targets that the layout no longer has.
    pub fn keep(&mut self, config: &NotifyConfig) {
        self.targets.retain(|name, _| config.contains_key(name));
    }

    fn put(&mut self, notice: &Notice, config: &NotifyConfig) {
        let wants = |on: &[IncidentKind]| notice.kind.is_none_or(|kind| on.contains(&kind));
        for (name, _) in config.iter().filter(|(_, target)| wants(&target.on)) {
            let queue = self.targets.entry(name.clone()).or_default();
            if queue.waiting.len() == MAX_WAITING {
                queue.waiting.pop_front();
                queue.dropped += 1;
            }
            queue.waiting.push_back(notice.clone());
        }
    }

    /// The message to send now to a target, if there is one; it stays until [`Outbox::sent`] or [`Outbox::failed`].
    pub fn next(&mut self, target: &str, now: f64) -> Option<Notice> {
        let queue = self.targets.get_mut(target)?;
        let before = queue.waiting.len();
        queue.waiting.retain(|notice| now - notice.ts < GIVE_UP_S);
        queue.dropped += (before - queue.waiting.len()) as u64;
        if queue.waiting.is_empty() || queue.due(now) > now {
            return None;
        }
        if queue.sent.len() + 1 == LIMIT && queue.waiting.len() > 1 {
            queue.summarize(now);
        }
        queue.waiting.front().cloned()
    }

    /// When a message may be sent to any of the targets; none when none waits.
    pub fn due(&self, target: &str, now: f64) -> Option<f64> {
        let queue = self.targets.get(target).filter(|queue| !queue.waiting.is_empty())?;
        let mut queue = Queue { sent: queue.sent.clone(), next_try: queue.next_try, ..Queue::default() };
        Some(queue.due(now))
    }

    /// The message was delivered.
    pub fn sent(&mut self, target: &str, now: f64) -> Change {
        let Some(queue) = self.targets.get_mut(target) else { return Change::None };
        queue.waiting.pop_front();
        queue.sent.push_back(now);
        queue.failures = 0;
        queue.next_try = 0.0;
        queue.error = None;
        match queue.failing_since.take() {
            Some(_) => Change::Works,
            None => Change::None,
        }
    }

    /// The message could not be delivered; it is tried again after a pause.
    pub fn failed(&mut self, target: &str, error: String, now: f64) -> Change {
        let Some(queue) = self.targets.get_mut(target) else { return Change::None };
        let pause = FIRST_PAUSE_S * f64::from(1u32 << queue.failures.min(16));
        queue.failures = queue.failures.saturating_add(1);
        queue.next_try = now + pause.min(LONGEST_PAUSE_S);
        queue.error = Some(error);
        match queue.failing_since.replace(queue.failing_since.unwrap_or(now)) {
            Some(_) => Change::None,
            None => Change::Fails,
        }
    }

    /// The targets about which there is something to say.
    pub fn views(&self) -> Vec<NotifyView> {
        let noteworthy = |queue: &&Queue| queue.failing_since.is_some() || queue.dropped > 0;
        let view = |(target, queue): (&String, &Queue)| NotifyView {
            target: target.clone(),
            waiting: queue.waiting.len() as u64,
            dropped: queue.dropped,
            failing_since: queue.failing_since,
            error: queue.error.clone(),
        };
        self.targets.iter().filter(|(_, queue)| noteworthy(queue)).map(view).collect()
    }
}

impl Queue {
    /// From when on the first message may be sent.
    fn due(&mut self, now: f64) -> f64 {
        // A clock that was set back must not silence the target for long.
        self.sent.retain(|at| (0.0..WINDOW_S).contains(&(now - at)));
        let next_try = if self.next_try - now > LONGEST_PAUSE_S { now } else { self.next_try };
        match self.sent.front() {
            Some(first) if self.sent.len() >= LIMIT => next_try.max(first + WINDOW_S),
            _ => next_try,
        }
    }

    /// One message for all that wait.
    fn summarize(&mut self, now: f64) {
        let Some(first) = self.waiting.front().cloned() else { return };
        let count = self.waiting.len();
        let mut named: Vec<&str> = self.waiting.iter().map(|notice| notice.text.as_str()).collect();
        named.truncate(NAMED);
        let rest = count - named.len();
        let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
        let text = format!("{count} messages in one: {}{more}", named.join("; "));
        let severity = self.waiting.iter().map(|notice| notice.severity).max().unwrap_or(Severity::Info);
        let summary = Notice {
            phase: NoticePhase::Summary,
            incident: String::new(),
            kind: None,
            ts: now,
            severity,
            text,
            event: None,
            ..first
        };
        self.waiting = [summary].into();
    }
}

fn notice(event: &HostEvent, incident: String, phase: Phase, sender: &Sender) -> Notice {
    let about = event.node.as_ref().map(|node| format!(" {node}")).unwrap_or_default();
    let text = format!("{}:{about} {}: {}", place(sender), event.what.word(), event.what);
    let severity = if phase == Phase::End { Severity::Info } else { event.what.severity() };
    let kind = kind_of(&incident);
    let blank = blank(phase.into(), event.ts, sender);
    Notice { incident, kind, severity, text, event: Some(event.clone()), ..blank }
}

fn place(sender: &Sender) -> String {
    format!("{} on {}", sender.cluster, sender.host)
}

/// A message without a subject.
pub fn blank(phase: NoticePhase, ts: f64, sender: &Sender) -> Notice {
    Notice {
        cluster: sender.cluster.clone(),
        host: sender.host.clone(),
        phase,
        incident: String::new(),
        kind: None,
        ts,
        severity: Severity::Info,
        text: String::new(),
        event: None,
    }
}

/// By the name of the incident, see `HostEvent::incident`.
fn kind_of(incident: &str) -> Option<IncidentKind> {
    let mut words = incident.split(' ');
    Some(match (words.next()?, words.nth(1)) {
        ("node", None) => IncidentKind::Node,
        ("node", Some(_)) => IncidentKind::Trouble,
        ("disk", _) => IncidentKind::Disk,
        ("clock", _) => IncidentKind::Clock,
        _ => IncidentKind::Agent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::events::Happening;
    use crate::api::notify::{NotifyTarget, NotifyWay};

    fn config(on: &[IncidentKind]) -> NotifyConfig {
        let way = NotifyWay::Command(vec!["/bin/true".into()]);
        [("pager".to_owned(), NotifyTarget { way, on: on.to_vec() })].into()
    }

    fn sender() -> Sender {
        Sender { cluster: "campus".into(), host: "head".into() }
    }

    fn event(node: &str, what: Happening) -> HostEvent {
        HostEvent { seq: 1, ts: 1000.0, node: Some(node.into()), run: None, what }
    }

    fn down(node: &str) -> HostEvent {
        event(node, Happening::StartFailed { error: "no room".into() })
    }

    fn up(node: &str) -> HostEvent {
        event(node, Happening::Joined { after_s: 1.0 })
    }

    fn phases(outbox: &mut Outbox, now: f64) -> Vec<NoticePhase> {
        let mut phases = Vec::new();
        while let Some(notice) = outbox.next("pager", now) {
            phases.push(notice.phase);
            outbox.sent("pager", now);
        }
        phases
    }

    #[test]
    fn an_incident_has_one_message_and_its_end_another() {
        let (mut outbox, config) = (Outbox::default(), config(&IncidentKind::ALL));
        for happened in [up("w"), down("w"), down("w"), up("w"), up("w")] {
            outbox.take(&happened, &sender(), &config);
        }
        assert_eq!(outbox.next("pager", 1000.0).unwrap().text, "campus on head: w start_failed: no room");
        assert_eq!(phases(&mut outbox, 1000.0), [NoticePhase::Begin, NoticePhase::End]);
    }

    #[test]
    fn a_target_hears_of_what_it_asked_for_alone() {
        let (mut outbox, config) = (Outbox::default(), config(&[IncidentKind::Disk]));
        outbox.take(&down("w"), &sender(), &config);
        assert_eq!(phases(&mut outbox, 1000.0), []);
        let full = Happening::DiskFull { path: "/d".into(), free_bytes: 0 };
        outbox.take(&HostEvent { node: None, ..event("", full) }, &sender(), &config);
        assert_eq!(phases(&mut outbox, 1000.0), [NoticePhase::Begin]);
    }

    #[test]
    fn ten_a_minute_and_the_rest_in_one() {
        let (mut outbox, config) = (Outbox::default(), config(&IncidentKind::ALL));
        for n in 0..50 {
            outbox.take(&down(&format!("w{n}")), &sender(), &config);
        }
        let mut sent = phases(&mut outbox, 1000.0);
        assert_eq!(sent.len(), LIMIT);
        assert_eq!(sent.pop(), Some(NoticePhase::Summary));
        outbox.take(&down("late"), &sender(), &config);
        assert_eq!(outbox.next("pager", 1001.0), None);
        assert_eq!(outbox.due("pager", 1001.0), Some(1060.0));
        assert_eq!(phases(&mut outbox, 1060.5), [NoticePhase::Begin]);
    }

    #[test]
    fn what_fails_is_tried_again_after_growing_pauses_and_given_up_after_a_day() {
        let (mut outbox, config) = (Outbox::default(), config(&IncidentKind::ALL));
        outbox.take(&down("w"), &sender(), &config);
        assert_eq!(outbox.failed("pager", "refused".into(), 1000.0), Change::Fails);
        assert_eq!(outbox.next("pager", 1004.0), None);
        assert!(outbox.next("pager", 1005.0).is_some());
        assert_eq!(outbox.failed("pager", "refused".into(), 1005.0), Change::None);
        assert_eq!(outbox.due("pager", 1005.0), Some(1015.0));
        assert_eq!(outbox.views()[0].error.as_deref(), Some("refused"));
        for _ in 0..20 {
            outbox.failed("pager", "refused".into(), 2000.0);
        }
        assert_eq!(outbox.due("pager", 2000.0), Some(2000.0 + LONGEST_PAUSE_S));
        assert!(outbox.next("pager", 2300.0).is_some());
        assert_eq!(outbox.sent("pager", 2300.0), Change::Works);
        outbox.take(&up("w"), &sender(), &config);
        assert_eq!(outbox.next("pager", 1000.0 + GIVE_UP_S), None);
        assert_eq!(outbox.views()[0].dropped, 1);
    }

    #[test]
    fn the_queue_is_bounded() {
        let (mut outbox, config) = (Outbox::default(), config(&IncidentKind::ALL));
        for n in 0..MAX_WAITING + 7 {
            outbox.take(&down(&format!("w{n}")), &sender(), &config);
        }
        assert_eq!((outbox.views()[0].waiting, outbox.views()[0].dropped), (MAX_WAITING as u64, 7));
    }

    #[test]
    fn what_a_killed_agent_did_not_tell_is_told_by_the_next_one() {
        let (mut outbox, config) = (Outbox::default(), config(&IncidentKind::ALL));
        outbox.take(&down("was"), &sender(), &config);
        phases(&mut outbox, 1000.0);
        let open: BTreeMap<String, HostEvent> = [("node is".to_owned(), down("is"))].into();
        outbox.agree(&open, 1100.0, &sender(), &config);
        outbox.agree(&open, 1100.0, &sender(), &config);
        assert_eq!(phases(&mut outbox, 1200.0), [NoticePhase::Begin, NoticePhase::End]);
    }
}
