//! The files of one day, opened at one moment, and the wanted bars in them.

use std::io::ErrorKind;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, DictionaryArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Int32Type, Schema, SchemaRef, TimestampMillisecondType};
use arrow::error::ArrowError;
use jiff::civil::Date;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;

use super::footers::{Footer, Footers, OpenFile};
use super::group_pages::GroupPages;
use super::known_columns::KnownColumns;
use super::merge::merge;
use super::pages::{SelectedGroup, last_frame_ms, select};
use super::row_keys::RowKeys;
use super::wanted::Wanted;
use crate::conform::{check, conform, with_dictionary};
use crate::day_file::check_rows;
use crate::error::Corruption;
use crate::stored_day::MAX_ATTEMPTS;
use crate::{Archive, ArchiveError, DayMeta, Result, workers};

/// Up to this number of wanted symbols, the rows of each are looked up on their own.
const FEW_SYMBOLS: usize = 64;

/// The file of a day and the parts that are not in it yet, as they were when they were opened: what
/// is written later does not change them.
#[derive(Debug)]
pub struct DayScan {
    /// Of the archive.
    archive_schema: SchemaRef,
    /// Dictionary(Int32, Utf8) as symbol, then as in the archive.
    schema: SchemaRef,
    footers: Footers,
    /// The day's file, then its parts by number.
    files: Vec<OpenFile>,
}

impl Archive {
    /// Opens the file and the parts of a day. It has no bars if there are none.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] if one exists and cannot be opened; [`ArchiveError::Corrupt`] if there
    /// are parts, and one of them or the file is damaged.
    pub fn scan(&self, day: Date, footers: &Footers) -> Result<DayScan> {
        let mut attempt = 1;
        // A merge replaces the file before it removes the parts: parts are opened first.
        let parts = loop {
            let numbers = self.directory.parts(day)?;
            let opened = numbers.iter().map(|part| {
                let path = self.directory.part_path(day, *part);
                let opened = OpenFile::open(path.clone(), day, footers)?;
                opened.ok_or_else(|| ArchiveError::io("open", &path)(ErrorKind::NotFound.into()))
            });
            match opened.collect::<Result<Vec<_>>>() {
                Err(error) if error.is_not_found() && attempt < MAX_ATTEMPTS => attempt += 1,
                other => break other?,
            }
        };
        let DayScan { mut files, .. } = self.scan_file(day, footers)?;
        if let (Some(file), false) = (files.first(), parts.is_empty()) {
            let in_file = file.footer(footers)?.meta.clone();
            for part in parts {
                if !in_file.has_part(&part.footer(footers)?.meta) {
                    files.push(part);
                }
            }
        } else {
            files.extend(parts);
        }
        Ok(self.scan_of(footers, files))
    }

    /// Opens the file of a day that has no parts.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] if it exists and cannot be opened.
    pub fn scan_file(&self, day: Date, footers: &Footers) -> Result<DayScan> {
        let file = OpenFile::open(self.path(day), day, footers)?;
        Ok(self.scan_of(footers, file.into_iter().collect()))
    }

    fn scan_of(&self, footers: &Footers, files: Vec<OpenFile>) -> DayScan {
        let archive_schema = self.directory.schema().clone();
        let schema = with_dictionary(&archive_schema);
        DayScan { archive_schema, schema, footers: footers.clone(), files }
    }

    /// A day without files.
    pub fn scan_nothing(&self) -> DayScan {
        self.scan_of(&Footers::default(), Vec::new())
    }
}

impl DayScan {
    /// Rows of `lineage` below this number are in the files.
    ///
    /// # Errors
    /// [`ArchiveError`] if a file is damaged or cannot be read.
    pub fn through_seq(&self, lineage: u64) -> Result<u64> {
        let covered = self.metas()?.map(|meta| meta.covered(lineage));
        Ok(covered.max().unwrap_or_default())
    }

