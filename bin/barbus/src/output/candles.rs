//! Draws the candlestick picture of one symbol with Unicode characters.
//!
//! A rising candle has a thin body (`┃`), a falling one a full body (`█`), so the picture is
//! readable without colour.
//! If there are more bars than columns, several bars are merged into one candle.
//! Bars with a price that is not finite are omitted.
//! Without any bar the picture is one line of text.
//! The requested size is clamped to [`WIDTHS`] and [`HEIGHTS`], and the picture never exceeds it.

use std::ops::RangeInclusive;

use barbus_files::printable;
use jiff::tz::TimeZone;

use super::format;

/// Allowed widths of a picture, in columns.
pub(crate) const WIDTHS: RangeInclusive<usize> = 24..=400;
/// Allowed heights of a picture, in lines.
pub(crate) const HEIGHTS: RangeInclusive<usize> = 6..=100;

const VOLUME_BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candle {
    /// End of the bar, milliseconds UTC.
    pub(crate) frame_ms: i64,
    /// First price.
    pub(crate) open: f64,
    /// Highest price.
    pub(crate) high: f64,
    /// Lowest price.
    pub(crate) low: f64,
    /// Last price.
    pub(crate) close: f64,
    /// Traded quantity.
    pub(crate) volume: f64,
}

/// The options of a picture.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// Columns, axis included.
    pub(crate) width: usize,
    /// Lines, title and axis included.
    pub(crate) height: usize,
    /// Whether to colour the candles as Chinese markets do: red for rising, green for falling.
    pub(crate) colour: bool,
    /// Zone of the time axis.
    pub(crate) zone: TimeZone,
}

/// The content of one half of a character cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Blank,
    Wick,
    Body,
}

impl Picture {
    /// Draws `bars`, which are in time order, of `symbol`. Every line ends with a line feed.
    pub(crate) fn draw(&self, symbol: &str, bars: &[Candle]) -> String {
        let width = self.width.clamp(*WIDTHS.start(), *WIDTHS.end());
        let height = self.height.clamp(*HEIGHTS.start(), *HEIGHTS.end());
        let symbol = printable(symbol);
        let bars: Vec<Candle> = bars.iter().copied().filter(is_finite).collect();
        let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
            return format!("{}\n", clip(&format!("{symbol}: no bars"), width));
        };
        let low = bars.iter().map(lowest).fold(f64::INFINITY, f64::min);
        let high = bars.iter().map(highest).fold(f64::NEG_INFINITY, f64::max);

        // Title, time axis and volume take one line each.
        let lines = height - 3;
        let decimals = decimals(low, high, lines);
        let labels: Vec<String> = (0..lines).map(|line| label(line, lines, low, high, decimals)).collect();
        let axis = labels.iter().map(String::len).max().unwrap_or(0);
        let columns = width.saturating_sub(axis + 2).max(1);
        let per_candle = bars.len().div_ceil(columns);
        let candles: Vec<Candle> = bars.chunks(per_candle).map(merge).collect();

        let mut text = String::new();
        let minutes = if per_candle > 1 { format!(", {per_candle} a candle") } else { String::new() };
        let from = format::frame(first.frame_ms, &self.zone);
        let to = format::frame(last.frame_ms, &self.zone);
        let same_day = from.len() > 11 && to.get(..11) == from.get(..11);
        let to = if same_day { &to[11..] } else { &to };
        let title = format!("{symbol}  {from} to {to}, {} bars{minutes}", format::count(bars.len() as u64));
        text.push_str(&clip(&title, width));
        text.push('\n');
        for (line, label) in labels.iter().enumerate() {
            text.push_str(&format!("{label:>axis$} ┤"));
            self.line(&mut text, &candles, |candle| cell(candle, line, lines, low, high));
        }
        let most = candles.iter().map(|c| c.volume).fold(0.0, f64::max);
        text.push_str(&format!("{:>axis$} │", clip("vol", axis)));
        self.line(&mut text, &candles, |candle| volume_bar(candle.volume, most));
        text.push_str(&self.time_axis(&candles, axis, width));
        text
    }

    fn line(&self, text: &mut String, candles: &[Candle], glyph: impl Fn(&Candle) -> char) {
        let mut current = "";
        for candle in candles {
            let glyph = glyph(candle);
            let wanted = match self.colour {
                true if glyph != ' ' => colour(candle),
                _ => current,
            };
            if wanted != current {
                text.push_str(wanted);
                current = wanted;
            }
            text.push(glyph);
        }
        if current.is_empty() {
            text.truncate(text.trim_end().len());
        } else {
            text.push_str("\x1b[0m");
        }
        text.push('\n');
    }

    /// Clock times under the candles, as many as fit with gaps between them.
    fn time_axis(&self, candles: &[Candle], axis: usize, width: usize) -> String {
        let mut line = " ".repeat(axis + 2);
        let mut free_from = 0;
        for (column, candle) in candles.iter().enumerate() {
            let stamp = format::frame(candle.frame_ms, &self.zone);
            let clock = stamp.get(11..16).unwrap_or("");
            let at = axis + 2 + column;
            if column < free_from || at + clock.len() > width {
                continue;
            }
            line.push_str(&" ".repeat(at.saturating_sub(line.len())));
            line.push_str(clock);
            free_from = column + (candles.len() / 4).max(clock.len() + 3);
        }
        format!("{}\n", line.trim_end())
    }
}

