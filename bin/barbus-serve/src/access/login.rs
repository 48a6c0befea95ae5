//! The login: a form that turns the token into a cookie.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::COOKIE_NAME;
use crate::server::Server;

/// A browser keeps the cookie for this long, seconds.
const COOKIE_SECONDS: u32 = 30 * 24 * 3600;

/// The form. A link to `/login#TOKEN` fills it in: browsers do not send what is after the sign.
pub(crate) async fn login_page() -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("../page/files/login.html")).into_response()
}

/// Takes `token=TOKEN` from the form.
pub(crate) async fn log_in(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(token) = &server.access.token else { return to("/") };
    // The characters of a token that a form writes otherwise: + / =
    let sent = body.strip_prefix(b"token=").map(percent_decoded).unwrap_or_default();
    let sent = sent.trim_ascii();
    if !token.is(sent) {
        return to("/login?wrong");
    }
    let is_https = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if is_https { "; Secure" } else { "" };
    let sent = String::from_utf8_lossy(sent);
    let cookie = format!("{COOKIE_NAME}={sent}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict{secure}");
    let mut response = to("/");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn to(path: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static(path))]).into_response()
}

/// The bytes of a value of a form.
fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(if byte == b'+' { b' ' } else { byte });
                rest = tail;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        assert_eq!(percent_decoded(b"a%2Fb%3D+c"), b"a/b= c");
        assert_eq!(percent_decoded(b"100%"), b"100%");
        assert_eq!(percent_decoded(b"%zz%4"), b"%zz%4");
    }
}
