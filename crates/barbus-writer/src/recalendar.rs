//! Taking over a bus whose calendar was changed while no writer ran.
//!
//! The ring and the parts name days by the old calendar. A holiday that is declared after its night
//! session was published turns these bars into bars of the next trading day: the open day continues
//! under that date, without a close, and its bars stay known.

use std::collections::BTreeSet;

use barbus::Result;
use barbus_archive::Archive;
use barbus_bars::{Calendar, Date, date_from_epoch_days, epoch_days};
use barbus_ring::{BlockRows, RingWriter};

use crate::trading_day::TradingDayCache;

/// The number of the day (days since 1970-01-01) to which the bars of day `day` belong by
/// `calendar`.
pub(crate) fn renumbered(calendar: &Calendar, day: i64) -> i64 {
    epoch_days(calendar.day_of_date(date_from_epoch_days(day)))
}

/// Gives the open day of the ring, which has `blocks`, the number that it has by `calendar`.
/// Returns whether that is another one.
///
/// The days of `closed` are closed, and those of `spilled` have parts.
pub(crate) fn renumber_open_day(
    ring: &mut RingWriter,
    blocks: &[BlockRows],
    closed: &BTreeSet<i64>,
    spilled: &BTreeSet<i64>,
    calendar: &Calendar,
) -> bool {
    let Some(open) = ring.day() else { return false };
    let is_open = |day: &i64| !closed.contains(day);
    let day = match renumbered(calendar, open) {
        day if day != open => day,
        _ if spilled.contains(&open) => return false,
        _ => match day_of_rows(ring, blocks, open, calendar).filter(is_open) {
            Some(day) if day != open => day,
            _ => return false,
        },
    };
    ring.renumber_day(day);
    let (open, day) = (date_from_epoch_days(open), date_from_epoch_days(day));
    tracing::warn!(%open, %day, "the calendar was changed: the bars of the open day {open} belong to {day}: nothing is to be done");
    true
}

/// The day to which the rows in the blocks of day `open` belong: `open` if one of them does,
/// otherwise the newest; `None` without a row. A date that is a holiday no more takes them from the
/// trading day after it.
fn day_of_rows(ring: &RingWriter, blocks: &[BlockRows], open: i64, calendar: &Calendar) -> Option<i64> {
    let mut days = TradingDayCache::new(calendar.clone());
    let (mut newest, mut frames) = (None, Vec::new());
    for block in blocks.iter().filter(|block| block.day == Some(open)) {
        frames.clear();
        ring.maintenance().frames(block.block, 0, block.rows, &mut frames);
        for day in frames.iter().map(|&frame_ms| days.day(frame_ms)) {
            if day == open {
                return Some(open);
            }
            newest = newest.max(Some(day));
        }
    }
    newest
}

/// Moves spilled bars to parts of the days that they belong to by `calendar`. Returns the days that
/// have parts.
pub(crate) fn reassign_parts(archive: &Archive, calendar: &Calendar) -> Result<BTreeSet<i64>> {
    for day in archive.spilled_days()? {
        if archive.reassign_parts(day, |frame_ms| calendar.trading_day(frame_ms).date)? {
            tracing::warn!(%day, "the calendar was changed: spilled bars of {day} belong to another day: nothing is to be done");
        }
    }
    Ok(archive.spilled_days()?.into_iter().map(epoch_days).collect())
}

/// Warns of files with bars that belong to another day by `calendar`. They stay where they are, and
/// are known when they are sent again.
pub(crate) fn warn_of_other_days(archive: &Archive, calendar: &Calendar) -> Result<()> {
    if !calendar.days_begin_in_evening() {
        return Ok(());
    }
    let days: BTreeSet<Date> = archive.days()?.into_iter().collect();
    for &day in &days {
        let belongs_to = calendar.day_of_date(day);
        if belongs_to != day {
            tracing::warn!(%day, "the calendar was changed: the bars in the file of {day} belong to {belongs_to}: they stay there");
            continue;
        }
        // A footer is read only where the day before has no file: it may have been a holiday.
        let before = calendar.previous_trading_day(day);
        if days.contains(&before) {
            continue;
        }
        let until_ms = calendar.span_of_date(before).1;
        if let Ok(Some((first_ms, _))) = archive.frames_ms(day)
            && first_ms <= until_ms
        {
            let belongs_to = calendar.trading_day(first_ms).date;
            tracing::warn!(%day, "the calendar was changed: the file of {day} has bars of {belongs_to}: they stay there");
        }
    }
    Ok(())
}
