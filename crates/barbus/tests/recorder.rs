//! The example `recorder` writes each bar once and in order, even if it stops in the middle of a
//! line.

#[allow(dead_code, reason = "its main is that of the example")]
#[path = "../examples/recorder.rs"]
mod recorder;

use std::path::Path;
use std::time::Duration;

use barbus::{Bus, Date, InitOptions, Row};
use barbus_writer::Writer;
use recorder::{Recorded, open, record};

const MINUTE: i64 = 60_000;
/// 2024-07-04 09:30 in Shanghai.
const OPEN: i64 = 1_720_056_600_000;
const SYMBOLS: [&str; 2] = ["600000.XSHG", "000001.XSHE"];

fn publish(writer: &mut Writer, minutes: std::ops::RangeInclusive<i64>) {
    for minute in minutes {
        let symbol = writer.symbol(SYMBOLS[minute as usize % 2]).unwrap();
        let (frame_ms, close) = (OPEN + minute * MINUTE, minute as f64 + 0.5);
        let mut row = Row { symbol, frame_ms, open: close, high: close, low: close, close, ..Row::default() };
        (row.optional[1], row.present) = (close, 2);
        writer.push(&row).unwrap();
    }
}

/// Opens the recorder's file again and records all new bars.
fn run(bus: &Path, file: &Path) -> Recorded {
    let mut reader = open(bus, file).unwrap();
    record(&mut reader, file, Duration::ZERO).unwrap()
}

#[test]
fn a_recorder_continues_where_its_file_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = (dir.path().join("bus"), dir.path().join("bars.csv"));
    Bus::init(&path, &InitOptions { calendar: "XSHG".into(), ..InitOptions::default() }).unwrap();
    let settings = path.join("bus.toml");
    let text = std::fs::read_to_string(&settings).unwrap().replace("# size = \"256MB\"", "size = \"16MB\"");
    std::fs::write(&settings, text).unwrap();
    let mut writer = Writer::open(&Bus::open(&path).unwrap()).unwrap();

    publish(&mut writer, 1..=60);
    assert_eq!(run(&path, &file), Recorded { bars: 60, ..Recorded::default() });
    // The file ends in the middle of its last line: that bar is written again.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 7]).unwrap();
    publish(&mut writer, 61..=100);
    assert_eq!(run(&path, &file), Recorded { bars: 41, ..Recorded::default() });
    assert_eq!(run(&path, &file), Recorded::default(), "nothing new");
    publish(&mut writer, 101..=110);
    let day = writer.close_day();
    assert_eq!(day, Some(Date::constant(2024, 7, 4)));
    assert_eq!(run(&path, &file), Recorded { bars: 10, missed: 0, closed: day });

    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines = text.lines();
    let header = "seq,symbol,frame_ms,open,high,low,close,volume,money,factor,received_ns,revision";
    assert_eq!(lines.next(), Some(header));
    for (minute, line) in (1..=110).zip(lines.by_ref()) {
        let fields: Vec<&str> = line.split(',').collect();
        let (close, frame_ms) = (format!("{minute}.5"), OPEN + minute * MINUTE);
        let known: [&str; 10] = fields[..10].try_into().unwrap();
        let (seq, frame_ms) = ((minute - 1).to_string(), frame_ms.to_string());
        let symbol = SYMBOLS[minute as usize % 2];
        assert_eq!(known, [&seq, symbol, &frame_ms, &close, &close, &close, &close, "0", "", &close]);
    }
    assert_eq!(lines.next(), None);
}
