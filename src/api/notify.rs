//! Targets of messages about incidents (`notify.yaml` of a release, mode 0600, written by `render`, read by the agent), and
//! the messages themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::events::{HostEvent, Phase, Severity};

/// The file, relative to the release's folder.
pub const NOTIFY_FILE: &str = "notify.yaml";

/// The file's content: targets by name.
pub type NotifyConfig = BTreeMap<String, NotifyTarget>;

/// One target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTarget {
    /// How messages reach it.
    #[serde(flatten)]
    pub way: NotifyWay,
    /// The kinds of incidents that it gets messages about.
    pub on: Vec<IncidentKind>,
}

/// How messages reach a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyWay {
    /// A program with its arguments: the message as JSON on its standard input.
    Command(Vec<String>),
    /// HTTP POST.
    Http(NotifyHttp),
}

/// An HTTP POST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyHttp {
    /// `http://` or `https://`.
    pub url: NotifyText,
    /// Headers beside `content-type`.
    #[serde(default)]
    pub headers: BTreeMap<String, NotifyText>,
    /// Format of the body.
    #[serde(default)]
    pub format: NotifyFormat,
    /// Authorities in PEM on the agent's host; none: those of its system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Format of the body of a POST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyFormat {
    /// A [`Notice`].
    #[default]
    Json,
    /// `{"text": "..."}`, as chat hooks take it.
    Text,
}

impl NotifyFormat {
    /// The word of the layout.
    pub fn as_str(self) -> &'static str {
        match self {
            NotifyFormat::Json => "json",
            NotifyFormat::Text => "text",
        }
    }
}

/// A text that may be a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NotifyText {
    /// Itself.
    Value(String),
    /// The first line of a file on the agent's host, which only its owner may read.
    File {
        /// Absolute.
        file: PathBuf,
    },
    /// A variable of the agent's environment.
    Env {
        /// Its name.
        env: String,
    },
}

impl fmt::Debug for NotifyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotifyText::Value(_) => f.write_str("Value([redacted])"),
            NotifyText::File { file } => write!(f, "File({})", file.display()),
            NotifyText::Env { env } => write!(f, "Env({env})"),
        }
    }
}

/// Kinds of incidents: the words of `on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentKind {
    /// A node crashed, cannot be started, or does not work.
    Node,
    /// Something about a node that runs is wrong.
    Trouble,
    /// The disk is full.
    Disk,
    /// The clock was set.
    Clock,
    /// The agent or the host came back after an unexpected end, or what is deployed there is damaged.
    Agent,
}

impl IncidentKind {
    /// All of them.
    pub const ALL: [IncidentKind; 5] =
        [IncidentKind::Node, IncidentKind::Trouble, IncidentKind::Disk, IncidentKind::Clock, IncidentKind::Agent];

    /// The word of the layout.
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentKind::Node => "node",
            IncidentKind::Trouble => "trouble",
            IncidentKind::Disk => "disk",
            IncidentKind::Clock => "clock",
            IncidentKind::Agent => "agent",
        }
    }
}

/// A message about an incident: the standard input of a `command`, the body of an `http` with `format: json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The cluster's name.
    pub cluster: String,
    /// The host of the layout whose agent sends it.
    pub host: String,
    /// `begin` and `end` of an incident, `once` for one that is over at once, `summary`, or `test`.
    pub phase: NoticePhase,
    /// The incident, the same for its begin and its end; empty for a summary and a test.
    pub incident: String,
    /// The kind of the incident; none for a summary and a test.
    #[serde(default)]
    pub kind: Option<IncidentKind>,
    /// Seconds since the epoch by the host's clock.
    pub ts: f64,
    /// How much it matters.
    pub severity: Severity,
    /// One line for people.
    pub text: String,
    /// The event behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<HostEvent>,
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticePhase {
    /// Something is wrong from now on.
    Begin,
    /// It no longer is.
    End,
    /// It happened and is over.
    Once,
    /// Stands for several messages that would have been too many.
    Summary,
    /// `notify --test`.
    Test,
}

impl From<Phase> for NoticePhase {
    fn from(phase: Phase) -> NoticePhase {
        match phase {
            Phase::Begin => NoticePhase::Begin,
            Phase::End => NoticePhase::End,
            Phase::Once => NoticePhase::Once,
        }
    }
}

/// A target that has messages waiting or that fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotifyView {
    /// Its name.
    pub target: String,
    /// Messages that wait to be delivered.
    pub waiting: u64,
    /// Messages that were given up since the agent started.
    pub dropped: u64,
    /// Since when nothing can be delivered, seconds since the epoch.
    #[serde(default)]
    pub failing_since: Option<f64>,
    /// Why, in words.
    #[serde(default)]
    pub error: Option<String>,
}

/// The outcome of the test message to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTested {
    /// Its name.
    pub target: String,
    /// Milliseconds until it was delivered or refused.
    pub elapsed_ms: u64,
    /// Why it was not delivered.
    #[serde(default)]
    pub error: Option<String>,
}
