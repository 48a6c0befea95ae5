//! End-to-end tests of the relay: real NATS servers, daemons and relays as processes.
#![forbid(unsafe_code)]

mod carried;
mod support;
