//! The record of instruction counts, and the comparison with new counts.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Context;
use serde::Deserialize;

use crate::toolchain::Toolchain;

/// Allowed increase over the record in percent.
///
/// Runs differ by less than 0.1 %, mostly by randomly seeded hash tables.
pub(crate) const TOLERANCE: f64 = 3.0;
/// Allowed increase with another compiler, C library or valgrind than the record's.
pub(crate) const TOLERANCE_ELSEWHERE: f64 = 25.0;
/// Differences below this number of instructions are ignored.
const SLACK: f64 = 1.0;

/// The command that writes a new record.
pub(crate) const RENEW: &str =
    "cargo build --release -p barbus-bench -p barbus-cli && target/release/barbus-instructions --record";

/// Instructions per operation of each path, and the tools that counted them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) toolchain: Toolchain,
    pub(crate) instructions: Vec<(String, f64)>,
}

/// The result of a comparison; failures name the path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) notes: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Record {
    pub(crate) fn to_toml(&self) -> String {
        let Toolchain { architecture, rustc, libc, valgrind } = &self.toolchain;
        let mut text = format!(
            "# Instructions of one operation of each hot path (of one row for batches), counted by callgrind.\n\
             # .ci/run fails if a path needs over {TOLERANCE} % more ({TOLERANCE_ELSEWHERE} % with another toolchain). To renew:\n\
             # {RENEW}\n\n\
             [toolchain]\narchitecture = {architecture:?}\nrustc = {rustc:?}\nlibc = {libc:?}\nvalgrind = {valgrind:?}\n\n[instructions]\n"
        );
        let width = self.instructions.iter().map(|(name, _)| name.len() + 2).max().unwrap_or(0);
        for (name, instructions) in &self.instructions {
            let name = format!("{name:?}");
            writeln!(text, "{name:<width$} = {instructions:.1}").expect("writing to a string does not fail");
        }
        text
    }

    pub(crate) fn from_toml(text: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct File {
            toolchain: Toolchain,
            instructions: BTreeMap<String, f64>,
        }
        let file: File = toml::from_str(text).context("not a record")?;
        Ok(Self { toolchain: file.toolchain, instructions: file.instructions.into_iter().collect() })
    }

    fn of(&self, name: &str) -> Option<f64> {
        self.instructions.iter().find(|(other, _)| other == name).map(|&(_, instructions)| instructions)
    }
}

/// Compares the counts `now` with the `recorded` ones.
pub(crate) fn compare(recorded: &Record, now: &Record) -> Comparison {
    let mut comparison = Comparison::default();
    let Comparison { notes, failures } = &mut comparison;
    if recorded.toolchain.architecture != now.toolchain.architecture {
        notes.push(format!(
            "NOTHING IS COMPARED: the record is of {}, this is {}",
            recorded.toolchain.architecture, now.toolchain.architecture
        ));
        return comparison;
    }
    let tolerance = if recorded.toolchain == now.toolchain {
        TOLERANCE
    } else {
        notes.push(format!(
            "ANOTHER TOOLCHAIN: the limit is {TOLERANCE_ELSEWHERE} % instead of {TOLERANCE} %\n  recorded: {}\n  now:      {}",
            recorded.toolchain, now.toolchain
        ));
        TOLERANCE_ELSEWHERE
    };
    for (name, now) in &now.instructions {
        let Some(was) = recorded.of(name) else {
            failures.push(format!("`{name}` has no record (now {now:.1} instructions)"));
            continue;
        };
        let percent = (now / was - 1.0) * 100.0;
        let change = format!("{was:.1} -> {now:.1} instructions, {percent:+.1} %");
        if (now - was).abs() <= SLACK || percent.abs() <= tolerance {
            continue;
        }
        if percent > 0.0 {
            failures.push(format!("`{name}` needs more: {change} (the limit is {tolerance} %)"));
        } else {
            notes.push(format!("`{name}` needs less: {change}. To keep the gain, renew the record: {RENEW}"));
        }
    }
    for (name, _) in recorded.instructions.iter().filter(|(name, _)| now.of(name).is_none()) {
        failures.push(format!("`{name}` has a record and was not counted"));
    }
    comparison
}

