//! One day (or part of one) into the bytes of a Parquet file.
//!
//! Rows are sorted by (symbol, frame), in row groups of an eighth of the day so that one symbol is found quickly: frame as
//! DELTA_BINARY_PACKED, symbol as runs of a dictionary, 64-bit floats as their values call for ([`numbers`](crate::numbers)), all with zstd where it makes
//! them smaller. Each chunk is read back as soon as it is encoded, while its rows are in the caches; those of the last row group are, from the
//! whole file, while the disk takes them in.

use std::ops::Range;
use std::path::Path;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;

use crate::checksum::ColumnDigest;
use crate::chunk::{Chunk, Effort, Found, PAGE_ROWS};
use crate::column::{Column, Tools};
use crate::day_file::{compare_schemas, open};
use crate::numbers::Plans;
use crate::rows::Rows;
use crate::seal::{SEAL_BYTES, SEAL_OFFSET, Sealer};
use crate::{Corruption, DayMeta, Error, Result, checksum, seal, workers};

/// The second of all.
const FRAME_COLUMN: usize = 1;
/// Open to close: numbers of one kind, for which one of them is looked at.
const PRICES: Range<usize> = 2..6;
/// A row group has such a part of the day: no reader of one symbol reads more.
const ROW_GROUPS: usize = 8;
/// But at least so many rows, and at most.
const MIN_GROUP_ROWS: usize = 65_536;
const MAX_GROUP_ROWS: usize = 262_144;
/// About what a row takes in a file; what is too much is not touched.
const ROW_BYTES: usize = 32;
/// Rows by which a column's plan is made.
const SAMPLE_ROWS: usize = 4_096;
/// Of a short day, such a part is enough.
const SAMPLE_PART: usize = 16;

/// A file in memory, and what is known of it.
pub(crate) struct Encoded {
    pub(crate) file: Bytes,
    /// What stands in it in the seal's place.
    pub(crate) seal: [u8; SEAL_BYTES],
    /// The checksum of its values.
    crc32c: u32,
    /// By row group and column.
    proofs: Vec<Vec<Proof>>,
}

/// What was found when a chunk was read back.
struct Proof {
    /// What the footer must say of it, but for where it stands.
    metadata: ColumnChunkMetaData,
    /// The checksum of its bytes.
    crc32c: u32,
    /// Whether it has the rows that were meant; nothing where it is yet to be read.
    same: Option<Result<bool, ParquetError>>,
}

