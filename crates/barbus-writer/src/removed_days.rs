//! The days that the bus takes no more bars of: `archive.keep` has removed them, or is about to.
//!
//! A late bar of such a day would make a file of that bar alone, which looks like the whole day.
//! A day is recorded in `removed.ndjson` before its file is removed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barbus::{Bus, Error, RemovedDay, Result};
use barbus_bars::epoch_days;

use crate::record_file::append_record;

/// The days, shared by the writer and its flusher.
#[derive(Debug, Clone)]
pub(crate) struct RemovedDays {
    path: PathBuf,
    days: Arc<Mutex<BTreeSet<i64>>>,
}

impl RemovedDays {
    /// Those that `bus` records. A day whose file was put back is not among them.
    pub(crate) fn load(bus: &Bus) -> Result<Self> {
        let days = RemovedDay::without_file(bus)?.into_iter().map(epoch_days).collect();
        Ok(Self { path: RemovedDay::path(bus), days: Arc::new(Mutex::new(days)) })
    }

    fn days(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn contains(&self, day: i64) -> bool {
        self.days().contains(&day)
    }

    /// Takes no more bars of these days.
    pub(crate) fn extend(&self, days: impl IntoIterator<Item = i64>) {
        self.days().extend(days);
    }

    /// Takes bars of `day` again: it is not removed after all.
    pub(crate) fn release(&self, day: i64) {
        self.days().remove(&day);
    }

    /// Records a day; it is on disk when this returns.
    pub(crate) fn record(&self, removed: &RemovedDay) -> Result<()> {
        append_record(&self.path, removed).map_err(|error| Error::io(&self.path, "append to", error))
    }
}
