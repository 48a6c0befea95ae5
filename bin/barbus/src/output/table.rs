//! Writes rows as an aligned table, as one JSON object per line, or as CSV.
//!
//! A table holds rows back until [`Sheet::flush`], so that their columns are aligned.
//! A later row that needs more room widens its column from there on.
//! JSON and CSV rows are written at once.
//! Without any row, a table and CSV have only the header, and JSON is empty.

use std::io::{self, Write};

use barbus_files::printable;
use clap::ValueEnum;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use super::cell::Cell;
use super::format;

/// The format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Layout {
    /// Aligned columns, for a terminal.
    #[default]
    Table,
    /// One JSON object per line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Writes rows of the same columns.
pub(crate) struct Sheet<W: Write> {
    out: W,
    layout: Layout,
    columns: Vec<String>,
    zone: TimeZone,
    colour: bool,
    widths: Vec<usize>,
    pending: Vec<Vec<(String, bool)>>,
    header_due: bool,
}

impl<W: Write> Sheet<W> {
    /// A sheet with `columns` that is written to `out`, with frames in `zone`.
    pub(crate) fn new<I>(out: W, layout: Layout, columns: I, zone: TimeZone) -> Sheet<W>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        Sheet {
            out,
            layout,
            widths: columns.iter().map(|name| name.width()).collect(),
            columns,
            zone,
            colour: false,
            pending: Vec::new(),
            header_due: true,
        }
    }

    /// Makes the header of a table bold and the rule under it dim, with ANSI escapes.
    pub(crate) fn coloured(mut self, colour: bool) -> Sheet<W> {
        self.colour = colour;
        self
    }

    /// Appends a row of one cell per column, in order.
    ///
    /// Missing cells are null, surplus ones are ignored.
    ///
    /// # Errors
    /// The error of the writer.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> io::Result<()> {
        let mut cells: Vec<Cell> = cells.into_iter().take(self.columns.len()).collect();
        cells.resize(self.columns.len(), Cell::Null);
        match self.layout {
            Layout::Table => {
                let shown = cells.iter().map(|cell| self.shown(cell)).collect();
                self.pending.push(shown);
                Ok(())
            }
            Layout::Json => self.json_row(&cells),
            Layout::Csv => {
                self.csv_header()?;
                let line: Vec<String> = cells.iter().map(|cell| self.csv_field(cell)).collect();
                writeln!(self.out, "{}", line.join(","))
            }
        }
    }

    /// Writes the rows that are held back and flushes the writer.
    ///
    /// # Errors
    /// The error of the writer.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.table_rows()?;
        }
        self.out.flush()
    }

    /// Writes the remaining rows, or only the header if there are none, and returns the writer.
    ///
    /// # Errors
    /// The error of the writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        match self.layout {
            Layout::Table => self.table_rows()?,
            Layout::Csv => self.csv_header()?,
            Layout::Json => {}
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// The text of a cell in a table, and whether it is aligned to the right.
    fn shown(&self, cell: &Cell) -> (String, bool) {
        match cell {
            Cell::Null => (String::new(), true),
            Cell::Text(text) => (printable(text), false),
            Cell::Flag(flag) => ((if *flag { "yes" } else { "no" }).to_owned(), false),
            Cell::Count(value) => (format::count(*value), true),
            Cell::Number(value) => (format::number(*value), true),
            Cell::Price(value) => (value.to_string(), true),
            Cell::Single(value) => (value.to_string(), true),
            Cell::Frame(frame_ms) => (format::frame(*frame_ms, &self.zone), false),
        }
    }

    fn table_rows(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.pending);
        for row in &rows {
            for (width, (text, _)) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(text.width());
            }
        }
        if std::mem::take(&mut self.header_due) {
            // A header is aligned like the values below it.
            let header: Vec<(String, bool)> = self
                .columns
                .iter()
                .enumerate()
                .map(|(i, name)| (name.clone(), rows.first().is_some_and(|row| row[i].1)))
                .collect();
            let (bold, dim, plain) = if self.colour { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
            writeln!(self.out, "{bold}{}{plain}", self.line(&header))?;
            let rules: Vec<String> = self.widths.iter().map(|width| "─".repeat(*width)).collect();
            writeln!(self.out, "{dim}{}{plain}", rules.join("  "))?;
        }
        for row in &rows {
            writeln!(self.out, "{}", self.line(row))?;
        }
        Ok(())
    }

    fn line(&self, row: &[(String, bool)]) -> String {
        let mut line = String::new();
        for (i, (text, right)) in row.iter().enumerate() {
            let blank = " ".repeat(self.widths[i].saturating_sub(text.width()));
            let gap = if i == 0 { "" } else { "  " };
            let (before, after) = if *right { (&*blank, "") } else { ("", &*blank) };
            line.extend([gap, before, text, after]);
        }
        line.truncate(line.trim_end().len());
        line
    }

    fn json_row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.out.write_all(b"{")?;
        for (i, (name, cell)) in self.columns.iter().zip(cells).enumerate() {
            if i > 0 {
                self.out.write_all(b",")?;
            }
            serde_json::to_writer(&mut self.out, name)?;
            self.out.write_all(b":")?;
            match cell {
                Cell::Null => self.out.write_all(b"null")?,
                Cell::Text(text) => serde_json::to_writer(&mut self.out, text)?,
                Cell::Flag(flag) => serde_json::to_writer(&mut self.out, flag)?,
                Cell::Count(value) => serde_json::to_writer(&mut self.out, value)?,
                // JSON has no NaN and no infinities: serde_json writes null for them.
                Cell::Number(value) | Cell::Price(value) => {
                    serde_json::to_writer(&mut self.out, value)?;
                }
                Cell::Single(value) => serde_json::to_writer(&mut self.out, value)?,
                Cell::Frame(frame_ms) => {
                    serde_json::to_writer(&mut self.out, &format::frame_rfc3339(*frame_ms, &self.zone))?
                }
            }
        }
        self.out.write_all(b"}\n")
    }

    fn csv_header(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.header_due) {
            return Ok(());
        }
        let names: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
        writeln!(self.out, "{}", names.join(","))
    }

    fn csv_field(&self, cell: &Cell) -> String {
        match cell {
            Cell::Null => String::new(),
            Cell::Text(text) => quoted(text),
            Cell::Flag(flag) => flag.to_string(),
            Cell::Count(value) => value.to_string(),
            Cell::Number(value) | Cell::Price(value) => full(*value),
            Cell::Single(value) => value.to_string(),
            Cell::Frame(frame_ms) => format::frame_rfc3339(*frame_ms, &self.zone),
        }
    }
}

