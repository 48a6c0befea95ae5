//! The ring compared with the archive: bars that a day's file should have and has not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use barbus_archive::{DayMeta, FileKind, FileReport};
use barbus_bars::Date;
use barbus_ring::Ring;
use barbus_shm::Memory;

use crate::bus::Bus;
use crate::requests::ask_stat;
use crate::ring_rows::for_each_row;
use crate::stat::DayBars;
use crate::withdrawn::WithdrawalRecord;
use crate::withdrawn_rows::WithdrawnRows;

/// How long a hung daemon delays a verification.
const DAEMON_PATIENCE: Duration = Duration::from_secs(2);

/// What the archive lacks of the rows of `ring`, by the reports on its files.
///
/// A file states below which sequence number it has every row of its day. So a file that has fewer
/// bars than the ring has below that number was made without the earlier file.
pub(crate) fn missing<M: Memory>(ring: &Ring<M>, bus: &Bus, files: &[FileReport]) -> Vec<String> {
    let lineage = ring.geometry().lineage;
    let of_ring = |file: &&FileReport| file.outcome.as_ref().is_ok_and(|meta| meta.lineage == lineage);
    let metas = || files.iter().filter(of_ring).filter_map(|file| Some((file.kind, file.outcome.as_ref().ok()?)));
    let mut problems = Vec::new();
    let archived = metas().map(|(_, meta)| meta.through_seq).max().unwrap_or_default();
    let next_seq = ring.status().next_seq;
    if archived > next_seq {
        problems.push(format!(
            "the ring ends at row {next_seq}, and the archive has rows up to {archived} of it: the ring is older than \
             the archive: start the daemon, which goes on behind it"
        ));
    }
    // The ring may have more bars of such a day than the archive.
    let withdrawn = WithdrawalRecord::load(bus).unwrap_or_default();
    let withdrawn: BTreeSet<Date> = withdrawn.into_iter().map(|record| record.selection.day).collect();
    let days = metas().filter(|(kind, meta)| *kind == FileKind::Day && !withdrawn.contains(&meta.day));
    let days: BTreeMap<Date, &DayMeta> = days.map(|(_, meta)| (meta.day, meta)).collect();
    for (day, bars) in bars_by_day(ring, bus, &days) {
        let rows = days[&day].rows + rows_in_other_files(bus, &days, day);
        if rows < bars {
            problems.push(format!(
                "{day}: its file has {rows} bars, and the ring has {bars} that it should have: it was made after the \
                 day's file was removed; restore that file, or publish the day again in another bus"
            ));
        }
    }
    problems
}

/// The days whose files have fewer bars than the daemon has acknowledged, without those that
/// `found` names; none if no daemon answers.
///
/// The ring may have lost the bars of such a day.
pub(crate) fn missing_by_daemon(bus: &Bus, found: &[String]) -> Vec<String> {
    let Ok(stat) = ask_stat(bus, DAEMON_PATIENCE) else { return Vec::new() };
    let problem = |day: &DayBars| {
        format!(
            "{}: its file has {} bars, and the daemon has acknowledged {}: restore the day's file, or publish the day \
             again in another bus",
            day.day, day.archived, day.acknowledged
        )
    };
    let is_new = |day: &&DayBars| !found.iter().any(|known| known.starts_with(&day.day.to_string()));
    stat.days_incomplete().filter(is_new).map(problem).collect()
}

/// The bars of `day` that are in files of other days, because the calendar was changed after they
/// were archived: in those of dates that are holidays by now, and in the file after a date that was
/// one. It may count bars too many, of which only the number is known.
fn rows_in_other_files(bus: &Bus, days: &BTreeMap<Date, &DayMeta>, day: Date) -> u64 {
    let settings = bus.settings();
    let calendar = &settings.calendar;
    if !calendar.days_begin_in_evening() {
        return 0;
    }
    let holidays = days.range(..day).rev().take_while(|(date, _)| calendar.day_of_date(**date) == day);
    let before: u64 = holidays.map(|(_, meta)| meta.rows).sum();
    let next = day.tomorrow().map(|date| calendar.next_trading_day(date));
    let after = next.ok().and_then(|next| Some((next, days.get(&next)?))).filter(|(next, _)| {
        let archive = bus.open_archive();
        let frames = archive.frames_ms(*next).ok().flatten();
        frames.is_some_and(|(first_ms, _)| first_ms <= calendar.span_of_date(day).1)
    });
    before + after.map_or(0, |(_, meta)| meta.rows)
}

/// The number of bars of the ring that the file of each day should have.
fn bars_by_day<M: Memory>(ring: &Ring<M>, bus: &Bus, days: &BTreeMap<Date, &DayMeta>) -> BTreeMap<Date, u64> {
    let mut keys: BTreeMap<Date, Vec<(u32, i64)>> = BTreeMap::new();
    // Days with withdrawn bars are not among `days`.
    for_each_row(ring, &bus.settings().calendar, &WithdrawnRows::default(), |day, row| {
        if days.get(&day).is_some_and(|meta| row.seq < meta.through_seq) {
            keys.entry(day).or_default().push((row.symbol.0, row.frame_ms));
        }
    });
    let distinct = |mut keys: Vec<(u32, i64)>| {
        keys.sort_unstable();
        keys.dedup();
        keys.len() as u64
    };
    keys.into_iter().map(|(day, keys)| (day, distinct(keys))).collect()
}
