//! Rejected rows on their way: some in memory, the others in a temporary file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use crate::reject::Reject;

/// Most rejects in memory.
const MAX_IN_MEMORY: usize = 20_000;

/// Rejected rows in their order.
#[derive(Debug, Default)]
pub struct RejectStore {
    memory: Vec<Reject>,
    file: Option<BufWriter<File>>,
    count: u64,
}

impl RejectStore {
    /// Adds rejects at the end.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add(&mut self, rejects: impl IntoIterator<Item = Reject>) -> io::Result<()> {
        for reject in rejects {
            self.count += 1;
            if self.file.is_none() && self.memory.len() < MAX_IN_MEMORY {
                self.memory.push(reject);
                continue;
            }
            if self.file.is_none() {
                self.file = Some(BufWriter::new(tempfile::tempfile()?));
            }
            if let Some(file) = &mut self.file {
                serde_json::to_writer(&mut *file, &(&reject.row, &reject.source, &reject.reason))?;
                file.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// The number of rejects.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first of the rejects.
    pub fn first(&self) -> Option<&Reject> {
        self.memory.first()
    }

    /// All rejects in their order.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn into_rejects(self) -> io::Result<impl Iterator<Item = io::Result<Reject>>> {
        let lines = match self.file {
            None => None,
            Some(writer) => {
                let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.rewind()?;
                Some(BufReader::new(file).lines())
            }
        };
        let parse = |line: io::Result<String>| {
            let (row, source, reason) = serde_json::from_str(&line?)?;
            Ok(Reject { row, source, reason })
        };
        Ok(self.memory.into_iter().map(Ok).chain(lines.into_iter().flatten().map(parse)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rejects_keep_their_order() {
        let reject = |i: usize| Reject { row: format!("r\n{i}"), source: format!("a:{i}"), reason: "x".to_owned() };
        let mut store = RejectStore::default();
        let count = MAX_IN_MEMORY + 1000;
        store.add((0..count).map(reject)).unwrap();
        assert_eq!(store.len(), count as u64);
        let all: Vec<Reject> = store.into_rejects().unwrap().collect::<io::Result<_>>().unwrap();
        assert!(all.iter().enumerate().all(|(i, found)| *found == reject(i)) && all.len() == count);
    }
}
