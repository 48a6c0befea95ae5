//! Looks up the last close of each symbol before the day, from the archive and the ring.

use std::collections::HashMap;

use barbus::arrow::array::{AsArray, RecordBatch};
use barbus::arrow::compute::cast;
use barbus::arrow::datatypes::{DataType, Float64Type, Int32Type};
use barbus::{Bus, Date, Error};
use jiff::ToSpan;

use super::model::Shared;
use super::worker::lock;

/// How many days back a close is searched for: a stock may be suspended for some weeks.
const DAYS_BACK: i64 = 31;

/// Looks up the closes that the market wants.
pub(super) fn look_up(bus: &Bus, model: &Shared) {
    let Some((day, names)) = lock(model).market.wanted_closes() else { return };
    let found = closes_before(bus, day, &names);
    let mut model = lock(model);
    match found {
        // The writer was faster than the question: it is asked again.
        Err(Error::Changing { .. }) => {}
        Ok(closes) => {
            model.closes_error = None;
            model.market.set_closes(day, &names, &closes);
        }
        Err(error) => {
            model.closes_error = Some(format!("previous closes: {error}"));
            model.market.set_closes(day, &names, &HashMap::new());
        }
    }
}

/// The last close of each of `names` before `day`.
fn closes_before(bus: &Bus, day: Date, names: &[String]) -> Result<HashMap<String, f64>, Error> {
    let (Ok(from), Ok(to)) = (day.checked_sub(DAYS_BACK.days()), day.yesterday()) else { return Ok(HashMap::new()) };
    let question = bus.bars().symbols(names).from(from).to(to).last(1).columns(["close"]);
    let answer = question.skip_damaged().collect()?;
    Ok(answer.batches().iter().flat_map(closes_of).collect())
}

/// The symbols and closes of a batch with the columns symbol, frame and close.
fn closes_of(batch: &RecordBatch) -> Vec<(String, f64)> {
    let symbols = batch.column(0).as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let Ok(closes) = cast(batch.column(2), &DataType::Float64) else { return Vec::new() };
    let closes = closes.as_primitive::<Float64Type>();
    let rows = symbols.keys().values().iter().zip(closes.values());
    rows.map(|(key, close)| (names.value(*key as usize).to_owned(), *close)).collect()
}
