//! The reference's hooks: `Cluster::on_subscribe`, `Cluster::on_unsubscribe` and `Cluster::log_policy`.

/// `Cluster::Info`: one line for the stream `Cluster::LOG`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// `ts`: seconds since the epoch.
    pub ts: f64,
    /// `node`: who writes the line.
    pub node: String,
    /// `message`.
    pub message: String,
}

type TopicHook = Box<dyn FnMut(&str) + Send>;
type LogHook = Box<dyn FnMut(&LogRecord) -> Verdict + Send>;

/// What a policy hook says about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write it.
    Keep,
    /// Zeek's `break`: the record is not written.
    Veto,
}

/// The hooks of one node. They run inside the core: they must be quick and must not block.
#[derive(Default)]
pub struct Hooks {
    on_subscribe: Vec<TopicHook>,
    on_unsubscribe: Vec<TopicHook>,
    log_policy: Vec<LogHook>,
}

impl Hooks {
    /// `Cluster::on_subscribe`: runs before each subscription, the framework's own included, also for repeated ones.
    pub fn on_subscribe(&mut self, hook: impl FnMut(&str) + Send + 'static) {
        self.on_subscribe.push(Box::new(hook));
    }

    /// `Cluster::on_unsubscribe`: runs before each unsubscription, also of a topic that was never subscribed.
    pub fn on_unsubscribe(&mut self, hook: impl FnMut(&str) + Send + 'static) {
        self.on_unsubscribe.push(Box::new(hook));
    }

    /// `Cluster::log_policy`: may veto a record of `Cluster::LOG`.
    pub fn log_policy(&mut self, hook: impl FnMut(&LogRecord) -> Verdict + Send + 'static) {
        self.log_policy.push(Box::new(hook));
    }

    pub(super) fn run_on_subscribe(&mut self, topic: &str) {
        self.on_subscribe.iter_mut().for_each(|hook| hook(topic));
    }

    pub(super) fn run_on_unsubscribe(&mut self, topic: &str) {
        self.on_unsubscribe.iter_mut().for_each(|hook| hook(topic));
    }

    /// The first veto wins, and the hooks after it do not run.
    pub(super) fn run_log_policy(&mut self, record: &LogRecord) -> Verdict {
        let vetoed = self.log_policy.iter_mut().any(|hook| hook(record) == Verdict::Veto);
        if vetoed { Verdict::Veto } else { Verdict::Keep }
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("on_subscribe", &self.on_subscribe.len())
            .field("on_unsubscribe", &self.on_unsubscribe.len())
            .field("log_policy", &self.log_policy.len())
            .finish()
    }
}
