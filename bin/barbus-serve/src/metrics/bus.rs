//! The figures of one bus.

use barbus::protocol::Stat;
use barbus::{Date, ReaderStat};
use jiff::Timestamp;

use super::sheet::Sheet;
use super::{relays, tasks};
use crate::watch::Situation;

/// Readers with metrics of their own, those furthest behind first: a process that makes readers
/// without an end must not fill Prometheus.
const MOST_READERS: usize = 200;

/// Adds the figures of the bus `name`.
pub(super) fn describe(sheet: &mut Sheet, name: &str, situation: &Situation) {
    let mut figures = Figures { sheet, bus: name };
    figures.health(situation);
    if situation.error.is_none() {
        figures.ring(&situation.stat);
        figures.newest_bar(&situation.stat);
    }
    figures.days(&situation.stat);
    figures.rows(&situation.stat);
    figures.errors(situation);
    figures.disks(situation);
    figures.calendar(&situation.stat);
    figures.readers(&situation.stat, &situation.readers);
    tasks::describe(figures.sheet, name, &situation.stat);
    relays::describe(figures.sheet, name, &situation.relays, Timestamp::now());
}

struct Figures<'a> {
    sheet: &'a mut Sheet,
    bus: &'a str,
}

impl Figures<'_> {
    fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Into<Option<f64>>) {
        self.sheet.gauge(name, help, &[("bus", self.bus)], value);
    }

    fn gauge_of(&mut self, name: &'static str, help: &'static str, label: (&str, &str), value: impl Into<Option<f64>>) {
        self.sheet.gauge(name, help, &[("bus", self.bus), label], value);
    }

    fn counter(&mut self, name: &'static str, help: &'static str, value: impl Into<Option<u64>>) {
        self.sheet.counter(name, help, &[("bus", self.bus)], value);
    }

    fn counter_of(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: (&str, &str),
        value: impl Into<Option<u64>>,
    ) {
        self.sheet.counter(name, help, &[("bus", self.bus), label], value);
    }

    fn health(&mut self, situation: &Situation) {
        let Situation { health, stat, .. } = situation;
        self.gauge("barbus_writer_alive", "Whether a writer runs: 1 or 0.", flag(health.alive));
        let help = "Whether the writer runs and has fresh bars, if the market is open: 1 or 0.";
        self.gauge("barbus_ready", help, flag(health.ready));
        let help = "Whether a regular session of a symbol of the bus is open: 1 or 0.";
        self.gauge("barbus_session_open", help, flag(health.session.is_some()));
        let help = "Whether the daemon answers: 1 or 0. Without it, what only it knows is absent.";
        self.gauge("barbus_daemon_answers", help, flag(situation.daemon_answers));
        let help = "Whether the ring can be read: 1 or 0.";
        self.gauge("barbus_ring_readable", help, flag(situation.error.is_none()));
        let help = "Things that an operator should attend to, as barbus stat --check names them.";
        self.gauge("barbus_alarms", help, stat.alarms().len() as f64);
    }

    fn ring(&mut self, stat: &Stat) {
        self.gauge("barbus_symbols", "Symbols on the bus.", f64::from(stat.symbols));
        let help = "Symbols that the ring has room for.";
        self.gauge("barbus_symbols_max", help, stat.symbols_max.map(f64::from));
        self.counter("barbus_bars", "Bars that were ever written in the lineage of the ring.", stat.bars);
        self.gauge("barbus_bars_per_second", "Bars a second over the last ten seconds.", stat.rate);
        self.gauge("barbus_ring_bytes", "Size of the file of the ring.", stat.ring_bytes as f64);
        self.gauge("barbus_ring_blocks", "Blocks of the ring.", f64::from(stat.blocks));
        self.gauge("barbus_ring_blocks_used", "Blocks with rows.", f64::from(stat.blocks_used));
        let help = "Blocks whose rows are all archived.";
        self.gauge("barbus_ring_blocks_persisted", help, f64::from(stat.blocks_persisted));
        let help = "Whether readers hold all blocks of the ring but its reserve: 1 or 0.";
        self.gauge("barbus_ring_in_reserve", help, flag(stat.ring_in_reserve));
        let help = "How often the ring continued in a new file since the daemon started.";
        self.counter("barbus_rings_replaced", help, stat.rings_replaced);
        let help = "Replaced rings that readers still have open.";
        self.gauge("barbus_rings_held", help, count(stat.rings_held));
        self.gauge("barbus_rings_held_bytes", "Size of the files of these rings.", count(stat.rings_held_bytes));
    }

    fn newest_bar(&mut self, stat: &Stat) {
        let help = "End of the minute of the bar that was written last.";
        self.gauge("barbus_last_bar_end_timestamp_seconds", help, seconds(stat.last_frame));
        let help = "When the bar that was written last was received.";
        self.gauge("barbus_last_bar_received_timestamp_seconds", help, seconds(stat.last_received));
        self.gauge("barbus_last_bar_age_seconds", "Time since the newest bar was received.", stat.last_age_s);
    }

    fn days(&mut self, stat: &Stat) {
        let help = "The open trading day.";
        let day = stat.day.map(|day| day.to_string());
        if let Some(day) = &day {
            self.gauge_of("barbus_open_day_info", help, ("day", day), 1.0);
        }
        self.gauge("barbus_archive_files", "Trading dates that have a file.", stat.days_archived as f64);
        let help = "Closed trading dates with bars that are not in their files yet.";
        self.gauge("barbus_archive_waiting", help, stat.days_waiting.len() as f64);
        self.gauge("barbus_archive_parts", "Parts: files with some bars of dates without a file.", stat.parts as f64);
        let help = "Trading dates whose files have fewer bars than were acknowledged.";
        self.gauge("barbus_archive_incomplete", help, stat.days_incomplete().count() as f64);
        for bars in &stat.days {
            let day = bars.day.to_string();
            let help = "Bars that the bus has acknowledged, of the dates that the daemon has in memory.";
            self.gauge_of("barbus_day_bars_acknowledged", help, ("day", &day), bars.acknowledged as f64);
            let help = "Bars in the file of the date, of the dates that the daemon has in memory.";
            self.gauge_of("barbus_day_bars_archived", help, ("day", &day), bars.archived as f64);
        }
    }

    fn rows(&mut self, stat: &Stat) {
        let outcomes = [
            ("accepted", stat.accepted),
            ("duplicate", stat.duplicates),
            ("revised", stat.revisions),
            ("conflict", stat.conflicts),
            ("refused", stat.refused),
        ];
        let help = "Rows of producers since the daemon started, by what became of them. Quarantined rows have a \
                    metric of their own; refused are invalid rows that the quarantine had no room for; conflicts \
                    are bars with other values than those of a source of higher priority.";
        for (outcome, rows) in outcomes {
            self.counter_of("barbus_rows", help, ("outcome", outcome), rows);
        }
        let help = "Quarantined rows since the daemon started, by the code of the reason.";
        for (code, rows) in &stat.quarantined {
            self.counter_of("barbus_quarantined_rows", help, ("code", code), *rows);
        }
        let help = "Conflicts since the daemon started that conflicts/ had no room for: they were only counted.";
        self.counter("barbus_conflicts_unkept", help, stat.conflicts_unkept);
        let help = "Bars outside the sessions of their symbols since the daemon started.";
        self.counter("barbus_outside_sessions_rows", help, stat.outside_sessions);
        let help = "Revisions since the daemon started of the symbols that have most, at most five.";
        for (symbol, revisions) in &stat.most_revised {
            self.gauge_of("barbus_most_revised", help, ("symbol", symbol), *revisions as f64);
        }
        self.gauge("barbus_producers", "Connected producers.", count(stat.producers));
    }

    fn errors(&mut self, situation: &Situation) {
        let Situation { stat, daemon_answers, .. } = situation;
        // Only the daemon knows of them.
        if !daemon_answers {
            return;
        }
        let errors = [
            ("archive", stat.last_flush_error.is_some(), stat.last_flush_error_at),
            ("sync", stat.last_sync_error.is_some(), stat.last_sync_error_at),
            ("ring", stat.ring_error.is_some(), stat.ring_error_at),
            ("ring_full", stat.ring_full_at.is_some(), stat.ring_full_at),
            ("quarantine", stat.last_quarantine_error.is_some(), stat.last_quarantine_error_at),
            ("conflicts", stat.last_conflicts_error.is_some(), stat.last_conflicts_error_at),
            ("symbol_table_full", stat.symbol_table_full.is_some(), None),
            ("calendar_refused", stat.calendar_refused.is_some(), None),
        ];
        for (what, is_failing, since) in errors {
            let help = "Whether this part of the daemon has failed since its last success: 1 or 0.";
            self.gauge_of("barbus_failing", help, ("what", what), flag(is_failing));
            let help = "When it failed last, while it fails.";
            self.gauge_of("barbus_failing_timestamp_seconds", help, ("what", what), seconds(since));
        }
    }

    fn disks(&mut self, situation: &Situation) {
        for (place, bytes) in situation.free_bytes() {
            let help = "Free space on the file system of this part of the bus.";
            self.gauge_of("barbus_free_bytes", help, ("what", place.as_str()), bytes as f64);
        }
        let help = "Size of the files in the quarantine.";
        self.gauge("barbus_quarantine_bytes", help, situation.stat.quarantine_bytes as f64);
        for (place, seconds) in &situation.until_full_s {
            let help = "Time until that file system is full at the rate of the last minutes; absent while it is \
                        not known, or if the free space does not shrink.";
            self.gauge_of("barbus_until_full_seconds", help, ("what", place.as_str()), *seconds);
        }
    }

    fn calendar(&mut self, stat: &Stat) {
        let end = stat.calendar_horizon.and_then(utc_midnight);
        let help = "Last date that the holidays of the calendar are known for.";
        self.gauge("barbus_calendar_horizon_timestamp_seconds", help, end);
        let help = "Time until that date, in whole days of the market; negative after it.";
        let left = stat.calendar_days_left.map(|days| f64::from(days) * 86_400.0);
        self.gauge("barbus_calendar_left_seconds", help, left);
    }

    fn readers(&mut self, stat: &Stat, readers: &[ReaderStat]) {
        self.gauge("barbus_readers", "Readers of the bus.", stat.readers.map_or(readers.len() as f64, |n| n as f64));
        let help = "Unread bars of the reader that is furthest behind.";
        self.gauge("barbus_readers_lag_bars", help, count(stat.readers_lag_bars));
        let now = Timestamp::now();
        for reader in readers.iter().take(MOST_READERS) {
            let (pid, state) = (reader.pid.to_string(), reader.state.as_str());
            let own = [("bus", self.bus), ("reader", &*reader.name), ("pid", &*pid), ("id", &*reader.id)];
            let mut gauge = |name, help, value: Option<f64>| self.sheet.gauge(name, help, &own, value);
            gauge("barbus_reader_lag_bars", "Unread bars of the reader.", count(reader.lag_bars));
            gauge("barbus_reader_lag_seconds", "Age of the oldest unread bar of the reader.", reader.lag_s);
            let help = "Part of the ring between the reader and the newest bar: 1 is lapped.";
            gauge("barbus_reader_ring_used_ratio", help, reader.ring_used);
            gauge("barbus_reader_pins", "Blocks that the reader has pinned.", Some(f64::from(reader.pins)));
            let help = "For how long the reader has held the block that it has held longest.";
            gauge("barbus_reader_pins_age_seconds", help, reader.pins_age(now).map(|age| age.as_secs_f64()));
            let [bus, name, pid, id] = own;
            let help = "Where the reader is: live, lapped, old-ring, other-lineage or closed.";
            self.sheet.gauge("barbus_reader_state_info", help, &[bus, name, pid, id, ("state", state)], 1.0);
        }
    }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn count(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

fn seconds(time: Option<Timestamp>) -> Option<f64> {
    time.map(|time| time.as_millisecond() as f64 / 1000.0)
}

fn utc_midnight(date: Date) -> Option<f64> {
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_second() as f64)
}
