//! Time zones as users and files name them: IANA names and fixed offsets.

use jiff::tz::{Offset, TimeZone};

/// The zone that a text names: an IANA name, `UTC`, `+08:00`, `-0500`, `UTC+8`.
pub fn named(text: &str) -> Option<TimeZone> {
    let text = text.trim();
    if let Some(zone) = fixed(text.strip_prefix("UTC").or(text.strip_prefix("GMT")).unwrap_or(text)) {
        return Some(zone);
    }
    TimeZone::get(text).ok()
}

/// A zone of `+08:00`, `+8`, `-0530`.
fn fixed(text: &str) -> Option<TimeZone> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text[1..].replace(':', "");
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i32 = digits.parse().ok()?;
    let minutes = if digits.len() <= 2 { value * 60 } else { value / 100 * 60 + value % 100 };
    let valid = minutes <= 14 * 60 && (digits.len() <= 2 || value % 100 < 60);
    let offset = Offset::from_seconds(sign * minutes * 60).ok()?;
    valid.then(|| TimeZone::fixed(offset))
}

/// The name of a zone in a report: its IANA name, or its offset.
pub(crate) fn name(zone: &TimeZone) -> String {
    match (zone.iana_name(), zone.to_fixed_offset()) {
        (Some(name), _) => name.to_owned(),
        (None, Ok(offset)) => {
            let minutes = offset.seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        }
        (None, Err(_)) => "a zone without a name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets_are_zones() {
        for (text, shown) in [
            ("Asia/Shanghai", "Asia/Shanghai"),
            ("UTC", "UTC"),
            ("+08:00", "+08:00"),
            ("-0530", "-05:30"),
            ("UTC+8", "+08:00"),
            ("+3", "+03:00"),
            ("Etc/GMT+5", "Etc/GMT+5"),
        ] {
            assert_eq!(named(text).as_ref().map(name).as_deref(), Some(shown), "{text}");
        }
        for wrong in ["", "+", "+25:00", "+08:99", "Mars/Phobos", "+8x", "+é"] {
            assert!(named(wrong).is_none(), "{wrong:?}");
        }
    }
}
