//! The page: HTML, styles and scripts, which are files of this crate, and the script of the charts.
//!
//! - `index.html`, `login.html`: no script and no text of a bus is in them
//! - `main.js` connects the parts; each part is a module with one task
//! - `plotly.js` comes from a crate that carries it, packed by the build script

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::ApiError;
use crate::server::Server;

const PLOTLY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plotly.min.js.gz"));

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files: name, media type and content.
macro_rules! files {
    ($($name:literal: $media:expr),* $(,)?) => {
        &[$(($name, $media, include_str!(concat!("files/", $name)))),*]
    };
}

const FILES: &[(&str, &str, &str)] = files! {
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "login.js": SCRIPT,
    "main.js": SCRIPT,
    "api.js": SCRIPT,
    "axis.js": SCRIPT,
    "chart.js": SCRIPT,
    "dom.js": SCRIPT,
    "figure.js": SCRIPT,
    "format.js": SCRIPT,
    "keys.js": SCRIPT,
    "live.js": SCRIPT,
    "side.js": SCRIPT,
    "spark.js": SCRIPT,
    "theme.js": SCRIPT,
    "watch_list.js": SCRIPT,
    "watch_rows.js": SCRIPT,
};

/// The page.
pub(crate) async fn index(State(_): State<Arc<Server>>) -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("files/index.html")).into_response()
}

/// A file of the page.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    if name == "plotly.js" {
        return plotly(&headers);
    }
    let file = FILES.iter().find(|(file, ..)| *file == name);
    let what = || ApiError::new(StatusCode::NOT_FOUND, format!("{name:?}: no such file"));
    let (_, media, content) = file.ok_or_else(what)?;
    Ok(([(CONTENT_TYPE, *media)], *content).into_response())
}

/// The script of the charts, packed for clients that unpack it: all browsers do.
fn plotly(headers: &HeaderMap) -> Result<Response, ApiError> {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepted.contains("gzip") {
        return Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, "plotly.js: it comes packed: accept gzip".to_owned()));
    }
    // The browser keeps it: it changes with the version of the server only.
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(SCRIPT)),
        (CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        (CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400")),
    ];
    Ok((headers, PLOTLY).into_response())
}