/// The failure of a path that needs over `limit` times the instructions of another one.
pub(crate) fn exceeds(now: &Record, path: &str, to: &str, limit: f64) -> Option<String> {
    let (own, other) = (now.of(path)?, now.of(to)?);
    let ratio = own / other;
    (ratio > limit)
        .then(|| format!("`{path}` needs {ratio:.2} times the instructions of `{to}` (the limit is {limit})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(instructions: &[(&str, f64)]) -> Record {
        let [architecture, rustc, libc, valgrind] = ["x86_64", "rustc 1", "glibc 2", "valgrind-3"].map(String::from);
        Record {
            toolchain: Toolchain { architecture, rustc, libc, valgrind },
            instructions: instructions.iter().map(|&(name, count)| (name.to_owned(), count)).collect(),
        }
    }

    fn compared(was: f64, now: f64) -> Comparison {
        compare(&record(&[("push", was)]), &record(&[("push", now)]))
    }

    #[test]
    fn a_path_that_needs_more_fails_with_both_counts() {
        let Comparison { notes, failures } = compared(100.0, 105.1);
        assert_eq!(failures, ["`push` needs more: 100.0 -> 105.1 instructions, +5.1 % (the limit is 3 %)"]);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn a_change_within_the_tolerance_is_not_reported() {
        assert_eq!(compared(100.0, 102.9), Comparison::default());
        assert_eq!(compared(100.0, 97.1), Comparison::default());
        // One more instruction in a path of ten.
        assert_eq!(compared(10.0, 11.0), Comparison::default());
    }

    #[test]
    fn a_path_that_needs_less_asks_for_a_new_record_and_does_not_fail() {
        let Comparison { notes, failures } = compared(100.0, 90.0);
        assert!(
            notes.len() == 1 && notes[0].contains("`push` needs less") && notes[0].contains("-10.0 %"),
            "{notes:?}"
        );
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[test]
    fn another_toolchain_has_a_higher_limit_and_is_reported() {
        let mut recorded = record(&[("push", 100.0), ("poll", 100.0)]);
        recorded.toolchain.rustc = "rustc 2".into();
        let Comparison { notes, failures } = compare(&recorded, &record(&[("push", 124.0), ("poll", 126.0)]));
        assert!(notes.len() == 1 && notes[0].starts_with("ANOTHER TOOLCHAIN"), "{notes:?}");
        assert!(failures.len() == 1 && failures[0].contains("`poll` needs more"), "{failures:?}");
    }

    #[test]
    fn another_architecture_is_reported_and_not_compared() {
        let mut recorded = record(&[("push", 100.0)]);
        recorded.toolchain.architecture = "aarch64".into();
        let Comparison { notes, failures } = compare(&recorded, &record(&[("push", 900.0)]));
        assert!(notes.len() == 1 && notes[0].starts_with("NOTHING IS COMPARED"), "{notes:?}");
        assert!(failures.is_empty(), "{failures:?}");
    }

    #[test]
    fn a_path_on_only_one_side_fails() {
        let Comparison { failures, .. } = compare(&record(&[("push", 1.0)]), &record(&[("poll", 1.0)]));
        assert_eq!(
            failures,
            ["`poll` has no record (now 1.0 instructions)", "`push` has a record and was not counted"]
        );
    }

    #[test]
    fn a_path_is_compared_with_another_one() {
        let now = record(&[("C", 121.0), ("Rust", 100.0)]);
        assert!(exceeds(&now, "C", "Rust", 1.2).is_some_and(|failure| failure.contains("1.21 times")));
        assert_eq!((exceeds(&now, "C", "Rust", 1.22), exceeds(&now, "C", "Go", 1.0)), (None, None));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let written = record(&[("RingReader::poll, at the tip", 12.5), ("push", 100.0)]);
        assert_eq!(Record::from_toml(&written.to_toml()).expect("its own text"), written);
    }
}
