//! `/api/watch`: the watch list of the page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::ApiError;
use super::parameters::Parameters;
use crate::server::Server;

/// A request that names at most a bus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchParameters {
    bus: Option<String>,
}

/// The newest bar of each symbol with the curve of its day.
pub(crate) async fn watch(
    State(server): State<Arc<Server>>,
    Parameters(WatchParameters { bus: name }): Parameters<WatchParameters>,
) -> Result<Response, ApiError> {
    let name = name.as_deref();
    let bus = server.bus(name).ok_or_else(|| ApiError::no_bus(&server, name.unwrap_or_default()))?;
    Ok(Json(bus.board().list()).into_response())
}
