//! The whole of barbus from outside: processes, kills, bad input, and other people's readers. Each
//! module is one promise or one part of the command line; `support` is what they stand on.
//!
//! - `access`: who may read and who may publish, with real users
//! - `archive`: the day's Parquet as pyarrow, polars and DuckDB see it; late bars, failing flushes
//! - `bad_input`: what is wrong with the input, the message, and what is left
//! - `commands`: every verb: tables, JSON and CSV, exit codes
//! - `corpora`: what the fuzzers began with and what they found does no harm
//! - `days`: which day a bar belongs to, and when a day closes
//! - `demo`: the first command of the README matches, leaves no process, and its advice works
//! - `format_reader`: docs/FORMAT.md is enough: a reader in Python written from it alone
//! - `full`: days larger than the ring, disks without room: producers wait, nothing is lost
//! - `kill_loop`: the daemon killed at random moments, again and again, with producers and readers at work
//! - `lag`: who reads, how far behind, and what he holds: listed, counted, warned about; whether the writer lives
//! - `publish`: every format and vendor names; true counts; the same archive by every way
//! - `python_package`: the wheel, built, installed where nothing else is, and its own tests with real daemons
//! - `readers`: reader processes: no system call, the same for all, nobody stopped, an exact count of what was missed
//! - `reading`: docs/READING.md: every block of Python on it, against a bus that is written
//! - `real_bars`: years of real bars against an oracle
//! - `replay`: archived days onto another bus
//! - `restart`: SIGTERM, kill -9, a second daemon; nothing acknowledged is lost
//! - `soak`: many days with readers that come and die: memory and descriptors stay as they are
//! - `stock_readers`: the ring read by pyarrow, polars and arrow-rs
//!
//! The promises of the design and who guards them here; the crates have tests of their own besides:
//!
//! 1. a valid Arrow file at every moment: `stock_readers`
//! 2. read-only maps, a writer that waits for nobody: `access`, `reading`, `readers`, `lag`, `format_reader`
//! 3. no torn read: `format_reader`, `demo`
//! 4. an exact count of what was missed: `readers`, `format_reader`
//! 5. no system call in steady state: `readers`
//! 6. an acknowledged bar survives `kill -9`: `kill_loop`, `restart`
//! 7. every bar of a closed day in its file, exactly once: `archive`, `days`, `full`, `kill_loop`, `publish`, `real_bars`, `replay`, `restart`
//! 8. re-sending is harmless: `publish`, `replay`, `restart`
//! 9. a bad bar is kept with its reason, a bad file is an error: `bad_input`, `full`, `format_reader`
#![forbid(unsafe_code)]

mod access;
mod archive;
mod bad_input;
mod commands;
mod corpora;
mod days;
mod demo;
mod format_reader;
mod full;
mod kill_loop;
mod lag;
mod publish;
mod python_package;
mod readers;
mod reading;
mod real_bars;
mod replay;
mod restart;
mod soak;
mod stock_readers;
mod support;
