//! A column chunk: its pages, and what the footer states about them.

use arrow::buffer::NullBuffer;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, LevelHistogram, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::hybrid;

const ZSTD_LEVEL: i32 = 1;

/// An encoded column of a row group.
pub(crate) struct Chunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl Chunk {
    pub(crate) fn append_to_row_group<W: std::io::Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        group.append_column(&self.bytes, self.close)
    }
}

/// One data page.
pub(super) struct PageValues<'a> {
    pub(super) rows: usize,
    /// For each row whether it has a value; `None` when all have one.
    pub(super) levels: Option<&'a NullBuffer>,
    /// The indices of the values, encoded.
    pub(super) indices: &'a [u8],
    /// The smallest and the largest value; `None` when no value can be compared.
    pub(super) bounds: Option<(f64, f64)>,
}

/// A chunk that is being written.
pub(super) struct ChunkWriter {
    column: ColumnDescPtr,
    zstd: Compressor<'static>,
    sink: TrackedWrite<Vec<u8>>,
    index: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    data_offset: usize,
    uncompressed: usize,
    pages: i32,
    rows: usize,
    nulls: usize,
}

impl ChunkWriter {
    pub(super) fn new(column: &ColumnDescPtr) -> Result<Self, ParquetError> {
        Ok(Self {
            column: column.clone(),
            zstd: Compressor::new(ZSTD_LEVEL)?,
            sink: TrackedWrite::new(Vec::new()),
            index: ColumnIndexBuilder::new(column.physical_type()),
            offsets: OffsetIndexBuilder::new(),
            data_offset: 0,
            uncompressed: 0,
            pages: 0,
            rows: 0,
            nulls: 0,
        })
    }

    /// Writes the dictionary page, which is the first: `count` values in plain encoding.
    pub(super) fn dictionary(&mut self, plain: &[u8], count: usize) -> Result<(), ParquetError> {
        let buf = self.zstd.compress(plain)?.into();
        let page = Page::DictionaryPage { buf, num_values: count as u32, encoding: Encoding::PLAIN, is_sorted: false };
        self.write(CompressedPage::new(page, plain.len()))?;
        self.data_offset = self.sink.bytes_written();
        Ok(())
    }

    pub(super) fn page(&mut self, page: PageValues<'_>) -> Result<(), ParquetError> {
        let PageValues { rows, levels, indices, bounds } = page;
        let nulls = levels.map_or(0, NullBuffer::null_count);
        let mut buffer = Vec::new();
        if self.is_nullable() {
            match levels {
                Some(levels) => hybrid::encode(&levels.iter().map(u32::from).collect::<Vec<_>>(), 1, &mut buffer),
                None => hybrid::repeat(1, rows, 1, &mut buffer),
            }
            self.index.append_histograms(&None, &Some(level_histogram(rows, nulls)));
        }
        let level_bytes = buffer.len();
        let compressed = self.zstd.compress(indices)?;
        let is_compressed = compressed.len() < indices.len();
        buffer.extend_from_slice(if is_compressed { &compressed } else { indices });
        let page = Page::DataPageV2 {
            buf: buffer.into(),
            num_values: rows as u32,
            encoding: Encoding::RLE_DICTIONARY,
            num_nulls: nulls as u32,
            num_rows: rows as u32,
            def_levels_byte_len: level_bytes as u32,
            rep_levels_byte_len: 0,
            is_compressed,
            statistics: None,
        };
        let offset = self.write(CompressedPage::new(page, level_bytes + indices.len()))?;
        self.offsets.append_offset_and_size(offset as i64, (self.sink.bytes_written() - offset) as i32);
        self.offsets.append_row_count(rows as i64);
        self.offsets.append_unencoded_byte_array_data_bytes(None);
        match bounds.map(|(min, max)| [min, max].map(|bound| bound.to_le_bytes().to_vec())) {
            Some([min, max]) => self.index.append(false, min, max, nulls as i64),
            None if nulls == rows => self.index.append(true, Vec::new(), Vec::new(), nulls as i64),
            // The index cannot describe a page whose values are all NaN.
            None => self.index.to_invalid(),
        }
        self.pages += 1;
        self.rows += rows;
        self.nulls += nulls;
        Ok(())
    }

    /// Writes a page; returns its offset in the chunk.
    fn write(&mut self, page: CompressedPage) -> Result<usize, ParquetError> {
        let written = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.uncompressed += written.uncompressed_size;
        Ok(written.offset as usize)
    }

    fn is_nullable(&self) -> bool {
        self.column.max_def_level() > 0
    }

    /// The whole chunk; `order` is the order of the pages' bounds.
    pub(super) fn close(mut self, statistics: Statistics, order: BoundaryOrder) -> Result<Chunk, ParquetError> {
        let levels = self.is_nullable().then(|| level_histogram(self.rows, self.nulls));
        let bytes: Bytes = self.sink.into_inner()?.into();
        let pages = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            // Levels are always in the hybrid encoding, which is named RLE here.
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(vec![
                pages(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                pages(PageType::DATA_PAGE_V2, Encoding::RLE_DICTIONARY, self.pages),
            ])
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(self.data_offset as i64)
            .set_dictionary_page_offset(Some(0))
            .set_statistics(statistics)
            .set_definition_level_histogram(levels)
            .build()?;
        self.index.set_boundary_order(order);
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: if self.index.valid() { Some(self.index.build()?) } else { None },
            offset_index: Some(self.offsets.build()),
        };
        Ok(Chunk { bytes, close })
    }
}

/// How many rows lack a value, and how many have one.
fn level_histogram(rows: usize, nulls: usize) -> LevelHistogram {
    LevelHistogram::from(vec![nulls as i64, (rows - nulls) as i64])
}
