//! End-to-end tests of barbus: processes, kills, bad input and stock Arrow readers.
//!
//! Each module covers one promise or one part of the command line; `support` has the common parts.
//!
//! - `access`: permissions to read and to publish, with real users
//! - `archive`: day files as pyarrow, polars and DuckDB see them; late bars, failing flushes
//! - `backup`: copies of a bus that is written
//! - `bad_input`: bad input, its message, and the data that survives it
//! - `bombs`: packed data, lines and columns without an end, in bounded memory
//! - `c_examples`: the strategy in C, C++, Go, C# and Java decides as the one in Rust
//! - `c_reader`: the reader in C++: kills, laps, rings that are replaced, truncated or hostile
//! - `c_stream`: a reader of the C library as an Arrow stream, by pyarrow
//! - `calendars`: market days against two public libraries; printed, and changed by files
//! - `clocks`: the wall clock is set while the daemon runs, by libfaketime
//! - `commands`: every verb with its tables, JSON, CSV and exit codes
//! - `conformance`: `barbus conformance` with readers in Python and C++, and with wrong ones
//! - `corpora`: the kept inputs of the fuzz targets
//! - `days`: the trading day of a bar, and the close of a day
//! - `demo`: the first command of the README matches, leaves no process, and its suggestions work
//! - `disks`: full disks of each file system, reflink copies and snapshots of the ring
//! - `files`: files of every layout, doubts, `convert` and `layouts`
//! - `format_reader`: a Python reader that was written only from docs/FORMAT.md
//! - `full`: days larger than the ring and full disks: producers wait, nothing is lost
//! - `gaps`: missing minutes by symbol and session, bars outside the sessions
//! - `health`: whether a bus is well, by the sessions of its market
//! - `held_rings`: readers that hold all of the ring: what they may cost, and who is named
//! - `history`: `barbus bars` and its intervals against bars that an independent script makes
//! - `holidays`: the holidays are changed between two starts
//! - `keep`: archived days and quarantine that the settings do not keep
//! - `kill_loop`: the daemon killed at random moments, with active producers and readers
//! - `lag`: the list of readers, their lag and pins, the daemon's warnings, the writer's liveness
//! - `migrate`: a bus whose columns change, and its old days
//! - `minutes`: complete minutes: watermarks of producers, `tail --by minute`, a feed that is down
//! - `misdated`: bars of the future and of the distant past, by every way into a bus
//! - `lost_ring`: a ring that is removed, moved or replaced while the daemon runs
//! - `places`: shared rings and archives, files of other users, links: refused with the reason
//! - `publish`: every format and vendors' names; exact counts; the same archive for each
//! - `python_package`: the wheel, installed without other packages, and its tests with real daemons
//! - `readers`: reader processes: no system call, equal sequences, exact counts of missed bars
//! - `reading`: every Python block of docs/READING.md, against a bus that is written
//! - `real_bars`: years of real bars against an oracle
//! - `replay`: archived days onto another bus
//! - `restart`: SIGTERM, `kill -9`, a second daemon; nothing acknowledged is lost
//! - `restore`: backups of a bus that is written, killed, damaged or on a full disk, put back
//! - `rollback`: a ring from a backup beside a newer archive
//! - `soak`: many days with readers that start and die: memory and descriptors stay constant
//! - `sources`: two sources that differ, on the command line; their conflicts are kept and removed
//! - `symbols`: what fits into the symbol table, and how it grows while the bus runs
//! - `stock_readers`: the ring read by pyarrow, polars and arrow-rs
//! - `top`: `barbus top` in a real terminal: keys, sizes, signals, a daemon that dies; and as text
//! - `upgrade`: a kept bus of an earlier version
//! - `volumes`: archives that are not mounted, folders that are removed or moved
//!
//! The promises and the modules that guard them; the crates have further tests:
//!
//! 1. a valid Arrow file at every moment: `stock_readers`
//! 2. read-only maps, a writer that never waits for a reader: `access`, `reading`, `readers`,
//!    `lag`, `held_rings`, `format_reader`, `c_reader`
//! 3. no torn read: `format_reader`, `demo`, `c_reader`, `conformance`
//! 4. an exact count of missed bars: `readers`, `format_reader`, `c_reader`, `c_stream`,
//!    `conformance`
//! 5. no system call in steady state: `readers`
//! 6. an acknowledged bar survives `kill -9`: `kill_loop`, `restart`, `c_reader`
//! 7. every bar of a closed day in its file, exactly once: `archive`, `days`, `full`, `kill_loop`,
//!    `publish`, `real_bars`, `replay`, `restart`
//! 8. re-sending is harmless: `publish`, `replay`, `restart`, `sources`
//! 9. an invalid bar is quarantined with its reason, a bad file is an error: `bad_input`, `full`,
//!    `format_reader`, `files`, `bombs`
//! 10. nothing is understood silently: `files`
//! 11. no single bar, producer, reader, clock step or full disk takes the day away: `misdated`,
//!     `clocks`, `full`, `disks`, `lost_ring`
//! 12. a trading day is the exchange's: `calendars`, `holidays`, `days`, `gaps`
//! 13. a complete minute is known to be complete: `minutes`
//! 14. live and archived bars come as one sequence: `history`, `migrate`
#![forbid(unsafe_code)]

mod access;
mod alarms;
mod archive;
mod backup;
mod bad_input;
mod bombs;
mod c_examples;
mod c_reader;
mod c_stream;
mod calendars;
mod clocks;
mod commands;
mod conformance;
mod corpora;
mod days;
mod demo;
mod disks;
mod files;
mod format_reader;
mod full;
mod gaps;
mod health;
mod held_rings;
mod history;
mod holidays;
mod keep;
mod kill_loop;
mod lag;
mod lost_ring;
mod migrate;
mod minutes;
mod misdated;
mod places;
mod publish;
mod python_package;
mod readers;
mod reading;
mod real_bars;
mod replay;
mod restart;
mod restore;
mod rollback;
mod silent_daemon;
mod soak;
mod sources;
mod stock_readers;
mod support;
mod symbols;
mod systemd;
mod top;
mod upgrade;
mod volumes;
