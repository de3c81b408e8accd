//! Verbs that ask: each returns a report with a row for everything that was asked for, whatever happened to its host.
//!
//! They change nothing, but that a deployed host's agent is started where it does not run. Never prints, asks or exits.
//! JSON shapes are types of their own beside each report.

mod agents;
mod ask;
mod bundle;
mod count;
mod df;
mod diag;
mod doctor;
mod events;
mod history;
mod last;
mod log;
mod memory;
mod merge;
mod metrics;
mod nodes;
mod notify;
mod options;
mod output;
mod peers;
mod releases;
mod settings;
mod skew;
mod standing;
mod status;
mod stores;
mod top;
mod view;
mod wait;
mod watch;

pub use agents::{AgentRow, AgentsReport, agents};
pub use ask::Silent;
pub use bundle::{BundleError, bundle};
pub use count::{CountReport, Counted, Counts, count, defined};
pub use df::{DfReport, DfRow, df};
pub use diag::{DiagReport, DiagRow, diag};
pub use doctor::{DoctorReport, Finding, Remedy, Verdict, doctor};
pub use events::{EventRow, events};
pub use history::{HistoryReport, Later, NoRun, Rest, RunRow, Sources, StepRow, history, runs_here};
pub use last::LastKnown;
pub use log::{log, log_writers};
pub use memory::{Memory, Remembered};
pub use metrics::{MetricRow, MetricsReport, metrics};
pub use nodes::{NodeRow, NodesReport, nodes};
pub use notify::{NotifyReport, NotifyRow, test_notify};
pub use options::{OptionRow, options};
pub use output::{OutputStream, output};
pub use peers::{PeerRow, PeersReport, peers};
pub use releases::{ReleaseRow, ReleasesReport, releases};
pub use status::{StatusReport, StatusRow, status};
pub use stores::{StoreRow, StoresReport, master_of, store, stores, watch_store};
pub use top::{HostLoad, TopReport, TopRow, follow_top, top};
pub use wait::{Condition, wait};
pub use watch::watch;

pub use crate::agent::client::{Backtrace, DiagQuery, EventQuery, Follow, LogQuery};
pub use crate::render::{layout_json, layout_yaml, layout_zeek};
pub use settings::{Settings, Writer};
