//! The key-value metadata of every file of the archive; the Parquet writer adds the Arrow schema.
//!
//! All values are text. Numbers are decimal, except the checksum: eight hexadecimal digits. A file
//! with a missing or invalid key is corrupt; a newer [`FORMAT_VERSION`] is rejected before any
//! other key is read.

use std::path::Path;

use jiff::civil::Date;
use parquet::file::metadata::KeyValue;

use crate::{ArchiveError, Corruption, Result};

/// The trading day, `YYYY-MM-DD`.
pub const DAY: &str = "barbus.day";
/// Name of the calendar that assigns bars to days.
pub const CALENDAR: &str = "barbus.calendar";
/// Version of these files' format: [`FORMAT_VERSION`].
pub const SCHEMA_VERSION: &str = "barbus.schema_version";
/// Length of a bar: [`INTERVAL_VALUE`].
pub const INTERVAL: &str = "barbus.interval";
/// Number of rows in the file.
pub const ROWS: &str = "barbus.rows";
/// Lowest row number of [`LINEAGE`] in the file; equal to [`THROUGH_SEQ`] when it has none.
pub const FIRST_SEQ: &str = "barbus.first_seq";
/// Every row of the day with a lower number, of [`LINEAGE`], is in the file (or, for a part, in an
/// earlier one).
pub const THROUGH_SEQ: &str = "barbus.through_seq";
/// The lineage in which [`FIRST_SEQ`] and [`THROUGH_SEQ`] count.
pub const LINEAGE: &str = "barbus.lineage";
/// In a part: its number, from 1. In a day's file: the highest number of a part merged into it,
/// or 0.
pub const PART: &str = "barbus.part";
/// CRC-32C (Castagnoli) over all values in their canonical form, little-endian.
///
/// For each column: its name and a zero byte; then its values, row by row: for `symbol` the length
/// as 4 bytes and the UTF-8, for any other column the value, 0 for a null; then, if it is nullable,
/// one byte per row, 1 or, for a null, 0.
pub const CRC32C: &str = "barbus.crc32c";

/// The version of the format that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// The value of [`INTERVAL`].
pub const INTERVAL_VALUE: &str = "1m";

/// The metadata of a file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DayMeta {
    /// The trading day.
    pub day: Date,
    /// Name of the calendar that assigned its bars to the day.
    pub calendar: String,
    /// Version of the format.
    pub schema_version: u32,
    /// Rows in the file.
    pub rows: u64,
    /// Lowest row number of `lineage` in the file; equal to `through_seq` when it has none.
    pub first_seq: u64,
    /// Every row of this day with a lower number, of `lineage`, is in the file.
    pub through_seq: u64,
    /// The lineage in which `first_seq` and `through_seq` count.
    pub lineage: u64,
    /// In a part: its number, from 1. In a day's file: the highest number of a part merged into
    /// it, or 0.
    pub part: u32,
}

impl DayMeta {
    /// Rows of `lineage` below this number are in the file.
    pub(crate) fn covered(&self, lineage: u64) -> u64 {
        if self.lineage == lineage { self.through_seq } else { 0 }
    }

    /// Whether the rows of a part are in this file.
    pub(crate) fn has_part(&self, part: &DayMeta) -> bool {
        part.part <= self.part || part.through_seq <= self.covered(part.lineage)
    }

    pub(crate) fn to_key_values(&self, crc32c: u32) -> Vec<KeyValue> {
        let pairs = [
            (DAY, self.day.to_string()),
            (CALENDAR, self.calendar.clone()),
            (SCHEMA_VERSION, self.schema_version.to_string()),
            (INTERVAL, INTERVAL_VALUE.to_owned()),
            (ROWS, self.rows.to_string()),
            (FIRST_SEQ, self.first_seq.to_string()),
            (THROUGH_SEQ, self.through_seq.to_string()),
            (LINEAGE, self.lineage.to_string()),
            (PART, self.part.to_string()),
            (CRC32C, format!("{crc32c:08x}")),
        ];
        pairs.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect()
    }

