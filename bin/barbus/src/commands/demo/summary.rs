//! What happened in the demo, for a person: a table, a picture, where the files are and what to try next.

use std::time::Duration;

use anyhow::bail;
use barbus::Bus;
use barbus::protocol::Ack;
use jiff::tz::TimeZone;

use super::archived::Archived;
use super::audience::{Witness, name};
use super::market::{DAY, Market, Scale};
use super::next_steps::{program, quoted};
use super::reader::{Findings, Role};
use super::seen::Differences;
use crate::commands::shared::terminal_columns;
use crate::output::candles::Picture;
use crate::output::colour_wanted;
use crate::output::format::{age, bytes, count, frame};
use crate::output::table::{Cell, Layout, Sheet};

const PICTURE_LINES: usize = 14;
/// Wider than this a picture of 240 bars gains nothing.
const WIDEST: usize = 120;
/// Columns where standard output is no terminal.
const USUAL_WIDTH: usize = 80;

/// Everything the demo knows at its end.
pub(super) struct Summary<'a> {
    pub(super) bus: &'a Bus,
    pub(super) scale: Scale,
    /// What the daemon acknowledged.
    pub(super) ack: Ack,
    pub(super) published_in: Duration,
    /// From the order to close the day to its file being there.
    pub(super) closed_in: Duration,
    /// The archive compared with the simulation.
    pub(super) archive_differs: Differences,
    /// Each reader, and what it saw compared with the archive.
    pub(super) readers: Vec<(Witness, Differences)>,
    pub(super) archived: &'a Archived,
}

impl Summary<'_> {
    fn bars(&self) -> u64 {
        u64::from(self.scale.symbols) * u64::from(self.scale.minutes)
    }

    fn all_accepted(&self) -> bool {
        self.ack.rows == self.bars() && self.ack.accepted == self.bars()
    }

    /// Everything that is not as it must be.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.all_accepted() {
            let Ack { rows, accepted, .. } = self.ack;
            problems.push(format!("{} bars were published, {rows} acknowledged, {accepted} accepted", self.bars()));
        }
        if !self.archive_differs.none() {
            problems.push(format!("the archive differs from the simulation: {}", self.archive_differs));
        }
        for (witness, differs) in &self.readers {
            let Findings { missed, out_of_order, torn, .. } = witness.findings;
            let name = name(witness.role);
            if !differs.none() {
                problems.push(format!("the {name} differs from the archive: {differs}"));
            }
            if missed + out_of_order + torn > 0 {
                problems
                    .push(format!("the {name} found {missed} bars missed, {out_of_order} out of order, {torn} torn"));
            }
        }
        problems
    }

    /// Success only if everything matched.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        match &self.problems()[..] {
            [] => Ok(()),
            problems => bail!("demo: {}", problems.join("; ")),
        }
    }

    /// The whole report, in colour where standard output is a terminal.
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
        let width = terminal_columns().unwrap_or(USUAL_WIDTH).min(WIDEST);
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
            // Memory can be written.
            let _ = sheet.row([who.into(), Cell::Count(bars), missed, Cell::Flag(matches), what.into()]);
        };
        let sent = format!("{} batches in {}", self.scale.minutes, age(self.published_in));
        row("publisher", self.ack.rows, None, self.all_accepted(), sent);
        for (witness, differs) in &self.readers {
            let findings = &witness.findings;
            row(name(witness.role), findings.bars, Some(findings.missed), differs.none(), self.did(witness));
        }
        let size = std::fs::metadata(self.archived.path()).map_or(0, |file| file.len());
        let written = format!("{DAY}.parquet, {}, in {}", bytes(size), age(self.closed_in));
        row("archive", self.archived.bars(), None, self.archive_differs.none(), written);
        sheet.finish().ok().and_then(|table| String::from_utf8(table).ok()).unwrap_or_default()
    }

    fn did(&self, witness: &Witness) -> String {
        let findings = &witness.findings;
        match witness.role {
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
            Role::Counter if findings.out_of_order + findings.torn == 0 => "every number and value as sent".to_owned(),
            Role::Counter => format!("{} out of order, {} torn", findings.out_of_order, findings.torn),
        }
    }

    fn delay(&self) -> Option<String> {
        let delay = self.readers.iter().find_map(|(witness, _)| witness.findings.delay);
        let (median, most) = delay?;
        let build = if cfg!(debug_assertions) { ", in a debug build" } else { "" };
        Some(format!(
            "From the daemon's receipt of a bar to the strategy's hands{build}:\n\
             median {}, 99 of 100 within {}",
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
             \n  # the daemon was stopped; this starts it again, for bars of your own\
             \n  {barbus} daemon \"$BUS\"\
             \n  # when you have seen enough\
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
