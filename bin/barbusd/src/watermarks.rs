//! The watermarks of the connected producers: each states up to which minute it has sent all bars.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The watermarks of the connected producers that have one.
#[derive(Debug, Default)]
pub(crate) struct Watermarks(Mutex<ByProducer>);

#[derive(Debug, Default)]
struct ByProducer {
    next: u64,
    frames_ms: BTreeMap<u64, i64>,
}

/// The watermark of one producer, as long as it is connected.
#[derive(Debug)]
pub(crate) struct ProducerWatermark<'a> {
    watermarks: &'a Watermarks,
    producer: u64,
}

impl Watermarks {
    /// For a producer that has just connected: it has none yet.
    pub(crate) fn of_producer(&self) -> ProducerWatermark<'_> {
        let mut by_producer = self.lock();
        by_producer.next += 1;
        ProducerWatermark { watermarks: self, producer: by_producer.next }
    }

    fn lock(&self) -> MutexGuard<'_, ByProducer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProducerWatermark<'_> {
    /// Raises it to the minute that ends at `frame_ms`; returns the lowest of all producers.
    ///
    /// A producer that disconnects does not raise the lowest one by that: it may come back with
    /// bars.
    pub(crate) fn raise(&self, frame_ms: i64) -> i64 {
        let mut by_producer = self.watermarks.lock();
        let own = by_producer.frames_ms.entry(self.producer).or_insert(frame_ms);
        *own = frame_ms.max(*own);
        by_producer.frames_ms.values().copied().min().unwrap_or(frame_ms)
    }
}

impl Drop for ProducerWatermark<'_> {
    fn drop(&mut self) {
        self.watermarks.lock().frames_ms.remove(&self.producer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_of_the_connected_producers_counts() {
        let watermarks = Watermarks::default();
        let (fast, slow) = (watermarks.of_producer(), watermarks.of_producer());
        assert_eq!(fast.raise(5), 5, "a producer without a watermark does not count");
        assert_eq!((slow.raise(3), fast.raise(6)), (3, 3));
        assert_eq!((slow.raise(2), slow.raise(4)), (3, 4), "none goes back");
        drop(slow);
        assert_eq!(fast.raise(7), 7);
    }
}
