//! The columns of an answer, and the stored columns that are read for it.

use std::path::Path;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use barbus_bars::{BarSchema, FIXED_COLUMNS, FRAME, Interval, SYMBOL};

use super::adjust::{Adjust, factor_column};
use crate::error::{Error, Result};

/// The trading day of a bar.
pub(super) const DAY: &str = "day";
/// The number of minutes in a bar.
pub(super) const BARS: &str = "bars";
/// Whether a bar's period has ended.
pub(super) const COMPLETE: &str = "complete";
/// Columns before the prices: symbol and frame.
const KEYS: usize = 2;

/// A column of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// By its number in the archive's schema.
    Stored(usize),
    Day,
    Bars,
    Complete,
}

/// The columns of an answer.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// Besides `symbol` and `frame`, which are always first.
    pub(super) others: Vec<Column>,
    /// The schema of the answer.
    pub(super) schema: SchemaRef,
    /// Numbers in the archive's schema of the stored columns to read, without the first two.
    pub(super) read: Vec<usize>,
}

impl Columns {
    /// The named columns, or all.
    pub(super) fn new(
        bars: &BarSchema,
        interval: Interval,
        adjust: Adjust,
        names: Option<&[String]>,
        bus: &Path,
    ) -> Result<Self> {
        let stored = bars.archive_schema();
        let mut known: Vec<(FieldRef, Column)> = (KEYS..stored.fields().len())
            .map(|i| (stored.fields()[i].clone(), Column::Stored(i)))
            .chain([(Field::new(DAY, DataType::Date32, false).into(), Column::Day)])
            .collect();
        if interval != Interval::MINUTE {
            known.push((Field::new(BARS, DataType::UInt32, false).into(), Column::Bars));
            known.push((Field::new(COMPLETE, DataType::Boolean, false).into(), Column::Complete));
        }
        let chosen: Vec<(FieldRef, Column)> = match names {
            None => known,
            Some(names) => {
                let mut chosen: Vec<(FieldRef, Column)> = Vec::new();
                for name in names.iter().filter(|name| ![SYMBOL, FRAME].contains(&name.as_str())) {
                    let found = known.iter().find(|(field, _)| field.name() == name);
                    let found = found.ok_or_else(|| unknown(name, &known, bus))?;
                    if !chosen.contains(found) {
                        chosen.push(found.clone());
                    }
                }
                chosen
            }
        };
        let mut read: Vec<usize> = chosen.iter().filter_map(|(_, column)| column.stored()).collect();
        if adjust != Adjust::None {
            read.extend(factor_column(bars.optional()).map(|factor| FIXED_COLUMNS.len() + factor));
        }
        read.sort_unstable();
        read.dedup();
        let symbol = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let keys = [Field::new(SYMBOL, symbol, false).into(), stored.fields()[1].clone()];
        let (fields, others): (Vec<FieldRef>, Vec<Column>) = chosen.into_iter().unzip();
        let schema = Schema::new(keys.into_iter().chain(fields).collect::<Vec<FieldRef>>());
        Ok(Self { others, schema: schema.into(), read })
    }
}

impl Column {
    fn stored(self) -> Option<usize> {
        match self {
            Column::Stored(number) => Some(number),
            _ => None,
        }
    }
}

fn unknown(name: &str, known: &[(FieldRef, Column)], bus: &Path) -> Error {
    let names: Vec<&str> = known.iter().map(|(field, _)| field.name().as_str()).collect();
    let what = format!("no column {name:?}: an answer has symbol, frame, {}", names.join(", "));
    Error::Question { bus: bus.to_owned(), what }
}
