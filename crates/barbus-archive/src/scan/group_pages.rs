//! The pages of one row group, decompressed by a decoder that its thread keeps, or decompressed for
//! an earlier question.
//!
//! The library makes a compressor and a decompressor for each column of each row group that it
//! reads. Where a few pages of many files are wanted, making them takes longer than using them. So
//! the library is told that the pages are not compressed, and here they are decompressed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Cursor;
use std::iter;
use std::sync::{Arc, OnceLock};

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

use super::file_bytes::FileBytes;
use super::footers::Footer;
use super::page_cache::PageCache;

/// Most bytes of a page: more than any page that barbus writes has.
const MAX_PAGE_BYTES: u64 = 1 << 30;

thread_local! {
    static DECODER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The column chunks of a file as if nothing in them were compressed, by row group and column. They
/// are made when the first one is read.
#[derive(Debug, Default)]
pub(super) struct RawChunks(OnceLock<Vec<Vec<ColumnChunkMetaData>>>);

impl RawChunks {
    fn of(&self, file: &ParquetMetaData) -> Result<&[Vec<ColumnChunkMetaData>]> {
        if let Some(known) = self.0.get() {
            return Ok(known);
        }
        let raw = |chunk: &ColumnChunkMetaData| {
            chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()
        };
        let groups = file.row_groups().iter().map(|group| group.columns().iter().map(raw).collect());
        let groups = groups.collect::<Result<_>>()?;
        Ok(self.0.get_or_init(|| groups))
    }
}

/// One row group of a file.
pub(super) struct GroupPages<'a> {
    pub(super) bytes: &'a Arc<FileBytes>,
    pub(super) footer: &'a Footer,
    pub(super) number: usize,
    pub(super) cache: &'a Arc<PageCache>,
    /// Whether pages are kept for later questions.
    pub(super) keeps_pages: bool,
}

impl GroupPages<'_> {
    fn file(&self) -> &ParquetMetaData {
        self.footer.metadata.metadata()
    }

    fn group(&self) -> &RowGroupMetaData {
        self.file().row_group(self.number)
    }
}

impl RowGroups for GroupPages<'_> {
    fn num_rows(&self) -> usize {
        self.group().num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let index = self.file().offset_index().and_then(|index| index.get(self.number)?.get(column));
        let locations = index.map(|index| index.page_locations().clone());
        let pages =
            |chunk, locations| SerializedPageReader::new(Arc::clone(self.bytes), chunk, self.num_rows(), locations);
        let chunk = self.group().column(column);
        if !matches!(chunk.compression(), Compression::ZSTD(_)) {
            return Ok(Box::new(Column(Some(Box::new(pages(chunk, locations)?)))));
        }
        let mut offsets: VecDeque<u64> = locations.iter().flatten().map(|page| page.offset as u64).collect();
        let start = chunk.byte_range().0;
        // The dictionary is before the first page that the index has.
        if offsets.front().is_some_and(|first| *first != start) {
            offsets.push_front(start);
        }
        let chunk = &self.footer.raw_chunks.of(self.file())?[self.number][column];
        Ok(Box::new(Column(Some(Box::new(ZstdPages {
            compressed: pages(chunk, locations)?,
            offsets,
            footer: self.footer.number,
            cache: Arc::clone(self.cache),
            keeps_pages: self.keeps_pages,
        })))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.file()
    }
}

/// The pages of a column; `None` once they were taken.
struct Column(Option<Box<dyn PageReader>>);

impl Iterator for Column {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for Column {}

/// The pages of a column that is compressed by zstd.
struct ZstdPages {
    compressed: SerializedPageReader<FileBytes>,
    /// Where the next pages begin; none if the file does not tell.
    offsets: VecDeque<u64>,
    /// The number of the file's footer.
    footer: u64,
    cache: Arc<PageCache>,
    keeps_pages: bool,
}

impl Iterator for ZstdPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for ZstdPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let place = self.offsets.pop_front().map(|offset| (self.footer, offset));
        if let Some(page) = place.and_then(|place| self.cache.find(place)) {
            self.compressed.skip_next_page()?;
            return Ok(Some(page));
        }
        let Some(mut page) = self.compressed.get_next_page()? else { return Ok(None) };
        let compressed_bytes = page.buffer().len();
        match &mut page {
            Page::DictionaryPage { buf, .. } | Page::DataPage { buf, .. } => *buf = decompressed(buf, 0)?.into(),
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, .. } => {
                // The levels are never compressed.
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                *buf = decompressed(buf, levels)?.into();
            }
            // Its bytes are as they are in the file.
            Page::DataPageV2 { .. } => return Ok(Some(page)),
        }
        if let Some(place) = place.filter(|_| self.keeps_pages) {
            self.cache.keep(place, &page, compressed_bytes);
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.compressed.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.offsets.pop_front();
        self.compressed.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.compressed.at_record_boundary()
    }
}

/// The bytes of a page, of which those from `levels` on are compressed.
fn decompressed(page: &[u8], levels: usize) -> Result<Vec<u8>> {
    let damaged = |what: &str| ParquetError::General(format!("a page is damaged: {what}"));
    let Some((levels, compressed)) = page.split_at_checked(levels) else {
        return Err(damaged("it is shorter than its levels"));
    };
    // A page without values has nothing to decompress.
    if compressed.is_empty() {
        return Ok(levels.to_vec());
    }
    let length = get_frame_content_size(compressed).ok().flatten().filter(|length| *length <= MAX_PAGE_BYTES);
    let length = length.ok_or_else(|| damaged("it does not state a possible length"))? as usize;
    let mut bytes = Vec::with_capacity(levels.len() + length);
    bytes.extend_from_slice(levels);
    DECODER.with_borrow_mut(|decoder| -> std::io::Result<()> {
        let decoder = match decoder {
            Some(decoder) => decoder,
            none => none.insert(Decompressor::new()?),
        };
        let mut rest = Cursor::new(&mut bytes);
        rest.set_position(levels.len() as u64);
        decoder.decompress_to_buffer(compressed, &mut rest).map(drop)
    })?;
    match bytes.len() == levels.len() + length {
        true => Ok(bytes),
        false => Err(damaged("its length is not the one that it states")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A damaged page is an error, and takes no more memory than it has bytes.
    #[test]
    fn pages_are_decompressed_behind_their_levels_or_refused() {
        let values = b"values of a page".repeat(9);
        let page = [b"levels".as_slice(), &zstd::bulk::compress(&values, 1).unwrap()].concat();
        assert_eq!(decompressed(&page, 6).unwrap(), [b"levels".as_slice(), &values].concat());
        assert_eq!(decompressed(&page[..6], 6).unwrap(), b"levels");
        for damaged in [&page[..5], &page[..20], &page[..page.len() - 1], b"levels and no frame"] {
            decompressed(damaged, 6).unwrap_err();
        }
        // A frame that states four gigabytes.
        let mut long = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
        long.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(decompressed(&long, 0).unwrap_err().to_string().contains("possible length"));
    }
}
