//! One question over ring, parts and day files: promise 14, live and archived bars come as one
//! sequence, without a seam, a hole or a double.

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type, TimestampMillisecondType, UInt32Type};
use barbus::{Adjust, Answer, Bus, Date, Error, Event, Interval, Reader, Row, Shortfall, Start};
use barbus_writer::{Pushed, Writer};
use jiff::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// 2024-07-01 09:30 in Shanghai, a Monday.
const OPEN: i64 = 1_719_797_400_000;
const SYMBOLS: [&str; 3] = ["000001.XSHE", "600000.XSHG", "688001.XSHG"];

/// The last value of each bar, by symbol and frame.
type Bars = BTreeMap<(String, i64), f64>;

fn bus() -> (tempfile::TempDir, Bus) {
    support::bus("XSHG", &[("size", "\"4MB\""), ("rows_per_block", "256")])
}

/// When the weekday with this number begins trading.
fn open_of(day: i64) -> i64 {
    OPEN + (day / 5 * 7 + day % 5) * DAY
}

fn push(writer: &mut Writer, symbol: &str, frame_ms: i64, close: f64, factor: Option<f64>) -> u64 {
    let symbol = writer.symbol(symbol).unwrap();
    let mut row =
        Row { symbol, frame_ms, open: close, high: close, low: close, close, volume: 100.0, ..Row::default() };
    if let Some(factor) = factor {
        (row.optional[1], row.present) = (factor, 2);
    }
    match writer.push(&row).unwrap() {
        Pushed::Accepted(seq) | Pushed::Revised(seq) => seq,
        other => panic!("{other:?}"),
    }
}

fn float(batch: &RecordBatch, name: &str) -> Vec<f64> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec()
}

/// The symbol, frame and close of each bar of a batch.
fn closes(batch: &RecordBatch) -> Vec<(String, i64, f64)> {
    let symbols = batch.column(0).as_dictionary::<Int32Type>();
    let names = symbols.values().as_string::<i32>();
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
    let symbol = |key: &i32| names.value(*key as usize).to_owned();
    let keys = symbols.keys().values().iter().map(symbol);
    keys.zip(frames).zip(float(batch, "close")).map(|((symbol, frame_ms), close)| (symbol, *frame_ms, close)).collect()
}

/// The bars of an answer, each of which it has once.
fn bars_of(answer: &Answer) -> Bars {
    let mut bars = Bars::new();
    for (symbol, frame_ms, close) in answer.batches().iter().flat_map(closes) {
        assert_eq!(bars.insert((symbol.clone(), frame_ms), close), None, "{symbol} {frame_ms} is there twice");
    }
    bars
}

/// The bars that the numbers below `next_seq` make.
fn state(pushed: &[(u64, &str, i64, f64)], next_seq: u64) -> Bars {
    let before = pushed.iter().filter(|(seq, ..)| *seq < next_seq);
    before.map(|(_, symbol, frame_ms, close)| (((*symbol).to_owned(), *frame_ms), *close)).collect()
}

