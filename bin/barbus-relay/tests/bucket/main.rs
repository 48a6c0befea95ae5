//! End-to-end tests of the bucket: real pushes to folders and to a real S3 server.
#![forbid(unsafe_code)]

mod conflicts;
mod folders;
mod outages;
mod readers;
mod replay;
mod service;
mod support;
mod watch;
