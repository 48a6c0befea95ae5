//! A bus in a temporary directory with a writer in this process, and made-up bars.

use std::path::{Path, PathBuf};

use barbus::{Bus, Error, Row};
use barbus_writer::{Pushed, Writer};
use tempfile::TempDir;

use super::until;

pub(crate) const MINUTE_MS: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
pub(crate) const OPEN_MS: i64 = 1_720_056_600_000;
/// 24 hours before.
pub(crate) const DAY_BEFORE_MS: i64 = OPEN_MS - 86_400_000;

/// A bus whose writer is this process.
pub(crate) struct Market {
    folder: TempDir,
    pub(crate) writer: Writer,
}

impl Market {
    /// A bus of mainland stocks.
    pub(crate) fn stocks() -> Self {
        Self::with_settings("calendar = \"XSHG\"\n[ring]\nsize = \"32MB\"\n")
    }

    pub(crate) fn with_settings(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("barbus-serve-").tempdir().unwrap();
        let path = folder.path().join("bus");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("bus.toml"), settings).unwrap();
        let writer = open_writer(&path);
        Self { folder, writer }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    /// Publishes a bar that rises or falls a little.
    pub(crate) fn push(&mut self, symbol: &str, frame_ms: i64, close: f64) {
        let open = cents(close * (1.0 + 0.001 * (frame_ms as f64 / 35_000.0).sin()));
        let id = self.writer.symbol(symbol).unwrap();
        let row = Row {
            symbol: id,
            frame_ms,
            open,
            high: cents(open.max(close) * 1.0004),
            low: cents(open.min(close) * 0.9996),
            close,
            volume: 1000.0 + (frame_ms / MINUTE_MS % 97) as f64 * 10.0,
            ..Row::default()
        };
        match self.writer.push(&row).unwrap() {
            Pushed::Accepted(_) | Pushed::Revised(_) => {}
            other => panic!("{symbol} at {frame_ms}: {other:?}"),
        }
    }

    /// A day's bars from `first` to `last`, minutes after the open; lunch is left out.
    pub(crate) fn push_minutes(&mut self, symbols: &[&str], open_ms: i64, first: i64, last: i64) {
        for minute in (first..=last).filter(|minute| !(121..=210).contains(minute)) {
            for (which, symbol) in symbols.iter().enumerate() {
                self.push(symbol, open_ms + minute * MINUTE_MS, price(which, open_ms / MINUTE_MS + minute));
            }
        }
    }

    /// The same bus with a new ring, whose archive has the days.
    pub(crate) fn with_new_ring(self) -> Self {
        let Self { folder, writer } = self;
        drop(writer);
        let path = folder.path().join("bus");
        std::fs::remove_file(path.join("bars.ring")).unwrap();
        Self { writer: open_writer(&path), folder }
    }

    /// Closes the open day and writes its file.
    pub(crate) fn close_day(&mut self) {
        self.writer.close_day().unwrap();
        self.writer.flush().unwrap();
    }
}

/// Opens the writer. A process that another test starts has this one's locks for a moment, until it
/// runs its own program.
fn open_writer(path: &Path) -> Writer {
    let bus = Bus::open(path).unwrap();
    until("the locks of the bus", || match Writer::open(&bus) {
        Ok(writer) => Some(writer),
        Err(Error::InUse { .. } | Error::Busy { .. }) => None,
        Err(error) => panic!("{error}"),
    })
}

/// A price in cents that wanders.
fn price(which: usize, minute: i64) -> f64 {
    let (at, which) = (minute as f64, which as f64);
    let wave =
        (at / 37.0 + which).sin() * 0.3 + (at / 11.0 + which * 2.0).sin() * 0.12 + (at / 3.0 + which).sin() * 0.05;
    cents(10.0 * (which + 1.0) * (1.0 + wave / 20.0))
}

fn cents(price: f64) -> f64 {
    (price * 100.0).round() / 100.0
}