#[test]
fn every_answer_is_the_state_at_its_number_while_bars_come() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let pushed = Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut answers = Vec::new();
            loop {
                let last = done.load(Ordering::Acquire);
                let answer = bus.bars().collect().unwrap();
                let next = answer.next_seq().unwrap();
                let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Seq(next)).unwrap().anonymous();
                let first = match reader.next(Duration::from_millis(1)).unwrap() {
                    Some(Event::Bars(bars)) => Some(bars.rows()[0].seq),
                    _ => None,
                };
                assert!(first.is_none_or(|first| first == next), "{first:?} follows {next}");
                answers.push((next, bars_of(&answer)));
                if last {
                    return answers;
                }
            }
        });
        for day in 0..40 {
            for minute in 1..=30 {
                for (i, symbol) in SYMBOLS.into_iter().enumerate() {
                    let mut publish = |symbol: &'static str, frame_ms: i64, close: f64| {
                        let seq = push(&mut writer, symbol, frame_ms, close, None);
                        pushed.lock().unwrap().push((seq, symbol, frame_ms, close));
                    };
                    let close = (day * 1_000 + minute) as f64;
                    publish(symbol, open_of(day) + minute * MINUTE, close);
                    // A revision of the day, and a late bar or a revision of a day before.
                    if (minute + i as i64) % 7 == 0 {
                        publish(symbol, open_of(day) + minute / 2 * MINUTE + MINUTE, close + 0.25);
                    }
                    if day > 0 && (minute + i as i64) % 11 == 0 {
                        publish(symbol, open_of(day - 1) + (minute + 20) * MINUTE, close + 0.5);
                    }
                }
            }
            writer.close_day().unwrap();
            if day % 3 == 0 {
                writer.flush().unwrap();
            }
        }
        writer.flush().unwrap();
        done.store(true, Ordering::Release);
        asker.join().unwrap()
    });
    let pushed = pushed.into_inner().unwrap();
    for (next, bars) in &answers {
        let expected = state(&pushed, *next);
        let wrong = expected.iter().find(|(key, close)| bars.get(*key) != Some(close));
        assert!(
            bars.len() == expected.len() && wrong.is_none(),
            "at {next}: {} of {} {wrong:?}",
            bars.len(),
            expected.len()
        );
    }
    assert_eq!(answers.last().unwrap().0, writer.next_seq());
}

#[test]
fn there_is_no_seam_at_any_step_of_a_close() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let mut pushed = Vec::new();
    let check = |pushed: &[(u64, &str, i64, f64)], writer: &Writer| {
        let answer = bus.bars().collect().unwrap();
        assert_eq!(answer.next_seq(), Some(writer.next_seq()));
        assert_eq!(bars_of(&answer), state(pushed, u64::MAX));
        assert!(answer.is_complete(), "{:?}", answer.shortfalls());
    };
    check(&pushed, &writer);
    for day in 0..4 {
        for minute in 1..=5 {
            for symbol in SYMBOLS {
                let frame_ms = open_of(day) + minute * MINUTE;
                pushed.push((
                    push(&mut writer, symbol, frame_ms, frame_ms as f64, None),
                    symbol,
                    frame_ms,
                    frame_ms as f64,
                ));
            }
            check(&pushed, &writer);
        }
        writer.close_day().unwrap();
        check(&pushed, &writer);
        // A late bar of the day that waits for its file, and one after the file.
        for minute in [6, 7] {
            let frame_ms = open_of(day) + minute * MINUTE;
            pushed.push((push(&mut writer, SYMBOLS[0], frame_ms, 1.0, None), SYMBOLS[0], frame_ms, 1.0));
            check(&pushed, &writer);
            writer.flush().unwrap();
            check(&pushed, &writer);
        }
    }
    drop(writer);
    assert_eq!(bars_of(&bus.bars().collect().unwrap()), state(&pushed, u64::MAX));
}

