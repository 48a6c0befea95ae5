//! CSV as files: rows, rejects and messages.

use std::io::{BufReader, Cursor};

use barbus_bars::Label;
use proptest::prelude::*;
use proptest::sample::select;

use crate::input::Opener;

use crate::decode::lines::MAX_LINE_BYTES;
use crate::source::ParsedRows;
use crate::testing::{Bar, HEADER, bars, file, gzip, open_error, options, read, read_path, reason, without_directory};

const FRAME_MS: i64 = 1_646_098_260_000; // 2022-03-01 09:31 in Shanghai

#[test]
fn values_are_the_doubles_nearest_to_their_text() {
    let found = read(
        "a.csv",
        format!("{HEADER}002537.XSHE,2022-03-01T01:31:00Z,9.27,1e3,-0.1,0.30000000000000004,47018200.0,,6.889934\n"),
        &options(),
    )
    .unwrap();
    let numbers = [9.27, 1000.0, -0.1, 0.30000000000000004, 47018200.0];
    assert_eq!(found.bars, [("002537.XSHE".to_owned(), FRAME_MS, numbers, [None, Some(6.889934)])]);
    assert_eq!(found.rejects, []);
}

#[test]
fn vendor_names_delimiters_quotes_marks_and_line_ends_are_read() {
    let row = |d: &str| ["\"a\"\"b\"", " \"2022-03-01 09:31\" ", "1", "2", "0.5", "1.5", "10"].join(d);
    let header = |d: &str| ["\"Code\"", "datetime", "o", "h", "l", "c", "vol"].join(d);
    let contents = [
        format!("{}\n{}\n", header(","), row(",")),
        format!("\u{feff}{}\r\n\r\n{}\r\n\r\n", header(","), row(",")),
        format!("{}\n{}", header("\t"), row("\t")),
        format!("{}\n\n  \n{}", header(";"), row(";")),
        format!("{}\n{}", header("|"), row("|")),
    ];
    for content in contents {
        let found = read("a.csv", &content, &options()).unwrap();
        let bar = ("a\"b".to_owned(), FRAME_MS, [1.0, 2.0, 0.5, 1.5, 10.0], [None, None]);
        assert_eq!(found.bars, [bar], "{content:?}");
        assert_eq!(found.rejects, []);
    }
}

#[test]
fn a_quoted_field_may_hold_delimiters() {
    let content = "name,symbol,frame,open,high,low,close,volume\n\"x, y\",A,2022-03-01 09:31,1,1,1,1,\"1\"\n";
    assert_eq!(read("a.csv", content, &options()).unwrap().bars.len(), 1);
}

/// A record of several lines has the number of its first line, and lines behind it have their own.
#[test]
fn lines_are_counted_through_quoted_fields() {
    let content = "name,symbol,frame,open,high,low,close,volume\n\"x\n\ny\",A,2022-03-01 09:31,1,1,1,1,one\nbad\n";
    let found = read("a.csv", content, &options()).unwrap();
    let rejects: Vec<_> = found.rejects.iter().map(reason).collect();
    assert_eq!(rejects[0], ("a.csv:2", "cannot read \"one\" as volume"));
    assert_eq!(rejects[1], ("a.csv:5", "1 field where the header has 8"));
}

#[test]
fn the_map_the_zone_and_the_label_are_used() {
    let mut options = options();
    options.map = "frame=close_time,money=quote".parse().unwrap();
    options.zone = Some(jiff::tz::TimeZone::UTC);
    options.label = Some(Label::Start);
    let content = "symbol,open_time,close_time,open,high,low,close,volume,quote\n\
                   A,1,2022-03-01 01:30,1,1,1,1,1,7\n";
    let found = read("a.csv", content, &options).unwrap();
    assert_eq!(found.bars, [("A".to_owned(), FRAME_MS, [1.0; 5], [Some(7.0), None])]);
}

