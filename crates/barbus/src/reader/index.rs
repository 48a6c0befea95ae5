//! Where the bars of each symbol are: built by the first question, kept up by the later ones.

use barbus_ring::{Follower, Polled, Ring, Row, SymbolId};

/// A bar's place in the ring.
#[derive(Debug, Clone, Copy)]
struct Place {
    frame_ms: i64,
    block: u64,
    row: u32,
}

/// For each symbol the places of its bars, ascending by frame, the last revision of each.
#[derive(Debug)]
pub(crate) struct Index {
    follower: Follower,
    symbols: Vec<Vec<Place>>,
    rows: Vec<Row>,
}

impl Index {
    pub(crate) fn new(follower: Follower) -> Self {
        Self { follower, symbols: Vec::new(), rows: Vec::new() }
    }

    /// Enters what came since the last time; false where the ring is corrupt.
    pub(crate) fn catch_up(&mut self, ring: &Ring) -> bool {
        loop {
            self.rows.clear();
            match self.follower.poll(ring, &mut self.rows, 8_192) {
                Polled::Empty => return true,
                Polled::Corrupt => return false,
                Polled::DayClosed(_) | Polled::Lapped { .. } => continue,
                Polled::Rows(_) => {}
            }
            // A poll's rows are of one block, the one that the position is in now.
            let position = self.follower.position();
            let first = position.row.wrapping_sub(self.rows.len() as u32);
            for (row, at) in self.rows.iter().zip((0..).map(|i| first.wrapping_add(i))) {
                let place = Place { frame_ms: row.frame_ms, block: position.block, row: at };
                // An id that no dictionary of this ring can have costs no memory: nobody can ask for it either.
                if row.symbol.0 >= ring.geometry().symbols {
                    continue;
                }
                let symbol = row.symbol.0 as usize;
                if symbol >= self.symbols.len() {
                    self.symbols.resize_with(symbol + 1, Vec::new);
                }
                let places = &mut self.symbols[symbol];
                if places.last().is_none_or(|last| last.frame_ms < row.frame_ms) {
                    places.push(place);
                    continue;
                }
                match places.binary_search_by_key(&row.frame_ms, |place| place.frame_ms) {
                    Ok(found) => places[found] = place,
                    Err(found) => places.insert(found, place),
                }
            }
        }
    }

    fn places(&self, symbol: SymbolId) -> &[Place] {
        self.symbols.get(symbol.0 as usize).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn latest(&self, ring: &Ring, symbol: SymbolId) -> Option<Row> {
        let place = self.places(symbol).last()?;
        ring.row_at(place.block, place.row)
    }

    pub(crate) fn window(&self, ring: &Ring, symbol: SymbolId, count: usize) -> Vec<Row> {
        // What was overwritten since it was entered is no longer there to be given out, and does not count: late bars leave gaps.
        let newest_first = self.places(symbol).iter().rev();
        let mut rows: Vec<Row> =
            newest_first.filter_map(|place| ring.row_at(place.block, place.row)).take(count).collect();
        rows.reverse();
        rows
    }
}
