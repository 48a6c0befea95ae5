//! A question, before it is asked.

use arrow::datatypes::SchemaRef;
use barbus_bars::{Date, Interval};

use super::adjust::{Adjust, factor_column};
use super::answer::Answer;
use super::bound::{Bound, Range};
use super::columns::Columns;
use super::panel::Panel;
use super::reading::History;
use crate::bus::Bus;
use crate::error::{Error, Result};

/// Which bars are wanted, and how: made by [`Bus::bars`].
///
/// Bars come by trading day, and within a day by symbol and frame. Each (symbol, frame) comes once,
/// in its last revision, whether it is in the ring, in the archive or in both.
///
/// | column | what it is |
/// |---|---|
/// | `symbol` | Dictionary(Int32, Utf8) |
/// | `frame` | the end of the bar, Timestamp(ms) in the zone of the bus |
/// | `open` … `volume` and the optional columns | as in the archive |
/// | `day` | the trading day, Date32 |
/// | `bars` | of an interval longer than a minute: the number of minutes in it, UInt32 |
/// | `complete` | likewise: false while its period runs, or if the question has only a part of it |
#[derive(Debug, Clone)]
pub struct BarsQuery {
    pub(super) bus: Bus,
    pub(super) symbols: Option<Vec<String>>,
    pub(super) from: Option<Bound>,
    pub(super) to: Option<Bound>,
    pub(super) last: Option<usize>,
    pub(super) interval: Interval,
    pub(super) adjust: Adjust,
    pub(super) columns: Option<Vec<String>>,
    pub(super) skip_damaged: bool,
    /// Whether symbols that never occurred are allowed.
    pub(super) unknown_symbols: bool,
}

impl Bus {
    /// Asks for bars, live and archived ones as one sequence.
    ///
    /// ```no_run
    /// use barbus::{Adjust, Bus, Date, Reader, Start};
    ///
    /// let bus = Bus::open("BUS")?;
    /// // Half hours of a symbol since Monday, adjusted, and then every new bar.
    /// let question = bus.bars().symbols(["600000.XSHG"]).from(Date::constant(2024, 7, 1));
    /// let answer = question.interval("30m".parse().unwrap()).adjust(Adjust::Forward).collect()?;
    /// for shortfall in answer.shortfalls() {
    ///     eprintln!("{shortfall}");
    /// }
    /// let reader = Reader::open("BUS")?.start_at(Start::Seq(answer.next_seq().unwrap_or_default()))?;
    /// # Ok::<(), barbus::Error>(())
    /// ```
    pub fn bars(&self) -> BarsQuery {
        BarsQuery {
            bus: self.clone(),
            symbols: None,
            from: None,
            to: None,
            last: None,
            interval: Interval::MINUTE,
            adjust: Adjust::None,
            columns: None,
            skip_damaged: false,
            unknown_symbols: false,
        }
    }
}

impl BarsQuery {
    /// Only bars of these symbols.
    pub fn symbols<S: Into<String>>(mut self, symbols: impl IntoIterator<Item = S>) -> Self {
        let mut symbols: Vec<String> = symbols.into_iter().map(Into::into).collect();
        symbols.sort_unstable();
        symbols.dedup();
        self.symbols = Some(symbols);
        self
    }

