//! One column of one row group, encoded: pages and what the footer says of them; and read back.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::reader::{get_column_reader, get_typed_column_reader};
use parquet::column::writer::{ColumnCloseResult, get_column_writer, get_typed_column_writer};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, LevelHistogram, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use crate::hybrid;

/// Rows in a page.
pub(crate) const PAGE_ROWS: usize = 21_846;
/// Rows that are read back at a time: they stay in the nearest caches.
const PIECE_ROWS: usize = 4_096;
/// Compressed pages that are not smaller than this part of their contents are kept as they were.
const MAX_RATIO: f64 = 0.97;

/// Shorter pages are kept as they are: it takes longer to begin with zstd than it saves.
const MIN_BYTES: usize = 64;

pub(crate) type Result<T, E = ParquetError> = std::result::Result<T, E>;

/// How hard zstd tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Level 1.
    Fast,
    /// Level 3.
    Strong,
}

impl Effort {
    pub(crate) const fn level(self) -> i32 {
        match self {
            Effort::Fast => 1,
            Effort::Strong => 3,
        }
    }
}

/// What a thread compresses with, again and again.
#[derive(Default)]
pub(crate) struct Zstd {
    fast: Option<Compressor<'static>>,
    strong: Option<Compressor<'static>>,
    out: Vec<u8>,
    /// Where the pages of a chunk are put together: memory that is there already.
    pages: Vec<u8>,
}

impl Zstd {
    pub(crate) fn compress(&mut self, effort: Effort, bytes: &[u8]) -> Result<&[u8]> {
        let compressor = match effort {
            Effort::Fast => &mut self.fast,
            Effort::Strong => &mut self.strong,
        };
        let compressor = match compressor {
            Some(made) => made,
            none => none.insert(Compressor::new(effort.level())?),
        };
        self.out.clear();
        self.out.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, &mut self.out)?;
        Ok(&self.out)
    }
}

/// A column of a row group as it stands in the file.
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    pub(crate) close: ColumnCloseResult,
}

impl Chunk {
    /// `values`, without nulls, encoded by the library as `properties` say.
    pub(crate) fn by_library<T: DataType>(
        column: &ColumnDescPtr,
        properties: &WriterPropertiesPtr,
        values: &[T::T],
    ) -> Result<Self> {
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let mut writer = get_typed_column_writer::<T>(get_column_writer(column.clone(), properties.clone(), pages));
        for page in values.chunks(PIECE_ROWS) {
            writer.write_batch(page, None, None)?;
        }
        let close = writer.close()?;
        Ok(Self { bytes: sink.into_inner()?.into(), close })
    }

    /// To be read back by itself.
    pub(crate) fn found(&self) -> Found<'_> {
        Found { file: &self.bytes, metadata: &self.close.metadata }
    }
}

/// A chunk to be read back: from bytes in which it stands where its metadata says.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) file: &'a Bytes,
    pub(crate) metadata: &'a ColumnChunkMetaData,
}

impl Found<'_> {
    pub(crate) fn pages(&self, rows: usize) -> Result<SerializedPageReader<Bytes>> {
        SerializedPageReader::new(Arc::new(self.file.clone()), self.metadata, rows, None)
    }

    /// Reads all of it; true when `same` says so of each piece: its first row, for each row whether it has a value (nothing where every
    /// row must have one), and the values.
    pub(crate) fn reads_as<T: DataType>(
        &self,
        rows: usize,
        mut same: impl FnMut(usize, Option<&[i16]>, &[T::T]) -> bool,
    ) -> Result<bool> {
        let column = self.metadata.column_descr_ptr();
        let may_lack = column.max_def_level() > 0;
        let mut reader = get_typed_column_reader::<T>(get_column_reader(column, Box::new(self.pages(rows)?)));
        let (mut levels, mut values) = (Vec::with_capacity(PIECE_ROWS), Vec::with_capacity(PIECE_ROWS));
        let mut row = 0;
        loop {
            levels.clear();
            values.clear();
            let (found, ..) = reader.read_records(PIECE_ROWS, may_lack.then_some(&mut levels), None, &mut values)?;
            if found == 0 {
                return Ok(row == rows);
            }
            if row + found > rows || !same(row, may_lack.then_some(&levels), &values) {
                return Ok(false);
            }
            row += found;
        }
    }
}

/// The values of a page.
pub(crate) struct PageValues<'a> {
    pub(crate) encoding: Encoding,
    pub(crate) bytes: &'a [u8],
    pub(crate) effort: Effort,
    /// Smallest and largest; `None` where no value can be compared.
    pub(crate) bounds: Option<(Vec<u8>, Vec<u8>)>,
    /// Bytes of the texts themselves, where values are texts.
    pub(crate) text_bytes: Option<i64>,
}

/// A chunk that is being made.
pub(crate) struct ChunkWriter<'a> {
    column: ColumnDescPtr,
    zstd: &'a mut Zstd,
    sink: TrackedWrite<Vec<u8>>,
    index: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    encodings: Vec<PageEncodingStats>,
    dictionary: bool,
    data_offset: usize,
    uncompressed: usize,
    rows: usize,
    nulls: usize,
    text_bytes: Option<i64>,
    codec: Compression,
    /// Pages were smaller compressed so far.
    compresses: bool,
}

impl<'a> ChunkWriter<'a> {
    pub(crate) fn new(column: &ColumnDescPtr, zstd: &'a mut Zstd) -> Self {
        Self {
            index: ColumnIndexBuilder::new(column.physical_type()),
            column: column.clone(),
            sink: TrackedWrite::new(mem::take(&mut zstd.pages)),
            zstd,
            offsets: OffsetIndexBuilder::new(),
            encodings: Vec::new(),
            dictionary: false,
            data_offset: 0,
            uncompressed: 0,
            rows: 0,
            nulls: 0,
            text_bytes: None,
            codec: Compression::ZSTD(ZstdLevel::default()),
            compresses: true,
        }
    }

