//! Texts that are read in segments, by any number of threads, give what their records give one by
//! one.

use std::io::{self, BufReader, Cursor, Read};
use std::num::NonZero;

use arrow::array::RecordBatch;
use proptest::prelude::*;
use proptest::sample::select;

use crate::decode::lines::MAX_LINE_BYTES;
use crate::decode::segments::SEGMENT_BYTES;
use crate::input::Opener;
use crate::layout::registry::built_in;
use crate::options::{Ambiguous, InputOptions};
use crate::reject::Reject;
use crate::source::{LeftOut, NightDates, ParsedRows, Undecided};
use crate::testing::{HEADER, gzip, options};
use crate::values::zone;

/// Everything that an input gives.
#[derive(Debug, PartialEq)]
struct Given {
    bars: RecordBatch,
    rejects: Vec<Reject>,
    left_out: LeftOut,
    undecided: Vec<Undecided>,
    counts: (u64, u64),
    /// Whether there are symbols that are numbers, and what they are.
    number_symbols: (bool, bool, String, usize),
    night_dates: Vec<NightDates>,
    rounded: Option<String>,
    error: Option<String>,
}

/// Reads a text in segments of a given number of bytes; its reader fails behind it if `fails`.
fn read(name: &str, text: &[u8], options: &InputOptions, threads: usize, bytes: usize, fails: bool) -> Given {
    let options = InputOptions { threads: NonZero::new(threads), ..options.clone() };
    let mut parsed = ParsedRows::new(&options.schema);
    let mut opener = Opener::new(options).unwrap();
    opener.segment_bytes = bytes;
    let text = Cursor::new(text.to_vec());
    let reader: Box<dyn Read + Send> = if fails { Box::new(text.chain(Failing)) } else { Box::new(text) };
    let error = match opener.open_stream(name, name, Box::new(BufReader::with_capacity(777, reader))) {
        Err(error) => Some(error),
        Ok(mut source) => loop {
            match source.read(&mut parsed) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            }
        },
    };
    let numbers = parsed.number_symbols;
    Given {
        rounded: parsed.bars.rounded().map(str::to_owned),
        bars: parsed.bars.into_batch(),
        rejects: parsed.rejects.into(),
        left_out: parsed.left_out,
        undecided: parsed.undecided,
        counts: (parsed.date_only, parsed.other_volume),
        number_symbols: (numbers.symbols > 0, numbers.typed, numbers.shortest, numbers.longest),
        night_dates: parsed.night_dates,
        error: error.map(|error| error.to_string()),
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Instead of a number of bytes: the whole text, record by record.
const ONE_BY_ONE: usize = 0;

#[test]
fn the_examples_of_all_layouts_give_the_same_in_segments() {
    for layout in built_in().unwrap() {
        for example in &layout.example {
            let options = InputOptions {
                symbol: example.symbol.clone(),
                zone: example.zone.as_deref().and_then(zone::named),
                label: example.label,
                layout: Some(layout.clone()),
                ..options()
            };
            let text = example.text.trim_start_matches('\n').as_bytes();
            let whole = read(&example.file, text, &options, 1, ONE_BY_ONE, false);
            for (threads, bytes) in [(1, 300), (3, 300), (2, 700), (2, 20)] {
                let given = read(&example.file, text, &options, threads, bytes, false);
                assert_eq!(given, whole, "{} by {threads} threads in {bytes} bytes", layout.name);
            }
        }
    }
}

/// One or more lines of a text with the columns `name`, `symbol`, `frame`, the five numbers and
/// `money`.
fn lines() -> impl Strategy<Value = String> {
    let symbol = prop_oneof![
        6 => select(&["A", "BB", "600000"][..]),
        1 => select(&["1", "\"C,C\"", " A ", "\" A \"", "", "NA", "\u{e9}"][..]),
    ];
    // Clocks showed the hour from two to three twice in the night to the 29th.
    let time = prop_oneof![
        2 => (0..60u32).prop_map(|minute| format!("2023-10-29 02:{minute:02}")),
        8 => (0..25u32, 0..61u32).prop_map(|(hour, minute)| format!("2023-10-28 {hour:02}:{minute:02}:00")),
        3 => select(&TIMES[..]).prop_map(str::to_owned),
    ];
    let number = || prop_oneof![6 => "[0-9]{1,5}(\\.[0-9]{1,3})?", 1 => select(&NUMBERS[..]).prop_map(str::to_owned)];
    let name = prop_oneof![
        6 => Just("n"),
        2 => select(&["\"a, b\"", "\"a\nb\"", "\"a\n\n\"\"b\"\"\nc\"", "\"open", "quote\"", "\"1\"2", ""][..]),
    ];
    let row = (name, symbol, time, proptest::collection::vec(number(), 6))
        .prop_map(|(name, symbol, time, numbers)| format!("{name},{symbol},{time},{}", numbers.join(",")));
    let other =
        select(&["", "  ", "\"", "a,b", "\u{feff}", "\"\n\n\n", "é,\"é", "n,A,2023-10-28,nan,nan,nan,nan,1,1"][..]);
    prop_oneof![9 => row, 1 => other.prop_map(str::to_owned)]
}

const TIMES: [&str; 13] = [
    "2023-10-29",
    "2023-10-29T02:30:00Z",
    "2023-10-29 02:30:00Z",
    "2023-10-29 02:30:00z",
    "2023/10/28 09:31",
    "2023-10/28 09:31",
    "2023-10-28  09:31",
    "1698539400",
    "1698539400000",
    "0000000001698",
    "16985394000",
    "2023-02-30 09:31",
    " 2023-10-28 09:31 ",
];
const NUMBERS: [&str; 18] = [
    "0",
    "1.",
    ".5",
    ".",
    "-1",
    "1e3",
    "nan",
    "x",
    "",
    " 7 ",
    "\"7\"",
    "NA",
    "1,5",
    "123456.12345678",
    "1234567.12345678",
    "123456789012345",
    "1234567890123456",
    "123456789012345678901",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    let ends = prop_oneof![3 => Just("\n"), 1 => Just("\r\n")];
    let mark = select(&["", "\u{feff}"][..]);
    (mark, proptest::collection::vec((lines(), ends), 0..300), any::<bool>()).prop_map(|(mark, lines, cut)| {
        let mut text = format!("{mark}name,symbol,frame,open,high,low,close,volume,money\n");
        text.extend(lines.iter().flat_map(|(line, end)| [line.as_str(), end]));
        let length = text.len() - usize::from(cut);
        text.into_bytes()[..length].to_vec()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Promise 9: rows keep their order, their line numbers and their meaning.
    #[test]
    fn generated_texts_give_the_same_in_segments(
        text in text(),
        bytes in prop_oneof![1..2000usize, Just(100usize), Just(4000)],
        threads in 1..4usize,
        fails in any::<bool>(),
        ambiguous in select(&[Ambiguous::Infer, Ambiguous::First, Ambiguous::Refuse][..]),
    ) {
        let options = InputOptions { zone: zone::named("Europe/Berlin"), ambiguous, ..options() };
        let whole = read("a.csv", &text, &options, 1, ONE_BY_ONE, fails);
        prop_assert_eq!(read("a.csv", &text, &options, threads, bytes, fails), whole);
    }

    /// Steps of the clock from one segment to the next are found, with the first one as example.
    #[test]
    fn dates_of_trading_days_are_found_across_segments(
        rows in proptest::collection::vec((0..3usize, 4..8u32, select(&[3, 9, 10, 14, 18, 21, 23][..])), 1..200),
        bytes in 100..600usize,
    ) {
        let line = |(i, (symbol, day, hour)): (usize, &(usize, u32, i32))| {
            format!("{},2024-03-{day:02},{hour:02}:{:02},1,1,1,1,1\n", ["A", "B", "C"][*symbol], i % 60)
        };
        let lines: String = rows.iter().enumerate().map(line).collect();
        let text = format!("symbol,date,time,open,high,low,close,volume\n{lines}");
        let whole = read("a.csv", text.as_bytes(), &options(), 1, ONE_BY_ONE, false);
        prop_assert_eq!(&read("a.csv", text.as_bytes(), &options(), 2, bytes, false), &whole);
        prop_assert_eq!(whole.bars.num_rows(), rows.len());
    }
}

/// The hour that clocks showed twice, newest and oldest row first, one symbol and many.
#[test]
fn hours_that_clocks_showed_twice_are_decided_across_segments() {
    let row =
        |symbol: usize, hour: usize, minute: usize| format!("S{symbol},2023-10-29 {hour:02}:{minute:02},1,1,1,1,1,,\n");
    let hours = [1, 2, 2, 3];
    let by_symbol = (0..5).flat_map(|symbol| hours.map(|hour| (0..60).map(move |minute| (symbol, hour, minute))));
    let by_symbol: Vec<String> = by_symbol.flatten().map(|(symbol, hour, minute)| row(symbol, hour, minute)).collect();
    let by_time =
        hours.into_iter().flat_map(|hour| (0..60).flat_map(move |minute| (0..5).map(move |s| (s, hour, minute))));
    let by_time: Vec<String> = by_time.map(|(symbol, hour, minute)| row(symbol, hour, minute)).collect();
    let mut newest_first = by_time.clone();
    newest_first.reverse();
    let options = InputOptions { zone: zone::named("Europe/Berlin"), ..options() };
    for rows in [by_symbol, by_time, newest_first] {
        let text = HEADER.to_owned() + &rows.concat();
        let whole = read("a.csv", text.as_bytes(), &options, 1, ONE_BY_ONE, false);
        assert_eq!((whole.bars.num_rows(), whole.rejects.len(), whole.undecided.len()), (1200, 0, 0));
        for bytes in [50, 333, 2000, 7777] {
            let given = read("a.csv", text.as_bytes(), &options, 2, bytes, false);
            assert_eq!(given, whole, "{bytes} bytes");
        }
    }
}

/// Bars of a whole file, in its usual segments.
#[test]
fn a_large_text_gives_the_same_by_any_number_of_threads() {
    let row = |i: usize| match i % 1000 {
        7 => format!("\"A\n{i}\",bad\n"),
        8 => format!("\"A\",bad{i}\r\n"),
        9 => "\"\n".to_owned(),
        _ => format!("S{},{},{i}.25,{i}.5,0,{i}.75,{i},,\n", i % 77, 1_646_098_260_000 + i as i64 * 60_000),
    };
    let text = HEADER.to_owned() + &(0..100_000).map(row).collect::<String>();
    assert!(text.len() > 10 * SEGMENT_BYTES);
    let whole = read("a.csv", text.as_bytes(), &options(), 1, ONE_BY_ONE, false);
    assert_eq!(whole.bars.num_rows(), 99_700);
    for threads in [1, 2, 5] {
        assert!(
            read("a.csv", text.as_bytes(), &options(), threads, SEGMENT_BYTES, false) == whole,
            "{threads} threads"
        );
    }
    assert!(read("a.csv.gz", &gzip(&text), &options(), 3, SEGMENT_BYTES, false).bars == whole.bars);
}

/// A text without a place for a cut is read on one thread, in the same memory.
#[test]
fn a_text_that_cannot_be_cut_gives_the_same() {
    let good = "A,2022-03-01 09:31,1,1,1,1,1,,\n";
    let long = format!("A,{}\n", "x".repeat(MAX_LINE_BYTES + 9));
    let broken = "\"B\nB\",2022-03-01 09:31,1,1,1,1,1,,\n";
    for rows in
        [[good.repeat(99), long.clone(), good.repeat(99)], [good.repeat(99), broken.repeat(99), good.repeat(99)]]
    {
        let text = HEADER.to_owned() + &rows.concat();
        let whole = read("a.csv", text.as_bytes(), &options(), 1, ONE_BY_ONE, false);
        for bytes in [200, 1000, SEGMENT_BYTES] {
            assert!(read("a.csv", text.as_bytes(), &options(), 2, bytes, false) == whole, "{bytes} bytes");
        }
    }
}
