//! What the values of files mean: decimals, symbols that are numbers, single objects.

use crate::reading::Reading;
use crate::testing::{Found, file, open_error, options, read};
use crate::{CheckOptions, InputOptions, Opener, Progress, usual_ends_ms};

/// The closes of all bars.
fn closes(found: &Found) -> Vec<f64> {
    found.bars.iter().map(|bar| bar.2[3]).collect()
}

/// The first doubt about a file, or an empty text, and the symbols.
fn doubt(name: &str, content: &str, options: &InputOptions) -> (String, Vec<String>) {
    let (_directory, path) = file(name, content);
    let opener = Opener::new(options.clone()).unwrap();
    let mut reading = Reading::of(vec![Ok(path)], &opener, &Progress::default()).unwrap();
    assert!(reading.failures.is_empty(), "{:?}", reading.failures);
    let zone = jiff::tz::TimeZone::UTC;
    let check = CheckOptions { calendar: None, zone, ends_ms: usual_ends_ms(), label: None };
    let findings = reading.examine(check).unwrap();
    let symbols = reading.bars.symbols().iter().map(|symbol| symbol.to_string()).collect();
    (findings.doubts.first().map(ToString::to_string).unwrap_or_default(), symbols)
}

#[test]
fn decimal_commas_are_understood_where_they_are_certain() {
    let error = open_error("a.csv", "Symbol;Zeit;Open;High;Low;Close\nA;04.03.2024 09:31;1;1;1;1\n");
    assert!(error.ends_with("give --map 'frame=Zeit'"), "{error}");
    // A name that a shell or a map would take apart is given by its position.
    let error = open_error("a.csv", "Symbol;Zeit (d'Or);Open;High;Low;Close\nA;04.03.2024 09:31;1;1;1;1\n");
    assert!(error.ends_with("give --map 'frame=#2'"), "{error}");
    let german = "Symbol;Time;Open;High;Low;Close;Volume\n\
                  A;04.03.2024 09:31;10,25;10,5;10,0;10,25;1.000\n\
                  A;04.03.2024 09:32;1.010,25;1.010,5;10;1.010,375;2.000\n";
    let found = read("a.csv", german, &options()).unwrap();
    assert_eq!(found.rejects, []);
    assert_eq!((closes(&found), found.bars[1].2[4]), (vec![10.25, 1010.375], 2000.0));
    // Quoted, with a comma between the fields.
    let quoted = "symbol,time,open,high,low,close,volume\nA,2024-03-04 09:31,\"10,25\",\"10,5\",\"10,0\",\"10,2\",7\n";
    assert_eq!(closes(&read("a.csv", quoted, &options()).unwrap()), [10.2]);
    // Without a header the commas separate no fields.
    let bare = "2024-03-04 09:31;10,25;10,5;10,0;10,25;100,5\n";
    let mut named = options();
    named.symbol = Some("A".to_owned());
    named.columns = ["time", "open", "high", "low", "close", "volume"].map(str::to_owned).into();
    assert_eq!(closes(&read("a.csv", bare, &named).unwrap()), [10.25]);
}

/// Promise 9: 1,234 is not guessed to be 1.234 or 1234.
#[test]
fn decimals_that_may_be_thousands_are_refused_with_the_flag() {
    let text = "symbol;time;open;high;low;close;volume\nA;2024-03-04 09:31;1,250;1,500;1,125;1,375;7\n";
    let error = open_error("a.csv", text);
    assert!(error.contains("\"1,250\" may have a decimal comma") && error.contains("--decimal comma"), "{error}");
    let mut stated = options();
    for (word, close) in [("comma", 1.375), ("point", 1375.0)] {
        stated.decimal = Some(word.parse().unwrap());
        let found = read("a.csv", text, &stated).unwrap();
        assert_eq!((closes(&found), found.rejects.len()), (vec![close], 0), "{word}");
    }
    let mixed: String = (0..6).map(|i| format!("A;2024-03-04 09:3{i};1{}5;2;1;1;7\n", [",", "."][i % 2])).collect();
    let error = open_error("a.csv", format!("symbol;time;open;high;low;close;volume\n{mixed}"));
    assert!(error.contains("have different decimals"), "{error}");
}

/// Promise 9: 1 is not stored where 000001 may be meant.
#[test]
fn symbols_that_may_have_lost_zeros_are_doubted() {
    let row = |code: &str, minute: usize| format!("{code},2024-03-04 09:{minute},1,1,1,1,1\n");
    let csv = |codes: &[&str]| {
        let rows = codes.iter().flat_map(|code| (31..40).map(move |minute| row(code, minute)));
        "code,time,open,high,low,close,volume\n".to_owned() + &rows.collect::<String>()
    };
    let shanghai = options();
    for codes in [&["000001", "600000"][..], &["600000.XSHG"], &["A1"]] {
        assert_eq!(doubt("a.csv", &csv(codes), &shanghai).0, "", "{codes:?}");
    }
    for codes in [&["1", "600000"][..], &["1"], &["600000.0"]] {
        let (doubt, _) = doubt("a.csv", &csv(codes), &shanghai);
        assert!(doubt.contains("zeros") && doubt.contains("--symbol-digits 6"), "{codes:?}: {doubt:?}");
    }
    let json = r#"{"code":1,"time":"2024-03-04 09:31","open":1,"high":1,"low":1,"close":1,"volume":1}"#;
    assert!(doubt("a.ndjson", json, &shanghai).0.contains("--symbol-digits 6 for 000001"));
    for (digits, symbols) in [(6, ["000001", "600000"]), (1, ["1", "600000"])] {
        let settled = InputOptions { symbol_digits: Some(digits), ..options() };
        assert_eq!(
            doubt("a.csv", &csv(&["1", "600000.0"]), &settled),
            (String::new(), symbols.map(str::to_owned).into())
        );
    }
}

