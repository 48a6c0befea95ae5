//! The summary of the demo for people: a table, a picture, the paths of the files, and next steps.

use std::time::Duration;

use anyhow::bail;
use barbus::Bus;
use barbus::protocol::Ack;
use jiff::tz::TimeZone;

use super::archived::ArchivedDay;
use super::bar_log::Differences;
use super::market::{DAY, Market, Scale};
use super::next_steps::{program, quoted};
use super::reader::{Findings, Role};
use super::readers::{ReaderResult, name};
use crate::commands::shared::terminal::terminal_columns;
use crate::output::candles::Picture;
use crate::output::cell::Cell;
use crate::output::colour_wanted;
use crate::output::format::{age, bytes, count, frame};
use crate::output::table::{Layout, Sheet};

const PICTURE_LINES: usize = 14;
/// A wider picture of 240 bars shows nothing more.
const MAX_WIDTH: usize = 120;
/// The width when standard output is not a terminal.
const DEFAULT_WIDTH: usize = 80;

/// The results of the demo.
pub(super) struct Summary<'a> {
    pub(super) bus: &'a Bus,
    pub(super) scale: Scale,
    /// What the daemon acknowledged.
    pub(super) ack: Ack,
    pub(super) published_in: Duration,
    /// The time from the request to close the day to the existence of its file.
    pub(super) closed_in: Duration,
    /// The differences between the archive and the simulation.
    pub(super) archive_differs: Differences,
    /// Each reader, and the differences between its log and the archive.
    pub(super) readers: Vec<(ReaderResult, Differences)>,
    pub(super) archived: &'a ArchivedDay,
}

