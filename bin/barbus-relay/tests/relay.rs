//! End-to-end tests of the relay.

mod support;
