//! Detection of bursts: whether rows arrive so fast that it is better to read them in batches.
//!
//! A reader that takes each row from the tip as soon as it is published pulls the cache lines away
//! that the writer stores to next, and both sides wait most of the time. During a burst a reader
//! polls one tip slot for a whole batch and copies the batch from the columns, at some distance
//! behind the writer; the tip's cache lines stay with the writer. A row that arrives alone is read
//! from the tip at once. A reader that has many rows to read, such as those of a whole minute,
//! reads them from the columns too, but does not wait for more.

/// Decides, for one reader, when to read batches instead of single rows.
///
/// Each row adds to a score and each empty poll takes one point off. At the threshold the reader
/// tries batches, until one does not arrive in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BurstDetector {
    score: u32,
    /// The score at which batches are tried.
    threshold: u32,
    reading: Reading,
}

/// Where the next rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// In the tip.
    Tip,
    /// In the columns, as far as the reader is far enough behind the writer.
    Behind,
    /// In the columns, by batches; the number of batches received in this burst.
    Batches(u32),
}

impl Default for BurstDetector {
    fn default() -> Self {
        Self { score: 0, threshold: Self::MIN_THRESHOLD, reading: Reading::Tip }
    }
}

impl BurstDetector {
    /// Rows of a batch.
    pub(crate) const BATCH_ROWS: u64 = 1_024;
    /// The most rows that one poll reads from the tip.
    pub(crate) const MAX_TIP_ROWS: usize = 64;
    /// A reader that is this number of rows behind reads most of them from the columns.
    const FAR_BEHIND: [u64; 2] = [Self::BATCH_ROWS, 256];
    /// Points that a row adds: more empty polls than this between two rows are not a burst.
    const POINTS_PER_ROW: u32 = 8;
    const MIN_THRESHOLD: u32 = 64 * Self::POINTS_PER_ROW;
    /// At this threshold a rate that is too slow for batches is tried once in 260,000 rows.
    const MAX_THRESHOLD: u32 = Self::MIN_THRESHOLD << 12;
    /// Polls after which the progress of a batch is checked, together a few microseconds.
    const POLLS_PER_CHECK: u64 = 100;
    /// Rows that must arrive between two checks: batches gain nothing at a slower rate.
    const ROWS_PER_CHECK: u64 = 40;
    /// The same for the first batches of a burst, while the reader still holds cache lines of the
    /// tip.
    const FIRST_ROWS_PER_CHECK: u64 = 16;
    /// Number of those first batches.
    const FIRST_BATCHES: u32 = 64;
    /// After this many batches the attempt has paid off, even if the burst ends then.
    const WORTHWHILE_BATCHES: u32 = 16;

    /// Whether the reader should not read the tip: see [`BurstDetector::rows_to_read`].
    #[inline(always)]
    pub(crate) fn is_active(&self) -> bool {
        self.reading != Reading::Tip
    }

    /// How many rows the reader should read from the columns; `None` if it should read the tip.
    ///
    /// During a burst it waits for a batch. The tip has `tip_rows` rows; `arrived(n)` returns
    /// whether more than `n` rows have arrived.
    pub(crate) fn rows_to_read(&mut self, tip_rows: u64, arrived: impl Fn(u64) -> bool) -> Option<usize> {
        let is_far = |behind: &u64| *behind <= tip_rows / 2 && arrived(*behind);
        let rows = match self.reading {
            Reading::Batches(_) => {
                let batch = Self::BATCH_ROWS.min(tip_rows / 2);
                self.await_batch(batch, arrived).then_some(batch)
            }
            _ => Self::FAR_BEHIND.into_iter().find(is_far),
        };
        if rows.is_none() {
            self.reading = Reading::Tip;
        }
        // The newest quarter stays for the next poll, so that the reader keeps off the cache lines
        // that the writer stores to.
        rows.map(|rows| rows as usize / 4 * 3)
    }

    /// Counts rows that a poll found in the tip.
    #[inline(always)]
    pub(crate) fn found(&mut self, rows: usize) {
        self.score = (self.score + Self::POINTS_PER_ROW * rows as u32).min(self.threshold);
        if rows == Self::MAX_TIP_ROWS {
            self.reading = Reading::Behind;
        }
        if self.score == self.threshold {
            self.reading = Reading::Batches(0);
        }
    }