    /// Only bars from this trading day on, or that end at this time or later.
    pub fn from(mut self, from: impl Into<Bound>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Only bars up to this trading day, or that end at this time or earlier.
    pub fn to(mut self, to: impl Into<Bound>) -> Self {
        self.to = Some(to.into());
        self
    }

    /// Only the last `count` bars of each symbol. Without [`BarsQuery::symbols`], the symbols are
    /// those that have bars on the newest two days of the question.
    pub fn last(mut self, count: usize) -> Self {
        self.last = Some(count);
        self
    }

    /// The length of the bars; without it, a minute. Periods are those of
    /// [`Periods`](barbus_bars::Periods).
    pub fn interval(mut self, interval: Interval) -> Self {
        self.interval = interval;
        self
    }

    /// Adjusts prices and volume; without it, they are as they were traded.
    pub fn adjust(mut self, adjust: Adjust) -> Self {
        self.adjust = adjust;
        self
    }

    /// Only these columns, in this order, after `symbol` and `frame`.
    pub fn columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves out days whose files are damaged and says so in [`Answer::shortfalls`]. Without it,
    /// such a day is an error.
    pub fn skip_damaged(mut self) -> Self {
        self.skip_damaged = true;
        self
    }

    /// The columns of the answer.
    ///
    /// # Errors
    /// [`Error::Question`] for an unknown column.
    pub fn schema(&self) -> Result<SchemaRef> {
        Ok(self.answer_columns()?.schema)
    }

    /// The columns of the answer, and what is read for them.
    pub(super) fn answer_columns(&self) -> Result<Columns> {
        let schema = &self.bus.settings().schema;
        Columns::new(schema, self.interval, self.adjust, self.columns.as_deref(), self.bus.path())
    }

    /// Asks, and gives the bars day by day: memory does not grow with the number of days.
    ///
    /// # Errors
    /// [`Error::Question`] for a question that contradicts itself, [`Error::UnknownSymbol`],
    /// [`Error::Changing`] if the writer was faster than the question, and
    /// the errors of the ring and of the archive. A bus without a ring answers from the archive,
    /// which [`History::shortfalls`] says; if it has no archived day either, [`Error::NoRing`].
    pub fn open(self) -> Result<History> {
        History::new(self)
    }

    /// Asks, and gives all bars at once.
    ///
    /// # Errors
    /// As [`BarsQuery::open`], and those of a damaged day file.
    pub fn collect(self) -> Result<Answer> {
        self.open()?.collect_all()
    }

    /// One column of the last `count` minutes (or intervals) that have a bar, minutes by symbols.
    ///
    /// # Errors
    /// As [`BarsQuery::collect`]; [`Error::Question`] if the column has no numbers, or without
    /// [`BarsQuery::last`].
    pub fn panel(self, column: &str) -> Result<Panel> {
        Panel::ask(self, column)
    }

    /// How many of the last minutes of a symbol a day has to give at most.
    pub(super) fn last_minutes(&self) -> Option<usize> {
        self.last.filter(|_| self.interval == Interval::MINUTE)
    }

    pub(super) fn wrong(&self, what: String) -> Error {
        Error::Question { bus: self.bus.path().to_owned(), what }
    }

    /// The days and times of the question.
    pub(super) fn range(&self) -> Result<Range> {
        let range = Range::new(self.from, self.to, &self.bus.settings().calendar);
        if range.first_day > range.last_day || range.from_ms > range.to_ms {
            return Err(self.wrong("the question begins after its end: exchange from and to".to_owned()));
        }
        if self.symbols.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.wrong("the question names no symbol: name one, or ask for all".to_owned()));
        }
        if self.last == Some(0) {
            return Err(self.wrong("the last 0 bars were asked for: ask for 1 or more".to_owned()));
        }
        if self.adjust != Adjust::None && factor_column(self.bus.settings().schema.optional()).is_none() {
            let what = "prices cannot be adjusted: the bus has no column factor, see bars.optional in bus.toml";
            return Err(self.wrong(what.to_owned()));
        }
        Ok(range)
    }

    /// Only bars of these symbols; those that never occurred have none.
    pub(crate) fn symbols_if_known<S: Into<String>>(self, symbols: impl IntoIterator<Item = S>) -> Self {
        Self { unknown_symbols: true, ..self.symbols(symbols) }
    }

    /// The first date of the week, month or day that has `day`.
    pub(super) fn period_start(&self, day: Date) -> Date {
        period_start(self.interval, day)
    }
}

/// The first date of the week, month or day that has `day`.
pub(crate) fn period_start(interval: Interval, day: Date) -> Date {
    match interval {
        Interval::Week => day.checked_sub(jiff::Span::new().days(day.weekday().to_monday_zero_offset())).unwrap_or(day),
        Interval::Month => day.first_of_month(),
        Interval::Minutes(_) | Interval::Day => day,
    }
}
