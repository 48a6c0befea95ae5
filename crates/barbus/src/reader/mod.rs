//! Reading a bus: positions, events, waiting, and the last bars of a symbol.

mod event;
mod index;
mod presence;
mod view;
mod wait;

use std::path::Path;
use std::time::{Duration, Instant};

use barbus_bars::Date;
use barbus_ring::{Polled, Ring, RingError, RingReader, Row, SymbolId};

pub use event::{Bar, Bars, BarsIter, Event};
use index::Index;
use presence::Presence;
use view::Viewer;
pub use view::{View, Views};
pub use wait::WaitStrategy;

use crate::filter::Filter;
use crate::protocol::Stat;
use crate::symbols::Symbols;
use crate::{Bus, Error, Result};
use barbus_bars::{date_from_epoch_days, epoch_days};

/// Bars of one [`Event::Bars`] at most.
const BATCH: usize = 1_024;

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Behind the newest bar: only what comes from now on.
    #[default]
    Live,
    /// At the oldest bar that the ring still holds.
    Oldest,
    /// At the first bar of the newest trading day.
    Today,
    /// At the first bar of a trading day, or of the first later one in the ring.
    Day(Date),
    /// At a sequence number; where it is gone already, the first event is [`Event::Lapped`].
    Seq(u64),
}

/// A reader of a bus: a private position in the shared ring. Any number of processes may have one; none can disturb the bus.
///
/// Following makes no system call: the bars are in this process's memory. It goes on by itself when the daemon restarts and when the
/// ring is replaced.
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
///         Some(Event::DayClosed(day)) => println!("{day} is over"),
///         Some(Event::Lapped { missed }) => println!("too slow: {missed} bars missed"),
///         None => {}
///     }
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), barbus::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    bus: Bus,
    ring: Ring,
    ring_reader: RingReader,
    rows: Vec<Row>,
    symbols: Symbols,
    filter: Option<Filter>,
    index: Option<Index>,
    /// Answers for the ring that has taken this one's place, until this reader is there itself.
    ahead: Option<Box<Reader>>,
    viewer: Option<Viewer>,
    wait: WaitStrategy,
    presence: Presence,
}

// A reader may be made in one thread and used in another.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Reader>();
};

/// What a poll came to; the bars of an event are in `rows`.
enum Step {
    Bars,
    Closed(Date),
    Lapped(u64),
    Nothing,
}

pub(crate) fn attach(bus: &Bus) -> Result<Ring> {
    let path = bus.ring();
    if !path.exists() {
        return Err(Error::NoRing { ring: path, bus: bus.path().to_owned() });
    }
    let ring = Ring::attach(&path)?;
    // What was not on disk when the machine went down may be torn.
    if !ring.is_of_this_boot() {
        return Err(Error::OtherBoot { ring: path, bus: bus.path().to_owned() });
    }
    Ok(ring)
}

