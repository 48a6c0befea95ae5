//! Any bytes on the ingest socket: batches of bars, or an error for the producer.

use std::sync::OnceLock;

use arrow::array::{Array, RecordBatch};
use barbus::{Bus, InitOptions};
use barbus_bars::{BarBatch, BarSchema, CastOptions};
use barbus_writer::BatchNormalizer;
use barbusd::BatchReader;

/// Longest message in bytes: small, so that a stated length costs no time.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;
/// Maximum number of batches of one input: each uses at least a message's bytes of it.
const MAX_BATCHES: usize = 1_000;

/// The normalizer of a bus in Shanghai; the bus itself is removed at once.
fn intake() -> &'static BatchNormalizer {
    static INTAKE: OnceLock<BatchNormalizer> = OnceLock::new();
    INTAKE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory for a bus");
        let options = InitOptions { calendar: "XSHG".into(), ..InitOptions::default() };
        BatchNormalizer::new(&Bus::init(&dir.path().join("bus"), &options).expect("a bus"))
    })
}

/// Processes `data` as a producer's stream, up to the cast: framing, decoder, columns and types.
pub fn run(data: &[u8]) {
    let mut batches = BatchReader::new(data, MAX_MESSAGE_BYTES);
    for first_row in 0..MAX_BATCHES {
        match batches.next_batch() {
            Ok(Some(batch)) => cast(batch, first_row as u64),
            Ok(None) => return,
            Err(why) => return assert!(!why.is_empty()),
        }
    }
    panic!("{} bytes gave more than {MAX_BATCHES} batches", data.len());
}

fn cast(batch: RecordBatch, first_row: u64) {
    let rows = batch.num_rows();
    if let Ok(incoming) = intake().clone().normalize(batch.clone(), "fuzz", first_row) {
        assert_eq!(incoming.rows(), rows);
    }
    let Ok(bars) = BarBatch::cast(&batch, &BarSchema::zillionare(), &CastOptions::default()) else { return };
    assert_eq!(bars.len(), rows);
    assert!(bars.faults().windows(2).all(|pair| pair[0].0 < pair[1].0), "faults are in order, one for a row");
    let mut faults = bars.faults().iter().map(|(row, _)| *row).peekable();
    for row in 0..rows {
        if faults.next_if_eq(&row).is_some() {
            continue;
        }
        // Every row without a fault is a valid bar.
        assert!((bars.symbol_keys()[row] as usize) < bars.symbols().len());
        let numbers = [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()];
        assert!(numbers.iter().all(|column| column[row].is_finite()));
        assert_eq!(bars.frames_ms()[row].rem_euclid(60_000), 0);
    }
    assert_eq!(faults.next(), None);
}
