//! Every layout gives the bars that its examples state, recognized or named.

use std::io::Cursor;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use barbus_bars::BarSchema;
use barbus_files::{InputOptions, Layout, Opener, ParsedRows, built_in, zone_named};

/// The bars of a batch as the examples write them.
fn lines(batch: &RecordBatch) -> Vec<String> {
    let symbols = batch.column(0).as_dictionary::<Int32Type>().downcast_dict::<StringArray>().expect("texts");
    let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
    let number = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<Float64Type>();
        if column.is_valid(row) { column.value(row).to_string() } else { String::new() }
    };
    let line = |(row, symbol): (usize, Option<&str>)| {
        let end = jiff::Timestamp::from_millisecond(frames.value(row)).expect("in range");
        let numbers: Vec<String> = (2..8).map(|column| number(column, row)).collect();
        format!("{},{end},{}", symbol.expect("a symbol"), numbers.join(","))
    };
    symbols.into_iter().enumerate().map(line).collect()
}

/// The bars of an example, sorted, or the message why there are none.
fn read(layout: &Layout, number: usize, named: bool) -> Result<(Vec<String>, Option<String>), String> {
    let example = &layout.example[number];
    let options = InputOptions {
        symbol: example.symbol.clone(),
        zone: example.zone.as_deref().and_then(zone_named),
        label: example.label,
        layout: named.then(|| layout.clone()),
        ..InputOptions::new(BarSchema::in_zone("Asia/Tokyo").expect("a known zone"))
    };
    let schema = options.schema.clone();
    let opener = Opener::new(options).map_err(|error| error.to_string())?;
    let text = example.text.trim_start_matches('\n').to_owned();
    let mut source = opener
        .open_stream(&example.file, &example.file, Box::new(Cursor::new(text.into_bytes())))
        .map_err(|error| error.to_string())?;
    let mut parsed = ParsedRows::new(&schema);
    while source.read(&mut parsed).map_err(|error| error.to_string())? {}
    if let Some(reject) = parsed.rejects.front() {
        return Err(format!("{}: {}", reject.row, reject.reason));
    }
    let order = parsed.bars.feed_order();
    let found = source.understood().into_iter().next().and_then(|understood| understood.layout);
    Ok((lines(&parsed.bars.batch(&order)), found))
}

/// Promise 9: no layout is silently read in another way than it says.
#[test]
fn every_example_gives_its_bars() {
    let mut wrong = Vec::new();
    for layout in built_in().expect("layouts are sound") {
        for (number, example) in layout.example.iter().enumerate() {
            for named in [true, false] {
                if !named && (example.named || layout.recognize.only_by_name) {
                    continue;
                }
                let how = if named { "--layout" } else { "recognized" };
                let mut expected = example.bars.clone();
                expected.sort_by_key(|bar| bar.split(',').nth(1).map(str::to_owned));
                match read(layout, number, named) {
                    Ok((bars, found)) if bars == expected => {
                        let wanted = format!("{} ({how})", layout.name);
                        if found.as_deref() != Some(&*wanted) {
                            wrong.push(format!("{wanted}: {} was taken for {found:?}", example.file));
                        }
                    }
                    Ok((bars, found)) => {
                        wrong.push(format!("{} {how} ({found:?}): {bars:#?} not {expected:#?}", layout.name))
                    }
                    Err(message) => wrong.push(format!("{} {how}: {message}", layout.name)),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
