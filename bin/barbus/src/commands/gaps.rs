//! `barbus gaps`: the expected minutes of trading days without a bar, by symbol.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use barbus::{Bus, DayGaps, GapSource, MinuteRange, SessionGaps, SymbolGaps};
use barbus_bars::Date;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::shared::calendar_of_daemon::note_refused_calendar;
use super::shared::errors::{AlreadyPrinted, print_error};
use super::shared::stdout::{StandardOutput, stdout};
use crate::output::cell::Cell;
use crate::output::table::{Layout, Sheet};
use crate::output::{colour_wanted, format};

/// Show which minutes have no bar, for each symbol that has bars on the day.
///
/// The calendar of the bus says which minutes are expected. Nothing is added to the bus: publish
/// the missing bars again, duplicates are ignored.
#[derive(Debug, Args)]
pub(super) struct GapsArgs {
    /// The bus; it may be in use.
    bus: PathBuf,
    /// The trading day; the newest one by default.
    #[arg(conflicts_with_all = ["from", "to"])]
    day: Option<Date>,
    /// The first of several days.
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<Date>,
    /// The last of them.
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<Date>,
    /// Only this symbol, also if it has no bar.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Format of the list.
    #[arg(long, value_enum, default_value_t)]
    format: Layout,
    /// Exit with 1 if a bar is missing, or outside the sessions.
    #[arg(long)]
    strict: bool,
}

/// Ranges that a cell of a table shows.
const RANGES_SHOWN: usize = 4;

impl GapsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        note_refused_calendar(&bus);
        let (from, to) = match (self.day, self.from.zip(self.to)) {
            (Some(day), _) => (day, day),
            (None, Some((from, to))) if to < from => bail!("--to {to} is before --from {from}: exchange them"),
            (None, Some(days)) => days,
            (None, None) => {
                let newest = bus.newest_day()?;
                let day = newest.with_context(|| format!("{}: no bars yet", bus.path().display()))?;
                (day, day)
            }
        };
        let zone = TimeZone::get(bus.settings().schema.zone()).unwrap_or(TimeZone::UTC);
        let mut printer = Printer::new(self.format, &zone);
        let (mut days, mut with_gaps) = (0, 0);
        for gaps in bus.gaps(from, to, self.symbol.as_deref())? {
            let gaps = gaps?;
            printer.print(&gaps)?;
            notes(&gaps, &zone).into_iter().for_each(|note| eprintln!("barbus: {note}"));
            days += 1;
            with_gaps += usize::from(gaps.has_gaps());
        }
        printer.finish()?;
        if !self.strict || with_gaps == 0 {
            return Ok(());
        }
        print_error(format!("{}: {with_gaps} of {days} days have gaps", bus.path().display()));
        Err(AlreadyPrinted.into())
    }
}

/// What holds for the whole day.
fn notes(gaps: &DayGaps, zone: &TimeZone) -> Vec<String> {
    let day = gaps.day;
    let mut notes = Vec::new();
    match gaps.source {
        GapSource::Ring => notes.push(format!("{day}: not archived: these are the bars that the ring still has")),
        GapSource::Nowhere if gaps.has_gaps() => {
            notes.push(format!("{day}: no symbol has a bar, in the archive or in the ring"));
        }
        GapSource::Nowhere | GapSource::Archive | GapSource::ArchiveAndRing => {}
    }
    if gaps.is_running {
        notes.push(format!("{day}: its sessions have not ended: minutes up to a minute ago are expected"));
    }
    if !gaps.without_bars.is_empty() && gaps.source != GapSource::Nowhere {
        let ranges = short_ranges(&gaps.without_bars, zone);
        notes.push(format!("{day}: no symbol has a bar at {ranges}: perhaps the feed was down"));
    }
    notes
}

/// A line of JSON.
#[derive(Serialize)]
struct SymbolLine<'a> {
    day: Date,
    symbol: &'a str,
    expected: u64,
    present: u64,
    missing: Vec<[String; 2]>,
    outside: u64,
    /// Missing minutes in which no symbol has a bar.
    no_symbol: u64,
    extended: u64,
    group: Option<&'a str>,
    sessions: Vec<SessionLine<'a>>,
    first: Option<String>,
    last: Option<String>,
    source: &'static str,
}

#[derive(Serialize)]
struct SessionLine<'a> {
    name: &'a str,
    expected: u64,
    present: u64,
}

