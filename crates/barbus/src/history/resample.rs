//! One-minute bars folded into longer ones.

use barbus_bars::{Calendar, Date, FACTOR, Interval, Period, Periods, VOLUME};
use barbus_ring::Row;

/// Optional columns that add up; of any other one the last value counts.
const SUMMED: [&str; 9] =
    [VOLUME, "money", "amount", "turnover", "trades", "count", "quote_volume", "taker_volume", "taker_money"];

/// Which optional columns add up, one bit each.
pub(super) fn summed_columns(optional: &[String]) -> u8 {
    let is_summed = |name: &String| SUMMED.contains(&name.as_str()) && name != FACTOR;
    optional.iter().enumerate().filter(|(_, name)| is_summed(name)).map(|(i, _)| 1 << i).sum()
}

/// A bar of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct IntervalBar {
    /// Its values; the frame is the end of the period.
    pub(crate) row: Row,
    /// The number of minutes in it.
    pub(crate) bars: u32,
    /// The end of its last minute, milliseconds UTC.
    pub(crate) last_ms: i64,
    /// The period.
    pub(crate) period: Period,
}

impl IntervalBar {
    /// A minute of a trading day as it is.
    pub(super) fn minute(row: &Row, day: Date) -> Self {
        Self::of(row, Period { after_ms: row.frame_ms - 60_000, end_ms: row.frame_ms, day })
    }

    fn of(row: &Row, period: Period) -> Self {
        let row_of_period = Row { frame_ms: period.end_ms, ..*row };
        Self { row: row_of_period, bars: 1, last_ms: row.frame_ms, period }
    }

    /// Adds a later bar of the same period.
    fn add(&mut self, later: &IntervalBar, summed: u8) {
        let (bar, next) = (&mut self.row, &later.row);
        bar.high = bar.high.max(next.high);
        bar.low = bar.low.min(next.low);
        bar.close = next.close;
        bar.volume += next.volume;
        bar.frame_ms = bar.frame_ms.max(next.frame_ms);
        bar.seq = bar.seq.max(next.seq);
        bar.received_ns = bar.received_ns.max(next.received_ns);
        for i in (0..bar.optional.len()).filter(|i| next.present & 1 << i != 0) {
            let adds_up = summed & 1 << i != 0 && bar.present & 1 << i != 0;
            bar.optional[i] = next.optional[i] + if adds_up { bar.optional[i] } else { 0.0 };
            bar.present |= 1 << i;
        }
        self.bars += later.bars;
        self.last_ms = self.last_ms.max(later.last_ms);
        self.period.end_ms = self.period.end_ms.max(later.period.end_ms);
    }
}

/// Folds the bars of symbols, each by the hours of its product group.
#[derive(Debug, Clone)]
pub(crate) struct Resampler {
    calendar: Calendar,
    interval: Interval,
    summed: u8,
    /// The periods of each product group that occurred.
    groups: Vec<(Option<String>, Periods)>,
}

impl Resampler {
    pub(crate) fn new(calendar: Calendar, interval: Interval, optional: &[String]) -> Self {
        Self { calendar, interval, summed: summed_columns(optional), groups: Vec::new() }
    }

    /// The periods of a symbol.
    pub(crate) fn periods(&mut self, symbol: &str) -> &mut Periods {
        let hours = self.calendar.of_symbol(symbol);
        let found = self.groups.iter().position(|(group, _)| group.as_deref() == hours.group());
        let at = found.unwrap_or_else(|| {
            let group = hours.group().map(str::to_owned);
            self.groups.push((group, Periods::new(hours, self.interval)));
            self.groups.len() - 1
        });
        &mut self.groups[at].1
    }

    /// Folds bars of one symbol, ascending by frame, and appends the longer bars to `bars`. If the
    /// last of `bars` from `first` on has the period of the first bar, that one goes on.
    pub(crate) fn fold(&mut self, symbol: &str, rows: &[Row], bars: &mut Vec<IntervalBar>, first: usize) {
        let summed = self.summed;
        let periods = self.periods(symbol);
        let mut period = None::<Period>;
        for row in rows {
            let same = period.filter(|period| period.contains(row.frame_ms));
            let of_row = same.unwrap_or_else(|| periods.of(row.frame_ms));
            period = Some(of_row);
            let bar = IntervalBar::of(row, of_row);
            match bars[first..].last_mut() {
                Some(last) if last.period.after_ms == of_row.after_ms => last.add(&bar, summed),
                _ => bars.push(bar),
            }
        }
    }

    /// Adds a later bar of the same symbol and period to `bar`.
    pub(crate) fn join(&self, bar: &mut IntervalBar, later: &IntervalBar) {
        bar.add(later, self.summed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: i64, price: f64, money: Option<f64>) -> Row {
        let mut row = Row {
            frame_ms: minute * 60_000,
            open: price,
            high: price + 1.0,
            low: price - 1.0,
            close: price + 0.5,
            volume: 10.0,
            ..Row::default()
        };
        if let Some(money) = money {
            (row.optional, row.present) = ([money, money, 0.0, 0.0, 0.0, 0.0], 3);
        }
        row
    }

    #[test]
    fn values_are_first_highest_lowest_last_and_sums() {
        let optional = ["money".to_owned(), "factor".to_owned()];
        let calendar = Calendar::preset("24x7").unwrap();
        let mut resampler = Resampler::new(calendar, Interval::Minutes(5), &optional);
        let minutes = [row(1, 10.0, Some(1.0)), row(2, 12.0, None), row(5, 8.0, Some(3.0)), row(6, 9.0, None)];
        let mut bars = Vec::new();
        resampler.fold("A", &minutes, &mut bars, 0);
        let [first, second] = &bars[..] else { panic!("{bars:?}") };
        let Row { open, high, low, close, volume, frame_ms, .. } = first.row;
        assert_eq!((open, high, low, close, volume, frame_ms), (10.0, 13.0, 7.0, 8.5, 30.0, 300_000));
        assert_eq!((first.row.optional(0), first.row.optional(1)), (Some(4.0), Some(3.0)));
        assert_eq!((first.bars, first.last_ms), (3, 300_000));
        assert_eq!((second.bars, second.last_ms, second.row.frame_ms), (1, 360_000, 600_000));
        assert_eq!(second.row.optional(0), None);
        // The next rows of a period go on with its bar.
        resampler.fold("A", &[row(10, 1.0, None)], &mut bars, 0);
        assert_eq!((bars.len(), bars[1].bars, bars[1].row.low), (2, 2, 0.0));
    }
}
