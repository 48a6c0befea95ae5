//! A misdated bar cannot take the day away: bars of the future and of the distant past are
//! quarantined, by every way into a bus.

use std::fs::File;
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::DataType;
use jiff::Timestamp;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::fake_clock::FakeClock;
use crate::support::market;
use crate::support::producer::{self, Producer};
use crate::support::wait;

const HEADER: &str = "symbol,frame,open,high,low,close,volume";

/// Publishes one bar; `frame` is a time in Shanghai, or anything else that a producer may send.
pub(crate) fn publish(bus: &Bus, symbol: &str, frame: &str) -> Counts {
    let name = format!("{symbol}-{}.csv", frame.replace([':', ' '], "-"));
    let csv = bus.write(&name, format!("{HEADER}\n{symbol},{frame},10,11,9,10,1\n"));
    // The command doubts such bars before the daemon rejects them. It fails when all are rejected.
    let published = bus.barbus("publish", [csv.to_str().expect("UTF-8"), "--trust", "--format", "json"]);
    let counts = Counts::of(&serde_json::from_str(&published.stdout).expect("a summary"));
    if is_quarantined(counts) {
        published.fails(1, &["no row was accepted"]);
    } else {
        published.ok();
    }
    counts
}

fn is_quarantined(counts: Counts) -> bool {
    counts == Counts { rows: 1, quarantined: 1, ..Counts::default() }
}

/// Promise 9: a bar of next year would close today, and every real bar after it would be late.
#[test]
fn a_bar_of_the_future_is_quarantined_and_the_day_stays_open() {
    let mut bus = Bus::init("XSHG");
    // 09:36 in Shanghai.
    let Some(clock) = FakeClock::showing("2026-11-27T01:36:00Z", bus.beside("clock")) else { return };
    bus.set_clock(&clock);
    bus.start();
    assert_eq!(publish(&bus, "A", "2026-11-27 09:31").accepted, 1);
    assert!(is_quarantined(publish(&bus, "BAD", "2027-11-29 09:34")));
    assert_eq!(publish(&bus, "A", "2026-11-27 09:35").accepted, 1);
    // Ten minutes ahead are accepted: the clocks of producers differ.
    assert_eq!(publish(&bus, "A", "2026-11-27 09:45").accepted, 1);
    assert!(is_quarantined(publish(&bus, "A", "2026-11-27 09:47")));
    let stat = bus.stat();
    assert_eq!((&stat["day"], &stat["days_archived"]), (&json!("2026-11-27"), &json!(0)));
    assert_eq!(stat["quarantined"]["future"], 2, "{stat}");
    let kept = bus.quarantine();
    assert_eq!((&kept[0]["code"], &kept[0]["row"]["symbol"]), (&json!("future"), &json!("BAD")));
}

/// Promise 9: a zero instead of a time is a bar of 1970.
#[test]
fn a_bar_of_the_distant_past_is_quarantined() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# oldest = \"1990-01-01\"", "oldest = \"2000-01-04\"");
    bus.start();
    let bar = producer::batch(&[market::bar("A", Timestamp::UNIX_EPOCH)]);
    let integers = arrow::compute::cast(&bar["frame"], &DataType::Int64).expect("milliseconds");
    let schema = bar.schema();
    let columns = schema.fields().iter().map(|field| field.name().clone()).zip(bar.columns().to_vec());
    let columns = columns.map(|(name, column)| match name == "frame" {
        true => (name, integers.clone()),
        false => (name, column),
    });
    let bar = RecordBatch::try_from_iter(columns).expect("one row");
    let mut socket = Producer::connect(&bus);
    socket.send(&producer::stream(&[bar]));
    assert_eq!(socket.answer()["quarantined"], 1);
    // The bar that ends at midnight belongs to the day before.
    assert!(is_quarantined(publish(&bus, "A", "2000-01-04 00:00")));
    assert_eq!(publish(&bus, "A", "2000-01-04 00:01").accepted, 1);
    let stat = bus.stat();
    assert_eq!((&stat["quarantined"]["past"], &stat["day"]), (&json!(2), &json!("2000-01-04")), "{stat}");
}