/// The bytes of a file that holds `rows`, sorted, with `meta`; for messages it is called `path`. `put` is handed them piece by piece, while
/// others are encoded, with a blank seal. Each chunk but the last ones is decoded and compared with its rows: what that found,
/// [`Encoded::prove`] tells, and does the same for the last ones.
///
/// Columns are encoded on all processors; the bytes are the same on any number of them.
pub(crate) fn encode(
    path: &Path,
    rows: &impl Rows,
    meta: &DayMeta,
    put: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Encoded> {
    encode_saying(path, rows, meta, |crc32c| crc32c, put)
}

pub(crate) fn encode_saying(
    path: &Path,
    rows: &impl Rows,
    meta: &DayMeta,
    say: impl FnOnce(u32) -> u32,
    mut put: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Encoded> {
    let refused = |error: ParquetError| Error::Encode { path: path.to_owned(), error };
    let schema = rows.columns();
    let columns = schema.fields().len();
    let mut writer = new_file(schema, rows.count()).map_err(refused)?;
    let descriptor = writer.schema_descr().clone();
    let encoder = Encoder {
        rows,
        plans: schema.fields().iter().map(|_| Plans::default()).collect(),
        columns: descriptor.columns(),
        properties: &writer.properties().clone(),
        group_rows: group_rows(rows.count()),
    };
    let groups = rows.count().div_ceil(encoder.group_rows);
    let (mut digests, mut proofs) = (Vec::with_capacity(groups), Vec::with_capacity(groups));
    let mut of_group = Vec::with_capacity(columns);
    let (mut written, mut sealer) = (0, Sealer::default());
    // Summed up while it is in the caches, and others are encoded.
    let mut hand_over = |bytes: &[u8]| {
        sealer.take(bytes);
        put(bytes)
    };
    // The dearest columns are not among the first: a short day would end with one processor alone.
    let task = |tools: &mut Tools, i| encoder.chunk(i / columns, columns - 1 - i % columns, tools);
    let threads = workers::threads(rows.count(), workers::WORTH);
    workers::in_turn(groups * columns, threads, Tools::default, task, |checked| {
        of_group.push(checked.map_err(refused)?);
        if of_group.len() == columns {
            let (of_digests, of_proofs) = append(&mut writer, of_group.drain(..).rev()).map_err(refused)?;
            digests.push(of_digests);
            proofs.push(of_proofs);
            hand_over(&writer.inner()[written..])?;
            written = writer.inner().len();
        }
        Ok::<_, Error>(())
    })?;
    let crc32c = say(checksum::join(schema, digests));
    meta.to_key_values(crc32c).into_iter().for_each(|pair| writer.append_key_value_metadata(pair));
    let mut file = writer.into_inner().map_err(refused)?;
    hand_over(&file[written..])?;
    let seal = sealer.seal();
    file[SEAL_OFFSET..][..SEAL_BYTES].copy_from_slice(&seal);
    Ok(Encoded { file: file.into(), seal, crc32c, proofs })
}

fn new_file(schema: &SchemaRef, rows: usize) -> Result<SerializedFileWriter<Vec<u8>>, ParquetError> {
    let mut writer = ArrowWriter::try_new(Vec::with_capacity(rows * ROW_BYTES), schema.clone(), Some(properties()?))?;
    writer.write_all(&seal::blank())?;
    Ok(writer.into_serialized_writer()?.0)
}

/// Rows in a row group of so many rows.
fn group_rows(rows: usize) -> usize {
    let most = rows.div_ceil(ROW_GROUPS).clamp(MIN_GROUP_ROWS, MAX_GROUP_ROWS);
    let groups = rows.div_ceil(most).max(1);
    rows.div_ceil(groups).max(1)
}

/// Appends a row group of these chunks.
fn append(
    writer: &mut SerializedFileWriter<Vec<u8>>,
    chunks: impl Iterator<Item = Checked>,
) -> Result<(Vec<ColumnDigest>, Vec<Proof>), ParquetError> {
    let mut group = writer.next_row_group()?;
    let (mut digests, mut proofs) = (Vec::new(), Vec::new());
    for Checked { chunk, digest, crc32c, same } in chunks {
        digests.push(digest);
        proofs.push(Proof { metadata: chunk.close.metadata.clone(), crc32c, same });
        group.append_column(&chunk.bytes, chunk.close)?;
    }
    group.close()?;
    Ok((digests, proofs))
}

/// A column of a row group, perhaps read back.
struct Checked {
    chunk: Chunk,
    /// Its part in the checksum of the values.
    digest: ColumnDigest,
    /// The checksum of its bytes.
    crc32c: u32,
    /// Whether it has its rows, when that is known.
    same: Option<Result<bool, ParquetError>>,
}

/// What chunks are made of.
struct Encoder<'a, R> {
    rows: &'a R,
    /// By the first column of a kind.
    plans: Vec<Plans>,
    columns: &'a [ColumnDescPtr],
    properties: &'a WriterPropertiesPtr,
    group_rows: usize,
}

impl<'a, R: Rows> Encoder<'a, R> {
    fn chunk(&self, group: usize, i: usize, tools: &mut Tools) -> Result<Checked, ParquetError> {
        let range = range(self.rows, self.group_rows, group);
        let column = column(self.rows, i, range.clone());
        let of_kind = if PRICES.contains(&i) { PRICES.start } else { i };
        let sample = || {
            let rows = SAMPLE_ROWS.min(self.rows.count().div_ceil(SAMPLE_PART));
            let middle = (self.rows.count() - rows) / 2;
            self.rows.column(of_kind, middle..middle + rows)
        };
        let chunk = column.encode(&self.columns[i], &self.plans[of_kind], &sample, self.properties, tools)?;
        let is_last = range.end == self.rows.count();
        let same = (!is_last).then(|| is_in(self.rows, &column, i, range, chunk.found()));
        let digest = column.digest(self.rows.columns().field(i).is_nullable());
        Ok(Checked { digest, crc32c: crc32c::crc32c(&chunk.bytes), chunk, same })
    }
}

/// The rows of a row group where each has so many.
fn range(rows: &impl Rows, group_rows: usize, group: usize) -> Range<usize> {
    group * group_rows..rows.count().min((group + 1) * group_rows)
}

fn column<R: Rows>(rows: &R, i: usize, range: Range<usize>) -> Column<'_> {
    if i == 0 { Column::Symbols(rows.symbols(range)) } else { Column::Values(rows.column(i, range)) }
}

