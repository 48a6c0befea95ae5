//! End-to-end tests of the relay: real NATS servers, daemons and relays as processes.
#![forbid(unsafe_code)]

mod cables;
mod carried;
mod clocks;
mod cluster;
mod day;
mod gaps;
mod kills;
mod refusals;
mod secured;
mod streams;
mod support;
