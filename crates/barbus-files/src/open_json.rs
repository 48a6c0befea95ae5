//! Opens JSON: lines of records, lines of documents, and one document.

use std::io::{BufRead, BufReader};

use barbus_bars::PRICE_COLUMNS;

use crate::bind::names::known_targets;
use crate::bind::symbol::DocumentSymbol;
use crate::bound_source::BoundSource;
use crate::decode::document_lines::{DocumentLines, Places};
use crate::decode::json::{Document, Json, Shape};
use crate::decode::json_record::LIST_NAMES;
use crate::decode::json_text;
use crate::decode::lines::Lines;
use crate::decode::ndjson::Ndjson;
use crate::error::InputError;
use crate::head::Head;
use crate::layout::description::Layout;
use crate::open_records::{Input, encoding, rebind};
use crate::packing::text_encoding::{self, Detected, Transcoder};
use crate::records::{Records, Step};
use crate::sample::{SAMPLE_ROWS, Sample};
use crate::source::RowSource;

/// The rows of lines of JSON that begin with `head`.
pub(crate) fn ndjson(
    input: Input<'_>,
    head: Head,
    reader: Box<dyn BufRead + Send>,
) -> Result<Box<dyn RowSource>, InputError> {
    let encoding = encoding(input, &head)?;
    let text = match encoding {
        Some(encoding) => text_encoding::decode(encoding, &head.bytes),
        None => head.bytes,
    };
    let sample = |path: &str, list_names: &[String]| ndjson_sample(input, &text, path, list_names);
    let first = sample("", &[]);
    let layout = input.layouts.of(&first).map_err(|reason| input.refused(&reason))?;
    let path = layout.and_then(|(layout, _)| layout.json.rows.clone()).unwrap_or_default();
    let list_names = list_names(input, layout.map(|(layout, _)| layout));
    let sample = if path.is_empty() && list_names.is_empty() { first } else { sample(&path, &list_names) };
    let reader: Box<dyn BufRead + Send> = match encoding {
        Some(encoding) => Box::new(BufReader::with_capacity(256 * 1024, Transcoder::new(reader, encoding))),
        None => reader,
    };
    let records = Ndjson::new(input.input, reader, &path, &list_names);
    let is_bar = !sample.names.is_empty() && known_targets(&sample.names, &PRICE_COLUMNS).len() < PRICE_COLUMNS.len();
    if is_bar && let Some(document) = first_document(&text) {
        return document_lines(input, records.into_lines(), document);
    }
    if sample.names.is_empty() {
        // There is no record to bind: each line is rejected, or is bound when it comes.
        return Ok(unbound(input, records, &sample, layout));
    }
    match input.bound(records, &sample, layout, DocumentSymbol::default(), "the object") {
        Ok(source) => Ok(source),
        Err(error) => Err(error),
    }
}

/// The first line of a text, if it is a document with rows in it.
fn first_document(text: &[u8]) -> Option<Document> {
    let text = String::from_utf8_lossy(text);
    let first = text.split('\n').map(str::trim).find(|line| !line.is_empty())?;
    let document = Document::parse(first.to_owned()).ok()?;
    (!document.paths().is_empty()).then_some(document)
}

/// The rows of lines that are documents as `first` is.
fn document_lines(
    input: Input<'_>,
    lines: Lines<Box<dyn BufRead + Send>>,
    first: Document,
) -> Result<Box<dyn RowSource>, InputError> {
    let found = find_rows(input, &first)?;
    let layout = found.layout.map(|(layout, _)| layout);
    let symbol = layout.map(|layout| layout.symbol.clone()).unwrap_or_default();
    let places = Places { rows: found.path, names: found.names, symbol };
    // A symbol of the first line is that of its own rows.
    let by_place = places.symbol_of(&first).is_some() || found.symbol.by_place;
    let document = DocumentSymbol { stated: None, by_place };
    let records = DocumentLines::new(input.input, lines, places);
    input.bound(records, &found.sample, found.layout, document, "the first row")
}

/// A source whose records are bound when they come.
fn unbound<R: Records + 'static>(
    input: Input<'_>,
    records: R,
    sample: &Sample,
    layout: Option<(&Layout, &str)>,
) -> Box<dyn RowSource> {
    let layout = layout.map(|(layout, _)| layout);
    let document = DocumentSymbol::default();
    let rebind = rebind(input.options, layout, sample, document, "the object");
    Box::new(BoundSource::unbound(records, input.options, rebind, input.input).live(input.waiting.cloned()))
}

/// The names of the values of lists.
fn list_names(input: Input<'_>, layout: Option<&Layout>) -> Vec<String> {
    match (&input.options.columns[..], layout) {
        ([], Some(layout)) => layout.columns.clone(),
        (columns, _) => columns.to_vec(),
    }
}

fn ndjson_sample(input: Input<'_>, text: &[u8], path: &str, list_names: &[String]) -> Sample {
    // A last line that is cut is no record.
    let mut records = Ndjson::new(input.input, text, path, list_names);
    let (names, rows) = first_rows(&mut records);
    Sample {
        path: input.name.to_owned(),
        preamble: Vec::new(),
        names,
        has_header: true,
        rows,
        json_paths: nested_paths(text),
        index: None,
    }
}

/// The paths to objects in the first line.
fn nested_paths(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let first = text.split('\n').map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut paths = Vec::new();
    for (key, value) in json_text::members(first).unwrap_or_default() {
        for (inner, value) in json_text::members(value).unwrap_or_default() {
            if value.starts_with('{') {
                paths.push(format!("{key}.{inner}"));
            }
        }
        if value.starts_with('{') {
            paths.push(key.into_owned());
        }
    }
    paths
}

