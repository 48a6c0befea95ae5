//! Copies of a running bus, made in the order of docs/OPERATING.md: ring, parts, archive.
//!
//! `BARBUS_COPIES` sets the number of copies (4).

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use barbus::{Bus as BusDirectory, Publisher};
use barbus_archive::Archive;

use crate::support::bus::Bus;
use crate::support::market::{self, Bar};
use crate::support::{producer, random, wait};

const SYMBOLS: [&str; 4] = ["A", "B", "C", "D"];
/// Bars of a batch: eleven hours of four symbols, so that a day closes every second or third batch.
const BATCH_BARS: usize = 660 * SYMBOLS.len();

/// Promises 6 and 7: the archive of a copy has every bar that was acknowledged before the copy
/// began, exactly once. The ring is smaller than a day, so blocks are spilled to parts and reused,
/// and days are merged, while the copy is made.
#[test]
fn a_copy_of_a_running_bus_has_every_bar_acknowledged_before() {
    let copies = random::setting("BARBUS_COPIES", 4);
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.configure("# late = \"5s\"", "late = \"100ms\"");
    bus.start();
    let bars = market::minutes(&SYMBOLS, "2024-03-04T00:01:00Z", 400 * 1_440);
    let (acknowledged, over) = (AtomicUsize::new(0), AtomicBool::new(false));

    std::thread::scope(|scope| {
        scope.spawn(|| publish(&bus, &bars, &acknowledged, &over));
        for copy in 0..copies {
            let before = acknowledged.load(Ordering::Acquire);
            wait::until("more bars", || (acknowledged.load(Ordering::Acquire) > before + 3 * BATCH_BARS).then_some(()));
            let certain = acknowledged.load(Ordering::Acquire);
            check(bus.copy(), &bars[..certain], copy);
        }
        over.store(true, Ordering::Release);
    });
}

/// Publishes until `over`, and counts the acknowledged bars.
fn publish(bus: &Bus, bars: &[Bar], acknowledged: &AtomicUsize, over: &AtomicBool) {
    let directory = BusDirectory::open(bus.path()).expect("a bus");
    let mut publisher = Publisher::connect(&directory).expect("the daemon listens");
    for (i, batch) in bars.chunks(BATCH_BARS).enumerate() {
        if over.load(Ordering::Acquire) {
            return;
        }
        publisher.send(&producer::batch(batch)).expect("an acknowledgement");
        acknowledged.store((i + 1) * BATCH_BARS, Ordering::Release);
    }
    panic!("every bar was sent before the last copy was checked");
}

/// Archives everything that a copy has, and looks for `bars`.
fn check(mut copy: Bus, bars: &[Bar], number: u64) {
    copy.start();
    copy.close_day();
    let directory = BusDirectory::open(copy.path()).expect("a bus");
    let archive = Archive::open_existing(copy.archive(), directory.settings().schema.clone(), "24x7");
    let mut found = HashSet::new();
    for day in archive.days().expect("the archive can be listed") {
        let (_, rows) = archive.read(day).expect("the file is good").expect("the day was listed");
        let symbols = rows.column(0).as_string::<i32>();
        let frames = rows.column(1).as_primitive::<TimestampMillisecondType>();
        for (symbol, frame_ms) in symbols.iter().zip(frames.values()) {
            assert!(found.insert((symbol.expect("every row has one").to_owned(), *frame_ms)), "a bar is there twice");
        }
    }
    let missing = bars.iter().filter(|bar| !found.contains(&(bar.symbol.clone(), bar.frame.as_millisecond()))).count();
    assert_eq!(missing, 0, "of {} bars that were acknowledged before copy {number}", bars.len());
    copy.barbus("verify", [] as [&str; 0]).ok();
}
