//! The settings of a calendar, as TOML has them: a built-in table, a file of `calendar.d`, or the
//! `[calendar]` table of `bus.toml`.
//!
//! Every setting but the zone and the sessions has a default; with a preset these have one too.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::dates;

/// The settings of a calendar.
///
/// Times are `"HH:MM"` on the wall clock of the calendar's zone; a session may end at `"24:00"`.
///
/// ```
/// use barbus_bars::{Calendar, CalendarSpec};
///
/// let spec: CalendarSpec = toml::from_str(r#"
///     name = "gold"
///     zone = "Asia/Shanghai"
///     sessions = [["20:00", "02:30"], ["09:00", "15:30"]]
///     day_starts = "18:00"                 # from noon on: of the evening before
///     holidays = [2026-01-01, 2026-01-02]
///     holidays_through = 2026-12-31
///     half_days = { 2026-02-13 = "11:30" }
/// "#)?;
/// assert_eq!(Calendar::from_spec(spec)?.name(), "gold");
///
/// // A preset with the holidays of one more year:
/// let spec: CalendarSpec = toml::from_str(r#"
///     preset = "XNYS"
///     holidays = [2029-01-01, 2029-01-15]
///     holidays_through = 2029-12-31
/// "#)?;
/// # Calendar::from_spec(spec)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarSpec {
    /// A calendar to start from. Lists are added to its lists, every other setting replaces its
    /// value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The name in the metadata of archived days. Default: the preset's, or `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One line about the market.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// IANA name of the market's time zone. Required without a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Sessions as `[["09:30", "11:30"], ["13:00", "15:00"]]`, or as tables with a name. A session
    /// may pass midnight if the day starts in the evening. The day's close is the end of the last
    /// session. Required without a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<SessionSpec>>,
    /// When a trading day begins: a time before noon is on the date itself, a later time on the
    /// date before. Default: `00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_starts: Option<String>,
    /// Days of the week without trading, such as `["friday", "saturday"]`; `[]` for none. Default:
    /// Saturday and Sunday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekend: Option<Vec<String>>,
    /// Which evening an evening session is on. Default: the one before the date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evening: Option<Evening>,
    /// Whether an opening auction has a bar of its own. Default: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opening_auction: Option<OpeningAuction>,
    /// Dates without trading.
    #[serde(with = "dates::many", skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Date>,
    /// Dates with trading, although they are a holiday of the preset or at a weekend.
    #[serde(with = "dates::many", skip_serializing_if = "Vec::is_empty")]
    pub trading_days: Vec<Date>,
    /// Holidays with sessions that belong to the next trading day.
    #[serde(with = "dates::many", skip_serializing_if = "Vec::is_empty")]
    pub merged_dates: Vec<Date>,
    /// First date that the tables cover.
    #[serde(with = "dates::maybe", skip_serializing_if = "Option::is_none")]
    pub holidays_from: Option<Date>,
    /// Last date that `holidays` covers; the daemon warns before it and after it. Default: the last
    /// holiday.
    #[serde(with = "dates::maybe", skip_serializing_if = "Option::is_none")]
    pub holidays_through: Option<Date>,
    /// Holidays after `holidays_through` that are known already.
    #[serde(with = "dates::many", skip_serializing_if = "Vec::is_empty")]
    pub holidays_beyond: Vec<Date>,
    /// Whether the market announces the holidays of a year only shortly before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced_late: Option<bool>,
    /// Dates with an early close, and its time: `2026-11-27 = "13:00"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub half_days: BTreeMap<Date, String>,
    /// The same for many dates with the same time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub early_closes: Vec<EarlyCloses>,
    /// Dates with unusual sessions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub special_days: Vec<SpecialDays>,
    /// Sessions of single dates, in addition to the usual ones of a trading day. A date that is no
    /// trading day becomes one with these sessions only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_sessions: Vec<ExtraSession>,
    /// Sessions of former years.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_hours: Vec<EarlierHours>,
    /// Groups of products with hours of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSpec>,
}

/// One session: two times, or a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SessionForm", into = "SessionForm")]
pub struct SessionSpec {
    /// Its name; sessions without one are numbered.
    pub name: Option<String>,
    /// When it begins.
    pub start: String,
    /// When it ends.
    pub end: String,
    /// Whether it is outside the regular hours: bars may occur in it, and none is expected.
    pub extended: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a session is [\"09:30\", \"11:30\"] or { name = \"…\", start = \"…\", end = \"…\" }")]
enum SessionForm {
    Times([String; 2]),
    Table(SessionTable),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionTable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    start: String,
    end: String,
    #[serde(default)]
    extended: bool,
}

impl From<SessionForm> for SessionSpec {
    fn from(form: SessionForm) -> Self {
        match form {
            SessionForm::Times([start, end]) => Self { name: None, start, end, extended: false },
            SessionForm::Table(SessionTable { name, start, end, extended }) => Self { name, start, end, extended },
        }
    }
}

impl From<SessionSpec> for SessionForm {
    fn from(spec: SessionSpec) -> Self {
        let SessionSpec { name, start, end, extended } = spec;
        Self::Table(SessionTable { name, start, end, extended })
    }
}

/// Which evening a session before midnight is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evening {
    /// The evening before the date: Sunday for a Monday.
    #[default]
    DateBefore,
    /// The evening of the last trading day: Friday for a Monday. There is no session if a holiday
    /// lies between the two.
    LastTradingDay,
}

/// What becomes of the trades of an opening auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpeningAuction {
    /// They are in the bar of the first minute: 240 bars a day in Shanghai.
    #[default]
    FirstBar,
    /// They are a bar of their own, which ends when the first session begins: 241 bars.
    OwnBar,
}

