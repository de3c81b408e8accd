//! Who has figures to tell, and how families are put together.

use std::collections::BTreeMap;

use crate::api::metrics::{Histogram, MetricFamily, MetricKind, MetricSample, MetricValue, Summary};

/// Tells some figures.
type Teller = Box<dyn Fn(&mut Families) + Send + Sync>;

/// Everybody in a node who has figures that can be read at any time.
pub struct Registry {
    own: (String, String),
    tellers: Vec<Teller>,
}

impl Registry {
    /// A registry whose samples carry this label, `Telemetry::metrics_endpoint_label`, with the node's name.
    pub fn new(label: &str, node: &str) -> Registry {
        Registry { own: (label.to_owned(), node.to_owned()), tellers: Vec::new() }
    }

    /// Adds somebody who is asked at each look. `tell` must return at once.
    pub fn add(&mut self, tell: impl Fn(&mut Families) + Send + Sync + 'static) {
        self.tellers.push(Box::new(tell));
    }

    /// Everything, in the order in which it was added, after what `first` tells.
    pub fn gather(&self, first: impl FnOnce(&mut Families)) -> Vec<MetricFamily> {
        let mut families = Families { own: self.own.clone(), list: Vec::new() };
        first(&mut families);
        self.tellers.iter().for_each(|tell| tell(&mut families));
        families.list
    }
}

/// Families that are being put together. A family without samples is left out.
pub struct Families {
    own: (String, String),
    list: Vec<MetricFamily>,
}

/// A sample's labels beside the node's own.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Families {
    /// A number that only rises; `name` ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help, [(&[] as Labels<'_>, value)]);
    }

    /// A number that only rises, without the node's label: Zeek's HTTP server gives its own so.
    pub fn bare_counter(&mut self, name: &str, help: &str, value: u64) {
        let samples = vec![MetricSample { labels: BTreeMap::new(), value: MetricValue::Count(value) }];
        self.list.push(MetricFamily {
            name: name.to_owned(),
            kind: MetricKind::Counter,
            help: help.to_owned(),
            samples,
        });
    }

    /// A distribution of what there was lately, without the node's label.
    pub fn bare_summary(&mut self, name: &str, help: &str, summary: Summary) {
        let samples = vec![MetricSample { labels: BTreeMap::new(), value: MetricValue::Summary(summary) }];
        self.list.push(MetricFamily {
            name: name.to_owned(),
            kind: MetricKind::Summary,
            help: help.to_owned(),
            samples,
        });
    }

    /// Numbers that only rise, by their labels.
    pub fn counters<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, u64)>) {
        let samples = samples.into_iter().map(|(labels, count)| (labels, MetricValue::Count(count)));
        self.family(MetricKind::Counter, name, help, samples);
    }

    /// A number with decimals that only rises.
    pub fn real_counter(&mut self, name: &str, help: &str, value: f64) {
        self.family(MetricKind::Counter, name, help, [(&[] as Labels<'_>, MetricValue::Real(value))]);
    }

    /// A whole number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.gauges(name, help, [(&[] as Labels<'_>, value)]);
    }

    /// Whole numbers that go up and down, by their labels.
    pub fn gauges<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, u64)>) {
        let samples = samples.into_iter().map(|(labels, value)| (labels, MetricValue::Count(value)));
        self.family(MetricKind::Gauge, name, help, samples);
    }

    /// A number with decimals that goes up and down.
    pub fn real_gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(MetricKind::Gauge, name, help, [(&[] as Labels<'_>, MetricValue::Real(value))]);
    }

    /// Distributions, by their labels.
    pub fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, Histogram)>,
    ) {
        let samples = samples.into_iter().map(|(labels, histogram)| (labels, MetricValue::Histogram(histogram)));
        self.family(MetricKind::Histogram, name, help, samples);
    }

    fn family<'a>(
        &mut self,
        kind: MetricKind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, MetricValue)>,
    ) {
        let samples: Vec<MetricSample> =
            samples.into_iter().map(|(labels, value)| MetricSample { labels: self.labels(labels), value }).collect();
        match self.list.iter_mut().find(|family| family.name == name) {
            // Several may have samples of one family, such as queues of different owners.
            Some(family) => family.samples.extend(samples),
            None if samples.is_empty() => {}
            None => self.list.push(MetricFamily { name: name.to_owned(), kind, help: help.to_owned(), samples }),
        }
    }

    fn labels(&self, labels: Labels<'_>) -> BTreeMap<String, String> {
        let own = (self.own.0.as_str(), self.own.1.as_str());
        labels.iter().copied().chain([own]).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_carries_the_node_and_a_family_without_samples_is_left_out() {
        let mut registry = Registry::new("node", "worker-1");
        registry.add(|families| families.counters("b_total", "B", [(&[("tag", "x")] as Labels<'_>, 2)]));
        registry.add(|families| families.gauges("c", "C", []));
        registry.add(|families| families.counters("b_total", "B", [(&[("tag", "y")] as Labels<'_>, 3)]));
        let gathered = registry.gather(|families| families.real_gauge("a_seconds", "A", 0.5));
        let names: Vec<&str> = gathered.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names, ["a_seconds", "b_total"]);
        let labels: Vec<_> = gathered[1].samples[0].labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(labels, [("node", "worker-1"), ("tag", "x")]);
        assert_eq!(gathered[1].samples[1].labels["tag"], "y", "one family, whoever tells of it");
    }
}
