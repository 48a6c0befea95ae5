//! JSON or Arrow, as the request asks.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use super::desk::Encoded;
use super::error::ApiError;

/// The media type of an Arrow IPC stream.
pub(super) const ARROW: &str = "application/vnd.apache.arrow.stream";
pub(super) const JSON: &str = "application/json";

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Arrow,
}

impl Format {
    /// By the parameter `format`, else by the header `Accept`, else JSON.
    ///
    /// # Errors
    /// 400 for another word.
    pub(super) fn of(parameter: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        match parameter {
            Some("json") => Ok(Self::Json),
            Some("arrow") => Ok(Self::Arrow),
            Some(other) => Err(ApiError::wrong(format!("format={other}: write json or arrow"))),
            None => {
                let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let is_arrow =
                    accepted.split(',').any(|part| part.split(';').next().is_some_and(|m| m.trim() == ARROW));
                Ok(if is_arrow { Self::Arrow } else { Self::Json })
            }
        }
    }
}

/// The batches as an Arrow IPC stream.
pub(super) fn arrow_stream(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Encoded, ApiError> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(ApiError::internal)?;
    batches.iter().try_for_each(|batch| writer.write(batch)).map_err(ApiError::internal)?;
    Ok((ARROW, writer.into_inner().map_err(ApiError::internal)?))
}