    /// The lowest number of a row in the files; `None` if any file has rows of another lineage.
    ///
    /// # Errors
    /// As [`DayScan::through_seq`].
    pub fn first_seq(&self, lineage: u64) -> Result<Option<u64>> {
        let metas: Vec<DayMeta> = self.metas()?.collect();
        if metas.iter().any(|meta| meta.lineage != lineage) {
            return Ok(None);
        }
        Ok(metas.iter().map(|meta| meta.first_seq).min())
    }

    /// The highest frame in the files, milliseconds UTC.
    ///
    /// # Errors
    /// As [`DayScan::through_seq`].
    pub fn last_frame_ms(&self) -> Result<i64> {
        let footers = self.footers_of_files()?;
        Ok(footers.iter().map(|footer| last_frame_ms(footer.metadata.metadata())).max().unwrap_or(i64::MIN))
    }

    fn footers_of_files(&self) -> Result<Vec<Arc<Footer>>> {
        self.files.iter().map(|file| file.footer(&self.footers)).collect()
    }

    fn metas(&self) -> Result<impl Iterator<Item = DayMeta>> {
        Ok(self.footers_of_files()?.into_iter().map(|footer| footer.meta.clone()))
    }

    /// The wanted bars, sorted by (symbol, frame) through all batches, each once: `symbol` as
    /// Dictionary(Int32, Utf8), `frame`, and the wanted columns in the types of the archive's
    /// present schema. A column that a file lacks is null; prices of another type and frames in
    /// another zone are converted. There is at least one batch; it may be empty.
    ///
    /// # Errors
    /// [`ArchiveError`] if a file is damaged or cannot be read.
    pub fn read(&self, wanted: &Wanted<'_>) -> Result<Vec<RecordBatch>> {
        let columns: Vec<usize> = [0, 1].into_iter().chain(wanted.columns.iter().copied()).collect();
        let schema: SchemaRef = self.schema.project(&columns).map_err(ArchiveError::Merge)?.into();
        let read = self.files.iter().map(|file| self.read_file(file, wanted, &schema)).collect::<Result<Vec<_>>>()?;
        let with_rows = read.iter().filter(|batches| !batches.is_empty()).count();
        let batches = read.concat();
        match with_rows {
            0 => Ok(vec![RecordBatch::new_empty(schema)]),
            1 => Ok(batches),
            // In the order of the files, so that the last revision counts.
            _ => Ok(vec![merge(&batches)?]),
        }
    }

    /// The wanted bars of a file; if they are many, by all processors, a batch for each row group.
    fn read_file(&self, file: &OpenFile, wanted: &Wanted<'_>, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
        let footer = file.footer(&self.footers)?;
        check(&file.path, &self.archive_schema, footer.metadata.schema())?;
        let damaged = |what: Corruption| ArchiveError::corrupt(&file.path, what);
        let corrupt = |error: ParquetError| damaged(error.into());
        let are_few = wanted.symbols.is_some_and(|symbols| symbols.len() <= FEW_SYMBOLS);
        let last = wanted.last.filter(|_| wanted.to_ms == i64::MAX);
        let for_few = are_few || last.is_some();
        let keys = match for_few {
            true => Some(footer.row_keys(&file.bytes).map_err(damaged)?),
            false => footer.known_row_keys(),
        };
        let rows_of_keys = keys.map(|keys| keys.rows_of(wanted, last));
        let are_exact = keys.and_then(RowKeys::frames).is_some();
        let selected = select(footer.metadata.metadata(), wanted, rows_of_keys.as_deref(), are_exact);
        if selected.is_empty() {
            return Ok(Vec::new());
        }
        let known = KnownColumns::new(&footer, keys, &selected, schema);
        let metadata = &footer.in_dictionary;
        let read = schema.fields().iter().filter(|field| !known.has(field.name()));
        let read: Vec<usize> = read.filter_map(|field| metadata.schema().index_of(field.name()).ok()).collect();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), read.iter().copied());
        let hint = Some(metadata.schema().fields());
        let levels = parquet_to_arrow_field_levels(metadata.parquet_schema(), mask, hint).map_err(corrupt)?;
        let rows = selected.iter().map(|group| group.rows.row_count()).sum();
        let read_group = |group: SelectedGroup| -> Result<RecordBatch> {
            let rows = group.rows.row_count();
            let known = known.of_rows(&group.ranges).map_err(ArchiveError::Merge)?;
            let pages = GroupPages {
                bytes: &file.bytes,
                footer: &footer,
                number: group.number,
                cache: &self.footers.pages,
                // Of a whole day, other pages are read next.
                keeps_pages: for_few,
            };
            let mut found = Vec::new();
            if read.is_empty() {
                found.push(conform(&known, schema).map_err(ArchiveError::Merge)?);
            } else {
                let selection = Some(group.rows);
                let batches =
                    ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, rows.max(1), selection)
                        .map_err(corrupt)?;
                let mut at = 0;
                for batch in batches {
                    let batch = batch.map_err(|error| corrupt(error.into()))?;
                    let known = known.slice(at, batch.num_rows());
                    at += batch.num_rows();
                    let batch = beside(&known, &batch).map_err(ArchiveError::Merge)?;
                    found.push(conform(&batch, schema).map_err(ArchiveError::Merge)?);
                }
                check_rows(rows as u64, at).map_err(damaged)?;
            }
            if !are_exact {
                let filtered = found.iter().map(|batch| filter(batch, wanted)).collect::<Result<_, _>>();
                found = filtered.map_err(ArchiveError::Merge)?;
            }
            match found.as_slice() {
                [one] => Ok(one.clone()),
                several => concat_batches(schema, several).map_err(ArchiveError::Merge),
            }
        };
        let batches = workers::map(selected, rows, read_group).into_iter().collect::<Result<Vec<_>>>()?;
        Ok(batches.into_iter().filter(|batch| batch.num_rows() > 0).collect())
    }
}

