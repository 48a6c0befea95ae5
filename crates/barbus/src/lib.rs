//! The client library of barbus, a shared-memory bus for 1-minute bars.
//!
//! A bus is a directory. One process writes it: the daemon `barbusd`, or a program that embeds a
//! `barbus_writer::Writer`. Any number of processes read it, each with a [`Reader`]. The bars lie
//! in a file of fixed size, the ring, that every reader maps read-only. So reading makes no system
//! call and no copy through the kernel, and no reader can disturb the bus. Each trading day ends as
//! a Parquet file.
//!
//! What you should know first:
//! - The `frame` of a bar is its **end**, in milliseconds UTC. If a producer declares that it
//!   labels bars by their start, the daemon shifts the frames.
//! - The writer does not wait for readers. A reader that is too slow gets [`Event::Lapped`] with
//!   the exact number of bars it missed.
//! - A correction of a bar is another bar with the same symbol and frame, and a `revision` above 0.
//! - Bars are delivered in the order in which they were written. This is not always the order of
//!   their frames.
//! - A new bus has no ring until its writer is started for the first time: [`Error::NoRing`].
//! - Linux only.
//!
//! # Quick start
//!
//! On the command line: `barbus init BUS --calendar XSHG`, then `barbusd BUS`, then `barbus publish
//! BUS FILE…`. Here everything is in one program, which embeds the writer instead of running the
//! daemon:
//!
//! ```
//! use barbus::{Bus, Event, InitOptions, Reader, Row, Start};
//! use barbus_writer::Writer;
//! use std::time::Duration;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("ashare");
//! // A directory with a bus.toml that shows every setting with its default.
//! let bus = Bus::init(&path, &InitOptions { calendar: "XSHG".into(), ..Default::default() })?;
//!
//! // The writer creates the ring. It takes a lock, so there is only one.
//! let mut writer = Writer::open(&bus)?;
//! let symbol = writer.symbol("600000.XSHG").unwrap();
//! let open_ms = 1_720_056_600_000; // 2024-07-04 09:30 in Shanghai
//! for minute in 1..=30 {
//!     let close = 8.0 + minute as f64 / 100.0;
//!     let (open, high, low) = (close - 0.01, close, close - 0.01);
//!     let frame_ms = open_ms + minute * 60_000;
//!     writer.push(&Row { symbol, frame_ms, open, high, low, close, volume: 100.0, ..Default::default() })?;
//! }
//!
//! // A strategy, in this or in another process: it reads the day from its first bar on.
//! let mut reader = Reader::open(&path)?.start_at(Start::Today)?;
//! let mut closes = Vec::new();
//! while let Some(event) = reader.next(Duration::from_millis(10))? {
//!     match event {
//!         Event::Bars(bars) => closes.extend(bars.iter().map(|bar| bar.close)),
//!         Event::DayClosed(_) => closes.clear(),
//!         Event::Lapped { missed } => eprintln!("too slow: {missed} bars missed"),
//!         Event::Withdrawn(bars) => eprintln!("bars of {} were withdrawn", bars.day),
//!         Event::MinuteClosed(_) => {}
//!     }
//! }
//! let mean = |n: usize| closes.iter().rev().take(n).sum::<f64>() / n as f64;
//! assert!(mean(5) > mean(20), "prices rise");
//!
//! // Queries for one symbol need no bookkeeping in the strategy.
//! let last = reader.latest("600000.XSHG")?.expect("it is in the ring");
//! assert_eq!(last.close, 8.3);
//! assert_eq!(reader.window("600000.XSHG", 20)?.len(), 20);
//!
//! // The end of the day: readers get an event, and the day is written as a Parquet file.
//! let day = writer.close_day().expect("a day was open");
//! writer.flush()?;
//! assert_eq!(reader.next(Duration::from_secs(1))?, Some(Event::DayClosed(day)));
//! assert!(bus.archive().join("2024-07-04.parquet").exists());
//! # Ok::<(), barbus::Error>(())
//! ```
//!
//! # Where a reader starts, and how it waits
//!
//! [`Reader::start_at`] takes a [`Start`]: [`Start::Live`] (the default) is after the newest bar,
//! [`Start::Today`] at the first bar of the newest trading day, [`Start::Oldest`] at the oldest bar
//! in the ring. [`Start::Day`] and [`Start::Seq`] start at a day or at a sequence number. The same
//! loop reads past bars and live bars.
//!
//! [`Reader::poll`] never waits. [`Reader::next`] waits by the strategy of
//! [`Reader::wait_strategy`]:
//! [`WaitStrategy::Futex`] (the default) sleeps in the kernel; [`WaitStrategy::Spin`] has the
//! lowest latency and uses a whole core; [`WaitStrategy::SpinThenYield`] is between them. A program
//! with an event loop of its own polls.
//!
//! Each thread that reads has a reader of its own. Readers are cheap, and may be moved between
//! threads.
//!
//! # Batches, bars, and symbols
//!
//! [`Event::Bars`] is a batch. [`Bars::rows`] gives a slice to compute with; iterating gives each
//! [`Bar`] with the text of its symbol. A reader that is behind gets up to a thousand bars at a
//! time. A reader at the newest bar gets the bars since the last poll, often a single one.
//!
//! [`Reader::symbols`] filters by symbol:
//!
//! ```no_run
//! # use barbus::{Event, Reader, Start};
//! # use std::time::Duration;
//! let mut reader = Reader::open("BUS")?.start_at(Start::Today)?.symbols(["600000.XSHG", "000001.XSHE"]);
//! while let Some(event) = reader.next(Duration::from_secs(60))? {
//!     let Event::Bars(bars) = event else { continue };
//!     let volume: f64 = bars.rows().iter().map(|row| row.volume).sum();
//!     for bar in bars {
//!         println!("{} {} of {volume}", bar.symbol, bar.volume);
//!     }
//! }
//! # Ok::<(), barbus::Error>(())
//! ```
//!
//! # The last bars of a symbol
//!
//! [`Reader::latest`] and [`Reader::window`] answer from all that the ring holds, independent of
//! the reader's position. The first query reads the whole ring. After that an answer takes 30 to
//! 100 ns, and 240 bars take one or two microseconds with [`Reader::window_into`].
//!
//! # A strategy on past days
//!
//! [`Bus::replay`] delivers archived days through the same events. [`Reader`] and [`Replay`]
//! implement the trait [`Feed`], so a strategy that is generic over it runs on both:
//!
//! ```no_run
//! # #[cfg(feature = "archive")]
//! # fn main() -> barbus::Result<()> {
//! use barbus::{Bus, Date, Event, Feed, Pace, Reader, Result};
//! use std::time::Duration;
//!
//! fn strategy(feed: &mut impl Feed) -> Result<()> {
//!     while !feed.ended() {
//!         match feed.next(Duration::from_secs(1))? {
//!             Some(Event::Bars(bars)) => println!("{} bars", bars.len()),
//!             Some(Event::DayClosed(day)) => println!("{day} is closed"),
//!             Some(Event::Lapped { missed }) => println!("{missed} bars missed"),
//!             Some(Event::Withdrawn(bars)) => println!("bars of {} were withdrawn", bars.day),
//!             Some(Event::MinuteClosed(_)) | None => {}
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let bus = Bus::open("BUS")?;
//! let (from, to) = (Date::constant(2024, 7, 1), Date::constant(2024, 7, 5));
//! strategy(&mut bus.replay(from, to)?.pace(Pace::Times(60.0)))?;
//! strategy(&mut Reader::open("BUS")?)?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "archive"))]
//! # fn main() {}
//! ```
//!
//! [`Replay`] describes how a replay differs from the live day. The command `barbus replay`
//! publishes archived days to another bus, for strategies in other processes and other languages.
//!
//! # Complete minutes
//!
//! [`Reader::minutes`] delivers all bars of a minute at once, and then an [`Event::MinuteClosed`]
//! that names the symbols without a bar. [`Minutes`] describes when a minute closes, and what
//! becomes of late bars. A producer that knows when it has sent all bars of a minute says so with
//! [`Publisher::done`]. A replay has the same events: `Replay::minutes`.
//!
//! # Stale data and slow readers
//!
//! [`Reader::writer_alive`] and [`Reader::newest_age`] show whether there are fresh bars to trade
//! on; [`health`](health()) answers for a whole bus, by the sessions of its market.
//! [`readers`](readers()) and `barbus readers BUS` list the readers of a bus, with their lag
//! and what they hold; the daemon warns before it overtakes one. [`Reader::name`] gives a reader
//! its name in this list.
//!
//! # Many bars without a copy
//!
//! [`Reader::pin`] gives a [`View`]: the committed bars of a block as columns, or as an Arrow
//! record batch, in the memory of the ring. They are not copied, and they do not change while the
//! view is held. [`Reader::views`] iterates over views of all bars in the ring.
//!
//! # Producers
//!
//! [`Publisher`] sends Arrow batches to the daemon. They may have any columns that can be cast to
//! bars. An acknowledgement counts the outcomes: invalid rows are quarantined with the reason, and
//! duplicates are ignored. A program in any other language connects to the daemon's socket and
//! writes an Arrow stream: see [`protocol`] and `docs/OPERATING.md`.
//!
//! # Features
//!
//! - `archive` (default): [`Bus::replay`], and [`verify`](verify()) of archived days. Without it
//!   the crate follows a bus, answers queries and publishes, and depends neither on `parquet` nor
//!   on `zstd`.
//! - `stream`: a reader or a replay becomes an `EventStream`, a `futures_core::Stream` for any
//!   executor.
//!
//! # Examples
//!
//! `examples/` has `strategy`, `late_joiner`, `recorder` and `producer`. The example
//! `embedded_writer` of barbus-writer needs no daemon: `cargo run -p barbus-writer --example
//! embedded_writer`.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "archive"), allow(rustdoc::broken_intra_doc_links))]

