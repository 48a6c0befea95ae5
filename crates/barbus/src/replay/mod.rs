//! `Replay`: archived days, delivered through the events of live reading.

mod day;
mod pace;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use barbus_archive::Archive;
use barbus_bars::Date;
use barbus_ring::{Row, SymbolId};

use crate::archived_rows::archived_symbols;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::event::{Bars, Event};
use crate::replay::day::ReplayDay;
use crate::symbol_filter::SymbolFilter;
use crate::symbol_table::SymbolTable;

pub use pace::{Pace, Schedule};

/// Most bars of one [`Event::Bars`].
const BATCH: usize = 1_024;
/// Most bars of past days that are kept for [`Replay::latest`] and [`Replay::window`]: about as
/// many as a ring of the default size holds.
const HISTORY_ROWS: usize = 2_900_000;
/// The interval of the bars, milliseconds.
const INTERVAL_MS: i64 = 60_000;

/// Archived days, delivered through the same events as live reading: [`Event::Bars`], and
/// [`Event::DayClosed`] after each day. A strategy that is generic over [`Feed`](crate::Feed) runs
/// on a replay as on a [`Reader`](crate::Reader).
///
/// A replay differs from the live day in what the archive does not keep:
/// - Bars are delivered by frame, and within a minute by the bytes of their symbol. Live bars are
///   delivered in the order in which they were written.
/// - A revised bar is delivered once, with its last values and in the place of its frame.
///   `revision` is always 0.
/// - A late bar is delivered in the place of its frame too.
/// - Sequence numbers and ids of symbols count from 0. `received_ns` is 0.
///
/// There is no [`Event::Lapped`].
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
///         Some(Event::DayClosed(day)) => println!("{day} is closed"),
///         _ => {}
///     }
/// }
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    bus: Bus,
    archive: Archive,
    remaining: VecDeque<Date>,
    current: Option<ReplayDay>,
    /// Days that were delivered, the newest last.
    past: VecDeque<ReplayDay>,
    symbols: SymbolTable,
    filter: Option<SymbolFilter>,
    rows: Vec<Row>,
    next_seq: u64,
    schedule: Schedule,
    /// Whether the bars of different frames are different events.
    is_by_frame: bool,
    /// When the first bar was due.
    started: Option<Instant>,
}

/// The next event; the bars of an event are in `rows`.
enum ReplayStep {
    Bars,
    DayClosed(Date),
    /// The next bars are due this long after the start.
    Due(Duration),
    Ended,
}

impl Bus {
    /// Replays the archived days from `from` to `to`, both included. Days that are not archived are
    /// skipped.
    ///
    /// ```no_run
    /// # let bus = barbus::Bus::open("BUS")?;
    /// let day = barbus::Date::constant(2024, 7, 4);
    /// let mut replay = bus.replay(day, day)?;
    /// # Ok::<(), barbus::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Start`] if `from` is after `to`, or if none of these days is archived.
    /// [`Error::Archive`] if the archive's directory cannot be read.
    pub fn replay(&self, from: Date, to: Date) -> Result<Replay> {
        let empty = |what: String| Error::Start { bus: self.path().to_owned(), what };
        if from > to {
            return Err(empty(format!("nothing to replay: {from} is after {to}")));
        }
        let archive = self.open_archive();
        let days = archive.days()?;
        let remaining: VecDeque<Date> = days.iter().copied().filter(|day| (from..=to).contains(day)).collect();
        if remaining.is_empty() {
            let has = match (days.first(), days.last()) {
                (Some(first), Some(last)) => format!("it has {} days, {first} to {last}", days.len()),
                _ => format!("{} has no day yet", self.archive().display()),
            };
            return Err(empty(format!("nothing to replay: no day from {from} to {to} is archived: {has}")));
        }
        Ok(Replay {
            bus: self.clone(),
            archive,
            remaining,
            current: None,
            past: VecDeque::new(),
            symbols: SymbolTable::default(),
            filter: None,
            rows: Vec::new(),
            next_seq: 0,
            schedule: Pace::Max.schedule(INTERVAL_MS),
            is_by_frame: false,
            started: None,
        })
    }
}

