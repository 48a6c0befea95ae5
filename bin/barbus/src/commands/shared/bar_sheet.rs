//! Prints bars: a table for people, or JSON lines and CSV that can be published again.
//!
//! JSON and CSV have every column of the bus, then `seq`, `received` and `revision`.
//! A table has no `received`, and on a narrow terminal no column after `volume`.

use std::io;

use barbus::{Bus, Row};
use barbus_bars::{FIXED_COLUMNS, PriceType};
use jiff::Timestamp;

use super::stdout::{StandardOutput, stdout};
use super::terminal::terminal_columns;
use crate::output::cell::Cell;
use crate::output::table::{Layout, Sheet};

const SEQ: &str = "seq";
const RECEIVED: &str = "received";
const REVISION: &str = "revision";

/// Usual width of a number in a table, with the gap before it.
const NUMBER_WIDTH: usize = 9;
/// Usual width of a symbol and a frame.
const NAMES_WIDTH: usize = 29;

/// Prints bars on standard output.
pub(in crate::commands) struct BarSheet {
    sheet: Sheet<StandardOutput>,
    columns: Vec<BarColumn>,
    price: PriceType,
}

#[derive(Debug, Clone, Copy)]
enum BarColumn {
    Fixed(usize),
    Optional(usize),
    Seq,
    Received,
    Revision,
}

impl BarSheet {
    /// A sheet for bars of `bus`.
    pub(in crate::commands) fn new(bus: &Bus, layout: Layout, colour: bool) -> BarSheet {
        let schema = &bus.settings().schema;
        let optional = schema.optional();
        let mut columns: Vec<BarColumn> = (0..FIXED_COLUMNS.len()).map(BarColumn::Fixed).collect();
        let wanted = columns.len() + optional.len() + 2;
        let wide = |columns: usize| columns >= NAMES_WIDTH + NUMBER_WIDTH * (wanted - 2);
        if layout != Layout::Table || terminal_columns().is_none_or(wide) {
            columns.extend((0..optional.len()).map(BarColumn::Optional));
            columns.push(BarColumn::Seq);
            if layout != Layout::Table {
                columns.push(BarColumn::Received);
            }
            columns.push(BarColumn::Revision);
        }
        let names = columns.iter().map(|column| match column {
            BarColumn::Fixed(i) => FIXED_COLUMNS[*i],
            BarColumn::Optional(i) => &optional[*i],
            BarColumn::Seq => SEQ,
            BarColumn::Received => RECEIVED,
            BarColumn::Revision => REVISION,
        });
        // Reading the settings has checked the zone.
        let zone = jiff::tz::TimeZone::get(schema.zone()).unwrap_or(jiff::tz::TimeZone::UTC);
        let sheet = Sheet::new(stdout(), layout, names, zone).coloured(colour);
        BarSheet { sheet, columns, price: schema.price() }
    }

    /// Appends a bar.
    pub(in crate::commands) fn bar(&mut self, symbol: &str, row: &Row) -> io::Result<()> {
        let price = |value: f64| match self.price {
            PriceType::Float64 => Cell::Price(value),
            PriceType::Float32 => Cell::Single(value as f32),
        };
        let cells = self.columns.iter().map(|column| match column {
            BarColumn::Fixed(0) => symbol.into(),
            BarColumn::Fixed(1) => Cell::Frame(row.frame_ms),
            BarColumn::Fixed(2) => price(row.open),
            BarColumn::Fixed(3) => price(row.high),
            BarColumn::Fixed(4) => price(row.low),
            BarColumn::Fixed(5) => price(row.close),
            BarColumn::Fixed(_) => Cell::Number(row.volume),
            BarColumn::Optional(i) => row.optional(*i).map_or(Cell::Null, Cell::Number),
            // Bars of the archive have neither a number nor a time of receipt.
            BarColumn::Seq if row.received_ns == 0 => Cell::Null,
            BarColumn::Seq => Cell::Count(row.seq),
            BarColumn::Received => received(row.received_ns),
            BarColumn::Revision => Cell::Count(row.revision.into()),
        });
        self.sheet.row(cells)
    }

    /// Writes the rows that are held back.
    pub(in crate::commands) fn flush(&mut self) -> io::Result<()> {
        self.sheet.flush()
    }

    /// Writes the remaining rows, or only the header if there was no bar.
    pub(in crate::commands) fn finish(self) -> io::Result<()> {
        self.sheet.finish().map(drop)
    }
}

fn received(received_ns: i64) -> Cell {
    if received_ns == 0 {
        return Cell::Null;
    }
    Timestamp::from_nanosecond(received_ns.into()).map_or(Cell::Null, |instant| instant.to_string().into())
}