fn is_finite(candle: &Candle) -> bool {
    [candle.open, candle.high, candle.low, candle.close].iter().all(|price| price.is_finite())
}

fn highest(candle: &Candle) -> f64 {
    candle.high.max(candle.open).max(candle.close)
}

fn lowest(candle: &Candle) -> f64 {
    candle.low.min(candle.open).min(candle.close)
}

/// Merges bars into one candle with the frame of the first bar: the time axis shows where a candle
/// begins.
fn merge(bars: &[Candle]) -> Candle {
    let mut candle = bars[0];
    for bar in &bars[1..] {
        candle.high = highest(&candle).max(highest(bar));
        candle.low = lowest(&candle).min(lowest(bar));
        candle.close = bar.close;
        candle.volume += bar.volume;
    }
    candle
}

/// The height of `price` in half lines from the top, `0..2 * lines`.
fn level(price: f64, lines: usize, low: f64, high: f64) -> usize {
    let most = 2 * lines - 1;
    let span = high - low;
    if span <= 0.0 || !span.is_finite() {
        return lines - 1;
    }
    (((high - price) / span * most as f64).round() as usize).min(most)
}

fn cell(candle: &Candle, line: usize, lines: usize, low: f64, high: f64) -> char {
    let level = |price| level(price, lines, low, high);
    let wick = level(highest(candle))..=level(lowest(candle));
    let body = level(candle.open.max(candle.close))..=level(candle.open.min(candle.close));
    let half = |at: usize| {
        if body.contains(&at) {
            Half::Body
        } else if wick.contains(&at) {
            Half::Wick
        } else {
            Half::Blank
        }
    };
    let falling = candle.close < candle.open;
    match (half(2 * line), half(2 * line + 1)) {
        (Half::Blank, Half::Blank) => ' ',
        (Half::Wick, Half::Wick) => '│',
        (Half::Wick, Half::Blank) => '╵',
        (Half::Blank, Half::Wick) => '╷',
        (Half::Body, Half::Body) if falling => '█',
        (Half::Body, _) if falling => '▀',
        (_, Half::Body) if falling => '▄',
        (Half::Body, Half::Body) => '┃',
        (Half::Body, Half::Wick) => '╿',
        (Half::Wick, Half::Body) => '╽',
        (Half::Body, Half::Blank) => '╹',
        (Half::Blank, Half::Body) => '╻',
    }
}

fn volume_bar(volume: f64, most: f64) -> char {
    if volume.is_nan() || volume <= 0.0 {
        return ' ';
    }
    let steps = VOLUME_BARS.len();
    let step = (volume / most * steps as f64).ceil() as usize;
    VOLUME_BARS[step.clamp(1, steps) - 1]
}

fn colour(candle: &Candle) -> &'static str {
    if candle.close >= candle.open { "\x1b[31m" } else { "\x1b[32m" }
}

/// The price label of a line; only every third line and the outer lines have one.
fn label(line: usize, lines: usize, low: f64, high: f64, decimals: usize) -> String {
    let last = lines - 1;
    if line != 0 && line != last && (!line.is_multiple_of(3) || last - line < 2) {
        return String::new();
    }
    let share = if last == 0 { 0.0 } else { line as f64 / last as f64 };
    // The difference between two huge prices may not be finite, so it is not computed.
    format!("{:.decimals$}", high * (1.0 - share) + low * share)
}

