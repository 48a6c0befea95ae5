//! `/healthz` and `/readyz`: 200 or 503, with the reason as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use barbus::Health;
use serde::{Deserialize, Serialize};

use crate::api::{ApiError, Parameters, blocking};
use crate::server::Server;

#[derive(Deserialize)]
pub(crate) struct HealthQuery {
    /// Only this bus; without it, all of them.
    bus: Option<String>,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    buses: BTreeMap<String, Health>,
}

/// Whether every writer runs.
pub(crate) async fn live(server: State<Arc<Server>>, query: Parameters<HealthQuery>) -> Result<Response, ApiError> {
    report(server, query, |health| health.alive).await
}

/// Whether every bus has what its market gives.
pub(crate) async fn ready(server: State<Arc<Server>>, query: Parameters<HealthQuery>) -> Result<Response, ApiError> {
    report(server, query, |health| health.ready).await
}

async fn report(
    State(server): State<Arc<Server>>,
    Parameters(query): Parameters<HealthQuery>,
    is_well: fn(&Health) -> bool,
) -> Result<Response, ApiError> {
    let buses = match &query.bus {
        None => server.buses().to_vec(),
        Some(name) => vec![server.bus(Some(name)).ok_or_else(|| ApiError::no_bus(&server, name))?.clone()],
    };
    let grace = server.grace;
    let healths = move || buses.iter().map(|bus| (bus.name().to_owned(), barbus::health(bus.bus(), grace))).collect();
    let buses: BTreeMap<String, Health> = blocking(healths).await?;
    let ok = buses.values().all(is_well);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(Report { ok, buses })).into_response())
}
