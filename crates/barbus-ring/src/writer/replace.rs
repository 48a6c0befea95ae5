//! Replacing a ring by a new file at the same path, for example of another size.

use std::path::Path;
use std::sync::PoisonError;

use barbus_shm::{Store, WriteMap, WriterMemory};

use super::RingWriter;
use crate::layout::*;
use crate::{RingError, Spec, SymbolId};

impl RingWriter {
    /// Creates another ring at `path`, in the place of this one, and becomes its writer.
    ///
    /// Sequence numbers and the open day continue; the symbols keep their ids if they fit. Every
    /// row of this ring must be archived ([`RingWriter::all_persisted`]): the new ring has none of
    /// them. Readers first return what they have not read of the old ring, then continue in the new
    /// one; rows that they have pinned stay. After an error the writer continues in this ring.
    pub fn replace(&mut self, path: &Path, spec: &Spec) -> Result<(), RingError> {
        let spec = Spec { lineage: self.ring.geometry.lineage, first_seq: self.next_seq, ..spec.clone() };
        self.switch_to(path, &spec, self.day)
    }

    /// As [`RingWriter::replace`], with the lineage and the first sequence number of `spec` and
    /// without an open day. Readers have to open the bus again.
    pub fn begin_lineage(&mut self, path: &Path, spec: &Spec) -> Result<(), RingError> {
        self.switch_to(path, spec, None)
    }

    fn switch_to(&mut self, path: &Path, spec: &Spec, day: Option<i64>) -> Result<(), RingError> {
        let (building, map) = crate::create::build(path, spec)?;
        let switched = self.build_successor(map, path, day).and_then(|new| {
            // The flag is set before the rename. A writer that dies between the two leaves the old
            // ring at the path, and the next writer clears the flag. In the other order no writer
            // could set the flag after a crash, and readers would stay in the old ring.
            self.set_superseded(true);
            crate::create::rename(&building, path)?;
            Ok(new)
        });
        match switched {
            Ok(new) => {
                // Readers that sleep on the old ring find the flag.
                self.wake();
                *self = new;
                // The next sync syncs the new file's name before it calls a row durable.
                self.sync_state.lock().unwrap_or_else(PoisonError::into_inner).unsynced_name = Some(path.to_owned());
                Ok(())
            }
            Err(error) => {
                self.set_superseded(false);
                crate::create::remove(&building);
                Err(error)
            }
        }
    }

    /// The writer of the ring in `map`, which will be at `path`, with the symbols of this
    /// writer, and with `day` open.
    fn build_successor(&self, map: WriteMap, path: &Path, day: Option<i64>) -> Result<Self, RingError> {
        let mut new = Self::from_map(map.renamed(path), path)?;
        if self.symbols <= new.ring.geometry.symbols && self.text_bytes <= new.ring.geometry.symbol_bytes {
            for id in 0..self.symbols {
                let symbol = self.ring.symbol(SymbolId(id)).unwrap_or_default();
                new.intern(&symbol).expect("the sizes were compared");
            }
        }
        if new.ring.geometry.lineage == self.ring.geometry.lineage {
            // Before any reader finds the new ring: it would miss what was stored in the old one.
            new.set_withdrawals(self.ring.withdrawals());
            new.set_watermark_ms(self.ring.watermark_ms());
        }
        new.day = day;
        Ok(new)
    }
}

impl<M: WriterMemory> RingWriter<M> {
    /// Sets the number of withdrawals, by which readers learn of a new one.
    pub fn set_withdrawals(&self, number: u64) {
        self.ring.map.words64(SB_WITHDRAWALS, 1)[0].set(number);
    }

    /// Sets the end of the newest minute that is complete: all its rows are stored.
    pub fn set_watermark_ms(&self, frame_ms: i64) {
        // SYNC POINT: pairs with `ring.rs`::`watermark_ms`. A reader that finds the watermark also
        // finds every row that was stored before.
        self.ring.map.words64(SB_WATERMARK_MS, 1)[0].set_release(frame_ms as u64);
    }

    /// Sets or clears the flag by which readers learn that another file takes this one's place.
    pub(crate) fn set_superseded(&self, superseded: bool) {
        // SYNC POINT: pairs with `ring.rs`::`superseded`. A reader that finds the flag also finds
        // every row of this ring.
        self.ring.map.words64(SB_SUPERSEDED, 1)[0].set_release(superseded.into());
    }
}