impl Replay {
    /// Sets the pace; without it, [`Pace::Max`]. Time runs from the first poll.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.schedule = pace.schedule(INTERVAL_MS);
        self
    }

    /// Delivers only bars of these symbols, as [`Reader::symbols`](crate::Reader::symbols).
    pub fn symbols<S: Into<String>>(mut self, symbols: impl IntoIterator<Item = S>) -> Self {
        self.filter = Some(SymbolFilter::new(symbols));
        self
    }

    /// Delivers the bars of different frames as different events: [`Replay::window`] then answers
    /// as of the frame that was delivered last.
    pub(crate) fn by_frame(mut self) -> Self {
        self.is_by_frame = true;
        self
    }

    /// The frame through which all bars of the present day are delivered; `None` before the first.
    pub(crate) fn delivered_through_ms(&self) -> Option<i64> {
        self.current.as_ref().and_then(ReplayDay::delivered_through_ms)
    }

    /// The symbols that are delivered; `None` for all.
    pub(crate) fn filter(&self) -> Option<&SymbolFilter> {
        self.filter.as_ref()
    }

    /// The last archived day before the first one that is not read yet, with its symbols.
    pub(crate) fn symbols_before(&self) -> Result<Option<(Date, Vec<String>)>> {
        let days = self.archive.days()?;
        let before = days.into_iter().take_while(|day| self.remaining.front().is_some_and(|first| day < first)).last();
        before.map(|day| Ok((day, archived_symbols(&self.archive, &self.bus, day)?))).transpose()
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The days that are not read yet, ascending. A day that is archived after the replay was
    /// created is not among them.
    pub fn remaining_days(&self) -> impl ExactSizeIterator<Item = Date> {
        self.remaining.iter().copied()
    }

    /// The next event; `None` if none is due yet. It does not wait, but it reads a day's file when
    /// it reaches the day.
    ///
    /// # Errors
    /// [`Error::Archive`] if the file of a day is damaged. The replay cannot skip this day.
    pub fn poll(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.step()?;
        Ok(self.event(step))
    }

    /// The next event; waits until it is due, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Replay::poll`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        let end = Instant::now().checked_add(timeout);
        let step = loop {
            let due = match self.step()? {
                ReplayStep::Due(due) => due,
                other => break other,
            };
            let wait = due.saturating_sub(self.elapsed());
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            std::thread::sleep(wait.min(left));
            if left <= wait {
                break ReplayStep::Due(due);
            }
        };
        Ok(self.event(step))
    }

    /// True after the close of the last day was delivered.
    pub fn ended(&self) -> bool {
        self.current.is_none() && self.remaining.is_empty()
    }

    /// The newest bar of a symbol up to the replay's position, whether it was filtered out or not.
    ///
    /// # Errors
    /// [`Error::UnknownSymbol`] if the symbol has not occurred yet.
    pub fn latest(&mut self, symbol: &str) -> Result<Option<Row>> {
        Ok(self.window(symbol, 1)?.pop())
    }

    /// The last `count` bars of a symbol up to the replay's position, oldest first. They reach back
    /// into earlier days, about as far as a ring of the default size does.
    ///
    /// # Errors
    /// As [`Replay::latest`].
    pub fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>> {
        self.symbols.id(symbol, self.bus.path())?;
        let mut rows = Vec::with_capacity(count.min(1 << 16));
        for day in self.current.iter().chain(self.past.iter().rev()) {
            day.last(symbol, count - rows.len(), &mut rows);
        }
        rows.reverse();
        Ok(rows)
    }

    /// The texts of all symbols that have occurred, by id.
    pub fn symbol_names(&mut self) -> &[String] {
        self.symbols.names()
    }

    /// The text of a symbol's id.
    pub fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
        self.symbols.get(id)
    }

    /// The number of bars up to here, including those that were filtered out.
    pub fn position(&self) -> u64 {
        self.next_seq
    }

    /// The trading day of the last bars; `None` before the first ones.
    pub fn day(&mut self) -> Option<Date> {
        self.current.as_ref().or(self.past.back()).map(|day| day.date)
    }

    fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    fn event(&self, step: ReplayStep) -> Option<Event<'_>> {
        match step {
            ReplayStep::Bars => Some(Event::Bars(Bars::new(&self.rows, self.symbols.texts()))),
            ReplayStep::DayClosed(day) => Some(Event::DayClosed(day)),
            ReplayStep::Due(_) | ReplayStep::Ended => None,
        }
    }

    fn step(&mut self) -> Result<ReplayStep> {
        loop {
            let Some(day) = &mut self.current else {
                if !self.load_next_day()? {
                    return Ok(ReplayStep::Ended);
                }
                continue;
            };
            let Some(frame_ms) = day.next_frame_ms() else {
                let date = day.date;
                self.close_day();
                return Ok(ReplayStep::DayClosed(date));
            };
            let mut only_frame = None;
            if self.schedule.pace() != Pace::Max {
                let due = self.schedule.due(frame_ms);
                if self.started.get_or_insert_with(Instant::now).elapsed() < due {
                    return Ok(ReplayStep::Due(due));
                }
                only_frame = Some(frame_ms);
            }
            if self.is_by_frame {
                only_frame = Some(frame_ms);
            }
            self.rows.clear();
            day.deliver(BATCH, only_frame, &mut self.symbols, &mut self.rows);
            self.next_seq += self.rows.len() as u64;
            if let Some(filter) = &mut self.filter {
                filter.retain(&mut self.rows, 0, self.symbols.names());
            }
            if !self.rows.is_empty() {
                return Ok(ReplayStep::Bars);
            }
        }
    }

    /// Reads the next day; false if there is none.
    fn load_next_day(&mut self) -> Result<bool> {
        let Some(date) = self.remaining.front().copied() else { return Ok(false) };
        // A file that was removed meanwhile is a day that is not archived.
        if let Some((_, batch)) = self.archive.read(date)? {
            self.current = Some(ReplayDay::new(date, &batch, &self.bus.settings().schema, self.next_seq));
        }
        self.remaining.pop_front();
        Ok(true)
    }

    /// Moves the current day to the past ones, and drops the oldest of these.
    fn close_day(&mut self) {
        self.past.extend(self.current.take());
        let mut kept: usize = self.past.iter().map(ReplayDay::len).sum();
        while kept > HISTORY_ROWS && self.past.len() > 1 {
            kept -= self.past.pop_front().map_or(0, |day| day.len());
        }
    }
}
