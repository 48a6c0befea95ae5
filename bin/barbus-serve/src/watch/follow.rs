//! The thread that follows the ring of a bus.
//!
//! It polls and never sleeps on the ring's futex, so the writer does not wake it and is not
//! slower because of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus::{Date, Event, Reader, Start};
use barbus_bars::{Calendar, TradingDay};
use serde::Serialize;

use super::ServedBus;
use super::board::{BarRow, PlainBar};

/// How often it looks for new bars.
const TICK: Duration = Duration::from_millis(200);
/// How long it waits before it opens a ring again that cannot be followed.
const RETRY: Duration = Duration::from_secs(2);
/// The most bars of a message. If more came, pages ask for the charts that they show.
const MOST_BARS: usize = 10_000;

/// New bars, as pages read them.
#[derive(Serialize)]
struct Message<'a> {
    rows: Vec<BarRow<'a>>,
    /// Whether there were more bars than these, which are then the newest of each symbol.
    more: bool,
}

impl ServedBus {
    /// Starts the thread.
    pub(crate) fn follow(self: &Arc<Self>) -> anyhow::Result<()> {
        let bus = self.clone();
        let name = format!("follow {}", bus.name());
        std::thread::Builder::new().name(name).spawn(move || bus.follow_for_ever()).context("cannot start a thread")?;
        Ok(())
    }

    fn follow_for_ever(&self) {
        loop {
            let outcome = self.follow_ring();
            self.board().set_error(outcome.err().map(|error| error.to_string()));
            std::thread::sleep(RETRY);
        }
    }

    /// Follows the ring until bars are withdrawn or something fails.
    fn follow_ring(&self) -> barbus::Result<()> {
        let reader = Reader::open(self.bus.path())?.name("barbus-serve");
        let mut reader = reader.start_at(Start::Today)?;
        let newest = self.bus.newest_day()?;
        // A ring without a bar adds nothing to the newest archived day.
        let has_bars = reader.newest_age().is_some();
        self.load_days_through(newest.and_then(|day| if has_bars { day.yesterday().ok() } else { Some(day) }))?;
        let mut days = DayCache::new(&self.bus.settings().calendar);
        loop {
            let mut bars: Vec<(usize, PlainBar)> = Vec::new();
            let mut more = false;
            loop {
                match reader.next(Duration::ZERO)? {
                    Some(Event::Bars(batch)) => {
                        let mut board = self.board();
                        for bar in batch {
                            let plain = PlainBar::from(&*bar);
                            let at = board.apply(bar.symbol, plain, days.of(bar.frame_ms));
                            bars.push((at, plain));
                        }
                    }
                    Some(Event::Lapped { .. }) => more = true,
                    // The board may show one of them.
                    Some(Event::Withdrawn(_)) => return Ok(()),
                    Some(Event::DayClosed(_) | Event::MinuteClosed(_)) => {}
                    None => break,
                }
                if bars.len() > MOST_BARS {
                    more = true;
                    self.send(&mut bars, more);
                }
            }
            self.send(&mut bars, more);
            std::thread::sleep(TICK);
        }
    }

    /// Sends the bars to the pages that listen, and empties them.
    fn send(&self, bars: &mut Vec<(usize, PlainBar)>, more: bool) {
        if (!bars.is_empty() || more) && self.live.receiver_count() > 0 {
            let board = self.board();
            let rows = match more {
                false => bars.iter().map(|(at, bar)| board.row(*at, bar)).collect(),
                true => {
                    let mut touched: Vec<usize> = bars.iter().map(|(at, _)| *at).collect();
                    touched.sort_unstable();
                    touched.dedup();
                    touched.into_iter().map(|at| board.newest(at)).collect()
                }
            };
            if let Ok(text) = serde_json::to_string(&Message { rows, more }) {
                let _ = self.live.send(text.into());
            }
        }
        bars.clear();
    }

    /// Fills the board with the last bar of each symbol up to `day`, for changes since then and for
    /// symbols without a bar today.
    fn load_days_through(&self, day: Option<Date>) -> barbus::Result<()> {
        self.board().clear();
        let Some(day) = day else { return Ok(()) };
        if self.bus.archived_days()?.first().is_none_or(|first| *first > day) {
            return Ok(());
        }
        let question = self.bus.bars().to(day).last(1).skip_damaged();
        let question = question.columns(["open", "high", "low", "close", "volume"]);
        let mut days = DayCache::new(&self.bus.settings().calendar);
        for batch in question.open()? {
            self.add_batch(&batch?, &mut days);
        }
        Ok(())
    }

    fn add_batch(&self, batch: &RecordBatch, days: &mut DayCache<'_>) {
        let symbols = batch.column(0).as_dictionary::<Int32Type>();
        let Some(symbols) = symbols.downcast_dict::<arrow::array::StringArray>() else { return };
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
        let [open, high, low, close, volume] = [2, 3, 4, 5, 6].map(|at| batch.column(at).as_primitive::<Float64Type>());
        let mut board = self.board();
        for (row, symbol) in symbols.into_iter().enumerate() {
            let Some(symbol) = symbol else { continue };
            let bar = PlainBar {
                frame_ms: frames.value(row),
                open: open.value(row),
                high: high.value(row),
                low: low.value(row),
                close: close.value(row),
                volume: volume.value(row),
                ..PlainBar::default()
            };
            board.apply(symbol, bar, days.of(bar.frame_ms));
        }
    }
}

/// The trading day of bars that come one after the other.
struct DayCache<'a> {
    calendar: &'a Calendar,
    last: Option<TradingDay>,
}

impl<'a> DayCache<'a> {
    fn new(calendar: &'a Calendar) -> Self {
        Self { calendar, last: None }
    }

    fn of(&mut self, frame_ms: i64) -> Date {
        match self.last {
            Some(day) if day.after_ms < frame_ms && frame_ms <= day.until_ms => day.date,
            _ => self.last.insert(self.calendar.trading_day(frame_ms)).date,
        }
    }
}
