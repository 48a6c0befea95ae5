//! Bars as rows: a table for people, JSON lines and CSV that can be published again.
//!
//! JSON and CSV have every column of the bus, then `seq`, `received` and `revision`. A table leaves out `received`,
//! and on a terminal that is too narrow for all of it everything after `volume`.

use std::io;

use barbus::{Bus, Row};
use barbus_bars::{FIXED_COLUMNS, PriceType};
use jiff::Timestamp;

use super::stdout::{Out, stdout};
use super::terminal_columns;
use crate::output::table::{Cell, Layout, Sheet};

const SEQ: &str = "seq";
const RECEIVED: &str = "received";
const REVISION: &str = "revision";

/// Columns that a number takes in a table, with the gap before it; more is given where it is needed.
const NUMBER_WIDTH: usize = 9;
/// Columns of a symbol and a frame.
const NAMES_WIDTH: usize = 29;

/// Bars on their way to standard output.
pub(crate) struct BarSheet {
    sheet: Sheet<Out>,
    columns: Vec<Column>,
    price: PriceType,
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Fixed(usize),
    Optional(usize),
    Seq,
    Received,
    Revision,
}

impl BarSheet {
    /// A sheet for bars of `bus`.
    pub(crate) fn new(bus: &Bus, layout: Layout, colour: bool) -> BarSheet {
        let schema = &bus.settings().schema;
        let optional = schema.optional();
        let mut columns: Vec<Column> = (0..FIXED_COLUMNS.len()).map(Column::Fixed).collect();
        let wanted = columns.len() + optional.len() + 2;
        let wide = |columns: usize| columns >= NAMES_WIDTH + NUMBER_WIDTH * (wanted - 2);
        if layout != Layout::Table || terminal_columns().is_none_or(wide) {
            columns.extend((0..optional.len()).map(Column::Optional));
            columns.push(Column::Seq);
            if layout != Layout::Table {
                columns.push(Column::Received);
            }
            columns.push(Column::Revision);
        }
        let names = columns.iter().map(|column| match column {
            Column::Fixed(i) => FIXED_COLUMNS[*i],
            Column::Optional(i) => &optional[*i],
            Column::Seq => SEQ,
            Column::Received => RECEIVED,
            Column::Revision => REVISION,
        });
        // The zone was looked up when the settings were read.
        let zone = jiff::tz::TimeZone::get(schema.zone()).unwrap_or(jiff::tz::TimeZone::UTC);
        let sheet = Sheet::new(stdout(), layout, names, zone).coloured(colour);
        BarSheet { sheet, columns, price: schema.price() }
    }

    /// Adds a bar.
    pub(crate) fn bar(&mut self, symbol: &str, row: &Row) -> io::Result<()> {
        let price = |value: f64| match self.price {
            PriceType::Float64 => Cell::Price(value),
            PriceType::Float32 => Cell::Single(value as f32),
        };
        let cells = self.columns.iter().map(|column| match column {
            Column::Fixed(0) => symbol.into(),
            Column::Fixed(1) => Cell::Frame(row.frame_ms),
            Column::Fixed(2) => price(row.open),
            Column::Fixed(3) => price(row.high),
            Column::Fixed(4) => price(row.low),
            Column::Fixed(5) => price(row.close),
            Column::Fixed(_) => Cell::Number(row.volume),
            Column::Optional(i) => row.optional(*i).map_or(Cell::Null, Cell::Number),
            Column::Seq => Cell::Count(row.seq),
            Column::Received => received(row.received_ns),
            Column::Revision => Cell::Count(row.revision.into()),
        });
        self.sheet.row(cells)
    }

    /// Writes out what is held back.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.sheet.flush()
    }

    /// Writes what is left; the header alone where there was no bar.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.sheet.finish().map(drop)
    }
}

fn received(received_ns: i64) -> Cell {
    Timestamp::from_nanosecond(received_ns.into()).map_or(Cell::Null, |instant| instant.to_string().into())
}
