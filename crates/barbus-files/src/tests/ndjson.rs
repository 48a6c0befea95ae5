//! NDJSON as files: rows, rejects and messages.

use crate::testing::{open_error, options, read, reason};

const FRAME_MS: i64 = 1_646_098_260_000; // 2022-03-01 09:31 in Shanghai

#[test]
fn keys_may_have_any_order_and_numbers_may_be_strings() {
    let content = r#"{"symbol":"A","frame":"2022-03-01T01:31:00Z","open":9.27,"high":1e3,"low":-0.1,"close":0.30000000000000004,"volume":47018200,"money":null}

{"t":1646098260000,"s":"A","o":"9.27","h":"1000","l":"-0.1","c":"0.30000000000000004","v":"47018200","extra":{"a":[1]}}
 {"symbol":"\u0041","frame":"2022-03-01T01:31:00Z","open":9.27,"high":1e3,"low":-0.1,"close":0.30000000000000004,"volume":47018200,"factor":6.889934}
"#;
    let found = read("a.jsonl", content, &options()).unwrap();
    assert_eq!(found.rejects, []);
    let numbers = [9.27, 1000.0, -0.1, 0.30000000000000004, 47018200.0];
    let bar = |factor| ("A".to_owned(), FRAME_MS, numbers, [None, factor]);
    assert_eq!(found.bars, [bar(None), bar(None), bar(Some(6.889934))]);
}

/// serde_json's own numbers may be off by one unit in the last place.
#[test]
fn numbers_are_rounded_once() {
    for text in ["122.416294033786585", "1.7976931348623157e308", "5e-324", "0.000000000000000000000000013"] {
        let line = format!(
            r#"{{"symbol":"A","frame":"2022-03-01 09:31","open":{text},"high":1,"low":1,"close":1,"volume":1}}"#
        );
        let found = read("a.ndjson", line, &options()).unwrap();
        assert_eq!(found.bars[0].2[0].to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }
}

/// Promise 9: a bad row is kept with its text, its place and its reason; good rows pass.
#[test]
fn bad_lines_are_rejected_one_by_one() {
    let rest = r#""open":1,"high":1,"low":1,"close":1,"volume":1}"#;
    let content = format!(
        r#"{{"symbol":"A","frame":"2022-03-01 09:31",{rest}
{{"symbol":"A","frame":"2022-03-01 09:31",
[1,2]
{{"symbol":"A",{rest}
{{"symbol":true,"frame":"2022-03-01 09:31",{rest}
{{"symbol":"A","frame":null,{rest}
{{"symbol":"A","frame":"2022-03-01 09:31","open":2,{rest}
{{"symbol":"A","frame":"2022-03-01 09:31","money":"much",{rest}
{{"symbol":"A","frame":"2022-03-01 09:31",{rest}"#
    );
    let found = read("a.ndjson", content, &options()).unwrap();
    assert_eq!(found.bars.len(), 2);
    let rejects: Vec<_> = found.rejects.iter().map(reason).collect();
    let expected = [
        ("a.ndjson:2", "not JSON: EOF while parsing a value at column 41"),
        (
            "a.ndjson:3",
            "no columns for \"high\", \"low\" and \"close\": the object has time, open; give --map 'high=NAME,low=NAME,close=NAME'",
        ),
        (
            "a.ndjson:4",
            "no column for \"frame\": the object has symbol, open, high, low, close, volume; give --map 'frame=NAME'",
        ),
        ("a.ndjson:5", "cannot read \"true\" as symbol"),
        ("a.ndjson:6", "frame is missing"),
        ("a.ndjson:7", "two columns are named \"open\": choose one by its position, such as --map 'open=#3'"),
        ("a.ndjson:8", "cannot read \"much\" as money"),
    ];
    assert_eq!(rejects, expected);
    assert_eq!(found.rejects[1].row, "[1,2]");
}

#[test]
fn an_empty_file_has_no_rows_and_a_document_without_rows_is_refused() {
    assert!(read("a.ndjson", "", &options()).unwrap().bars.is_empty());
    assert_eq!(
        open_error("a.json", "[\n{}]"),
        "a.json: is one JSON document, and nothing in it looks like rows of bars: give --layout, or write one object a line"
    );
}
