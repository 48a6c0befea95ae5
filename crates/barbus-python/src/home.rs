use std::path::{Path, PathBuf};

use pyo3::prelude::*;

use crate::error::Error;

/// The process in which something was opened. After a fork the child has the parent's descriptors and locks, and perhaps a mutex that a thread
/// held which the child does not have: so nothing is used there.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pid: u32,
    bus: PathBuf,
}

impl Home {
    pub(crate) fn here(bus: &Path) -> Self {
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
