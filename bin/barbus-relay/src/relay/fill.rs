//! Bars that the ring has lost, from the archive, its parts and the ring.
//!
//! A question takes all of them at one moment, and says with which bar the ring goes on after it.
//! The bars come in their last revision, by day and minute. A bus that has them already, in the
//! same or in an earlier revision, loses nothing by getting them again.
//!
//! The ring does not say of which days the lost bars were: a late bar may be of any. But each of
//! them was written to its day's file or to a part before the ring lost it, hence after it was
//! received. So the days that are needed have bars in the ring, a part, or a file that was written
//! since the last bar before the gap was received.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float32Type, Float64Type, Int32Type, TimestampMillisecondType};
use barbus::{Bus, Date, Event, History, Reader, Row, Start, WithdrawalRecord};
use barbus_bars::{FIXED_COLUMNS, date_from_epoch_days};

use super::composer::Composer;
use super::header::FillScope;

/// A clock may have been set back by this much since the last bar before the gap.
const CLOCK_MARGIN: Duration = Duration::from_secs(3600);

/// Adds the bars of `scope` to `composer`, and the start of the ring's bars after them. `each`
/// takes the messages as they become ready. Returns a reader that goes on there.
pub(crate) fn fill(
    bus: &Bus,
    reader_name: &str,
    scope: FillScope,
    composer: &mut Composer,
    mut each: impl FnMut(&mut Composer) -> anyhow::Result<()>,
) -> anyhow::Result<Reader> {
    let lineage = Reader::open(bus.path())?.anonymous().lineage();
    let (days, mut history) = ask(bus, scope, composer)?;
    let Some(next) = history.next_seq() else {
        bail!("{}: it has no ring: start its daemon with: barbusd {0}", bus.path().display());
    };
    let reader = Reader::open(bus.path())?.name(reader_name).start_at(Start::Seq(next))?;
    if reader.lineage() != lineage {
        bail!("{}: its ring was replaced while the archive was asked", bus.path().display());
    }
    tracing::info!(%scope, next, "the stream gets bars from the archive");
    composer.begin_fill(scope, lineage, next);
    let mut day = None;
    let mut bars: Vec<(String, Row)> = Vec::new();
    while let Some(batch) = history.next() {
        let batch = batch?;
        let Some(of_batch) = day_of(&batch) else { continue };
        if !days.are_wanted(of_batch) {
            continue;
        }
        if day.is_some_and(|day| day != of_batch) {
            end_day(&history, day, &mut bars, composer)?;
            each(composer)?;
        }
        day = Some(of_batch);
        add_bars(&batch, &mut bars);
    }
    end_day(&history, day, &mut bars, composer)?;
    composer.start(lineage, next, received_ns(bus, next).unwrap_or(0))?;
    each(composer)?;
    Ok(reader)
}

/// Asks for the bars of `scope`. The withdrawals before this moment are stated before them: the
/// bars lack what was withdrawn, but other buses may have it.
fn ask(bus: &Bus, scope: FillScope, composer: &mut Composer) -> anyhow::Result<(Days, History)> {
    loop {
        let withdrawals = WithdrawalRecord::load(bus)?;
        for record in withdrawals.iter().skip(composer.position().withdrawals as usize) {
            composer.withdraw(&record.selection)?;
        }
        let days = Days::of(bus, scope)?;
        let history = match days.first() {
            Some(first) => bus.bars().from(first).open()?,
            None => bus.bars().open()?,
        };
        // A late bar or a withdrawal may have come meanwhile.
        let is_whole = !days_in_ring(bus)?.iter().any(|day| days.lack(*day));
        if is_whole && WithdrawalRecord::load(bus)?.len() == withdrawals.len() {
            return Ok((days, history));
        }
    }
}

/// The days of the bars in the ring.
fn days_in_ring(bus: &Bus) -> anyhow::Result<BTreeSet<Date>> {
    let calendar = &bus.settings().calendar;
    let mut reader = Reader::open(bus.path())?.anonymous().start_at(Start::Oldest)?;
    let mut span = calendar.trading_day(0);
    let mut days = BTreeSet::new();
    while let Some(event) = reader.poll()? {
        let Event::Bars(bars) = event else { continue };
        for row in bars.rows() {
            if days.is_empty() || !span.contains(row.frame_ms) {
                span = calendar.trading_day(row.frame_ms);
                days.insert(span.date);
            }
        }
    }
    Ok(days)
}

