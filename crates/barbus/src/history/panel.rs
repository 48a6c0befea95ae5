//! Minutes by symbols: one column of many symbols side by side.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimestampMillisecondType};

use super::dictionary::{dictionary_of, keys_of};
use super::query::BarsQuery;
use super::shortfall::Shortfall;
use crate::error::Result;

/// One column of the last minutes that have a bar, side by side for each symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The ends of the minutes, milliseconds UTC, ascending.
    pub frames_ms: Vec<i64>,
    /// The symbols, ascending.
    pub symbols: Vec<String>,
    /// A row for each minute with a value for each symbol; NaN where there is no bar or no value.
    pub values: Vec<f64>,
    /// What was asked for and is not there.
    pub shortfalls: Vec<Shortfall>,
}

impl Panel {
    /// The value of a minute and a symbol, by their places; NaN without one.
    ///
    /// # Panics
    /// If there is no such minute or symbol.
    pub fn value(&self, minute: usize, symbol: usize) -> f64 {
        assert!(symbol < self.symbols.len(), "there are {} symbols", self.symbols.len());
        self.values[minute * self.symbols.len() + symbol]
    }

    pub(super) fn ask(query: BarsQuery, column: &str) -> Result<Self> {
        let Some(count) = query.last else {
            return Err(query.wrong("a panel needs the number of its minutes".to_owned()));
        };
        let refused = query.wrong(format!("a panel of {column:?}: that column has no numbers"));
        let named = query.symbols.clone();
        let answer = query.columns([column]).collect()?;
        if answer.schema().fields().len() < 3 || !answer.schema().field(2).data_type().is_numeric() {
            return Err(refused);
        }
        let mut minutes = BTreeSet::new();
        let mut symbols: BTreeSet<String> = named.into_iter().flatten().collect();
        let mut bars: Vec<(i64, String, f64)> = Vec::new();
        for batch in answer.batches() {
            let names = dictionary_of(batch);
            let keys = keys_of(batch);
            let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
            let values = cast(batch.column(2), &DataType::Float64).map_err(barbus_archive::ArchiveError::Merge)?;
            let values = values.as_primitive::<Float64Type>();
            for (i, (key, frame_ms)) in keys.iter().zip(frames).enumerate() {
                let value = if values.is_valid(i) { values.value(i) } else { f64::NAN };
                minutes.insert(*frame_ms);
                bars.push((*frame_ms, names.value(*key as usize).to_owned(), value));
            }
        }
        symbols.extend(bars.iter().map(|(_, symbol, _)| symbol.clone()));
        let skipped = minutes.len().saturating_sub(count);
        let frames_ms: Vec<i64> = minutes.into_iter().skip(skipped).collect();
        let symbols: Vec<String> = symbols.into_iter().collect();
        let place: HashMap<&str, usize> = symbols.iter().map(String::as_str).zip(0..).collect();
        let mut values = vec![f64::NAN; frames_ms.len() * symbols.len()];
        for (frame_ms, symbol, value) in &bars {
            if let Ok(minute) = frames_ms.binary_search(frame_ms) {
                values[minute * symbols.len() + place[symbol.as_str()]] = *value;
            }
        }
        Ok(Self { frames_ms, symbols, values, shortfalls: answer.shortfalls().to_vec() })
    }
}
