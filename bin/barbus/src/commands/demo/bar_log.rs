//! A log of bars: the symbol, the frame and a digest of all values of each.
//!
//! In a file it has one line a bar, `symbol frame_ms digest`, in the order of arrival.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use anyhow::{Context, bail};

/// The digest of a bar: bars with equal digests have the same values bit for bit, except for a
/// collision in 2⁶⁴.
///
/// All processes of the demo run the same program, so the hasher of the standard library is stable.
pub(super) fn digest(numbers: [f64; 5], optional: impl IntoIterator<Item = Option<f64>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for number in numbers {
        hasher.write_u64(number.to_bits());
    }
    for value in optional {
        // A missing value differs from zero.
        hasher.write_u8(value.is_some().into());
        hasher.write_u64(value.unwrap_or(0.0).to_bits());
    }
    hasher.finish()
}

/// Bars in the order of their arrival.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct BarLog(Vec<(String, i64, u64)>);

impl BarLog {
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

    pub(super) fn read(path: &Path) -> anyhow::Result<BarLog> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut log = BarLog::default();
        for (number, line) in text.lines().enumerate() {
            let mut fields = line.split(' ');
            let (Some(symbol), Some(Ok(frame_ms)), Some(Ok(digest))) = (
                fields.next(),
                fields.next().map(str::parse),
                fields.next().map(|digits| u64::from_str_radix(digits, 16)),
            ) else {
                bail!("{}: line {}: not a bar: {line:?}", path.display(), number + 1);
            };
            log.push(symbol, frame_ms, digest);
        }
        Ok(log)
    }

    /// The differences between `self` and `expected`, which has every bar once.
    pub(super) fn compare(&self, expected: &BarLog) -> Differences {
        let mut left: HashMap<(&str, i64), u64> =
            expected.0.iter().map(|(symbol, frame_ms, digest)| ((symbol.as_str(), *frame_ms), *digest)).collect();
        let mut differences = Differences::default();
        for (symbol, frame_ms, digest) in &self.0 {
            match left.remove(&(symbol.as_str(), *frame_ms)) {
                Some(expected) if expected == *digest => {}
                Some(_) => differences.changed += 1,
                None => differences.surplus += 1,
            }
        }
        differences.missing = left.len();
        differences
    }
}

/// How two logs differ.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Differences {
    /// Expected bars that are not in the log.
    pub(super) missing: usize,
    /// Bars that are not expected, or are in the log twice.
    pub(super) surplus: usize,
    /// Bars with another value than expected.
    pub(super) changed: usize,
}

impl Differences {
    pub(super) fn is_empty(&self) -> bool {
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

    fn log(bars: &[(&str, i64, u64)]) -> BarLog {
        BarLog(bars.iter().map(|(symbol, frame_ms, digest)| (symbol.to_string(), *frame_ms, *digest)).collect())
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let expected = log(&[("A", 1, 10), ("A", 2, 20), ("B", 1, 30)]);
        let same = log(&[("B", 1, 30), ("A", 1, 10), ("A", 2, 20)]);
        assert!(same.compare(&expected).is_empty(), "the order does not matter");
        let differences = log(&[("A", 1, 10), ("A", 1, 10), ("A", 2, 21)]).compare(&expected);
        assert_eq!(differences, Differences { missing: 1, surplus: 1, changed: 1 });
    }

    #[test]
    fn a_written_log_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let bars = log(&[("600000.XSHG", 1_709_515_860_000, u64::MAX), ("B", -1, 0)]);
        bars.write(&path).unwrap();
        assert_eq!(BarLog::read(&path).unwrap(), bars);
        std::fs::write(&path, "A 1\n").unwrap();
        assert!(BarLog::read(&path).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_digest_depends_on_the_last_bit_and_on_a_missing_value() {
        let numbers = [1.0, 2.0, 3.0, 4.0, 5.0];
        let whole = digest(numbers, [Some(0.0), None]);
        assert_eq!(whole, digest(numbers, [Some(0.0), None]));
        assert_ne!(whole, digest(numbers, [None, Some(0.0)]));
        assert_ne!(whole, digest(numbers, [Some(-0.0), None]));
        assert_ne!(whole, digest([1.0, 2.0, 3.0, 4.0, f64::from_bits(5f64.to_bits() + 1)], [Some(0.0), None]));
    }
}
