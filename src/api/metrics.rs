//! What a node counts and measures, as plain data: the answer to `GET /v1/metrics`, and what Prometheus' formats are written
//! from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricFamily {
    /// Such as `zeek_cluster_core_incoming_events_total`; counters end in `_total`, all others in their unit.
    pub name: String,
    /// What its samples are.
    pub kind: MetricKind,
    /// One line for people: what is counted.
    pub help: String,
    /// One for each set of labels.
    pub samples: Vec<MetricSample>,
}

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// A number that only rises while the process lives.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// How often something was how large.
    Histogram,
    /// How large most of what there was lately is.
    Summary,
}

impl MetricKind {
    /// The word of Prometheus' formats.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Summary => "summary",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSample {
    /// Names and values, by name.
    pub labels: BTreeMap<String, String>,
    /// The figure.
    pub value: MetricValue,
}

/// The value of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetricValue {
    /// A whole number.
    Count(u64),
    /// Any number.
    Real(f64),
    /// Only in histograms.
    Histogram(Histogram),
    /// Only in summaries.
    Summary(Summary),
}

/// A distribution of what there was lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// All observations.
    pub count: u64,
    /// The sum of what was observed.
    pub sum: f64,
    /// Shares of one, ascending, and what so large a share of the last observations did not exceed; none without any.
    pub quantiles: Vec<(f64, Option<f64>)>,
}

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// All observations.
    pub count: u64,
    /// The sum of what was observed, in the family's unit: octets for the sizes of events.
    pub sum: f64,
    /// Upper bounds in that unit, ascending, and how many observations are at most as large.
    pub buckets: Vec<(f64, u64)>,
}