impl Summary<'_> {
    fn bars(&self) -> u64 {
        u64::from(self.scale.symbols) * u64::from(self.scale.minutes)
    }

    fn all_accepted(&self) -> bool {
        self.ack.rows == self.bars() && self.ack.accepted == self.bars()
    }

    /// A message for each deviation.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.all_accepted() {
            let Ack { rows, accepted, .. } = self.ack;
            problems.push(format!("{} bars were published, {rows} acknowledged, {accepted} accepted", self.bars()));
        }
        if !self.archive_differs.is_empty() {
            problems.push(format!("the archive differs from the simulation: {}", self.archive_differs));
        }
        for (reader, differs) in &self.readers {
            let Findings { missed, out_of_order, wrong, .. } = reader.findings;
            let name = name(reader.role);
            if !differs.is_empty() {
                problems.push(format!("the {name} differs from the archive: {differs}"));
            }
            if missed + out_of_order + wrong > 0 {
                problems
                    .push(format!("the {name} found {missed} bars missed, {out_of_order} out of order, {wrong} wrong"));
            }
        }
        problems
    }

    /// Fails unless everything matched.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        match &self.problems()[..] {
            [] => Ok(()),
            problems => bail!("demo: {}", problems.join("; ")),
        }
    }

    /// The whole summary, in colour if standard output is a terminal.
    pub(super) fn text(&self) -> String {
        let colour = colour_wanted();
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let mut text = String::from("\n");
        text += &self.table(colour);
        if let Some(delay) = self.delay() {
            text += &format!("\n{delay}\n");
        }
        let (symbol, candles) = self.archived.liveliest();
        let width = terminal_columns().unwrap_or(DEFAULT_WIDTH).min(MAX_WIDTH);
        let zone = self.bus.settings().calendar.zone().clone();
        let picture = Picture { width, height: PICTURE_LINES, colour, zone };
        text += &format!("\n{}\n", picture.draw(&symbol, &candles));
        let matched = format!(
            "Everything matched: {} bars, in the archive and in all {} readers.",
            count(self.bars()),
            self.readers.len()
        );
        match self.problems().len() {
            0 => text += &paint("1;32", &matched),
            _ => text += &paint("1;31", "Not everything matched."),
        }
        text += "\n\n";
        text += &paint("1", "The files");
        text += &self.files();
        text += &paint("1", "Try next");
        text += &self.next(&symbol);
        text
    }

    fn table(&self, colour: bool) -> String {
        let columns = ["who", "bars", "missed", "matches", "what it did"];
        let mut sheet = Sheet::new(Vec::new(), Layout::Table, columns, TimeZone::UTC).coloured(colour);
        let mut row = |who: &str, bars: u64, missed: Option<u64>, matches: bool, what: String| {
            let missed = missed.map_or(Cell::Null, Cell::Count);
            // Writing to memory does not fail.
            let _ = sheet.row([who.into(), Cell::Count(bars), missed, Cell::Flag(matches), what.into()]);
        };
        let sent = format!("{} batches in {}", self.scale.minutes, age(self.published_in));
        row("publisher", self.ack.rows, None, self.all_accepted(), sent);
        for (reader, differs) in &self.readers {
            let findings = &reader.findings;
            row(name(reader.role), findings.bars, Some(findings.missed), differs.is_empty(), self.activity(reader));
        }
        let size = std::fs::metadata(self.archived.path()).map_or(0, |file| file.len());
        let written = format!("{DAY}.parquet, {}, in {}", bytes(size), age(self.closed_in));
        row("archive", self.archived.bars(), None, self.archive_differs.is_empty(), written);
        sheet.finish().ok().and_then(|table| String::from_utf8(table).ok()).unwrap_or_default()
    }

    fn activity(&self, reader: &ReaderResult) -> String {
        let findings = &reader.findings;
        match reader.role {
            Role::Strategy => {
                let sign = if findings.result < 0.0 { "-" } else { "+" };
                let yuan = count(findings.result.abs().round() as u64);
                format!("5/20 averages: {} trades, {sign}{yuan} yuan", count(findings.trades))
            }
            Role::Late => {
                let joined = self.scale.minutes / 2;
                let joined = Market::new(self.scale).nth(joined as usize - 1).map(|minute| minute.frame_ms);
                let clock = joined.map_or(String::new(), |frame_ms| {
                    frame(frame_ms, self.bus.settings().calendar.zone()).split_off("2024-03-04 ".len())
                });
                match findings.caught_up {
                    Some((bars, time)) => format!("joined {clock}, {} bars in {}", count(bars), age(time)),
                    None => format!("joined {clock}"),
                }
            }
            Role::Counter if findings.out_of_order + findings.wrong == 0 => "every number and value as sent".to_owned(),
            Role::Counter => format!("{} out of order, {} wrong", findings.out_of_order, findings.wrong),
        }
    }

    fn delay(&self) -> Option<String> {
        let delay = self.readers.iter().find_map(|(reader, _)| reader.findings.delay);
        let (median, most) = delay?;
        let build = if cfg!(debug_assertions) { ", in a debug build" } else { "" };
        Some(format!(
            "From the daemon's receipt of a bar to the strategy{build}:\n\
             median {}, 99th percentile {}",
            short(median),
            short(most),
        ))
    }

    fn files(&self) -> String {
        let folder = self.bus.path().parent().unwrap_or(self.bus.path());
        let lines = [
            ("bus", self.bus.path().display().to_string()),
            ("ring", format!("{}, an Arrow IPC file", self.bus.ring().display())),
            ("archive", self.archived.path().display().to_string()),
            ("log", folder.join("daemon.log").display().to_string()),
        ];
        let lines: String = lines.iter().map(|(name, what)| format!("  {name:<8} {what}\n")).collect();
        format!("\n{lines}\n")
    }

    fn next(&self, symbol: &str) -> String {
        let barbus = program();
        let (bus, folder) = (self.bus.path(), self.bus.path().parent().unwrap_or(self.bus.path()));
        format!(
            "\n  BUS={}\
             \n  {barbus} window \"$BUS\" {symbol} 10\
             \n  {barbus} tail \"$BUS\" --from oldest --until-close --format csv | head\
             \n  {barbus} stat \"$BUS\"\
             \n  {barbus} verify \"$BUS\"\
             \n  {barbus} publish --help\
             \n  # the daemon has stopped; this starts it again, for your own bars\
             \n  {barbus} daemon \"$BUS\"\
             \n  # to remove everything\
             \n  rm -r {}\n",
            quoted(bus),
            quoted(folder),
        )
    }
}

/// A short time in one unit.
fn short(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1000 => format!("{micros} µs"),
        micros @ 1000..100_000 => format!("{:.1} ms", micros as f64 / 1000.0),
        _ => age(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_have_one_unit() {
        let cases = [(85, "85 µs"), (3154, "3.2 ms"), (42_000, "42.0 ms"), (1_500_000, "1.50 s")];
        for (micros, text) in cases {
            assert_eq!(short(Duration::from_micros(micros)), text);
        }
    }
}
