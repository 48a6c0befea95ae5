//! Late bars: bars of a day that is closed.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use barbus::{Bus, Row};
use barbus_archive::Archive;
use barbus_writer::{Pushed, Writer};

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN: i64 = 1_720_056_600_000;
const DAY: i64 = 86_400_000;

/// Promise 7: a late bar gets into the file of its day after `archive.late`, without a request.
#[test]
fn late_bars_are_archived_without_a_request() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "calendar = \"XSHG\"\n[ring]\nsize = \"2MB\"\nrows_per_block = 64\n[archive]\nlate = \"500ms\"\n";
    std::fs::write(dir.path().join("bus.toml"), settings).unwrap();
    let bus = Bus::open(dir.path()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    let symbol = writer.symbol("600000.XSHG").unwrap();
    let mut push = |frame_ms: i64| {
        let (open, high, low, close) = (8.0, 9.0, 7.0, 8.0);
        let row = Row { symbol, frame_ms, open, high, low, close, volume: 1.0, ..Row::default() };
        assert!(matches!(writer.push(&row).unwrap(), Pushed::Accepted(_)));
    };
    push(OPEN + MINUTE);
    push(OPEN + MINUTE + DAY);
    let archive = Archive::open_existing(bus.archive(), bus.settings().schema.clone(), "XSHG");
    let rows =
        || archive.read("2024-07-04".parse().unwrap()).unwrap().map_or(0, |(_, day): (_, RecordBatch)| day.num_rows());
    let until = |wanted: usize| {
        let begun = Instant::now();
        while rows() != wanted {
            assert!(begun.elapsed() < Duration::from_secs(240), "{} rows in the file, not {wanted}", rows());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(1);
    push(OPEN + 2 * MINUTE);
    until(2);
}
