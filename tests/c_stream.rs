//! A reader of the C library as an Arrow stream, which pyarrow reads while the bus runs.

use std::io::Write;

use serde_json::json;

use crate::c_reader::{FIRST, SYMBOLS, assert_bars, small_bus};
use crate::support::bus::Bus;
use crate::support::command::Running;
use crate::support::{c_library, market, python, wait};

/// Starts the script, whose stream is open when this returns.
fn start(bus: &Bus, arguments: &[&str]) -> Running {
    let mut command = python::command("c_stream.py");
    command.arg(c_library::prefix().join("lib/libbarbus.so.1")).arg(bus.path()).args(arguments);
    let reader = Running::start(&mut command, true);
    wait::until("the stream", || reader.output_has("attached").then_some(()));
    reader
}

/// Lets it read up to the end of the stream.
fn read(reader: &mut Running) {
    reader.child.stdin.as_mut().expect("stdin is piped").write_all(b"\n").expect("it reads its input");
}

fn wait_for_ends(reader: &Running, ends: usize) {
    wait::until("the stream's end", || (reader.count("\"end\"") == ends).then_some(()));
}

/// It waits for bars, ends with each trading day, and goes on with the next one.
#[test]
fn a_stream_ends_with_the_day_and_goes_on() {
    let bus = Bus::running("24x7");
    let bars = market::minutes(&SYMBOLS, FIRST, 2_000);
    let close = 1_440 * SYMBOLS.len();
    bus.publish(&bus.write("1.csv", market::csv(&bars[..99])), &[]);
    let mut reader = start(&bus, &["-1", "day"]);
    read(&mut reader);
    // The first bar of the second day closes the first one.
    bus.publish(&bus.write("2.csv", market::csv(&bars[99..close + 1])), &[]);
    wait_for_ends(&reader, 1);
    read(&mut reader);
    bus.publish(&bus.write("3.csv", market::csv(&bars[close + 1..])), &[]);
    bus.close_day();
    wait_for_ends(&reader, 2);
    drop(reader.child.stdin.take());
    let lines = reader.finish().json_lines();
    let end = lines.iter().position(|line| line["event"] == "end").expect("the first end");
    assert_eq!(assert_bars(&lines[..end], &bars[..close], 0), [json!({"event": "attached"})]);
    assert_eq!(assert_bars(&lines[end + 1..], &bars[close..], close), [json!({"event": "end"})]);
}

/// Promise 4: missed bars are an error with their exact number, and the stream goes on after them.
#[test]
fn a_stream_that_is_lapped_says_how_many_bars_it_missed() {
    let (bus, capacity) = small_bus();
    let bars = market::minutes(&SYMBOLS, FIRST, (2 * capacity / SYMBOLS.len()) as i64);
    let mut reader = start(&bus, &["0"]);
    bus.publish(&bus.write("bars.csv", market::csv(&bars)), &[]);
    read(&mut reader);
    wait_for_ends(&reader, 1);
    read(&mut reader);
    wait_for_ends(&reader, 2);
    // At the newest bar it ends at once, without a bar.
    read(&mut reader);
    wait_for_ends(&reader, 3);
    drop(reader.child.stdin.take());
    let lines = reader.finish().json_lines();
    let what = lines[1]["what"].as_str().expect("an error");
    let missed = what.split_whitespace().find_map(|word| word.parse::<usize>().ok()).expect("a number");
    assert!(what.contains(&format!("{missed} bars were overwritten before they were read")), "{what}");
    assert!(missed >= bars.len() - capacity, "{missed}");
    let others = assert_bars(&lines[2..], &bars[missed..], missed);
    assert_eq!(others, vec![json!({"event": "end"}); 3]);
}
