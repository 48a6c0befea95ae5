//! `/api/buses`: which buses the server has.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::server::Server;

/// A bus as pages need it.
#[derive(Serialize)]
pub(crate) struct BusFacts {
    name: String,
    calendar: String,
    zone: String,
}

/// The buses, in the order of the command line.
pub(crate) async fn buses(State(server): State<Arc<Server>>) -> Json<Vec<BusFacts>> {
    let facts = server.buses().iter().map(|bus| {
        let settings = bus.bus().settings();
        BusFacts {
            name: bus.name().to_owned(),
            calendar: settings.calendar.name().to_owned(),
            zone: settings.schema.zone().to_owned(),
        }
    });
    Json(facts.collect())
}
