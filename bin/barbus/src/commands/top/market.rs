//! What the bars of a bus show: the watch list, the progress of the day, and the rate.

use std::collections::HashMap;
use std::time::Instant;

use barbus::{Date, Row};
use barbus_bars::Calendar;

use super::day_progress::DayProgress;
use super::rate::Rate;
use super::watched::{PreviousClose, Watched};

/// Ids below this one are remembered.
const MAX_ID: usize = 1 << 20;

/// The newest day of a bus, by its bars.
#[derive(Debug)]
pub(super) struct Market {
    calendar: Calendar,
    /// The newest day with a bar.
    pub(super) day: Option<DayProgress>,
    /// Whether that day is closed.
    pub(super) is_closed: bool,
    pub(super) symbols: Vec<Watched>,
    by_name: HashMap<String, usize>,
    /// The place of each symbol by the id that it had in the last bar.
    by_id: Vec<usize>,
    /// Bars that were read, revisions among them.
    pub(super) bars: u64,
    /// Bars of the day that were lost before they could be read.
    pub(super) missed: u64,
    /// Whether all bars of before the start are read.
    pub(super) has_caught_up: bool,
    pub(super) rate: Rate,
}

impl Market {
    /// A market without a bar.
    pub(super) fn new(calendar: Calendar) -> Market {
        Market {
            calendar,
            day: None,
            is_closed: false,
            symbols: Vec::new(),
            by_name: HashMap::new(),
            by_id: Vec::new(),
            bars: 0,
            missed: 0,
            has_caught_up: false,
            rate: Rate::default(),
        }
    }

    /// Takes a bar of `name`.
    pub(super) fn take(&mut self, name: &str, row: &Row) {
        self.bars += 1;
        if !self.day.as_ref().is_some_and(|progress| progress.day.contains(row.frame_ms)) {
            let day = self.calendar.trading_day(row.frame_ms);
            if self.day.as_ref().is_none_or(|progress| day.date > progress.day.date) {
                self.symbols.iter_mut().for_each(Watched::begin_day);
                self.day = Some(DayProgress::new(&self.calendar, day));
                self.is_closed = false;
            }
        }
        let place = self.place(name, row);
        let symbol = &mut self.symbols[place];
        symbol.take_last(row);
        match &mut self.day {
            Some(progress) if progress.day.contains(row.frame_ms) => {
                symbol.add_to_day(row);
                progress.mark(row.frame_ms);
            }
            // A late bar may be the last one before the day.
            _ => symbol.previous_close = PreviousClose::Wanted,
        }
    }

    /// Where the symbol of a bar is in the list; a new one is added.
    fn place(&mut self, name: &str, row: &Row) -> usize {
        let id = row.symbol.0 as usize;
        // After the ring was replaced, an id may belong to another symbol.
        if let Some(&place) = self.by_id.get(id)
            && self.symbols.get(place).is_some_and(|symbol| symbol.name == name)
        {
            return place;
        }
        let place = *self.by_name.entry(name.to_owned()).or_insert(self.symbols.len());
        if place == self.symbols.len() {
            self.symbols.push(Watched::new(name));
        }
        // Only a corrupt ring has higher ids.
        if id < MAX_ID {
            self.by_id.resize(self.by_id.len().max(id + 1), usize::MAX);
            self.by_id[id] = place;
        }
        place
    }

    /// Notes that a day was closed.
    pub(super) fn close(&mut self, day: Date) {
        self.is_closed |= self.day.as_ref().is_some_and(|progress| progress.day.date <= day);
    }

    /// Notes that all bars up to `now` are read.
    pub(super) fn note_caught_up(&mut self, now: Instant) {
        self.has_caught_up = true;
        self.rate.note(now, self.bars);
    }

    /// The symbols with a revised bar, with the number of their bars on the day.
    pub(super) fn to_recount(&self) -> Vec<(String, usize)> {
        let revised = self.symbols.iter().filter(|symbol| symbol.needs_recount);
        revised.map(|symbol| (symbol.name.clone(), symbol.bars)).collect()
    }

    /// Sets the volume of the day from the last bars of a symbol, each in its last revision.
    pub(super) fn recount(&mut self, name: &str, rows: &[Row]) {
        let (Some(progress), Some(&place)) = (&self.day, self.by_name.get(name)) else { return };
        let of_day = rows.iter().filter(|row| progress.day.contains(row.frame_ms) && row.volume.is_finite());
        self.symbols[place].volume = of_day.map(|row| row.volume).sum();
        self.symbols[place].needs_recount = false;
    }

    /// The day, and the symbols whose close before it was not looked up yet.
    pub(super) fn wanted_closes(&self) -> Option<(Date, Vec<String>)> {
        let day = self.day.as_ref()?.day.date;
        let wanted = self.symbols.iter().filter(|symbol| symbol.previous_close == PreviousClose::Wanted);
        let names: Vec<String> = wanted.map(|symbol| symbol.name.clone()).collect();
        (!names.is_empty()).then_some((day, names))
    }