/// Promise 9: a replay is a producer like any other.
#[test]
fn replayed_bars_of_the_future_are_quarantined() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# max_ahead = \"10m\"", "max_ahead = \"876000h\"");
    bus.start();
    for day in ["2024-03-04", "2100-03-04"] {
        assert_eq!(publish(&bus, "A", &format!("{day} 09:31")).accepted, 1);
    }
    bus.close_day();
    let lab = Bus::running("XSHG");
    let into = lab.path();
    let replay = ["--from", "2024-03-04", "--to", "2100-03-04", "--speed", "max", "--into"];
    bus.barbus("replay", replay.iter().map(|word| word.as_ref()).chain([into.as_os_str()])).ok();
    let stat = lab.stat();
    assert_eq!((&stat["accepted"], &stat["quarantined"]["future"]), (&json!(1), &json!(1)), "{stat}");
    assert_eq!(stat["day"], "2024-03-04");
}

/// A bus as it was before bars of the future were quarantined: one of them has closed today.
fn bus_with_a_day_of_the_future() -> Option<(Bus, FakeClock)> {
    let mut bus = Bus::init("XSHG");
    // 09:36 in Shanghai.
    let clock = FakeClock::showing("2026-11-27T01:36:00Z", bus.beside("clock"))?;
    bus.set_clock(&clock);
    bus.configure("# max_ahead = \"10m\"", "max_ahead = \"876000h\"");
    bus.start();
    for (symbol, frame) in [("A", "2026-11-27 09:31"), ("BAD", "2027-11-29 09:34"), ("A", "2026-11-27 09:35")] {
        assert_eq!(publish(&bus, symbol, frame).accepted, 1);
    }
    wait::until("the file of today", || (bus.archived_days() == ["2026-11-27"]).then_some(()));
    bus.configure("max_ahead = \"876000h\"", "max_ahead = \"10m\"");
    bus.stop();
    bus.start();
    assert_eq!(bus.stat()["day"], "2027-11-29", "a restart does not heal it");
    assert!(bus.log().contains("barbus withdraw"), "the log names the command");
    Some((bus, clock))
}

/// Promise 7: a day that a misdated bar has closed is given back while the daemon runs.
#[test]
fn withdrawing_a_day_of_the_future_opens_today_again() {
    let Some((mut bus, _clock)) = bus_with_a_day_of_the_future() else { return };
    let words = bus.barbus("withdraw", ["--day", "2027-11-29"]).ok();
    assert!(words.contains("1 bar of 2027-11-29 withdrawn") && words.contains("2026-11-27"), "{words}");
    assert_eq!(bus.stat()["day"], "2026-11-27");
    // The day stays given back if the daemon dies before its first bar, and after it.
    for frame in ["2026-11-27 09:36", "2026-11-27 09:37"] {
        bus.kill();
        bus.start();
        assert_eq!(bus.stat()["day"], "2026-11-27");
        assert_eq!(publish(&bus, "A", frame).accepted, 1);
    }
    assert_eq!(publish(&bus, "A", "2026-11-27 09:31").duplicate, 1);
    assert_eq!(bus.stat()["days_waiting"], json!([]), "its bars are not late");
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2026-11-27"]);
    bus.barbus("verify", [] as [&str; 0]).ok();
    assert_eq!(frames(&bus.archive().join("2026-11-27.parquet"), "A"), 4);
    // Nothing that was acknowledged is gone: the file of before is kept.
    let withdrawn = bus.path().join("archive/withdrawn/2027-11-29-1.parquet");
    assert_eq!(frames(&withdrawn, "BAD"), 1);
    // After the withdrawal a close counts again.
    bus.stop();
    bus.start();
    assert_eq!((bus.stat()["day"].clone(), bus.archived_days().len()), (json!(null), 1));
}

