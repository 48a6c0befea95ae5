//! Queries for one symbol: its newest bar, and its last bars.

use barbus_ring::{Row, SymbolId};

#[cfg(feature = "archive")]
use crate::error::Error;
use crate::error::Result;
use crate::reader::index::SymbolIndex;
#[cfg(feature = "archive")]
use crate::reader::older_bars::OlderBars;
use crate::reader::open::Reader;
use crate::reader::start::{Start, corrupt, ring_reader_at};
use crate::reader::withdrawn_bars::WithdrawnBars;

impl Reader {
    /// The newest bar of a symbol: the last revision of its highest frame. `None` if the symbol
    /// has none. A bar that is no longer in the ring comes from the archive.
    ///
    /// The answer does not depend on the reader's position. The first query reads the whole
    /// ring. Later ones read only the rows since then: 30 to 100 ns if there are none.
    ///
    /// # Errors
    /// [`Error::UnknownSymbol`](crate::Error::UnknownSymbol) if the symbol never occurred on the
    /// bus.
    pub fn latest(&mut self, symbol: &str) -> Result<Option<Row>> {
        // Not by `copied`, which would copy the row twice.
        match self.last(symbol, 1) {
            Ok([.., row]) => Ok(Some(*row)),
            Ok([]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The last `count` bars of a symbol, oldest first, each in its last revision; fewer if the bus
    /// has no more.
    ///
    /// Bars that were withdrawn are left out.
    /// Bars that are no longer in the ring come from the archive: they have no `seq`,
    /// `received_ns` and `revision`. The first such answer reads files; it is kept until the ring
    /// has lost more.
    ///
    /// # Errors
    /// As [`Reader::latest`].
    pub fn window(&mut self, symbol: &str, count: usize) -> Result<Vec<Row>> {
        self.last(symbol, count).map(<[Row]>::to_vec)
    }

    /// As [`Reader::window`], into a vector of the caller, whose memory is reused.
    ///
    /// # Errors
    /// As [`Reader::latest`].
    pub fn window_into(&mut self, symbol: &str, count: usize, rows: &mut Vec<Row>) -> Result<()> {
        rows.clear();
        rows.extend_from_slice(self.last(symbol, count)?);
        Ok(())
    }

    /// As [`Reader::window`], without a copy: the reader lends the bars until its next call.
    ///
    /// # Errors
    /// As [`Reader::latest`].
    #[inline]
    pub fn window_ref(&mut self, symbol: &str, count: usize) -> Result<&[Row]> {
        self.last(symbol, count)
    }

    /// The last bars of a symbol, in the index.
    #[inline]
    fn last(&mut self, symbol: &str, count: usize) -> Result<&[Row]> {
        if self.ring.superseded() && self.has_successor()? {
            return self.successor.as_mut().expect("there is one").last(symbol, count);
        }
        self.learn_symbols();
        let id = match self.symbols.id(symbol, self.bus.path()) {
            Ok(id) => id,
            #[cfg(feature = "archive")]
            Err(Error::UnknownSymbol { .. }) => return self.with_older_bars(symbol, Vec::new(), count),
            Err(error) => return Err(error),
        };
        let corrupt = || corrupt(&self.bus);
        let index = match &mut self.index {
            Some(index) => index,
            none => {
                let oldest = ring_reader_at(&self.bus, &self.ring, Start::Oldest)?;
                none.insert(SymbolIndex::build(&self.ring, oldest).ok_or_else(corrupt)?)
            }
        };
        if !index.catch_up(&self.ring) {
            return Err(corrupt());
        }
        if self.ring.withdrawals() != index.withdrawals() {
            self.leave_out_withdrawn()?;
        }
        let index = self.index.as_ref().expect("it was built");
        match index.has_copied(id, count) {
            true => Ok(self.index.as_ref().expect("it was built").copied(id, count)),
            false => self.copy_last(symbol, id, count),
        }
    }

    /// Copies the last bars of a symbol from the ring, and what it does not have from the archive.
    #[cold]
    #[cfg_attr(not(feature = "archive"), expect(unused_variables, reason = "the archive is asked by the text"))]
    fn copy_last(&mut self, symbol: &str, id: SymbolId, count: usize) -> Result<&[Row]> {
        let index = self.index.as_mut().expect("it was built");
        let found = index.last(&self.ring, id, count).ok_or_else(|| corrupt(&self.bus))?.len();
        #[cfg(feature = "archive")]
        {
            if index.contiguous_from() != self.older_bars.contiguous_from {
                self.find_lost_bars();
            }
            let index = self.index.as_ref().expect("it was built");
            if found < count || !index.has_copied(id, count) {
                let in_ring = index.copied(id, found).to_vec();
                return self.with_older_bars(symbol, in_ring, count);
            }
        }
        Ok(self.index.as_ref().expect("it was built").copied(id, found))
    }

    /// Bars were withdrawn since the last answer: the answers leave them out.
    #[cold]
    fn leave_out_withdrawn(&mut self) -> Result<()> {
        let withdrawn = WithdrawnBars::load(&self.bus, self.lineage(), self.ring.withdrawals())?;
        #[cfg(feature = "archive")]
        {
            self.older_bars = OlderBars::default();
        }
        let index = self.index.as_mut().expect("it was built");
        if index.leave_out(&self.ring, withdrawn) { Ok(()) } else { Err(corrupt(&self.bus)) }
    }

    /// The ring was replaced, and this reader may not have read all of it. Opens a reader of the
    /// new ring; returns whether there is one.
    #[cold]
    fn has_successor(&mut self) -> Result<bool> {
        let newest = self.successor.as_ref().map_or(&self.ring, |successor| &successor.ring);
        // The writer marks the old ring a moment before it puts the new file in its place.
        if newest.superseded() && !newest.is_at_its_path() {
            self.successor = Some(Box::new(Self::open(self.bus.path())?));
        }
        Ok(self.successor.is_some())
    }
}
