//! A symbol of the watch list: its last bar, its volume of the day and its previous close.

use barbus::Row;

/// The close of the last bar before the day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PreviousClose {
    /// It was not looked up yet.
    Wanted,
    /// The bus has no bar before the day, or none of the last weeks.
    None,
    /// The price, as it was traded.
    At(f64),
}

/// A symbol with what is shown of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watched {
    pub(super) name: String,
    /// The close of the newest bar.
    pub(super) last: f64,
    /// The end of that bar, milliseconds UTC.
    pub(super) frame_ms: i64,
    /// When that bar was received, or its end where this is not known; milliseconds UTC.
    pub(super) received_ms: i64,
    /// The volume of the day.
    pub(super) volume: f64,
    /// The bars of the day.
    pub(super) bars: usize,
    pub(super) previous_close: PreviousClose,
    /// Whether a bar of the day was revised, so that its volume must be added up again.
    pub(super) needs_recount: bool,
}

impl Watched {
    /// A symbol without a bar.
    pub(super) fn new(name: &str) -> Watched {
        Watched {
            name: name.to_owned(),
            last: f64::NAN,
            frame_ms: i64::MIN,
            received_ms: i64::MIN,
            volume: 0.0,
            bars: 0,
            previous_close: PreviousClose::Wanted,
            needs_recount: false,
        }
    }

    /// Takes a bar as the newest one unless a later one is known.
    pub(super) fn take_last(&mut self, row: &Row) {
        if row.frame_ms < self.frame_ms {
            return;
        }
        self.last = row.close;
        self.frame_ms = row.frame_ms;
        self.received_ms = if row.received_ns == 0 { row.frame_ms } else { row.received_ns / 1_000_000 };
    }

    /// Adds a bar of the day to its volume.
    pub(super) fn add_to_day(&mut self, row: &Row) {
        if row.revision > 0 {
            self.needs_recount = true;
            return;
        }
        self.bars += 1;
        if row.volume.is_finite() {
            self.volume += row.volume;
        }
    }

    /// Begins another day, whose previous close is the newest price.
    pub(super) fn begin_day(&mut self) {
        if self.bars > 0 {
            self.previous_close = PreviousClose::At(self.last);
        }
        (self.volume, self.bars, self.needs_recount) = (0.0, 0, false);
    }

    /// The change against the previous close, in per cent; `None` if it is not known.
    pub(super) fn change(&self) -> Option<f64> {
        match self.previous_close {
            PreviousClose::At(close) if close != 0.0 => {
                Some((self.last / close - 1.0) * 100.0).filter(|c| c.is_finite())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(frame_ms: i64, close: f64, volume: f64) -> Row {
        Row { frame_ms, close, volume, ..Row::default() }
    }

    #[test]
    fn the_newest_bar_counts_and_a_late_one_adds_to_the_volume() {
        let mut symbol = Watched::new("A");
        for row in [row(120_000, 10.0, 5.0), row(60_000, 9.0, 3.0)] {
            symbol.take_last(&row);
            symbol.add_to_day(&row);
        }
        assert_eq!((symbol.last, symbol.volume, symbol.bars), (10.0, 8.0, 2));
        let revised = Row { revision: 1, ..row(120_000, 11.0, 50.0) };
        symbol.take_last(&revised);
        symbol.add_to_day(&revised);
        assert_eq!((symbol.last, symbol.volume, symbol.bars, symbol.needs_recount), (11.0, 8.0, 2, true));
    }

    #[test]
    fn the_change_is_against_the_close_of_the_day_before() {
        let mut symbol = Watched::new("A");
        symbol.take_last(&row(60_000, 10.0, 1.0));
        assert_eq!(symbol.change(), None);
        symbol.previous_close = PreviousClose::At(8.0);
        assert_eq!(symbol.change(), Some(25.0));
        symbol.add_to_day(&row(60_000, 10.0, 1.0));
        symbol.begin_day();
        assert_eq!((symbol.previous_close, symbol.volume), (PreviousClose::At(10.0), 0.0));
        // On a day without a bar, the close before it stays.
        symbol.begin_day();
        assert_eq!(symbol.previous_close, PreviousClose::At(10.0));
        symbol.previous_close = PreviousClose::At(0.0);
        assert_eq!(symbol.change(), None);
    }
}
