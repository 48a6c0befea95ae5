//! Events that own their bars, and can be kept or moved to another task.

use std::sync::Arc;

use barbus_bars::Date;
use barbus_ring::Row;

use crate::event::{Bar, Bars, BarsIter, Event};
use crate::minutes::MinuteClosed;
use crate::symbol_table::SymbolNames;
use crate::withdrawn::Selection;

/// An [`Event`] that owns its bars.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedEvent {
    /// New bars, at least one.
    Bars(OwnedBars),
    /// The trading day has closed. All its bars up to here were delivered.
    DayClosed(Date),
    /// The reader was too slow: the writer has overwritten bars before they were read. The bars
    /// after them are delivered next.
    Lapped {
        /// The exact number of missed bars.
        missed: u64,
    },
    /// An operator has withdrawn bars: they are not bars of the bus any more.
    Withdrawn(Box<Selection>),
    /// A minute is complete. Only [`Minutes`](crate::Minutes) deliver it.
    MinuteClosed(Box<MinuteClosed>),
}

impl OwnedEvent {
    /// The same event, borrowed.
    pub fn as_event(&self) -> Event<'_> {
        match self {
            Self::Bars(bars) => Event::Bars(bars.bars()),
            Self::DayClosed(day) => Event::DayClosed(*day),
            Self::Lapped { missed } => Event::Lapped { missed: *missed },
            Self::Withdrawn(selection) => Event::Withdrawn(selection),
            Self::MinuteClosed(minute) => Event::MinuteClosed(minute),
        }
    }
}

/// [`Bars`] that own their rows.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedBars {
    rows: Vec<Row>,
    /// The texts of all symbols, by id. All events share them until a new symbol appears.
    names: Arc<SymbolNames>,
}

impl OwnedBars {
    /// Copies `bars`. `last_names` are the texts of the event before; they are shared if they
    /// still hold.
    pub(crate) fn new(bars: Bars<'_>, last_names: &mut Arc<SymbolNames>) -> Self {
        let (rows, names) = (bars.rows(), bars.names());
        // After a change of the ring, as many symbols may have other ids: equal lengths do not
        // suffice.
        let same = |row: &Row| last_names.get(row.symbol) == names.get(row.symbol);
        if last_names.as_slice().len() != names.as_slice().len() || !rows.iter().all(same) {
            *last_names = Arc::new(names.clone());
        }
        Self { rows: rows.to_vec(), names: Arc::clone(last_names) }
    }

    /// The bars.
    pub fn bars(&self) -> Bars<'_> {
        Bars::new(&self.rows, &self.names)
    }
}

impl<'a> IntoIterator for &'a OwnedBars {
    type Item = Bar<'a>;
    type IntoIter = BarsIter<'a>;

    fn into_iter(self) -> BarsIter<'a> {
        self.bars().iter()
    }
}
