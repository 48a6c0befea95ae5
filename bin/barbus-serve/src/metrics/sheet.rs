//! Metrics of one scrape: each name once, with its samples of all buses.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Labels of a sample: names and values.
type Labels = Vec<(String, String)>;

/// The metrics of one scrape.
#[derive(Debug, Default)]
pub(super) struct Sheet(BTreeMap<&'static str, Family>);

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: MetricType,
    samples: Vec<(Labels, f64)>,
}

impl Sheet {
    /// A value that goes up and down; a value that is not known is absent.
    pub(super) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: impl Into<Option<f64>>,
    ) {
        self.add(name, help, MetricType::Gauge, labels, value.into());
    }

    /// A value that only grows until a restart. The name is without the ending `_total`.
    pub(super) fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: impl Into<Option<u64>>,
    ) {
        self.add(name, help, MetricType::Counter, labels, value.into().map(|value| value as f64));
    }

    /// As [`Sheet::counter`], for seconds.
    pub(super) fn counter_s(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: impl Into<Option<f64>>,
    ) {
        self.add(name, help, MetricType::Counter, labels, value.into());
    }

    fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: MetricType,
        labels: &[(&str, &str)],
        value: Option<f64>,
    ) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let family = self.0.entry(name).or_insert_with(|| Family { help, kind, samples: Vec::new() });
        family.samples.push((labels, value));
    }

    /// The names as a scrape shows them.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        let ending = |family: &Family| if family.kind == MetricType::Counter { "_total" } else { "" };
        self.0.iter().map(|(name, family)| format!("{name}{}", ending(family))).collect()
    }
}

impl Collector for Sheet {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, family) in &self.0 {
            let mut metric = encoder.encode_descriptor(name, family.help, None, family.kind)?;
            for (labels, value) in &family.samples {
                let mut sample = metric.encode_family(labels)?;
                match family.kind {
                    MetricType::Counter => sample.encode_counter::<NoLabelSet, f64, f64>(value, None)?,
                    _ => sample.encode_gauge(value)?,
                }
            }
        }
        Ok(())
    }
}
