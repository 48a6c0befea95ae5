//! The rate of bars over the last ten seconds.

/// Seconds over which the rate is averaged.
const SECONDS: usize = 10;

/// Bars per second, counted in one bucket for each of the last [`SECONDS`].
#[derive(Debug, Default)]
pub(crate) struct Rate {
    buckets: [u64; SECONDS],
    second: i64,
}

impl Rate {
    fn advance_to(&mut self, second: i64) {
        let passed = second.saturating_sub(self.second).clamp(0, SECONDS as i64);
        for back in 0..passed {
            self.buckets[(second - back).rem_euclid(SECONDS as i64) as usize] = 0;
        }
        self.second = self.second.max(second);
    }

    pub(crate) fn count(&mut self, second: i64, bars: u64) {
        self.advance_to(second);
        self.buckets[self.second.rem_euclid(SECONDS as i64) as usize] += bars;
    }

    pub(crate) fn per_second(&mut self, second: i64) -> f64 {
        self.advance_to(second);
        self.buckets.iter().sum::<u64>() as f64 / SECONDS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_older_than_ten_seconds_do_not_count() {
        let mut rate = Rate::default();
        rate.count(100, 50);
        rate.count(105, 30);
        assert_eq!(rate.per_second(105), 8.0);
        assert_eq!(rate.per_second(109), 8.0);
        assert_eq!(rate.per_second(110), 3.0);
        assert_eq!(rate.per_second(1_000), 0.0);
    }
}