/// The blocks of the ring are looked at again only after many rows.
#[test]
fn answers_stay_whole_over_days_of_many_rows() {
    let (_dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    let symbols: Vec<String> = (0..50).map(|number| format!("{number:06}.XSHE")).collect();
    let mut expected = Bars::new();
    for day in 0..3 {
        for minute in 1..=110 {
            let frame_ms = open_of(day) + minute * MINUTE;
            for symbol in &symbols {
                push(&mut writer, symbol, frame_ms, minute as f64, None);
                expected.insert((symbol.clone(), frame_ms), minute as f64);
            }
            if minute % 50 == 0 {
                assert_eq!(bars_of(&bus.bars().collect().unwrap()), expected);
            }
        }
        writer.close_day().unwrap();
        assert_eq!(bars_of(&bus.bars().collect().unwrap()), expected);
        writer.flush().unwrap();
        assert_eq!(bars_of(&bus.bars().collect().unwrap()), expected);
    }
}

/// Two days of all minutes, the second open.
fn two_days() -> (tempfile::TempDir, Bus, Writer) {
    let (dir, bus) = bus();
    let mut writer = Writer::open(&bus).unwrap();
    for day in 0..2 {
        for minute in (1..=120).chain(211..=330) {
            for (i, symbol) in SYMBOLS.into_iter().enumerate() {
                let factor = [Some((day + 1) as f64), Some(1.0), None][i];
                push(&mut writer, symbol, open_of(day) + minute * MINUTE, (day * 1_000 + minute) as f64, factor);
            }
        }
        if day == 0 {
            writer.close_day().unwrap();
            writer.flush().unwrap();
        }
    }
    (dir, bus, writer)
}

#[test]
fn answers_have_one_schema_and_one_dictionary() {
    let (_dir, bus, _writer) = two_days();
    let answer = bus.bars().collect().unwrap();
    let names: Vec<&str> = answer.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["symbol", "frame", "open", "high", "low", "close", "volume", "money", "factor", "day"]);
    assert_eq!((answer.batches().len(), answer.rows()), (2, 2 * 240 * 3));
    for batch in answer.batches() {
        assert_eq!(batch.schema(), *answer.schema());
        assert!(
            Array::to_data(batch.column(0).as_dictionary::<Int32Type>().values())
                .ptr_eq(&answer.batches()[0].column(0).as_dictionary::<Int32Type>().values().to_data())
        );
    }
    let days = answer.batches()[1].column_by_name("day").unwrap().as_primitive::<Date32Type>();
    assert_eq!(barbus_bars::date_from_epoch_days(days.value(0).into()), Date::constant(2024, 7, 2));
    let some = bus.bars().columns(["close", "day", "close"]).collect().unwrap();
    let names: Vec<&str> = some.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["symbol", "frame", "close", "day"]);
    // The same columns without any bar.
    let none = bus.bars().to(Date::constant(2020, 1, 2)).collect().unwrap();
    assert_eq!((none.rows(), none.schema()), (0, answer.schema()));
}

#[test]
fn symbols_bounds_and_counts_select_bars() {
    let (_dir, bus, mut writer) = two_days();
    let rows = |query: barbus::BarsQuery| query.collect().unwrap().rows();
    let time = |day: i64, minute: i64| Timestamp::from_millisecond(open_of(day) + minute * MINUTE).unwrap();
    assert_eq!(rows(bus.bars().symbols(["600000.XSHG"])), 480);
    assert_eq!(rows(bus.bars().from(Date::constant(2024, 7, 2))), 720);
    assert_eq!(rows(bus.bars().to(Date::constant(2024, 7, 1)).symbols(SYMBOLS)), 720);
    assert_eq!(rows(bus.bars().from(time(0, 330)).to(time(1, 2))), 9);
    for count in [1, 239, 240, 241, 480] {
        let answer = bus.bars().symbols([SYMBOLS[1]]).last(count).collect().unwrap();
        let bars: Vec<_> = bars_of(&answer).into_keys().collect();
        let all: Vec<_> = bars_of(&bus.bars().symbols([SYMBOLS[1]]).collect().unwrap()).into_keys().collect();
        assert_eq!(bars, all[all.len() - count..], "{count}");
        assert!(answer.is_complete());
    }
    let short = bus.bars().last(481).collect().unwrap();
    let expected = SYMBOLS.map(|symbol| Shortfall::FewerBars { symbol: symbol.into(), found: 480, asked: 481 });
    assert_eq!((short.rows(), short.shortfalls(), short.is_complete()), (1_440, &expected[..], false));
    // A symbol that has no bar on the newest two days is not among those of a count.
    push(&mut writer, "300750.XSHE", open_of(0) + MINUTE, 1.0, None);
    writer.close_day().unwrap();
    push(&mut writer, SYMBOLS[0], open_of(2) + MINUTE, 1.0, None);
    let newest = bus.bars().last(1).collect().unwrap();
    assert_eq!(newest.rows(), 3);
}

