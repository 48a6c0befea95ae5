//! Why the daemon rejected rows of a send.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use barbus::protocol::Ack;
use pyo3::prelude::*;
use serde_json::Value;

use crate::error::Error;

/// The quarantine as it was before a send. The daemon acknowledges rows after it has written them
/// there.
pub(crate) struct Rejects {
    folder: PathBuf,
    lengths: HashMap<PathBuf, u64>,
}

impl Rejects {
    /// The present lengths of the files in the folder of the quarantine.
    pub(crate) fn before(folder: &Path) -> Self {
        let lengths = files(folder).into_iter().filter_map(|path| Some((path.clone(), path.metadata().ok()?.len())));
        Self { folder: folder.to_owned(), lengths: lengths.collect() }
    }

    /// An error with the first reason if any row was rejected.
    pub(crate) fn check(&self, ack: &Ack) -> PyResult<()> {
        let rejected = ack.quarantined + ack.refused;
        if rejected == 0 {
            return Ok(());
        }
        let reason = match self.first_reason() {
            Some(reason) => format!("the first: {reason}"),
            None => format!("see {}", self.folder.display()),
        };
        let others = ack.rows - rejected - ack.conflict;
        Err(Error::new_err(format!("{rejected} of {} rows are invalid, {others} are on the bus; {reason}", ack.rows)))
    }

    /// Source and reason of the first line that is new. Another producer may have caused it in the
    /// same moment: its source says so.
    fn first_reason(&self) -> Option<String> {
        files(&self.folder).into_iter().find_map(|path| {
            let mut file = File::open(&path).ok()?;
            file.seek(SeekFrom::Start(self.lengths.get(&path).copied().unwrap_or_default())).ok()?;
            let mut line = String::new();
            BufReader::new(file).read_line(&mut line).ok()?;
            let line: Value = serde_json::from_str(&line).ok()?;
            Some(format!("{}: {}", line["source"].as_str()?, line["reason"].as_str()?))
        })
    }
}

/// The files of the quarantine, oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort_unstable();
    files
}
