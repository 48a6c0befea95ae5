//! The client library of barbus, a shared-memory bus for 1-minute bars.
//!
//! A bus is a directory. One process writes it, the daemon `barbusd` or a `barbus_writer::Writer` in a program of your own; any number of
//! processes read it with a [`Reader`]. Bars lie in a file that every reader maps into its memory, read-only: reading is
//! looking, and no reader can disturb the bus. Each trading day ends as a Parquet file.
//!
//! What may surprise:
//! - A bar's `frame` is its **end**, in milliseconds UTC. A producer that labels the start says so and is shifted.
//! - A reader that is too slow is not waited for. It is told [`Event::Lapped`] with the exact number of bars it missed.
//! - A correction of a bar is published as another bar of the same symbol and frame, with `revision` above 0.
//! - Bars come in the order in which they were written, which is not always that of their frames.
//! - A new bus has no ring until its writer has been started once: [`Error::NoRing`] says so.
//!
//! # From nothing to a strategy
//!
//! On the command line: `barbus init BUS --calendar XSHG`, then `barbusd BUS`, then `barbus publish BUS FILE…`. Or all of it
//! here, in one program, with the writer embedded instead of the daemon:
//!
//! ```
//! use barbus::{Bus, Event, InitOptions, Reader, Row, Start};
//! use barbus_writer::Writer;
//! use std::time::Duration;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("ashare");
//! // A directory with a bus.toml in which every setting stands with its default.
//! let bus = Bus::init(&path, &InitOptions { calendar: "XSHG".into(), ..Default::default() })?;
//!
//! // The one writer: it makes the ring, and takes a lock, so that a second one is refused.
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
//! // The strategy, in this process or in any other: the day from its first bar on, then what comes.
//! let mut reader = Reader::open(&path)?.start_at(Start::Today)?;
//! let mut closes = Vec::new();
//! while let Some(event) = reader.next(Duration::from_millis(10))? {
//!     match event {
//!         Event::Bars(bars) => closes.extend(bars.iter().map(|bar| bar.close)),
//!         Event::DayClosed(_) => closes.clear(),
//!         Event::Lapped { missed } => eprintln!("too slow: {missed} bars missed"),
//!     }
//! }
//! let mean = |n: usize| closes.iter().rev().take(n).sum::<f64>() / n as f64;
//! assert!(mean(5) > mean(20), "prices rise");
//!
//! // Questions about one symbol need no bookkeeping of your own.
//! let last = reader.latest("600000.XSHG")?.expect("it is in the ring");
//! assert_eq!(last.close, 8.3);
//! assert_eq!(reader.window("600000.XSHG", 20)?.len(), 20);
//!
//! // The end of the day: readers are told, and its file is written.
//! let day = writer.close_day().expect("a day was open");
//! writer.flush()?;
//! assert_eq!(reader.next(Duration::from_secs(1))?, Some(Event::DayClosed(day)));
//! assert!(bus.archive().join("2024-07-04.parquet").exists());
//! # Ok::<(), barbus::Error>(())
//! ```
//!
//! # Where a reader begins, and how it waits
//!
//! [`Start::Live`] is behind the newest bar, [`Start::Today`] at the first bar of the newest trading day, [`Start::Oldest`] at the
//! oldest bar in the ring, [`Start::Day`] and [`Start::Seq`] where they say. There is no seam between the past and the
//! present: one loop reads both.
//!
//! [`Reader::poll`] never waits and makes no system call. [`Reader::next`] waits in the way chosen with [`Reader::wait_strategy`]:
//! [`WaitStrategy::Futex`] sleeps, [`WaitStrategy::Spin`] is the quickest and takes a core, [`WaitStrategy::SpinThenYield`] is between them. A process that
//! has a loop of its own polls.
//!
//! A reader is [`Send`]: it may be made in one thread and used in another. Each thread that reads has one of its own; they cost next to nothing.
//!
//! # Batches, single bars, some symbols
//!
//! [`Event::Bars`] is a batch: [`Bars::rows`] is a slice to compute with, and iterating gives one [`Bar`] after the other, with its symbol's text. At
//! the tip a batch is what came since the last look, often one bar; a reader that is behind gets a thousand at a time.
//!
//! [`Reader::symbols`] leaves out the bars of other symbols:
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
//! [`Reader::latest`] and [`Reader::window`] answer from all that the ring holds, wherever the reader is. The first question reads the ring;
//! after that an answer takes 30 to 100 ns, and 240 bars a microsecond or two with [`Reader::window_into`].
//!
//! # The same strategy on yesterday
//!
//! [`Bus::replay`] gives archived days through the same events. What a strategy needs of its feed is the trait [`Feed`], which [`Reader`] and
//! [`Replay`] have; it does not know which of them it runs on:
//!
//! ```no_run
//! use barbus::{Bus, Date, Event, Feed, Pace, Reader, Result};
//! use std::time::Duration;
//!
//! fn strategy(feed: &mut impl Feed) -> Result<()> {
//!     while !feed.ended() {
//!         match feed.next(Duration::from_secs(1))? {
//!             Some(Event::Bars(bars)) => println!("{} bars", bars.len()),
//!             Some(Event::DayClosed(day)) => println!("{day} is over"),
//!             Some(Event::Lapped { missed }) => println!("{missed} bars missed"),
//!             None => {}
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let bus = Bus::open("BUS")?;
//! strategy(&mut bus.replay(Date::constant(2024, 7, 1), Date::constant(2024, 7, 5))?.pace(Pace::Times(60.0)))?;
//! strategy(&mut Reader::open("BUS")?)?;
//! # Ok::<(), barbus::Error>(())
//! ```
//!
//! A replay knows what the archive knows: [`Replay`] says what that is not. On the command line `barbus replay` publishes archived days to another
//! bus, for strategies in other processes and other languages.
//!
//! # Stale data, and who falls behind
//!
//! [`Reader::writer_alive`] and [`Reader::newest_age`] tell whether there is anything to trade on. How far each reader is, and what it holds, is
//! seen by [`readers`] and `barbus readers BUS`; the daemon warns before one is overtaken. [`Reader::name`] gives it a name there.
//!
//! # Many bars at once, where they lie
//!
//! [`Reader::pin`] gives a [`View`]: all that is committed of a block, as columns or an Arrow record batch that lie in the ring itself. Nothing is
//! copied, and nothing of it changes while it is held. [`Reader::views`] gives one after the other, for all that there is in the ring.
//!
//! # Asynchronous programs
//!
//! With the feature `stream` a reader or a replay becomes an `EventStream`, a `futures_core::Stream` for any executor: a thread of its own waits, the executor
//! does not.
//!
//! # Producers
//!
//! With a daemon, a producer in Rust is a [`Publisher`]: it sends Arrow batches with whatever columns and types can be understood
//! as bars, and learns what became of each row. Any other language connects to the socket and writes an Arrow stream; see
//! [`protocol`] and the project's `docs/OPERATING.md`.
//!
//! What is sent twice is not published twice; what cannot be a bar is kept in the quarantine with the reason, and counted.
//!
//! # Examples
//!
//! `strategy`, `late_joiner`, `recorder`, `producer` and `embedded_writer`, in `examples/`; the last one needs nothing but itself:
//! `cargo run -p barbus-writer --example embedded_writer`.
#![forbid(unsafe_code)]

mod ack;
mod archived_rows;
mod bus;
mod error;
mod feed;
mod filter;
#[doc(hidden)]
pub mod internal;
mod position;
pub mod protocol;
mod publisher;
mod reader;
mod readers;
mod replay;
mod settings;
mod stat;
#[cfg(feature = "stream")]
mod stream;
mod symbols;
mod verify;

/// The Arrow crate that batches and views are of.
#[doc(no_inline)]
pub use arrow;
pub use barbus_bars::{Date, Fault};
pub use barbus_ring::{Row, SymbolId};
pub use bus::Bus;
pub use error::{Error, Result};
pub use feed::Feed;
/// Where `Stream` is from.
#[cfg(feature = "stream")]
#[doc(no_inline)]
pub use futures_core;
pub use publisher::{Publisher, request_close_day, stat};
pub use reader::{Bar, Bars, BarsIter, Event, Reader, Start, View, Views, WaitStrategy};
pub use readers::{ReaderStat, ReaderState, readers};
pub use replay::{Pace, Replay, Schedule};
pub use settings::{Account, InitOptions, Settings};
#[cfg(feature = "stream")]
pub use stream::{EventStream, OwnedBars, OwnedEvent};
pub use verify::{VerifyReport, verify};
