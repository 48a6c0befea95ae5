//! A feed that delivers bars of an interval, each when its last minute is complete.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use barbus_bars::{Date, Interval, Period};
use barbus_ring::{Row, SymbolId};
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::event::{Bars, Event};
use crate::feed::Feed;
use crate::history::{IntervalBar, Resampler, dictionary_of, period_start, rows_of_batch};
use crate::minutes::{MinuteOptions, MinuteSource, Minutes};
use crate::reader::Reader;
use crate::replay::Replay;
use crate::symbol_table::SymbolTable;
use crate::withdrawn::Selection;

/// Bars of an interval, each delivered when its last minute is complete: [`Reader::resampled`] and
/// `Replay::resampled` make it.
///
/// An [`Event::Bars`] has the bars of one period, in the order of the bytes of their symbols.
/// Periods and values are those of [`Bus::bars`](crate::Bus::bars): `frame_ms` is the end of the
/// period. If a minute comes late, or is revised, its bar is delivered again with the next
/// `revision`. Minutes that are withdrawn are left out of a period that still runs. Other events
/// are as those of the minutes; [`Event::DayClosed`] comes after the last bar of its day.
///
/// The first period is whole also if the reader starts within it: its earlier minutes are looked up
/// in the ring and the archive. A replay delivers the same bars as the live day; what was late
/// there is in its bar here.
///
/// ```no_run
/// use std::time::Duration;
/// use barbus::{Event, MinuteOptions, Reader};
///
/// let mut bars = Reader::open("BUS")?.resampled("5m".parse().unwrap(), MinuteOptions::default())?;
/// while let Some(event) = bars.next(Duration::from_secs(600))? {
///     if let Event::Bars(bars) = event {
///         bars.iter().for_each(|bar| println!("{} {} {}", bar.symbol, bar.frame_ms, bar.close));
///     }
/// }
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Resampled<F> {
    minutes: Minutes<F>,
    interval: Interval,
    resampler: Resampler,
    /// The minutes of the periods that run, by symbol.
    open: BTreeMap<String, OpenPeriod>,
    /// The bars that were delivered, and how often, by symbol and the beginning of the period. Only
    /// those of the newest day: an older bar that changes has revision 1.
    delivered: HashMap<(String, i64), u8>,
    /// The end of the last minute that closed, milliseconds UTC.
    closed_ms: i64,
    /// Whether the minutes before the next bar have to be looked up.
    looks_up: bool,
    queue: VecDeque<Output>,
    /// What the last event lends.
    current: Output,
    symbols: SymbolTable,
}

/// The minutes of a period of a symbol, ascending by frame.
#[derive(Debug)]
struct OpenPeriod {
    period: Period,
    minutes: BTreeMap<i64, Row>,
}

#[derive(Debug)]
enum Output {
    Bars(Vec<Row>),
    DayClosed(Date),
    Lapped(u64),
    Withdrawn(Box<Selection>),
}

impl Reader {
    /// Delivers bars of `interval`, each when its last minute is complete: see [`Resampled`].
    ///
    /// Call it after [`Reader::start_at`] and [`Reader::symbols`]. `options` decide when a minute
    /// is complete.
    ///
    /// # Errors
    /// As [`Reader::minutes`].
    pub fn resampled(self, interval: Interval, options: MinuteOptions) -> Result<Resampled<Self>> {
        Ok(Resampled::new(self.minutes(options)?, interval))
    }
}

impl Replay {
    /// Delivers bars of `interval`, each when its last minute is complete: see [`Resampled`].
    ///
    /// # Errors
    /// As [`Replay::minutes`].
    pub fn resampled(self, interval: Interval, options: MinuteOptions) -> Result<Resampled<Self>> {
        Ok(Resampled::new(self.minutes(options)?, interval))
    }
}

/// What the minutes delivered, without what they lend.
enum Taken {
    Bars(Vec<(String, Row)>),
    MinuteClosed(i64),
    DayClosed(Date),
    Lapped(u64),
    Withdrawn(Box<Selection>),
    Nothing,
}

impl<F: MinuteSource> Resampled<F> {
    fn new(minutes: Minutes<F>, interval: Interval) -> Self {
        let settings = minutes.feed().bus().settings();
        let resampler = Resampler::new(settings.calendar.clone(), interval, settings.schema.optional());
        Self {
            minutes,
            interval,
            resampler,
            open: BTreeMap::new(),
            delivered: HashMap::new(),
            closed_ms: i64::MIN,
            looks_up: true,
            queue: VecDeque::new(),
            current: Output::Lapped(0),
            symbols: SymbolTable::default(),
        }
    }

    /// The feed.
    pub fn feed(&self) -> &F {
        self.minutes.feed()
    }

    /// The text of a symbol's id.
    pub fn symbol_name(&self, id: SymbolId) -> Option<&str> {
        self.symbols.get(id)
    }

