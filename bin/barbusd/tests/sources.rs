//! Two sources of the same bars: the value of the higher one stands, and the other value is kept
//! beside it (promise 8).

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arrow::array::{Float64Array, RecordBatch};
use arrow::datatypes::Schema;
use barbus::protocol::{Ack, SOURCE, Stat};
use barbus::{Event, Publisher, Reader, Start};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use support::*;

const DAY: &str = "2024-03-04";
const NEXT_DAY: &str = "2024-03-05";
const SOURCES: &str = "[sources]\npriority = [\"feed-a\", \"feed-b\"]\nsilence = \"2m\"\n";

/// A bus with two sources.
fn two_sources() -> Bus {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n{SMALL}{SOURCES}"));
    bus.start(&[]);
    bus
}

/// Sends bars as a stream of `source`, with `money` as their volume.
#[track_caller]
fn give(bus: &Bus, source: &str, bars: &RecordBatch, money: f64) -> Ack {
    let volume = Arc::new(Float64Array::from(vec![money; bars.num_rows()]));
    let bars = with_column(bars, "volume", Some(volume));
    let metadata = HashMap::from([(SOURCE.to_owned(), source.to_owned())]);
    let schema = Schema::new_with_metadata(bars.schema().fields().clone(), metadata);
    publish(bus, &[RecordBatch::try_new(Arc::new(schema), bars.columns().to_vec()).unwrap()])
}

fn accepted(rows: u64, seq: u64) -> Ack {
    Ack { rows, accepted: rows, seq: Some(seq), ..Ack::default() }
}

fn revised(rows: u64, seq: u64) -> Ack {
    Ack { rows, revised: rows, seq: Some(seq), ..Ack::default() }
}

fn duplicate(rows: u64) -> Ack {
    Ack { rows, duplicate: rows, ..Ack::default() }
}

fn conflict(rows: u64) -> Ack {
    Ack { rows, conflict: rows, ..Ack::default() }
}

/// Every line of the conflicts.
fn conflicts(bus: &Bus) -> Vec<Value> {
    let mut files: Vec<_> =
        std::fs::read_dir(bus.path().join("conflicts")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()).collect()
}

/// Of each conflict both volumes and the source whose value stands.
fn differences(bus: &Bus) -> Vec<Value> {
    let shown = |line: Value| json!([line["bar"]["volume"], line["standing"]["volume"], line["standing_source"]]);
    conflicts(bus).into_iter().map(shown).collect()
}