    /// Sets the closes before `day` of the symbols `asked`; those without one have none.
    pub(super) fn set_closes(&mut self, day: Date, asked: &[String], closes: &HashMap<String, f64>) {
        if self.day.as_ref().is_none_or(|progress| progress.day.date != day) {
            return;
        }
        for name in asked {
            if let Some(&place) = self.by_name.get(name) {
                let close = closes.get(name).copied();
                self.symbols[place].previous_close = close.map_or(PreviousClose::None, PreviousClose::At);
            }
        }
    }

    /// How many symbols have a bar of the newest minute, and how many have one of the day.
    pub(super) fn newest_minute(&self) -> (usize, usize) {
        let Some(progress) = &self.day else { return (0, 0) };
        let of_day = self.symbols.iter().filter(|symbol| symbol.bars > 0);
        of_day.fold((0, 0), |(newest, all), symbol| {
            (newest + usize::from(symbol.frame_ms == progress.newest_ms), all + 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use barbus::SymbolId;

    use super::*;

    /// 2024-07-04, 09:30 in Shanghai.
    const OPEN_MS: i64 = 1_720_056_600_000;
    const DAY_MS: i64 = 86_400_000;

    fn market() -> Market {
        Market::new(Calendar::preset("XSHG").unwrap())
    }

    fn row(id: u32, frame_ms: i64, close: f64) -> Row {
        Row { symbol: SymbolId(id), frame_ms, close, volume: 100.0, ..Row::default() }
    }

    #[test]
    fn a_new_day_begins_with_its_first_bar() {
        let mut market = market();
        market.take("A", &row(0, OPEN_MS + 60_000, 10.0));
        market.take("B", &row(1, OPEN_MS + 60_000, 20.0));
        market.take("A", &row(0, OPEN_MS + 120_000, 11.0));
        assert_eq!(market.newest_minute(), (1, 2));
        assert_eq!(market.symbols[0].volume, 200.0);
        market.close(Date::constant(2024, 7, 4));
        assert!(market.is_closed);
        market.take("A", &row(0, OPEN_MS + DAY_MS + 60_000, 12.0));
        assert!(!market.is_closed);
        assert_eq!((market.symbols[0].volume, market.symbols[0].previous_close), (100.0, PreviousClose::At(11.0)));
        assert_eq!(market.newest_minute(), (1, 1), "B has no bar of the new day");
        assert_eq!(market.symbols[1].previous_close, PreviousClose::At(20.0));
        // A late bar of the day before changes the close before this day.
        market.take("A", &row(0, OPEN_MS + 180_000, 11.5));
        assert_eq!((market.symbols[0].last, market.symbols[0].volume), (12.0, 100.0));
        assert_eq!(market.wanted_closes(), Some((Date::constant(2024, 7, 5), vec!["A".to_owned()])));
    }

    #[test]
    fn closes_of_another_day_are_not_taken() {
        let mut market = market();
        market.take("A", &row(0, OPEN_MS + 60_000, 10.0));
        market.take("B", &row(1, OPEN_MS + 60_000, 10.0));
        let (day, asked) = market.wanted_closes().unwrap();
        assert_eq!(asked, ["A", "B"]);
        let closes = HashMap::from([("A".to_owned(), 8.0)]);
        market.set_closes(Date::constant(2024, 7, 3), &asked, &closes);
        assert!(market.wanted_closes().is_some());
        market.set_closes(day, &asked, &closes);
        assert_eq!((market.symbols[0].change(), market.symbols[1].change()), (Some(25.0), None));
        assert_eq!(market.wanted_closes(), None);
    }

    #[test]
    fn a_symbol_keeps_its_place_when_its_id_changes() {
        let mut market = market();
        market.take("A", &row(0, OPEN_MS + 60_000, 10.0));
        market.take("B", &row(1, OPEN_MS + 60_000, 20.0));
        // In a new ring.
        market.take("B", &row(0, OPEN_MS + 120_000, 21.0));
        market.take("A", &row(1, OPEN_MS + 120_000, 11.0));
        // From the archive.
        market.take("C", &row(8_192, OPEN_MS + 120_000, 30.0));
        let last: Vec<_> = market.symbols.iter().map(|symbol| (symbol.name.as_str(), symbol.last)).collect();
        assert_eq!(last, [("A", 11.0), ("B", 21.0), ("C", 30.0)]);
    }

    #[test]
    fn a_revised_bar_is_counted_once() {
        let mut market = market();
        market.take("A", &row(0, OPEN_MS + 60_000, 10.0));
        let revised = Row { revision: 1, volume: 30.0, ..row(0, OPEN_MS + 60_000, 10.0) };
        market.take("A", &revised);
        assert_eq!(market.to_recount(), [("A".to_owned(), 1)]);
        market.recount("A", &[revised]);
        assert_eq!((market.symbols[0].volume, market.to_recount()), (30.0, vec![]));
    }
}