    /// True after the last event: after the last day of a replay, never for a reader.
    pub fn ended(&self) -> bool {
        self.queue.is_empty() && self.minutes.ended()
    }

    /// The next event; `None` if there is none yet. It does not wait.
    ///
    /// # Errors
    /// As [`Minutes::poll`], and those of [`BarsQuery::open`](crate::BarsQuery::open).
    pub fn poll(&mut self) -> Result<Option<Event<'_>>> {
        while self.queue.is_empty() {
            let taken = taken(self.minutes.poll()?);
            if !self.take(taken)? {
                return Ok(None);
            }
        }
        Ok(self.deliver())
    }

    /// The next event; waits for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Resampled::poll`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        self.wait(timeout)?;
        Ok(self.deliver())
    }

    /// Waits until there is an event to poll, for at most `timeout`; returns whether there is one.
    ///
    /// # Errors
    /// As [`Resampled::poll`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let end = std::time::Instant::now().checked_add(timeout);
        while self.queue.is_empty() {
            let left = end.map_or(timeout, |end| end.saturating_duration_since(std::time::Instant::now()));
            let taken = taken(self.minutes.next(left)?);
            let ends = left.is_zero() || self.minutes.ended() || self.minutes.feed().was_interrupted();
            if !self.take(taken)? && ends {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn deliver(&mut self) -> Option<Event<'_>> {
        self.current = self.queue.pop_front()?;
        Some(match &self.current {
            Output::Bars(rows) => Event::Bars(Bars::new(rows, self.symbols.texts())),
            Output::DayClosed(day) => Event::DayClosed(*day),
            Output::Lapped(missed) => Event::Lapped { missed: *missed },
            Output::Withdrawn(selection) => Event::Withdrawn(selection),
        })
    }

    /// Takes what the minutes delivered; false if that was nothing.
    fn take(&mut self, taken: Taken) -> Result<bool> {
        match taken {
            Taken::Nothing => return Ok(false),
            Taken::Bars(bars) => self.add(bars)?,
            Taken::MinuteClosed(frame_ms) => {
                self.closed_ms = self.closed_ms.max(frame_ms);
                self.end_where(|open| open.period.end_ms <= frame_ms);
            }
            Taken::DayClosed(day) => {
                // A week or a month goes on.
                self.end_where(|open| open.period.day <= day);
                self.delivered.clear();
                self.queue.push_back(Output::DayClosed(day));
            }
            Taken::Lapped(missed) => {
                // What the running periods have missed is looked up.
                self.open.clear();
                self.looks_up = true;
                self.queue.push_back(Output::Lapped(missed));
            }
            Taken::Withdrawn(selection) => {
                self.withdraw(&selection);
                self.queue.push_back(Output::Withdrawn(selection));
            }
        }
        Ok(true)
    }

    /// Bars that are withdrawn belong to no period.
    fn withdraw(&mut self, selection: &Selection) {
        let calendar = &self.minutes.feed().bus().settings().calendar;
        for (symbol, open) in &mut self.open {
            open.minutes.retain(|frame_ms, _| {
                !selection.covers(symbol, *frame_ms) || calendar.trading_day(*frame_ms).date != selection.day
            });
        }
    }

    /// Adds the bars of a minute, or late ones.
    fn add(&mut self, bars: Vec<(String, Row)>) -> Result<()> {
        if self.looks_up
            && let Some(first_ms) = bars.iter().map(|(_, row)| row.frame_ms).min()
        {
            self.looks_up = false;
            self.look_up(first_ms)?;
        }
        let mut revised = BTreeSet::new();
        for (symbol, row) in bars {
            let period = self.resampler.periods(&symbol).of(row.frame_ms);
            match self.open.get_mut(&symbol) {
                Some(open) if open.period.after_ms == period.after_ms => {
                    open.period.end_ms = open.period.end_ms.max(period.end_ms);
                    open.minutes.insert(row.frame_ms, row);
                }
                Some(open) if open.period.after_ms > period.after_ms => drop(revised.insert((symbol, period))),
                // A late bar of a period that is over, of a symbol without a bar since.
                _ if period.end_ms <= self.closed_ms => drop(revised.insert((symbol, period))),
                _ => {
                    let minutes = BTreeMap::from([(row.frame_ms, row)]);
                    let before = self.open.insert(symbol.clone(), OpenPeriod { period, minutes });
                    // The minutes of a market may not reach the end of its last period.
                    if let Some(before) = before {
                        self.end_period(&symbol, before);
                    }
                }
            }
        }
        for (symbol, period) in revised {
            self.revise(&symbol, period)?;
        }
        Ok(())
    }

    /// Looks up the minutes of the running periods up to a minute.
    fn look_up(&mut self, through_ms: i64) -> Result<()> {
        let bus = self.minutes.feed().bus().clone();
        let day = bus.settings().calendar.trading_day(through_ms).date;
        let from = period_start(self.interval, day);
        let through = Timestamp::from_millisecond(through_ms).unwrap_or(Timestamp::MAX);
        let mut query = bus.bars().from(from).to(through);
        if let Some(wanted) = self.minutes.feed().wanted() {
            query = query.symbols_if_known(wanted.names());
        }
        let mut history = match query.open() {
            Err(Error::NoRing { .. } | Error::OtherBoot { .. }) => return Ok(()),
            history => history?,
        };
        while let Some(next) = history.next_day() {
            for batch in next?.1 {
                let names = dictionary_of(&batch);
                for row in rows_of_batch(&batch, history.stored_columns()) {
                    let symbol = names.value(row.symbol.0 as usize);
                    let period = self.resampler.periods(symbol).of(row.frame_ms);
                    if period.end_ms < through_ms {
                        continue;
                    }
                    let open = OpenPeriod { period, minutes: BTreeMap::new() };
                    self.open.entry(symbol.to_owned()).or_insert(open).minutes.insert(row.frame_ms, row);
                }
            }
        }
        Ok(())
    }

    /// Delivers the bars of all periods that are over.
    fn end_where(&mut self, is_over: impl Fn(&OpenPeriod) -> bool) {
        let symbols: Vec<String> =
            self.open.iter().filter(|(_, open)| is_over(open)).map(|(symbol, _)| symbol.clone()).collect();
        let mut rows: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
        for symbol in symbols {
            if let Some(open) = self.open.remove(&symbol)
                && let Some(row) = self.bar_of(&symbol, &open)
            {
                rows.entry(row.frame_ms).or_default().push(row);
            }
        }
        self.queue.extend(rows.into_values().map(Output::Bars));
    }

    fn end_period(&mut self, symbol: &str, open: OpenPeriod) {
        if let Some(row) = self.bar_of(symbol, &open) {
            self.queue.push_back(Output::Bars(vec![row]));
        }
    }

    /// Delivers the bar of a period that is over again, as the bus has it now.
    fn revise(&mut self, symbol: &str, period: Period) -> Result<()> {
        let bus = self.minutes.feed().bus().clone();
        let bound = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
        let query = bus.bars().symbols([symbol]).from(bound(period.after_ms + 1)).to(bound(period.end_ms));
        let mut history = query.open()?;
        let mut minutes = BTreeMap::new();
        while let Some(next) = history.next_day() {
            for batch in next?.1 {
                let rows = rows_of_batch(&batch, history.stored_columns());
                minutes.extend(rows.into_iter().map(|row| (row.frame_ms, row)));
            }
        }
        self.delivered.entry((symbol.to_owned(), period.after_ms)).or_insert(1);
        self.end_period(symbol, OpenPeriod { period, minutes });
        Ok(())
    }

    /// The bar of a period, with its revision.
    fn bar_of(&mut self, symbol: &str, open: &OpenPeriod) -> Option<Row> {
        let minutes: Vec<Row> = open.minutes.values().copied().collect();
        let mut bars: Vec<IntervalBar> = Vec::new();
        self.resampler.fold(symbol, &minutes, &mut bars, 0);
        // All minutes are of one period.
        let bar = bars.pop()?;
        let id = self.symbols.find_or_push(symbol);
        let revision = self.delivered.entry((symbol.to_owned(), open.period.after_ms)).or_insert(0);
        let row = Row { symbol: id, revision: *revision, seq: 0, received_ns: 0, ..bar.row };
        *revision = revision.saturating_add(1);
        Some(row)
    }
}

