//! `/api/stat`: the state of a bus.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::format::{Format, arrow_stream};
use super::parameters::Parameters;
use crate::server::Server;
use crate::watch::Situation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatParameters {
    bus: Option<String>,
    format: Option<String>,
}

/// The state of a bus as JSON.
#[derive(Serialize)]
pub(crate) struct BusState<'a> {
    bus: &'a str,
    /// The time of the answer, milliseconds UTC.
    now_ms: i64,
    daemon_answers: bool,
    stat: &'a barbus::protocol::Stat,
    readers: &'a [barbus::ReaderStat],
    health: &'a barbus::Health,
    alarms: Vec<String>,
    error: Option<&'a str>,
}

impl<'a> BusState<'a> {
    pub(crate) fn new(bus: &'a str, situation: &'a Situation) -> Self {
        Self {
            bus,
            now_ms: jiff::Timestamp::now().as_millisecond(),
            daemon_answers: situation.daemon_answers,
            stat: &situation.stat,
            readers: &situation.readers,
            health: &situation.health,
            alarms: situation.stat.alarms(),
            error: situation.error.as_deref(),
        }
    }
}

/// The state, from the daemon or from files.
pub(crate) async fn stat(
    State(server): State<Arc<Server>>,
    Parameters(parameters): Parameters<StatParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = parameters.bus.as_deref();
    let bus = server.bus(name).ok_or_else(|| ApiError::no_bus(&server, name.unwrap_or_default()))?;
    let format = Format::of(parameters.format.as_deref(), &headers)?;
    let situation = bus.situation(server.grace).await?;
    let state = BusState::new(bus.name(), &situation);
    match format {
        Format::Json => Ok(Json(state).into_response()),
        Format::Arrow => {
            let tree = serde_json::to_value(state).map_err(ApiError::internal)?;
            let (media, content) = table(&tree)?;
            Ok(([(CONTENT_TYPE, media)], content).into_response())
        }
    }
}

/// A tree of JSON as a table: the path of each value, and the value as a number or a text.
fn table(tree: &Value) -> Result<super::desk::Encoded, ApiError> {
    let mut leaves = Vec::new();
    collect(tree, String::new(), &mut leaves);
    let names: StringArray = leaves.iter().map(|(path, _)| Some(path.as_str())).collect();
    let number = |value: &Value| value.as_f64().or(value.as_bool().map(|flag| f64::from(u8::from(flag))));
    let numbers: Float64Array = leaves.iter().map(|(_, value)| number(value)).collect();
    let texts: StringArray = leaves.iter().map(|(_, value)| value.as_str()).collect();
    let columns: [(&str, ArrayRef, bool); 3] =
        [("name", Arc::new(names), false), ("number", Arc::new(numbers), true), ("text", Arc::new(texts), true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(ApiError::internal)?;
    arrow_stream(&batch.schema(), &[batch])
}

/// The leaves under `path`, without those that are null.
fn collect<'a>(tree: &'a Value, path: String, leaves: &mut Vec<(String, &'a Value)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match tree {
        Value::Object(map) => map.iter().for_each(|(key, value)| collect(value, below(key), leaves)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| collect(value, below(&at.to_string()), leaves));
        }
        Value::Null => {}
        _ => leaves.push((path, tree)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_has_a_path() {
        let tree = json!({"stat": {"bars": 3, "days": [{"day": "2024-07-04"}], "pid": null}, "ok": true});
        let mut leaves = Vec::new();
        collect(&tree, String::new(), &mut leaves);
        let paths: Vec<&str> = leaves.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["ok", "stat.bars", "stat.days.0.day"]);
    }
}
