//! Archived days given out again, through the events of live reading.

mod day;
mod pace;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use barbus_archive::Archive;
use barbus_bars::Date;
use barbus_ring::{Row, SymbolId};

use crate::filter::Filter;
use crate::symbols::Symbols;
use crate::{Bars, Bus, Error, Event, Result};

use day::Day;
pub use pace::{Pace, Schedule};

/// Bars of one [`Event::Bars`] at most.
const BATCH: usize = 1_024;
/// Bars of days that are over, kept for [`Replay::latest`] and [`Replay::window`]: about what a ring of the default size holds.
const HISTORY_ROWS: usize = 2_900_000;
const INTERVAL_MS: i64 = 60_000;

/// Archived days, given out through the same events as live reading: [`Event::Bars`] in feed order, and [`Event::DayClosed`] after each
/// day. A strategy that is written against [`Feed`](crate::Feed) takes it in the place of a [`Reader`](crate::Reader).
///
/// What differs from the live day, because the archive does not have it:
/// - Bars come by frame, and within a minute by the bytes of their symbol; live, a minute's bars come as the producers sent them.
/// - Of a bar that was revised there is the last revision only, in its frame's place; so `revision` is always 0.
/// - A bar that came late is in its place too. Nothing is ever [`Event::Lapped`].
/// - Sequence numbers and ids of symbols count from 0 in the replay, not as they did in the ring. `received_ns` is 0.
///
/// ```no_run
/// use std::time::Duration;
/// use barbus::{Bus, Event, Pace};
///
/// let bus = Bus::open("BUS")?;
/// let (from, to) = (barbus::Date::constant(2024, 7, 1), barbus::Date::constant(2024, 7, 5));
/// let mut replay = bus.replay(from, to)?.pace(Pace::Times(60.0)).symbols(["600000.XSHG"]);
/// while !replay.ended() {
///     match replay.next(Duration::from_secs(1))? {
///         Some(Event::Bars(bars)) => bars.iter().for_each(|bar| println!("{} {}", bar.frame_ms, bar.close)),
///         Some(Event::DayClosed(day)) => println!("{day} is over"),
///         _ => {}
///     }
/// }
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    bus: Bus,
    archive: Archive,
    to_come: VecDeque<Date>,
    current: Option<Day>,
    /// Days that are over, the newest last.
    past: VecDeque<Day>,
    symbols: Symbols,
    filter: Option<Filter>,
    rows: Vec<Row>,
    next_seq: u64,
    schedule: Schedule,
    /// When the first bar was given out.
    begun: Option<Instant>,
}

/// What a step came to; the bars of an event are in `rows`.
enum Step {
    Bars,
    Closed(Date),
    /// The next bars are due so long after the beginning.
    Due(Duration),
    Ended,
}

impl Bus {
    /// The archived days from `from` to `to`, both included, to be given out again; days that the archive does not have are passed over.
    ///
    /// ```no_run
    /// # let bus = barbus::Bus::open("BUS")?;
    /// let day = barbus::Date::constant(2024, 7, 4);
    /// let mut replay = bus.replay(day, day)?;
    /// # Ok::<(), barbus::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Start`] where the span is empty: it ends before it begins, or the archive has no day in it.
    pub fn replay(&self, from: Date, to: Date) -> Result<Replay> {
        let empty = |what: String| Error::Start { bus: self.path().to_owned(), what };
        if from > to {
            return Err(empty(format!("nothing to replay: {from} is after {to}")));
        }
        let settings = self.settings();
        let archive = Archive::open_existing(self.archive(), settings.schema.clone(), settings.calendar.name());
        let days = archive.days()?;
        let to_come: VecDeque<Date> = days.iter().copied().filter(|day| (from..=to).contains(day)).collect();
        if to_come.is_empty() {
            let has = match (days.first(), days.last()) {
                (Some(first), Some(last)) => format!("it has {} days, {first} to {last}", days.len()),
                _ => format!("{} has no day yet", self.archive().display()),
            };
            return Err(empty(format!("nothing to replay: no day from {from} to {to} is archived: {has}")));
        }
        Ok(Replay {
            bus: self.clone(),
            archive,
            to_come,
            current: None,
            past: VecDeque::new(),
            symbols: Symbols::default(),
            filter: None,
            rows: Vec::new(),
            next_seq: 0,
            schedule: Pace::Max.schedule(INTERVAL_MS),
            begun: None,
        })
    }
}