#[test]
fn intervals_are_folded_over_days_and_say_whether_they_are_complete() {
    let (_dir, bus, mut writer) = two_days();
    push(&mut writer, SYMBOLS[0], open_of(2) + MINUTE, 7.0, None);
    push(&mut writer, SYMBOLS[0], open_of(2) + 3 * MINUTE, 9.0, None);
    let ask = |interval: &str| {
        let interval: Interval = interval.parse().unwrap();
        let answer = bus.bars().symbols([SYMBOLS[0]]).interval(interval).collect().unwrap();
        let mut bars = Vec::new();
        for batch in answer.batches() {
            let counts = batch.column_by_name("bars").unwrap().as_primitive::<UInt32Type>().values().to_vec();
            let complete = batch.column_by_name("complete").unwrap().as_boolean().clone();
            for (i, (_, frame_ms, close)) in closes(batch).into_iter().enumerate() {
                bars.push((frame_ms, close, float(batch, "volume")[i], counts[i], complete.value(i)));
            }
        }
        bars
    };
    let days = ask("1d");
    assert_eq!(days[0], (open_of(0) + 330 * MINUTE, 330.0, 24_000.0, 240, true));
    assert_eq!(days[2], (open_of(2) + 330 * MINUTE, 9.0, 200.0, 2, false));
    assert_eq!(ask("1w"), [(open_of(4) + 330 * MINUTE, 9.0, 48_200.0, 482, false)]);
    assert_eq!(ask("1M"), [(open_of(22) + 330 * MINUTE, 9.0, 48_200.0, 482, false)]);
    let (hours, two) = (ask("1h"), ask("2m"));
    assert_eq!((hours.len(), hours[8].3, hours[8].4), (9, 2, false));
    // The minutes 1 and 2 have ended, because the minute 3 is there; 4 is still to come.
    assert_eq!((two[240].3, two[240].4, two[241].3, two[241].4), (1, true, 1, false));
    // A question that has only a part of a period says so.
    let cut = bus.bars().symbols([SYMBOLS[0]]).from(Date::constant(2024, 7, 2)).to(Date::constant(2024, 7, 2));
    let cut = cut.interval(Interval::Week).collect().unwrap();
    assert!(!cut.batches()[0].column_by_name("complete").unwrap().as_boolean().value(0));
    for (interval, count) in [("1h", 3), ("1d", 2), ("1w", 1), ("1M", 1)] {
        let last = bus.bars().symbols([SYMBOLS[0]]).interval(interval.parse().unwrap()).last(count).collect().unwrap();
        let all = ask(interval);
        let frames: Vec<i64> = bars_of(&last).into_keys().map(|(_, frame_ms)| frame_ms).collect();
        let expected: Vec<i64> = all[all.len() - count..].iter().map(|bar| bar.0).collect();
        assert_eq!(frames, expected, "{interval}");
    }
}

#[test]
fn prices_are_adjusted_by_the_newest_factor_of_the_question() {
    let (_dir, bus, _writer) = two_days();
    let first = |adjust: Adjust, symbol: &str| {
        let answer = bus.bars().symbols([symbol]).adjust(adjust).collect().unwrap();
        let batch = &answer.batches()[0];
        (float(batch, "close")[9], float(batch, "volume")[9], answer.shortfalls().to_vec())
    };
    // The factor is 1 on the first day and 2 on the second.
    assert_eq!(first(Adjust::Forward, SYMBOLS[0]), (5.0, 200.0, vec![]));
    assert_eq!(first(Adjust::Backward, SYMBOLS[0]), (10.0, 100.0, vec![]));
    assert_eq!(first(Adjust::Forward, SYMBOLS[1]), (10.0, 100.0, vec![]));
    let none = Shortfall::NotAdjusted { symbol: SYMBOLS[2].into() };
    assert_eq!(first(Adjust::Forward, SYMBOLS[2]), (10.0, 100.0, vec![none]));
    let day =
        bus.bars().symbols([SYMBOLS[0]]).to(Date::constant(2024, 7, 1)).adjust(Adjust::Forward).collect().unwrap();
    assert_eq!(float(&day.batches()[0], "close")[9], 10.0);
}