/// The names of the first record and the rows with the same names.
fn first_rows(records: &mut impl Records) -> (Vec<String>, Vec<Vec<Option<String>>>) {
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    while rows.len() < SAMPLE_ROWS {
        match records.advance() {
            Ok(Step::NewNames) if names.is_empty() => names = records.names(),
            Ok(Step::NewNames) | Ok(Step::End) | Err(_) => break,
            Ok(Step::Bad) => continue,
            Ok(Step::Record) => {}
        }
        let text = |column: usize| records.cell(column).text().map(|text| text.into_owned());
        rows.push((0..names.len()).map(text).collect());
    }
    (names, rows)
}

/// The rows of one JSON document.
pub(crate) fn json(input: Input<'_>, bytes: Vec<u8>) -> Result<Box<dyn RowSource>, InputError> {
    let text = match (input.options.encoding, text_encoding::detect(&bytes)) {
        (Some(encoding), _) | (None, Detected::Known(encoding)) => text_encoding::decode(encoding, &bytes),
        _ => bytes,
    };
    let text = String::from_utf8(text)
        .map_err(|_| InputError::format(input.input, "is not UTF-8: give its encoding, such as --encoding gbk"))?;
    let document = Document::parse(text).map_err(|reason| InputError::format(input.input, &reason))?;
    let found = find_rows(input, &document)?;
    let records = Json::new(input.input, document.clone(), document.blocks(&found.path), &found.names);
    let source = input.bound(records, &found.sample, found.layout, found.symbol, "the first row");
    source.map_err(|error| error.with_place(&format!("one JSON document, its rows are under {}", shown(&found.path))))
}

/// The rows of a document, and what is known of them.
struct FoundRows<'l> {
    path: String,
    names: Vec<String>,
    sample: Sample,
    layout: Option<(&'l Layout, &'static str)>,
    symbol: DocumentSymbol,
}

/// Finds the rows of a document.
fn find_rows<'l>(input: Input<'l>, document: &Document) -> Result<FoundRows<'l>, InputError> {
    let paths = document.paths();
    let bare = Sample {
        path: input.name.to_owned(),
        preamble: Vec::new(),
        names: Vec::new(),
        has_header: true,
        rows: Vec::new(),
        json_paths: paths.clone(),
        index: None,
    };
    // The header of a layout is compared with the first record of the path that was found.
    let found = rows_path(document, &paths);
    let probe = match &found {
        Ok(path) => json_sample(input, document, path, &[], bare.clone()),
        Err(_) => bare.clone(),
    };
    let layout = input.layouts.of(&probe).map_err(|reason| input.refused(&reason))?;
    let layout_path = layout.and_then(|(layout, _)| layout.json.rows.clone());
    let path = match layout_path {
        Some(path) => path,
        None => found.map_err(|reason| InputError::format(input.input, &reason))?,
    };
    let layout_only = layout.map(|(layout, _)| layout);
    let mut names = list_names(input, layout_only);
    if names.is_empty() {
        let columns = layout_only.and_then(|layout| layout.json.columns.as_deref());
        let named = columns.and_then(|columns| document.list_at(columns));
        names = named.or_else(|| document.columns_beside(&path)).unwrap_or_default();
    }
    let blocks = document.blocks(&path);
    let sample = json_sample(input, document, &path, &names, bare);
    if blocks.is_empty() {
        let reason = format!("is one JSON document, and it has no rows under {path:?}");
        return Err(InputError::format(input.input, &reason));
    }
    let stated = layout_only.and_then(|layout| layout.symbol.in_document(document));
    let symbol = DocumentSymbol {
        stated: stated.or_else(|| document.symbol_beside(&path)),
        by_place: blocks.iter().all(|block| block.symbol.is_some()),
    };
    Ok(FoundRows { path, names, sample, layout, symbol })
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "its top level" } else { path }
}

/// The path to the rows among all that look like rows.
///
/// # Errors
/// The message that there are none, or several places.
fn rows_path(document: &Document, paths: &[String]) -> Result<String, String> {
    match paths {
        [] => Err("is one JSON document, and nothing in it looks like rows of bars: give --layout, or write one object a line".to_owned()),
        [path] => Ok(path.clone()),
        [first, rest @ ..] => {
            // Rows side by side below one key are those of one symbol each.
            let parent = |path: &str| path.rsplit_once('.').map_or(String::new(), |(parent, _)| parent.to_owned());
            let above = parent(first);
            let beside = rest.iter().all(|path| parent(path) == above);
            if beside && !above.is_empty() {
                return Ok(format!("{above}.{{symbol}}"));
            }
            if beside && paths.iter().all(|path| document.blocks(path).iter().all(|block| block.shape == Shape::One)) {
                return Ok("{symbol}".to_owned());
            }
            let listed = paths.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            Err(format!("is one JSON document, its rows may be under {listed}: give a layout with json.rows"))
        }
    }
}

fn json_sample(input: Input<'_>, document: &Document, path: &str, names: &[String], bare: Sample) -> Sample {
    let names: Vec<String> = match names {
        [] => LIST_NAMES.iter().map(|name| (*name).to_owned()).collect(),
        names => names.to_vec(),
    };
    let mut records = Json::new(input.input, document.clone(), document.blocks(path), &names);
    let (names, rows) = first_rows(&mut records);
    Sample { names, rows, ..bare }
}