impl Replay {
    /// At another pace than [`Pace::Max`]. Time runs from the first poll on.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.schedule = pace.schedule(INTERVAL_MS);
        self
    }

    /// Only bars of these symbols, as [`Reader::symbols`](crate::Reader::symbols).
    pub fn symbols<S: Into<String>>(mut self, symbols: impl IntoIterator<Item = S>) -> Self {
        self.filter = Some(Filter::new(symbols));
        self
    }

    /// The bus whose days are replayed.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The days that are still to be read, ascending: those that were archived when the replay was made.
    pub fn days_to_come(&self) -> impl ExactSizeIterator<Item = Date> {
        self.to_come.iter().copied()
    }

    /// What comes next, if it is due: it does not wait, but for a day's file to be read.
    ///
    /// # Errors
    /// [`Error::Archive`] where a day's file is damaged, with its name; the replay does not go on behind it.
    pub fn poll(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.step()?;
        Ok(self.event(step))
    }

    /// What comes next, waiting until it is due, at most `timeout`.
    ///
    /// # Errors
    /// As [`Replay::poll`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        let end = Instant::now().checked_add(timeout);
        let step = loop {
            let due = match self.step()? {
                Step::Due(due) => due,
                other => break other,
            };
            let wait = due.saturating_sub(self.elapsed());
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            std::thread::sleep(wait.min(left));
            if left <= wait {
                break Step::Due(due);
            }
        };
        Ok(self.event(step))
    }

    /// Whether every day was given out, and its close.
    pub fn ended(&self) -> bool {
        self.current.is_none() && self.to_come.is_empty()
    }

    /// The newest bar of a symbol that was given out, whether it was filtered or not.
    ///
    /// # Errors
    /// [`Error::UnknownSymbol`] where it has not occurred yet.
    pub fn latest(&mut self, symbol: &str) -> Result<Option<Row>> {
        Ok(self.window(symbol, 1)?.pop())
    }

    /// The last `count` bars of a symbol that were given out, oldest first. It goes back over some days, as far as a ring would.
    ///
    /// # Errors
    /// [`Error::UnknownSymbol`] where it has not occurred yet.
    pub fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>> {
        self.symbols.id(symbol, self.bus.path())?;
        let mut rows = Vec::with_capacity(count.min(1 << 16));
        for day in self.current.iter().chain(self.past.iter().rev()) {
            day.last(symbol, count - rows.len(), &mut rows);
        }
        rows.reverse();
        Ok(rows)
    }

    /// Every symbol that has occurred, by id.
    pub fn symbol_names(&mut self) -> &[String] {
        self.symbols.names()
    }

    /// The text of a symbol's id.
    pub fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
        self.symbols.get(id)
    }

    /// How many bars were given out, filtered ones included.
    pub fn position(&self) -> u64 {
        self.next_seq
    }

    /// The trading day of the last bars.
    pub fn day(&mut self) -> Option<Date> {
        self.current.as_ref().or(self.past.back()).map(|day| day.date)
    }

    fn elapsed(&self) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    fn event(&self, step: Step) -> Option<Event<'_>> {
        match step {
            Step::Bars => Some(Event::Bars(Bars::new(&self.rows, self.symbols.names()))),
            Step::Closed(day) => Some(Event::DayClosed(day)),
            Step::Due(_) | Step::Ended => None,
        }
    }

    fn step(&mut self) -> Result<Step> {
        loop {
            let Some(day) = &mut self.current else {
                if !self.load()? {
                    return Ok(Step::Ended);
                }
                continue;
            };
            let Some(frame_ms) = day.next_frame_ms() else {
                let date = day.date;
                self.close();
                return Ok(Step::Closed(date));
            };
            let mut only = None;
            if self.schedule.pace() != Pace::Max {
                let due = self.schedule.due(frame_ms);
                if self.begun.get_or_insert_with(Instant::now).elapsed() < due {
                    return Ok(Step::Due(due));
                }
                only = Some(frame_ms);
            }
            self.rows.clear();
            day.release(BATCH, only, &mut self.symbols, &mut self.rows);
            self.next_seq += self.rows.len() as u64;
            if let Some(filter) = &mut self.filter {
                filter.keep(&mut self.rows, self.symbols.names());
            }
            if !self.rows.is_empty() {
                return Ok(Step::Bars);
            }
        }
    }

    /// Reads the next day; false where there is none.
    fn load(&mut self) -> Result<bool> {
        let Some(date) = self.to_come.front().copied() else { return Ok(false) };
        // A file that was taken away meanwhile is a day that the archive does not have.
        if let Some((_, batch)) = self.archive.read(date)? {
            self.current = Some(Day::new(date, &batch, &self.bus.settings().schema, self.next_seq));
        }
        self.to_come.pop_front();
        Ok(true)
    }

    /// The current day is over.
    fn close(&mut self) {
        self.past.extend(self.current.take());
        let mut kept: usize = self.past.iter().map(Day::len).sum();
        while kept > HISTORY_ROWS && self.past.len() > 1 {
            kept -= self.past.pop_front().map_or(0, |day| day.len());
        }
    }
}
