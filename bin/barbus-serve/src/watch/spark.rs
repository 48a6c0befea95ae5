//! The course of a day in a few points, for the small curve beside a symbol.

/// The most points.
const POINTS: usize = 64;
/// Levels of a curve in text: a letter each.
const LEVELS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Closing prices in order, thinned out evenly.
#[derive(Debug, Clone, Default)]
pub(super) struct Spark {
    points: Vec<f32>,
    /// Every how many prices become a point, as a power of two.
    stride_bits: u8,
    /// Prices since the last point.
    since: u32,
}

impl Spark {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next price.
    pub(super) fn push(&mut self, price: f64) {
        // The last point is always the newest price.
        if self.since == 0 || self.points.is_empty() {
            self.points.push(price as f32);
        } else {
            self.replace(price);
        }
        self.since = (self.since + 1) % (1 << self.stride_bits);
        if self.points.len() > POINTS {
            let mut at = 0;
            self.points.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.stride_bits += 1;
            self.since = 1;
        }
    }

    /// Another value for the newest price.
    pub(super) fn replace(&mut self, price: f64) {
        if let Some(last) = self.points.last_mut() {
            *last = price as f32;
        }
    }

    /// The lowest and the highest price, and a letter of base 64 for each point between them.
    pub(super) fn text(&self) -> (f32, f32, String) {
        let low = self.points.iter().copied().fold(f32::INFINITY, f32::min);
        let high = self.points.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let height = if high > low { high - low } else { 1.0 };
        let level = |price: &f32| ((price - low) / height * 63.0).round().clamp(0.0, 63.0) as usize;
        let text = self.points.iter().map(|price| char::from(LEVELS[level(price)])).collect();
        (low, high, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_any_length_is_a_few_points_of_the_whole_day() {
        let mut spark = Spark::default();
        for minute in 0..1440 {
            spark.push(f64::from(minute));
            assert!(spark.points.len() <= POINTS);
            assert_eq!(spark.points.last(), Some(&(minute as f32)), "the newest price is shown");
            assert_eq!(spark.points.first(), Some(&0.0));
            assert!(spark.points.is_sorted());
        }
        assert!(spark.points.len() > POINTS / 2);
    }

    #[test]
    fn a_curve_is_a_text() {
        let mut spark = Spark::default();
        [10.0, 11.0, 10.5].iter().for_each(|price| spark.push(*price));
        assert_eq!(spark.text(), (10.0, 11.0, "A/g".to_owned()));
        spark.replace(10.0);
        assert_eq!(spark.text().2, "A/A");
        spark.clear();
        spark.push(5.0);
        assert_eq!(spark.text(), (5.0, 5.0, "A".to_owned()));
    }
}