    /// Has every page stay as it is, the dictionary too: for so few bytes it takes a reader longer to begin with zstd than to read them.
    pub(crate) fn leave_uncompressed(&mut self) {
        (self.codec, self.compresses) = (Compression::UNCOMPRESSED, false);
    }

    /// Puts the dictionary in front: `count` values, compressed as all pages may be, which take `plain_bytes` as they are.
    pub(crate) fn dictionary(&mut self, buf: Bytes, plain_bytes: usize, count: usize) -> Result<()> {
        let page = Page::DictionaryPage { buf, num_values: count as u32, encoding: Encoding::PLAIN, is_sorted: false };
        self.dictionary = true;
        self.data_offset = self.write(CompressedPage::new(page, plain_bytes), PageType::DICTIONARY_PAGE)?.1;
        Ok(())
    }

    /// Adds a page of so many rows; `levels` says for each whether it has a value, where not all have one.
    pub(crate) fn page(&mut self, rows: usize, levels: Option<&[u32]>, values: PageValues<'_>) -> Result<()> {
        let mut buffer = Vec::new();
        let nulls = levels.map_or(0, |levels| levels.iter().filter(|&&level| level == 0).count());
        if self.column.max_def_level() > 0 {
            match levels {
                Some(levels) => hybrid::encode(levels, 1, &mut buffer),
                None => hybrid::repeat(1, rows, 1, &mut buffer),
            }
            let histogram = LevelHistogram::from(vec![nulls as i64, (rows - nulls) as i64]);
            self.index.append_histograms(&None, &Some(histogram));
        }
        let levels_bytes = buffer.len();
        let mut is_compressed = false;
        if self.compresses && values.bytes.len() >= MIN_BYTES {
            let compressed = self.zstd.compress(values.effort, values.bytes)?;
            is_compressed = (compressed.len() as f64) < MAX_RATIO * values.bytes.len() as f64;
            if is_compressed {
                buffer.extend_from_slice(compressed);
            }
            // What one page does not gain the next will not either.
            self.compresses = is_compressed || values.bytes.len() < PAGE_ROWS;
        }
        if !is_compressed {
            buffer.extend_from_slice(values.bytes);
        }
        let page = Page::DataPageV2 {
            buf: buffer.into(),
            num_values: rows as u32,
            encoding: values.encoding,
            num_nulls: nulls as u32,
            num_rows: rows as u32,
            def_levels_byte_len: levels_bytes as u32,
            rep_levels_byte_len: 0,
            is_compressed,
            statistics: None,
        };
        let uncompressed = levels_bytes + values.bytes.len();
        let (offset, end) = self.write(CompressedPage::new(page, uncompressed), PageType::DATA_PAGE_V2)?;
        self.offsets.append_offset_and_size(offset as i64, (end - offset) as i32);
        self.offsets.append_row_count(rows as i64);
        self.offsets.append_unencoded_byte_array_data_bytes(values.text_bytes);
        self.text_bytes = values.text_bytes.map(|bytes| bytes + self.text_bytes.unwrap_or_default());
        match values.bounds {
            Some((min, max)) => self.index.append(false, min, max, nulls as i64),
            None if nulls == rows => self.index.append(true, Vec::new(), Vec::new(), nulls as i64),
            // An index cannot tell of a page that has values and none to compare.
            None => self.index.to_invalid(),
        }
        self.rows += rows;
        self.nulls += nulls;
        Ok(())
    }

    fn write(&mut self, page: CompressedPage, page_type: PageType) -> Result<(usize, usize)> {
        let encoding = page.encoding();
        match self.encodings.last_mut() {
            Some(last) if (last.page_type, last.encoding) == (page_type, encoding) => last.count += 1,
            _ => self.encodings.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        let spec = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.uncompressed += spec.uncompressed_size;
        Ok((spec.offset as usize, self.sink.bytes_written()))
    }

    /// Nulls so far.
    pub(crate) fn nulls(&self) -> u64 {
        self.nulls as u64
    }

    /// The chunk; `order` is that of the pages' bounds.
    pub(crate) fn close(mut self, statistics: Statistics, order: BoundaryOrder) -> Result<Chunk> {
        let mut pages = self.sink.into_inner()?;
        let bytes = Bytes::copy_from_slice(&pages);
        pages.clear();
        self.zstd.pages = pages;
        // Levels are always runs or packed bits.
        let mut encodings: Vec<Encoding> = self.encodings.iter().map(|stats| stats.encoding).collect();
        encodings.push(Encoding::RLE);
        let nullable = self.column.max_def_level() > 0;
        let levels = nullable.then(|| LevelHistogram::from(vec![self.nulls as i64, (self.rows - self.nulls) as i64]));
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(self.codec)
            .set_encodings(encodings)
            .set_page_encoding_stats(self.encodings)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(self.data_offset as i64)
            .set_dictionary_page_offset(self.dictionary.then_some(0))
            .set_statistics(statistics)
            .set_unencoded_byte_array_data_bytes(self.text_bytes)
            .set_definition_level_histogram(levels)
            .build()?;
        self.index.set_boundary_order(order);
        let column_index = if self.index.valid() { Some(self.index.build()?) } else { None };
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index,
            offset_index: Some(self.offsets.build()),
        };
        Ok(Chunk { bytes, close })
    }
}
