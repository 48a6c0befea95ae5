//! The minutes of a day, folded into the bars of an interval.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use barbus_bars::Date;
use barbus_ring::{Row, SymbolId};

use super::dictionary::{dictionary_of, keys_of};
use super::resample::{IntervalBar, Resampler};
use super::row_batch::rows_of_batch;

/// Minutes that are folded at once: their rows stay in the cache of the processor.
const ROWS_AT_ONCE: usize = 2_048;

/// How the minutes of a day become the bars of an interval.
pub(super) struct Folding<'a> {
    pub(super) day: Date,
    /// The numbers of the columns of the batches in the archive's schema, without the first two.
    pub(super) stored: &'a [usize],
    /// Of some symbols, the frame after which their bars begin.
    pub(super) starts: &'a HashMap<String, i64>,
}

/// Batches whose minutes are folded together. The first one has the symbols; the others go on with
/// its last one.
pub(super) type Piece = Vec<RecordBatch>;

/// Cuts the batches of a day, sorted by symbol and frame, so that each symbol is in one piece: the
/// values of a bar are summed in the order of its minutes, however the file is divided.
pub(super) fn pieces(batches: &[RecordBatch]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut last: Option<String> = None;
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        let names = dictionary_of(batch);
        let keys = keys_of(batch);
        let goes_on = last.as_deref() == Some(names.value(keys[0] as usize));
        let rest = if goes_on { keys.partition_point(|key| *key == keys[0]) } else { 0 };
        if let (1.., Some(before)) = (rest, pieces.last_mut()) {
            before.push(batch.slice(0, rest));
        }
        if rest < keys.len() {
            pieces.push(vec![batch.slice(rest, keys.len() - rest)]);
        }
        last = Some(names.value(keys[keys.len() - 1] as usize).to_owned());
    }
    pieces
}

impl Folding<'_> {
    /// The bars that the minutes of a piece make; the ids of their symbols are keys of its first
    /// batch. `adjust` is called with the minutes of each symbol first.
    pub(super) fn piece(
        &self,
        piece: &[RecordBatch],
        mut resampler: Option<Resampler>,
        mut adjust: impl FnMut(&str, &mut [Row]),
    ) -> Vec<IntervalBar> {
        let names = dictionary_of(&piece[0]);
        let mut folded: Vec<IntervalBar> = Vec::new();
        let mut fold = |rows: &mut [Row]| {
            for of_symbol in rows.chunk_by_mut(|a, b| a.symbol == b.symbol) {
                let key = of_symbol[0].symbol;
                let symbol = names.value(key.0 as usize);
                let start_ms = self.starts.get(symbol).copied().unwrap_or(i64::MIN);
                let first = of_symbol.partition_point(|row| row.frame_ms <= start_ms);
                let of_symbol = &mut of_symbol[first..];
                if of_symbol.is_empty() {
                    continue;
                }
                adjust(symbol, of_symbol);
                match &mut resampler {
                    Some(resampler) => {
                        // The last bar goes on if the symbol is in two parts.
                        let goes_on = folded.last().is_some_and(|bar| bar.row.symbol == key);
                        let first = folded.len() - usize::from(goes_on);
                        resampler.fold(symbol, of_symbol, &mut folded, first);
                    }
                    None => folded.extend(of_symbol.iter().map(|row| IntervalBar::minute(row, self.day))),
                }
            }
        };
        for part in parts(&piece[0]) {
            fold(&mut rows_of_batch(&part, self.stored));
        }
        let last = keys_of(&piece[0]).last().map_or(0, |key| *key as u32);
        for part in piece[1..].iter().flat_map(parts) {
            let mut rows = rows_of_batch(&part, self.stored);
            // Its key in the dictionary of the first batch.
            rows.iter_mut().for_each(|row| row.symbol = SymbolId(last));
            fold(&mut rows);
        }
        folded
    }
}

/// The parts of a batch that are folded at once.
fn parts(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let rows = batch.num_rows();
    (0..rows).step_by(ROWS_AT_ONCE).map(move |first| batch.slice(first, ROWS_AT_ONCE.min(rows - first)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float64Array, TimestampMillisecondArray};
    use arrow::datatypes::Int32Type;
    use barbus_bars::{Calendar, Interval};

    use super::*;

    const SYMBOLS: [&str; 3] = ["000001.XSHE", "600000.XSHG", "688001.XSHG"];
    const MINUTES: usize = 12;
    /// 2024-07-04 09:30 in Shanghai.
    const OPEN: i64 = 1_720_056_600_000;

    /// Rows of a day, with a dictionary of the symbols that they have.
    fn batch(rows: std::ops::Range<usize>) -> RecordBatch {
        let names: Vec<&str> = rows.clone().map(|row| SYMBOLS[row / MINUTES]).collect();
        let symbols: DictionaryArray<Int32Type> = names.into_iter().collect();
        let frames = rows.clone().map(|row| OPEN + (row % MINUTES + 1) as i64 * 60_000);
        // The order of additions decides the last bits of their sums.
        let volumes: Float64Array = rows.map(|row| Some(0.1 + (row * 37 % 11) as f64 / 3.0)).collect();
        RecordBatch::try_from_iter([
            ("symbol", Arc::new(symbols) as _),
            ("frame", Arc::new(TimestampMillisecondArray::from_iter_values(frames)) as _),
            ("volume", Arc::new(volumes) as _),
        ])
        .unwrap()
    }

    /// Of each bar its symbol, frame and the bits of its volume.
    fn folded(batches: &[RecordBatch]) -> Vec<(String, i64, u64)> {
        let day = Date::constant(2024, 7, 4);
        let starts = HashMap::from([(SYMBOLS[1].to_owned(), OPEN + 3 * 60_000)]);
        let folding = Folding { day, stored: &[6], starts: &starts };
        let calendar = Calendar::preset("XSHG").unwrap();
        let resampler = Resampler::new(calendar, "10m".parse::<Interval>().unwrap(), &[]);
        let mut bars = Vec::new();
        let mut minutes = HashMap::new();
        for piece in pieces(batches) {
            let names = dictionary_of(&piece[0]);
            let count = |symbol: &str, rows: &mut [Row]| *minutes.entry(symbol.to_owned()).or_insert(0) += rows.len();
            for bar in folding.piece(&piece, Some(resampler.clone()), count) {
                let symbol = names.value(bar.row.symbol.0 as usize).to_owned();
                bars.push((symbol, bar.row.frame_ms, bar.row.volume.to_bits()));
            }
        }
        assert_eq!(SYMBOLS.map(|symbol| minutes[symbol]), [MINUTES, MINUTES - 3, MINUTES]);
        bars
    }

    #[test]
    fn bars_are_the_same_bit_for_bit_wherever_a_day_is_cut() {
        let rows = SYMBOLS.len() * MINUTES;
        let whole = folded(&[batch(0..rows)]);
        assert_eq!(whole.len(), 6);
        for first in 0..=rows {
            for second in first..=rows {
                assert_eq!(folded(&[batch(0..first), batch(first..second), batch(second..rows)]), whole);
            }
        }
        assert!(pieces(&[]).is_empty());
    }
}