impl<F: MinuteSource> Feed for Resampled<F> {
    fn poll(&mut self) -> Result<Option<Event<'_>>> {
        Resampled::poll(self)
    }

    fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        Resampled::next(self, timeout)
    }

    fn ended(&self) -> bool {
        Resampled::ended(self)
    }

    /// The newest minute of a symbol.
    fn latest(&mut self, symbol: &str) -> Result<Option<Row>> {
        self.minutes.latest(symbol)
    }

    /// The last minutes of a symbol.
    fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>> {
        self.minutes.window(symbol, count)
    }

    /// The symbols that have had a bar: the ids are not those of the feed.
    fn symbol_names(&mut self) -> &[String] {
        self.symbols.names()
    }

    fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
        Resampled::symbol_name(self, id)
    }

    fn position(&self) -> u64 {
        self.minutes.position()
    }

    fn day(&mut self) -> Option<Date> {
        self.minutes.day()
    }
}

fn taken(event: Option<Event<'_>>) -> Taken {
    match event {
        Some(Event::Bars(bars)) => Taken::Bars(bars.iter().map(|bar| (bar.symbol.to_owned(), *bar)).collect()),
        Some(Event::MinuteClosed(minute)) => Taken::MinuteClosed(minute.frame_ms),
        Some(Event::DayClosed(day)) => Taken::DayClosed(day),
        Some(Event::Lapped { missed }) => Taken::Lapped(missed),
        Some(Event::Withdrawn(selection)) => Taken::Withdrawn(Box::new(selection.clone())),
        None => Taken::Nothing,
    }
}
