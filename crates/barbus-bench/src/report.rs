//! The figures of all rounds, as a table and as JSON.

use serde::Serialize;

/// Figures of several rounds, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measures: Vec<Figures>,
}

#[derive(Debug)]
struct Figures {
    measure: String,
    system: String,
    unit: String,
    limit: Option<String>,
    rounds: Vec<f64>,
    /// Ratios to limits that were measured beside each round's figure.
    beside: Vec<f64>,
}

#[derive(Serialize)]
struct Line<'a> {
    measure: &'a str,
    system: &'a str,
    median: f64,
    unit: &'a str,
    /// Median of the rounds' ratios to the limit of the same round.
    ratio_to_limit: Option<f64>,
    rounds: &'a [f64],
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Report {
    /// Adds the figure of a round. `limit` names the system that is the limit of this measure.
    pub(crate) fn add(&mut self, measure: &str, system: &str, limit: Option<&str>, unit: &str, value: f64) {
        match self.measures.iter_mut().find(|m| m.measure == measure && m.system == system) {
            Some(found) => found.rounds.push(value),
            None => self.measures.push(Figures {
                measure: measure.into(),
                system: system.into(),
                unit: unit.into(),
                limit: limit.map(Into::into),
                rounds: vec![value],
                beside: Vec::new(),
            }),
        }
    }

    /// Adds the figure of a round together with the limit measured just before it.
    pub(crate) fn add_beside(&mut self, measure: &str, system: &str, limit: f64, unit: &str, value: f64) {
        self.add(measure, system, None, unit, value);
        let found = self.measures.iter_mut().find(|m| m.measure == measure && m.system == system);
        found.expect("added above").beside.push(value / limit);
    }

    fn lines(&self) -> Vec<Line<'_>> {
        self.measures
            .iter()
            .map(|m| {
                let limit = m.limit.as_ref().and_then(|name| {
                    self.measures.iter().find(|other| other.measure == m.measure && other.system == *name)
                });
                let ratio = match m.beside.is_empty() {
                    true => {
                        limit.map(|limit| median(m.rounds.iter().zip(&limit.rounds).map(|(own, limit)| own / limit)))
                    }
                    false => Some(median(m.beside.iter().copied())),
                };
                Line {
                    measure: &m.measure,
                    system: &m.system,
                    median: median(m.rounds.iter().copied()),
                    unit: &m.unit,
                    ratio_to_limit: ratio,
                    rounds: &m.rounds,
                }
            })
            .collect()
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.lines())
    }

    /// The table for people: higher is better for rates, lower for everything else.
    pub(crate) fn table(&self) -> String {
        let lines = self.lines();
        let measure = lines.iter().map(|line| line.measure.chars().count()).max().unwrap_or(0);
        let system = lines.iter().map(|line| line.system.chars().count()).max().unwrap_or(0);
        let mut text = format!(
            "{:<measure$}  {:<system$}  {:>12} {:<8}  {:>8}  better\n",
            "measure", "system", "median", "unit", "ratio"
        );
        for line in lines {
            let ratio = line.ratio_to_limit.map_or(String::new(), |ratio| format!("{ratio:.2}"));
            let better = if line.unit.ends_with("/s") { "more" } else { "less" };
            text += &format!(
                "{:<measure$}  {:<system$}  {:>12.2} {:<8}  {:>8}  {better}\n",
                line.measure, line.system, line.median, line.unit, ratio
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON objects for programs.
    #[test]
    fn a_report_has_rounds_medians_and_median_ratios() {
        let mut report = Report::default();
        for (limit, own) in [(10.0, 30.0), (20.0, 20.0), (10.0, 50.0)] {
            report.add("one bar", "word", None, "ns", limit);
            report.add("one bar", "ring", Some("word"), "ns", own);
            report.add_beside("one bar", "library", limit * 2.0, "ns", own);
            report.add("one bar", "other", Some("nobody"), "ns", own);
        }
        let line = |system: &str, median: f64, ratio: Option<f64>, rounds: [f64; 3]| {
            serde_json::json!({
                "measure": "one bar", "system": system, "median": median, "unit": "ns", "ratio_to_limit": ratio, "rounds": rounds,
            })
        };
        let found: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let wanted = serde_json::json!([
            line("word", 10.0, None, [10.0, 20.0, 10.0]),
            line("ring", 30.0, Some(3.0), [30.0, 20.0, 50.0]),
            line("library", 30.0, Some(1.5), [30.0, 20.0, 50.0]),
            line("other", 30.0, None, [30.0, 20.0, 50.0]),
        ]);
        assert_eq!(found, wanted);
    }
}
