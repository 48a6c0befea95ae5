//! Any bytes on the ingest socket: batches of bars, or a reason to be told to the producer.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use barbus::{Bus, Canonical, InitOptions};
use barbus_bars::{BarBatch, BarSchema, CastOptions, ColumnMap};
use barbus_writer::BatchNormalizer;
use barbusd::Batches;

/// Longest message, bytes: small, so that a length alone costs no time.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;
/// Most batches that one input is asked for: each takes at least a message's bytes of it.
const MAX_BATCHES: usize = 1_000;

/// What casts for a bus in Shanghai; the bus itself is gone at once.
fn intake() -> &'static BatchNormalizer {
    static INTAKE: OnceLock<BatchNormalizer> = OnceLock::new();
    INTAKE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory for a bus");
        let options = InitOptions { calendar: "XSHG".into(), ..InitOptions::default() };
        BatchNormalizer::new(&Bus::init(&dir.path().join("bus"), &options).expect("a bus"))
    })
}

/// Takes `data` as what a producer sends, up to the cast: framing, decoder, columns and types, and the bars of a feed, which are not cast.
pub fn run(data: &[u8]) {
    // A feed's bars are taken as they lie by a bus of 64-bit prices, the rest is cast for one of the other kind.
    let schema = Arc::new(BarSchema::in_zone("Asia/Shanghai").expect("a zone that there is"));
    let places = |of: &Schema| {
        let names: Vec<&String> = of.fields().iter().map(|field| field.name()).collect();
        ColumnMap::default().resolve(&names, &schema).ok()
    };
    let mut batches = Batches::new(data, MAX_MESSAGE_BYTES);
    for first_row in 0..MAX_BATCHES {
        match batches.next_with(places) {
            Ok(Some((batch, canonical))) => cast(batch, canonical, &schema, first_row as u64),
            Ok(None) => return,
            Err(why) => return assert!(!why.is_empty()),
        }
    }
    panic!("{} bytes gave more than {MAX_BATCHES} batches", data.len());
}

fn cast(batch: RecordBatch, canonical: Option<Canonical>, schema: &Arc<BarSchema>, first_row: u64) {
    let rows = batch.num_rows();
    if let Ok(incoming) = intake().clone().normalize(batch.clone(), "fuzz", first_row) {
        assert_eq!(incoming.rows(), rows);
    }
    let options = CastOptions::default();
    if let Some(not_cast) = canonical.and_then(|columns| BarBatch::of_canonical(columns, schema, &options)) {
        let cast = BarBatch::cast(&batch, schema, &options).expect("what needs no cast can be cast");
        assert_eq!(format!("{not_cast:?}"), format!("{cast:?}"));
    }
    let Ok(bars) = BarBatch::cast(&batch, &BarSchema::zillionare(), &options) else { return };
    assert_eq!(bars.len(), rows);
    assert!(bars.faults().windows(2).all(|pair| pair[0].0 < pair[1].0), "faults are in order, one for a row");
    let mut faults = bars.faults().iter().map(|(row, _)| *row).peekable();
    for row in 0..rows {
        if faults.next_if_eq(&row).is_some() {
            continue;
        }
        // What is not faulty is a bar.
        assert!((bars.symbol_keys()[row] as usize) < bars.symbols().len());
        let numbers = [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()];
        assert!(numbers.iter().all(|column| column[row].is_finite()));
        assert_eq!(bars.frames_ms()[row].rem_euclid(60_000), 0);
    }
    assert_eq!(faults.next(), None);
}
