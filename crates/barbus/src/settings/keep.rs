//! `archive.keep` and `quarantine.keep`: a time or a size.

use jiff::{Span, SpanRelativeTo};

use crate::settings::values::Keep;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The value of the setting `key`. Nothing is removed by a value that is not understood.
pub(super) fn keep(key: &str, text: Option<&str>) -> Result<Keep, String> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(Keep::Everything);
    }
    let wrong =
        |why: &str| format!("{key}: {text:?} is {why}: use a time such as \"400d\" or a size such as \"200GB\"");
    if let Ok(span) = text.parse::<Span>() {
        let time = span.to_duration(SpanRelativeTo::days_are_24_hours());
        let time = time.map_err(|_| wrong("not a number of days or weeks"))?;
        let days = u64::try_from(time.as_secs()).unwrap_or_default().div_ceil(DAY_SECONDS);
        let days = u32::try_from(days).map_err(|_| wrong("too long"))?;
        return if time.as_secs() < DAY_SECONDS as i64 { Err(wrong("less than a day")) } else { Ok(Keep::Days(days)) };
    }
    // A number without a unit could be meant as days.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("without a unit"));
    }
    match text.parse::<bytesize::ByteSize>() {
        Ok(size) if size.0 > 0 => Ok(Keep::Bytes(size.0)),
        _ => Err(wrong("neither a time nor a size")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_size_and_nothing_else() {
        let keep = |text| super::keep("archive.keep", Some(text));
        assert_eq!(super::keep("archive.keep", None), Ok(Keep::Everything));
        assert_eq!(keep(""), Ok(Keep::Everything));
        assert_eq!(
            (keep("400d"), keep("2w"), keep("36h")),
            (Ok(Keep::Days(400)), Ok(Keep::Days(14)), Ok(Keep::Days(2)))
        );
        assert_eq!((keep("200GB"), keep("1 GiB")), (Ok(Keep::Bytes(200_000_000_000)), Ok(Keep::Bytes(1 << 30))));
        for text in ["400", "1h", "0d", "-3d", "0B", "1y", "2mo", "everything", "4000000000000d"] {
            let wrong = keep(text).unwrap_err();
            assert!(wrong.starts_with(&format!("archive.keep: {text:?} is ")), "{wrong}");
        }
    }
}
