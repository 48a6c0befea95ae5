//! Turns the settings of a calendar into a calendar, and rejects what cannot be meant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::error::CalendarError;
use super::hours::{Hours, Span};
use super::parse::{check_date, end_within_day, time_of_day, weekend};
use super::spec::{CalendarSpec, EarlierHours, EarlyCloses, ExtraSession, GroupSpec, SessionSpec, SpecialDays};
use super::trading_day::{DAY_MINUTES, Group, Table};

/// The table of settings whose presets are resolved.
pub(super) fn compile(spec: CalendarSpec) -> Result<Table, CalendarError> {
    let zone_name = spec.zone.ok_or(CalendarError::Missing("zone"))?;
    let Ok(zone) = TimeZone::get(&zone_name) else {
        return Err(CalendarError::UnknownZone(zone_name));
    };
    let day = DayStart::parse(spec.day_starts)?;
    let hours = HoursSpec {
        sessions: &spec.sessions.unwrap_or_default(),
        half_days: &spec.half_days,
        early_closes: &spec.early_closes,
        special_days: &spec.special_days,
        extra_sessions: &spec.extra_sessions,
        earlier_hours: &spec.earlier_hours,
        holidays: &[],
    };
    let hours = hours.compile(&day)?;

    for (setting, dates) in
        [("holidays", &spec.holidays), ("trading_days", &spec.trading_days), ("holidays_beyond", &spec.holidays_beyond)]
    {
        dates.iter().try_for_each(|&date| check_date(setting, date))?;
    }
    let holidays: BTreeSet<Date> = spec.holidays.iter().copied().collect();
    let mut trading_days: BTreeSet<Date> = spec.trading_days.iter().copied().collect();
    if let Some(&date) = trading_days.intersection(&holidays).next() {
        return Err(CalendarError::HolidayAndTradingDay(date));
    }
    let horizon = spec.holidays_through.or(holidays.last().copied());
    if let (Some(through), Some(&last)) = (horizon, holidays.last())
        && through < last
    {
        return Err(CalendarError::HorizonBeforeHoliday { through, last });
    }
    let mut table = Table {
        name: spec.name.unwrap_or_else(|| "custom".to_owned()),
        about: spec.about.unwrap_or_default(),
        zone_name,
        zone,
        start: day.start,
        weekend: weekend(spec.weekend)?,
        holidays: holidays.into_iter().chain(spec.holidays_beyond).collect(),
        trading_days: BTreeSet::new(),
        only_extra: BTreeSet::new(),
        merged: spec.merged_dates.into_iter().collect(),
        evening: spec.evening.unwrap_or_default(),
        auction: spec.opening_auction.unwrap_or_default(),
        first: spec.holidays_from,
        horizon,
        announced_late: spec.announced_late.unwrap_or(false),
        hours,
        groups: Vec::new(),
    };
    table.only_extra = table
        .hours
        .extra
        .keys()
        .copied()
        .filter(|date| !table.is_trading_day(*date) && !trading_days.contains(date))
        .collect();
    trading_days.extend(table.only_extra.iter().copied());
    table.trading_days = trading_days;
    check_dates(&table, &table.hours)?;
    table.groups = groups(&spec.groups, &day, &table)?;
    Ok(table)
}

/// Checks that dates with hours of their own have trading, that merged dates have none, and that
/// extra sessions do not overlap others.
fn check_dates(table: &Table, hours: &Hours) -> Result<(), CalendarError> {
    let has_trading = |date: &Date| table.is_trading_day(*date) || table.merged.contains(date);
    for (setting, date) in [("half_days", hours.cuts.keys().find(|date| !has_trading(date)))]
        .into_iter()
        .chain([("special_days", hours.special.keys().find(|date| !has_trading(date)))])
        .chain([("extra_sessions", hours.extra.keys().find(|date| !has_trading(date)))])
        .chain([("holidays", hours.holidays.iter().find(|date| !has_trading(date)))])
    {
        if let Some(&date) = date {
            return Err(CalendarError::NoTradingOn { setting, date });
        }
    }
    for &date in hours.extra.keys() {
        check_overlap(&hours.on(date, !table.only_extra.contains(&date)))?;
    }
    table
        .merged
        .iter()
        .find(|date| table.is_trading_day(**date))
        .map_or(Ok(()), |&date| Err(CalendarError::MergedTradingDay(date)))
}

/// Checks that no session begins before the one before it ends.
fn check_overlap(spans: &[Span]) -> Result<(), CalendarError> {
    let Some(pair) = spans.windows(2).find(|pair| pair[1].start < pair[0].end) else { return Ok(()) };
    let minutes = pair[1].start.rem_euclid(DAY_MINUTES);
    Err(CalendarError::Overlap(format!("{:02}:{:02}", minutes / 60, minutes % 60)))
}