/// Promise 9: a bad row is kept with its text, its place and its reason; good rows pass.
#[test]
fn bad_rows_are_rejected_one_by_one() {
    let good = "A,2022-03-01 09:31,1,1,1,1,1,,\n";
    let content = [
        HEADER.as_bytes(),
        good.as_bytes(),
        b"A,2022-03-01 09:32,1,1,1,1,1\n",
        b"A,2022-03-01 09:33,1,one,1,1,1,,\n",
        b"A,2022-02-30 09:34,1,1,1,1,1,,\n",
        b"\n",
        b"A,2022-03-01 09:35,1,1,1,,1,,\n",
        b"A,2022-03-01 09:36,1,1,1,1,1,,x\n",
        b"A,\"2022-03-01 09:37,1,1,1,1,1,,\n",
        b"\xFF,2022-03-01 09:38,1,1,1,1,1,,\n",
        b"A,2022-03-01 09:39:00.0005,1,1,1,1,1,,\n",
        b"A\n",
        good.as_bytes(),
    ]
    .concat();
    let found = read("a.csv", content, &options()).unwrap();
    assert_eq!(found.bars.len(), 2);
    let rejects: Vec<_> = found.rejects.iter().map(reason).collect();
    let expected = [
        ("a.csv:3", "7 fields where the header has 9"),
        ("a.csv:4", "cannot read \"one\" as high"),
        ("a.csv:5", "cannot read \"2022-02-30 09:34\" as frame"),
        ("a.csv:7", "close is missing"),
        ("a.csv:8", "cannot read \"x\" as factor"),
        ("a.csv:9", "a quoted field does not end on its line"),
        ("a.csv:10", "cannot read \"\u{fffd}\" as symbol"),
        ("a.csv:11", "frame is not on the bar interval"),
        ("a.csv:12", "1 field where the header has 9"),
    ];
    assert_eq!(rejects, expected);
    assert_eq!(found.rejects[5].row, "A,\"2022-03-01 09:37,1,1,1,1,1,,");
}

#[test]
fn rows_that_only_break_a_rule_go_to_the_daemon() {
    let content = format!(
        "{HEADER}A,2022-03-01 09:31,1,1,1,1,-1,,\nA,2022-03-01 09:31:30,1,0,1,1,1,,\n,2022-03-01 09:31,NaN,inf,1,1,1,,\n"
    );
    let found = read("a.csv", content, &options()).unwrap();
    assert_eq!(found.bars.len(), 3);
    assert_eq!(found.bars[0].2[4], -1.0);
    assert!(found.bars[2].2[0].is_nan());
}

#[test]
fn a_header_without_the_columns_of_a_bar_is_refused() {
    assert_eq!(
        open_error("ticks.csv", "symbol,time,open,high,low,volume\nA,1,1,1,1,1\n"),
        "ticks.csv: no column for \"close\": the header has symbol, time, open, high, low, volume; give --map 'close=NAME'"
    );
    assert_eq!(
        open_error("ticks.csv", "symbol,frame,open,high,low,clse,volume\n"),
        "ticks.csv: no column for \"close\": the header has symbol, frame, open, high, low, clse, volume; \
         give --map 'close=clse'"
    );
    let unclear = "symbol,datetime,ts,open,high,low,close,volume\nA,2023-05-09 09:31,2023-05-09 10:17,1,1,1,1,1\n";
    assert!(open_error("ticks.csv", unclear).contains("columns datetime and ts may all be the time"));
    assert!(open_error("ticks.csv", "time,open,high,low,close,volume\n").contains("give --symbol NAME"));
    assert_eq!(open_error("ticks.csv", ""), "ticks.csv: the input is empty");
    assert_eq!(open_error("ticks.csv", "\r\n\n"), "ticks.csv: the input is empty");
    assert_eq!(open_error("ticks.csv.gz", gzip("")), "ticks.csv.gz: the input is empty");
    assert_eq!(open_error("ticks.csv", "\x01\0\x02\n"), "ticks.csv: not CSV: the first line has zero bytes");
    let endless = vec![b'x'; MAX_LINE_BYTES + 1];
    assert_eq!(open_error("ticks.csv", endless), "ticks.csv: not CSV: the first line is longer than a megabyte");
    assert_eq!(
        open_error("ticks.csv", "symbol,\"frame\n"),
        "ticks.csv: a quoted field of the header does not end on its line"
    );
    let nasty = open_error("ticks.csv", format!("\u{1b}[2J{}\n", "x".repeat(5000)));
    assert!(nasty.len() < 500 && !nasty.contains('\u{1b}'), "{nasty}");
}

