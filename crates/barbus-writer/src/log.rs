use std::{iter, mem};

/// Items of a chunk: 96 KiB of bars.
const CHUNK: usize = 4_096;
/// Bytes of memory that come together, as soon as one of them is touched.
const PAGE: usize = 4_096;

/// Items in the order in which they were pushed.
///
/// In chunks, whose memory is touched when they are begun: no push moves what is there already, and none but the first of a chunk waits for
/// the system to hand out a page.
#[derive(Debug)]
pub(crate) struct Log<T> {
    full: Vec<Vec<T>>,
    newest: Vec<T>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { full: Vec::new(), newest: Vec::new() }
    }
}

impl<T: Copy> Log<T> {
    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.newest.len() == self.newest.capacity() {
            self.begin_chunk(item);
        }
        self.newest.push(item);
    }

    /// `item` is what the chunk's memory is touched with.
    #[cold]
    fn begin_chunk(&mut self, item: T) {
        let mut chunk = Vec::with_capacity(CHUNK);
        let page = (PAGE / size_of::<T>().max(1)).max(1);
        for place in chunk.spare_capacity_mut().iter_mut().step_by(page) {
            place.write(item);
        }
        self.full.push(mem::replace(&mut self.newest, chunk));
    }

    /// Forgets all items; the memory of the last chunk stays for others.
    pub(crate) fn clear(&mut self) {
        self.full.clear();
        self.newest.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.iter_chunks().map(Vec::len).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.iter_chunks().flatten()
    }

    fn iter_chunks(&self) -> impl Iterator<Item = &Vec<T>> {
        self.full.iter().chain(iter::once(&self.newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_out_in_order_wherever_chunks_end() {
        for count in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let mut log = Log::default();
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