/// When the bus received the bar before `next`, nanoseconds UTC, if the ring has it.
pub(crate) fn received_ns(bus: &Bus, next: u64) -> Option<i64> {
    let before = next.checked_sub(1)?;
    let mut reader = Reader::open(bus.path()).ok()?.anonymous().start_at(Start::Seq(before)).ok()?;
    while let Some(event) = reader.poll().ok()? {
        match event {
            Event::Bars(bars) => return bars.rows().first().filter(|row| row.seq == before).map(|row| row.received_ns),
            Event::Lapped { .. } => return None,
            _ => {}
        }
    }
    None
}

/// The days that a fill needs.
#[derive(Debug)]
enum Days {
    /// From this one on; without one, all.
    From(Option<Date>),
    These(BTreeSet<Date>),
}

impl Days {
    fn of(bus: &Bus, scope: FillScope) -> anyhow::Result<Self> {
        let since_ns = match scope {
            FillScope::All => return Ok(Self::From(None)),
            FillScope::From(day) => return Ok(Self::From(Some(day))),
            FillScope::Since(ns) => ns,
        };
        let since = UNIX_EPOCH + Duration::from_nanos(since_ns.max(0) as u64).saturating_sub(CLOCK_MARGIN);
        let archive = bus.open_archive();
        let is_changed = |day: &Date| {
            let written = std::fs::metadata(archive.path(*day)).and_then(|file| file.modified());
            written.is_ok_and(|written: SystemTime| written >= since)
        };
        let mut days = days_in_ring(bus)?;
        days.extend(archive.spilled_days()?);
        days.extend(archive.days()?.into_iter().filter(is_changed));
        Ok(Self::These(days))
    }

    /// The first day; `None` if there is no bound.
    fn first(&self) -> Option<Date> {
        match self {
            Self::From(day) => *day,
            Self::These(days) => days.first().copied(),
        }
    }

    fn are_wanted(&self, day: Date) -> bool {
        match self {
            Self::From(first) => first.is_none_or(|first| first <= day),
            Self::These(days) => days.contains(&day),
        }
    }

    /// Whether bars of the ring of this day are missing.
    fn lack(&self, day: Date) -> bool {
        matches!(self, Self::These(days) if !days.contains(&day))
    }
}

fn day_of(batch: &RecordBatch) -> Option<Date> {
    let days = batch.column_by_name("day")?.as_primitive_opt::<Date32Type>()?;
    (!days.is_empty()).then(|| date_from_epoch_days(days.value(0).into()))
}

/// Adds the bars of a day in the order of a replay, and its close.
fn end_day(
    history: &History,
    day: Option<Date>,
    bars: &mut Vec<(String, Row)>,
    composer: &mut Composer,
) -> anyhow::Result<()> {
    let Some(day) = day else { return Ok(()) };
    bars.sort_by(|(a, one), (b, other)| (one.frame_ms, a).cmp(&(other.frame_ms, b)));
    composer.fill(day, bars)?;
    bars.clear();
    if history.is_closed(day) {
        composer.close(day)?;
    }
    Ok(())
}

/// Appends the bars of a batch of a question for all columns.
fn add_bars(batch: &RecordBatch, bars: &mut Vec<(String, Row)>) {
    let symbols = batch.column(0).as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    let value = |column: usize, i: usize| match batch.column(column).as_primitive_opt::<Float32Type>() {
        Some(values) => f64::from(values.value(i)),
        None => batch.column(column).as_primitive::<Float64Type>().value(i),
    };
    // After the stored columns the answer has the day.
    let optional = FIXED_COLUMNS.len()..batch.num_columns() - 1;
    for (i, (key, frame_ms)) in symbols.keys().values().iter().zip(frames).enumerate() {
        let mut row = Row {
            frame_ms: *frame_ms,
            open: value(2, i),
            high: value(3, i),
            low: value(4, i),
            close: value(5, i),
            volume: value(6, i),
            ..Row::default()
        };
        for (number, column) in optional.clone().enumerate() {
            if batch.column(column).is_valid(i) {
                row.optional[number] = value(column, i);
                row.present |= 1 << number;
            }
        }
        bars.push((names.value(*key as usize).to_owned(), row));
    }
}
