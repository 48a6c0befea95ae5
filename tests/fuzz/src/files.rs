//! Any bytes as a file of bars: bars, rejects and rows left out, or a message names the input.
//!
//! The first byte of the input chooses the options, its first line is the path of the file, and the
//! rest is the content: text, JSON, Parquet, Arrow, packed or not.

use std::io::{Cursor, Read};
use std::sync::OnceLock;

use arrow::array::RecordBatch;
use barbus_bars::{BarSchema, Label};
use barbus_files::{
    Ambiguous, CheckOptions, Checker, InputFormat, InputOptions, Opener, ParsedRows, Understood, encoding_named,
    usual_ends_ms, zone_named,
};

/// Bit of the first byte: the content comes in small pieces.
const PIECES: u8 = 0x80;
/// Most rows that a content is read to: a small packed text may be long.
const MAX_ROWS: usize = 200_000;

/// Openers with the options that a user may give.
fn openers() -> &'static [Opener] {
    static OPENERS: OnceLock<Vec<Opener>> = OnceLock::new();
    OPENERS.get_or_init(|| {
        let plain = || InputOptions::new(BarSchema::zillionare());
        let named = || InputOptions { symbol: Some("X".to_owned()), ..plain() };
        let columns = |text: &str| text.split(',').map(str::to_owned).collect();
        let all = [
            plain(),
            named(),
            InputOptions { format: Some(InputFormat::Csv), ..named() },
            InputOptions { format: Some(InputFormat::Ndjson), ..named() },
            InputOptions { format: Some(InputFormat::Json), ..plain() },
            InputOptions { encoding: encoding_named("gbk"), ..named() },
            InputOptions { encoding: encoding_named("utf-16le"), ..named() },
            InputOptions { columns: columns("time,open,high,low,close,volume"), ..named() },
            InputOptions { columns: columns("symbol,date,time,open,high,low,close,volume"), ..plain() },
            InputOptions { scale: "1e-9".parse().ok(), ambiguous: Ambiguous::Refuse, ..named() },
            InputOptions { zone: zone_named("Europe/Berlin"), label: Some(Label::Start), ..named() },
            InputOptions { epoch_zone: zone_named("America/New_York"), ambiguous: Ambiguous::First, ..named() },
            InputOptions { date_format: Some("%d/%m/%Y %H:%M".to_owned()), ..named() },
            InputOptions { map: "frame=#1+#2,volume=none".parse().expect("a mapping"), ..named() },
            InputOptions { symbol_from: vec!["{symbol}.csv".parse().expect("a pattern")], ..plain() },
            InputOptions { default_zone: None, ..named() },
        ];
        all.map(|options| Opener::new(options).expect("the layouts are sound")).into()
    })
}

/// Bytes that come in small pieces, as from a pipe.
struct Pieces(Cursor<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let piece = 1 + self.0.position() as usize % 7;
        let most = buffer.len().min(piece);
        self.0.read(&mut buffer[..most])
    }
}

/// What a file gave, for comparison.
#[derive(Debug, PartialEq)]
pub struct Content {
    bars: String,
    rejects: Vec<String>,
    left_out: u64,
    failure: Option<String>,
}

/// Reads `data`: options, path and content.
pub fn run(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let name = String::from_utf8_lossy(&rest[..end]).into_owned();
    let content = rest.get(end + 1..).unwrap_or_default();
    let openers = openers();
    let opener = &openers[usize::from(first & !PIECES) % openers.len()];
    let read = read(opener, &name, Box::new(Cursor::new(content.to_vec())));
    // A pipe gives the same bars. How far damaged packed data is unpacked depends on the pieces.
    if first & PIECES != 0 && read.failure.is_none() && content.len() < 1 << 16 {
        let other = self::read(opener, &name, Box::new(Pieces(Cursor::new(content.to_vec()))));
        assert_eq!(other, read, "pieces are read otherwise than the whole");
    }
}

/// Reads a file to its end and examines its bars.
pub fn read(opener: &Opener, name: &str, reader: Box<dyn Read + Send>) -> Content {
    let schema = &opener.options().schema;
    let mut parsed = ParsedRows::new(schema);
    let mut understood: Vec<Understood> = Vec::new();
    let failure = match opener.open_stream(name, name, reader) {
        Err(error) => Some(error.to_string()),
        Ok(mut source) => {
            let failure = loop {
                match source.read(&mut parsed) {
                    Ok(true) if parsed.len() < MAX_ROWS => {}
                    Ok(_) => break None,
                    Err(error) => break Some(error.to_string()),
                }
            };
            understood.extend(source.understood());
            failure
        }
    };
    if let Some(failure) = &failure {
        assert!(failure.starts_with(name), "{failure:?} does not name the input {name:?}");
        assert!(failure[name.len()..].len() > 3, "{failure:?} says nothing");
    }
    for reject in &parsed.rejects {
        assert!(!reject.reason.is_empty() && !reject.source.is_empty());
    }
    for understood in &understood {
        assert!(!understood.label_why.is_empty() && !understood.zone_why.is_empty());
    }
    let order = parsed.bars.feed_order();
    let batch = parsed.bars.batch(&order);
    examine(&batch);
    Content {
        // NaN is not equal to itself, but its text is.
        bars: format!("{:?}", batch.columns()),
        rejects: parsed.rejects.iter().map(|reject| format!("{reject:?}")).collect(),
        left_out: parsed.left_out_rows(),
        failure,
    }
}

fn examine(batch: &RecordBatch) {
    let zone = zone_named("Europe/Berlin").expect("a known zone");
    let label = Some((Label::End, "the default of the bus".to_owned()));
    let mut checker = Checker::new(CheckOptions { calendar: None, zone, ends_ms: usual_ends_ms(), label });
    checker.observe(batch);
    let findings = checker.finish();
    assert_eq!(findings.bars, batch.num_rows() as u64);
    for doubt in &findings.doubts {
        assert!(!doubt.what.is_empty() && !doubt.way_out.is_empty());
    }
}