#[test]
fn sources_that_differ_do_not_revise_each_other() {
    let bus = two_sources();
    let minute = bars(DAY, &["600000.XSHG", "600001.XSHG"], 1);
    assert_eq!(give(&bus, "feed-b", &minute.slice(0, 1), 2.0), accepted(1, 0), "the first to come");
    assert_eq!(
        give(&bus, "feed-a", &minute, 1.0),
        Ack { rows: 2, accepted: 1, revised: 1, seq: Some(2), ..accepted(0, 0) }
    );
    for _ in 0..3 {
        assert_eq!(give(&bus, "feed-b", &minute, 2.0), conflict(2));
        assert_eq!(give(&bus, "feed-a", &minute, 1.0), duplicate(2));
        assert_eq!(give(&bus, "feed-b", &minute, 1.0), duplicate(2));
    }
    // A source that is not listed comes last.
    let other = bars(DAY, &["600002.XSHG"], 1);
    assert_eq!(give(&bus, "another", &minute, 3.0), conflict(2));
    assert_eq!(give(&bus, "another", &other, 3.0), accepted(1, 3));
    assert_eq!(give(&bus, "another", &other, 4.0), revised(1, 4));
    assert_eq!(give(&bus, "feed-b", &other, 2.0), revised(1, 5));
    assert_eq!(give(&bus, "another", &other, 4.0), conflict(1));

    let [a, b] = [json!([2.0, 1.0, "feed-a"]), json!([4.0, 2.0, "feed-b"])];
    let third = json!([3.0, 1.0, "feed-a"]);
    assert_eq!(differences(&bus), [&a, &a, &a, &a, &a, &a, &third, &third, &b].map(Value::clone));
    let lines = conflicts(&bus);
    let first = lines[0].as_object().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["bar", "received", "source", "standing", "standing_source"]);
    assert!(first["source"].as_str().unwrap().starts_with("feed-b (pid "), "{first:?}");
    assert_eq!(first["bar"]["symbol"], "600000.XSHG");
    assert_eq!(first["bar"]["frame"], "2024-03-04T09:31:00+08:00");
    assert_eq!(
        (&first["standing"]["frame"], &first["standing"]["open"]),
        (&first["bar"]["frame"], &first["bar"]["open"])
    );

    let Stat { conflicts, conflicts_unkept, sources, revisions, .. } = bus.stat();
    assert_eq!((conflicts, conflicts_unkept, revisions), (Some(9), Some(0), Some(3)));
    let counts = |name: &str| (sources[name].rows, sources[name].conflicts, sources[name].revised);
    assert_eq!((counts("feed-a"), counts("feed-b"), counts("another")), ((8, 0, 1), (14, 6, 1), (5, 3, 1)));

    bus.close_day();
    let bus_archive = barbus::Bus::open(bus.path()).unwrap().open_archive();
    let (_, day) = bus_archive.read(DAY.parse().unwrap()).unwrap().unwrap();
    let volumes = day["volume"].as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec();
    assert_eq!(volumes, [1.0, 1.0, 2.0]);
}

/// Without `[sources]` there are no conflicts: the last value stands.
#[test]
fn without_a_priority_the_last_value_stands() {
    let bus = Bus::running();
    let minute = bars(DAY, &["600000.XSHG"], 1);
    assert_eq!(give(&bus, "feed-a", &minute, 1.0), accepted(1, 0));
    for seq in [1, 3] {
        assert_eq!(give(&bus, "feed-b", &minute, 2.0), revised(1, seq));
        assert_eq!(give(&bus, "feed-a", &minute, 1.0), revised(1, seq + 1));
    }
    assert_eq!((bus.stat().conflicts, bus.path().join("conflicts").exists()), (None, false));
}

/// A source without which a symbol has gone on for `silence` gives way until it is back.
#[test]
fn a_silent_source_gives_way_until_it_is_back() {
    let bus = two_sources();
    let day = bars(DAY, &["600000.XSHG"], 10);
    assert_eq!(give(&bus, "feed-a", &day.slice(0, 2), 1.0), accepted(2, 1));
    assert_eq!(give(&bus, "feed-b", &day.slice(0, 2), 2.0), conflict(2));
    assert_eq!(give(&bus, "feed-b", &day.slice(2, 1), 2.0), accepted(1, 2), "what only it has does not wait");
    assert_eq!(give(&bus, "feed-b", &day.slice(1, 1), 2.0), conflict(1), "one minute is not two");
    assert_eq!(give(&bus, "feed-b", &day.slice(3, 1), 2.0), accepted(1, 3));
    assert_eq!(give(&bus, "feed-b", &day.slice(1, 1), 2.0), revised(1, 4));
    // It is back, and sends again from the minute at which it ended.
    assert_eq!(give(&bus, "feed-a", &day.slice(1, 3), 1.0), revised(3, 7));
    assert_eq!(give(&bus, "feed-b", &day.slice(0, 4), 2.0), conflict(4));
}

