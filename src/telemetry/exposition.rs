//! Both text formats that Prometheus reads.
//!
//! Compatibility: the text format 0.0.4 and OpenMetrics 1.0. They differ in the name of a counter's family, in what an octet
//! of help may be, and in the last line. Labels stand in alphabetical order, a histogram's `le` last, as in Zeek.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::api::metrics::{Histogram, MetricFamily, MetricKind, MetricValue, Summary};

/// In which form families are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What every Prometheus reads, and what Zeek serves.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What the header `Accept` asks for. Zeek's format unless OpenMetrics is preferred to it.
    pub fn accepted(accept: &str) -> Format {
        let weight = |kinds: &[&str]| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next()?.to_ascii_lowercase();
                let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
                kinds.contains(&kind.as_str()).then_some(quality)
            });
            ranges.fold(0.0, f32::max)
        };
        match weight(&["application/openmetrics-text"]) > weight(&["text/plain"]) {
            true => Format::OpenMetrics,
            false => Format::Text,
        }
    }

    /// The header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The whole page. Families of one name must stand together, as they do when each is given once.
///
/// ```
/// use zeek_cluster::telemetry::{Format, Registry, write};
///
/// let mut registry = Registry::new("endpoint", "worker-1");
/// registry.add(|families| families.counter("my_packets_total", "Packets seen", 7));
/// let page = write(&registry.gather(|_| ()), Format::Text);
/// assert!(page.ends_with("my_packets_total{endpoint=\"worker-1\"} 7\n"), "{page}");
/// ```
pub fn write(families: &[MetricFamily], format: Format) -> String {
    let mut page = Page { text: String::new(), format };
    for family in families {
        page.family(family);
    }
    if format == Format::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

struct Page {
    text: String,
    format: Format,
}

impl Page {
    fn family(&mut self, family: &MetricFamily) {
        // A counter's family has no `_total` in OpenMetrics; its samples do.
        let name = match (self.format, family.kind) {
            (Format::OpenMetrics, MetricKind::Counter) => family.name.strip_suffix("_total").unwrap_or(&family.name),
            _ => &family.name,
        };
        let quote = if self.format == Format::OpenMetrics { "\\\"" } else { "\"" };
        self.line(format_args!("# HELP {name} {}", Escaped { text: &family.help, quote }));
        self.line(format_args!("# TYPE {name} {}", family.kind.as_str()));
        for sample in &family.samples {
            let labels = Labels { labels: &sample.labels, last: None };
            match &sample.value {
                MetricValue::Count(count) => self.line(format_args!("{}{labels} {count}", family.name)),
                MetricValue::Real(value) => self.line(format_args!("{}{labels} {}", family.name, Number(*value))),
                MetricValue::Histogram(histogram) => self.histogram(&family.name, &sample.labels, histogram),
                MetricValue::Summary(summary) => self.summary(&family.name, &sample.labels, summary),
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &BTreeMap<String, String>, histogram: &Histogram) {
        let all = [(f64::INFINITY, histogram.count)];
        for (bound, count) in histogram.buckets.iter().chain(&all) {
            let labels = Labels { labels, last: Some(("le", *bound)) };
            self.line(format_args!("{name}_bucket{labels} {count}"));
        }
        let labels = Labels { labels, last: None };
        self.line(format_args!("{name}_sum{labels} {}", Number(histogram.sum)));
        self.line(format_args!("{name}_count{labels} {}", histogram.count));
    }

    fn summary(&mut self, name: &str, labels: &BTreeMap<String, String>, summary: &Summary) {
        let own = Labels { labels, last: None };
        self.line(format_args!("{name}_count{own} {}", summary.count));
        self.line(format_args!("{name}_sum{own} {}", Number(summary.sum)));
        for (share, value) in &summary.quantiles {
            let labels = Labels { labels, last: Some(("quantile", *share)) };
            self.line(format_args!("{name}{labels} {}", Number(value.unwrap_or(f64::NAN))));
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing into a `String` cannot fail.
        let _written = writeln!(self.text, "{line}");
    }
}

struct Labels<'a> {
    labels: &'a BTreeMap<String, String>,
    /// `le` of a histogram, `quantile` of a summary.
    last: Option<(&'a str, f64)>,
}

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "{";
        for (name, value) in self.labels {
            write!(f, "{before}{name}=\"{}\"", Escaped { text: value, quote: "\\\"" })?;
            before = ",";
        }
        if let Some((name, number)) = self.last {
            write!(f, "{before}{name}=\"{}\"", Number(number))?;
            before = ",";
        }
        if before == "," { f.write_str("}") } else { Ok(()) }
    }
}

struct Escaped<'a> {
    text: &'a str,
    quote: &'a str,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' => f.write_str(self.quote)?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A number as both formats want it: `10.0`, `+Inf`, `NaN`.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n == f64::INFINITY => f.write_str("+Inf"),
            n if n == f64::NEG_INFINITY => f.write_str("-Inf"),
            n if n.is_nan() => f.write_str("NaN"),
            n => write!(f, "{n:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::metrics::MetricSample;

    fn sample(labels: &[(&str, &str)], value: MetricValue) -> MetricSample {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        MetricSample { labels, value }
    }

    fn families() -> Vec<MetricFamily> {
        let histogram = Histogram { count: 3, sum: 60_061.0, buckets: vec![(10.0, 1), (50.0, 2)] };
        let family = |name: &str, kind, help: &str, samples| MetricFamily {
            name: name.to_owned(),
            kind,
            help: help.to_owned(),
            samples,
        };
        vec![
            family(
                "events_total",
                MetricKind::Counter,
                "How \"many\"\nevents.",
                vec![sample(&[("topic", "a\"b\\c\nd")], MetricValue::Count(7))],
            ),
            family("load_ratio", MetricKind::Gauge, "Load", vec![sample(&[], MetricValue::Real(0.5))]),
            family(
                "event_sizes",
                MetricKind::Histogram,
                "Sizes",
                vec![sample(&[("node", "n")], MetricValue::Histogram(histogram))],
            ),
        ]
    }

    #[test]
    fn the_text_format_is_zeek_s() {
        let expected = r##"# HELP events_total How "many"\nevents.
# TYPE events_total counter
events_total{topic="a\"b\\c\nd"} 7
# HELP load_ratio Load
# TYPE load_ratio gauge
load_ratio 0.5
# HELP event_sizes Sizes
# TYPE event_sizes histogram
event_sizes_bucket{node="n",le="10.0"} 1
event_sizes_bucket{node="n",le="50.0"} 2
event_sizes_bucket{node="n",le="+Inf"} 3
event_sizes_sum{node="n"} 60061.0
event_sizes_count{node="n"} 3
"##;
        assert_eq!(write(&families(), Format::Text), expected);
    }

    #[test]
    fn a_summary_is_written_as_zeek_s_exposer_does() {
        let summary = Summary { count: 2, sum: 70.0, quantiles: vec![(0.5, Some(30.0)), (0.9, None)] };
        let family = MetricFamily {
            name: "latencies".to_owned(),
            kind: MetricKind::Summary,
            help: "Latencies".to_owned(),
            samples: vec![sample(&[], MetricValue::Summary(summary))],
        };
        let expected = "# HELP latencies Latencies\n# TYPE latencies summary\nlatencies_count 2\nlatencies_sum 70.0\n\
                        latencies{quantile=\"0.5\"} 30.0\nlatencies{quantile=\"0.9\"} NaN\n";
        assert_eq!(write(&[family], Format::Text), expected);
    }

    #[test]
    fn openmetrics_names_families_of_counters_without_total_and_ends_with_a_mark() {
        let text = write(&families(), Format::OpenMetrics);
        assert!(text.starts_with(
            "# HELP events How \\\"many\\\"\\nevents.\n# TYPE events counter\nevents_total{topic=\"a\\\"b\\\\c\\nd\"} 7\n"
        ));
        assert!(text.ends_with("\n# EOF\n"));
    }

    #[test]
    fn what_is_accepted_decides() {
        let check = |accept: &str, expected| assert_eq!(Format::accepted(accept), expected, "{accept}");
        check("", Format::Text);
        check("*/*", Format::Text);
        check("text/plain;version=0.0.4", Format::Text);
        check("application/openmetrics-text; version=1.0.0", Format::OpenMetrics);
        // What Prometheus 2.53 sends.
        check(
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        );
        check("application/openmetrics-text;q=0.1, text/plain;q=0.9", Format::Text);
        check("application/openmetrics-text;q=nonsense,,;;=", Format::OpenMetrics);
    }
}
