//! Opens readers, replays and questions from the structs of C.

use std::time::Duration;

use barbus::{Adjust, BarsQuery, Bus, Date, Interval, MinuteOptions, OnGap, Pace, Reader, Start, WaitStrategy};
use jiff::{Span, Timestamp, civil};

use crate::failure::Failure;
use crate::feed::Feed;
use crate::raw::{CText, check_size, texts};
use crate::types::*;

/// 1970-01-01, the day 0.
const EPOCH: Date = civil::date(1970, 1, 1);

/// The date of a day's number.
pub(crate) fn date(name: &str, day: i32) -> Result<Date, Failure> {
    let date = EPOCH.checked_add(Span::new().days(i64::from(day).clamp(-5_000_000, 5_000_000)));
    date.map_err(|_| Failure::argument(format!("{name}: {day} is no day: give days since 1970-01-01")))
}

/// The number of a date.
pub(crate) fn day_number(date: Date) -> i32 {
    EPOCH.until(date).map_or(BARBUS_NO_DAY, |span| span.get_days())
}

fn unknown(name: &str, value: i32) -> Failure {
    Failure::argument(format!("{name}: {value} is no constant of this libbarbus: see barbus.h"))
}

/// How events are brought together.
enum Assembly {
    AsPublished,
    Minutes(MinuteOptions),
    Bars(Interval, MinuteOptions),
}

fn assembly(
    minutes: i32,
    interval: CText<'_>,
    universe: Option<Vec<&str>>,
    grace_ms: i64,
) -> Result<Assembly, Failure> {
    let interval = self::interval(interval)?;
    let mut options = MinuteOptions { universe: universe.map(owned), ..MinuteOptions::default() };
    if grace_ms != 0 {
        options.grace = Duration::from_millis(grace_ms.max(0) as u64);
    }
    Ok(match (minutes, interval) {
        (0, None) if options != MinuteOptions::default() => {
            return Err(Failure::argument("universe and grace_ms: only for minutes and interval"));
        }
        (0, None) => Assembly::AsPublished,
        (0, Some(interval)) => Assembly::Bars(interval, options),
        (_, None) => Assembly::Minutes(options),
        (_, Some(_)) => return Err(Failure::argument("minutes and interval: give one of them")),
    })
}

fn interval(text: CText<'_>) -> Result<Option<Interval>, Failure> {
    let Some(text) = text.optional("interval")? else { return Ok(None) };
    text.parse().map(Some).map_err(|error| Failure::argument(format!("interval: {error}")))
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// Opens a live reader.
pub(crate) fn live(path: &str, options: Option<&barbus_reader_options<'_>>) -> Result<Feed, Failure> {
    let Some(options) = options else {
        return Ok(Feed::Live(Reader::open(path)?.stop_at_signals()));
    };
    check_size(options)?;
    let start = match options.start {
        BARBUS_START_LIVE => Start::Live,
        BARBUS_START_TODAY => Start::Today,
        BARBUS_START_OLDEST => Start::Oldest,
        BARBUS_START_DAY => Start::Day(date("start_day", options.start_day)?),
        BARBUS_START_SEQ => Start::Seq(options.start_seq),
        other => return Err(unknown("start", other)),
    };
    let on_gap = match options.on_gap {
        BARBUS_ON_GAP_FILL => OnGap::Fill,
        BARBUS_ON_GAP_LAPPED => OnGap::Lapped,
        BARBUS_ON_GAP_ERROR => OnGap::Error,
        other => return Err(unknown("on_gap", other)),
    };
    let wait = match options.wait {
        BARBUS_WAIT_FUTEX => WaitStrategy::Futex,
        BARBUS_WAIT_SPIN => WaitStrategy::Spin,
        BARBUS_WAIT_SPIN_THEN_YIELD => WaitStrategy::SpinThenYield,
        other => return Err(unknown("wait", other)),
    };
    let universe = texts("universe", options.universe, options.universe_count)?;
    let assembly = assembly(options.minutes, options.interval, universe, options.grace_ms)?;
    let mut reader = Reader::open(path)?.stop_at_signals().wait_strategy(wait).on_gap(on_gap).start_at(start)?;
    if let Some(name) = options.name.optional("name")? {
        reader = reader.name(name);
    }
    if options.anonymous != 0 {
        reader = reader.anonymous();
    }
    if let Some(symbols) = texts("symbols", options.symbols, options.symbol_count)? {
        reader = reader.symbols(symbols);
    }
    Ok(match assembly {
        Assembly::AsPublished => Feed::Live(reader),
        Assembly::Minutes(options) => Feed::LiveMinutes(Box::new(reader.minutes(options)?)),
        Assembly::Bars(interval, options) => Feed::LiveBars(Box::new(reader.resampled(interval, options)?)),
    })
}

/// Opens a replay of archived days.
pub(crate) fn replay(path: &str, options: &barbus_replay_options<'_>) -> Result<Feed, Failure> {
    check_size(options)?;
    let pace = match options.speed {
        0.0 => Pace::Max,
        speed if speed.is_finite() && speed > 0.0 => Pace::Times(speed),
        speed => return Err(Failure::argument(format!("speed: {speed}: give 0, or a number above it"))),
    };
    let universe = texts("universe", options.universe, options.universe_count)?;
    let assembly = assembly(options.minutes, options.interval, universe, 0)?;
    let (from, to) = (date("from_day", options.from_day)?, date("to_day", options.to_day)?);
    let mut replay = Bus::open(path)?.replay(from, to)?.pace(pace);
    if let Some(symbols) = texts("symbols", options.symbols, options.symbol_count)? {
        replay = replay.symbols(symbols);
    }
    Ok(match assembly {
        Assembly::AsPublished => Feed::Replay(Box::new(replay)),
        Assembly::Minutes(options) => Feed::ReplayedMinutes(Box::new(replay.minutes(options)?)),
        Assembly::Bars(interval, options) => Feed::ReplayedBars(Box::new(replay.resampled(interval, options)?)),
    })
}

/// How a reader's bars become an Arrow stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamOptions {
    /// Longest wait for the next bars, milliseconds; negative: without a limit.
    pub(crate) timeout_ms: i64,
    pub(crate) until_day_closed: bool,
}

