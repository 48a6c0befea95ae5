//! Taking over the file of a day from another place.

use std::path::Path;

use bytes::Bytes;
use jiff::civil::Date;

use crate::{Archive, ArchiveError, DayMeta, Misuse, Result, day_file};

impl Archive {
    /// Takes over the file of `day` at `source`, byte for byte: one that this archive, or another
    /// one of the same columns and calendar, has written. All of it is checked before it gets its
    /// name. `source` stays.
    ///
    /// # Errors
    /// [`Misuse::HasFile`] or [`Misuse::HasParts`] if the archive has bars of the day already,
    /// [`Misuse::OtherCalendar`] if another calendar has assigned the bars to the day, and
    /// [`ArchiveError`] if the file is damaged, has other columns or cannot be written. Then the
    /// archive is as it was.
    pub fn adopt(&self, day: Date, source: &Path) -> Result<DayMeta> {
        let _writing = self.writing()?;
        let path = self.path(day);
        if path.symlink_metadata().is_ok() {
            return Err(Misuse::HasFile { day }.into());
        }
        if !self.directory.parts(day)?.is_empty() {
            return Err(Misuse::HasParts { day }.into());
        }
        let bytes = Bytes::from(std::fs::read(source).map_err(ArchiveError::io("read", source))?);
        let meta = day_file::decode(source, day, &bytes, self.directory.schema())?.meta;
        if meta.calendar != self.calendar() {
            let (found, expected) = (meta.calendar, self.calendar().to_owned());
            return Err(Misuse::OtherCalendar { day, found, expected }.into());
        }
        self.directory.remove_temporary(Some(day))?;
        self.directory.commit_copy(&path, day, &bytes)?;
        Ok(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rows::{DAY, two_rows};
    use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
    use barbus_bars::{BarSchema, PriceType};
    use std::sync::Arc;

    fn open(dir: &Path, calendar: &str) -> Archive {
        let schema = BarSchema::new("Asia/Shanghai", PriceType::Float64, ["money", "factor", "vwap"]).unwrap();
        Archive::open(dir.join("1m"), schema, calendar).unwrap()
    }

    #[test]
    fn a_day_of_elsewhere_is_taken_over_once_and_whole() {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [from, to, other] = [("24x7", 0), ("24x7", 1), ("XNYS", 2)].map(|(name, at)| open(dirs[at].path(), name));
        let rows = two_rows(["A", "B"]);
        let seq: ArrayRef = Arc::new(UInt64Array::from(vec![0, 1]));
        let named = rows.schema_ref().fields().iter().map(|field| field.name().clone()).zip(rows.columns().to_vec());
        let rows = RecordBatch::try_from_iter(named.chain([("seq".to_owned(), seq)])).unwrap();
        let written = from.write(DAY, &rows, 7, 2).unwrap();

        let message = |error: ArchiveError| error.to_string();
        assert!(message(other.adopt(DAY, &written.path).unwrap_err()).contains("was made by the calendar 24x7"));
        assert_eq!(other.days().unwrap(), []);
        let mut damaged = std::fs::read(&written.path).unwrap();
        damaged[100] ^= 1;
        let broken = dirs[1].path().join("broken");
        std::fs::write(&broken, damaged).unwrap();
        assert!(message(to.adopt(DAY, &broken).unwrap_err()).contains("damaged"));
        assert_eq!(to.days().unwrap(), []);

        let meta = to.adopt(DAY, &written.path).unwrap();
        assert_eq!((meta.rows, meta.lineage), (2, 7));
        assert_eq!(std::fs::read(to.path(DAY)).unwrap(), std::fs::read(&written.path).unwrap());
        assert!(message(to.adopt(DAY, &written.path).unwrap_err()).contains("has a file already"));
        assert_eq!(to.read(DAY).unwrap(), from.read(DAY).unwrap());
    }
}
