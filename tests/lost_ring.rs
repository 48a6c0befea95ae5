//! A ring that is removed, moved or replaced while the daemon runs: it is noticed, the open day is
//! saved, and a new ring goes on.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::oracle::{self, Published};
use crate::support::{market, wait};

const NONE: [&str; 0] = [];
const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];
const BARS: usize = SYMBOLS.len() * 240;

/// What happens to the ring, and whether another file is in its place then.
type Loss = (&'static str, fn(&Path), bool);

const LOSSES: [Loss; 4] = [
    ("removed", |ring| fs::remove_file(ring).expect("ours"), false),
    ("moved", |ring| fs::rename(ring, ring.with_extension("moved")).expect("ours"), false),
    (
        "replaced",
        |ring| {
            fs::write(ring.with_extension("other"), "another file").expect("ours");
            fs::rename(ring.with_extension("other"), ring).expect("ours");
        },
        true,
    ),
    (
        "replaced by a directory",
        |ring| {
            fs::remove_file(ring).expect("ours");
            fs::create_dir(ring).expect("ours");
        },
        true,
    ),
];

fn tail(bus: &Bus) -> Running {
    let mut tail = command::barbus();
    tail.arg("tail").arg(bus.path()).args(["--from", "oldest", "--format", "json", "--until-close"]);
    Running::start(&mut tail, false)
}

/// Promises 6 and 7: no acknowledged bar is lost, and each is in its day's file once. An attached
/// reader gets every bar, before and after.
#[test]
fn a_new_ring_takes_the_place_of_a_lost_one() {
    for (what, lose, in_the_way) in LOSSES {
        let bus = Bus::running("XSHG");
        let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
        let (half, whole) = (bus.write("half.csv", market::csv(&bars[..60])), bus.write("all.csv", market::csv(&bars)));
        assert_eq!(bus.publish(&half, &[]), Counts::all_accepted(60), "{what}");
        let reader = tail(&bus);
        wait::until("the reader", || (reader.lines_so_far() == 60).then_some(()));
        let lost = Instant::now();
        lose(&bus.ring());
        wait::until("the error in the log", || bus.log().contains("removed, moved or replaced").then_some(()));
        // The watch looks five times a second; a loaded machine gets some more time.
        assert!(lost.elapsed() < Duration::from_secs(20), "{what}: noticed after {:?}", lost.elapsed());
        wait::until("a new ring", || bus.log().contains("continuing in a new ring").then_some(()));
        let counts = Counts { rows: BARS as u64, accepted: BARS as u64 - 60, duplicate: 60, ..Counts::default() };
        assert_eq!(bus.publish(&whole, &[]), counts, "{what}");
        let stat = bus.stat();
        assert!(stat["ring_error"].is_null(), "{what}: {stat}");
        bus.close_day();
        assert_eq!(reader.finish().json_lines().len(), BARS, "{what}");
        oracle::assert_archive(&bus, &Published::XSHG, &[whole]);
        bus.barbus("verify", NONE).ok();
        let mut beside = crate::support::bus::names(&bus.path());
        beside.retain(|name| name.contains(".aside-"));
        assert_eq!(beside.len(), usize::from(in_the_way), "{what}: {beside:?}");
    }
}

/// Promise 6: the open day is saved by a stop that comes before anything else.
#[test]
fn a_stop_after_the_loss_saves_the_open_day() {
    for (what, lose, in_the_way) in LOSSES {
        let mut bus = Bus::running("XSHG");
        let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
        let (half, whole) = (bus.write("half.csv", market::csv(&bars[..60])), bus.write("all.csv", market::csv(&bars)));
        bus.publish(&half, &[]);
        lose(&bus.ring());
        bus.stop();
        if in_the_way && bus.ring().is_dir() {
            fs::remove_dir(bus.ring()).expect("ours");
        } else if in_the_way && fs::metadata(bus.ring()).is_ok_and(|found| found.len() < 4096) {
            fs::remove_file(bus.ring()).expect("ours");
        }
        bus.start();
        let counts = Counts { rows: BARS as u64, accepted: BARS as u64 - 60, duplicate: 60, ..Counts::default() };
        assert_eq!(bus.publish(&whole, &[]), counts, "{what}");
        bus.close_day();
        oracle::assert_archive(&bus, &Published::XSHG, &[whole]);
    }
}

/// Without a place for a new ring producers wait, the state shows why, and readers are told. When
/// the ring is back, everything goes on.
#[test]
fn a_ring_without_a_place_for_a_new_one_is_shown_and_may_come_back() {
    let mut bus = Bus::init("XSHG");
    let (place, away) = (bus.beside("place"), bus.beside("away"));
    fs::create_dir(&place).expect("ours");
    bus.configure("# path = \"bars.ring\"", &format!("path = {:?}", place.join("bars.ring")));
    bus.start();
    let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
    let (half, whole) = (bus.write("half.csv", market::csv(&bars[..60])), bus.write("all.csv", market::csv(&bars)));
    bus.publish(&half, &[]);
    let reader = tail(&bus);
    wait::until("the reader", || (reader.lines_so_far() == 60).then_some(()));

    fs::rename(&place, &away).expect("ours");
    wait::until("the error in stat", || {
        let stat = bus.stat();
        stat["ring_error"].as_str().is_some_and(|error| error.contains("no new ring can be made")).then_some(())
    });
    let mut publish = command::barbus();
    publish.arg("publish").arg(bus.path()).arg(&whole).args(["--format", "json"]);
    let producer = Running::start(&mut publish, false);
    // The attached reader gets an error. A new reader is not told to start the daemon, which runs.
    reader.finish().fails(1, &["bars.ring", "removed or moved while the daemon runs", "barbus stat"]);
    let new = bus.barbus("tail", NONE).fails(1, &["removed or moved while the daemon runs"]);
    assert!(!new.contains("start the daemon"), "{new}");
    assert!(bus.barbus("stat", NONE).ok().contains("ring error"));
    let spilled = bus.archive().with_file_name("1m.work").join("2024-03-04.1.parquet");
    assert!(spilled.exists(), "the open day is saved");

    fs::rename(&away, &place).expect("ours");
    let counts = Counts { rows: BARS as u64, accepted: BARS as u64 - 60, duplicate: 60, ..Counts::default() };
    assert_eq!(Counts::of(&producer.finish().json()), counts);
    assert!(bus.stat()["ring_error"].is_null());
    let reader = tail(&bus);
    bus.close_day();
    assert_eq!(reader.finish().json_lines().len(), BARS);
    oracle::assert_archive(&bus, &Published::XSHG, &[whole]);
}
