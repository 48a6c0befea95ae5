//! Casts a producer's batch, whatever its types and names, to the columns of the bus.
//!
//! [`ColumnMap`](crate::ColumnMap) finds the columns by name; extra columns are ignored.
//! A column that cannot be cast gives a [`CastError`].
//! A value that cannot be read gives a [`Fault`](crate::Fault) for its row; the other rows
//! continue.
//! A row has the fault that is found first: in the fixed columns from left to right, then in the
//! optional columns, then by the rules.
//!
//! Columns that already have the canonical types (Dictionary(Int32, Utf8), Timestamp(ms), Float64)
//! are not copied.

pub(crate) mod error;
pub(crate) mod frames;
pub(crate) mod numbers;
pub(crate) mod options;
pub(crate) mod symbols;
pub(crate) mod texts;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::buffer::ScalarBuffer;

use self::error::CastError;
use self::options::CastOptions;
use self::symbols::SymbolMemo;
use crate::batch::BarBatch;
use crate::fault::FaultList;
use crate::rules::PriceColumns;
use crate::schema::{BarSchema, FIXED_COLUMNS, PriceType};

impl BarBatch {
    /// Casts a producer's batch to bars of `schema`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    /// use barbus_bars::{BarBatch, BarSchema, CastOptions, Label};
    ///
    /// let text = |v| Arc::new(StringArray::from_iter_values([v])) as ArrayRef;
    /// let number = |v| Arc::new(Float64Array::from_iter_values([v])) as ArrayRef;
    /// let batch = RecordBatch::try_from_iter([
    ///     ("ticker", text("AZO")), ("datetime", text("2024-01-02 09:30")), ("o", number(2590.0)),
    ///     ("h", number(2590.0)), ("l", number(2584.43)), ("c", number(2584.43)), ("vol", number(2345.0)),
    /// ])?;
    /// let schema = BarSchema::in_zone("America/New_York")?;
    /// let options = CastOptions { label: Some(Label::Start), ..CastOptions::default() };
    /// let bars = BarBatch::cast(&batch, &schema, &options)?;
    /// assert!(bars.faults().is_empty());
    /// assert_eq!(bars.frames_ms(), [1_704_205_860_000]); // 09:31 in New York, the end of the bar
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Times
    /// A timestamp with a zone is an instant.
    /// A timestamp without one, a `date64`, a `date32` (midnight) or a text is the reading of a
    /// wall clock in [`CastOptions::zone`], by default the schema's zone. Of an hour that occurs
    /// twice the first is taken; a time that a change of offset skips is a fault.
    ///
    /// An integer whose 8, 12, 14 or 17 digits read as `YYYYMMDD[HHMM[SS[mmm]]]` of 1970 to 2200 is
    /// that date and time, and a fault if there is no such day or time.
    /// Any other integer is an epoch, in seconds below 10^11, milliseconds below 10^14,
    /// microseconds below 10^17, and nanoseconds above.
    ///
    /// The name of the column may state what its times mark: `open_time`, `window_start` or `bob`
    /// the start, `close_time` or `eob` the end ([`stated_label`](crate::stated_label)).
    /// It may state their zone: `timestamp_utc` ([`stated_zone`](crate::stated_zone)).
    /// An end in the last second of an interval means the end of that interval.
    ///
    /// A text is RFC 3339, `YYYY-MM-DD HH:MM[:SS[.fff]]` (also with `/`), a compact form or an
    /// epoch, with or without `Z` or an offset.
    /// A time outside 1970 to 2200 is a fault.
    ///
    /// # Errors
    /// [`CastError`] when a required column is missing, a name is ambiguous, or a column has a type
    /// that cannot be cast.
    pub fn cast(batch: &RecordBatch, schema: &BarSchema, options: &CastOptions) -> Result<BarBatch, CastError> {
        let batch_schema = batch.schema();
        let names: Vec<&str> = batch_schema.fields().iter().map(|field| field.name().as_str()).collect();
        let columns = options.map.resolve(&names, schema)?;
        let options = match columns[1] {
            Some(frame) => options.for_frames_named(names[frame]),
            None => options.clone(),
        };
        BarBatch::cast_columns(batch, &columns, &Arc::new(schema.clone()), &options, None)
    }

    /// As [`BarBatch::cast`], with `columns` as [`ColumnMap::resolve`](crate::ColumnMap::resolve)
    /// found them for the batch's schema: a producer's batches share theirs.
    /// The name of the frame's column decides nothing here: see [`CastOptions::for_frames_named`].
    /// `memo` belongs to the producer.
    ///
    /// # Errors
    /// As [`BarBatch::cast`].
    ///
    /// # Panics
    /// When `columns` was resolved for another schema, or is beyond the columns of the batch.
    pub fn cast_columns(
        batch: &RecordBatch,
        columns: &[Option<usize>],
        schema: &Arc<BarSchema>,
        options: &CastOptions,
        memo: Option<&mut SymbolMemo>,
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

        let (symbols, symbol_keys) = symbols::cast(required(0)?, memo, &mut faults)?;
        let frames_ms = frames::cast(required(1)?, schema, options, &mut faults)?;
        let mut read = |i: usize| -> Result<ScalarBuffer<f64>, CastError> {
            let name = FIXED_COLUMNS[i];
            let values = numbers::cast(name, required(i)?, &mut faults)?;
            let values = numbers::fill_nulls(name, values, &mut faults);
            let rounded = schema.price() == PriceType::Float32 && i < 6;
            Ok(if rounded { round_to_f32(&values) } else { values })
        };
        let numbers = [read(2)?, read(3)?, read(4)?, read(5)?, read(6)?];
        numbers::check_exact(FIXED_COLUMNS[6], &numbers[4], &mut faults);
        let mut optional = Vec::with_capacity(schema.optional().len());
        for (i, name) in schema.optional().iter().enumerate() {
            let values = match column(FIXED_COLUMNS.len() + i) {
                None => Float64Array::new_null(batch.num_rows()),
                Some(column) => numbers::cast(name, column, &mut faults)?,
            };
            numbers::check_optional(name, &values, &mut faults);
            optional.push(values);
        }

        // The rules are checked last: of several faults of a row the first one counts.
        let [open, high, low, close, volume] = &numbers;
        let prices = PriceColumns { open, high, low, close, volume };
        options.rules.check_rows(prices, |row, fault| faults.add(row, fault));
        frames::check_interval(&frames_ms, options.interval_ms, &mut faults);
        frames::check_ends(&frames_ms, &options.ends_ms, &mut faults);

        let (schema, rounded, faults) = (Arc::clone(schema), faults.take_rounded(), faults.into_sorted());
        Ok(BarBatch { schema, symbols, symbol_keys, frames_ms, numbers, optional, faults, rounded })
    }
}

fn round_to_f32(values: &[f64]) -> ScalarBuffer<f64> {
    values.iter().map(|&value| f64::from(value as f32)).collect()
}
