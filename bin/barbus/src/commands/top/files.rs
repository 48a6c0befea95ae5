//! What the files of a bus show, without its daemon: the state of ring and archive, and readers.

use barbus::protocol::Stat;
use barbus::{Bus, Error, Reader, ReaderStat};

/// The figures of one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct FileFigures {
    /// The state as the files show it; without a ring there is none.
    pub(super) stat: Option<Stat>,
    /// The readers, the one furthest behind first.
    pub(super) readers: Vec<ReaderStat>,
    /// Why a figure is missing.
    pub(super) error: Option<String>,
}

/// Reads the files of a bus again and again.
pub(super) struct FileWatcher {
    bus: Bus,
    reader: Option<Reader>,
}

impl FileWatcher {
    /// A watcher that has not read anything.
    pub(super) fn new(bus: &Bus) -> FileWatcher {
        FileWatcher { bus: bus.clone(), reader: None }
    }

    /// The figures of this moment.
    pub(super) fn read(&mut self) -> FileFigures {
        let (stat, why_no_stat) = match self.stat() {
            Ok(stat) => (Some(stat), None),
            Err(error) => {
                self.reader = None;
                (None, Some(error.to_string()))
            }
        };
        let (readers, why_no_readers) = match barbus::readers(&self.bus) {
            Ok(readers) => (readers, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        FileFigures { stat, readers, error: why_no_stat.or(why_no_readers) }
    }

    fn stat(&mut self) -> Result<Stat, Error> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::open(self.bus.path())?.anonymous()),
        };
        // Reading all new bars is how a reader notices that its ring was replaced.
        while reader.next(std::time::Duration::ZERO)?.is_some() {}
        Ok(reader.stat())
    }
}