/// Whether `chunk`, decoded, is `column`, which is that many of these rows; and whether these are in order, where it has the frames.
fn is_in(
    rows: &impl Rows,
    column: &Column<'_>,
    i: usize,
    range: Range<usize>,
    chunk: Found<'_>,
) -> Result<bool, ParquetError> {
    Ok(column.is_in(chunk)? && (i != FRAME_COLUMN || rows.ascend(range)))
}

impl Encoded {
    /// Checks that the file has the chunks that were decoded, where its footer says, that these have `rows`, to the bit and in order, and that
    /// it says of itself what was meant.
    pub(crate) fn prove(&self, path: &Path, rows: &impl Rows, meta: &DayMeta) -> Result<()> {
        let corrupt = |what: Corruption| Error::corrupt(path, what);
        let (footer, read_meta, read_crc32c) = open(path, meta.day, &self.file)?;
        compare_schemas(path, rows.columns(), footer.schema())?;
        let groups = footer.metadata().row_groups();
        let mut same = groups.len() == self.proofs.len();
        same &= groups.iter().map(RowGroupMetaData::num_rows).sum::<i64>() == rows.count() as i64;
        let mut chunks = Vec::new();
        for (n, (group, proofs)) in groups.iter().zip(&self.proofs).enumerate() {
            same &= group.num_columns() == proofs.len();
            same &= group.num_rows() == range(rows, group_rows(rows.count()), n).len() as i64;
            for (i, (found, proof)) in group.columns().iter().zip(proofs).enumerate() {
                same &= proof.describes(found, group.num_rows());
                chunks.push((n, i, found, proof));
            }
        }
        // What the footer speaks of other rows than these need not be read.
        if same {
            // The last ones first: they are yet to be decoded, and take longest.
            let threads = workers::threads(rows.count(), workers::WORTH);
            let read = workers::in_order(chunks.len(), threads, |at| {
                let (n, i, metadata, proof) = chunks[chunks.len() - 1 - at];
                if !proof.has_the_bytes_of(metadata, &self.file) {
                    return Ok(false);
                }
                if let Some(known) = &proof.same {
                    return known.as_ref().copied().map_err(copy);
                }
                let range = range(rows, group_rows(rows.count()), n);
                let column = column(rows, i, range.clone());
                is_in(rows, &column, i, range, Found { file: &self.file, metadata })
            });
            for found in read {
                same &= found.map_err(|error| corrupt(error.into()))?;
            }
        }
        let said = read_meta == *meta && read_crc32c == self.crc32c && meta.rows == rows.count() as u64;
        if same && said { Ok(()) } else { Err(corrupt(Corruption::ReadBack)) }
    }
}

/// Errors of the library cannot be copied.
fn copy(error: &ParquetError) -> ParquetError {
    ParquetError::General(error.to_string())
}

impl Proof {
    /// Whether `found`, a chunk of a row group with so many rows, is described as the one that was decoded.
    fn describes(&self, found: &ColumnChunkMetaData, rows: i64) -> bool {
        let shape = |chunk: &ColumnChunkMetaData| {
            let start = chunk.byte_range().0 as i64;
            let dictionary = chunk.dictionary_page_offset().map(|offset| offset - start);
            (chunk.compressed_size(), chunk.num_values(), chunk.data_page_offset() - start, dictionary)
        };
        shape(found) == shape(&self.metadata)
            && found.num_values() == rows
            && found.column_descr() == self.metadata.column_descr()
            && found.compression_codec() == self.metadata.compression_codec()
    }

