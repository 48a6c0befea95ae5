//! Who may ask: a token where the server is reached from elsewhere, and known names of the server.

mod hosts;
mod login;
mod token;

use std::sync::Arc;

use anyhow::bail;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::ApiError;
use crate::options::ServeOptions;
use crate::server::Server;
use hosts::Hosts;
pub(crate) use login::{log_in, login_page};
use token::Token;

/// The cookie of a browser that has logged in.
const COOKIE_NAME: &str = "barbus_token";

/// Who may ask.
pub(crate) struct Access {
    token: Option<Token>,
    hosts: Hosts,
}

impl Access {
    /// # Errors
    /// The address can be reached from elsewhere and there is no token, or its file cannot be used.
    pub(crate) fn new(options: &ServeOptions) -> anyhow::Result<Self> {
        let token = options.token_file.as_deref().map(Token::read).transpose()?;
        let ip = options.listen.ip();
        if token.is_none() && !ip.is_loopback() {
            bail!(
                "{}: other machines can reach this address: give --token-file, or listen on 127.0.0.1",
                options.listen
            );
        }
        Ok(Self { token, hosts: Hosts::new(ip, &options.allowed_hosts) })
    }

    /// Whether the request carries the token, in its header or its cookie.
    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let cookie = cookies.flat_map(|line| line.split(';')).find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE_NAME).then_some(value)
        });
        bearer.is_some_and(|sent| token.is(sent)) || cookie.is_some_and(|sent| token.is(sent.as_bytes()))
    }
}

/// Lets a request through that names the server rightly and carries the token.
pub(crate) async fn check(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let access = &server.access;
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if !access.hosts.allow(host) {
        let what = format!(
            "this server is not called {:?}: use its address, or start it with --allow-host NAME",
            host.unwrap_or_default()
        );
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, what).into_response();
    }
    let path = request.uri().path();
    // The page of the login and its files hold nothing of a bus.
    if path == "/login" || path.starts_with("/assets/") || access.is_authorized(request.headers()) {
        return next.run(request).await;
    }
    if request.method() == Method::GET && path == "/" {
        return (StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static("/login"))]).into_response();
    }
    let what = "a token is needed: send the header Authorization: Bearer TOKEN, or log in at /login";
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, what.to_owned()).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
