//! Chooses the column of times, by the names and by what the first rows hold.
//!
//! A date and a time of day apart belong together.
//! Of several columns with whole times one that is an instant is preferred, if they agree.

use barbus_bars::{FRAME, Label, Moment, normalize_name, parse_time, stated_label, stated_zone, time_rank};

use super::names::Names;
use crate::layout::description::Layout;
use crate::sample::Sample;
use crate::values::clock_text::{DateOrder, TimeDigits, date_ms, has_open_order, order_of};
use crate::values::kind::{Kind, is_date_time, is_epoch};

/// Names of columns of times of day, in normal form.
const TIMES: [&str; 12] = [
    "time",
    "minute",
    "min",
    "hhmm",
    "hhmmss",
    "time_of_day",
    "bar_time",
    "trade_time",
    "updatetime",
    "clock",
    "时间",
    "hour",
];
/// Names of columns of dates, in normal form.
const DATES: [&str; 14] = [
    "date",
    "trade_date",
    "trading_day",
    "tradingday",
    "tradedate",
    "day",
    "dt",
    "bar_date",
    "quote_date",
    "dtyyyymmdd",
    "日期",
    "交易日期",
    "交易日",
    "yyyymmdd",
];

/// Most offset between a wall clock and UTC, and the step of offsets, milliseconds.
const MAX_OFFSET_MS: i64 = 14 * 3_600_000;
const OFFSET_STEP_MS: i64 = 15 * 60_000;

/// What a column of times holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Instant,
    WallClock,
    Date,
    Time,
    Other,
}

/// The columns with the time of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One column, or a date and a time.
    Columns(Vec<usize>),
    /// No column can be the time.
    None,
    /// Several columns can, and nothing decides.
    Unclear(Vec<usize>),
}

/// Chooses among the free columns. `has_date` states that the path has the date, `wanted` is the
/// label that the user gave: a column that states it is preferred.
pub(crate) fn choose(names: &Names<'_>, sample: &Sample, has_date: bool, wanted: Option<Label>) -> Choice {
    let own = names.own(FRAME);
    if let [column] = own[..] {
        return Choice::Columns(vec![column]);
    }
    let mut named: Vec<usize> = names.aliases(FRAME);
    named.extend(names.free().filter(|&column| is_named(names, column, &DATES)));
    // Time (EET)
    let is_whole = |column: &usize| matches!(held(sample, *column), Held::Instant | Held::WallClock);
    named.extend(names.free().filter(|&column| stated_zone(names.raw(column)).is_some()).filter(is_whole));
    named.sort_unstable();
    named.dedup();
    let held = |column: usize| held(sample, column);
    let whole: Vec<usize> =
        named.iter().copied().filter(|&column| matches!(held(column), Held::Instant | Held::WallClock)).collect();
    if !whole.is_empty() {
        let as_wanted: Vec<usize> = whole.iter().copied().filter(|&c| states(names, c, wanted)).collect();
        return best_of(names, sample, if as_wanted.is_empty() { whole } else { as_wanted });
    }
    let dates: Vec<usize> = named.iter().copied().filter(|&column| held(column) == Held::Date).collect();
    let times = names.free().filter(|&column| is_named(names, column, &TIMES) && !dates.contains(&column));
    let times: Vec<usize> = times.filter(|&column| matches!(held(column), Held::Time | Held::Other)).collect();
    let filled = |columns: &[usize]| -> Vec<usize> {
        columns.iter().copied().filter(|&column| held(column) == Held::Time || sample.rows.is_empty()).collect()
    };
    match (&dates[..], &filled(&times)[..]) {
        ([date], [time]) => return Choice::Columns(vec![*date, *time]),
        ([], [time]) if has_date => return Choice::Columns(vec![*time]),
        ([_], [_, _, ..]) | ([_, _, ..], [_, ..]) => return Choice::Unclear(dates.into_iter().chain(times).collect()),
        ([date], []) => return Choice::Columns(vec![*date]),
        _ => {}
    }
    match unnamed(names, sample) {
        Some(column) => Choice::Columns(vec![column]),
        None if sample.rows.is_empty() => by_names(names, named),
        None => match named[..] {
            [] => Choice::None,
            [column] => Choice::Columns(vec![column]),
            _ => Choice::Unclear(named),
        },
    }
}

fn states(names: &Names<'_>, column: usize, wanted: Option<Label>) -> bool {
    wanted.is_some() && stated_label(names.raw(column)) == wanted
}

/// Whether the normal name of a column is one of `known`, as a whole.
fn is_named(names: &Names<'_>, column: usize, known: &[&str]) -> bool {
    known.contains(&names.normal(column))
}

/// Without any row only the names decide.
fn by_names(names: &Names<'_>, named: Vec<usize>) -> Choice {
    let date = named.iter().copied().find(|&column| is_named(names, column, &DATES));
    let time = names.free().find(|&column| is_named(names, column, &TIMES));
    match (date, time, &named[..]) {
        (Some(date), Some(time), _) if date != time => Choice::Columns(vec![date, time]),
        (_, _, []) => Choice::None,
        _ => {
            let best = named.iter().map(|&column| time_rank(names.raw(column))).min();
            let best: Vec<usize> =
                named.into_iter().filter(|&column| Some(time_rank(names.raw(column))) == best).collect();
            if best.len() == 1 { Choice::Columns(best) } else { Choice::Unclear(best) }
        }
    }
}

