//! Decompressed pages, kept for the next question.
//!
//! A dictionary serves a whole row group, and a page has the rows of many symbols. Where one symbol
//! is asked for after the other, each question would decompress the same pages again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use parquet::column::page::Page;

/// Bytes of all pages that are kept: 60 days of 1,000 symbols have about as many.
const MOST_BYTES: usize = 128 << 20;
/// A larger page would take the place of too many others.
const MOST_PAGE_BYTES: usize = 4 << 20;
/// Pages whose values repeat so much are not kept: they take much room, and little time to
/// decompress.
const REPETITIVE: usize = 16;
/// What a page takes besides its bytes.
const ENTRY_BYTES: usize = 256;

/// The number of a footer, and where in its file the page begins. A file that takes the place of
/// another has a footer with another number.
type Place = (u64, u64);

/// Pages of several files. If they are too many, one that was not asked for again gives way, any of
/// them: in questions for symbol after symbol, the oldest one is the next one that is needed.
#[derive(Debug, Default)]
pub(super) struct PageCache(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    kept: HashMap<Place, Kept>,
    places: Vec<Place>,
    bytes: usize,
    /// The state of a generator of random numbers.
    random: u64,
}

#[derive(Debug)]
struct Kept {
    page: Page,
    /// Whether it was asked for since it was kept or spared.
    is_used: bool,
}

impl PageCache {
    pub(super) fn find(&self, place: Place) -> Option<Page> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = pages.kept.get_mut(&place)?;
        kept.is_used = true;
        Some(kept.page.clone())
    }

    /// Keeps a page that had `compressed` bytes in its file.
    pub(super) fn keep(&self, place: Place, page: &Page, compressed: usize) {
        let bytes = page.buffer().len();
        if bytes > MOST_PAGE_BYTES || bytes / REPETITIVE > compressed {
            return;
        }
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have decompressed it at the same time.
        if !pages.kept.contains_key(&place) {
            pages.make_room(bytes + ENTRY_BYTES);
            pages.bytes += bytes + ENTRY_BYTES;
            pages.places.push(place);
            pages.kept.insert(place, Kept { page: page.clone(), is_used: false });
        }
    }
}

impl Pages {
    fn make_room(&mut self, bytes: usize) {
        while self.bytes + bytes > MOST_BYTES {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut at = (self.random >> 33) as usize % self.places.len();
            while let Some(kept) = self.kept.get_mut(&self.places[at]).filter(|kept| kept.is_used) {
                kept.is_used = false;
                at = (at + 1) % self.places.len();
            }
            let place = self.places.swap_remove(at);
            let gone = self.kept.remove(&place);
            self.bytes -= gone.map_or(0, |gone| gone.page.buffer().len() + ENTRY_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::Encoding;

    fn page(bytes: usize) -> Page {
        let buf = vec![0; bytes].into();
        Page::DictionaryPage { buf, num_values: 1, encoding: Encoding::PLAIN, is_sorted: false }
    }

    #[test]
    fn pages_are_kept_within_the_limit() {
        let cache = PageCache::default();
        let bytes = 1 << 20;
        for offset in 0..1_000 {
            cache.keep((1, offset), &page(bytes), bytes);
            cache.keep((1, offset), &page(bytes), bytes);
            let pages = cache.0.lock().unwrap();
            assert!(pages.bytes <= MOST_BYTES);
            assert_eq!(pages.bytes, pages.kept.len() * (bytes + ENTRY_BYTES));
            assert_eq!(pages.places.len(), pages.kept.len());
        }
        let found = (0..1_000).filter(|offset| cache.find((1, *offset)).is_some());
        assert_eq!(found.count(), MOST_BYTES / (bytes + ENTRY_BYTES));
        assert!(cache.find((2, 999)).is_none());
    }

    #[test]
    fn a_page_that_is_used_outlives_others() {
        let cache = PageCache::default();
        for offset in 0..1_000 {
            cache.keep((1, offset), &page(1 << 20), 1 << 20);
            assert!(cache.find((1, 0)).is_some(), "{offset}");
        }
    }

    #[test]
    fn pages_that_are_too_large_or_repeat_are_not_kept() {
        let cache = PageCache::default();
        cache.keep((1, 0), &page(MOST_PAGE_BYTES + 1), MOST_PAGE_BYTES);
        cache.keep((1, 1), &page(160_000), 800);
        assert!(cache.find((1, 0)).is_none() && cache.find((1, 1)).is_none());
        cache.keep((1, 2), &page(10_000), 5_000);
        assert_eq!(cache.find((1, 2)).unwrap().buffer().len(), 10_000);
    }
}