    /// Counts a poll that found no row.
    #[inline(always)]
    pub(crate) fn found_none(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// Spins until more than `batch` rows have arrived; `false` if they arrive too slowly.
    ///
    /// `arrived(n)` returns whether more than `n` rows have arrived.
    fn await_batch(&mut self, batch: u64, arrived: impl Fn(u64) -> bool) -> bool {
        let batches = if let Reading::Batches(batches) = self.reading { batches } else { 0 };
        let rows_per_check =
            if batches < Self::FIRST_BATCHES { Self::FIRST_ROWS_PER_CHECK } else { Self::ROWS_PER_CHECK };
        let mut polls = 0;
        while !arrived(batch) {
            polls += 1;
            let checks = polls / Self::POLLS_PER_CHECK;
            if polls % Self::POLLS_PER_CHECK == 0 && !arrived((checks * rows_per_check).min(batch)) {
                // Each failed attempt makes the next one rarer.
                *self =
                    Self { score: 0, threshold: (4 * self.threshold).min(Self::MAX_THRESHOLD), reading: Reading::Tip };
                return false;
            }
            std::hint::spin_loop();
        }
        if batches == Self::WORTHWHILE_BATCHES {
            self.threshold = Self::MIN_THRESHOLD;
        }
        self.reading = Reading::Batches(batches.saturating_add(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activate(detector: &mut BurstDetector) {
        for _ in 0..BurstDetector::MAX_THRESHOLD / BurstDetector::POINTS_PER_ROW {
            if detector.is_active() {
                return;
            }
            detector.found(1);
        }
        panic!("batches are never tried");
    }

    /// The reader never waits for a batch when rows arrive one at a time.
    #[test]
    fn single_rows_are_not_a_burst() {
        let mut detector = BurstDetector::default();
        for _ in 0..100_000 {
            detector.found(1);
            (0..BurstDetector::POINTS_PER_ROW).for_each(|_| detector.found_none());
        }
        assert!(!detector.is_active());
    }

    #[test]
    fn a_burst_is_read_in_batches_until_it_ends() {
        let mut detector = BurstDetector::default();
        activate(&mut detector);
        for _ in 0..1_000 {
            assert!(detector.await_batch(BurstDetector::BATCH_ROWS, |_| true) && detector.is_active());
        }
        // The last rows of the burst: one wait for a batch fails, then they are read one by one.
        let polls = std::cell::Cell::new(0);
        assert!(!detector.await_batch(BurstDetector::BATCH_ROWS, |rows| {
            polls.set(polls.get() + 1);
            rows < 10
        }));
        assert!(!detector.is_active());
        assert_eq!(polls.get(), BurstDetector::POLLS_PER_CHECK + 1);
        activate(&mut detector);
    }

    /// The bars of a minute are there when the reader wakes up: no poll waits for more of them.
    #[test]
    fn rows_far_behind_are_read_from_the_columns_without_a_wait() {
        const TIP_ROWS: u64 = 8_192;
        let mut detector = BurstDetector { threshold: BurstDetector::MAX_THRESHOLD, ..BurstDetector::default() };
        let (mut left, mut from_tip, mut polls) = (5_000, 0, 0);
        while left > 0 {
            let arrived = |rows: u64| rows < left;
            let read = detector.is_active().then(|| detector.rows_to_read(TIP_ROWS, arrived)).flatten();
            let rows = read.map_or(left.min(BurstDetector::MAX_TIP_ROWS as u64), |rows| rows as u64);
            if read.is_none() {
                detector.found(rows as usize);
                from_tip += rows;
            }
            left -= rows;
            polls += 1;
        }
        assert!(from_tip <= 400 && polls <= 16, "{from_tip} rows from the tip, {polls} polls");
        assert!(!detector.is_active());
        // Half of a small tip is the farthest that a reader may be behind.
        detector.found(BurstDetector::MAX_TIP_ROWS);
        assert_eq!(detector.rows_to_read(256, |_| true), None);
    }

    /// The bars of each minute arrive as one burst.
    #[test]
    fn a_burst_that_ends_does_not_delay_the_next() {
        let mut detector = BurstDetector::default();
        let mut attempts = 0;
        for _ in 0..100 {
            activate(&mut detector);
            attempts += u32::from(detector.threshold == BurstDetector::MIN_THRESHOLD);
            assert!(
                (0..2 * BurstDetector::WORTHWHILE_BATCHES)
                    .all(|_| detector.await_batch(BurstDetector::BATCH_ROWS, |_| true))
            );
            assert!(!detector.await_batch(BurstDetector::BATCH_ROWS, |rows| rows < 10));
            assert!(detector.threshold <= 4 * BurstDetector::MIN_THRESHOLD);
        }
        assert_eq!(attempts, 1);
    }

    #[test]
    fn failed_attempts_become_rarer() {
        let mut detector = BurstDetector::default();
        let attempts = (0..1_000_000).filter(|_| {
            detector.found(1);
            detector.is_active() && !detector.await_batch(BurstDetector::BATCH_ROWS, |_| false)
        });
        assert!((2..20).contains(&attempts.count()));
    }
}
