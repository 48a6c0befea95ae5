//! `/api/bars` and `/api/latest`: bars of the ring and of the archive as one sequence.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use barbus::{Adjust, BarsQuery, Bound, Bus, Date};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::Encoded;
use super::error::ApiError;
use super::format::{Format, JSON, arrow_stream};
use super::json_rows::rows;
use super::parameters::Parameters;
use crate::server::Server;

/// The question of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BarsParameters {
    bus: Option<String>,
    /// Separated by commas; without it, all.
    symbols: Option<String>,
    interval: Option<String>,
    /// A day or a time.
    from: Option<String>,
    to: Option<String>,
    /// How many of the last bars of each symbol.
    last: Option<usize>,
    adjust: Option<String>,
    columns: Option<String>,
    format: Option<String>,
}

/// Bars of any symbols, days and interval.
pub(crate) async fn bars(
    State(server): State<Arc<Server>>,
    Parameters(parameters): Parameters<BarsParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(&server, parameters, &headers).await
}

/// The last bar of each symbol.
pub(crate) async fn latest(
    State(server): State<Arc<Server>>,
    Parameters(parameters): Parameters<BarsParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if parameters.last.is_some() {
        return Err(ApiError::wrong("last: the latest bar is one: ask /api/bars for more"));
    }
    answer(&server, BarsParameters { last: Some(1), ..parameters }, &headers).await
}

async fn answer(server: &Server, parameters: BarsParameters, headers: &HeaderMap) -> Result<Response, ApiError> {
    let name = parameters.bus.as_deref();
    let bus = server.bus(name).ok_or_else(|| ApiError::no_bus(server, name.unwrap_or_default()))?;
    let format = Format::of(parameters.format.as_deref(), headers)?;
    let question = parameters.question(bus.bus())?;
    let (name, zone) = (bus.name().to_owned(), bus.bus().settings().schema.zone().to_owned());
    let max_rows = server.desk.max_rows;
    let ask = move || {
        let found = Found::read(question, max_rows)?;
        match format {
            Format::Arrow => found.arrow(),
            Format::Json => found.json(&name, &zone),
        }
    };
    server.desk.answer(ask).await
}

impl BarsParameters {
    fn question(&self, bus: &Bus) -> Result<BarsQuery, ApiError> {
        let mut question = bus.bars();
        if let Some(symbols) = &self.symbols {
            question = question.symbols(list(symbols));
        }
        if let Some(interval) = &self.interval {
            question = question.interval(interval.parse().map_err(ApiError::wrong)?);
        }
        if let Some(from) = &self.from {
            question = question.from(bound("from", from)?);
        }
        if let Some(to) = &self.to {
            question = question.to(bound("to", to)?);
        }
        if let Some(last) = self.last {
            question = question.last(last);
        }
        if let Some(adjust) = &self.adjust {
            question = question.adjust(match adjust.as_str() {
                "none" => Adjust::None,
                "forward" => Adjust::Forward,
                "backward" => Adjust::Backward,
                other => return Err(ApiError::wrong(format!("adjust={other}: write none, forward or backward"))),
            });
        }
        if let Some(columns) = &self.columns {
            question = question.columns(list(columns));
        }
        Ok(question)
    }
}

/// The items of a list that is separated by commas.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A day, or a time with its zone.
fn bound(name: &str, text: &str) -> Result<Bound, ApiError> {
    if let Ok(day) = text.parse::<Date>()
        && text.len() == "2024-07-04".len()
    {
        return Ok(day.into());
    }
    let time = text.parse::<Timestamp>();
    let time = time.or_else(|error| text.parse().map(Timestamp::from_millisecond).unwrap_or(Err(error)));
    let form = "write a day as 2024-07-04, a time as 2024-07-04T09:31:00+08:00, or milliseconds UTC";
    Ok(time.map_err(|_| ApiError::wrong(format!("{name}={text}: no day and no time: {form}")))?.into())
}

/// The bars, and what is missing.
struct Found {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    next_seq: Option<u64>,
    shortfalls: Vec<String>,
}

impl Found {
    /// Asks; more than `max_rows` rows are refused before they fill the memory.
    fn read(question: BarsQuery, max_rows: usize) -> Result<Self, ApiError> {
        let mut history = question.open()?;
        let (mut batches, mut count) = (Vec::new(), 0);
        for batch in &mut history {
            let batch = batch?;
            count += batch.num_rows();
            if count > max_rows {
                let what = format!("more than {max_rows} rows: ask for fewer symbols or days, or for last=N");
                return Err(ApiError::wrong(what));
            }
            batches.push(batch);
        }
        let shortfalls = history.shortfalls().iter().map(ToString::to_string).collect();
        Ok(Self { schema: history.schema().clone(), batches, next_seq: history.next_seq(), shortfalls })
    }

    fn json(&self, bus: &str, zone: &str) -> Result<Encoded, ApiError> {
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut data: Vec<Vec<Value>> = Vec::new();
        for batch in &self.batches {
            data.extend(rows(batch)?);
        }
        let answer = json!({
            "bus": bus, "zone": zone, "columns": columns, "data": data,
            "next_seq": self.next_seq, "shortfalls": self.shortfalls,
        });
        Ok((JSON, serde_json::to_vec(&answer).map_err(ApiError::internal)?))
    }

    /// What is missing is in the metadata of the schema.
    fn arrow(&self) -> Result<Encoded, ApiError> {
        let mut metadata = self.schema.metadata().clone();
        metadata.insert("barbus.shortfalls".into(), json!(self.shortfalls).to_string());
        if let Some(next_seq) = self.next_seq {
            metadata.insert("barbus.next_seq".into(), next_seq.to_string());
        }
        let schema: SchemaRef = Arc::new(Schema::clone(&self.schema).with_metadata(metadata));
        let renew = |batch: &RecordBatch| batch.clone().with_schema(schema.clone());
        let batches: Vec<RecordBatch> =
            self.batches.iter().map(renew).collect::<Result<_, _>>().map_err(ApiError::internal)?;
        arrow_stream(&schema, &batches)
    }
}