/// Prints the symbols of one day after the other.
enum Printer<'a> {
    Json(StandardOutput, &'a TimeZone),
    Sheet(Box<Sheet<StandardOutput>>, Layout, &'a TimeZone),
}

impl<'a> Printer<'a> {
    fn new(layout: Layout, zone: &'a TimeZone) -> Self {
        let columns = match layout {
            Layout::Json => return Printer::Json(stdout(), zone),
            Layout::Table => {
                ["day", "symbol", "expected", "present", "missing", "outside", "first", "last", "sessions"]
            }
            Layout::Csv => ["day", "symbol", "expected", "present", "missing", "outside", "first", "last", "no_symbol"],
        };
        let sheet = Sheet::new(stdout(), layout, columns, zone.clone()).coloured(colour_wanted());
        Printer::Sheet(Box::new(sheet), layout, zone)
    }

    fn print(&mut self, gaps: &DayGaps) -> anyhow::Result<()> {
        match self {
            Printer::Json(out, zone) => {
                for found in &gaps.symbols {
                    writeln!(out, "{}", serde_json::to_string(&symbol_line(gaps, found, zone))?)?;
                }
                out.flush()?;
            }
            Printer::Sheet(sheet, layout, zone) => {
                for found in &gaps.symbols {
                    sheet.row(cells(gaps, found, *layout, zone))?;
                }
                sheet.flush()?;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Printer::Json(mut out, _) => Ok(out.flush()?),
            Printer::Sheet(sheet, ..) => Ok(sheet.finish().map(drop)?),
        }
    }
}

fn symbol_line<'a>(gaps: &DayGaps, found: &'a SymbolGaps, zone: &TimeZone) -> SymbolLine<'a> {
    let time = |ms| format::frame_rfc3339(ms, zone);
    let session = |s: &'a SessionGaps| SessionLine { name: &s.name, expected: s.expected, present: s.present };
    SymbolLine {
        day: gaps.day,
        symbol: &found.symbol,
        expected: found.expected,
        present: found.present,
        missing: found.missing.iter().map(|&(first, last)| [time(first), time(last)]).collect(),
        outside: found.outside,
        no_symbol: found.without_bars,
        extended: found.extended,
        group: found.group.as_deref(),
        sessions: found.sessions.iter().map(session).collect(),
        first: found.first_ms.map(time),
        last: found.last_ms.map(time),
        source: gaps.source.as_str(),
    }
}

fn cells(gaps: &DayGaps, found: &SymbolGaps, layout: Layout, zone: &TimeZone) -> [Cell; 9] {
    let (missing, last) = match layout {
        Layout::Table => (short_ranges(&found.missing, zone), sessions(found).into()),
        _ => (ranges(&found.missing, zone), Cell::Count(found.without_bars)),
    };
    [
        gaps.day.to_string().into(),
        Cell::from(found.symbol.as_str()),
        found.expected.into(),
        found.present.into(),
        missing.into(),
        found.outside.into(),
        found.first_ms.map_or(Cell::Null, Cell::Frame),
        found.last_ms.map_or(Cell::Null, Cell::Frame),
        last,
    ]
}

/// `morning 120/120, afternoon 118/120`.
fn sessions(found: &SymbolGaps) -> String {
    let text = |session: &SessionGaps| format!("{} {}/{}", session.name, session.present, session.expected);
    found.sessions.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// `10:31-10:35, 13:01`, at most [`RANGES_SHOWN`] of them.
fn short_ranges(ranges: &[MinuteRange], zone: &TimeZone) -> String {
    let time =
        |ms| Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(zone.clone()).strftime("%H:%M").to_string();
    let text = |&(first, last): &MinuteRange| match first == last {
        true => time(first),
        false => format!("{}-{}", time(first), time(last)),
    };
    let mut shown: Vec<String> = ranges.iter().take(RANGES_SHOWN).map(text).collect();
    if ranges.len() > RANGES_SHOWN {
        shown.push(format!("{} more", ranges.len() - RANGES_SHOWN));
    }
    shown.join(", ")
}

/// Every range as `first/last` in RFC 3339, separated by blanks.
fn ranges(ranges: &[MinuteRange], zone: &TimeZone) -> String {
    let time = |ms| format::frame_rfc3339(ms, zone);
    let texts: Vec<String> = ranges.iter().map(|&(first, last)| format!("{}/{}", time(first), time(last))).collect();
    texts.join(" ")
}
