//! Metrics for Prometheus: each family is described once, with the function that reads its samples off a snapshot.
//! docs/metrics.md has the same list for people.

mod cycles;
mod director;
mod health;
mod services;
mod workers;

use super::source::Snapshot;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// The most labels that a family has.
const MOST_LABELS: usize = 6;

/// How the metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Format {
    /// The one that a client with this `Accept` header gets: OpenMetrics where it names that.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// Its `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Whether a value only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does, from 0 at the start of the dataplane; its samples' names end in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size; its samples' names end in `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// Metrics of one name.
#[derive(Clone, Copy)]
pub struct Family {
    /// Its name; a counter's without `_total`.
    name: &'static str,
    /// What it is in Prometheus.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it is, a sentence without its full stop.
    pub help: &'static str,
    read: fn(&Snapshot, &mut Samples<'_, '_>) -> fmt::Result,
}

impl Family {
    const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        read: fn(&Snapshot, &mut Samples<'_, '_>) -> fmt::Result,
    ) -> Self {
        Self { name, kind: Kind::Gauge, labels, help, read }
    }

    const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        read: fn(&Snapshot, &mut Samples<'_, '_>) -> fmt::Result,
    ) -> Self {
        Self { name, kind: Kind::Counter, labels, help, read }
    }

    const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        read: fn(&Snapshot, &mut Samples<'_, '_>) -> fmt::Result,
    ) -> Self {
        Self { name, kind: Kind::Histogram, labels, help, read }
    }

    /// The name of its samples, with which those of a histogram begin.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }

    /// The names of its samples.
    pub fn sample_names(&self) -> Vec<String> {
        match self.kind {
            Kind::Counter | Kind::Gauge => vec![self.name()],
            Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", self.name)).to_vec(),
        }
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All but those of reals.
const OF_THE_WHOLE: [&[Family]; 5] =
    [director::FAMILIES, workers::FAMILIES, cycles::FAMILIES, services::FAMILIES, health::FAMILIES];
/// Those of reals.
const OF_REALS: [&[Family]; 2] = [services::REALS, health::REALS];

/// Every family, in the order in which they are written.
pub fn families() -> impl Iterator<Item = &'static Family> {
    OF_THE_WHOLE.into_iter().chain(OF_REALS).flatten()
}

/// Where a family's samples go.
struct Samples<'e, 'w> {
    encoder: &'e mut MetricEncoder<'w>,
    family: &'static Family,
}

impl Samples<'_, '_> {
    /// A sample with the values of the family's labels.
    fn add(&mut self, labels: &[&str], value: u64) -> fmt::Result {
        self.write(labels, |encoder, kind| match kind {
            Kind::Counter => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
            Kind::Gauge | Kind::Histogram => encoder.encode_gauge(&value),
        })
    }

    /// A sample in seconds.
    fn seconds(&mut self, labels: &[&str], value: f64) -> fmt::Result {
        self.write(labels, |encoder, kind| match kind {
            Kind::Counter => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
            Kind::Gauge | Kind::Histogram => encoder.encode_gauge(&value),
        })
    }

    /// The samples of a histogram: the sum of what was observed, and how often it was between the last bound and this one.
    fn histogram(&mut self, labels: &[&str], sum: u64, buckets: &[(f64, u64)]) -> fmt::Result {
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.write(labels, |encoder, _| encoder.encode_histogram::<NoLabelSet>(sum as f64, count, buckets, None))
    }

    fn write(
        &mut self,
        values: &[&str],
        encode: impl FnOnce(&mut MetricEncoder<'_>, Kind) -> fmt::Result,
    ) -> fmt::Result {
        debug_assert_eq!(values.len(), self.family.labels.len(), "{:?}", self.family);
        let mut labels = [("", ""); MOST_LABELS];
        let pairs = self.family.labels.iter().copied().zip(values.iter().copied());
        let count = labels.iter_mut().zip(pairs).map(|(place, pair)| *place = pair).count();
        match labels.get(..count).unwrap_or_default() {
            [] => encode(self.encoder, self.family.kind),
            labels => encode(&mut self.encoder.encode_family(&labels)?, self.family.kind),
        }
    }
}

/// Writes the metrics of a snapshot; without those of each real unless `with_reals`.
///
/// # Errors
/// Never, as long as memory can be had: it is written to a string.
pub fn encode(snapshot: &Arc<Snapshot>, with_reals: bool, format: Format) -> Result<String, fmt::Error> {
    #[derive(Debug)]
    struct Reader(Arc<Snapshot>, bool);
    impl Collector for Reader {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            write(&self.0, self.1, &mut encoder)
        }
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Reader(Arc::clone(snapshot), with_reals)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(match format {
        Format::OpenMetrics => out,
        Format::Text => as_text(&out),
    })
}

fn write(snapshot: &Snapshot, with_reals: bool, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let reals = OF_REALS.into_iter().filter(|_| with_reals);
    for family in OF_THE_WHOLE.into_iter().chain(reals).flatten() {
        let kind = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let mut encoder = encoder.encode_descriptor(family.name, family.help, None, kind)?;
        (family.read)(snapshot, &mut Samples { encoder: &mut encoder, family })?;
    }
    Ok(())
}

/// The older format: there a counter is described by the name of its samples, and nothing marks the end.
fn as_text(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len() + 4096);
    let mut help = None;
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        if line.starts_with("# HELP ") {
            // Its name depends on the type, which is on the next line.
            help = Some(line);
            continue;
        }
        let Some(described) = line.strip_prefix("# TYPE ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let (name, kind) = described.split_once(' ').unwrap_or((described, "untyped"));
        let suffix = if kind == "counter" { "_total" } else { "" };
        let help = help.take().and_then(|help| help.strip_prefix("# HELP ")?.strip_prefix(name)).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(out, "# HELP {name}{suffix}{help}\n# TYPE {name}{suffix} {kind}");
    }
    out
}

#[cfg(test)]
mod tests;
