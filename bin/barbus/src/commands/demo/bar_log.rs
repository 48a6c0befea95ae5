//! What somebody saw: for each bar its symbol, its frame and a digest of all its values.
//!
//! One line a bar, `symbol frame_ms digest`, in the order in which the bars came, so that it can be kept in a file and
//! compared later with what somebody else saw.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail};
use xxhash_rust::xxh3::xxh3_64;

/// The digest of a bar: two bars with the same one have the same values bit for bit, but for an accident in 2⁶⁴.
pub(super) fn digest(numbers: [f64; 5], optional: impl IntoIterator<Item = Option<f64>>) -> u64 {
    let mut bytes = Vec::with_capacity(64);
    for number in numbers {
        bytes.extend(number.to_bits().to_le_bytes());
    }
    for value in optional {
        // A missing value is no zero.
        bytes.push(value.is_some().into());
        bytes.extend(value.unwrap_or(0.0).to_bits().to_le_bytes());
    }
    xxh3_64(&bytes)
}

/// Bars seen, in order.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Seen(Vec<(String, i64, u64)>);

impl Seen {
    pub(super) fn push(&mut self, symbol: &str, frame_ms: i64, digest: u64) {
        self.0.push((symbol.to_owned(), frame_ms, digest));
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = String::with_capacity(self.0.len() * 44);
        for (symbol, frame_ms, digest) in &self.0 {
            let _ = writeln!(text, "{symbol} {frame_ms} {digest:016x}");
        }
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    pub(super) fn read(path: &Path) -> anyhow::Result<Seen> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut seen = Seen::default();
        for (number, line) in text.lines().enumerate() {
            let mut fields = line.split(' ');
            let (Some(symbol), Some(Ok(frame_ms)), Some(Ok(digest))) = (
                fields.next(),
                fields.next().map(str::parse),
                fields.next().map(|digits| u64::from_str_radix(digits, 16)),
            ) else {
                bail!("{}: line {}: not a bar seen: {line:?}", path.display(), number + 1);
            };
            seen.push(symbol, frame_ms, digest);
        }
        Ok(seen)
    }

    /// How `self` differs from `truth`, which holds every bar once.
    pub(super) fn compare(&self, truth: &Seen) -> Differences {
        let mut left: HashMap<(&str, i64), u64> =
            truth.0.iter().map(|(symbol, frame_ms, digest)| ((symbol.as_str(), *frame_ms), *digest)).collect();
        let mut differences = Differences::default();
        for (symbol, frame_ms, digest) in &self.0 {
            match left.remove(&(symbol.as_str(), *frame_ms)) {
                Some(true_digest) if true_digest == *digest => {}
                Some(_) => differences.changed += 1,
                None => differences.surplus += 1,
            }
        }
        differences.missing = left.len();
        differences
    }
}

/// Bars that two do not have in common.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Differences {
    /// Bars of the truth that were not seen.
    pub(super) missing: usize,
    /// Bars seen that are not in the truth, or seen again.
    pub(super) surplus: usize,
    /// Bars seen with another value.
    pub(super) changed: usize,
}

impl Differences {
    pub(super) fn none(&self) -> bool {
        *self == Differences::default()
    }
}

impl std::fmt::Display for Differences {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} missing, {} too many, {} with other values", self.missing, self.surplus, self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bars: &[(&str, i64, u64)]) -> Seen {
        Seen(bars.iter().map(|(symbol, frame_ms, digest)| (symbol.to_string(), *frame_ms, *digest)).collect())
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let truth = seen(&[("A", 1, 10), ("A", 2, 20), ("B", 1, 30)]);
        let same = seen(&[("B", 1, 30), ("A", 1, 10), ("A", 2, 20)]);
        assert!(same.compare(&truth).none(), "the order does not matter");
        let differences = seen(&[("A", 1, 10), ("A", 1, 10), ("A", 2, 21)]).compare(&truth);
        assert_eq!(differences, Differences { missing: 1, surplus: 1, changed: 1 });
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let bars = seen(&[("600000.XSHG", 1_709_515_860_000, u64::MAX), ("B", -1, 0)]);
        bars.write(&path).unwrap();
        assert_eq!(Seen::read(&path).unwrap(), bars);
        std::fs::write(&path, "A 1\n").unwrap();
        assert!(Seen::read(&path).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_digest_knows_the_last_bit_and_a_missing_value() {
        let numbers = [1.0, 2.0, 3.0, 4.0, 5.0];
        let whole = digest(numbers, [Some(0.0), None]);
        assert_eq!(whole, digest(numbers, [Some(0.0), None]));
        assert_ne!(whole, digest(numbers, [None, Some(0.0)]));
        assert_ne!(whole, digest(numbers, [Some(-0.0), None]));
        assert_ne!(whole, digest([1.0, 2.0, 3.0, 4.0, f64::from_bits(5f64.to_bits() + 1)], [Some(0.0), None]));
    }
}
