//! Columns that are canonical already: a feed's bars, which come a few at a time.
//!
//! To cast such columns costs more than all that follows. What is anything but wholly good is left
//! to [`BarBatch::cast`], which says what is wrong.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, StringArray};
use arrow::buffer::ScalarBuffer;

use crate::batch::BarBatch;
use crate::cast::options::CastOptions;
use crate::cast::{numbers, symbols};
use crate::fault::FaultList;
use crate::schema::{BarSchema, PriceType};
use crate::time::limits::is_valid_frame;

/// Columns of bars in the types they have on the bus, without nulls where a bar must have a value.
#[derive(Debug)]
pub struct Canonical {
    /// One symbol a row.
    pub symbols: StringArray,
    /// Milliseconds UTC, of what the label says.
    pub frames_ms: ScalarBuffer<i64>,
    /// open, high, low, close, volume.
    pub numbers: [ScalarBuffer<f64>; 5],
    /// The optional columns of the schema, those that are there.
    pub optional: Vec<Option<Float64Array>>,
}

impl Canonical {
    /// Batches of more rows are always left to a cast, which then costs little a row.
    pub const MOST_ROWS: usize = symbols::MAX_PLAIN_ROWS;
}

impl BarBatch {
    /// What [`BarBatch::cast`] makes of these columns, where it would change and refuse nothing,
    /// and they have few rows; otherwise `None`.
    pub fn of_canonical(columns: Canonical, schema: &Arc<BarSchema>, options: &CastOptions) -> Option<BarBatch> {
        let Canonical { symbols, frames_ms, numbers, optional } = columns;
        let rows = symbols.len();
        let same = frames_ms.len() == rows
            && numbers.iter().all(|column| column.len() == rows)
            && optional.len() == schema.optional().len()
            && optional.iter().flatten().all(|column| column.len() == rows);
        if !same
            || options.interval_ms <= 0
            || options.label.shift_ms(options.interval_ms) != 0
            || schema.price() != PriceType::Float64
            || !frames_ms.iter().all(|frame| is_valid_frame(*frame))
        {
            return None;
        }
        let (symbols, symbol_keys) = symbols::short_column(&symbols)?;
        let mut faults = FaultList::default();
        let optional: Vec<Float64Array> =
            optional.into_iter().map(|column| column.unwrap_or_else(|| Float64Array::new_null(rows))).collect();
        for (name, column) in schema.optional().iter().zip(&optional) {
            numbers::check_optional(name, column, &mut faults);
        }
        let schema = Arc::clone(schema);
        let bars = BarBatch { schema, symbols, symbol_keys, frames_ms, numbers, optional, faults: Vec::new() };
        Some(bars.checked(options, faults)).filter(|bars| bars.faults.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
    use proptest::prelude::*;

    use super::*;
    use crate::label::Label;

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![30 => 1.0..2.0f64, 1 => Just(f64::NAN), 1 => Just(-1.0), 1 => Just(f64::INFINITY)]
    }

    proptest! {
        // What is taken here is taken by a cast as well, for the same bars; and what a cast finds
        // good is taken here.
        #[test]
        fn agrees_with_a_cast(
            rows in proptest::collection::vec((0..4usize, 0..4i64, proptest::array::uniform5(number()), proptest::option::of(number())), 1..4),
            odd_frame in proptest::bool::weighted(0.1),
            start in proptest::bool::weighted(0.1),
            float32 in proptest::bool::weighted(0.1),
            sorted in proptest::bool::weighted(0.8),
        ) {
            let price = if float32 { PriceType::Float32 } else { PriceType::Float64 };
            let schema = Arc::new(BarSchema::new("UTC", price, ["money", "factor"]).unwrap());
            let options = CastOptions { label: if start { Label::Start } else { Label::End }, ..CastOptions::default() };
            let names = ["A", "BC", "600000.XSHG", if sorted { "D" } else { "" }];
            let symbols = StringArray::from_iter_values(rows.iter().map(|row| names[row.0]));
            let frames: Vec<i64> = rows.iter().map(|row| row.1 * 60_000 + i64::from(odd_frame)).collect();
            let column = |i: usize| -> Vec<f64> {
                rows.iter().map(|row| {
                    let mut numbers = row.2;
                    if sorted && numbers.iter().all(|number| number.is_finite()) {
                        // open, high, low, close that fit each other.
                        let prices = &mut numbers[..4];
                        prices.sort_by(f64::total_cmp);
                        prices.swap(1, 3);
                        prices.swap(0, 2);
                    }
                    numbers[i]
                }).collect()
            };
            let money: Float64Array = rows.iter().map(|row| row.3).collect();
            let canonical = Canonical {
                symbols: symbols.clone(),
                frames_ms: frames.clone().into(),
                numbers: std::array::from_fn(|i| column(i).into()),
                optional: vec![Some(money.clone()), None],
            };
            let mut columns: Vec<(&str, ArrayRef)> = vec![
                ("symbol", Arc::new(symbols)),
                ("frame", Arc::new(TimestampMillisecondArray::from(frames).with_timezone("UTC"))),
            ];
            for (i, name) in ["open", "high", "low", "close", "volume"].into_iter().enumerate() {
                columns.push((name, Arc::new(Float64Array::from(column(i)))));
            }
            columns.push(("money", Arc::new(money)));
            let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap();
            let cast = BarBatch::cast(&batch, &schema, &options).unwrap();
            match BarBatch::of_canonical(canonical, &schema, &options) {
                Some(bars) => prop_assert_eq!(format!("{bars:?}"), format!("{cast:?}")),
                None => prop_assert!(start || float32 || !cast.faults().is_empty()),
            }
        }
    }
}
