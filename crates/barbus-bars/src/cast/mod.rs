//! From a producer's batch, whatever its types and names, to the bus's columns.
//!
//! Columns are found by name ([`ColumnMap`]); extra columns are ignored. What is wrong with a whole column is a
//! [`CastError`]; what is wrong with one row is a [`Fault`] of that row, and the others go on. A row gets the first
//! fault found: reading the columns from left to right, then the optional ones, then the rules.
//!
//! **Times.** A timestamp with a zone is an instant. Without one, as `date64`, `date32` (midnight) or text, it is a wall
//! clock in [`CastOptions::zone`], by default the schema's zone: an hour that occurs twice is taken as the first, one that
//! does not exist is a fault. An integer is an epoch in the unit its size suggests (below 10^11 seconds, below 10^14
//! milliseconds, below 10^17 microseconds, otherwise nanoseconds), unless its 8, 12, 14 or 17 digits read as
//! `YYYYMMDD[HHMM[SS[mmm]]]` of 1970 to 2200 (a fault if there is no such day or time). Text may be RFC 3339,
//! `YYYY-MM-DD HH:MM[:SS[.fff]]` (also with `/`), the compact forms, or an epoch, with or without `Z` or an offset. A
//! time outside 1970 to 2200 is a fault.
//!
//! Input that is already canonical (Dictionary(Int32, Utf8), Timestamp(ms), Float64) is taken over without copying.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::DataType;
use jiff::tz::TimeZone;

use crate::batch::BarBatch;
use crate::fault::Fault;
use crate::label::Label;
use crate::column_map::ColumnMap;
use crate::rules::{Numbers, Rules};
use crate::schema::{BarSchema, FIXED_COLUMNS, PriceType};
pub(crate) mod frames;
pub(crate) mod numbers;
pub(crate) mod symbols;

/// Length of a bar unless said otherwise: one minute.
pub const DEFAULT_INTERVAL_MS: i64 = 60_000;

/// How a producer's batch is to be understood.
#[derive(Debug, Clone)]
pub struct CastOptions {
    /// What the producer's frame marks. Default: the end.
    pub label: Label,
    /// Length of a bar, milliseconds, above zero. Default: one minute.
    pub interval_ms: i64,
    /// Zone of times that carry none. Default (`None`): the schema's zone.
    pub zone: Option<TimeZone>,
    /// How columns are found. Default: by the usual vendor names.
    pub map: ColumnMap,
    /// Which switchable rules are on. Default: all.
    pub rules: Rules,
}

impl Default for CastOptions {
    fn default() -> CastOptions {
        CastOptions {
            label: Label::default(),
            interval_ms: DEFAULT_INTERVAL_MS,
            zone: None,
            map: ColumnMap::default(),
            rules: Rules::default(),
        }
    }
}

/// Why a whole batch could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CastError {
    /// A required column is not there under any known name.
    #[error("no column for {column} among {}{}", found.join(", "), did_you_mean(nearest))]
    MissingColumn {
        /// Canonical name of the column.
        column: String,
        /// The producer's columns.
        found: Vec<String>,
        /// The one of them that looks like it, if any.
        nearest: Option<String>,
    },
    /// Several of the producer's columns could be the same column.
    #[error("{} could each be {column}: decide with a column map, such as {column}={}", candidates.join(" and "), candidates[0])]
    Ambiguous {
        /// Canonical name of the column.
        column: String,
        /// The producer's columns it could be; at least two.
        candidates: Vec<String>,
    },
    /// A name is there twice.
    #[error("there are two columns named {name:?}")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The column map names a column the producer does not have.
    #[error("{target} is mapped to {name:?}, which is not among {}{}", found.join(", "), did_you_mean(nearest))]
    MappedColumnMissing {
        /// Canonical name of the column.
        target: String,
        /// The name it was mapped to.
        name: String,
        /// The producer's columns.
        found: Vec<String>,
        /// The one of them that looks like it, if any.
        nearest: Option<String>,
    },
    /// The column map names a column the bus does not have.
    #[error("the column map speaks of {target:?}, which is not a column of this bus{}", did_you_mean(nearest))]
    UnknownTarget {
        /// The name given.
        target: String,
        /// The bus's column that looks like it, if any.
        nearest: Option<String>,
    },
    /// A column has a type that cannot be what it should be.
    #[error("column {column} has type {data_type}, which cannot be read as {}", kind_of(column))]
    Unsupported {
        /// Canonical name of the column.
        column: String,
        /// Its Arrow type.
        data_type: DataType,
    },
    /// The interval is zero or negative.
    #[error("a bar interval of {0} ms is not possible")]
    BadInterval(i64),
}

fn did_you_mean(nearest: &Option<String>) -> String {
    let nearest = nearest.as_ref();
    nearest.map_or_else(String::new, |name| format!(": did you mean {name:?}?"))
}

fn kind_of(column: &str) -> &'static str {
    match column {
        crate::schema::SYMBOL => "text",
        crate::schema::FRAME => "a time",
        _ => "a number",
    }
}

/// Longest value kept in a fault, in characters.
const MAX_SHOWN: usize = 80;

/// A value as a fault shows it.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Faults as they are found: the first of each row counts.
#[derive(Default)]
pub(crate) struct FaultList {
    found: Vec<(usize, Fault)>,
}

