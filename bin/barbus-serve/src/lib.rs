//! Metrics, health checks, a page and an API of one or several buses, over HTTP.
//!
//! The server is a reader of files. It opens rings read-only. It asks a running daemon for what
//! only the daemon knows, and never waits for the answer longer than a moment. docs/MONITORING.md
//! has the endpoints.
//!
//! - `options`: the command line
//! - `connections`: sockets, their number and their time limits
//! - `access`: the token, the login, and the names by which the server may be called
//! - `watch`: what the server knows of a bus: a thread that follows it, and the daemon's answers
//! - `metrics`, `health`, `api`, `live`, `page`: the endpoints
#![forbid(unsafe_code)]

mod access;
mod api;
mod connections;
mod health;
mod live;
mod metrics;
mod options;
mod page;
mod router;
mod server;
mod watch;

pub use options::ServeOptions;
pub use server::run;