#[test]
fn a_panel_has_minutes_by_symbols() {
    let (_dir, bus, mut writer) = two_days();
    push(&mut writer, SYMBOLS[0], open_of(2) + MINUTE, 7.0, None);
    let panel = bus.bars().symbols(SYMBOLS).last(3).panel("close").unwrap();
    assert_eq!((panel.frames_ms.len(), panel.symbols.len()), (3, 3));
    assert_eq!(panel.frames_ms[2], open_of(2) + MINUTE);
    assert_eq!((panel.value(2, 0), panel.value(1, 0), panel.value(1, 2)), (7.0, 1_330.0, 1_330.0));
    assert!(panel.value(2, 1).is_nan());
    let refused = bus.bars().last(3).panel("day").unwrap_err();
    assert!(refused.to_string().contains("numbers"), "{refused}");
}

#[test]
fn days_without_bars_and_damaged_days_are_named() {
    let (_dir, bus, mut writer) = two_days();
    writer.close_day().unwrap();
    push(&mut writer, SYMBOLS[0], open_of(4) + MINUTE, 7.0, None);
    writer.flush().unwrap();
    let answer = bus.bars().from(Date::constant(2024, 6, 27)).collect().unwrap();
    let missing = |first, last, days| Shortfall::MissingDays { first, last, days };
    let (thursday, friday) = (Date::constant(2024, 6, 27), Date::constant(2024, 6, 28));
    let (third, fourth) = (Date::constant(2024, 7, 3), Date::constant(2024, 7, 4));
    assert_eq!(answer.shortfalls(), [missing(thursday, friday, 2), missing(third, fourth, 2)]);
    let file = bus.archive().join("2024-07-02.parquet");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let refused = bus.bars().collect().unwrap_err();
    assert!(matches!(refused, Error::Archive(_)) && refused.to_string().contains("2024-07-02.parquet"), "{refused}");
    let rest = bus.bars().skip_damaged().collect().unwrap();
    assert_eq!(rest.rows(), 721);
    let named = |shortfall: &Shortfall| matches!(shortfall, Shortfall::Damaged { day, .. } if *day == Date::constant(2024, 7, 2));
    assert!(rest.shortfalls().iter().any(named) && !rest.is_complete(), "{:?}", rest.shortfalls());
}

#[test]
fn wrong_questions_are_refused() {
    let (_dir, bus, _writer) = two_days();
    let refused = |query: barbus::BarsQuery| query.collect().unwrap_err().to_string();
    let unknown = refused(bus.bars().symbols(["600000.XSHE"]));
    assert!(unknown.contains("no symbol \"600000.XSHE\"") && unknown.contains("600000.XSHG"), "{unknown}");
    let behind = refused(bus.bars().from(Date::constant(2024, 7, 2)).to(Date::constant(2024, 7, 1)));
    assert!(behind.contains("begins after its end"), "{behind}");
    let column = refused(bus.bars().columns(["vwap"]));
    assert!(column.contains("no column \"vwap\": an answer has symbol, frame, open"), "{column}");
    let complete = refused(bus.bars().columns(["complete"]));
    assert!(complete.contains("no column"), "{complete}");
    assert!(refused(bus.bars().last(0)).contains("ask for 1 or more"));
}

#[test]
fn a_bus_without_a_ring_answers_from_the_archive_and_says_so() {
    let (_dir, bus, mut writer) = two_days();
    writer.close_day().unwrap();
    writer.flush().unwrap();
    drop(writer);
    std::fs::remove_file(bus.ring()).unwrap();
    let answer = bus.bars().collect().unwrap();
    assert_eq!((answer.rows(), answer.next_seq(), answer.is_complete()), (1_440, None, false));
    assert!(matches!(answer.shortfalls(), [Shortfall::NoRing { .. }]), "{:?}", answer.shortfalls());
    std::fs::remove_dir_all(bus.archive()).unwrap();
    assert!(matches!(bus.bars().collect().unwrap_err(), Error::NoRing { .. }));
}

