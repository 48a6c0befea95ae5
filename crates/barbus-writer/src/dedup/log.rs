//! An append-only log whose pushes never move earlier items.

use std::{iter, mem};

/// Items of a chunk: 96 KiB of bars.
const CHUNK: usize = 4_096;
/// Bytes of a memory page. The first write to a page makes the kernel allocate it.
const PAGE: usize = 4_096;

/// Items in the order of their pushes, in chunks of [`CHUNK`].
///
/// A chunk's pages are touched when the chunk begins, so that only its first push waits for the
/// kernel to allocate memory.
#[derive(Debug)]
pub(crate) struct AppendLog<T> {
    full: Vec<Vec<T>>,
    newest: Vec<T>,
}

impl<T> Default for AppendLog<T> {
    fn default() -> Self {
        Self { full: Vec::new(), newest: Vec::new() }
    }
}

impl<T: Copy> AppendLog<T> {
    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.newest.len() == self.newest.capacity() {
            self.begin_chunk(item);
        }
        self.newest.push(item);
    }

    /// Allocates a chunk and writes `item` once to each of its pages.
    #[cold]
    fn begin_chunk(&mut self, item: T) {
        let mut chunk = Vec::with_capacity(CHUNK);
        let page = (PAGE / size_of::<T>().max(1)).max(1);
        for place in chunk.spare_capacity_mut().iter_mut().step_by(page) {
            place.write(item);
        }
        self.full.push(mem::replace(&mut self.newest, chunk));
    }

    /// Removes all items and keeps the memory of the newest chunk.
    pub(crate) fn clear(&mut self) {
        self.full.clear();
        self.newest.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks().map(Vec::len).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks().flatten()
    }

    fn chunks(&self) -> impl Iterator<Item = &Vec<T>> {
        self.full.iter().chain(iter::once(&self.newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_order_across_chunks() {
        for count in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let mut log = AppendLog::default();
            (0..count).for_each(|item| log.push(item));
            assert_eq!(log.len(), count);
            assert!(log.iter().copied().eq(0..count), "{count}");
            log.clear();
            assert_eq!((log.len(), log.iter().next()), (0, None));
            log.push(7);
            assert!(log.iter().eq(&[7]));
        }
    }
}
