//! `Reader`: how it is set up, and how it follows the bus.

use std::path::Path;
use std::time::{Duration, Instant};

use barbus_bars::{Date, date_from_epoch_days};
use barbus_ring::{Polled, Ring, RingReader, Row, SymbolId};

use crate::attach::attach;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::event::{Bars, Event};
use crate::positions::PositionReporter;
use crate::reader::index::SymbolIndex;
use crate::reader::start::{Start, corrupt, ring_reader_at};
use crate::reader::view::ViewFactory;
use crate::reader::wait_strategy::{WaitStrategy, wait_until};
use crate::symbol_filter::SymbolFilter;
use crate::symbol_table::SymbolTable;

/// Most bars of one [`Event::Bars`].
const BATCH: usize = 1_024;

/// A reader of a bus: a private position in the shared ring.
///
/// Any number of processes may have readers, and none can disturb the bus. Following makes no
/// system call, because the ring is mapped into this process. A reader continues by itself after a
/// restart of the daemon, and after the ring was replaced by a new file.
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
///         None => {}
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
    rows: Vec<Row>,
    pub(super) symbols: SymbolTable,
    filter: Option<SymbolFilter>,
    /// For questions about one symbol; built by the first one.
    pub(super) index: Option<SymbolIndex>,
    /// A reader of the new ring. It answers questions while this reader has not read all of a
    /// replaced ring.
    pub(super) successor: Option<Box<Reader>>,
    pub(super) view_factory: Option<ViewFactory>,
    wait: WaitStrategy,
    pub(super) reporter: PositionReporter,
}

// A reader may move to another thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Reader>();
};

/// The result of a poll; the bars of an event are in `rows`.
enum Step {
    Bars,
    DayClosed(Date),
    Lapped(u64),
    Nothing,
}