mod ack;
mod archived_days;
#[cfg(feature = "archive")]
mod archived_rows;
mod attach;
mod backoff;
#[cfg(feature = "archive")]
mod backup;
mod bus;
mod calendar_files;
mod close_day;
mod connecting;
mod daemon_process;
mod done_message;
mod error;
mod event;
#[cfg(feature = "stream")]
mod event_stream;
mod feed;
mod folders;
#[cfg(feature = "archive")]
mod gaps;
mod health;
#[cfg(feature = "archive")]
mod history;
mod ingest_stream;
#[doc(hidden)]
pub mod internal;
#[cfg(feature = "archive")]
mod keep;
mod liveness;
mod log_limit;
mod minutes;
#[cfg(feature = "archive")]
mod missing;
mod monitor;
#[cfg(feature = "stream")]
mod owned_event;
mod owners;
mod positions;
pub mod protocol;
mod publisher;
mod reader;
mod relays;
mod removed;
#[cfg(feature = "archive")]
mod replay;
mod requests;
#[cfg(feature = "archive")]
mod resampled;
mod ring_rows;
mod settings;
mod socket;
mod stat;
mod suggestion;
mod symbol_filter;
mod symbol_table;
mod verify;
mod withdrawn;
mod withdrawn_rows;

/// The Arrow crate of the batches and views.
#[doc(no_inline)]
pub use arrow;
#[cfg(feature = "archive")]
pub use backup::{BackupReport, RestoreReport, backup, check_backup, is_backup, restore};
pub use barbus_bars::{Date, Fault, Interval};
pub use barbus_ring::{Row, SymbolId};
pub use bus::Bus;
pub use calendar_files::calendars;
pub use close_day::{request_close_day, request_close_day_within};
pub use connecting::ConnectOptions;
pub use error::{Error, Result};
pub use event::{Bar, Bars, BarsIter, Event};
#[cfg(feature = "stream")]
pub use event_stream::EventStream;
pub use feed::Feed;
/// The crate of the `Stream` trait.
#[cfg(feature = "stream")]
#[doc(no_inline)]
pub use futures_core;
#[cfg(feature = "archive")]
pub use gaps::{DayGaps, GapSource, Gaps, MinuteRange, SessionGaps, SymbolGaps};
pub use health::{Health, health};
#[cfg(feature = "archive")]
pub use history::{Adjust, Answer, BarsQuery, Bound, History, Panel, Shortfall};
#[cfg(feature = "archive")]
pub use keep::{DatedFile, KeepPlan};
pub use minutes::{MinuteClosed, MinuteOptions, MinuteSource, Minutes};
#[cfg(feature = "stream")]
pub use owned_event::{OwnedBars, OwnedEvent};
pub use positions::{ReaderStat, ReaderState, readers};
pub use publisher::Publisher;
#[cfg(feature = "archive")]
pub use reader::OnGap;
pub use reader::{Reader, Start, View, Views, WaitStrategy};
pub use relays::{RelayDirection, RelayStat, relays};
pub use removed::RemovedDay;
#[cfg(feature = "archive")]
pub use replay::{Pace, Replay, Schedule};
pub use requests::{request_withdraw, request_withdraw_within, stat, stat_within};
#[cfg(feature = "archive")]
pub use resampled::Resampled;
pub use settings::{Account, InitOptions, Keep, OutsideSessions, Settings, Sources};
pub use verify::{VerifyReport, verify};
pub use withdrawn::{Selection, WithdrawalRecord};
