//! The values of a row.

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// No value: blank in a table and in CSV, `null` in JSON.
    Null,
    /// Text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A whole number; with thousands separators in a table.
    Count(u64),
    /// A quantity; with thousands separators in a table.
    Number(f64),
    /// A price: every digit, without separators.
    Price(f64),
    /// A price of a bus with Float32 prices: the digits of the `f32`.
    Single(f32),
    /// The end of a bar, milliseconds UTC; written in the zone of the sheet.
    Frame(i64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Cell {
        Cell::Count(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}