#[test]
fn a_header_without_lines_has_no_rows() {
    let found = read("a.csv", HEADER, &options()).unwrap();
    assert!(found.bars.is_empty() && found.rejects.is_empty() && found.error.is_none());
}

fn many(rows: usize) -> String {
    let row = |i: usize| format!("A,{},{i}.25,{i}.5,0,{i}.75,{i},,\n", FRAME_MS + i as i64 * 60_000);
    HEADER.to_owned() + &(0..rows).map(row).collect::<String>()
}

/// A truncated line may still look like a row: 123 of 12345. It must not become a bar.
#[test]
fn a_truncated_gzip_gives_the_rows_before_and_an_error() {
    let whole = gzip(many(20_000));
    let (directory, path) = file("a.csv.gz", &whole[..whole.len() / 2]);
    let found = read_path(&path, &options()).unwrap();
    assert!(found.bars.len() > 1000, "{} bars", found.bars.len());
    for (i, bar) in found.bars.iter().enumerate() {
        let n = i as f64;
        assert_eq!(bar.2, [n + 0.25, n + 0.5, 0.0, n + 0.75, n]);
    }
    let lines = found.bars.len() + 1 + found.rejects.len();
    assert_eq!(
        without_directory(directory.path(), &found.error.unwrap()),
        format!("a.csv.gz: the packed data ends too early, at line {lines}: the file is truncated")
    );
    for reject in &found.rejects {
        assert_eq!(reject.reason, "the input ends in the middle of this line");
    }
}

#[test]
fn a_damaged_gzip_gives_the_rows_before_and_an_error() {
    let mut whole = gzip(many(20_000));
    let crc = whole.len() - 8;
    whole[crc] ^= 1;
    let found = read("a.csv.gz", &whole, &options()).unwrap();
    assert_eq!(found.bars.len(), 20_000);
    let message = found.error.unwrap().to_string();
    assert!(message.contains("reading stopped at line 20001: "), "{message}");
}

#[test]
fn gzip_members_follow_each_other() {
    let text = many(10);
    let (first, second) = text.split_at(text.len() / 2);
    let found = read("a.csv.gz", [gzip(first), gzip(""), gzip(second), gzip("")].concat(), &options()).unwrap();
    assert_eq!(found.bars.len(), 10);
    assert!(found.error.is_none());
}

/// The text of a field and its value: a number, or an error.
const NUMBERS: [(&str, Option<f64>); 20] = [
    ("1", Some(1.0)),
    ("9.27", Some(9.27)),
    ("123456789.125", Some(123456789.125)),
    ("9007199254740993", Some(9007199254740992.0)),
    ("123456789012345678901234567890", Some(1.2345678901234568e29)),
    ("-0", Some(-0.0)),
    ("+1", Some(1.0)),
    ("1e3", Some(1000.0)),
    ("1E-7", Some(1e-7)),
    ("1e400", Some(f64::INFINITY)),
    (".5", Some(0.5)),
    ("5.", Some(5.0)),
    ("inf", Some(f64::INFINITY)),
    (".", None),
    ("1.2.3", None),
    ("", None),
    ("0x1", None),
    ("1_000", None),
    ("1:5", None),
    ("one", None),
];
const FRAMES: [(&str, bool); 8] = [
    ("2022-03-01 09:31", true),
    ("2022-03-01T01:31:00Z", true),
    ("2022-03-01 09:31:00.000", true),
    ("2022-03-01 09:31:00+08:00", true),
    ("1646098260", true),
    ("20220301093100", true),
    ("2022-02-30 09:31", false),
    ("word", false),
];
const SYMBOLS: [&str; 6] = ["A", "BB", "A.B-C", "A\"B", "A,B;C|D\tE", ""];

