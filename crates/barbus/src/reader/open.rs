//! `Reader`: how it is opened and configured.

use std::path::Path;

use barbus_ring::{Ring, RingReader, Row};

use crate::attach::attach;
use crate::bus::Bus;
#[cfg(not(feature = "archive"))]
use crate::error::Error;
use crate::error::Result;
use crate::positions::PositionReporter;
#[cfg(feature = "archive")]
use crate::reader::backfill::{Backfill, Beginning};
use crate::reader::index::SymbolIndex;
#[cfg(feature = "archive")]
use crate::reader::older_bars::OlderBars;
#[cfg(feature = "archive")]
use crate::reader::on_gap::OnGap;
use crate::reader::start::{Start, ring_reader_at};
use crate::reader::view::ViewFactory;
use crate::reader::wait_strategy::{SpinBudget, WaitStrategy};
use crate::reader::withdrawal_feed::WithdrawalFeed;
use crate::symbol_filter::SymbolFilter;
use crate::symbol_table::SymbolTable;
use barbus_bars::Date;

/// A reader of a bus: a private position in the shared ring.
///
/// Any number of processes may have readers, and none can disturb the bus. Following makes no
/// system call, because the ring is mapped into this process. A reader continues after a restart of
/// the daemon, and after the ring was replaced by a new file.
///
/// A reader may move to another thread, but it cannot be shared: each thread that reads has one of
/// its own.
///
/// ```no_run
/// use std::time::Duration;
/// use barbus::{Event, Reader, Start};
///
/// let mut reader = Reader::open("/var/lib/barbus/ashare")?.start_at(Start::Today)?;
/// loop {
///     match reader.next(Duration::from_secs(1))? {
///         Some(Event::Bars(bars)) => {
///             for bar in bars {
///                 println!("{} {} {}", bar.symbol, bar.frame_ms, bar.close);
///             }
///         }
///         Some(Event::DayClosed(day)) => println!("{day} is closed"),
///         Some(Event::Lapped { missed }) => println!("too slow: {missed} bars missed"),
///         Some(Event::Withdrawn(bars)) => println!("bars of {} were withdrawn", bars.day),
///         Some(Event::MinuteClosed(_)) | None => {}
///     }
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    pub(super) bus: Bus,
    pub(super) ring: Ring,
    pub(super) ring_reader: RingReader,
    /// The bars of the last event.
    pub(super) rows: Vec<Row>,
    pub(super) symbols: SymbolTable,
    /// The withdrawals that this reader has delivered.
    pub(super) withdrawals: WithdrawalFeed,
    pub(super) filter: Option<SymbolFilter>,
    /// For queries for one symbol; built by the first one.
    pub(super) index: Option<SymbolIndex>,
    /// A reader of the new ring. It answers queries while this reader has not read all of a
    /// replaced ring.
    pub(super) successor: Option<Box<Reader>>,
    pub(super) view_factory: Option<ViewFactory>,
    /// Whether this reader had to copy a block because it had pinned as many as it may.
    pub(super) pin_limit_reached: bool,
    pub(super) wait: WaitStrategy,
    pub(super) spins: SpinBudget,
    pub(super) stops_at_signals: bool,
    /// Whether a signal ended the last wait.
    pub(super) interrupted: bool,
    pub(super) reporter: PositionReporter,
    /// Whether the next poll has to register the reader, or delivers from the archive.
    pub(super) is_starting: bool,
    /// Closes up to this day were before the start.
    pub(super) closed_before: Option<Date>,
    #[cfg(feature = "archive")]
    pub(super) on_gap: OnGap,
    /// What is delivered before the ring.
    #[cfg(feature = "archive")]
    pub(super) backfill: Option<Backfill>,
    /// The texts of the symbols of these bars by id. Ids that the ring does not have are behind
    /// those that it has room for.
    #[cfg(feature = "archive")]
    pub(super) backfill_symbols: SymbolTable,
    /// Bars for [`Reader::window`] that the ring does not have.
    #[cfg(feature = "archive")]
    pub(super) older_bars: OlderBars,
}

// A reader may move to another thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Reader>();
};

