//! The status of a reader and of its bus.

use std::time::Duration;

use barbus_bars::{Date, date_from_epoch_days};
use barbus_ring::{Ring, SymbolId};
use jiff::Timestamp;

use crate::attach::attach;
use crate::bus::Bus;
use crate::liveness::{newest_age, writer_alive};
use crate::positions::readers_of;
use crate::reader::open::Reader;
use crate::stat::Stat;

impl Reader {
    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The texts of all symbols that ever occurred on the bus, by id.
    pub fn symbol_names(&mut self) -> &[String] {
        self.learn_symbols();
        self.symbols.names()
    }

    /// The text of a symbol's id.
    pub fn symbol_name(&mut self, id: SymbolId) -> Option<&str> {
        if id.0 as usize >= self.symbols.names().len() {
            self.learn_symbols();
        }
        #[cfg(feature = "archive")]
        if id.0 >= self.ring.geometry().symbols {
            return self.backfill_symbols.get(id);
        }
        self.symbols.get(id)
    }

    /// Sequence number of the next bar to be read.
    pub fn position(&self) -> u64 {
        self.ring_reader.position().seq
    }

    /// Identifies the continuous sequence of row numbers. A ring that continues another one has its
    /// lineage; a ring that starts anew has another.
    pub fn lineage(&self) -> u64 {
        self.ring.geometry().lineage
    }

    /// The trading day that was open when the last bars were written; `None` between two days.
    pub fn day(&mut self) -> Option<Date> {
        self.ring_reader.day(&self.ring).map(date_from_epoch_days)
    }

    /// Whether the bus's writer runs: it stores a heartbeat ten times a second, and counts as dead
    /// after a second without one.
    ///
    /// This costs some tens of nanoseconds. It makes no system call, except after the ring was
    /// replaced and before this reader has switched. In a quiet market a running writer has no new
    /// bars: see [`Reader::newest_age`].
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
            false => writer_alive(&self.ring),
            true => attach(&self.bus).is_ok_and(|ring| writer_alive(&ring)),
        }
    }

    /// How long ago the newest bar of the bus was received, of any symbol, read or not; `None` if
    /// the ring has no bar yet.
    ///
    /// This costs 100 to 200 ns. It makes no system call, except after the ring was replaced and
    /// before this reader has switched. After the switch to a new ring it is `None` until the first
    /// bar.
    pub fn newest_age(&self) -> Option<Duration> {
        let age = |ring: &Ring| newest_age(ring, Timestamp::now());
        let newer = self.ring.superseded().then(|| attach(&self.bus).ok().as_ref().and_then(age)).flatten();
        newer.or_else(|| age(&self.ring))
    }

    /// The state of the bus as its files show it, without the daemon.
    pub fn stat(&self) -> Stat {
        let mut stat = Stat::from_files(&self.ring, &self.bus);
        stat.set_readers(readers_of(&self.ring, &self.bus).ok().as_deref());
        stat
    }
}