/// The ways to write the text of a field.
#[derive(Debug, Clone, Copy)]
enum Style {
    Plain,
    Blanks,
    Quoted,
    BlanksQuoted,
}

impl Style {
    fn write(self, text: &str) -> String {
        let quoted = format!("\"{}\"", text.replace('"', "\"\""));
        // Such a text can only be written in quotes.
        let needs_quotes = text.contains(|letter| ",;|\t\"".contains(letter));
        match self {
            Style::BlanksQuoted => format!("  {quoted} "),
            Style::Quoted => quoted,
            _ if needs_quotes => quoted,
            Style::Plain => text.to_owned(),
            Style::Blanks => format!(" {text}  "),
        }
    }
}

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![4 => Just(Style::Plain), 1 => select(&[Style::Blanks, Style::Quoted, Style::BlanksQuoted][..])]
}

/// A row with its text for the delimiter, and its bar if all its values can be read.
fn row() -> impl Strategy<Value = (Vec<String>, Option<Bar>)> {
    let symbol = (select(&SYMBOLS[..]), style());
    let frame = (prop_oneof![6 => Just(FRAMES[0]), 1 => select(&FRAMES[..])], style());
    let number = || (prop_oneof![6 => Just(NUMBERS[1]), 1 => select(&NUMBERS[..])], style());
    (symbol, frame, proptest::collection::vec(number(), 5)).prop_map(|(symbol, frame, numbers)| {
        let mut fields = vec![symbol.1.write(symbol.0), frame.1.write(frame.0.0)];
        fields.extend(numbers.iter().map(|((text, _), style)| style.write(text)));
        let values: Option<Vec<f64>> = numbers.iter().map(|((_, value), _)| *value).collect();
        let values = values.filter(|_| frame.0.1);
        let bar = values.map(|v| (symbol.0.to_owned(), FRAME_MS, [v[0], v[1], v[2], v[3], v[4]], [None, None]));
        (fields, bar)
    })
}

proptest! {
    /// Every way to write a value, every delimiter, and buffers that end anywhere in a row.
    #[test]
    fn rows_are_read_as_they_were_written(
        rows in proptest::collection::vec(row(), 0..30),
        delimiter in select(&[",", "\t", ";", "|"][..]),
        end in select(&["\n", "\r\n", "\n\n"][..]),
        capacity in prop_oneof![1..400usize, Just(1 << 18)],
    ) {
        let mut text = ["symbol", "frame", "open", "high", "low", "close", "volume"].join(delimiter) + end;
        let lines: Vec<String> = rows.iter().map(|(fields, _)| fields.join(delimiter)).collect();
        text += &lines.join(end);
        let options = options();
        let reader = BufReader::with_capacity(capacity, Cursor::new(text.into_bytes()));
        let opener = Opener::new(options.clone()).unwrap();
        let mut source = opener.open_stream("a.csv", "a.csv", Box::new(reader)).unwrap();
        let mut parsed = ParsedRows::new(&options.schema);
        while source.read(&mut parsed).unwrap() {}
        let expected: Vec<Bar> = rows.iter().filter_map(|(_, bar)| bar.clone()).collect();
        prop_assert_eq!(bars(&parsed.bars.into_batch()), expected);
        let rejected = lines.iter().zip(&rows).filter(|(_, (_, bar))| bar.is_none()).map(|(line, _)| line);
        prop_assert!(parsed.rejects.iter().map(|reject| &reject.row).eq(rejected), "{:?}", parsed.rejects);
    }
}
