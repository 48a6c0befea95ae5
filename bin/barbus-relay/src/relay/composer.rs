//! Makes messages of the events of a bus, in the order of the ring.
//!
//! A message has bars of one trading day with consecutive sequence numbers. Where bars are spread
//! over several subjects, such a run becomes one part for each subject that it needs; the parts
//! state their number, so that a consumer puts them together again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use arrow::error::ArrowError;
use barbus::{Date, Row, Selection};
use barbus_bars::{Calendar, TradingDay};

use super::author::{Author, Outgoing};
use super::header::{FillScope, Header, Kind};
use super::payload::{SymbolNames, encode};

/// Tells apart messages without sequence numbers of their own, also those of two sessions.
static UNIQUE: AtomicU64 = AtomicU64::new(0);

/// Where the stream stands: what the next message follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) lineage: u64,
    /// The number of the next bar.
    pub(crate) next: u64,
    /// When the bus received the bar before it, nanoseconds UTC; 0 if that is not known.
    pub(crate) received_ns: i64,
    /// The newest complete minute that was stated.
    pub(crate) done_ms: i64,
    /// The newest trading day, if its close was the last that was stated of it.
    pub(crate) closed: Option<Date>,
    /// How many of the bus's withdrawals are stated, or were made before the stream.
    pub(crate) withdrawals: u64,
}

/// Parts of a run of bars of which the stream has the first ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remainder {
    /// The number after the last bar of the run.
    pub(crate) end: u64,
    /// The number of parts that the stream has.
    pub(crate) parts: u32,
}

/// Makes messages; they are taken with [`Composer::take`].
#[derive(Debug)]
pub(crate) struct Composer {
    author: Arc<Author>,
    calendar: Calendar,
    span: TradingDay,
    position: Position,
    symbols: SymbolNames,
    /// Bars that wait for more; their first number is `position.next`.
    rows: Vec<Row>,
    /// When the first of them came.
    since: Option<Instant>,
    /// When bars were sent last.
    flushed: Option<Instant>,
    /// The trading day of these bars.
    day: Option<Date>,
    /// Bars of earlier days are late.
    newest_day: Option<Date>,
    remainder: Option<Remainder>,
    fill: Option<FillScope>,
    ready: Vec<Outgoing>,
}

impl Composer {
    pub(crate) fn new(author: Arc<Author>, calendar: Calendar, position: Position) -> Self {
        let span = calendar.trading_day(0);
        Self {
            author,
            calendar,
            span,
            position,
            symbols: SymbolNames::default(),
            rows: Vec::new(),
            since: None,
            flushed: None,
            day: None,
            newest_day: position.closed,
            remainder: None,
            fill: None,
            ready: Vec::new(),
        }
    }

    /// Where the next message stands.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The bars up to `remainder.end` become one run again, whose first parts are left out.
    pub(crate) fn complete(&mut self, remainder: Remainder) {
        self.remainder = Some(remainder);
    }