impl FaultList {
    pub(crate) fn add(&mut self, row: usize, fault: Fault) {
        self.found.push((row, fault));
    }

    /// Ascending by row, the first found of each.
    fn into_sorted(mut self) -> Vec<(usize, Fault)> {
        self.found.sort_by_key(|(row, _)| *row);
        self.found.dedup_by_key(|(row, _)| *row);
        self.found
    }
}

impl BarBatch {
    /// Reads a producer's batch as bars of `schema`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    /// use barbus_bars::{BarBatch, BarSchema, CastOptions, Label};
    ///
    /// let text = |v| Arc::new(StringArray::from_iter_values([v])) as ArrayRef;
    /// let number = |v| Arc::new(Float64Array::from_iter_values([v])) as ArrayRef;
    /// let foreign = RecordBatch::try_from_iter([
    ///     ("ticker", text("AZO")), ("datetime", text("2024-01-02 09:30")), ("o", number(2590.0)), ("h", number(2590.0)),
    ///     ("l", number(2584.43)), ("c", number(2584.43)), ("vol", number(2345.0)),
    /// ])?;
    /// let schema = BarSchema::in_zone("America/New_York")?;
    /// let options = CastOptions { label: Label::Start, ..CastOptions::default() };
    /// let bars = BarBatch::cast(&foreign, &schema, &options)?;
    /// assert!(bars.faults().is_empty());
    /// assert_eq!(bars.frames_ms(), [1_704_205_860_000]); // 09:31 in New York, the end of the bar
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CastError`] when a required column is missing, a name is ambiguous, or a column's type cannot be read.
    pub fn cast(batch: &RecordBatch, schema: &BarSchema, options: &CastOptions) -> Result<BarBatch, CastError> {
        let source = batch.schema();
        let names: Vec<&str> = source.fields().iter().map(|f| f.name().as_str()).collect();
        let columns = options.map.resolve(&names, schema)?;
        BarBatch::cast_columns(batch, &columns, &Arc::new(schema.clone()), options)
    }

    /// As [`BarBatch::cast`], with the columns found before: what [`ColumnMap::resolve`] said of the batch's schema.
    ///
    /// # Errors
    /// As [`BarBatch::cast`].
    ///
    /// # Panics
    /// When `columns` is not of this schema, or names a column that the batch does not have.
    pub fn cast_columns(
        batch: &RecordBatch,
        columns: &[Option<usize>],
        schema: &Arc<BarSchema>,
        options: &CastOptions,
    ) -> Result<BarBatch, CastError> {
        if options.interval_ms <= 0 {
            return Err(CastError::BadInterval(options.interval_ms));
        }
        let column = |i: usize| -> Option<&ArrayRef> { columns[i].map(|j| batch.column(j)) };
        let required = |i: usize| {
            column(i).ok_or_else(|| CastError::MissingColumn {
                column: FIXED_COLUMNS[i].to_owned(),
                found: batch.schema().fields().iter().map(|field| field.name().clone()).collect(),
                nearest: None,
            })
        };
        let mut faults = FaultList::default();

        let (symbols, symbol_keys) = symbols::cast(required(0)?, &mut faults)?;
        let zone = match &options.zone {
            Some(zone) => zone.clone(),
            None => TimeZone::get(schema.zone()).unwrap_or(TimeZone::UTC),
        };
        let frames_ms = frames::cast(required(1)?, zone, options, &mut faults)?;
        let mut read = |i: usize| -> Result<ScalarBuffer<f64>, CastError> {
            let name = FIXED_COLUMNS[i];
            let values = numbers::cast(name, required(i)?, &mut faults)?;
            let values = numbers::required(name, values, &mut faults);
            let rounded = schema.price() == PriceType::Float32 && i < 6;
            Ok(if rounded { rounded_to_f32(&values) } else { values })
        };
        let numbers = [read(2)?, read(3)?, read(4)?, read(5)?, read(6)?];
        let mut optional = Vec::with_capacity(schema.optional().len());
        for (i, name) in schema.optional().iter().enumerate() {
            let values = match column(FIXED_COLUMNS.len() + i) {
                None => Float64Array::new_null(batch.num_rows()),
                Some(column) => numbers::cast(name, column, &mut faults)?,
            };
            numbers::check_optional(name, &values, &mut faults);
            optional.push(values);
        }

        let schema = Arc::clone(schema);
        let bars = BarBatch { schema, symbols, symbol_keys, frames_ms, numbers, optional, faults: Vec::new() };
        Ok(bars.checked(options, faults))
    }

    /// Looks for what is wrong with whole bars besides, and keeps it with what was found in single columns.
    pub(crate) fn checked(mut self, options: &CastOptions, mut faults: FaultList) -> BarBatch {
        let [open, high, low, close, volume] = &self.numbers;
        let columns = Numbers { open, high, low, close, volume };
        options.rules.check_rows(columns, |row, fault| faults.add(row, fault));
        frames::check_interval(&self.frames_ms, options.interval_ms, &mut faults);
        self.faults = faults.into_sorted();
        self
    }
}

fn rounded_to_f32(values: &[f64]) -> ScalarBuffer<f64> {
    values.iter().map(|&value| f64::from(value as f32)).collect()
}