    /// Reads what [`DayMeta::to_key_values`] wrote: the metadata and the checksum of the values.
    pub(crate) fn from_key_values(path: &Path, pairs: &[KeyValue]) -> Result<(DayMeta, u32)> {
        let text = |key: &'static str| -> Result<&str> {
            pairs
                .iter()
                .find(|pair| pair.key == key)
                .and_then(|pair| pair.value.as_deref())
                .ok_or_else(|| ArchiveError::corrupt(path, Corruption::MissingKey(key)))
        };
        let number = |key| -> Result<u64> { parse(path, key, text(key)?, |s| s.parse().ok()) };

        let schema_version = parse(path, SCHEMA_VERSION, text(SCHEMA_VERSION)?, |s| s.parse().ok())?;
        if schema_version > FORMAT_VERSION {
            return Err(ArchiveError::Version { path: path.to_owned(), found: schema_version });
        }
        parse(path, INTERVAL, text(INTERVAL)?, |s| (s == INTERVAL_VALUE).then_some(()))?;
        let meta = DayMeta {
            day: parse(path, DAY, text(DAY)?, parse_day)?,
            calendar: text(CALENDAR)?.to_owned(),
            schema_version,
            rows: number(ROWS)?,
            first_seq: number(FIRST_SEQ)?,
            through_seq: number(THROUGH_SEQ)?,
            lineage: number(LINEAGE)?,
            part: parse(path, PART, text(PART)?, |s| s.parse().ok())?,
        };
        let crc32c = parse(path, CRC32C, text(CRC32C)?, |s| u32::from_str_radix(s, 16).ok())?;
        Ok((meta, crc32c))
    }
}

/// `YYYY-MM-DD` and nothing else.
pub(crate) fn parse_day(text: &str) -> Option<Date> {
    let day: Date = text.parse().ok()?;
    (day.to_string() == text).then_some(day)
}

fn parse<T>(path: &Path, key: &'static str, text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    parse(text).ok_or_else(|| {
        let value = text.to_owned();
        ArchiveError::corrupt(path, Corruption::BadValue { key, value })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> DayMeta {
        DayMeta {
            day: jiff::civil::date(2024, 2, 29),
            calendar: "XNYS".to_owned(),
            schema_version: FORMAT_VERSION,
            rows: 3,
            first_seq: 7,
            through_seq: u64::MAX,
            lineage: 1 << 63,
            part: 4,
        }
    }

    #[test]
    fn metadata_is_read_as_it_was_written() {
        let pairs = meta().to_key_values(0x0bad_cafe);
        let (read, crc32c) = DayMeta::from_key_values(Path::new("day"), &pairs).unwrap();
        assert_eq!((read, crc32c), (meta(), 0x0bad_cafe));
    }

    #[test]
    fn every_key_is_required_and_checked() {
        let pairs = meta().to_key_values(1);
        for i in 0..pairs.len() {
            let mut missing = pairs.clone();
            let key = missing.remove(i).key;
            let error = DayMeta::from_key_values(Path::new("day"), &missing).unwrap_err();
            assert!(error.to_string().contains(&key), "{error}");
            if key != CALENDAR {
                let mut wrong = pairs.clone();
                wrong[i].value = Some("?".to_owned());
                let error = DayMeta::from_key_values(Path::new("day"), &wrong).unwrap_err();
                assert!(error.to_string().contains(&key), "{error}");
            }
        }
    }

    #[test]
    fn a_newer_format_is_rejected_by_its_number() {
        let mut pairs = meta().to_key_values(1);
        pairs[2].value = Some("2".to_owned());
        let error = DayMeta::from_key_values(Path::new("day"), &pairs).unwrap_err();
        assert_eq!(error.to_string(), "day: archive format 2, this build reads up to 1");
    }

    #[test]
    fn only_the_full_form_of_a_day_is_a_day() {
        assert!(parse_day("2024-02-29").is_some());
        for text in ["2024-2-29", "2023-02-29", "20240229", "2024-02-29T00:00", ""] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }
}
