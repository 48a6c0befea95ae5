//! Taking over a bus whose calendar was changed while no writer ran.
//!
//! The ring and the parts name days by the old calendar. A holiday that is declared after its night
//! session was published turns these bars into bars of the next trading day: the open day continues
//! under that date, without a close, and its bars stay known.

use std::collections::BTreeSet;

use barbus::Result;
use barbus_archive::Archive;
use barbus_bars::{Calendar, date_from_epoch_days, epoch_days};
use barbus_ring::RingWriter;

/// The number of the day (days since 1970-01-01) to which the bars of day `day` belong by
/// `calendar`.
pub(crate) fn renumbered(calendar: &Calendar, day: i64) -> i64 {
    epoch_days(calendar.day_of_date(date_from_epoch_days(day)))
}

/// Gives the open day of the ring the number that it has by `calendar`. Returns whether that is
/// another one.
pub(crate) fn renumber_open_day(ring: &mut RingWriter, calendar: &Calendar) -> bool {
    let Some(open) = ring.day() else { return false };
    let day = renumbered(calendar, open);
    if day == open {
        return false;
    }
    ring.renumber_day(day);
    let (open, day) = (date_from_epoch_days(open), date_from_epoch_days(day));
    tracing::warn!(%open, %day, "the calendar was changed: the bars of the open day {open} belong to {day}");
    true
}

/// Moves spilled bars to parts of the days that they belong to by `calendar`. Returns the days that
/// have parts.
pub(crate) fn reassign_parts(archive: &Archive, calendar: &Calendar) -> Result<BTreeSet<i64>> {
    for day in archive.spilled_days()? {
        if archive.reassign_parts(day, |frame_ms| calendar.trading_day(frame_ms).date)? {
            tracing::warn!(%day, "the calendar was changed: spilled bars of {day} belong to another day");
        }
    }
    Ok(archive.spilled_days()?.into_iter().map(epoch_days).collect())
}