impl Reader {
    /// Attaches to the bus at `path`, at [`Start::Live`].
    ///
    /// # Errors
    /// [`Error::NotABus`](crate::Error::NotABus) or [`Error::Settings`](crate::Error::Settings) for
    /// an invalid directory, [`Error::NoRing`](crate::Error::NoRing) before the bus's writer has
    /// been started for the first time, [`Error::OtherBoot`](crate::Error::OtherBoot) before it has
    /// been started after a reboot, [`Error::Ring`](crate::Error::Ring) for a ring that cannot be
    /// read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let bus = Bus::open(path)?;
        let ring = attach(&bus)?;
        let ring_reader = ring_reader_at(&bus, &ring, Start::Live)?;
        let withdrawals = WithdrawalFeed::after(ring.withdrawals());
        Ok(Self {
            bus,
            ring,
            ring_reader,
            rows: Vec::new(),
            symbols: SymbolTable::default(),
            withdrawals,
            filter: None,
            index: None,
            successor: None,
            view_factory: None,
            pin_limit_reached: false,
            wait: WaitStrategy::default(),
            spins: SpinBudget::default(),
            stops_at_signals: false,
            interrupted: false,
            reporter: PositionReporter::Pending(None),
            is_starting: true,
            closed_before: None,
            #[cfg(feature = "archive")]
            on_gap: OnGap::default(),
            #[cfg(feature = "archive")]
            backfill: None,
            #[cfg(feature = "archive")]
            backfill_symbols: SymbolTable::default(),
            #[cfg(feature = "archive")]
            older_bars: OlderBars::default(),
        })
    }

    /// Moves the reader to `start`.
    ///
    /// If the ring has lost the beginning of that day, the bars come from the archive first: see
    /// [`OnGap`](crate::OnGap).
    ///
    /// # Errors
    /// [`Error::Start`](crate::Error::Start) if neither the ring nor the archive has a bar of that
    /// day or a later one, or if the sequence number is in the future.
    pub fn start_at(mut self, start: Start) -> Result<Self> {
        self.closed_before = None;
        #[cfg(feature = "archive")]
        {
            self.backfill = None;
            let day = match start {
                Start::Day(day) => Some(Some(day)),
                Start::Today => Some(None),
                _ => None,
            };
            if let Some(day) = day {
                let beginning = Beginning::of_day(&self.bus, &self.ring, day, self.on_gap)?;
                self.ring_reader = beginning.ring_reader;
                self.closed_before = beginning.closed_before;
                self.backfill = beginning.backfill;
                self.is_starting = true;
                self.reporter.set_position(self.position());
                return Ok(self);
            }
        }
        self.ring_reader = ring_reader_at(&self.bus, &self.ring, start)?;
        #[cfg(not(feature = "archive"))]
        self.check_beginning(start)?;
        self.reporter.set_position(self.position());
        Ok(self)
    }

    /// Without the archive it cannot be known whether the ring has lost the beginning of the day.
    #[cfg(not(feature = "archive"))]
    fn check_beginning(&self, start: Start) -> Result<()> {
        let oldest = ring_reader_at(&self.bus, &self.ring, Start::Oldest)?.position().seq;
        if !matches!(start, Start::Today | Start::Day(_)) || self.position() > oldest || oldest == 0 {
            return Ok(());
        }
        let what = "the ring may have lost the beginning of the day: start at its oldest bar, \
                    or build barbus with the feature archive";
        Err(Error::Start { bus: self.bus.path().to_owned(), what: what.to_owned() })
    }

    /// Sets what [`Reader::start_at`] does if the ring has lost the beginning of the day; without
    /// it, [`OnGap::Fill`](crate::OnGap::Fill). Call it before [`Reader::start_at`].
    #[cfg(feature = "archive")]
    pub fn on_gap(mut self, on_gap: OnGap) -> Self {
        self.on_gap = on_gap;
        self
    }

    /// Names the reader in the list of readers ([`readers`](crate::readers()), `barbus readers`);
    /// without it, the list has the name of the process. At most 64 bytes are kept.
    ///
    /// The list shows a reader from its first poll, wait, pin or view until it is dropped or its
    /// process ends. The reader reports its position in a small file of its own in the bus's
    /// `readers/`: one store to mapped memory for each call that finds something. If the file
    /// cannot be created, the reader works without it. A reader that only makes queries
    /// ([`Reader::latest`], [`Reader::window`]) is not listed.
    ///
    /// A forked child must open a reader of its own. If it used its parent's reader, it would move
    /// the position that the parent reports.
    pub fn name(mut self, name: &str) -> Self {
        self.reporter = PositionReporter::Pending(Some(name.to_owned()));
        self.is_starting = true;
        self
    }

    /// Hides the reader from the list of readers: no process sees its position, and the daemon does
    /// not warn when it falls behind. `readers.positions = false` in `bus.toml` does this for all
    /// readers of a bus.
    pub fn anonymous(mut self) -> Self {
        self.reporter = PositionReporter::Off;
        self
    }

    /// Sets how [`Reader::wait`] and [`Reader::next`] wait; without it, [`WaitStrategy::Futex`].
    pub fn wait_strategy(mut self, wait: WaitStrategy) -> Self {
        self.wait = wait;
        self
    }

    /// Ends a wait early, without an event, if a signal handler ran while the reader slept in the
    /// kernel: [`Reader::was_interrupted`] is then true. Without it, the reader sleeps on. A reader
    /// that spins does not notice signals.
    pub fn stop_at_signals(mut self) -> Self {
        self.stops_at_signals = true;
        self
    }

    /// Delivers only bars of these symbols. A symbol may be new to the bus later.
    ///
    /// This filters what [`Reader::poll`] and [`Reader::next`] deliver. Closes of days are always
    /// delivered, and [`Event::Lapped`](crate::Event::Lapped) counts missed bars of all symbols.
    /// [`Reader::pin`] shows all bars, and [`Reader::latest`] and [`Reader::window`] answer for
    /// every symbol.
    ///
    /// ```no_run
    /// let mut reader = barbus::Reader::open("BUS")?.symbols(["600000.XSHG", "000001.XSHE"]);
    /// # Ok::<(), barbus::Error>(())
    /// ```
    pub fn symbols<S: Into<String>>(mut self, symbols: impl IntoIterator<Item = S>) -> Self {
        self.filter = Some(SymbolFilter::new(symbols));
        self
    }

    /// Whether this reader delivers only bars of some symbols: see [`Reader::symbols`].
    pub fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }
}
