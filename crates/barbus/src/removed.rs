//! Days that `archive.keep` has removed, and the file of the bus that records them.
//!
//! A day without a file may never have been archived, or its file may be lost. The record tells
//! such a day from one that was removed on purpose.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use barbus_bars::Date;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::error::{Error, Result};

/// One removed day: a line of `removed.ndjson`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedDay {
    /// When it was removed.
    pub at: Timestamp,
    /// The trading day.
    pub day: Date,
    /// Bars that its file had.
    pub bars: u64,
    /// Size of its file.
    pub bytes: u64,
}

impl RemovedDay {
    /// The file of a bus that has the records.
    pub fn path(bus: &Bus) -> PathBuf {
        bus.path().join("removed.ndjson")
    }

    /// All records of a bus, oldest first. A line that a loss of power cut short is left out: its
    /// day was not removed.
    ///
    /// # Errors
    /// [`Error::Io`] if the file exists and cannot be read.
    pub fn load(bus: &Bus) -> Result<Vec<Self>> {
        Self::read(&Self::path(bus))
    }

    fn read(path: &Path) -> Result<Vec<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io(path, "read", error)),
        }
    }

    /// The removed days that have no file. A person may have put the file of one back.
    ///
    /// # Errors
    /// As [`RemovedDay::load`], and [`Error::Io`] if the archive's directory cannot be read.
    pub fn without_file(bus: &Bus) -> Result<BTreeSet<Date>> {
        let mut days: BTreeSet<Date> = Self::load(bus)?.into_iter().map(|removed| removed.day).collect();
        if !days.is_empty() {
            let archived = bus.archived_days()?;
            days.retain(|day| archived.binary_search(day).is_err());
        }
        Ok(days)
    }
}