    /// Whether `file` has its bytes where `found` says.
    fn has_the_bytes_of(&self, found: &ColumnChunkMetaData, file: &Bytes) -> bool {
        let (start, length) = found.byte_range();
        let bytes = file.get(start as usize..(start + length) as usize);
        bytes.is_some_and(|bytes| crc32c::crc32c(bytes) == self.crc32c)
    }
}

/// How the library writes the columns that it encodes, and what the footer says of all.
fn properties() -> Result<WriterProperties, ParquetError> {
    let level = ZstdLevel::try_new(Effort::Fast.level())?;
    let builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![ascending(0), ascending(1)]));
    Ok(builder.build())
}

fn ascending(column_idx: i32) -> SortingColumn {
    SortingColumn { column_idx, descending: false, nulls_first: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day_file::tests::{DAY, long, meta, rows};
    use arrow::array::RecordBatch;
    use arrow::compute::concat_batches;
    use parquet::basic::Encoding;
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};

    const ROWS: usize = MIN_GROUP_ROWS + 4;

    fn meta_of(rows: &RecordBatch) -> DayMeta {
        DayMeta { rows: rows.num_rows() as u64, ..meta() }
    }

    fn encoded(rows: &RecordBatch) -> Encoded {
        encode(Path::new("day"), rows, &meta_of(rows), |_| Ok(())).unwrap()
    }

    fn proved(encoded: &Encoded, rows: &RecordBatch, meta: &DayMeta) -> Result<(), String> {
        encoded.prove(Path::new("day"), rows, meta).map_err(|error| error.to_string())
    }

    fn differs() -> Result<(), String> {
        Err("day: read back differently from what was written".to_owned())
    }

    fn encoder<'a>(
        rows: &'a RecordBatch,
        columns: &'a [ColumnDescPtr],
        properties: &'a WriterPropertiesPtr,
    ) -> Encoder<'a, RecordBatch> {
        let plans = columns.iter().map(|_| Plans::default()).collect();
        Encoder { rows, plans, columns, properties, group_rows: group_rows(rows.num_rows()) }
    }

    /// Guards the read-back of every write: whatever differs is found, in whichever row group.
    #[test]
    fn a_chunk_of_other_rows_than_meant_does_not_pass_for_theirs() {
        let meant = long(ROWS, None, "A");
        let file = new_file(&meant.schema(), ROWS).unwrap();
        let (columns, properties) = (file.schema_descr().columns(), file.properties());
        let ours = encoder(&meant, columns, properties);
        let mut tools = Tools::default();
        let mut same = |rows: &RecordBatch, group: usize, i: usize| {
            let chunk = encoder(rows, columns, properties).chunk(group, i, &mut tools).unwrap().chunk;
            let range = range(&meant, ours.group_rows, group);
            is_in(&meant, &column(&meant, i, range.clone()), i, range, chunk.found()).unwrap()
        };
        let all = |group: usize, same: &mut dyn FnMut(usize, usize) -> bool| (0..columns.len()).all(|i| same(group, i));
        for group in [0, 1] {
            assert!(all(group, &mut |group, i| same(&meant, group, i)));
        }
        for row in [0, ROWS / 2 - 1, ROWS / 2, ROWS - 1] {
            let other = long(ROWS, Some(row), "A");
            assert!(!same(&other, row * 2 / ROWS, 3), "row {row}");
            assert!(same(&other, 1 - row * 2 / ROWS, 3), "row {row}");
        }
        assert!(!same(&long(ROWS, None, "B"), 1, 0));
        for shorter in [meant.slice(0, ROWS - 2), meant.slice(2, ROWS - 2)] {
            assert!((0..columns.len()).all(|i| !same(&shorter, 1, i)));
        }
    }

    #[test]
    fn a_file_of_other_chunks_than_were_read_back_is_not_proved() {
        let meant = long(ROWS, None, "A");
        let mut ours = encoded(&meant);
        let meta = meta_of(&meant);
        assert_eq!(proved(&ours, &meant, &meta), Ok(()));
        assert_eq!(proved(&ours, &meant, &DayMeta { lineage: 2, ..meta.clone() }), differs());
        assert_eq!(proved(&ours, &meant.slice(0, ROWS - 1), &meta), differs());
        ours.crc32c ^= 1;
        assert_eq!(proved(&ours, &meant, &meta), differs());
        ours.crc32c ^= 1;
        for row in [0, ROWS / 2 - 1, ROWS / 2, ROWS - 1] {
            let theirs = encoded(&long(ROWS, Some(row), "A"));
            let mixed = Encoded { crc32c: theirs.crc32c, proofs: encoded(&meant).proofs, ..theirs };
            assert_eq!(proved(&mixed, &meant, &meta), differs(), "row {row}");
        }
        ours.proofs[0][4].same = Some(Ok(false));
        assert_eq!(proved(&ours, &meant, &meta), differs());
        ours.proofs[0][4].same = Some(Ok(true));
        assert_eq!(proved(&ours, &meant, &meta), Ok(()));
    }

    /// The last row group is read when the file is proved: a file that is consistent in itself and has other rows there is found.
    #[test]
    fn other_rows_in_the_last_row_group_are_not_proved() {
        let meant = long(ROWS, None, "A");
        for row in [ROWS / 2, ROWS - 1] {
            let theirs = encoded(&long(ROWS, Some(row), "A"));
            assert!(theirs.proofs[0].iter().all(|proof| matches!(proof.same, Some(Ok(true)))), "row {row}");
            assert!(theirs.proofs[1].iter().all(|proof| proof.same.is_none()), "row {row}");
            assert_eq!(proved(&theirs, &meant, &meta_of(&meant)), differs(), "row {row}");
        }
    }

    /// The second row group begins with the first's last row again.
    #[test]
    fn rows_that_do_not_ascend_are_not_proved() {
        let meant = long(ROWS, None, "A");
        let again = concat_batches(&meant.schema(), &[meant.slice(0, ROWS / 2), meant.slice(ROWS / 2 - 1, ROWS / 2)]);
        let again = again.unwrap();
        assert_eq!(proved(&encoded(&again), &again, &meta_of(&again)), differs());
    }

    #[test]
    fn pieces_put_one_after_another_are_the_file_but_for_its_seal() {
        let rows = long(ROWS, None, "A");
        let mut put = Vec::new();
        let encoded = encode(Path::new("day"), &rows, &meta_of(&rows), |bytes| {
            put.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
        assert_eq!(put[seal::SEAL_OFFSET..][..SEAL_BYTES], seal::blank());
        put[seal::SEAL_OFFSET..][..SEAL_BYTES].copy_from_slice(&encoded.seal);
        assert!(put == encoded.file);
        let refused = encode(Path::new("day"), &rows, &meta_of(&rows), |_| Err(crate::Misuse::ReadOnly.into()));
        assert!(matches!(refused, Err(Error::Misuse(crate::Misuse::ReadOnly))));
    }

    #[test]
    fn row_groups_are_even_parts_of_the_day() {
        for (rows, groups) in [(1_usize, 1), (65_536, 1), (65_537, 2), (1_200_000, 8), (10_000_000, 39)] {
            assert_eq!(rows.div_ceil(group_rows(rows)), groups, "{rows}");
        }
    }

    #[test]
    fn columns_are_indexed_and_say_how_they_are_sorted() {
        let file = encoded(&rows(["A", "B"])).file;
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        let footer = reader.parse_and_finish(&file).unwrap();
        let group = footer.row_group(0);
        assert!(group.column(FRAME_COLUMN).encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED));
        assert!(group.column(0).encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY));
        let index = footer.column_index().unwrap();
        assert_eq!((index[0].len(), footer.offset_index().unwrap()[0].len()), (10, 10));
        assert!(group.columns().iter().all(|column| column.statistics().is_some()));
        assert_eq!(group.sorting_columns().unwrap().len(), 2);
        assert_eq!(DAY, meta().day);
    }
}