/// The best of several columns of whole times.
fn best_of(names: &Names<'_>, sample: &Sample, whole: Vec<usize>) -> Choice {
    let best = whole.iter().map(|&column| time_rank(names.raw(column))).min();
    let best: Vec<usize> = whole.into_iter().filter(|&column| Some(time_rank(names.raw(column))) == best).collect();
    if let [column] = best[..] {
        return Choice::Columns(vec![column]);
    }
    let instant = best.iter().copied().find(|&column| held(sample, column) == Held::Instant);
    let first = instant.unwrap_or(best[0]);
    match best.iter().all(|&column| column == first || agree(sample, first, column)) {
        true => Choice::Columns(vec![first]),
        false => Choice::Unclear(best),
    }
}

/// Whether two columns of times show the same instants, or one of them on a wall clock.
fn agree(sample: &Sample, a: usize, b: usize) -> bool {
    let ms = |row: &Vec<Option<String>>, column: usize| {
        let text = row.get(column)?.as_deref()?;
        let text = text.trim().strip_suffix(".0").unwrap_or(text.trim());
        match parse_time(text)?.moment {
            Moment::Instant(ms) | Moment::WallClock(ms) => Some(ms),
        }
    };
    let mut offsets = sample.rows.iter().map(|row| Some(ms(row, b)? - ms(row, a)?));
    let Some(Some(first)) = offsets.next() else { return false };
    first.abs() <= MAX_OFFSET_MS && first % OFFSET_STEP_MS == 0 && offsets.all(|offset| offset == Some(first))
}

/// A column without a name that holds whole times: the index of a table.
fn unnamed(names: &Names<'_>, sample: &Sample) -> Option<usize> {
    let is_unnamed = |column: usize| {
        let name = normalize_name(names.raw(column));
        name.is_empty() || name == "index" || name.starts_with("__index_level_") || name.starts_with("unnamed")
    };
    let holds_times = |column: usize| matches!(held(sample, column), Held::Instant | Held::WallClock);
    let marked = sample.index.filter(|&column| names.free().any(|free| free == column) && holds_times(column));
    marked.or_else(|| names.free().find(|&column| is_unnamed(column) && holds_times(column)))
}

/// The only free column that holds whole times, whatever its name.
pub(crate) fn only_time(names: &Names<'_>, sample: &Sample) -> Option<usize> {
    let mut whole = names.free().filter(|&column| matches!(held(sample, column), Held::Instant | Held::WallClock));
    whole.next().filter(|_| whole.next().is_none())
}

/// What most of the first rows hold in a column.
fn held(sample: &Sample, column: usize) -> Held {
    let mut counts = [0usize; 5];
    for text in sample.column(column) {
        let text = text.trim();
        let held = if text.is_empty() {
            continue;
        } else if is_epoch(text) {
            Held::Instant
        } else if is_date_time(text) {
            match parse_time(text).map(|time| time.moment) {
                Some(Moment::Instant(_)) => Held::Instant,
                _ => Held::WallClock,
            }
        } else if date_ms(text, DateOrder::YearMonthDay).is_some() || has_open_order(text) {
            Held::Date
        } else if Kind::Time.fits(text.strip_suffix(".0").unwrap_or(text)) {
            Held::Time
        } else {
            Held::Other
        };
        counts[held as usize] += 1;
    }
    let all = [Held::Instant, Held::WallClock, Held::Date, Held::Time, Held::Other];
    let most = counts.iter().max().copied().unwrap_or(0);
    match counts.iter().position(|count| *count == most && most > 0) {
        Some(index) => all[index],
        None => Held::Other,
    }
}

/// The order of the dates in a column; `None` where the year is last and both orders fit.
pub(crate) fn date_order(sample: &Sample, column: usize) -> Option<DateOrder> {
    let date = |text: &'_ str| -> bool { has_open_order(date_part(text)) };
    if !sample.column(column).any(date) {
        return Some(DateOrder::YearMonthDay);
    }
    order_of(sample.column(column).map(date_part))
}

fn date_part(text: &str) -> &str {
    text.trim().split([' ', 'T', ',']).next().unwrap_or_default()
}

/// How times of day without colons in a column are read: with five or six digits they have seconds.
pub(crate) fn time_digits(sample: &Sample, column: usize) -> TimeDigits {
    let digits = |text: &str| {
        let text = text.trim();
        let text = text.strip_suffix(".0").unwrap_or(text);
        if text.bytes().all(|byte| byte.is_ascii_digit()) { text.len() } else { 0 }
    };
    match sample.column(column).map(digits).max() {
        Some(5..=6) => TimeDigits::HoursMinutesSeconds,
        _ => TimeDigits::HoursMinutes,
    }
}

/// Whether the values of a column count from the midnight of a date in the path: times of day, or
/// numbers in the unit of the layout.
pub(crate) fn counts_from_midnight(sample: &Sample, column: usize, layout: Option<&Layout>) -> bool {
    match held(sample, column) {
        Held::Instant | Held::WallClock | Held::Date => false,
        Held::Time => true,
        Held::Other => layout.is_some_and(|layout| layout.frame.unit.is_some()),
    }
}
