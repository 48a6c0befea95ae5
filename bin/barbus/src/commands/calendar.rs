//! `barbus calendar`: prints the trading days of a market with their sessions and minutes.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use barbus::Bus;
use barbus_bars::{Calendar, Date, Session};
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::shared::calendar_of_daemon::note_refused_calendar;
use super::shared::stdout::stdout;
use crate::output::cell::Cell;
use crate::output::table::{Layout, Sheet};
use crate::output::{colour_wanted, format};

/// Show the trading days of a market, with their sessions and the bars that are expected.
///
/// Without a name and a bus it lists the calendars. Sessions outside the regular hours are shown
/// with --extended; no bar is expected in them.
#[derive(Debug, Args)]
pub(super) struct CalendarArgs {
    /// A calendar, such as XSHG.
    #[arg(conflicts_with = "bus")]
    name: Option<String>,
    /// The calendar of this bus.
    #[arg(long, value_name = "BUS")]
    bus: Option<PathBuf>,
    /// The first day; today by default.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// The last day; 30 days after the first one by default.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// The hours of this product group, such as "grains".
    #[arg(long, value_name = "NAME", conflicts_with = "symbol")]
    group: Option<String>,
    /// The hours of this symbol's product group.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Also the sessions outside the regular hours.
    #[arg(long)]
    extended: bool,
    /// Format of the days; CSV has a line for each session.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
}

/// The longest span that is printed at once.
const MAX_YEARS: i16 = 200;

impl CalendarArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let calendar = match (&self.name, &self.bus) {
            (None, None) => return list(self.format),
            (_, Some(bus)) => {
                let bus = Bus::open(bus)?;
                note_refused_calendar(&bus);
                bus.settings().calendar.clone()
            }
            (Some(name), None) => barbus::calendars(None)?.calendar(name)?,
        };
        let calendar = self.hours_of(calendar)?;
        let today = Timestamp::now().to_zoned(calendar.zone().clone()).date();
        let from = self.from.unwrap_or_else(|| self.to.map_or(today, |to| to.min(today)));
        let to = self.to.unwrap_or_else(|| from.saturating_add(30.days()));
        if to < from {
            bail!("--to {to} is before --from {from}: exchange them");
        }
        if from.year() < 1970 || to.year() > 2200 || to.year() - from.year() > MAX_YEARS {
            bail!("{from} to {to}: name days from 1970 to 2200, and at most {MAX_YEARS} years");
        }
        match self.format {
            Layout::Json => print_json(&calendar, from, to),
            Layout::Csv => print_csv(&calendar, from, to),
            Layout::Table => print_table(&calendar, from, to),
        }?;
        if let Some(horizon) = calendar.horizon().filter(|horizon| to > *horizon) {
            eprintln!("barbus: {}: its holidays are known through {horizon} only", calendar.name());
        }
        Ok(())
    }

    /// The calendar with the hours that the options name.
    fn hours_of(&self, calendar: Calendar) -> anyhow::Result<Calendar> {
        let calendar = match (&self.group, &self.symbol) {
            (Some(group), _) => calendar.of_group(group).with_context(|| {
                let groups: Vec<&str> = calendar.groups().collect();
                let known = if groups.is_empty() { "none".to_owned() } else { groups.join(", ") };
                format!("{}: it has no group {group:?}: its groups are: {known}", calendar.name())
            })?,
            (None, Some(symbol)) => calendar.of_symbol(symbol),
            (None, None) => calendar,
        };
        Ok(if self.extended { calendar } else { calendar.regular() })
    }
}

/// The number of bars that are expected in the sessions shown.
fn minutes(calendar: &Calendar, day: Date, sessions: &[Session]) -> u64 {
    let extended = sessions.iter().filter(|session| session.extended);
    (calendar.minutes(day).len() + extended.map(|session| session.minutes().count()).sum::<usize>()) as u64
}

/// A line of JSON.
#[derive(Serialize)]
struct DayLine {
    day: Date,
    sessions: Vec<SessionLine>,
    minutes: u64,
    early_close: bool,
}

#[derive(Serialize)]
struct SessionLine {
    name: String,
    start: String,
    end: String,
}

fn print_json(calendar: &Calendar, from: Date, to: Date) -> anyhow::Result<()> {
    let mut out = stdout();
    let time = |ms| format::frame_rfc3339(ms, calendar.zone());
    let line = |session: &Session| SessionLine {
        name: session.name.to_string(),
        start: time(session.start_ms),
        end: time(session.end_ms),
    };
    for day in calendar.trading_days(from, to) {
        let sessions = calendar.sessions(day);
        let minutes = minutes(calendar, day, &sessions);
        let early_close = calendar.closes_early(day);
        let line = DayLine { day, sessions: sessions.iter().map(line).collect(), minutes, early_close };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(out.flush()?)
}

fn print_csv(calendar: &Calendar, from: Date, to: Date) -> anyhow::Result<()> {
    let columns = ["day", "session", "start", "end", "minutes", "early_close"];
    let mut sheet = Sheet::new(stdout(), Layout::Csv, columns, calendar.zone().clone());
    for day in calendar.trading_days(from, to) {
        let early = calendar.closes_early(day);
        for session in calendar.sessions(day) {
            sheet.row([
                day.to_string().into(),
                Cell::from(&*session.name),
                Cell::Frame(session.start_ms),
                Cell::Frame(session.end_ms),
                Cell::Count(session.minutes().count() as u64),
                Cell::Flag(early),
            ])?;
        }
    }
    Ok(sheet.finish().map(drop)?)
}

fn print_table(calendar: &Calendar, from: Date, to: Date) -> anyhow::Result<()> {
    let columns = ["day", "sessions", "minutes", ""];
    let mut sheet = Sheet::new(stdout(), Layout::Table, columns, calendar.zone().clone()).coloured(colour_wanted());
    for day in calendar.trading_days(from, to) {
        let sessions = calendar.sessions(day);
        let texts: Vec<String> = sessions.iter().map(|session| session_text(calendar, day, session)).collect();
        let early = if calendar.closes_early(day) { "early close" } else { "" };
        let name = format!("{day} {}", day.strftime("%a"));
        sheet.row([name.into(), texts.join(", ").into(), minutes(calendar, day, &sessions).into(), early.into()])?;
    }
    Ok(sheet.finish().map(drop)?)
}

/// `regular 09:30-16:00`, with the day of the week where a session begins on another date.
fn session_text(calendar: &Calendar, day: Date, session: &Session) -> String {
    let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(calendar.zone().clone());
    let (start, end) = (at(session.start_ms), at(session.end_ms));
    let pattern = if start.date() == day { "%H:%M" } else { "%a %H:%M" };
    format!("{} {}-{}", session.name, start.strftime(pattern), end.strftime("%H:%M"))
}

fn list(layout: Layout) -> anyhow::Result<()> {
    let tables = barbus::calendars(None)?;
    let columns = ["name", "about", "zone", "holidays_through", "groups"];
    let mut sheet = Sheet::new(stdout(), layout, columns, TimeZone::UTC).coloured(colour_wanted());
    for (name, about) in tables.names() {
        let calendar = tables.calendar(name)?;
        let horizon = calendar.horizon().map(|horizon| horizon.to_string());
        let groups = calendar.groups().collect::<Vec<_>>().join(" ");
        sheet.row([name.into(), about.into(), calendar.zone_name().into(), horizon.into(), groups.into()])?;
    }
    Ok(sheet.finish().map(drop)?)
}
