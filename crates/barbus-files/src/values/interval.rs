//! The length of a bar as files state it: `1m`, `1min`, `60`, `PT1M`, `1d`.

/// The minutes that a text states; `None` for other texts, and 0 for less than a minute.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let text = text.trim();
    // In ISO 8601 the M of PT1M is a minute, and the M of P1M a month.
    let text = text.strip_prefix("PT").unwrap_or(text);
    let start = text.find(|letter: char| letter.is_ascii_digit());
    let (before, number, after) = match start {
        None => (text, 1, ""),
        Some(start) => {
            let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
            (&text[..start], text[start..start + digits].parse::<u32>().ok()?, &text[start + digits..])
        }
    };
    let unit = format!("{before}{after}").to_lowercase();
    let unit = unit.trim_matches([' ', '_', '-', '.']);
    let per = match unit {
        "m" | "min" | "mins" | "minute" | "minutes" | "t" | "" | "分钟" | "kline" => 1,
        "h" | "hr" | "hour" | "hours" | "hourly" | "小时" => 60,
        "d" | "day" | "days" | "daily" | "日" => 1440,
        "w" | "week" | "weekly" | "周" => 10_080,
        "s" | "sec" | "second" | "seconds" | "tick" => 0,
        _ => return None,
    };
    number.checked_mul(per)
}

/// A length in words: `5 minutes`, `1 hour`, `1 day`.
pub(crate) fn in_words(minutes: u64) -> String {
    let (count, unit) = match minutes {
        m if m % 10_080 == 0 && m > 0 => (m / 10_080, "week"),
        m if m % 1440 == 0 && m > 0 => (m / 1440, "day"),
        m if m % 60 == 0 && m > 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_bars_are_read() {
        for text in ["1m", "1min", "1 Minute", "1T", "M1", "1", "PT1M", "minute", "1-minute", "1分钟"] {
            assert_eq!(minutes(text), Some(1), "{text}");
        }
        for (text, expected) in [("5m", 5), ("60", 60), ("1h", 60), ("H4", 240), ("D", 1440), ("1d", 1440), ("1s", 0)] {
            assert_eq!(minutes(text), Some(expected), "{text}");
        }
        for text in ["XSHG", "33x7", "99999999999", "1y"] {
            assert_eq!(minutes(text), None, "{text}");
        }
        assert_eq!(in_words(5), "5 minutes");
        assert_eq!(in_words(60), "1 hour");
        assert_eq!(in_words(1440), "1 day");
    }
}
