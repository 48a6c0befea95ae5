//! Assembles minutes: which bars belong to which minute, and when a minute closes.
//!
//! It is a state machine without a clock or a ring: it is given events, and the time when there are
//! none.

use std::collections::VecDeque;
use std::time::Duration;

use barbus_bars::{Calendar, Date, TradingDay};
use barbus_ring::Row;

use super::known::Known;
use super::pending::PendingMinute;
use super::universe::Universe;
use super::{MinuteClosed, MinuteOptions};
use crate::event::{Appended, Event};
use crate::symbol_filter::SymbolFilter;
use crate::symbol_table::SymbolNames;
use crate::withdrawn::Selection;

/// An event to deliver.
#[derive(Debug)]
pub(super) enum Output {
    Bars(Vec<Row>),
    MinuteClosed(MinuteClosed),
    DayClosed(Date),
    Lapped(u64),
    Withdrawn(Selection),
}

/// The next minute to close.
#[derive(Debug, Clone, Copy)]
struct Head {
    frame_ms: i64,
    /// When its first bar was received; `None` for a minute without a bar.
    first_received_ms: Option<i64>,
}

/// Assembles the bars of a feed to minutes.
#[derive(Debug)]
pub(super) struct Assembler {
    universe: Universe,
    grace_ms: i64,
    /// The feed delivers frames in order, without the times at which bars were received.
    is_sorted: bool,
    /// Minutes with bars, in order.
    pending: VecDeque<PendingMinute>,
    /// Late bars that are not delivered.
    late: Vec<Row>,
    output: VecDeque<Output>,
    /// The last minute that is closed, or is not to be closed.
    closed_through_ms: Option<i64>,
    /// Minutes without a bar are closed after this one only.
    empty_after_ms: i64,
    /// The first minute after the last closed one in which a symbol is expected.
    next_expected_ms: Option<i64>,
    /// Whether bars were missed since the last bar.
    was_lapped: bool,
    /// A bar of the first pending minute that was received before is added to it; 0: look first.
    open_until_ns: i64,
    /// Whether bars of the present day were missed.
    was_lapped_today: bool,
    /// The trading day in progress.
    day: Option<TradingDay>,
    /// The last day that is closed.
    last_day: Option<Date>,
    watermark_ms: i64,
    /// Memory for further minutes and batches.
    spare_minutes: Vec<PendingMinute>,
    spare_rows: Vec<Row>,
    /// Bars of the feed that are being taken; empty between two polls.
    intake: Vec<Row>,
}

/// Bars that are worth to be appended to a minute directly: others may have to be moved again.
const MANY: usize = 256;

/// The text of a row's symbol.
fn name_of<'n>(row: &Row, names: &'n [String]) -> &'n str {
    names.get(row.symbol.0 as usize).map_or("", String::as_str)
}

impl Assembler {
    pub(super) fn new(
        calendar: Calendar,
        options: MinuteOptions,
        known: Known,
        wanted: Option<&SymbolFilter>,
        is_sorted: bool,
    ) -> Self {
        let mut universe = Universe::new(calendar, options.universe);
        universe.add_seen(&known.last_symbols, &known.symbols, wanted);
        let mut assembler = Self {
            universe,
            grace_ms: i64::try_from(options.grace.as_millis()).unwrap_or(i64::MAX / 2),
            is_sorted,
            pending: VecDeque::new(),
            late: Vec::new(),
            output: VecDeque::new(),
            closed_through_ms: known.closed_through_ms,
            empty_after_ms: i64::MIN,
            next_expected_ms: None,
            was_lapped: false,
            open_until_ns: 0,
            was_lapped_today: false,
            day: known.day,
            last_day: known.last_day,
            watermark_ms: i64::MIN,
            spare_minutes: Vec::new(),
            spare_rows: Vec::new(),
            intake: Vec::new(),
        };
        assembler.find_next_expected();
        assembler
    }