#[test]
fn withdrawn_rows_of_the_ring_are_left_out() {
    let (_dir, bus, mut writer) = two_days();
    writer.close_day().unwrap();
    let mut before = Reader::open(bus.path()).unwrap();
    let frames = |reader: &mut Reader, symbol: &str| -> Vec<i64> {
        reader.window(symbol, 300).unwrap().iter().map(|row| row.frame_ms).collect()
    };
    assert_eq!(frames(&mut before, SYMBOLS[1]).len(), 300);
    let mut selection = barbus::Selection::of_day(Date::constant(2024, 7, 2));
    selection.symbols.push(SYMBOLS[1].into());
    writer.withdraw(&selection).unwrap();
    assert_eq!(bus.bars().collect().unwrap().rows(), 1_440 - 240);
    let mut after = Reader::open(bus.path()).unwrap();
    for reader in [&mut before, &mut after] {
        let left = frames(reader, SYMBOLS[1]);
        assert!(left.len() == 240 && left[239] < open_of(1), "{left:?}");
        assert_eq!(reader.latest(SYMBOLS[1]).unwrap().unwrap().frame_ms, left[239]);
        assert_eq!(frames(reader, SYMBOLS[2]).len(), 300, "no bar of another symbol is left out");
    }
    push(&mut writer, SYMBOLS[1], open_of(1) + MINUTE, 3.0, None);
    assert_eq!(bus.bars().collect().unwrap().rows(), 1_440 - 240 + 1);
    for reader in [&mut before, &mut after] {
        let now = frames(reader, SYMBOLS[1]);
        assert!(now.len() == 241 && now[240] == open_of(1) + MINUTE, "{now:?}");
    }
}

/// What a bus has learned of its ring does not hold for the ring that replaces it.
#[test]
fn answers_go_on_in_another_ring() {
    let (_dir, bus, mut writer) = two_days();
    assert_eq!(bus.bars().collect().unwrap().next_seq(), Some(writer.next_seq()));
    writer.close_day().unwrap();
    writer.flush().unwrap();
    let next_seq = writer.next_seq();
    drop(writer);
    let file = bus.path().join("bus.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("size = \"4MB\"", "size = \"8MB\"")).unwrap();
    let mut writer = Writer::open(&Bus::open(bus.path()).unwrap()).unwrap();
    assert_eq!((writer.next_seq(), writer.ring().geometry().first_seq), (next_seq, next_seq), "an empty ring");
    let answer = bus.bars().collect().unwrap();
    assert_eq!((answer.rows(), answer.next_seq()), (1_440, Some(next_seq)));
    let mut reader = Reader::open(bus.path()).unwrap().start_at(Start::Seq(next_seq)).unwrap();
    push(&mut writer, SYMBOLS[0], open_of(2) + MINUTE, 3.0, None);
    match reader.poll().unwrap() {
        Some(Event::Bars(bars)) => assert_eq!(bars.iter().map(|bar| bar.seq).collect::<Vec<_>>(), [next_seq]),
        other => panic!("{other:?}"),
    }
    assert_eq!(bus.bars().collect().unwrap().rows(), 1_441);
}

/// A ring that is put back from a backup has lower numbers, and all its rows are in the answers.
#[test]
fn answers_have_the_rows_of_a_ring_that_was_put_back() {
    let (_dir, bus, mut writer) = two_days();
    let backup = bus.path().join("ring.backup");
    drop(writer);
    std::fs::copy(bus.ring(), &backup).unwrap();
    writer = Writer::open(&bus).unwrap();
    writer.close_day().unwrap();
    writer.flush().unwrap();
    assert_eq!(bus.bars().collect().unwrap().rows(), 1_440);
    drop(writer);
    // The archive is put back, too.
    let day = |file: &std::fs::DirEntry| file.file_name().to_string_lossy().contains("2024-07-02");
    let mut removed = 0;
    for file in std::fs::read_dir(bus.archive()).unwrap().flatten().filter(day) {
        std::fs::remove_file(file.path()).unwrap();
        removed += 1;
    }
    assert_eq!(removed, 1);
    std::fs::rename(&backup, bus.ring()).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    assert_eq!(bus.bars().collect().unwrap().rows(), 1_440);
    push(&mut writer, SYMBOLS[0], open_of(1) + 331 * MINUTE, 3.0, None);
    assert_eq!(bus.bars().collect().unwrap().rows(), 1_441);
}
