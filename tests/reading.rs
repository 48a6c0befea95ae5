//! docs/READING.md: every Python block works as the page describes, on an idle bus and a busy one.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use barbus::{Event, MinuteOptions, Reader, Start};
use serde_json::Value;

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::market::{self, Bar};
use crate::support::{python, wait};

const SYMBOL: &str = "600000.XSHG";
/// The sections that read.
const SECTIONS: [&str; 6] = [
    "The live ring",
    "What is safe to assume",
    "New bars",
    "Pinning rows in place",
    "Archived days",
    "Live and archived bars",
];
const PUBLISHING: &str = "Publishing";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/READING.md")
}

/// A bus with a ring of about 20,000 rows and one archived day of one symbol.
fn bus() -> (Bus, Vec<Bar>) {
    let mut bus = Bus::init("XSHG");
    bus.configure_ring("2MB", 256);
    bus.start();
    let day = market::xshg_day(&[SYMBOL], "2024-03-04");
    assert_eq!(bus.publish(&bus.write("first.csv", market::csv(&day)), &[]), Counts::all_accepted(day.len()));
    bus.close_day();
    (bus, day)
}

fn sum(bars: &[Bar]) -> f64 {
    bars.iter().map(|bar| bar.close).sum()
}

/// The lines that the blocks of a section printed.
fn of<'a>(lines: &'a [Value], section: &str) -> Vec<&'a Value> {
    assert!(SECTIONS.contains(&section), "{section}");
    lines.iter().filter(|line| line["section"] == section).collect()
}

fn assert_bars(line: &Value, bars: &[Bar]) {
    assert_eq!(line["rows"], bars.len(), "{line}");
    let (found, due) = (line["sum"].as_f64().expect("a sum"), sum(bars));
    assert!((found - due).abs() < 1e-6 * due, "{line}: {due} was published");
}

/// Promises 1 and 2: rows that plain Python pins stay unchanged while the ring wraps.
/// The writer does not wait for the pins.
#[test]
fn the_page_reads_the_ring_and_pins_rows_in_place() {
    let (bus, day) = bus();
    let next = market::minutes(&[SYMBOL], "2024-03-05T01:31:00Z", 20);
    bus.publish(&bus.write("next.csv", market::csv(&next)), &[]);
    let mut run = Running::start(python::command("run_page.py").arg(page()).arg(bus.path()).args(SECTIONS), true);
    wait::until("the pinned block", || {
        let ended = run.child.try_wait().expect("can be waited for").is_some();
        (ended || run.output_has(SECTIONS[3])).then_some(())
    });

    let names: Vec<String> = (0..40).map(|i| format!("{i:06}.XSHE")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let days = ["2024-03-06", "2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12", "2024-03-13"];
    let mut everything: Vec<Bar> = day.iter().chain(&next).cloned().collect();
    for date in days {
        let bars = market::xshg_day(&names, date);
        bus.publish(&bus.write("more.csv", market::csv(&bars)), &[]);
        everything.extend(bars);
    }
    bus.close_day();
    let stat = bus.stat();
    let (rows, blocks) = (stat["bars"].as_u64().expect("bars"), stat["blocks"].as_u64().expect("blocks"));
    assert!(rows > 2 * blocks * 256, "the ring of {blocks} blocks has not wrapped: {rows} rows");
    run.child.stdin.take().expect("it is piped").write_all(b"\n").expect("it reads");

    let lines = run.finish().json_lines();
    let all: Vec<Bar> = day.iter().chain(&next).cloned().collect();
    for section in &SECTIONS[..3] {
        let blocks = of(&lines, section);
        assert!(!blocks.is_empty(), "{section}");
        for block in blocks {
            assert_bars(block, &all);
            assert_eq!((&block["first"], &block["sorted"]), (&Value::from(0), &Value::from(true)), "{block}");
        }
    }
    let held = of(&lines, SECTIONS[3]);
    assert_eq!(held.len(), 3, "{held:?}");
    assert_bars(held[0], &next);
    assert_eq!(
        (&held[1]["rows"], &held[1]["sum"]),
        (&held[0]["rows"], &held[0]["sum"]),
        "they changed while they were pinned"
    );
    assert_bars(of(&lines, SECTIONS[4])[0], &all);
    let unions = of(&lines, SECTIONS[5]);
    assert_eq!(unions.len(), 3, "{unions:?}");
    unions.into_iter().for_each(|union| assert_bars(union, &everything));
}

/// Promise 1: the page works while a minute arrives every few milliseconds.
/// Blocks that fail are retried, as the page advises.
/// Later days are published more slowly, for machines on which the page starts slowly.
#[test]
fn the_page_reads_a_bus_that_is_being_written() {
    let (bus, mut published) = bus();
    let mut met = 0;
    for (date, speed) in [("2024-03-05", "4000x"), ("2024-03-06", "1000x"), ("2024-03-07", "100x")] {
        let bars = market::xshg_day(&[SYMBOL; 20], date).into_iter().enumerate();
        // Every tenth minute has a new symbol, so the dictionary grows under the readers.
        let bars: Vec<Bar> =
            bars.map(|(row, bar)| market::bar(&format!("{:06}.XSHE", row % 20 + row / 200), bar.frame)).collect();
        let csv = bus.write("bars.csv", market::csv(&bars));
        let before = published.len();
        published.extend(bars);
        let mut publish = command::barbus();
        publish.arg("publish").arg(bus.path()).arg(&csv).args(["--speed", speed]);
        let mut publish = Running::start(&mut publish, false);
        while publish.child.try_wait().expect("can be waited for").is_none() {
            let mut read_page = python::command("run_page.py");
            read_page.arg(page()).arg(bus.path()).args(SECTIONS);
            let lines = command::finish(&mut read_page, None).json_lines();
            let read = of(&lines, SECTIONS[1])[0];
            assert_eq!((&read["first"], &read["sorted"]), (&Value::from(0), &Value::from(true)), "{read}");
            let rows = read["rows"].as_u64().expect("a number") as usize;
            assert_bars(read, &published[..rows]);
            for union in of(&lines, SECTIONS[5]) {
                let rows = union["rows"].as_u64().expect("a number") as usize;
                assert_bars(union, &published[..rows]);
            }
            met += usize::from(rows > before && rows < published.len());
            assert_eq!(of(&lines, SECTIONS[3])[0]["sum"], of(&lines, SECTIONS[3])[1]["sum"]);
        }
        publish.finish().ok();
        if met > 0 {
            return;
        }
    }
    panic!("the page never met the writer");
}

/// The page's producer publishes its bar over the socket.
#[test]
fn the_page_publishes_a_bar() {
    let (bus, _) = bus();
    let before = bus.stat()["accepted"].as_u64().expect("a number");
    let mut publish = python::command("run_page.py");
    publish.arg(page()).arg(bus.path()).arg(PUBLISHING);
    command::finish(&mut publish, None).ok();
    assert_eq!(bus.stat()["accepted"].as_u64(), Some(before + 1));
    // It has said that the minute is done: a new reader closes it without a grace period.
    let reader = Reader::open(bus.path()).and_then(|reader| reader.start_at(Start::Today)).expect("a ring");
    let options = MinuteOptions { grace: Duration::from_secs(3_600), ..MinuteOptions::default() };
    let mut minutes = reader.minutes(options).expect("a ring");
    assert!(matches!(minutes.poll().expect("a ring"), Some(Event::Bars(bars)) if bars.len() == 1));
    assert!(matches!(minutes.poll().expect("a ring"), Some(Event::MinuteClosed(_))));
}
