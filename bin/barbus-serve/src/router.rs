//! Which path is answered by what, and the headers of every answer.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};

use crate::access;
use crate::api::{self, ApiError};
use crate::server::Server;
use crate::{health, live, metrics, page};

/// The longest body of a request: a form with a token.
const MAX_BODY_BYTES: usize = 4096;

/// Scripts come from the server only. Styles may be inline, because plotly sets them so; an inline
/// style cannot run code. No other site may show the page in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .route("/login", get(access::login_page))
        .route("/login", post(access::log_in))
        .route("/metrics", get(metrics::scrape))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/live", get(live::events))
        .route("/api/buses", get(api::buses))
        .route("/api/bars", get(api::bars))
        .route("/api/latest", get(api::latest))
        .route("/api/stat", get(api::stat))
        .route("/api/marks", get(api::marks))
        .route("/api/watch", get(api::watch))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(server.clone(), access::check))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(add_headers))
        .with_state(server)
}

async fn no_such_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no such path: docs/MONITORING.md lists them".to_owned())
}

async fn no_such_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path is only read: use GET".to_owned())
}

async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
