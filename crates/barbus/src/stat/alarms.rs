//! What in the state of a bus needs an operator.

use barbus_bars::Date;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::stat::{DayBars, Stat};

/// The days ahead of the end of a holiday table that are an alarm.
const HORIZON_DAYS: i32 = 14;

impl Stat {
    /// The days of [`Stat::days`] whose files have fewer bars than were acknowledged, although they
    /// do not wait.
    pub fn days_incomplete(&self) -> impl Iterator<Item = &DayBars> {
        let settled = |day: &&DayBars| Some(day.day) != self.day && !self.days_waiting.contains(&day.day);
        self.days.iter().filter(settled).filter(|day| day.archived < day.acknowledged)
    }

    /// What an operator should attend to, a phrase each; empty if all is well.
    ///
    /// ```
    /// let stat = barbus::protocol::Stat { last_flush_error: Some("disk full".into()), ..Default::default() };
    /// assert_eq!(stat.alarms(), ["no writer: its heartbeat is missing", "archive: disk full"]);
    /// ```
    pub fn alarms(&self) -> Vec<String> {
        let with = |what: &str, why: &Option<String>| why.as_ref().map(|why| format!("{what}: {why}"));
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let is_near = |horizon: &Date| (*horizon - today).get_days() < HORIZON_DAYS;
        let alarms = [
            self.daemon_silent.clone(),
            (!self.writer_alive && self.daemon_silent.is_none())
                .then(|| "no writer: its heartbeat is missing".to_owned()),
            with("archive", &self.last_flush_error),
            with("sync", &self.last_sync_error),
            with("ring", &self.ring_error),
            with("quarantine", &self.last_quarantine_error),
            with("conflicts", &self.last_conflicts_error),
            with("new symbols", &self.symbol_table_full),
            self.ring_in_reserve
                .then(|| "readers: they hold all blocks of the ring, and the writer goes on in its reserve".to_owned()),
            with("calendar", &self.calendar_refused),
            self.ring_full_at.and_then(|at| with(&format!("ring full since {at}"), &self.ring_full_cause)),
            self.archive_free_bytes
                .filter(|&free| free < self.ring_bytes)
                .map(|free| format!("archive: {free} bytes are free on its file system, less than the ring has")),
            self.calendar_horizon
                .filter(is_near)
                .map(|horizon| format!("calendar: its holidays are known through {horizon} only")),
        ];
        let incomplete = self.days_incomplete().map(|DayBars { day, acknowledged, archived }| {
            format!("archive: {day} has {archived} bars, and {acknowledged} were acknowledged: run barbus verify")
        });
        alarms.into_iter().flatten().chain(incomplete).collect()
    }
}
