/// Whether rows come as fast as the writer can, and so are better read by runs.
///
/// Who follows the writer at its heels takes the cache lines away that it writes next, row for row, and both wait for most of their time. In a
/// stream a reader looks at one line of the tip for a whole run, and reads the columns, some way behind the writer; the lines of the tip stay
/// with the writer. A bar that comes alone is seen at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    /// Rises with each row and falls with each look that finds none.
    heat: u32,
    /// The heat at which runs are tried.
    threshold: u32,
    /// Runs that came since then; `None` while rows are read one by one.
    runs: Option<u32>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { heat: 0, threshold: Self::THRESHOLD, runs: None }
    }
}

impl Stream {
    /// Rows of a run.
    pub(crate) const RUN: u64 = 1_024;
    /// The most rows that are read together at the tip.
    pub(crate) const AT_THE_TIP: usize = 64;
    /// More looks for a row than this are no stream.
    const ROW: u32 = 8;
    const THRESHOLD: u32 = 64 * Self::ROW;
    /// A stream that is too slow for runs is tried so again, once in some hundred thousand rows.
    const HIGHEST: u32 = Self::THRESHOLD << 12;
    /// Looks for a run, together two microseconds or a few, in which a part of it must come.
    const PATIENCE: u64 = 100;
    /// Rows that must come in that time: what is slower gains nothing by runs.
    const PART: u64 = 40;
    /// The same until the tip's lines are with the writer again, that the reader took before.
    const FIRST_PART: u64 = 16;
    /// So many runs.
    const FIRST_RUNS: u32 = 64;
    /// After so many it was worth the try, also where the stream then ends.
    const WORTH: u32 = 16;

    pub(crate) fn is_on(&self) -> bool {
        self.runs.is_some()
    }

    /// So many rows were found at the tip.
    #[inline(always)]
    pub(crate) fn found(&mut self, rows: usize) {
        self.heat = (self.heat + Self::ROW * rows as u32).min(self.threshold);
        if self.heat == self.threshold {
            self.runs = Some(0);
        }
    }

    /// No row was there.
    #[inline(always)]
    pub(crate) fn found_none(&mut self) {
        self.heat = self.heat.saturating_sub(1);
    }

    /// Whether `run` rows come; `comes` says whether so many and one more have come.
    pub(crate) fn await_run(&mut self, run: u64, comes: impl Fn(u64) -> bool) -> bool {
        let runs = self.runs.unwrap_or(0);
        let part = if runs < Self::FIRST_RUNS { Self::FIRST_PART } else { Self::PART };
        let mut looks = 0;
        while !comes(run) {
            looks += 1;
            if looks % Self::PATIENCE == 0 && !comes((looks / Self::PATIENCE * part).min(run)) {
                // Who waited in vain tries more rarely.
                *self = Self { heat: 0, threshold: (4 * self.threshold).min(Self::HIGHEST), runs: None };
                return false;
            }
            std::hint::spin_loop();
        }
        if runs == Self::WORTH {
            self.threshold = Self::THRESHOLD;
        }
        self.runs = Some(runs.saturating_add(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hot(stream: &mut Stream) {
        for _ in 0..Stream::HIGHEST / Stream::ROW {
            if stream.is_on() {
                return;
            }
            stream.found(1);
        }
        panic!("never tried");
    }

    /// A bar now and then is never waited for.
    #[test]
    fn single_bars_are_no_stream() {
        let mut stream = Stream::default();
        for _ in 0..100_000 {
            stream.found(1);
            (0..Stream::ROW).for_each(|_| stream.found_none());
        }
        assert!(!stream.is_on());
    }

    #[test]
    fn a_stream_is_read_by_runs_until_it_ends() {
        let mut stream = Stream::default();
        hot(&mut stream);
        for _ in 0..1_000 {
            assert!(stream.await_run(Stream::RUN, |_| true) && stream.is_on());
        }
        // Its last rows: they are looked for in one stretch, and then one by one.
        let looks = std::cell::Cell::new(0);
        assert!(!stream.await_run(Stream::RUN, |rows| {
            looks.set(looks.get() + 1);
            rows < 10
        }));
        assert!(!stream.is_on());
        assert_eq!(looks.get(), Stream::PATIENCE + 1);
        hot(&mut stream);
    }

    /// A minute's bars come in a burst, again and again: each is a stream.
    #[test]
    fn a_burst_that_ends_does_not_count_against_the_next() {
        let mut stream = Stream::default();
        let mut tries = 0;
        for _ in 0..100 {
            hot(&mut stream);
            tries += u32::from(stream.threshold == Stream::THRESHOLD);
            assert!((0..2 * Stream::WORTH).all(|_| stream.await_run(Stream::RUN, |_| true)));
            assert!(!stream.await_run(Stream::RUN, |rows| rows < 10));
            assert!(stream.threshold <= 4 * Stream::THRESHOLD);
        }
        assert_eq!(tries, 1);
    }

    /// What is too slow for runs is found out more and more rarely.
    #[test]
    fn who_waits_in_vain_tries_more_rarely() {
        let mut stream = Stream::default();
        let tries = (0..1_000_000).filter(|_| {
            stream.found(1);
            stream.is_on() && !stream.await_run(Stream::RUN, |_| false)
        });
        assert!((2..20).contains(&tries.count()));
    }
}
