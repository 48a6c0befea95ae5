//! The table of the results: a line for each measure and system, with the median of the rounds.

/// The values of all rounds.
#[derive(Default)]
pub(crate) struct Table(Vec<Line>);

struct Line {
    measure: &'static str,
    unit: &'static str,
    system: &'static str,
    values: Vec<f64>,
}

impl Table {
    /// Adds the value of a round.
    pub(crate) fn add(&mut self, measure: &'static str, unit: &'static str, system: &'static str, value: f64) {
        eprintln!("  {measure}: {system}: {value:.3} {unit}");
        match self.0.iter_mut().find(|line| (line.measure, line.system) == (measure, system)) {
            Some(line) => line.values.push(value),
            None => self.0.push(Line { measure, unit, system, values: vec![value] }),
        }
    }

    /// Prints the medians, measure by measure, each with its ratio to the first system's.
    pub(crate) fn print(&self) {
        let mut measures: Vec<&str> = Vec::new();
        for line in &self.0 {
            if !measures.contains(&line.measure) {
                measures.push(line.measure);
            }
        }
        println!("| measure | system | median | ratio |\n|---|---|---|---|");
        for measure in measures {
            let lines: Vec<&Line> = self.0.iter().filter(|line| line.measure == measure).collect();
            for line in &lines {
                // Of each round, because the machine's speed changes from round to round.
                let ratios = line.values.iter().zip(&lines[0].values).map(|(value, first)| value / first);
                let ratio = median(ratios.collect());
                println!(
                    "| {measure} | {} | {:.3} {} | {ratio:.2} |",
                    line.system,
                    median(line.values.clone()),
                    line.unit
                );
            }
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