/// Dates that close at the same time, earlier than usual.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyCloses {
    /// The time.
    pub time: String,
    /// The dates.
    #[serde(with = "dates::many")]
    pub dates: Vec<Date>,
}

/// Dates with the same unusual sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialDays {
    /// The dates.
    #[serde(with = "dates::many")]
    pub dates: Vec<Date>,
    /// Their sessions.
    pub sessions: Vec<SessionSpec>,
    /// Whether the usual sessions with other names remain.
    #[serde(default)]
    pub keep_others: bool,
}

/// A session of a single date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraSession {
    /// The date.
    #[serde(with = "dates::one")]
    pub date: Date,
    /// The session's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it begins.
    pub start: String,
    /// When it ends.
    pub end: String,
    /// Whether it is outside the regular hours.
    #[serde(default)]
    pub extended: bool,
}

/// The sessions up to a date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierHours {
    /// The last date with these sessions.
    #[serde(with = "dates::one")]
    pub through: Date,
    /// The sessions.
    pub sessions: Vec<SessionSpec>,
}

/// A group of products with hours of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSpec {
    /// The group's name.
    pub name: String,
    /// The codes of its products: `rb`, `IF`, `ES`, `6E`.
    pub symbols: Vec<String>,
    /// As in [`CalendarSpec`]; required.
    pub sessions: Vec<SessionSpec>,
    /// Trading days on which the group does not trade.
    #[serde(with = "dates::many", skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Date>,
    /// As in [`CalendarSpec`]. A group that has neither these nor `early_closes` has those of the
    /// calendar.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub half_days: BTreeMap<Date, String>,
    /// As in [`CalendarSpec`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub early_closes: Vec<EarlyCloses>,
    /// As in [`CalendarSpec`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub special_days: Vec<SpecialDays>,
    /// As in [`CalendarSpec`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_sessions: Vec<ExtraSession>,
    /// As in [`CalendarSpec`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_hours: Vec<EarlierHours>,
}

impl CalendarSpec {
    /// These settings on top of those of `base`: lists are added, other settings replace.
    pub(super) fn on(mut self, mut base: CalendarSpec) -> CalendarSpec {
        let own_last = self.holidays.iter().max().copied();
        self.take_back_from(&mut base);
        for group in self.groups.drain(..) {
            base.groups.retain(|known| known.name != group.name);
            base.groups.push(group);
        }
        base.holidays.append(&mut self.holidays);
        base.trading_days.append(&mut self.trading_days);
        base.merged_dates.append(&mut self.merged_dates);
        base.holidays_beyond.append(&mut self.holidays_beyond);
        base.half_days.append(&mut self.half_days);
        base.early_closes.append(&mut self.early_closes);
        base.special_days.append(&mut self.special_days);
        base.extra_sessions.append(&mut self.extra_sessions);
        let own_hours = self.sessions.is_some();
        CalendarSpec {
            preset: None,
            name: self.name.or(base.name),
            about: self.about.or(base.about),
            zone: self.zone.or(base.zone),
            // Sessions of former years belong to the sessions that followed them.
            earlier_hours: if own_hours || !self.earlier_hours.is_empty() {
                self.earlier_hours
            } else {
                base.earlier_hours
            },
            sessions: self.sessions.or(base.sessions),
            day_starts: self.day_starts.or(base.day_starts),
            weekend: self.weekend.or(base.weekend),
            evening: self.evening.or(base.evening),
            opening_auction: self.opening_auction.or(base.opening_auction),
            holidays_from: self.holidays_from.or(base.holidays_from),
            holidays_through: self.holidays_through.or(own_last.max(base.holidays_through)),
            announced_late: self.announced_late.or(base.announced_late),
            holidays: base.holidays,
            trading_days: base.trading_days,
            merged_dates: base.merged_dates,
            holidays_beyond: base.holidays_beyond,
            half_days: base.half_days,
            early_closes: base.early_closes,
            special_days: base.special_days,
            extra_sessions: base.extra_sessions,
            groups: base.groups,
        }
    }

    /// Removes from `base` what these settings say otherwise of a date.
    fn take_back_from(&self, base: &mut CalendarSpec) {
        let trades = |date: &Date| self.trading_days.contains(date);
        let is_holiday = |date: &Date| self.holidays.contains(date);
        base.holidays.retain(|date| !trades(date));
        base.holidays_beyond.retain(|date| !trades(date) && !is_holiday(date));
        base.merged_dates.retain(|date| !trades(date));
        base.trading_days.retain(|date| !is_holiday(date));
        // A holiday has no hours, unless its sessions belong to the next trading day.
        let is_closed = |date: &Date| is_holiday(date) && !self.merged_dates.contains(date);
        let has_own_close = |date: &Date| self.early_closes.iter().any(|early| early.dates.contains(date));
        base.half_days.retain(|date, _| !is_closed(date) && !has_own_close(date));
        base.early_closes.iter_mut().for_each(|early| early.dates.retain(|date| !is_closed(date)));
        base.special_days.iter_mut().for_each(|special| special.dates.retain(|date| !is_closed(date)));
        base.extra_sessions.retain(|extra| !is_closed(&extra.date));
        for group in &mut base.groups {
            group.holidays.retain(|date| !is_closed(date));
            group.half_days.retain(|date, _| !is_closed(date));
            group.early_closes.iter_mut().for_each(|early| early.dates.retain(|date| !is_closed(date)));
            group.special_days.iter_mut().for_each(|special| special.dates.retain(|date| !is_closed(date)));
            group.extra_sessions.retain(|extra| !is_closed(&extra.date));
        }
    }
}
