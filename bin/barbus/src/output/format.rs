//! Formats numbers, ages, rates, sizes and times for people.
//!
//! [`super::table`] writes the values that programs read (JSON, CSV), in full precision.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// A count with thousands separators: `244,687`.
pub(crate) fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A number in full precision with thousands separators: `47,018,200`, `-0.25`.
///
/// Very large and very small numbers have an exponent.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || (magnitude != 0.0 && !(1e-7..1e15).contains(&magnitude)) {
        return if value.is_finite() { format!("{value:e}") } else { value.to_string() };
    }
    let text = value.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    match digits.split_once('.') {
        Some((whole, fraction)) => format!("{sign}{}.{fraction}", group(whole)),
        None => format!("{sign}{}", group(digits)),
    }
}

/// A number in few characters, for rates: `987`, `1.2k`, `47.0M`, `3.1G`.
pub(crate) fn compact(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let mut scaled = value;
    for unit in ["", "k", "M", "G", "T"] {
        // 999.95 would be rounded to 1000.0.
        if scaled.abs() < 999.95 {
            return if unit.is_empty() && scaled.fract() == 0.0 {
                format!("{scaled}")
            } else {
                format!("{scaled:.1}{unit}")
            };
        }
        scaled /= 1000.0;
    }
    format!("{value:.1e}")
}

/// A rate: `830 bars/s`, `1.2M bars/s`. Without any elapsed time it is `- bars/s`.
pub(crate) fn rate(amount: u64, name: &str, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if seconds <= 0.0 {
        return format!("- {name}/s");
    }
    let per_second = amount as f64 / seconds;
    let per_second = if per_second >= 10.0 { per_second.round() } else { per_second };
    format!("{} {name}/s", compact(per_second))
}

/// A size in bytes: `512 B`, `18.7 MB` (decimal units).
pub(crate) fn bytes(value: u64) -> String {
    if value < 1000 {
        return format!("{value} B");
    }
    let mut scaled = value as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if scaled < 999.95 {
            return format!("{scaled:.1} {unit}");
        }
        scaled /= 1000.0;
    }
    format!("{scaled:.1} TB")
}

/// A duration in its two largest units: `0.35 s`, `12 s`, `2 min 5 s`, `3 h 4 min`, `5 d 2 h`.
pub(crate) fn age(value: Duration) -> String {
    let seconds = value.as_secs();
    match seconds {
        0..10 => {
            let millis = value.as_millis();
            if millis < 1 && !value.is_zero() {
                return "<1 ms".to_owned();
            }
            if millis < 100 {
                return format!("{millis} ms");
            }
            format!("{:.2} s", value.as_secs_f64())
        }
        10..60 => format!("{seconds} s"),
        60..3600 => pair(seconds, 60, "min", 1, "s"),
        3600..86_400 => pair(seconds, 3600, "h", 60, "min"),
        _ => pair(seconds, 86_400, "d", 3600, "h"),
    }
}

/// The age of `then_ms` at `now_ms`, both milliseconds UTC: `12 s ago` or `in 12 s`.
pub(crate) fn ago(then_ms: i64, now_ms: i64) -> String {
    let span = Duration::from_millis(now_ms.abs_diff(then_ms));
    if then_ms > now_ms { format!("in {}", age(span)) } else { format!("{} ago", age(span)) }
}

/// A frame as a wall clock in `zone` shows it: `2024-01-02 09:31`, with seconds unless they are 0.
pub(crate) fn frame(frame_ms: i64, zone: &TimeZone) -> String {
    let Ok(instant) = Timestamp::from_millisecond(frame_ms) else {
        return format!("{frame_ms} ms");
    };
    let pattern = if frame_ms.rem_euclid(60_000) == 0 {
        "%Y-%m-%d %H:%M"
    } else if frame_ms.rem_euclid(1000) == 0 {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S%.3f"
    };
    instant.to_zoned(zone.clone()).strftime(pattern).to_string()
}

/// A frame in RFC 3339 with the offset of `zone`, for programs: `2024-01-02T09:31:00+08:00`.
pub(crate) fn frame_rfc3339(frame_ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(frame_ms) {
        Ok(instant) => instant.display_with_offset(zone.to_offset(instant)).to_string(),
        Err(_) => frame_ms.to_string(),
    }
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn pair(seconds: u64, large_s: u64, large: &str, small_s: u64, small: &str) -> String {
    let rest = seconds % large_s / small_s;
    if rest == 0 {
        format!("{} {large}", seconds / large_s)
    } else {
        format!("{} {large} {rest} {small}", seconds / large_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(244_687), "244,687");
        assert_eq!(number(47_018_200.0), "47,018,200");
        assert_eq!(number(-1234.5), "-1,234.5");
        assert_eq!(number(-0.25), "-0.25");
        assert_eq!(number(6.889934), "6.889934");
        assert_eq!(number(1e300), "1e300");
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(f64::INFINITY), "inf");
    }

    #[test]
    fn compact_numbers_and_rates_are_short() {
        assert_eq!(compact(987.0), "987");
        assert_eq!(compact(1234.0), "1.2k");
        assert_eq!(compact(999_970.0), "1.0M");
        assert_eq!(compact(47_018_200.0), "47.0M");
        assert_eq!(rate(244_687, "bars", Duration::from_millis(500)), "489.4k bars/s");
        assert_eq!(rate(1660, "bars", Duration::from_secs(2)), "830 bars/s");
        assert_eq!(rate(5, "bars", Duration::ZERO), "- bars/s");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(18_666_200), "18.7 MB");
        assert_eq!(bytes(1_000_000), "1.0 MB");
    }

    #[test]
    fn ages_have_two_units() {
        assert_eq!(age(Duration::from_micros(20)), "<1 ms");
        assert_eq!(age(Duration::from_millis(42)), "42 ms");
        assert_eq!(age(Duration::from_millis(350)), "0.35 s");
        assert_eq!(age(Duration::from_secs(12)), "12 s");
        assert_eq!(age(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(age(Duration::from_secs(11_040)), "3 h 4 min");
        assert_eq!(age(Duration::from_secs(5 * 86_400 + 7300)), "5 d 2 h");
        assert_eq!(ago(1000, 13_000), "12 s ago");
        assert_eq!(ago(61_000, 1000), "in 1 min");
    }

    #[test]
    fn frames_are_shown_in_the_zone_of_the_market() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(frame(1_646_098_260_000, &zone), "2022-03-01 09:31");
        assert_eq!(frame(1_646_098_261_500, &zone), "2022-03-01 09:31:01.500");
        assert_eq!(frame_rfc3339(1_646_098_260_000, &zone), "2022-03-01T09:31:00+08:00");
        assert_eq!(frame(i64::MAX, &zone), "9223372036854775807 ms");
    }
}
