//! The names of the archive's files: days, parts of a day, and files that are being written.
//!
//! ```text
//! 1m/2024-02-29.parquet              a day
//! 1m.work/2024-02-29.3.parquet       part 3 of a day that is not written yet
//! withdrawn/2024-02-29-1.parquet     the day before bars were withdrawn from it
//! 1m.work/.2024-02-29.new.tmp        being written; only a crash leaves it behind
//! ```
//! Names of any other form are ignored.

use jiff::civil::Date;

use crate::metadata::parse_day;

const PARQUET: &str = ".parquet";
const TEMPORARY: &str = ".tmp";

pub(crate) fn day_name(day: Date) -> String {
    format!("{day}{PARQUET}")
}

pub(crate) fn part_name(day: Date, part: u32) -> String {
    format!("{day}.{part}{PARQUET}")
}

/// The file of a day before bars were withdrawn from it.
pub(crate) fn withdrawn_name(day: Date, number: u32) -> String {
    format!("{day}-{number}{PARQUET}")
}

/// The name of a day's file or part while it is written. An archive has one writer, which writes
/// one file at a time. The name is the same at every attempt, so that a repeated failure has the
/// same message.
pub(crate) fn temporary_name(day: Date) -> String {
    format!(".{day}.new{TEMPORARY}")
}

/// Whether `name` is that of a day's file.
pub fn is_day_file(name: &str) -> bool {
    parse_day_name(name).is_some()
}

/// Whether `name` is that of a part of a day.
pub fn is_part_file(name: &str) -> bool {
    parse_part_name(name).is_some()
}

/// The day of a day's file.
pub(crate) fn parse_day_name(name: &str) -> Option<Date> {
    parse_day(name.strip_suffix(PARQUET)?)
}

/// The day and number of a part.
pub(crate) fn parse_part_name(name: &str) -> Option<(Date, u32)> {
    let (day, number) = name.strip_suffix(PARQUET)?.split_once('.')?;
    Some((parse_day(day)?, number.parse().ok().filter(|&number| number > 0)?))
}

/// The day of a file that is kept as it was before, see [`withdrawn_name`].
pub(crate) fn parse_copy_name(name: &str) -> Option<Date> {
    let (day, number) = name.strip_suffix(PARQUET)?.rsplit_once('-')?;
    number.parse::<u32>().ok().and(parse_day(day))
}

/// The day of a file being written.
pub(crate) fn parse_temporary_name(name: &str) -> Option<Date> {
    let (day, _) = name.strip_suffix(TEMPORARY)?.strip_prefix('.')?.split_once('.')?;
    parse_day(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_forms_are_ignored() {
        let day = jiff::civil::date(2024, 2, 29);
        assert_eq!(parse_day_name("2024-02-29.parquet"), Some(day));
        assert_eq!(parse_part_name("2024-02-29.12.parquet"), Some((day, 12)));
        assert_eq!(parse_temporary_name(&temporary_name(day)), Some(day));
        assert_eq!(parse_copy_name(&withdrawn_name(day, 3)), Some(day));
        for name in ["2024-02-29.parquet", "2024-02-29-x.parquet", "2024-02-29-1.csv"] {
            assert_eq!(parse_copy_name(name), None, "{name}");
        }
        for name in ["2024-02-29.csv", "x.parquet", "2024-02-29.1.parquet", ".tmp", ""] {
            assert_eq!(parse_day_name(name), None, "{name}");
            assert_eq!(parse_temporary_name(name), None, "{name}");
        }
        for name in ["2024-02-29.parquet", "2024-02-29.0.parquet", "2024-02-29.x.parquet"] {
            assert_eq!(parse_part_name(name), None, "{name}");
        }
    }
}