/// Enough decimals to distinguish neighbouring labels.
fn decimals(low: f64, high: f64, lines: usize) -> usize {
    let step = (high - low) / lines.max(1) as f64 * 3.0;
    if step <= 0.0 || !step.is_finite() {
        return 2;
    }
    (1.0 - step.log10().floor()).clamp(0.0, 8.0) as usize
}

fn clip(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthChar;
    let mut used = 0;
    text.chars()
        .take_while(|letter| {
            used += letter.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn candle(minute: i64, open: f64, high: f64, low: f64, close: f64) -> Candle {
        Candle { frame_ms: minute * 60_000, open, high, low, close, volume: 100.0 * (minute as f64 + 1.0) }
    }

    fn picture(width: usize, height: usize) -> Picture {
        Picture { width, height, colour: false, zone: TimeZone::UTC }
    }

    #[test]
    fn bodies_and_wicks_are_where_the_prices_are() {
        let bars = [
            candle(0, 1.0, 7.0, 0.0, 4.0), // rising, wick above and below
            candle(1, 6.0, 6.0, 2.0, 3.0), // falling, wick below
            candle(2, 5.0, 5.0, 5.0, 5.0), // one price
        ];
        let text = picture(30, 7).draw("X", &bars);
        assert_eq!(
            text,
            "\
X  1970-01-01 00:00 to 00:02, 
7.0 ┤│▄
    ┤╽█╹
    ┤┃▀
0.0 ┤╿
vol │▃▆█
     00:00
"
        );
    }

    #[test]
    fn many_bars_are_merged_and_the_size_is_kept() {
        let bars: Vec<Candle> = (0..1000)
            .map(|i| {
                let price = 100.0 + (i as f64 / 30.0).sin() * 3.0;
                candle(i, price, price + 0.5, price - 0.5, price + 0.1)
            })
            .collect();
        for (width, height) in [(24, 6), (80, 20), (200, 50)] {
            let text = picture(width, height).draw("沪深300", &bars);
            assert_eq!(text.lines().count(), height);
            for line in text.lines() {
                assert!(line.width() <= width, "{line:?} is wider than {width}");
            }
        }
        // Sizes out of the limits are clamped.
        let text = picture(0, 0).draw("X", &bars);
        assert_eq!(text.lines().count(), *HEIGHTS.start());
        let text = picture(usize::MAX, usize::MAX).draw("X", &bars);
        assert_eq!(text.lines().count(), *HEIGHTS.end());
    }

    #[test]
    fn a_merged_candle_keeps_extremes_and_volume() {
        let merged =
            merge(&[candle(0, 1.0, 2.0, 0.5, 1.5), candle(1, 1.5, 9.0, 1.0, 3.0), candle(2, 3.0, 3.5, -4.0, 2.0)]);
        assert_eq!(merged, Candle { volume: 600.0, ..candle(0, 1.0, 9.0, -4.0, 2.0) });
    }

    #[test]
    fn unusual_bars_do_not_panic() {
        assert_eq!(picture(80, 20).draw("X", &[]), "X: no bars\n");
        let bad = candle(0, f64::NAN, 1.0, 1.0, 1.0);
        assert_eq!(picture(80, 20).draw("X", &[bad]), "X: no bars\n");
        let flat = picture(40, 8).draw("X", &[candle(0, 5.0, 5.0, 5.0, 5.0)]);
        assert!(flat.contains('╻') || flat.contains('╹'), "{flat}");
        let huge = candle(0, -f64::MAX, f64::MAX, -f64::MAX, f64::MAX);
        picture(40, 8).draw("X", &[huge]);
        let outside = candle(i64::MAX / 60_000, 1.0, 2.0, 1.0, 2.0);
        picture(40, 8).draw("X\u{1b}[2J", &[outside]);
    }

    #[test]
    fn colour_is_only_used_on_request() {
        let bars = [candle(0, 1.0, 2.0, 1.0, 2.0), candle(1, 2.0, 2.0, 1.0, 1.0)];
        assert!(!picture(40, 8).draw("X", &bars).contains('\u{1b}'));
        let coloured = Picture { colour: true, ..picture(40, 8) };
        let text = coloured.draw("X", &bars);
        let red = text.find("\x1b[31m").unwrap();
        let green = text.find("\x1b[32m").unwrap();
        assert!(red < green, "the first candle rises and is red");
        for line in text.lines().filter(|line| line.contains('\u{1b}')) {
            assert!(line.ends_with("\x1b[0m"), "{line:?} does not reset the colour");
        }
    }
}
