//! A folder of lines, a file for each UTC date of receipt: rows that are kept and not published.

mod file;
mod limits;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use barbus::Settings;
use barbus::internal::{LogLimit, Monitor};
use barbus_bars::Date;
use jiff::Timestamp;

use crate::failure::Failure;
use file::LineFile;
use limits::Limits;

/// Most bytes of lines that are stored together.
const CHUNK_BYTES: u64 = 1024 * 1024;
/// The pause between two lines in the log about rows that are not kept.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// A folder of lines, with the limits of `ingest.quarantine_rate` and `ingest.quarantine_size`.
#[derive(Debug)]
pub(crate) struct DatedLines {
    /// Its lock is held while the disk is waited for.
    files: Monitor<Files>,
    /// Its lock is never held for long: the writer takes it.
    unkept: Monitor<Unkept>,
    log_limit: LogLimit,
}

#[derive(Debug)]
struct Files {
    file: LineFile,
    limits: Limits,
}

/// Rows that there was no room for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unkept {
    /// Their number.
    pub(crate) rows: u64,
    /// Why rows were last not kept, until some are kept again.
    pub(crate) failure: Option<Failure>,
}

impl DatedLines {
    /// The lines in `folder`, which messages call `name`.
    pub(crate) fn new(folder: PathBuf, name: &'static str, settings: &Settings) -> Self {
        let (rate, size) = (settings.quarantine_bytes_per_second, settings.quarantine_bytes);
        let limits = Limits::new(name, rate, size, Instant::now());
        Self {
            files: Monitor::new(Files { file: LineFile::new(folder), limits }),
            unkept: Monitor::default(),
            log_limit: LogLimit::new(1, LOG_PAUSE),
        }
    }

    /// Bytes of lines to store together: few enough that the rate has room for them.
    pub(crate) fn chunk_bytes(settings: &Settings) -> usize {
        CHUNK_BYTES.min(settings.quarantine_bytes_per_second.saturating_mul(10)) as usize
    }

    /// The file of the present date.
    pub(crate) fn path(&self) -> PathBuf {
        self.files.lock().file.path(today())
    }

    /// The rows that there was no room for. It does not wait for the disk.
    pub(crate) fn unkept(&self) -> Unkept {
        self.unkept.lock().clone()
    }

    /// Counts rows that there is no room for.
    pub(crate) fn count_unkept(&self, rows: u64) {
        self.unkept.lock().rows += rows;
    }

    /// Stores the lines of `rows` rows of a producer of `user`, if it is limited. They are on disk
    /// when this returns, and were read back.
    ///
    /// # Errors
    /// Why there is no room for them: they are counted as not kept. `log` is called with their
    /// number and the reason, unless the log has such a line of the last minute.
    pub(crate) fn store(
        &self,
        lines: &str,
        rows: u64,
        user: Option<u32>,
        log: impl FnOnce(u64, &str),
    ) -> Result<(), String> {
        let date = today();
        let mut files = self.files.lock();
        let Files { file, limits } = &mut *files;
        let stored = limits.take(user, lines.len(), Instant::now(), || file.folder_bytes()).and_then(|()| {
            let path = file.path(date);
            file.append(date, lines.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
        });
        // Before another thread may store lines: the last outcome counts.
        let mut unkept = self.unkept.lock();
        match &stored {
            Ok(()) => unkept.failure = None,
            Err(error) => {
                unkept.rows += rows;
                unkept.failure = Some(Failure::after(unkept.failure.as_ref(), None, error.clone()));
                if let Some(rows) = self.log_limit.admit(rows) {
                    log(rows, error);
                }
            }
        }
        stored
    }
}

/// The UTC date of receipt.
fn today() -> Date {
    Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