fn groups(specs: &[GroupSpec], day: &DayStart, table: &Table) -> Result<Vec<Group>, CalendarError> {
    let mut products = BTreeSet::new();
    let mut groups = Vec::new();
    for spec in specs {
        let in_group = |error| CalendarError::InGroup { group: spec.name.clone(), error: Box::new(error) };
        let hours = HoursSpec {
            sessions: &spec.sessions,
            half_days: &spec.half_days,
            early_closes: &spec.early_closes,
            special_days: &spec.special_days,
            extra_sessions: &spec.extra_sessions,
            earlier_hours: &spec.earlier_hours,
            holidays: &spec.holidays,
        };
        let mut hours = hours.compile(day).map_err(in_group)?;
        check_dates(table, &hours).map_err(in_group)?;
        if hours.cuts.is_empty() {
            hours.cuts.clone_from(&table.hours.cuts);
        }
        if let Some(code) = spec.symbols.iter().find(|code| !products.insert(code.to_uppercase())) {
            return Err(CalendarError::ProductTwice(code.clone()));
        }
        let products = spec.symbols.iter().map(|code| code.to_uppercase()).collect();
        groups.push(Group { name: spec.name.clone(), products, hours });
    }
    Ok(groups)
}

/// When a date begins.
struct DayStart {
    text: String,
    /// Minutes from its midnight.
    start: i32,
}

impl DayStart {
    fn parse(text: Option<String>) -> Result<Self, CalendarError> {
        let text = text.unwrap_or_else(|| "00:00".to_owned());
        let start = time_of_day("day_starts", &text, DAY_MINUTES - 1)?;
        let start = if start >= DAY_MINUTES / 2 { start - DAY_MINUTES } else { start };
        Ok(Self { text, start })
    }

    /// The sessions in order.
    fn spans(&self, sessions: &[SessionSpec]) -> Result<Vec<Span>, CalendarError> {
        let mut spans = Vec::with_capacity(sessions.len());
        for (number, session) in sessions.iter().enumerate() {
            let from = time_of_day("sessions", &session.start, DAY_MINUTES)?;
            let start = self.start + (from - self.start).rem_euclid(DAY_MINUTES);
            let end = end_within_day(self.start, time_of_day("sessions", &session.end, DAY_MINUTES)?);
            if end <= start {
                return Err(CalendarError::BadSession {
                    from: session.start.clone(),
                    to: session.end.clone(),
                    day_starts: self.text.clone(),
                });
            }
            let name = session.name.clone().unwrap_or_else(|| format!("session {}", number + 1));
            spans.push((Span { name: name.into(), start, end, extended: session.extended }, &session.start));
        }
        spans.sort_by_key(|(span, _)| (span.start, span.end));
        if let Some(pair) = spans.windows(2).find(|pair| pair[1].0.start < pair[0].0.end) {
            return Err(CalendarError::Overlap(pair[1].1.clone()));
        }
        Ok(spans.into_iter().map(|(span, _)| span).collect())
    }
}

/// The settings of a market's or a group's hours.
struct HoursSpec<'a> {
    sessions: &'a [SessionSpec],
    half_days: &'a BTreeMap<Date, String>,
    early_closes: &'a [EarlyCloses],
    special_days: &'a [SpecialDays],
    extra_sessions: &'a [ExtraSession],
    earlier_hours: &'a [EarlierHours],
    holidays: &'a [Date],
}

impl HoursSpec<'_> {
    fn compile(&self, day: &DayStart) -> Result<Hours, CalendarError> {
        let usual = day.spans(self.sessions)?;
        if usual.is_empty() {
            return Err(CalendarError::Missing("sessions"));
        }
        let mut hours = Hours { usual, ..Hours::default() };
        for earlier in self.earlier_hours {
            check_date("earlier_hours", earlier.through)?;
            hours.earlier.push((earlier.through, day.spans(&earlier.sessions)?));
        }
        hours.earlier.sort_by_key(|(through, _)| *through);
        for early in self.early_closes {
            let cut = end_within_day(day.start, time_of_day("early_closes", &early.time, DAY_MINUTES)?);
            for &date in &early.dates {
                check_date("early_closes", date)?;
                hours.cuts.insert(date, cut);
            }
        }
        for (&date, time) in self.half_days {
            check_date("half_days", date)?;
            hours.cuts.insert(date, end_within_day(day.start, time_of_day("half_days", time, DAY_MINUTES)?));
        }
        for special in self.special_days {
            let own = day.spans(&special.sessions)?;
            for &date in &special.dates {
                check_date("special_days", date)?;
                let is_kept = |span: &&Span| special.keep_others && own.iter().all(|own| own.name != span.name);
                let others: Vec<Span> = hours.usual_on(date).iter().filter(is_kept).cloned().collect();
                let mut spans = [&own[..], &others].concat();
                spans.sort_by_key(|span| span.start);
                check_overlap(&spans)?;
                hours.special.insert(date, spans);
            }
        }
        for extra in self.extra_sessions {
            check_date("extra_sessions", extra.date)?;
            let ExtraSession { name, start, end, extended, .. } = extra.clone();
            let name = name.or_else(|| Some("extra".to_owned()));
            let span = day.spans(&[SessionSpec { name, start, end, extended }])?;
            let spans = hours.extra.entry(extra.date).or_default();
            spans.extend(span);
            spans.sort_by_key(|span| span.start);
        }
        for &date in self.holidays {
            check_date("holidays", date)?;
            hours.holidays.insert(date);
        }
        Ok(hours)
    }
}
