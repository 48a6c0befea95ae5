//! A producer: sends one Arrow batch per minute to the daemon, and prints the acknowledgements.
//!
//! ```text
//! cargo run -p barbus --example producer -- BUS
//! ```
//! It sends simulated bars of the last half hour, twice: the second time all of them are
//! duplicates.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use barbus::protocol::LABEL;
use barbus::{Bus, Publisher};
use jiff::Timestamp;

const MINUTE_MS: i64 = 60_000;
const CODES: [&str; 3] = ["AAA", "BBB", "CCC"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::open(std::env::args().nth(1).ok_or("usage: producer BUS")?)?;
    let this_minute = Timestamp::now().as_millisecond() / MINUTE_MS;

    // If the daemon restarts, the publisher reconnects and sends unacknowledged batches again.
    let mut publisher = Publisher::connect(&bus)?.source("example").reconnect_for(Duration::from_secs(30));
    for what in ["first", "again"] {
        for minute in this_minute - 30..this_minute {
            // `send` waits for the acknowledgement; `queue` sends up to eight batches ahead of it.
            publisher.queue(&batch(minute)?)?;
        }
        let last = publisher.send(&batch(this_minute - 1)?)?;
        println!("{what}: {:?}; the last batch sent again: {} duplicates", publisher.acked(), last.duplicate);
    }
    println!("altogether {:?}", publisher.finish()?);
    Ok(())
}

/// A bar of each symbol that starts at `minute` (minutes since 1970). Names and order of the
/// columns are those of a vendor.
fn batch(minute: i64) -> Result<RecordBatch, arrow::error::ArrowError> {
    let price = |minute: i64| (minute as f64 * TAU / 20.0).sin() + 10.0;
    let column = |value: f64| Arc::new(Float64Array::from(vec![value; CODES.len()])) as ArrayRef;
    let (open, close) = (price(minute), price(minute + 1));
    let open_time = TimestampMillisecondArray::from(vec![minute * MINUTE_MS; CODES.len()]).with_timezone("UTC");
    let batch = RecordBatch::try_from_iter([
        ("code", Arc::new(StringArray::from(CODES.to_vec())) as ArrayRef),
        ("open_time", Arc::new(open_time)),
        ("open", column(open)),
        ("high", column(open.max(close))),
        ("low", column(open.min(close))),
        ("close", column(close)),
        ("vol", column(1_000.0)),
    ])?;
    // This vendor labels a bar by its start. The bus labels it by its end.
    let schema = batch.schema().as_ref().clone().with_metadata(HashMap::from([(LABEL.into(), "start".into())]));
    batch.with_schema(Arc::new(schema))
}