#[test]
fn one_object_is_one_bar() {
    let mut named = options();
    named.symbol = Some("A".to_owned());
    for text in [
        r#"{"time":1709515860000,"open":1,"high":2,"low":1,"close":1.5,"volume":7}"#,
        "{\n \"time\": 1709515860000,\n \"open\": 1, \"high\": 2, \"low\": 1, \"close\": 1.5, \"volume\": 7\n}\n",
        r#"{"data":{"time":1709515860000,"open":1,"high":2,"low":1,"close":1.5,"volume":7}}"#,
        r#"{"code":0,"data":[{"time":1709515860000,"open":1,"high":2,"low":1,"close":1.5,"volume":7}]}"#,
    ] {
        assert_eq!(closes(&read("a.json", text, &named).unwrap()), [1.5], "{text}");
    }
    let kline = r#"{"t":1709510400000,"T":1709510459999,"s":"AAAUSDT","i":"1m","o":"1.5","c":"1.625","h":"1.75","l":"1.25","v":"100","x":true,"q":"160.5"}"#;
    let event = format!(r#"{{"e":"kline","E":1709510459999,"s":"AAAUSDT","k":{kline}}}"#);
    let combined = format!(r#"{{"stream":"aaausdt@kline_1m","data":{event}}}"#);
    for text in [kline, &event, &combined, &event.replace(',', ",\n"), &combined.replace(',', ",\n")] {
        let found = read("a.json", text, &options()).unwrap();
        assert_eq!((found.bars.len(), found.bars[0].0.as_str()), (1, "AAAUSDT"), "{text}");
    }
    let latest = r#"{"bars":{"A":{"t":"2024-03-04T14:30:00Z","o":1,"h":2,"l":1,"c":1,"v":1},"B":{"t":"2024-03-04T14:30:00Z","o":1,"h":2,"l":1,"c":1,"v":1}}}"#;
    assert_eq!(read("a.json", latest, &options()).unwrap().bars.len(), 2);
}

/// Promise 9: an archive that holds itself has an end.
#[test]
fn archives_in_archives_have_an_end() {
    use std::io::{Cursor, Write};
    let mut bytes = b"symbol,time,open,high,low,close,volume\n".to_vec();
    for depth in 0..4 {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let name = if depth == 0 { "a.csv" } else { "a.zip" };
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&bytes).unwrap();
        bytes = writer.finish().unwrap().into_inner();
    }
    assert!(open_error("a.zip", &bytes).contains("is a zip archive in archives: unpack it first"));
}

/// Promise 9: the night session of a trading day is not stored a day late.
#[test]
fn dates_of_trading_days_are_doubted() {
    let row = |date: &str, time: &str| format!("A,{date},{time},10,11,9,10,1\n");
    let rows = |date_of_night: &str| -> String {
        let night = (1..30).map(|minute| row(date_of_night, &format!("21:{minute:02}:00")));
        night.chain((1..30).map(|minute| row("20240305", &format!("09:{minute:02}:00")))).collect()
    };
    let header = "symbol,trading_day,time,open,high,low,close,volume\n";
    let (found, _) = doubt("a.csv", &format!("{header}{}", rows("20240305")), &options());
    assert!(found.contains("21:29:00 to 09:01:00 on 20240305") && found.contains("--map frame="), "{found:?}");
    assert_eq!(doubt("a.csv", &format!("{header}{}", rows("20240304")), &options()).0, "");
}

/// Promise 9: the code of an answer is no symbol.
#[test]
fn the_code_of_an_error_is_no_symbol() {
    let text = r#"{"code":"0","data":[{"time":1709515860000,"open":1,"high":2,"low":1,"close":1.5,"volume":7}]}"#;
    assert!(open_error("a.json", text).contains("give --symbol NAME"));
}

#[test]
fn formats_that_are_not_read_are_called_by_their_names() {
    for (bytes, words) in [
        (&b"SQLite format 3\0..."[..], "sqlite3 -header -csv"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "Excel"),
        (b"7z\xBC\xAF\x27\x1C\0\x04", "unpack it first"),
        (b"\x80\x04\x95\0\0", "pickle"),
        (b"ORC\0", "ORC"),
    ] {
        let error = open_error("a.bin", bytes);
        assert!(error.contains(words), "{error}");
    }
}
