//! `barbus replay`: archived days onto another bus, which archives the same days.

use barbus::{Event, Reader, Start};

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Finished};
use crate::support::market::{self, Bar};
use crate::support::oracle::{self, Published};

const SYMBOLS: [&str; 3] = ["000001.XSHE", "600000.XSHG", "688001.XSHG"];
const DAYS: [&str; 3] = ["2024-03-04", "2024-03-05", "2024-03-07"];

/// A bus with three archived days.
fn archived() -> (Bus, Vec<Bar>) {
    let bus = Bus::running("XSHG");
    let bars: Vec<Bar> = DAYS.iter().flat_map(|day| market::xshg_day(&SYMBOLS, day)).collect();
    assert_eq!(bus.publish(&bus.write("bars.csv", market::csv(&bars)), &[]), Counts::all_accepted(bars.len()));
    bus.close_day();
    (bus, bars)
}

fn replay(bus: &Bus, into: &Bus, options: &[&str]) -> Finished {
    let mut command = command::barbus();
    command.arg("replay").arg(bus.path()).arg("--into").arg(into.path()).args(options);
    command::finish(&mut command, None)
}

/// A small strategy: it counts the bars that closed above their open, and keeps other events.
fn strategy(bus: &Bus) -> (Vec<(String, u32)>, Vec<String>) {
    let mut reader = Reader::open(bus.path()).expect("a ring").start_at(Start::Oldest).expect("its beginning");
    let (mut rises, mut events) = (vec![0; SYMBOLS.len()], Vec::new());
    while let Some(event) = reader.poll().expect("a sound ring") {
        match event {
            Event::Bars(bars) => {
                for bar in bars {
                    let which = SYMBOLS.iter().position(|symbol| *symbol == bar.symbol).expect("a known symbol");
                    rises[which] += u32::from(bar.close > bar.open);
                }
            }
            other => events.push(format!("{other:?}")),
        }
    }
    (SYMBOLS.iter().map(|symbol| symbol.to_string()).zip(rises).collect(), events)
}

/// Promises 7 and 8: a replay creates the same days.
#[test]
fn replayed_days_are_the_same_on_the_other_bus() {
    let (bus, bars) = archived();
    let into = Bus::running("XSHG");
    let all = ["--from", "2024-01-01", "--to", "2024-12-31", "--format", "json"];
    // First one day, then all of them: bars that the bus has are duplicates.
    let day = bars.len() / DAYS.len();
    let first = ["--from", DAYS[0], "--to", DAYS[0], "--speed", "1000000x", "--format", "json"];
    assert_eq!(Counts::of(&replay(&bus, &into, &first).json()), Counts::all_accepted(day));
    let (rest, duplicate) = ((bars.len() - day) as u64, day as u64);
    let expected = Counts { rows: rest + duplicate, accepted: rest, duplicate, ..Counts::default() };
    assert_eq!(Counts::of(&replay(&bus, &into, &all).json()), expected);
    into.close_day();
    assert_eq!(into.archived_days(), DAYS);
    oracle::assert_archive(&into, &Published::XSHG, &[bus.beside("bars.csv")]);
    assert_eq!(strategy(&bus), strategy(&into));
}

/// Columns that the other bus lacks are omitted, its further columns are null, and prices are cast.
#[test]
fn columns_are_cast() {
    let (bus, bars) = archived();
    let mut into = Bus::init("XSHG");
    into.configure("# price = \"float64\"", "price = \"float32\"");
    into.configure("# optional = [\"money\", \"factor\"]", "optional = [\"vwap\", \"money\"]");
    into.start();
    let options = ["--from", DAYS[0], "--to", DAYS[2], "--symbol", SYMBOLS[1], "--format", "json"];
    let one: Vec<&Bar> = bars.iter().filter(|bar| bar.symbol == SYMBOLS[1]).collect();
    assert_eq!(Counts::of(&replay(&bus, &into, &options).json()), Counts::all_accepted(one.len()));
    let mut reader = Reader::open(into.path()).expect("a ring");
    let rows = reader.window(SYMBOLS[1], 10_000).expect("the symbol");
    assert_eq!(rows.len(), one.len());
    for (row, bar) in rows.iter().zip(one) {
        assert_eq!((row.close, row.frame_ms), (f64::from(bar.close as f32), bar.frame.as_millisecond()));
        assert_eq!((row.optional(0), row.optional(1)), (None, bar.money));
    }
}

/// Promise 9: the error names what cannot be replayed, and everything before it has arrived.
#[test]
fn a_damaged_day_a_bus_into_itself_and_an_empty_span_are_refused() {
    let (bus, bars) = archived();
    let into = Bus::running("XSHG");
    let refused = |run: Finished, why: &str| {
        assert_eq!(run.status.code(), Some(1), "{run}");
        assert!(run.stderr.contains(why), "{run}");
    };
    let all = ["--from", DAYS[0], "--to", DAYS[2], "--format", "json"];
    refused(replay(&bus, &bus, &all), "cannot replay a bus into itself");
    let link = bus.beside("link");
    std::os::unix::fs::symlink(bus.path(), &link).expect("a link");
    let mut by_link = command::barbus();
    by_link.arg("replay").arg(&link).arg("--into").arg(bus.path()).args(all);
    refused(command::finish(&mut by_link, None), "cannot replay a bus into itself");
    refused(replay(&bus, &into, &["--from", "2024-03-09", "--to", "2024-03-11"]), "it has 3 days");

    let file = bus.archive().join(format!("{}.parquet", DAYS[1]));
    let mut bytes = std::fs::read(&file).expect("the day");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("can be written");
    let run = replay(&bus, &into, &all);
    assert!(run.stdout.contains(&format!("\"accepted\":{}", bars.len() / DAYS.len())), "{run}");
    refused(run, &format!("{}.parquet", DAYS[1]));
}
