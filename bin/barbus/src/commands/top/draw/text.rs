//! Texts of a fixed width: short ages, prices that fit, bars of a fraction, and parts of a line.

use std::time::Duration;

use barbus_bars::PriceType;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

const EIGHTHS: [&str; 7] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// An age in at most four characters: `5s`, `12m`, `3h`, `40d`.
pub(super) fn short_age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..100 => format!("{seconds}s"),
        seconds @ 100..6_000 => format!("{}m", seconds / 60),
        seconds @ 6_000..172_800 => format!("{}h", seconds / 3_600),
        seconds if seconds < 86_400 * 1_000 => format!("{}d", seconds / 86_400),
        seconds => format!("{}y", seconds / 31_557_600),
    }
}

/// A price in at most `width` characters, with two decimals or as many more as it has and fit.
pub(super) fn price(value: f64, kind: PriceType, width: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let whole = format!("{value:.0}").len();
    let Some(room) = width.checked_sub(whole + 1).filter(|room| *room >= 1) else {
        return if whole <= width { format!("{value:.0}") } else { format!("{value:.2e}") };
    };
    // What is computed in double precision has noise in its last digits.
    let decimals = room.min(8);
    let text = match kind {
        PriceType::Float32 => (value as f32).to_string(),
        PriceType::Float64 => value.to_string(),
    };
    let exact = text.find('.').map_or(0, |point| text.len() - point - 1);
    let mut text = format!("{value:.*}", decimals.min(exact.max(2)));
    while text.ends_with('0') && text.find('.').is_some_and(|point| text.len() - point > 3) {
        text.pop();
    }
    text
}

/// A bar of `width` cells that is filled up to `fraction`, from 0 to 1.
pub(super) fn bar(fraction: f64, width: usize, style: Style, rest: Style) -> Vec<Span<'static>> {
    let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (fraction * (width * 8) as f64).round() as usize;
    let mut filled = "█".repeat(eighths / 8);
    let mut cells = eighths / 8;
    if !eighths.is_multiple_of(8) {
        filled += EIGHTHS[eighths % 8 - 1];
        cells += 1;
    }
    vec![Span::styled(filled, style), Span::styled("·".repeat(width - cells), rest)]
}

/// The first of `parts` that fit into `width` together, with two blanks between them.
pub(super) fn join(parts: Vec<Line<'static>>, width: usize) -> Line<'static> {
    let mut line = Line::default();
    for part in parts {
        let gap = if line.spans.is_empty() { 0 } else { 2 };
        if line.width() + gap + part.width() > width {
            continue;
        }
        if gap > 0 {
            line.push_span("  ");
        }
        line.spans.extend(part.spans);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let ages = [0, 99, 100, 5_999, 6_000, 172_799, 172_800, 86_400 * 999, 86_400 * 1_000];
        let shown = ages.map(|seconds| short_age(Duration::from_secs(seconds)));
        assert_eq!(shown, ["0s", "99s", "1m", "99m", "1h", "47h", "2d", "999d", "2y"]);
    }

    #[test]
    fn prices_keep_what_fits() {
        let shown = |value| price(value, PriceType::Float64, 9);
        assert_eq!([8.31, 8.3, 8.0, -8.0].map(shown), ["8.31", "8.30", "8.00", "-8.00"]);
        assert_eq!([0.1 + 0.2, 0.00001234].map(shown), ["0.30", "0.0000123"]);
        assert_eq!([123_456_789.0, 12_345_678.0].map(shown), ["123456789", "12345678"]);
        assert_eq!(shown(0.123456789012), "0.1234568");
        assert_eq!(shown(97_123.456789), "97123.457");
        assert_eq!(shown(1_234_567_890.5), "1.23e9");
        assert_eq!(shown(f64::NAN), "-");
        assert_eq!(price(f64::from(8.31_f32), PriceType::Float32, 9), "8.31");
        assert_eq!(price(f64::from(8.3125_f32), PriceType::Float32, 9), "8.3125");
    }

    #[test]
    fn a_bar_is_filled_by_eighths_of_a_cell() {
        let shown = |fraction: f64| {
            bar(fraction, 4, Style::new(), Style::new()).iter().map(|span| span.content.as_ref()).collect::<String>()
        };
        assert_eq!(shown(0.0), "····");
        assert_eq!(shown(0.5), "██··");
        assert_eq!(shown(0.53), "██▏·");
        assert_eq!(shown(1.0), "████");
        assert_eq!(shown(7.0), "████");
        assert_eq!(shown(f64::NAN), "····");
    }

    #[test]
    fn parts_that_do_not_fit_are_left_out() {
        let parts = || ["one", "twotwo", "six"].map(Line::from).to_vec();
        assert_eq!(join(parts(), 80).to_string(), "one  twotwo  six");
        assert_eq!(join(parts(), 9).to_string(), "one  six");
        assert_eq!(join(parts(), 2).to_string(), "");
    }
}