/// The columns of both batches, which have the same rows.
fn beside(left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let fields = left.schema_ref().fields().iter().chain(right.schema_ref().fields()).cloned().collect::<Vec<_>>();
    let columns = left.columns().iter().chain(right.columns()).cloned().collect();
    RecordBatch::try_new(Schema::new(fields).into(), columns)
}

/// The rows with a wanted symbol and frame.
fn filter(batch: &RecordBatch, wanted: &Wanted<'_>) -> Result<RecordBatch, ArrowError> {
    if wanted.symbols.is_none() && (wanted.from_ms, wanted.to_ms) == (i64::MIN, i64::MAX) {
        return Ok(batch.clone());
    }
    let symbols: &DictionaryArray<Int32Type> = batch.column(0).as_dictionary();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    let names = symbols.values().as_string::<i32>();
    let is_wanted: Option<Vec<bool>> = wanted.symbols.map(|wanted| {
        let is_wanted = |name: &str| wanted.binary_search_by(|symbol| symbol.as_str().cmp(name)).is_ok();
        names.iter().map(|name| name.is_some_and(is_wanted)).collect()
    });
    let keep = symbols.keys().values().iter().zip(frames).map(|(&key, &frame)| {
        let symbol = is_wanted.as_ref().is_none_or(|is_wanted| is_wanted[key as usize]);
        symbol && (wanted.from_ms..=wanted.to_ms).contains(&frame)
    });
    let keep: BooleanArray = keep.map(Some).collect();
    match keep.true_count() == batch.num_rows() {
        true => Ok(batch.clone()),
        false => filter_record_batch(batch, &keep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rows::DAY;
    use arrow::array::{ArrayRef, Float64Array, StringArray, TimestampMillisecondArray, UInt64Array};
    use barbus_bars::BarSchema;

    const SYMBOLS: usize = 120;
    const MINUTES: usize = 200;
    const ROWS: usize = SYMBOLS * MINUTES;
    const EVERYTHING: Wanted<'_> =
        Wanted { symbols: None, from_ms: i64::MIN, to_ms: i64::MAX, columns: &[2, 3, 6, 8], last: None };

    /// A day whose prices are in dictionaries that are compressed.
    fn write(archive: &Archive, revision: usize) {
        let names = StringArray::from_iter_values((0..ROWS).map(|row| format!("S{:03}", row / MINUTES)));
        let frames = (0..ROWS).map(|row| ((row % MINUTES) as i64 + 1) * 60_000);
        let frames = TimestampMillisecondArray::from_iter_values(frames).with_timezone("Asia/Shanghai");
        let mut columns: Vec<(&str, ArrayRef)> = vec![("symbol", Arc::new(names)), ("frame", Arc::new(frames))];
        let schema = BarSchema::zillionare();
        for (number, name) in schema.column_names().skip(2).enumerate() {
            let value = |row: usize| ((row * 7_919 + number + 31 * revision) % 4_000) as f64 / 8.0;
            columns.push((name, Arc::new((0..ROWS).map(value).collect::<Float64Array>())));
        }
        let seqs = (revision * ROWS) as u64..((revision + 1) * ROWS) as u64;
        columns.push(("seq", Arc::new(UInt64Array::from_iter_values(seqs.clone()))));
        archive.write(DAY, &RecordBatch::try_from_iter(columns).unwrap(), 1, seqs.end).unwrap();
    }

    fn read(scan: &DayScan, wanted: &Wanted<'_>) -> RecordBatch {
        let batches = scan.read(wanted).unwrap();
        concat_batches(&batches[0].schema(), &batches).unwrap()
    }

    /// The bars of a symbol, each as text.
    fn bars_of(batch: &RecordBatch, symbol: &str) -> Vec<String> {
        let names = batch.column(0).as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
        let rows = names.into_iter().enumerate().filter(|(_, name)| *name == Some(symbol));
        rows.map(|(row, _)| batch.columns()[1..].iter().map(|column| format!("{:?}", column.slice(row, 1))).collect())
            .collect()
    }

    #[test]
    fn pages_that_were_kept_give_the_same_bars_until_the_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open(dir.path().join("1m"), BarSchema::zillionare(), "XSHG").unwrap();
        let footers = Footers::default();
        let mut before: Option<DayScan> = None;
        for revision in 0..2 {
            write(&archive, revision);
            let whole = read(&archive.scan(DAY, &Footers::default()).unwrap(), &EVERYTHING);
            assert_eq!(whole.num_rows(), ROWS);
            let scan = archive.scan(DAY, &footers).unwrap();
            for symbol in ["S000", "S057", "S119", "S057", "none"] {
                let symbols = [symbol.to_owned()];
                let wanted = Wanted { symbols: Some(&symbols), ..EVERYTHING };
                let (found, all) = (read(&scan, &wanted), bars_of(&whole, symbol));
                assert_eq!(bars_of(&found, symbol), all);
                assert_eq!(found.num_rows(), if symbol == "none" { 0 } else { MINUTES });
                let last = read(&scan, &Wanted { last: Some(3), ..wanted });
                assert_eq!(bars_of(&last, symbol), all[all.len().saturating_sub(3)..]);
                // A file that was replaced is still open here.
                if let Some(before) = &before {
                    let old = bars_of(&read(before, &wanted), symbol);
                    assert!(old.len() == found.num_rows() && (old.is_empty() || old != all));
                }
            }
            before = Some(scan);
        }
    }

    #[test]
    fn a_page_that_was_kept_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open(dir.path().join("1m"), BarSchema::zillionare(), "XSHG").unwrap();
        write(&archive, 0);
        let footers = Footers::default();
        let scan = archive.scan(DAY, &footers).unwrap();
        let symbols = ["S057".to_owned()];
        let read_bytes = || {
            let before = footers.bytes_read();
            read(&scan, &Wanted { symbols: Some(&symbols), ..EVERYTHING });
            footers.bytes_read() - before
        };
        let (_, again) = (read_bytes(), read_bytes());
        // Of a whole day, pages are not kept.
        let other = Footers::default();
        read(&archive.scan(DAY, &other).unwrap(), &EVERYTHING);
        let before = other.bytes_read();
        read(&archive.scan(DAY, &other).unwrap(), &EVERYTHING);
        assert!(again * 4 < other.bytes_read() - before, "{again} bytes");
    }
}