/// After `kill -9` the lower source revises no bar, and the higher one does.
#[test]
fn a_restart_does_not_let_the_lower_source_flip_bars() {
    let mut bus = two_sources();
    let day = bars(DAY, &["600000.XSHG"], 10);
    let (both, of_b) = (day.slice(0, 3), day.slice(3, 2));
    assert_eq!(give(&bus, "feed-a", &both, 1.0), accepted(3, 2));
    assert_eq!(give(&bus, "feed-b", &of_b, 2.0), accepted(2, 4));
    for _ in 0..2 {
        bus.end(Signal::SIGKILL);
        bus.start(&[]);
        assert_eq!(give(&bus, "feed-b", &both, 2.0), conflict(3));
        assert_eq!(give(&bus, "feed-b", &of_b, 2.0), duplicate(2));
        assert_eq!(give(&bus, "feed-b", &of_b, 3.0), conflict(2), "it may be the higher one's bar");
        assert_eq!(give(&bus, "feed-a", &both, 1.0), duplicate(3));
    }
    assert_eq!(conflicts(&bus)[0]["standing_source"], Value::Null, "it is not known since the restart");
    assert_eq!(give(&bus, "feed-a", &of_b, 1.0), revised(2, 6));
    assert_eq!(give(&bus, "feed-b", &of_b, 2.0), conflict(2));
    // While the higher one is dead the lower one corrects also the bars of before the restart.
    bus.end(Signal::SIGKILL);
    bus.start(&[]);
    assert_eq!(give(&bus, "feed-b", &day.slice(5, 1), 2.0), accepted(1, 7));
    assert_eq!(give(&bus, "feed-b", &day.slice(4, 1), 4.0), conflict(1));
    assert_eq!(give(&bus, "feed-b", &day.slice(6, 1), 2.0), accepted(1, 8));
    assert_eq!(give(&bus, "feed-b", &day.slice(4, 1), 4.0), revised(1, 9));
    assert_eq!(bus.stat().conflicts, Some(1), "since the start");
}