/// The options of an Arrow stream of a reader.
pub(crate) fn stream(options: Option<&barbus_stream_options>) -> Result<StreamOptions, Failure> {
    let Some(options) = options else { return Ok(StreamOptions { timeout_ms: 0, until_day_closed: false }) };
    check_size(options)?;
    Ok(StreamOptions { timeout_ms: options.timeout_ms, until_day_closed: options.until_day_closed != 0 })
}

/// The question of a struct of C.
pub(crate) fn question(bus: &Bus, question: &barbus_question<'_>) -> Result<BarsQuery, Failure> {
    check_size(question)?;
    let mut query = bus.bars();
    if let Some(symbols) = texts("symbols", question.symbols, question.symbol_count)? {
        query = query.symbols(symbols);
    }
    if let Some(columns) = texts("columns", question.columns, question.column_count)? {
        query = query.columns(columns);
    }
    if question.from_day != 0 && question.from_ms != 0 || question.to_day != 0 && question.to_ms != 0 {
        return Err(Failure::argument("a bound is given twice, as a day and as a time: give one of them"));
    }
    let time = |name: &str, ms: i64| {
        let wrong = |_| Failure::argument(format!("{name}: {ms} is no time: give milliseconds since 1970"));
        Timestamp::from_millisecond(ms).map_err(wrong)
    };
    query = match (question.from_day, question.from_ms) {
        (0, 0) => query,
        (0, ms) => query.from(time("from_ms", ms)?),
        (day, _) => query.from(date("from_day", day)?),
    };
    query = match (question.to_day, question.to_ms) {
        (0, 0) => query,
        (0, ms) => query.to(time("to_ms", ms)?),
        (day, _) => query.to(date("to_day", day)?),
    };
    if question.last != 0 {
        query = query.last(usize::try_from(question.last).unwrap_or(usize::MAX));
    }
    if let Some(interval) = interval(question.interval)? {
        query = query.interval(interval);
    }
    if question.skip_damaged != 0 {
        query = query.skip_damaged();
    }
    Ok(query.adjust(match question.adjust {
        BARBUS_ADJUST_NONE => Adjust::None,
        BARBUS_ADJUST_FORWARD => Adjust::Forward,
        BARBUS_ADJUST_BACKWARD => Adjust::Backward,
        other => return Err(unknown("adjust", other)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_numbered_from_1970() {
        for (text, number) in [("1970-01-01", 0), ("2024-07-04", 19_908), ("1969-12-31", -1)] {
            let day: Date = text.parse().unwrap();
            assert_eq!((day_number(day), date("day", number).unwrap()), (number, day));
        }
        assert!(date("day", i32::MAX).is_err() && date("day", i32::MIN).is_err());
    }
}
