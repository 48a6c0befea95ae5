//! Rejects objects that were opened before a fork.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;

use crate::error::Error;

/// The process that opened an object of the bus.
///
/// A forked child shares its parent's descriptors and locks, and a mutex that another thread of the
/// parent held stays locked for ever. So the child must not use the object at all.
#[derive(Debug, Clone)]
pub(crate) struct ForkGuard {
    pid: u32,
    bus: PathBuf,
}

impl ForkGuard {
    /// A guard for an object that this process opens on `bus`.
    pub(crate) fn new(bus: &Path) -> Self {
        Self { pid: std::process::id(), bus: bus.to_owned() }
    }

    /// An error in any other process.
    pub(crate) fn check(&self) -> PyResult<()> {
        if std::process::id() == self.pid {
            return Ok(());
        }
        let (bus, pid) = (self.bus.display(), self.pid);
        Err(Error::new_err(format!("{bus}: opened by process {pid} before a fork: open it again in this process")))
    }
}