/// The shortest text that parses to the same value; with an exponent if it would be mostly zeros.
fn full(value: f64) -> String {
    let magnitude = value.abs();
    if value.is_finite() && magnitude != 0.0 && !(1e-7..1e17).contains(&magnitude) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(layout: Layout) -> Sheet<Vec<u8>> {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        Sheet::new(Vec::new(), layout, ["symbol", "frame", "close", "volume"], zone)
    }

    fn rows(layout: Layout) -> String {
        let mut sheet = sheet(layout);
        let frame = Cell::Frame(1_646_098_260_000);
        sheet.row(["002537.XSHE".into(), frame.clone(), Cell::Price(9.13), Cell::Number(47_018_200.0)]).unwrap();
        sheet.row(["a,\"b\"".into(), frame, Cell::Single(9.27_f32)]).unwrap();
        String::from_utf8(sheet.finish().unwrap()).unwrap()
    }

    #[test]
    fn table_is_aligned() {
        assert_eq!(
            rows(Layout::Table),
            "\
symbol       frame             close      volume
───────────  ────────────────  ─────  ──────────
002537.XSHE  2022-03-01 09:31   9.13  47,018,200
a,\"b\"        2022-03-01 09:31   9.27
"
        );
    }

    #[test]
    fn json_and_csv_are_exact() {
        assert_eq!(
            rows(Layout::Json),
            "\
{\"symbol\":\"002537.XSHE\",\"frame\":\"2022-03-01T09:31:00+08:00\",\"close\":9.13,\"volume\":47018200.0}
{\"symbol\":\"a,\\\"b\\\"\",\"frame\":\"2022-03-01T09:31:00+08:00\",\"close\":9.27,\"volume\":null}
"
        );
        assert_eq!(
            rows(Layout::Csv),
            "\
symbol,frame,close,volume
002537.XSHE,2022-03-01T09:31:00+08:00,9.13,47018200
\"a,\"\"b\"\"\",2022-03-01T09:31:00+08:00,9.27,
"
        );
    }

    #[test]
    fn no_rows_show_the_header() {
        assert_eq!(sheet(Layout::Csv).finish().unwrap(), b"symbol,frame,close,volume\n");
        assert_eq!(sheet(Layout::Json).finish().unwrap(), b"");
        let table = String::from_utf8(sheet(Layout::Table).finish().unwrap()).unwrap();
        assert!(table.starts_with("symbol  frame  close  volume\n"), "{table}");
    }

    #[test]
    fn a_table_continues_after_a_flush() {
        let mut sheet = Sheet::new(Vec::new(), Layout::Table, ["a", "b"], TimeZone::UTC);
        sheet.row(["x".into(), Cell::Count(1)]).unwrap();
        sheet.flush().unwrap();
        sheet.row(["xyz".into(), Cell::Count(1234)]).unwrap();
        let text = String::from_utf8(sheet.finish().unwrap()).unwrap();
        assert_eq!(text, "a  b\n─  ─\nx  1\nxyz  1,234\n");
    }

    #[test]
    fn values_are_read_back_bit_for_bit() {
        for value in [0.1, 1e300, 5e-324, -0.0, 123_456_789.123_456_78, 1e16] {
            let back: f64 = full(value).parse().unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{value}");
        }
    }
}
