//! `archive.keep` beside bars that arrive.

use std::time::{Duration, Instant};

use barbus::{Bus, Row};
use barbus_writer::{Pushed, Writer};
use jiff::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 2024-07-04 00:00 UTC.
const FIRST: i64 = 1_720_051_200_000;

/// Promise 7: no day is removed that has bars in the ring that its file lacks, and none before the
/// writer takes no more bars of it.
#[test]
fn a_day_is_not_removed_while_bars_of_it_wait_or_may_come() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "calendar = \"24x7\"\n[ring]\nsize = \"2MB\"\nrows_per_block = 64\n\
                    [archive]\nlate = \"1h\"\nkeep = \"1d\"\n";
    std::fs::write(dir.path().join("bus.toml"), settings).unwrap();
    let bus = Bus::open(dir.path()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    let symbol = writer.symbol("A").unwrap();
    let row = |day: i64, minute: i64| {
        let (open, high, low, close) = (8.0, 9.0, 7.0, 8.0);
        Row { symbol, frame_ms: FIRST + day * DAY + minute * MINUTE, open, high, low, close, ..Row::default() }
    };
    let days = || -> Vec<i8> { bus.archived_days().unwrap().iter().map(|day| day.day()).collect() };
    let until = |writer: &mut Writer, wanted: &[i8], agrees: bool| {
        let begun = Instant::now();
        while days() != wanted {
            assert!(begun.elapsed() < Duration::from_secs(240), "{:?}, not {wanted:?}", days());
            std::thread::sleep(Duration::from_millis(5));
            if agrees {
                writer.close_by_clock(Timestamp::now());
            }
        }
    };
    // The second day is archived, so the first one is old, but the writer was not asked in vain.
    for day in 0..4 {
        assert!(matches!(writer.push(&row(day, 1)).unwrap(), Pushed::Accepted(_)));
    }
    until(&mut writer, &[4, 5, 6], false);
    // A late bar before the writer agrees: the day waits for it, for an hour.
    assert!(matches!(writer.push(&row(0, 2)).unwrap(), Pushed::Accepted(_)));
    writer.close_by_clock(Timestamp::now());
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(days(), [4, 5, 6], "a day was removed that has a bar in the ring alone");
    }
    writer.flush().unwrap();
    // It looks again when the next day closes.
    assert!(matches!(writer.push(&row(4, 1)).unwrap(), Pushed::Accepted(_)));
    until(&mut writer, &[6, 7], true);
    assert!(matches!(writer.push(&row(0, 3)).unwrap(), Pushed::Quarantined(barbus::Fault::RemovedDay)));
    assert!(matches!(writer.push(&row(2, 3)).unwrap(), Pushed::Accepted(_)));
    drop(writer);
    let mut writer = Writer::open(&bus).unwrap();
    let symbol_again = writer.symbol("A").unwrap();
    assert_eq!(symbol_again, symbol);
    assert!(matches!(writer.push(&row(1, 3)).unwrap(), Pushed::Quarantined(barbus::Fault::RemovedDay)));
    writer.flush().unwrap();
    assert_eq!(days(), [6, 7]);
}
