//! Errors of requests, as JSON: `{"error": "what: why"}`.

use std::fmt::Display;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use barbus::Error;
use serde_json::json;

use crate::server::Server;

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    what: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, what: String) -> Self {
        Self { status, what }
    }

    /// The request itself is wrong.
    pub(crate) fn wrong(what: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what.to_string())
    }

    /// The server has too much to do.
    pub(crate) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too many questions at a time: ask again later".to_owned())
    }

    pub(crate) fn internal(what: impl Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, what.to_string())
    }

    /// There is no bus of this name.
    pub(crate) fn no_bus(server: &Server, name: &str) -> Self {
        let names: Vec<&str> = server.buses().iter().map(|bus| bus.name()).collect();
        Self::new(StatusCode::NOT_FOUND, format!("{name:?}: no such bus: there are {}", names.join(", ")))
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::UnknownSymbol { .. } => StatusCode::NOT_FOUND,
            Error::Question { .. } | Error::Start { .. } => StatusCode::BAD_REQUEST,
            Error::NoRing { .. } | Error::RingLost { .. } | Error::OtherBoot { .. } | Error::Changing { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.what}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, const { axum::http::HeaderValue::from_static("1") });
        }
        response
    }
}
