//! A bus with archived days, written by this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array};
use barbus::{Bus, Date, InitOptions, Row};
use barbus_writer::Writer;
use tempfile::TempDir;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1_440 * MINUTE_MS;
/// 2024-03-04 00:00 UTC.
const MONDAY_MS: i64 = 1_709_510_400_000;

/// The trading day with this number, from 0.
pub(crate) fn day(number: i64) -> Date {
    Date::constant(2024, 3, 4).checked_add(jiff::Span::new().days(number)).expect("a date")
}

/// A bus of UTC days. Dropping it removes its directory.
pub(crate) struct TestBus {
    writer: Option<Writer>,
    pub(crate) directory: Bus,
    root: TempDir,
}

impl TestBus {
    /// A bus without a bar.
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("barbus-bucket-").tempdir().expect("a temporary directory");
        let path = root.path().join("bus");
        Bus::init(&path, &InitOptions { calendar: "24x7".into(), preset: None }).expect("a new bus");
        let text = std::fs::read_to_string(path.join("bus.toml")).expect("it was just made");
        let text = text.replacen("# size = \"256MB\"", "size = \"8MB\"", 1);
        let text = text.replacen("# rows_per_block = 16384", "rows_per_block = 1024", 1);
        let text = text.replacen("# late = \"5s\"", "late = \"50ms\"", 1);
        std::fs::write(path.join("bus.toml"), text).expect("ours");
        let directory = Bus::open(&path).expect("valid settings");
        Self { writer: None, directory, root }
    }

    /// A bus with this number of archived days, each of two hours of two symbols.
    pub(crate) fn with_days(days: i64) -> Self {
        let mut bus = Self::new();
        for number in 0..days {
            bus.archive_day(number, 120, 10.0);
        }
        bus
    }

    /// Writes the first minutes of a day at about this price, closes it, and waits for its file.
    pub(crate) fn archive_day(&mut self, number: i64, minutes: i64, price: f64) {
        self.push(number, 1..=minutes, price);
        let writer = self.writer();
        writer.close_day().expect("a day is open");
        writer.flush().expect("the day is archived");
    }

    /// Writes bars of a closed day, and waits until they are in its file.
    pub(crate) fn revise(&mut self, number: i64, minutes: i64, price: f64) {
        let path = self.file(number);
        let before = std::fs::read(&path).expect("the day is archived");
        self.push(number, 1..=minutes, price);
        super::wait::until("the file of a late bar", || {
            self.writer().flush().expect("the day is archived");
            (std::fs::read(&path).expect("a day stays") != before).then_some(())
        });
    }

    fn push(&mut self, number: i64, minutes: std::ops::RangeInclusive<i64>, price: f64) {
        let writer = self.writer();
        for minute in minutes {
            for (at, name) in ["A", "B"].into_iter().enumerate() {
                let close = price + at as f64 + minute as f64 / 1_000.0;
                let row = Row {
                    symbol: writer.symbol(name).expect("room for two symbols"),
                    frame_ms: MONDAY_MS + number * DAY_MS + minute * MINUTE_MS,
                    open: close,
                    high: close + 0.25,
                    low: close - 0.25,
                    close,
                    volume: (minute * 100) as f64,
                    ..Row::default()
                };
                writer.push(&row).expect("a valid bar");
            }
        }
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.get_or_insert_with(|| Writer::open(&self.directory).expect("one writer"))
    }

    /// Ends being the writer of the bus.
    pub(crate) fn stop(&mut self) {
        self.writer = None;
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path beside the bus, removed with it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The file of a day.
    pub(crate) fn file(&self, number: i64) -> PathBuf {
        self.directory.archive().join(format!("{}.parquet", day(number)))
    }

    /// The files of all days.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.directory.archive())
    }
}

/// Rows of day 0 whose values cannot be made smaller, for the archive.
pub(crate) fn random_rows(rows: usize) -> RecordBatch {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        1.0 + (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let symbols = (0..rows).map(|row| Some(format!("S{:05}", row / 1_000)));
    let frames = (0..rows as i64).map(|row| MONDAY_MS + (row % 1_000 + 1) * MINUTE_MS);
    let symbol: ArrayRef = Arc::new(symbols.collect::<StringArray>());
    let frame: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(frames).with_timezone("UTC"));
    let mut columns = vec![("symbol", symbol), ("frame", frame)];
    for name in ["open", "high", "low", "close", "volume", "money", "factor"] {
        let values: ArrayRef = Arc::new((0..rows).map(|_| random()).collect::<Float64Array>());
        columns.push((name, values));
    }
    columns.push(("seq", Arc::new(UInt64Array::from_iter_values(0..rows as u64))));
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// The Parquet files of a folder, by their names.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("a folder").path());
    let parquet = entries.filter(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    let name = |path: &Path| path.file_name().expect("a file").to_str().expect("UTF-8").to_owned();
    parquet.map(|path| (name(&path), std::fs::read(&path).expect("a file"))).collect()
}
