//! End-to-end tests of the server: its process, real Prometheus tools and a real browser.
//!
//! - `access`: addresses, tokens, names of the server, the login
//! - `answers`: health, states and bars as JSON and Arrow, errors
//! - `browser`: the page in Chromium: prices, live bars, many symbols, hostile symbols
//! - `crowd`: idle, slow and many clients
//! - `documents`: docs/MONITORING.md, the rules and the dashboard name metrics that exist
//! - `prometheus`: what promtool says, and a Prometheus that scrapes
//! - `without_daemon`: a daemon that is stopped or dead
//!
//! A test that needs a program which is not installed says so and passes.
#![forbid(unsafe_code)]

mod access;
mod answers;
mod browser;
mod crowd;
mod documents;
mod prometheus;
mod support;
mod without_daemon;