    /// The texts of all symbols, by the ids of the rows.
    pub(super) fn symbol_names(&self) -> &[String] {
        self.universe.texts().as_slice()
    }

    /// The same, for [`Bars`](crate::Bars).
    pub(super) fn symbol_texts(&self) -> &SymbolNames {
        self.universe.texts()
    }

    /// The newest watermark that was taken.
    pub(super) fn watermark_ms(&self) -> i64 {
        self.watermark_ms
    }

    /// The number of the first bar that is not delivered.
    pub(super) fn first_seq(&self) -> Option<u64> {
        let queued = self.output.iter().filter_map(|output| match output {
            Output::Bars(rows) => rows.iter().map(|row| row.seq).min(),
            _ => None,
        });
        queued.chain(self.pending.iter().filter_map(PendingMinute::first_seq)).min()
    }

    /// Whether everything is delivered.
    pub(super) fn is_empty(&self) -> bool {
        self.output.is_empty() && self.pending.is_empty()
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// Takes the memory of a delivered batch back.
    pub(super) fn recycle(&mut self, output: Output) {
        if let Output::Bars(rows) = output {
            self.spare_rows = rows;
        }
    }

    /// Takes an event of the feed.
    pub(super) fn take(&mut self, event: Event<'_>) {
        self.find_open_until();
        match event {
            Event::Bars(bars) => self.take_rows(bars.rows(), bars.names().as_slice()),
            Event::DayClosed(day) => self.close_day(day),
            Event::Lapped { missed } => {
                (self.was_lapped, self.was_lapped_today) = (true, true);
                self.output.push_back(Output::Lapped(missed));
            }
            Event::Withdrawn(selection) => self.withdraw(selection.clone()),
            // The feed of minutes is not a feed of minutes itself.
            Event::MinuteClosed(_) => {}
        }
    }

    /// Where the feed appends the next bars, for [`Assembler::take_appended`].
    ///
    /// Bars of a minute that waits for many more are appended to it. That saves a copy of them, and
    /// a copy of a bar takes longer than everything else here.
    pub(super) fn intake(&mut self) -> &mut Vec<Row> {
        match self.pending.front_mut() {
            Some(minute) if minute.waits_for() >= MANY => minute.rows_mut(),
            _ => &mut self.intake,
        }
    }

    /// Takes what a poll of the feed has found; false if it was nothing.
    pub(super) fn take_appended(&mut self, appended: Appended<'_>) -> bool {
        match appended {
            Appended::Nothing => return false,
            Appended::Event(event) => self.take(event),
            Appended::OtherIds => self.universe.forget_feed_ids(),
            Appended::Bars(names) => {
                self.find_open_until();
                self.accept_appended(names);
                self.take_intake(names);
            }
        }
        true
    }

    /// Accepts the bars that were appended to the first minute; the others go to the intake.
    fn accept_appended(&mut self, names: &[String]) {
        let Some(minute) = self.pending.front_mut() else { return };
        let received_ns = 1..self.open_until_ns;
        let may_be_complete = loop {
            if minute.accept_appended(received_ns.clone(), &self.universe) && minute.may_be_complete() {
                break true;
            }
            let Some(row) = minute.next_appended().filter(|row| !self.universe.knows(row.symbol)) else { break false };
            self.universe.id_of(row.symbol, || name_of(row, names));
        };
        minute.move_rest(&mut self.intake);
        if may_be_complete {
            self.close_complete();
            self.find_open_until();
        }
    }

    /// Takes the bars of the intake.
    fn take_intake(&mut self, names: &[String]) {
        let mut rows = std::mem::take(&mut self.intake);
        if self.pending.is_empty() && rows.len() >= MANY {
            self.take_next(&rows[0], names);
            let is_begun = self.pending.len() == 1 && self.pending[0].len() == 1 && self.late.is_empty();
            if is_begun {
                // Probably most of the others are of this minute.
                self.pending[0].adopt(&mut rows);
                rows.clear();
                self.intake = rows;
                self.accept_appended(names);
                rows = std::mem::take(&mut self.intake);
            } else {
                rows.remove(0);
            }
        }
        self.take_rows(&rows, names);
        rows.clear();
        self.intake = rows;
    }

    fn take_rows(&mut self, mut rows: &[Row], names: &[String]) {
        loop {
            rows = &rows[self.take_run(rows, names)..];
            let Some((row, after)) = rows.split_first() else { break };
            self.take_next(row, names);
            rows = after;
        }
        self.flush_late();
    }

    /// Takes a bar with everything that it may cause.
    fn take_next(&mut self, row: &Row, names: &[String]) {
        let symbol = self.universe.id_of(row.symbol, || name_of(row, names));
        self.take_row(Row { symbol, ..*row });
        self.find_open_until();
    }

    /// Takes bars of the minute that most bars are of; returns their number. More must be looked at
    /// for the bar after them.
    fn take_run(&mut self, rows: &[Row], names: &[String]) -> usize {
        let Some(minute) = self.pending.front_mut() else { return 0 };
        for (taken, row) in rows.iter().enumerate() {
            let is_open = row.frame_ms == minute.frame_ms && (1..self.open_until_ns).contains(&row.received_ns);
            if !is_open {
                return taken;
            }
            let symbol = self.universe.id_of(row.symbol, || name_of(row, names));
            minute.insert(row, symbol, &self.universe);
            if minute.may_be_complete() {
                self.close_complete();
                self.find_open_until();
                return taken + 1;
            }
        }
        rows.len()
    }

    /// Finds until when a bar of the first pending minute has no other effect than to be added.
    fn find_open_until(&mut self) {
        self.open_until_ns = match self.head() {
            Some(head) if head.first_received_ms.is_some() && !self.was_lapped => {
                self.due_ms(head).saturating_mul(1_000_000)
            }
            _ => 0,
        };
    }

    fn take_row(&mut self, row: Row) {
        let (frame_ms, received_ms) = (row.frame_ms, row.received_ns / 1_000_000);
        if std::mem::take(&mut self.was_lapped) {
            // The bars of the minutes before may be those that were missed.
            self.empty_after_ms = frame_ms - 1;
            self.find_next_expected();
        }
        // A live reader has such bars from the archive, sorted, before those of the ring.
        let is_sorted = self.is_sorted || row.received_ns == 0;
        self.close_before(frame_ms, received_ms, is_sorted);
        if self.closed_through_ms.is_some_and(|closed_ms| frame_ms <= closed_ms) {
            self.take_late(row);
            return;
        }
        if self.day.is_none_or(|day| frame_ms > day.until_ms) {
            self.begin_day(frame_ms);
            self.close_before(frame_ms, received_ms, is_sorted);
        }
        let at = self.minute(frame_ms, received_ms);
        self.pending[at].insert(&row, row.symbol, &self.universe);
        // Sorted bars may have a symbol that is not in the universe after all others.
        if !is_sorted {
            self.close_complete();
        }
    }

    fn take_late(&mut self, row: Row) {
        let day = self.universe.calendar().trading_day(row.frame_ms).date;
        if self.day.is_some_and(|open| open.date == day) {
            self.universe.see(row.symbol, true);
        } else if self.last_day == Some(day) {
            self.universe.see(row.symbol, false);
        }
        self.late.push(row);
    }

    /// The minute that ends at `frame_ms`, which begins with a bar that is received now unless it
    /// is pending.
    fn minute(&mut self, frame_ms: i64, received_ms: i64) -> usize {
        let at = match self.pending.back() {
            Some(last) if last.frame_ms == frame_ms => self.pending.len() - 1,
            Some(last) if last.frame_ms > frame_ms => self.pending.partition_point(|one| one.frame_ms < frame_ms),
            _ => self.pending.len(),
        };
        if self.pending.get(at).is_none_or(|minute| minute.frame_ms != frame_ms) {
            let mut minute = self.spare_minutes.pop().unwrap_or_default();
            minute.begin(frame_ms, received_ms, &mut self.universe);
            self.pending.insert(at, minute);
        }
        at
    }

    /// Closes the minutes that a bar shows to be over.
    fn close_before(&mut self, frame_ms: i64, received_ms: i64, is_sorted: bool) {
        while let Some(head) = self.head() {
            let is_over = match frame_ms > head.frame_ms {
                true => is_sorted || received_ms >= head.frame_ms.saturating_add(self.grace_ms),
                false => head.first_received_ms.is_some() && received_ms >= self.due_ms(head),
            };
            if !is_over {
                return;
            }
            self.close_head(head);
        }
    }

    /// Closes the minutes in which every expected symbol has its bar.
    fn close_complete(&mut self) {
        if !self.universe.is_known() {
            return;
        }
        while let Some(head) = self.head() {
            let is_complete = match self.pending.front_mut() {
                Some(first) if head.first_received_ms.is_some() => first.is_complete(&mut self.universe),
                _ => false,
            };
            if !is_complete {
                return;
            }
            self.close_head(head);
        }
    }

    /// The minutes through this one are complete: their bars were taken.
    pub(super) fn raise_watermark(&mut self, watermark_ms: i64) {
        self.watermark_ms = watermark_ms.max(self.watermark_ms);
        while let Some(head) = self.head().filter(|head| head.frame_ms <= self.watermark_ms) {
            self.close_head(head);
        }
    }

    /// The feed has no event at `now_ms`, and all bars up to the watermark were taken.
    pub(super) fn idle(&mut self, now_ms: i64, watermark_ms: i64) {
        if self.is_sorted {
            return;
        }
        self.begin_today(now_ms);
        self.raise_watermark(watermark_ms);
        self.close_complete();
        while let Some(head) = self.head().filter(|head| self.closes_at_ms(*head, now_ms) <= now_ms) {
            self.close_head(head);
        }
    }

    /// How long until a minute closes by the clock.
    pub(super) fn time_to_close(&self, now_ms: i64) -> Duration {
        let at_ms = self.head().map_or(i64::MAX, |head| self.closes_at_ms(head, now_ms));
        Duration::from_millis(at_ms.saturating_sub(now_ms).max(1) as u64)
    }

    /// When a minute closes by the clock.
    fn closes_at_ms(&self, head: Head, now_ms: i64) -> i64 {
        // A bus that runs in the past has no bars of minutes that it has not reached.
        let is_today = self.day.is_some_and(|day| day.contains(now_ms));
        if self.is_sorted || head.first_received_ms.is_none() && !is_today { i64::MAX } else { self.due_ms(head) }
    }

    /// When the grace period of a minute ends.
    fn due_ms(&self, head: Head) -> i64 {
        head.frame_ms.max(head.first_received_ms.unwrap_or(i64::MIN)).saturating_add(self.grace_ms)
    }

    /// The next minute to close: the first one with bars, or one before it without any.
    fn head(&self) -> Option<Head> {
        let first = self.pending.front();
        match (first, self.next_expected_ms) {
            (Some(first), next) if next.is_none_or(|next| next >= first.frame_ms) => {
                Some(Head { frame_ms: first.frame_ms, first_received_ms: Some(first.first_received_ms) })
            }
            (_, Some(frame_ms)) => Some(Head { frame_ms, first_received_ms: None }),
            (_, None) => None,
        }
    }

    fn close_head(&mut self, head: Head) {
        self.flush_late();
        let mut first = head.first_received_ms.and_then(|_| self.pending.pop_front());
        let missing = match first.as_mut().is_some_and(|minute| minute.is_complete(&mut self.universe)) {
            true => Vec::new(),
            false => {
                let expected = self.universe.expected_at(head.frame_ms);
                let has = |symbol| first.as_ref().is_some_and(|minute| minute.has(symbol));
                self.universe.missing(&expected, has)
            }
        };
        let symbols = first.as_ref().map_or(0, PendingMinute::len);
        if let Some(mut minute) = first {
            minute.symbols().for_each(|symbol| self.universe.see(symbol, true));
            let rows = minute.take_rows(self.universe.in_order(), std::mem::take(&mut self.spare_rows));
            self.output.push_back(Output::Bars(rows));
            self.spare_minutes.push(minute);
        }
        self.output.push_back(Output::MinuteClosed(MinuteClosed { frame_ms: head.frame_ms, symbols, missing }));
        self.closed_through_ms = Some(head.frame_ms);
        self.find_next_expected();
    }

    fn flush_late(&mut self) {
        if !self.late.is_empty() {
            self.output.push_back(Output::Bars(std::mem::take(&mut self.late)));
        }
    }

    fn find_next_expected(&mut self) {
        self.next_expected_ms = match (self.day, self.closed_through_ms) {
            (Some(day), Some(closed_ms)) => {
                self.universe.next_expected(closed_ms.max(self.empty_after_ms), day.until_ms)
            }
            _ => None,
        };
    }

    /// Begins the day of a bar. The close of the day before may be among what was missed.
    fn begin_day(&mut self, frame_ms: i64) {
        if let Some(before) = self.day.take() {
            self.next_expected_ms = None;
            self.close_pending(before.until_ms);
            self.end_day(before.date);
        }
        self.enter_day(self.universe.calendar().trading_day(frame_ms));
    }

    /// Begins today by the clock, if the trading day before it is closed: then the bars of today
    /// are the next ones.
    fn begin_today(&mut self, now_ms: i64) {
        let (None, Some(last)) = (self.day, self.last_day) else { return };
        let calendar = self.universe.calendar();
        let today = calendar.trading_day(now_ms);
        if calendar.is_trading_day(today.date) && last == calendar.previous_trading_day(today.date) {
            self.enter_day(today);
        }
    }

    fn enter_day(&mut self, day: TradingDay) {
        self.day = Some(day);
        self.closed_through_ms = Some(day.after_ms.max(self.closed_through_ms.unwrap_or(i64::MIN)));
        self.find_next_expected();
    }

    fn end_day(&mut self, date: Date) {
        self.universe.end_day(std::mem::take(&mut self.was_lapped_today));
        self.last_day = Some(date);
    }

    /// Closes the minutes with bars through `frame_ms`.
    fn close_pending(&mut self, through_ms: i64) {
        while let Some(head) = self.head().filter(|head| head.frame_ms <= through_ms) {
            self.close_head(head);
        }
    }

    fn close_day(&mut self, date: Date) {
        let through_ms = match self.day {
            Some(day) if day.date == date => day.until_ms,
            _ => self.universe.calendar().span_of_date(date).1,
        };
        self.flush_late();
        self.close_pending(through_ms);
        if self.day.is_none_or(|day| day.date <= date) {
            self.day = None;
            self.next_expected_ms = None;
            self.end_day(date);
            self.closed_through_ms = Some(through_ms.max(self.closed_through_ms.unwrap_or(i64::MIN)));
        }
        self.output.push_back(Output::DayClosed(date));
    }

    /// Bars that are withdrawn belong to no minute.
    fn withdraw(&mut self, selection: Selection) {
        for minute in &mut self.pending {
            if self.universe.calendar().trading_day(minute.frame_ms).date == selection.day {
                let names = self.universe.texts().clone();
                let is_removed = |row: &Row| selection.covers(names.get(row.symbol).unwrap_or_default(), row.frame_ms);
                minute.remove(is_removed, &mut self.universe);
            }
        }
        self.pending.retain(|minute| minute.len() > 0);
        self.output.push_back(Output::Withdrawn(selection));
    }
}

#[cfg(test)]
mod tests;
