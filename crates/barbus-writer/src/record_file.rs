//! Files of records, one JSON object a line, that must survive a loss of power.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

/// Appends a record to the file at `path`, which is created if it is missing. The record is on disk
/// when this returns.
pub(crate) fn append_record(path: &Path, record: &impl Serialize) -> Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    // A line that was cut short must not swallow this one.
    let mut line = String::from("\n");
    line += &serde_json::to_string(record)?;
    line.push('\n');
    file.write_all(line.as_bytes())?;
    file.sync_data()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