/// Both sources send the day again and again while the daemon is killed. Each bar has the value of
/// the higher source in the end, and no value of the lower one comes after it.
#[test]
fn kills_lose_no_bar_and_flip_none() {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n{SMALL}{}", SOURCES.replace("2m", "1000h")));
    bus.start(&[]);
    let day = bars(DAY, &["600000.XSHG", "600001.XSHG", "600002.XSHG"], 240);
    let (path, is_over) = (bus.path(), AtomicBool::new(false));
    let send_again = |source: &str, money: f64| {
        let opened = barbus::Bus::open(&path).unwrap();
        let mut publisher = Publisher::connect(&opened).unwrap().source(source).reconnect_for(Duration::from_secs(240));
        let day = with_column(&day, "volume", Some(Arc::new(Float64Array::from(vec![money; day.num_rows()]))));
        loop {
            // The last pass begins after the last kill.
            let is_last = is_over.load(Ordering::SeqCst);
            for first in (0..day.num_rows()).step_by(8) {
                publisher.send(&day.slice(first, 8)).unwrap();
            }
            if is_last {
                return;
            }
        }
    };
    let send_again = &send_again;
    thread::scope(|scope| {
        for (source, money) in [("feed-a", 1.0), ("feed-b", 2.0)] {
            scope.spawn(move || send_again(source, money));
        }
        for _ in 0..6 {
            let rows = |bus: &Bus| bus.stat().sources.values().map(|source| source.rows).sum::<u64>();
            until("rows", || (rows(&bus) > 100).then_some(()));
            bus.end(Signal::SIGKILL);
            bus.start(&[]);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let mut given: HashMap<(String, i64), Vec<f64>> = HashMap::new();
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Oldest).unwrap();
    while let Some(Event::Bars(bars)) = reader.poll().unwrap() {
        for bar in bars.iter() {
            given.entry((bar.symbol.to_owned(), bar.frame_ms)).or_default().push(bar.volume);
        }
    }
    assert_eq!(given.len(), day.num_rows());
    assert!(given.values().all(|values| [&[1.0][..], &[2.0, 1.0]].contains(&values.as_slice())), "{given:?}");
    assert!(bus.stat().conflicts.unwrap() > 0);
}

/// Late bars of a closed day follow the same order, and no silence lets the lower source revise
/// them. The standing value comes from the archive once the ring has lost it.
#[test]
fn late_bars_follow_the_same_order() {
    let mut bus = two_sources();
    let day = bars(DAY, &["600000.XSHG", "600001.XSHG"], 4);
    let first = day.slice(0, 4);
    assert_eq!(give(&bus, "feed-a", &first, 1.0), accepted(4, 3));
    bus.close_day();
    let next = bars(NEXT_DAY, &["600000.XSHG"], 240);
    assert_eq!(give(&bus, "feed-b", &next, 2.0), accepted(240, 243));
    assert_eq!(give(&bus, "feed-b", &first, 2.0), conflict(4), "the day is closed");
    assert_eq!(give(&bus, "feed-b", &day.slice(4, 4), 2.0), accepted(4, 247), "late bars that only it has");
    assert_eq!(give(&bus, "feed-a", &day.slice(4, 2), 1.0), revised(2, 249));
    assert_eq!(differences(&bus), vec![json!([2.0, 1.0, "feed-a"]); 4]);

    bus.close_day();
    bus.end(Signal::SIGTERM);
    std::fs::remove_file(bus.path().join("bars.ring")).unwrap();
    std::fs::remove_dir_all(bus.path().join("conflicts")).unwrap();
    bus.start(&[]);
    assert_eq!(give(&bus, "feed-b", &day, 3.0), conflict(8));
    let standing = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0];
    assert_eq!(differences(&bus), standing.map(|volume| json!([3.0, volume, null])));
    assert_eq!(give(&bus, "feed-a", &day.slice(7, 1), 1.0).revised, 1);
}

/// What `conflicts/` has no room for is counted apart, and the state of the bus says so until there
/// is room again.
#[test]
fn conflicts_without_room_are_counted() {
    let mut bus = Bus::new(&format!("calendar = \"XSHG\"\n{SMALL}{SOURCES}"));
    let folder = bus.path().join("conflicts");
    let Some(disk) = SmallDisk::mount(folder, "12k") else { return };
    bus.start(&[]);
    let day = bars(DAY, &["600000.XSHG"], 200);
    assert_eq!(give(&bus, "feed-a", &day, 1.0).accepted, 200);
    assert_eq!(give(&bus, "feed-b", &day, 2.0), conflict(200), "bars and acknowledgements do not wait for room");
    let stat = bus.stat();
    let (seen, unkept) = (stat.conflicts.unwrap(), stat.conflicts_unkept.unwrap());
    assert_eq!((seen, unkept + conflicts(&bus).len() as u64), (200, 200));
    assert!(unkept > 0 && stat.last_conflicts_error_at.is_some());
    assert!(stat.alarms().iter().any(|alarm| alarm.starts_with("conflicts: ")), "{:?}", stat.alarms());
    until("the log", || bus.log().contains("conflicts of sources are not kept").then_some(()));
    disk.resize("1m");
    assert_eq!(give(&bus, "feed-b", &day, 2.0), conflict(200));
    assert_eq!(bus.stat().last_conflicts_error, None);
    assert_eq!(400 - bus.stat().conflicts_unkept.unwrap(), conflicts(&bus).len() as u64);
}

#[test]
fn a_priority_that_cannot_be_meant_is_an_error() {
    for (sources, why) in [
        ("priority = [\"a\", \"a\"]", "sources.priority: \"a\" is given twice: remove one of them"),
        ("priority = [\"\"]", "sources.priority: \"\" is no name of a source"),
        ("silence = \"5s\"", "sources.silence: 5 s is less than a bar: give \"1m\" or more"),
        ("silent = \"5m\"", "unknown key \"silent\" in [sources]: did you mean \"silence\"?"),
    ] {
        let bus = Bus::new(&format!("calendar = \"XSHG\"\n[sources]\n{sources}\n"));
        let (code, message) = bus.refused(&[]);
        assert!(code == Some(1) && message.contains(why), "{code:?}: {message}");
    }
}