    /// The messages that are ready, in order.
    pub(crate) fn take(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.ready)
    }

    /// How much longer the waiting bars may wait; `None` without any. The first ones after a pause
    /// do not wait: what follows them is sent together.
    pub(crate) fn patience(&self, linger: Duration) -> Option<Duration> {
        // The rest of a run is never sent before all of it was read.
        let since = self.since.filter(|_| self.remainder.is_none())?;
        let follows_pause = self.flushed.is_none_or(|flushed| since.saturating_duration_since(flushed) >= linger);
        Some(if follows_pause { Duration::ZERO } else { linger.saturating_sub(since.elapsed()) })
    }

    /// Adds a bar.
    ///
    /// # Errors
    /// Its number does not follow that of the bar before, or Arrow cannot encode the bars before.
    pub(crate) fn push(&mut self, symbol: &str, row: &Row) -> anyhow::Result<()> {
        let expected = self.next_to_read();
        if row.seq != expected {
            bail!("bar {} was read where bar {expected} follows", row.seq);
        }
        if !self.span.contains(row.frame_ms) {
            self.span = self.calendar.trading_day(row.frame_ms);
        }
        if self.day != Some(self.span.date) && self.remainder.is_none() {
            self.flush()?;
        }
        self.day = Some(self.span.date);
        self.since.get_or_insert_with(Instant::now);
        let id = self.symbols.id(symbol);
        self.rows.push(Row { symbol: id, ..*row });
        let is_full = match self.remainder {
            Some(remainder) => row.seq + 1 >= remainder.end,
            None => self.rows.len() >= self.author.batch_rows,
        };
        if is_full { Ok(self.flush()?) } else { Ok(()) }
    }

    /// Makes messages of the waiting bars.
    ///
    /// # Errors
    /// Arrow cannot encode them.
    pub(crate) fn flush(&mut self) -> Result<(), ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.since = None;
        let (Some(last), Some(day)) = (rows.last(), self.day) else { return Ok(()) };
        let late = self.newest_day.is_some_and(|newest| day < newest) || self.position.closed == Some(day);
        if !late {
            (self.newest_day, self.position.closed) = (Some(day), None);
        }
        self.flushed = Some(Instant::now());
        let skipped = self.remainder.take().map_or(0, |remainder| remainder.parts);
        let first = self.position.next;
        self.position.next = last.seq + 1;
        self.position.received_ns = last.received_ns;
        let header = Header { first, day: Some(day), ..self.header(if late { Kind::Late } else { Kind::Bars }) };
        let groups = self.by_subject(&rows);
        let parts = groups.len() as u32;
        for (number, (subject, places)) in groups.into_iter().enumerate().skip(skipped as usize) {
            let is_part = !self.author.subjects.is_single();
            let part = is_part.then_some((number as u32, parts));
            self.add_bars(subject, &rows, &places, Header { part, ..header.clone() }, is_part)?;
        }
        Ok(())
    }

    /// The ring has lost what follows: makes messages of the waiting bars. Those of an unfinished
    /// run are dropped, because they are not all of it.
    ///
    /// # Errors
    /// Arrow cannot encode them.
    pub(crate) fn give_up_remainder(&mut self) -> Result<(), ArrowError> {
        if self.remainder.take().is_some() {
            (self.rows, self.since) = (Vec::new(), None);
        }
        self.flush()
    }

    /// The places of the bars of each subject.
    fn by_subject(&self, rows: &[Row]) -> BTreeMap<String, Vec<u32>> {
        let subjects = &self.author.subjects;
        let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        if subjects.is_single() {
            groups.insert(subjects.bars(""), (0..rows.len() as u32).collect());
            return groups;
        }
        for (place, row) in rows.iter().enumerate() {
            let subject = subjects.bars(&self.symbols.names()[row.symbol.0 as usize]);
            groups.entry(subject).or_default().push(place as u32);
        }
        groups
    }

    fn add_bars(
        &mut self,
        subject: String,
        rows: &[Row],
        places: &[u32],
        header: Header,
        with_places: bool,
    ) -> Result<(), ArrowError> {
        let own: Vec<Row> = places.iter().map(|place| rows[*place as usize]).collect();
        let (author, names) = (&self.author, self.symbols.names());
        let payload = encode(&author.schema, &own, names, with_places.then_some(places))?;
        let revised = own.iter().filter(|row| row.revision > 0).count() as u32;
        self.add(subject, Header { rows: own.len() as u32, revised, ..header }, payload);
        Ok(())
    }

    fn add(&mut self, subject: String, header: Header, payload: Vec<u8>) {
        let id = match header.kind {
            Kind::Start | Kind::Fill => {
                format!("{}-{}", self.author.owner, UNIQUE.fetch_add(1, Ordering::Relaxed))
            }
            _ => header.message_id(),
        };
        self.ready.push(Outgoing { subject, header, payload, id });
    }

    /// The header of a message at the position.
    fn header(&self, kind: Kind) -> Header {
        Header {
            kind,
            bus: self.author.bus.clone(),
            owner: self.author.owner.clone(),
            lineage: self.position.lineage,
            first: self.position.next,
            next: self.position.next,
            rows: 0,
            revised: 0,
            day: None,
            received_ns: self.position.received_ns,
            done_ms: self.position.done_ms,
            closed: self.position.closed,
            withdrawals: self.position.withdrawals,
            part: None,
            fill: self.fill,
        }
    }

    /// States that a day is closed, after the waiting bars.
    ///
    /// # Errors
    /// Arrow cannot encode these.
    pub(crate) fn close(&mut self, day: Date) -> Result<(), ArrowError> {
        self.flush()?;
        // A reader that goes on at the end of a day finds its close again.
        if self.position.closed == Some(day) {
            return Ok(());
        }
        if self.newest_day.is_none_or(|newest| newest <= day) {
            (self.newest_day, self.position.closed) = (Some(day), Some(day));
        }
        let header = Header { day: Some(day), ..self.header(Kind::Close) };
        self.add(self.author.subjects.event(), header, Vec::new());
        Ok(())
    }

    /// States that the minute that ends at `frame_ms` is complete, after the waiting bars.
    ///
    /// # Errors
    /// Arrow cannot encode these.
    pub(crate) fn done(&mut self, frame_ms: i64) -> Result<(), ArrowError> {
        self.flush()?;
        self.position.done_ms = frame_ms;
        self.add(self.author.subjects.event(), self.header(Kind::Done), Vec::new());
        Ok(())
    }

    /// States where the bars that follow begin.
    ///
    /// # Errors
    /// Arrow cannot encode the columns.
    pub(crate) fn start(&mut self, lineage: u64, next: u64, received_ns: i64) -> Result<(), ArrowError> {
        self.position = Position { lineage, next, received_ns, ..self.position };
        // The columns, without a bar.
        let payload = encode(&self.author.schema, &[], &[], None)?;
        self.add(self.author.subjects.event(), self.header(Kind::Start), payload);
        self.fill = None;
        Ok(())
    }

    /// The number of the next bar to be read.
    pub(crate) fn next_to_read(&self) -> u64 {
        self.position.next + self.rows.len() as u64
    }

    /// States the next withdrawal of the bus, after the waiting bars.
    ///
    /// # Errors
    /// Arrow cannot encode these, or the selection is no JSON.
    pub(crate) fn withdraw(&mut self, selection: &Selection) -> anyhow::Result<()> {
        self.flush()?;
        self.position.withdrawals += 1;
        let header = Header { day: Some(selection.day), ..self.header(Kind::Withdrawn) };
        self.add(self.author.subjects.event(), header, serde_json::to_vec(selection)?);
        Ok(())
    }

    /// The withdrawals so far were made before the stream.
    pub(crate) fn set_withdrawals(&mut self, count: u64) {
        self.position.withdrawals = count;
    }

    /// Begins a fill: the messages up to the next [`Composer::start`] are parts of it. The ring
    /// goes on after it with `next` of `lineage`.
    pub(crate) fn begin_fill(&mut self, scope: FillScope, lineage: u64, next: u64) {
        self.fill = Some(scope);
        self.position = Position { lineage, next, ..self.position };
    }

    /// Adds bars of the archive of one day.
    ///
    /// # Errors
    /// Arrow cannot encode them.
    pub(crate) fn fill(&mut self, day: Date, bars: &[(String, Row)]) -> Result<(), ArrowError> {
        for chunk in bars.chunks(self.author.batch_rows) {
            let rows: Vec<Row> =
                chunk.iter().map(|(symbol, row)| Row { symbol: self.symbols.id(symbol), ..*row }).collect();
            let header = Header { day: Some(day), ..self.header(Kind::Fill) };
            for (subject, places) in self.by_subject(&rows) {
                self.add_bars(subject, &rows, &places, header.clone(), false)?;
            }
        }
        Ok(())
    }
}
