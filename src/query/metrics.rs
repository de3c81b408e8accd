//! What nodes count and measure, asked on their own sockets: no port of a node need be reachable.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::agent::client::{AgentClient, ClientError};
use crate::api::metrics::{MetricFamily, MetricKind, MetricValue};
use crate::fleet::Session;
use crate::layout::{Layout, Node};

/// The figures of every node that answered.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsReport {
    /// By node, in the order of the layout.
    pub nodes: Vec<(String, Vec<MetricFamily>)>,
    /// Nodes that gave no answer although their host did, and why.
    pub missing: Vec<(String, String)>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// One figure. This is the JSON of `metrics`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricRow {
    /// Whose figure.
    pub node: String,
    /// Name of the series: for a histogram with `_bucket`, `_sum` or `_count` behind the family's.
    pub metric: String,
    /// What the family is.
    pub kind: MetricKind,
    /// All labels but the node's own.
    pub labels: BTreeMap<String, String>,
    /// The figure.
    pub value: f64,
    /// One line: what is counted.
    pub help: String,
}

/// Asks the selected nodes for their figures.
pub async fn metrics(layout: &Layout, nodes: &[&Node], settings: &Settings) -> MetricsReport {
    let hosts = ask::reachable(layout, &ask::hosts_of(layout, nodes), settings);
    let question = async |session: &Session| {
        let here = nodes.iter().filter(|node| node.host == session.host());
        Ok(join_all(here.map(|node| of_node(session.agent(), &node.name))).await)
    };
    let answers = ask::ask(&hosts, settings, question);
    let mut answers = pin!(answers);
    let mut report = MetricsReport { nodes: Vec::new(), missing: Vec::new(), silent: Vec::new() };
    while let Some((_, answer)) = answers.next().await {
        match answer {
            Err(silent) => report.silent.push(silent),
            Ok(of_nodes) => {
                for (node, answer) in of_nodes {
                    match answer {
                        Ok(families) => report.nodes.push((node, families)),
                        Err(error) => report.missing.push((node, error.in_words())),
                    }
                }
            }
        }
    }
    let place = |name: &str| nodes.iter().position(|node| node.name == name);
    report.nodes.sort_by_key(|(name, _)| place(name));
    report.missing.sort_by_key(|(name, _)| place(name));
    report
}

async fn of_node(agent: &AgentClient, node: &str) -> (String, Result<Vec<MetricFamily>, ClientError>) {
    (node.to_owned(), agent.node_api(node, "v1/metrics").await)
}

impl MetricsReport {
    /// Leaves out families whose names are not wanted.
    pub fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.nodes.iter_mut().for_each(|(_, families)| families.retain(|family| wanted(&family.name)));
    }

    /// One row for each figure.
    pub fn rows(&self) -> Vec<MetricRow> {
        let of_node = |(node, families): &(String, Vec<MetricFamily>)| {
            families.iter().flat_map(|family| rows(node, family)).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(of_node).collect()
    }

    /// The families of all nodes as one page: each name once, and every sample with the node that it is of.
    pub fn page(&self) -> Vec<MetricFamily> {
        let mut page: Vec<MetricFamily> = Vec::new();
        for (node, families) in &self.nodes {
            for family in families {
                let mut samples = family.samples.clone();
                for sample in &mut samples {
                    if !sample.labels.values().any(|value| value == node) {
                        sample.labels.insert("node".to_owned(), node.clone());
                    }
                }
                match page.iter_mut().find(|known| known.name == family.name) {
                    Some(known) => known.samples.append(&mut samples),
                    None => page.push(MetricFamily { samples, ..family.clone() }),
                }
            }
        }
        page
    }
}

fn rows(node: &str, family: &MetricFamily) -> Vec<MetricRow> {
    let mut rows = Vec::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.retain(|_, value| value != node);
        let mut row = |suffix: &str, labels: BTreeMap<String, String>, value: f64| {
            let metric = format!("{}{suffix}", family.name);
            rows.push(MetricRow {
                node: node.to_owned(),
                metric,
                kind: family.kind,
                labels,
                value,
                help: family.help.clone(),
            });
        };
        match &sample.value {
            MetricValue::Count(count) => row("", labels, *count as f64),
            MetricValue::Real(value) => row("", labels, *value),
            MetricValue::Histogram(histogram) => {
                for (bound, count) in &histogram.buckets {
                    let mut labels = labels.clone();
                    labels.insert("le".to_owned(), bound.to_string());
                    row("_bucket", labels, *count as f64);
                }
                row("_sum", labels.clone(), histogram.sum);
                row("_count", labels, histogram.count as f64);
            }
            MetricValue::Summary(summary) => {
                for (share, value) in summary.quantiles.iter().filter_map(|(share, value)| Some((share, (*value)?))) {
                    let mut labels = labels.clone();
                    labels.insert("quantile".to_owned(), share.to_string());
                    row("", labels, value);
                }
                row("_sum", labels.clone(), summary.sum);
                row("_count", labels, summary.count as f64);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::metrics::{Histogram, MetricSample};

    fn family(name: &str, labels: &[(&str, &str)], value: MetricValue) -> MetricFamily {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let kind = match value {
            MetricValue::Histogram(_) => MetricKind::Histogram,
            MetricValue::Summary(_) => MetricKind::Summary,
            _ => MetricKind::Counter,
        };
        MetricFamily {
            name: name.to_owned(),
            kind,
            help: "Help".to_owned(),
            samples: vec![MetricSample { labels, value }],
        }
    }

    fn report() -> MetricsReport {
        let of = |node: &str| {
            let sizes = Histogram { count: 3, sum: 70.0, buckets: vec![(10.0, 1), (50.0, 3)] };
            vec![
                family("drops_total", &[("node", node), ("tag", "x")], MetricValue::Count(4)),
                family("scrapes_total", &[], MetricValue::Count(1)),
                family("sizes", &[("node", node)], MetricValue::Histogram(sizes)),
            ]
        };
        let nodes = ["manager", "worker-1"].map(|node| (node.to_owned(), of(node))).to_vec();
        MetricsReport { nodes, missing: Vec::new(), silent: Vec::new() }
    }

    #[test]
    fn a_row_is_one_figure_and_a_histogram_has_several() {
        let rows = report().rows();
        let shown: Vec<String> =
            rows[..6].iter().map(|row| format!("{} {} {:?} {}", row.node, row.metric, row.labels, row.value)).collect();
        assert_eq!(
            shown,
            [
                r#"manager drops_total {"tag": "x"} 4"#,
                "manager scrapes_total {} 1",
                r#"manager sizes_bucket {"le": "10"} 1"#,
                r#"manager sizes_bucket {"le": "50"} 3"#,
                "manager sizes_sum {} 70",
                "manager sizes_count {} 3",
            ]
        );
        assert_eq!(rows.len(), 12);
    }

    #[test]
    fn a_page_has_each_family_once_and_no_series_twice() {
        let mut report = report();
        report.keep(|name| name.ends_with("_total"));
        let page = report.page();
        let names: Vec<&str> = page.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names, ["drops_total", "scrapes_total"]);
        let nodes: Vec<&str> = page[1].samples.iter().map(|sample| sample.labels["node"].as_str()).collect();
        assert_eq!(nodes, ["manager", "worker-1"]);
    }
}