impl Reader {
    /// Attaches to the bus at `path`, at [`Start::Live`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let bus = Bus::open(path)?;
        let ring = attach(&bus)?;
        let ring_reader = start(&bus, &ring, Start::Live)?;
        Ok(Self {
            bus,
            ring,
            ring_reader,
            rows: Vec::new(),
            symbols: Symbols::default(),
            filter: None,
            index: None,
            ahead: None,
            viewer: None,
            wait: WaitStrategy::default(),
            presence: Presence::Due(None),
        })
    }

    /// Moves the reader to `at`.
    ///
    /// # Errors
    /// [`Error::Start`] if the ring holds no such bar.
    pub fn start_at(mut self, at: Start) -> Result<Self> {
        self.ring_reader = start(&self.bus, &self.ring, at)?;
        self.presence.moved(self.position());
        Ok(self)
    }

    /// Gives it a name for those who look after the bus (`barbus readers`): at most 64 bytes of it are kept. Without one it has its process's.
    ///
    /// A reader is listed from its first look for bars on ([`Reader::poll`], [`Reader::next`], [`Reader::wait`], [`Reader::pin`], [`Reader::views`]) until it is
    /// dropped or its process ends: it keeps its position in a small file of its own in the bus's `readers/`. That is one store to its own memory
    /// for each call that finds something; where the file cannot be made the reader reads all the same. One that only asks
    /// ([`Reader::latest`], [`Reader::window`]) is not listed. A forked child that goes on with its parent's reader moves the parent's position: it
    /// should open one of its own.
    pub fn name(mut self, name: &str) -> Self {
        self.presence = Presence::Due(Some(name.to_owned()));
        self
    }

    /// Keeps its position to itself: nobody sees how far it is, and nobody is warned when it falls behind. `readers.positions = false` in `bus.toml`
    /// is the same for all readers of a bus.
    pub fn anonymous(mut self) -> Self {
        self.presence = Presence::Unseen;
        self
    }

    /// Sets how [`Reader::wait`] and [`Reader::next`] wait; without it, [`WaitStrategy::Futex`].
    pub fn wait_strategy(mut self, wait: WaitStrategy) -> Self {
        self.wait = wait;
        self
    }

    /// Gives out bars of these symbols only; which of them are not on the bus yet are waited for.
    ///
    /// It is a filter of what [`Reader::poll`] and [`Reader::next`] give out: the close of a day is told as ever, [`Event::Lapped`] counts all
    /// bars that were missed, of whatever symbol, [`Reader::pin`] shows all that is there, and [`Reader::latest`] and [`Reader::window`]
    /// answer for every symbol.
    ///
    /// ```no_run
    /// let mut reader = barbus::Reader::open("BUS")?.symbols(["600000.XSHG", "000001.XSHE"]);
    /// # Ok::<(), barbus::Error>(())
    /// ```
    pub fn symbols<S: Into<String>>(mut self, symbols: impl IntoIterator<Item = S>) -> Self {
        self.filter = Some(Filter::new(symbols));
        self
    }

    /// The bus that is read.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// What comes next, if it is there: it never waits and makes no system call, but for the first one, which lists the reader
    /// ([`Reader::name`]).
    ///
    /// Bars come many at once, up to a thousand, when the reader is behind, and one by one when it is at the tip.
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Event<'_>>> {
        let step = self.step()?;
        Ok(self.event(step))
    }

    /// At the first look for bars: it is seen by others from now on.
    #[inline(always)]
    fn appear(&mut self) {
        if self.presence.is_due() {
            self.presence.appear(&self.bus, &self.ring, self.ring_reader.position().seq);
        }
    }

    #[inline(always)]
    fn step(&mut self) -> Result<Step> {
        self.appear();
        loop {
            self.rows.clear();
            let polled = self.ring_reader.poll(&self.ring, &mut self.rows, BATCH);
            if polled != Polled::Empty {
                self.presence.moved(self.ring_reader.position().seq);
            }
            match polled {
                Polled::Rows(_) => {}
                Polled::Empty if self.ring.superseded() => return self.follow(),
                Polled::Empty => return Ok(Step::Nothing),
                Polled::DayClosed(day) => return Ok(Step::Closed(date_from_epoch_days(day))),
                Polled::Lapped { missed } => return Ok(Step::Lapped(missed)),
                Polled::Corrupt => return Err(corrupt(&self.bus)),
            }
            self.learn_symbols();
            let Some(filter) = &mut self.filter else { return Ok(Step::Bars) };
            filter.keep(&mut self.rows, self.symbols.names());
            if !self.rows.is_empty() {
                return Ok(Step::Bars);
            }
        }
    }

    #[inline(always)]
    fn event(&self, step: Step) -> Option<Event<'_>> {
        match step {
            Step::Bars => Some(Event::Bars(Bars::new(&self.rows, self.symbols.names()))),
            Step::Closed(day) => Some(Event::DayClosed(day)),
            Step::Lapped(missed) => Some(Event::Lapped { missed }),
            Step::Nothing => None,
        }
    }

    /// The next bars where they lie, without a copy, and the position goes on behind them: all that is committed in the block that the reader
    /// is in, as columns, or an Arrow record batch, that stay what they are for as long as they are held.
    ///
    /// `None` where something else comes first, which [`Reader::poll`] tells: a day's close, bars that were missed, or nothing new. It makes two
    /// system calls, those of a lock, where there are bars: made for many at once, while `poll` is made for the next one. Where many blocks
    /// wait, [`Reader::views`] has fewer.
    pub fn pin(&mut self) -> Result<Option<View>> {
        self.appear();
        let Some(rows) = self.ring_reader.pin(&self.ring)? else { return Ok(None) };
        self.presence.moved(self.ring_reader.position().seq);
        Viewer::view(&mut self.viewer, &self.ring, &self.bus, rows).map(Some)
    }

    /// One view after the other, as [`Reader::pin`] gives them, up to where that gives `None`: for all that there is in the ring.
    ///
    /// ```no_run
    /// use barbus::arrow::datatypes::Float64Type;
    /// let mut reader = barbus::Reader::open("BUS")?.start_at(barbus::Start::Today)?;
    /// let mut turnover = 0.0;
    /// for view in reader.views() {
    ///     let view = view?;
    ///     let (Some(close), Some(volume)) = (view.column::<Float64Type>("close"), view.column::<Float64Type>("volume")) else { break };
    ///     turnover += close.iter().zip(volume).map(|(close, volume)| close * volume).sum::<f64>();
    /// }
    /// # Ok::<(), barbus::Error>(())
    /// ```
    ///
    /// Blocks that lie one behind the other in the ring are locked by one call, at most 16 and an eighth of the ring: while the iterator
    /// lives it holds so many, those that it comes to next or has come past, besides what its views hold. Each view holds its own block alone.
    pub fn views(&mut self) -> Views<'_> {
        self.appear();
        Views::new(self.ring_reader.pin_each(&self.ring), &mut self.viewer, &self.bus, &self.presence)
    }

    /// Waits until there is something to poll, at most `timeout`; true when there is.
    ///
    /// Who has slept in the kernel sees whether the ring's file was cut off meanwhile, which is an error.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        self.appear();
        let (ring, ring_reader) = (&self.ring, &self.ring_reader);
        Ok(wait::until(ring, self.wait, timeout, || ring_reader.is_ready(ring) || ring.superseded())?)
    }

    /// What comes next, waiting for it at most `timeout`.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event<'_>>> {
        let step = match self.filter {
            None => {
                self.wait(timeout)?;
                self.step()?
            }
            Some(_) => self.next_wanted(timeout)?,
        };
        Ok(self.event(step))
    }

    /// Waits on where all that came was filtered out.
    fn next_wanted(&mut self, timeout: Duration) -> Result<Step> {
        let end = Instant::now().checked_add(timeout);
        let mut left = timeout;
        loop {
            let come = self.wait(left)?;
            let step = self.step()?;
            left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if !matches!(step, Step::Nothing) || !come || left.is_zero() {
                return Ok(step);
            }
        }
    }

    /// The newest bar of a symbol: of the highest frame, its last revision. `None` where it is no longer in the ring.
    ///
    /// The first call reads the ring; later ones only what came since, and take 30 to 100 ns where nothing did.
    ///
    /// # Errors
    /// [`Error::UnknownSymbol`] where it was never on the bus.
    pub fn latest(&mut self, symbol: &str) -> Result<Option<Row>> {
        Ok(self.last(symbol, 1)?.last().copied())
    }

    /// The last `count` bars of a symbol that the ring holds, oldest first, the last revision of each.
    ///
    /// Where somebody holds a block longer than the ring goes round, bars may be missing between its bars and the others: their frames tell.
    ///
    /// # Errors
    /// As [`Reader::latest`].
    pub fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>> {
        self.last(symbol, count).map(<[Row]>::to_vec)
    }

    /// As [`Reader::window`], into rows of the caller's, whose memory is used again.
    ///
    /// # Errors
    /// As [`Reader::latest`].
    pub fn window_into(&mut self, symbol: &str, count: usize, rows: &mut Vec<Row>) -> Result<()> {
        rows.clear();
        rows.extend_from_slice(self.last(symbol, count)?);
        Ok(())
    }

    /// The last bars of a symbol, in the index.
    #[inline]
    fn last(&mut self, symbol: &str, count: usize) -> Result<&[Row]> {
        if self.ring.superseded() && self.look_ahead()? {
            return self.ahead.as_mut().expect("looked at above").last(symbol, count);
        }
        let id = self.symbol_id(symbol)?;
        let corrupt = || corrupt(&self.bus);
        let index = match &mut self.index {
            Some(index) => index,
            none => {
                let oldest = start(&self.bus, &self.ring, Start::Oldest)?;
                none.insert(Index::build(&self.ring, oldest).ok_or_else(corrupt)?)
            }
        };
        match index.catch_up(&self.ring) {
            true => Ok(index.last(&self.ring, id, count)),
            false => Err(corrupt()),
        }
    }

    /// The ring was replaced, and there may be rows in it that were not read: whether another reader, of the new one, is there to be asked.
    #[cold]
    fn look_ahead(&mut self) -> Result<bool> {
        let newest = self.ahead.as_ref().map_or(&self.ring, |ahead| &ahead.ring);
        // The flag is raised a moment before the other file is there.
        if newest.superseded() && !newest.is_at_its_path() {
            self.ahead = Some(Box::new(Self::open(self.bus.path())?));
        }
        Ok(self.ahead.is_some())
    }

    /// Every symbol that was ever on the bus, by id.
    pub fn symbol_names(&mut self) -> &[String] {
        self.learn_symbols();
        self.symbols.names()
    }

    /// The text of a symbol's id.
    pub fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
        if id.0 as usize >= self.symbols.names().len() {
            self.learn_symbols();
        }
        self.symbols.get(id)
    }

    /// Sequence number of the next bar to be read.
    pub fn position(&self) -> u64 {
        self.ring_reader.position().seq
    }

    /// Names the line of sequence numbers that is read: another ring that follows on has the same, one that was laid out anew another.
    pub fn lineage(&self) -> u64 {
        self.ring.geometry().lineage
    }

    /// The trading day that was open when the last bars were written, where one was.
    pub fn day(&mut self) -> Option<Date> {
        self.ring_reader.day(&self.ring).map(date_from_epoch_days)
    }

    /// Whether the bus's writer is at work: it says so ten times a second, and counts as dead when it has not for a second. False after its end.
    ///
    /// It costs some tens of nanoseconds and makes no system call, but after a replacement of the ring that was not followed yet. An idle market
    /// does not make a writer dead: see [`Reader::newest_age`].
    ///
    /// ```
    /// # use barbus::{Bus, InitOptions, Reader, Row};
    /// # use barbus_writer::Writer;
    /// # use std::time::Duration;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let bus = Bus::init(&dir.path().join("bus"), &InitOptions { calendar: "24x7".into(), ..Default::default() })?;
    /// # let mut writer = Writer::open(&bus)?;
    /// # let symbol = writer.symbol("600000.XSHG").unwrap();
    /// # writer.push(&Row { symbol, frame_ms: 1_720_056_660_000, ..Default::default() })?;
    /// let reader = Reader::open(bus.path())?;
    /// // A strategy that does not trade on stale data.
    /// let fresh = |age: Duration| age < Duration::from_secs(90);
    /// let may_trade = |reader: &Reader| reader.writer_alive() && reader.newest_age().is_some_and(fresh);
    /// assert!(may_trade(&reader));
    ///
    /// drop(writer);
    /// assert!(!may_trade(&reader));
    /// # Ok::<(), barbus::Error>(())
    /// ```
    pub fn writer_alive(&self) -> bool {
        match self.ring.superseded() {
            false => crate::stat::writer_alive(&self.ring),
            true => attach(&self.bus).is_ok_and(|ring| crate::stat::writer_alive(&ring)),
        }
    }

    /// How long ago the newest bar of the bus was received, read or not, of whatever symbol; `None` where the ring has none yet.
    ///
    /// It costs a hundred nanoseconds or two and makes no system call, but after a replacement of the ring that was not followed yet. In a new ring that
    /// has replaced another one it is `None` until the first bar.
    pub fn newest_age(&self) -> Option<Duration> {
        let age = |ring: &Ring| crate::stat::newest_age(ring, jiff::Timestamp::now());
        let newer = self.ring.superseded().then(|| attach(&self.bus).ok().as_ref().and_then(age)).flatten();
        newer.or_else(|| age(&self.ring))
    }

    /// What the ring, and the readers' files, tell of the bus without a daemon.
    pub fn stat(&self) -> Stat {
        let mut stat = Stat::from_files(&self.ring, &self.bus);
        stat.set_readers(crate::readers::of_ring(&self.ring, &self.bus).ok().as_deref());
        stat
    }

    /// The ring was replaced, and every row of the old one was read: goes on in the new one.
    #[cold]
    fn follow(&mut self) -> Result<Step> {
        // A row that was committed just before the old ring was superseded comes first.
        if self.ring_reader.is_ready(&self.ring) {
            return self.step();
        }
        let at = self.position();
        // The flag is raised a moment before the other file is there.
        if self.ring.is_at_its_path() {
            return Ok(Step::Nothing);
        }
        let ring = attach(&self.bus)?;
        if ring.geometry().lineage != self.ring.geometry().lineage {
            let what =
                "another ring is there, whose sequence numbers have nothing to do with those read: open another reader"
                    .into();
            return Err(Error::Start { bus: self.bus.path().to_owned(), what });
        }
        // Where the new file begins there: with what it tells before its first bar, the close of a day.
        let mut ring_reader = start(&self.bus, &ring, Start::Oldest)?;
        if ring_reader.position().seq != at {
            ring_reader = start(&self.bus, &ring, Start::Seq(at))?;
        }
        self.ring_reader = ring_reader;
        self.ring = ring;
        self.presence.turn_to(&self.ring, self.ring_reader.position().seq);
        self.symbols.clear();
        if let Some(filter) = &mut self.filter {
            filter.forget();
        }
        self.index = None;
        self.ahead = None;
        self.viewer = None;
        Ok(Step::Nothing)
    }

    #[inline]
    fn learn_symbols(&mut self) {
        let count = self.ring.symbol_count();
        while (self.symbols.names().len() as u32) < count {
            let id = SymbolId(self.symbols.names().len() as u32);
            self.symbols.push(self.ring.symbol(id).unwrap_or_default());
        }
    }

    fn symbol_id(&mut self, symbol: &str) -> Result<SymbolId> {
        self.learn_symbols();
        self.symbols.id(symbol, self.bus.path())
    }
}

#[cold]
fn corrupt(bus: &Bus) -> Error {
    let what = "its cursor, directory and block headers contradict each other".to_owned();
    Error::Ring(RingError::Corrupt { path: bus.ring(), what })
}

fn start(bus: &Bus, ring: &Ring, at: Start) -> Result<RingReader> {
    let start = match at {
        Start::Live => barbus_ring::RingStart::Live,
        Start::Oldest => barbus_ring::RingStart::Oldest,
        Start::Today => barbus_ring::RingStart::Today,
        Start::Day(day) => barbus_ring::RingStart::Day(epoch_days(day)),
        Start::Seq(seq) => barbus_ring::RingStart::Seq(seq),
    };
    RingReader::new(ring, start).map_err(|error| {
        let what = match (error, at) {
            (barbus_ring::StartError::NoSuchDay, Start::Day(day)) => {
                format!("the ring holds no bar of {day} or a later day: closed days are in {}", bus.archive().display())
            }
            _ => error.to_string(),
        };
        Error::Start { bus: bus.path().to_owned(), what }
    })
}
