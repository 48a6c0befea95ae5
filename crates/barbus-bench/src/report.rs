use serde::Serialize;

/// Figures of several rounds, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measures: Vec<Measure>,
}

#[derive(Debug)]
struct Measure {
    measure: String,
    system: String,
    unit: String,
    limit: Option<String>,
    rounds: Vec<f64>,
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
    /// Adds the figure of a round. `limit` names the system of the same measure that is the limit.
    pub(crate) fn add(&mut self, measure: &str, system: &str, limit: Option<&str>, unit: &str, value: f64) {
        match self.measures.iter_mut().find(|m| m.measure == measure && m.system == system) {
            Some(found) => found.rounds.push(value),
            None => self.measures.push(Measure {
                measure: measure.into(),
                system: system.into(),
                unit: unit.into(),
                limit: limit.map(Into::into),
                rounds: vec![value],
            }),
        }
    }

    fn lines(&self) -> Vec<Line<'_>> {
        self.measures
            .iter()
            .map(|m| {
                let limit = m.limit.as_ref().and_then(|name| {
                    self.measures.iter().find(|other| other.measure == m.measure && other.system == *name)
                });
                let ratio =
                    limit.map(|limit| median(m.rounds.iter().zip(&limit.rounds).map(|(own, limit)| own / limit)));
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

    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:<34} {:<28} {:>10} {:<8} {:>8}\n", "measure", "system", "median", "unit", "ratio");
        for line in self.lines() {
            let ratio = line.ratio_to_limit.map_or(String::new(), |ratio| format!("{ratio:.2}"));
            text += &format!(
                "{:<34} {:<28} {:>10.2} {:<8} {:>8}\n",
                line.measure, line.system, line.median, line.unit, ratio
            );
        }
        text
    }
}
