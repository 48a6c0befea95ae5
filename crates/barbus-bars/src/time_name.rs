//! What the name of a column of times states: which end of a bar it marks, and in which zone.
//!
//! `open_time` marks the start and `close_time` the end; `timestamp_utc` and `Gmt time` are in UTC.

use jiff::tz::TimeZone;

use crate::label::Label;
use crate::suggestion::normalize;

/// Words that state the start of a bar.
const START_WORDS: [&str; 8] = ["start", "begin", "begins", "bob", "starttime", "begintime", "opentime", "startat"];
/// Words that state the end of a bar.
const END_WORDS: [&str; 7] = ["end", "ends", "eob", "endtime", "closetime", "endat", "finish"];
/// Words that make a time of `open` and `close`.
const TIME_WORDS: [&str; 7] = ["time", "ts", "timestamp", "date", "datetime", "at", "ms"];
/// Names that state the start without a word for it.
const START_NAMES: [&str; 1] = ["ts_event"];

/// The end of a bar that the name of a column of times states; `None` for a neutral name.
///
/// ```
/// use barbus_bars::{Label, stated_label};
///
/// assert_eq!(stated_label("Open time"), Some(Label::Start));
/// assert_eq!(stated_label("windowStart"), Some(Label::Start));
/// assert_eq!(stated_label("close_time"), Some(Label::End));
/// assert_eq!(stated_label("trade_time"), None);
/// ```
pub fn stated_label(name: &str) -> Option<Label> {
    let words = words(name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    // CoinAPI's `time_open` is the time of the first trade: only `open` before the time states it.
    let before_time = |word: &str| {
        let at = words.iter().position(|found| found == word);
        at.is_some_and(|at| words[at + 1..].iter().any(|next| TIME_WORDS.contains(&next.as_str())))
    };
    let start = has(&START_WORDS) || before_time("open") || START_NAMES.contains(&words.join("_").as_str());
    let end = has(&END_WORDS) || before_time("close");
    match (start, end) {
        (true, false) => Some(Label::Start),
        (false, true) => Some(Label::End),
        _ => None,
    }
}

/// The zone that the name of a column of times states; `None` for a name without a zone.
///
/// ```
/// use barbus_bars::stated_zone;
///
/// assert!(stated_zone("timestamp_utc").is_some());
/// assert!(stated_zone("Gmt time").is_some());
/// assert!(stated_zone("Time (America/New_York)").is_some());
/// assert!(stated_zone("Time (EET)").is_some());
/// assert!(stated_zone("datetime").is_none());
/// ```
pub fn stated_zone(name: &str) -> Option<TimeZone> {
    let pieces = name.split(|letter: char| letter.is_whitespace() || "()[]<>\"".contains(letter));
    for piece in pieces.filter(|piece| piece.contains('/')) {
        if let Ok(zone) = TimeZone::get(piece) {
            return Some(zone);
        }
    }
    // Zones of the database that are called as people call them; EST may be with or without DST.
    if let Some(known) = ["EET", "CET", "MET", "WET"].iter().find(|known| name.contains(&format!("({known})")))
        && let Ok(zone) = TimeZone::get(known)
    {
        return Some(zone);
    }
    let words = words(name);
    let is_utc = |word: &String| matches!(word.as_str(), "utc" | "gmt" | "z" | "zulu");
    words.iter().any(is_utc).then_some(TimeZone::UTC)
}

/// The words of a name in lower case: `closeTime` and `Close time` are `close`, `time`.
fn words(name: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut lower_before = false;
    for letter in name.chars() {
        if letter.is_uppercase() && lower_before {
            spaced.push('_');
        }
        lower_before = letter.is_lowercase();
        spaced.push(letter);
    }
    let is_word = |word: &&str| !word.is_empty();
    normalize(&spaced).split(|c: char| !c.is_alphanumeric()).filter(is_word).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 9: a name that states the label decides it.
    #[test]
    fn names_of_starts_ends_and_neither() {
        let starts =
            ["open_time", "Open Time", "openTime", "opentime", "window_start", "start", "startTime", "ts_event"];
        let more = ["bob", "candle_begin_time", "begin", "time_period_start", "start_time", "bar_start", "OPEN_TS"];
        for name in starts.into_iter().chain(more) {
            assert_eq!(stated_label(name), Some(Label::Start), "{name}");
        }
        for name in ["close_time", "closeTime", "eob", "end", "end_time", "window_end", "bar_end", "time_period_end"] {
            assert_eq!(stated_label(name), Some(Label::End), "{name}");
        }
        for name in
            ["time", "datetime", "date", "timestamp", "t", "open", "close", "trade_time", "time_open", "weekend"]
        {
            assert_eq!(stated_label(name), None, "{name}");
        }
    }

    #[test]
    fn names_with_a_zone() {
        for name in ["timestamp_utc", "Gmt time", "UTC", "time_UTC", "Time (UTC)", "datetimeUtc"] {
            assert_eq!(stated_zone(name), Some(TimeZone::UTC), "{name}");
        }
        assert!(stated_zone("Etc/UTC").is_some());
        assert_eq!(stated_zone("Time (Europe/Berlin)"), TimeZone::get("Europe/Berlin").ok());
        for name in ["time", "date", "utcoffset", "open/close", "bid/ask"] {
            assert_eq!(stated_zone(name), None, "{name}");
        }
    }
}