impl Reader {
    /// Attaches to the bus at `path`, at [`Start::Live`].
    ///
    /// # Errors
    /// [`Error::NotABus`] or [`Error::Settings`] for an invalid directory, [`Error::NoRing`] before
    /// the bus's writer has been started for the first time, [`Error::OtherBoot`] before it has
    /// been started after a reboot, [`Error::Ring`] for a ring that cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let bus = Bus::open(path)?;
        let ring = attach(&bus)?;
        let ring_reader = ring_reader_at(&bus, &ring, Start::Live)?;
        Ok(Self {
            bus,
            ring,
            ring_reader,
            rows: Vec::new(),
            symbols: SymbolTable::default(),
            filter: None,
            index: None,
            successor: None,
            view_factory: None,
            wait: WaitStrategy::default(),
            reporter: PositionReporter::Pending(None),
        })
    }

    /// Moves the reader to `start`.
    ///
    /// # Errors
    /// [`Error::Start`] if the ring holds no bar of that day or a later one, or if the sequence
    /// number is in the future.
    pub fn start_at(mut self, start: Start) -> Result<Self> {
        self.ring_reader = ring_reader_at(&self.bus, &self.ring, start)?;
        self.reporter.set_position(self.position());
        Ok(self)
    }

    /// Names the reader in the list of readers ([`readers`](crate::readers()), `barbus readers`);
    /// without it, the list has the name of the process. At most 64 bytes are kept.
    ///
    /// The list shows a reader from its first poll, wait, pin or view until it is dropped or its
    /// process ends. The reader reports its position in a small file of its own in the bus's
    /// `readers/`: one store to its memory for each call that finds something. If the file cannot
    /// be created, the reader works without it. A reader that only asks questions
    /// ([`Reader::latest`], [`Reader::window`]) is not listed.
    ///
    /// A forked child that goes on with its parent's reader would move the position that the parent
    /// reports. Let it open a reader of its own.
    pub fn name(mut self, name: &str) -> Self {
        self.reporter = PositionReporter::Pending(Some(name.to_owned()));
        self
    }

    /// Hides the reader from the list of readers: nobody sees its position, and the daemon does not
    /// warn when it falls behind. `readers.positions = false` in `bus.toml` does this for all
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

    /// Delivers only bars of these symbols. A symbol may be new to the bus later.
    ///
    /// This filters what [`Reader::poll`] and [`Reader::next`] deliver. Closes of days are
    /// delivered as ever, and [`Event::Lapped`] counts missed bars of all symbols. [`Reader::pin`]
    /// shows all bars, and [`Reader::latest`] and [`Reader::window`] answer for every symbol.
    ///
    /// ```no_run
    /// let mut reader = barbus::Reader::open("BUS")?.symbols(["600000.XSHG", "000001.XSHE"]);
    /// # Ok::<(), barbus::Error>(())
    /// ```
    pub fn symbols<S: Into<String>>(mut self, symbols: impl IntoIterator<Item = S>) -> Self {
        self.filter = Some(SymbolFilter::new(symbols));
        self
    }

    /// The next event; `None` if there is none yet. It does not wait.
    ///
    /// A reader that is behind gets up to a thousand bars at a time; at the newest bar it gets what
    /// has come since the last poll, often a single one. A poll makes no system call, except for
    /// the first one, which lists the reader ([`Reader::name`]), and for the one that switches to a
    /// new ring.
    ///
    /// # Errors
    /// [`Error::Ring`] if the ring is corrupt. After the ring was replaced: [`Error::Start`] if the
    /// new one has another series of sequence numbers, and the errors of [`Reader::open`].
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.step()?;
        Ok(self.event(step))
    }

    /// Waits until there is an event to poll, for at most `timeout`; returns whether there is one.
    ///
    /// # Errors
    /// [`Error::Ring`] if the ring's file was truncated while the reader slept in the kernel.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        self.register();
        let (ring, ring_reader) = (&self.ring, &self.ring_reader);
        Ok(wait_until(ring, self.wait, timeout, || ring_reader.is_ready(ring) || ring.superseded())?)
    }

    /// The next event; waits for it for at most `timeout`.
    ///
    /// # Errors
    /// As [`Reader::poll`] and [`Reader::wait`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        let step = match self.filter {
            None => {
                self.wait(timeout)?;
                self.step()?
            }
            Some(_) => self.next_filtered(timeout)?,
        };
        Ok(self.event(step))
    }

    /// As [`Reader::next`]; if all new bars were filtered out, it waits for more.
    fn next_filtered(&mut self, timeout: Duration) -> Result<Step> {
        let end = Instant::now().checked_add(timeout);
        let mut left = timeout;
        loop {
            let ready = self.wait(left)?;
            let step = self.step()?;
            left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if !matches!(step, Step::Nothing) || !ready || left.is_zero() {
                return Ok(step);
            }
        }
    }

    /// Lists the reader, before its first poll.
    #[inline(always)]
    pub(super) fn register(&mut self) {
        if self.reporter.is_pending() {
            self.reporter.register(&self.bus, &self.ring, self.ring_reader.position().seq);
        }
    }

    #[inline(always)]
    fn step(&mut self) -> Result<Step> {
        self.register();
        loop {
            self.rows.clear();
            let polled = self.ring_reader.poll(&self.ring, &mut self.rows, BATCH);
            if polled != Polled::Empty {
                self.reporter.set_position(self.ring_reader.position().seq);
            }
            match polled {
                Polled::Rows(_) => {}
                Polled::Empty if self.ring.superseded() => return self.switch_ring(),
                Polled::Empty => return Ok(Step::Nothing),
                Polled::DayClosed(day) => return Ok(Step::DayClosed(date_from_epoch_days(day))),
                Polled::Lapped { missed } => return Ok(Step::Lapped(missed)),
                Polled::Corrupt => return Err(corrupt(&self.bus)),
            }
            self.learn_symbols();
            let Some(filter) = &mut self.filter else { return Ok(Step::Bars) };
            filter.retain(&mut self.rows, self.symbols.names());
            if !self.rows.is_empty() {
                return Ok(Step::Bars);
            }
        }
    }

    #[inline(always)]
    fn event(&self, step: Step) -> Option<Event<'_>> {
        match step {
            Step::Bars => Some(Event::Bars(Bars::new(&self.rows, self.symbols.names()))),
            Step::DayClosed(day) => Some(Event::DayClosed(day)),
            Step::Lapped(missed) => Some(Event::Lapped { missed }),
            Step::Nothing => None,
        }
    }

    /// The ring was replaced: reads what is left of it, then switches to the new one.
    #[cold]
    fn switch_ring(&mut self) -> Result<Step> {
        // The writer may have committed a row after the last poll and before it replaced the ring.
        if self.ring_reader.is_ready(&self.ring) {
            return self.step();
        }
        // The writer marks the old ring a moment before it puts the new file in its place.
        if self.ring.is_at_its_path() {
            return Ok(Step::Nothing);
        }
        let ring = attach(&self.bus)?;
        if ring.geometry().lineage != self.ring.geometry().lineage {
            let what = "another ring with other sequence numbers has replaced this one: open a new reader".into();
            return Err(Error::Start { bus: self.bus.path().to_owned(), what });
        }
        let seq = self.position();
        // If the new ring continues at this row, start at its beginning: it may close a day before
        // its first row, which a start at the row itself would miss.
        let mut ring_reader = ring_reader_at(&self.bus, &ring, Start::Oldest)?;
        if ring_reader.position().seq != seq {
            ring_reader = ring_reader_at(&self.bus, &ring, Start::Seq(seq))?;
        }
        self.ring_reader = ring_reader;
        self.ring = ring;
        self.reporter.set_ring(&self.ring, self.ring_reader.position().seq);
        self.symbols.clear();
        if let Some(filter) = &mut self.filter {
            filter.forget_ids();
        }
        self.index = None;
        self.successor = None;
        self.view_factory = None;
        Ok(Step::Nothing)
    }

    /// Reads the texts of symbols that are new in the ring.
    #[inline]
    pub(super) fn learn_symbols(&mut self) {
        let count = self.ring.symbol_count();
        while (self.symbols.names().len() as u32) < count {
            let id = SymbolId(self.symbols.names().len() as u32);
            self.symbols.push(self.ring.symbol(id).unwrap_or_default());
        }
    }
}