/// Promise 8: bars that were withdrawn are new again, also after a restart; the others stay known.
#[test]
fn withdrawn_bars_of_a_symbol_can_be_published_again() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# late = \"5s\"", "late = \"100ms\"");
    bus.start();
    for symbol in ["A", "B"] {
        assert_eq!(publish(&bus, symbol, "2024-03-04 09:31").accepted, 1);
    }
    bus.barbus("withdraw", ["--day", "2024-03-04"]).fails(1, &["2024-03-04 is the open day"]);
    bus.close_day();
    let words = bus.barbus("withdraw", ["--day", "2024-03-04", "--symbol", "B"]).ok();
    assert!(words.contains("1 bar of 2024-03-04 withdrawn"), "{words}");
    let file = bus.archive().join("2024-03-04.parquet");
    assert_eq!((frames(&file, "A"), frames(&file, "B")), (1, 0));
    bus.kill();
    bus.start();
    assert_eq!((frames(&file, "A"), frames(&file, "B")), (1, 0));
    assert_eq!(publish(&bus, "A", "2024-03-04 09:31").duplicate, 1);
    assert_eq!(publish(&bus, "B", "2024-03-04 09:31").accepted, 1);
    assert_eq!(publish(&bus, "B", "2024-03-04 09:31").duplicate, 1);
    wait::until("the late bar", || (frames(&file, "B") == 1).then_some(()));
    // The rest of the day: no file is left.
    bus.barbus("withdraw", ["--day", "2024-03-04"]).ok();
    assert_eq!(bus.archived_days(), [] as [&str; 0]);
    bus.barbus("verify", [] as [&str; 0]).ok();
}

/// Promises 7 and 8: a file was published with the wrong label. Its bars are withdrawn by their
/// times or by the file, no stray bar stays in the file of the day before, and the right ones are
/// new.
#[test]
fn bars_with_a_wrong_label_are_withdrawn_by_time_or_file_and_published_again() {
    let mut bus = Bus::init("24x7");
    bus.configure("# late = \"5s\"", "late = \"100ms\"");
    bus.start();
    let start = |minute: usize| format!("2024-03-04 00:{minute:02}");
    let rows: String = (0..30).map(|minute| format!("A,{},10,11,9,10,1\n", start(minute))).collect();
    let csv = bus.write("starts.csv", format!("{HEADER}\n{rows}"));
    assert_eq!(publish(&bus, "B", "2024-03-04 00:10").accepted, 1);
    let mut tail = command::barbus();
    let tail = Running::start(tail.arg("tail").arg(bus.path()), false);
    wait::until("a listed reader", || (bus.stat()["readers"] == 1).then_some(()));
    assert_eq!(bus.publish(&csv, &["--label", "end"]).accepted, 30);
    bus.close_day();
    assert_eq!(bus.archived_days(), ["2024-03-03", "2024-03-04"]);
    bus.barbus("withdraw", [] as [&str; 0]).fails(1, &["nothing is selected"]);
    bus.barbus("withdraw", ["--from", "morning"]).fails(1, &["is not a time"]);
    let source = csv.to_str().expect("UTF-8");
    let span = ["--symbol", "A", "--from", "2024-03-04 00:00", "--to", "2024-03-04T00:29:00Z"];
    let file = ["--source", source, "--label", "end"];
    for selection in [&span[..], &file[..]] {
        let words = bus.barbus("withdraw", selection).ok();
        assert!(words.contains("30 bars of 2 days withdrawn"), "{words}");
        assert_eq!(bus.archived_days(), ["2024-03-04"]);
        if selection == span {
            assert_eq!(bus.publish(&csv, &["--label", "end"]).accepted, 30);
            bus.wait_archived();
        }
    }
    assert_eq!(bus.publish(&csv, &["--label", "start"]).accepted, 30);
    bus.wait_archived();
    bus.kill();
    bus.start();
    let file = bus.archive().join("2024-03-04.parquet");
    wait::until("the late bars", || (frames(&file, "A") == 30).then_some(()));
    assert_eq!((frames(&file, "B"), bus.archived_days()), (1, vec!["2024-03-04".to_owned()]));
    assert_eq!(bus.publish(&csv, &["--label", "start"]).duplicate, 30);
    bus.barbus("verify", [] as [&str; 0]).ok();
    for day in ["2024-03-03", "2024-03-04"] {
        wait::until("the event", || tail.output_has(&format!("bars of {day} were withdrawn")).then_some(()));
    }
}

/// The number of bars of a symbol in a Parquet file.
fn frames(file: &Path, symbol: &str) -> usize {
    let file = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build()).expect("Parquet");
    let symbols = batches.map(|batch| {
        let symbols = arrow::compute::cast(&batch.expect("a batch")["symbol"], &DataType::Utf8).expect("symbols");
        symbols.as_string::<i32>().iter().filter(|found| *found == Some(symbol)).count()
    });
    symbols.sum()
}
