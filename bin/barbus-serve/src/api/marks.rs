//! `/api/marks`: what a chart marks: missing minutes, late bars and revised bars of a symbol.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use barbus::{Bus, Date, Error, MinuteRange, Reader, Row};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::format::JSON;
use super::parameters::Parameters;
use crate::server::Server;

/// The most minutes of the ring that are examined for late bars.
const MOST_MINUTES: usize = 5000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarksParameters {
    bus: Option<String>,
    symbol: String,
    /// The first and the last trading day; without them, the newest one.
    from: Option<Date>,
    to: Option<Date>,
}

/// What is unusual of a symbol. Times are ends of minutes, milliseconds UTC.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Marks {
    /// Minutes in a row without a bar, the first and the last.
    missing: Vec<MinuteRange>,
    /// Bars that came after a later bar of the symbol.
    late: Vec<i64>,
    /// Bars that were revised.
    revised: Vec<i64>,
}

/// The marks of a symbol over some days.
pub(crate) async fn marks(
    State(server): State<Arc<Server>>,
    Parameters(parameters): Parameters<MarksParameters>,
) -> Result<Response, ApiError> {
    let name = parameters.bus.as_deref();
    let bus = server.bus(name).ok_or_else(|| ApiError::no_bus(&server, name.unwrap_or_default()))?.bus().clone();
    let ask = move || {
        let marks = find(&bus, &parameters)?;
        Ok((JSON, serde_json::to_vec(&marks).map_err(ApiError::internal)?))
    };
    server.desk.answer(ask).await
}

fn find(bus: &Bus, parameters: &MarksParameters) -> Result<Marks, ApiError> {
    let newest = bus.newest_day()?;
    let (Some(from), Some(to)) = (parameters.from.or(newest), parameters.to.or(newest)) else {
        return Ok(Marks::default());
    };
    let mut marks = match Reader::open(bus.path()) {
        Ok(mut reader) => match reader.window(&parameters.symbol, MOST_MINUTES) {
            Ok(rows) => of_rows(&rows),
            Err(Error::UnknownSymbol { .. }) => Marks::default(),
            Err(error) => return Err(error.into()),
        },
        // The archive alone knows of no late bars.
        Err(_) => Marks::default(),
    };
    for gaps in bus.gaps(from, to, Some(&parameters.symbol))? {
        let gaps = gaps?;
        marks.missing.extend(gaps.symbols.iter().flat_map(|symbol| symbol.missing.iter().copied()));
    }
    Ok(marks)
}

/// The marks of bars in the order of their frames.
fn of_rows(rows: &[Row]) -> Marks {
    let mut marks = Marks::default();
    let mut earliest = u64::MAX;
    for row in rows.iter().rev().filter(|row| row.received_ns > 0) {
        if row.revision > 0 {
            marks.revised.push(row.frame_ms);
        } else if row.seq > earliest {
            marks.late.push(row.frame_ms);
        }
        // A revision has the number of the revision, not of the bar.
        if row.revision == 0 {
            earliest = earliest.min(row.seq);
        }
    }
    marks.late.reverse();
    marks.revised.reverse();
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_late_if_a_later_one_came_before_it() {
        let row = |frame_ms, seq, revision| Row { frame_ms, seq, revision, received_ns: 1, ..Row::default() };
        let rows = [row(1, 0, 0), row(2, 7, 0), row(3, 2, 0), row(4, 9, 1), row(5, 4, 0)];
        assert_eq!(of_rows(&rows), Marks { missing: vec![], late: vec![2], revised: vec![4] });
    }
}
