//! Opens the records of each format: samples their beginning, finds the layout, binds the columns.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use encoding_rs::Encoding;

use crate::bind::binder::Binder;
use crate::bind::binding::{Facts, bind};
use crate::bind::symbol::DocumentSymbol;
use crate::bound_source::{BoundSource, Rebind};
use crate::decode::arrow::ArrowRecords;
use crate::decode::csv::{Csv, CsvForm};
use crate::decode::csv_form::{Expected, TextStart, proposed_columns, split_start};
use crate::decode::dbn::DbnRecords;
use crate::decode::json::{Document, Json, Shape};
use crate::decode::json_record::LIST_NAMES;
use crate::decode::json_text;
use crate::decode::ndjson::Ndjson;
use crate::error::InputError;
use crate::head::Head;
use crate::layout::description::{Header, Layout};
use crate::layouts::Layouts;
use crate::options::InputOptions;
use crate::packing::live::Waiting;
use crate::packing::text_encoding::{self, Detected, Transcoder};
use crate::records::{Records, Step};
use crate::sample::{SAMPLE_ROWS, Sample};
use crate::source::RowSource;

/// An input and how it is to be read.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    /// How messages call it.
    pub(crate) input: &'a str,
    /// Its path, for patterns and endings.
    pub(crate) name: &'a str,
    pub(crate) options: &'a Arc<InputOptions>,
    pub(crate) layouts: &'a Arc<Layouts>,
    /// The waiting bytes of an input that is still written.
    pub(crate) waiting: Option<&'a Waiting>,
}

impl Input<'_> {
    fn refused(&self, reason: &str) -> InputError {
        InputError::columns(self.input, reason)
    }

    /// Binds the sample and makes a source of the records.
    fn bound<R: Records + 'static>(
        &self,
        records: R,
        sample: &Sample,
        layout: Option<(&Layout, &str)>,
        document: DocumentSymbol,
        names_in: &'static str,
    ) -> Result<Box<dyn RowSource>, InputError> {
        let facts = Facts {
            sample,
            options: self.options,
            layout: layout.map(|(layout, _)| layout),
            layout_how: layout.map_or("", |(_, how)| how),
            document: &document,
            names_in,
        };
        let (plan, mut understood) = bind(&facts).map_err(|reason| self.refused(&reason))?;
        self.input.clone_into(&mut understood.input);
        let binder = Binder::new(plan, &self.options.schema, self.options.ambiguous);
        let rebind = rebind(self.options, layout.map(|(layout, _)| layout), sample, document, names_in);
        Ok(Box::new(BoundSource::new(records, binder, rebind, understood).live(self.waiting.cloned())))
    }
}

/// Binds records whose columns are not those of the sample.
fn rebind(
    options: &Arc<InputOptions>,
    layout: Option<&Layout>,
    sample: &Sample,
    document: DocumentSymbol,
    names_in: &'static str,
) -> Rebind {
    let (options, layout) = (options.clone(), layout.cloned());
    let sample = Sample { rows: Vec::new(), ..sample.clone() };
    Box::new(move |names, row| {
        let sample = Sample { names: names.to_vec(), rows: vec![row.to_vec()], ..sample.clone() };
        let (options, layout) = (&*options, layout.as_ref());
        let facts = Facts { sample: &sample, options, layout, layout_how: "", document: &document, names_in };
        bind(&facts).map(|(plan, _)| plan)
    })
}

/// The rows of a CSV text that begins with `head`.
pub(crate) fn csv(
    input: Input<'_>,
    head: Head,
    reader: Box<dyn BufRead + Send>,
) -> Result<Box<dyn RowSource>, InputError> {
    let options = input.options;
    let encoding = encoding(input, &head)?;
    let text = match encoding {
        Some(encoding) => text_encoding::decode(encoding, &head.bytes),
        None => head.bytes,
    };
    let named = input.layouts.named();
    let mut expected = Expected {
        columns: options.columns.clone(),
        delimiter: named.and_then(|layout| layout.text.delimiter).and_then(|d| u8::try_from(d).ok()),
        header_names: options.map.column_names(),
    };
    if let Some(layout) = named.filter(|layout| layout.text.header == Header::None && expected.columns.is_empty()) {
        expected.columns.clone_from(&layout.columns);
    }
    let split = |expected: &Expected| split_start(&text, head.complete, expected);
    let start = match split(&expected) {
        Ok(start) => start,
        // The first line does not end because reading failed in it.
        Err(_) if head.failed => return Err(failure_of(input, reader)),
        Err(reason) => return Err(text_error(input, &reason)),
    };
    let mut sample = sample_of(input, &start);
    let layout = input.layouts.of(&sample).map_err(|reason| input.refused(&reason))?;
    let mut form = form_of(&start, layout.map(|(layout, _)| layout));
    if !start.has_header && options.columns.is_empty() {
        let Some((layout, _)) = layout.filter(|(layout, _)| !layout.columns.is_empty()) else {
            return Err(input.refused(&headerless(&start, layout.map(|(layout, _)| layout))));
        };
        form.names = (0..start.names.len())
            .map(|i| layout.columns.get(i).cloned().unwrap_or_else(|| format!("#{}", i + 1)))
            .collect();
        if start.names.len() < layout.columns.len().min(6) {
            let (found, wanted) = (start.names.len(), layout.columns.len());
            return Err(input.refused(&format!("is not of the layout {}: {found} columns, not {wanted}", layout.name)));
        }
        sample.names.clone_from(&form.names);
    }
    if encoding.is_none() {
        check_utf8(input, &text, &start)?;
    }
    let reader: Box<dyn BufRead + Send> = match encoding {
        Some(encoding) => Box::new(BufReader::with_capacity(256 * 1024, Transcoder::new(reader, encoding))),
        None => reader,
    };
    let names_in = if start.has_header { "the header" } else { "the text" };
    input.bound(Csv::new(input.input, reader, form), &sample, layout, DocumentSymbol::default(), names_in)
}

/// The failure that is behind the first bytes of `reader`.
fn failure_of(input: Input<'_>, mut reader: Box<dyn BufRead + Send>) -> InputError {
    match io::copy(&mut reader, &mut io::sink()) {
        Err(error) => InputError::read(input.input, "at its beginning", error),
        Ok(_) => InputError::format(input.input, "not CSV: the first line does not end"),
    }
}

fn text_error(input: Input<'_>, reason: &str) -> InputError {
    match reason {
        "the input is empty" => InputError::empty(input.input),
        reason => InputError::format(input.input, reason),
    }
}

fn sample_of(input: Input<'_>, start: &TextStart) -> Sample {
    Sample {
        path: input.name.to_owned(),
        preamble: start.preamble.clone(),
        names: start.names.clone(),
        has_header: start.has_header,
        rows: start.rows.clone(),
        json_paths: Vec::new(),
        index: None,
    }
}

fn form_of(start: &TextStart, layout: Option<&Layout>) -> CsvForm {
    CsvForm {
        delimiter: start.delimiter,
        skip_lines: start.skip_lines,
        names: start.names.clone(),
        ragged: layout.is_some_and(|layout| layout.text.ragged),
        ignore: layout.map(|layout| layout.text.ignore.clone()).unwrap_or_default(),
    }
}

/// The message for a text without a header.
fn headerless(start: &TextStart, layout: Option<&Layout>) -> String {
    let row = start.rows.first().map_or(&[][..], |row| row);
    let found = match layout {
        Some(layout) => format!("the layout {} has a header, and this text has none", layout.name),
        None => "the text has no header, it begins with numbers".to_owned(),
    };
    format!(
        "{found}: name its {} columns, such as --columns {}, or its layout with --layout (barbus layouts lists them)",
        row.len(),
        proposed_columns(row)
    )
}

/// The encoding of a text that is not UTF-8.
fn encoding(input: Input<'_>, head: &Head) -> Result<Option<&'static Encoding>, InputError> {
    if let Some(encoding) = input.options.encoding {
        return Ok(Some(encoding));
    }
    if let Some(name) = input.layouts.named().and_then(|layout| layout.text.encoding.as_deref()) {
        return match text_encoding::detect(&head.bytes) {
            // A text that was converted before.
            Detected::Utf8 if !head.bytes.is_ascii() => Ok(None),
            _ => Ok(Encoding::for_label(name.as_bytes())),
        };
    }
    match text_encoding::detect(&head.bytes) {
        Detected::Utf8 => Ok(None),
        Detected::Known(encoding) => Ok(Some(encoding)),
        Detected::Perhaps(perhaps) => {
            // A layout that is recognized in the text of its encoding is certain.
            let of_layouts = input.layouts.encodings().filter(|encoding| Some(*encoding) == perhaps_same(perhaps));
            for encoding in of_layouts.take(1) {
                let text = text_encoding::decode(encoding, &head.bytes);
                let start = split_start(&text, head.complete, &Expected::default());
                if let Ok(start) = start
                    && let Ok(Some(_)) = input.layouts.of(&sample_of(input, &start))
                {
                    return Ok(Some(encoding));
                }
            }
            Ok(None)
        }
    }
}

/// GBK is a part of GB18030: layouts name the former.
fn perhaps_same(perhaps: Option<&'static Encoding>) -> Option<&'static Encoding> {
    perhaps.map(|encoding| if encoding == encoding_rs::GB18030 { encoding_rs::GBK } else { encoding })
}

/// Refuses a text whose header is not UTF-8, and names the encoding that it may have.
fn check_utf8(input: Input<'_>, text: &[u8], start: &TextStart) -> Result<(), InputError> {
    let Detected::Perhaps(perhaps) = text_encoding::detect(text) else { return Ok(()) };
    if !start.names.iter().any(|name| name.contains('\u{fffd}')) {
        return Ok(());
    }
    let reason = match perhaps {
        Some(_) => "is not UTF-8, it looks like GBK: give --encoding gbk",
        None => "is not UTF-8: give its encoding, such as --encoding latin1 or --encoding gbk",
    };
    Err(InputError::format(input.input, reason))
}

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
    if sample.names.is_empty() {
        // There is no record to bind: each line is rejected, or is bound when it comes.
        return Ok(unbound(input, records, &sample, layout));
    }
    match input.bound(records, &sample, layout, DocumentSymbol::default(), "the object") {
        Ok(source) => Ok(source),
        Err(error) => Err(error),
    }
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
    let found = rows_path(&document, &paths);
    let probe = match &found {
        Ok(path) => json_sample(input, &document, path, &[], bare.clone()),
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
    let sample = json_sample(input, &document, &path, &names, bare);
    if blocks.is_empty() {
        let reason = format!("is one JSON document, and it has no rows under {path:?}");
        return Err(InputError::format(input.input, &reason));
    }
    let stated = layout_only.and_then(|layout| document.text_at(layout.symbol.json.as_deref()?));
    let symbol = DocumentSymbol {
        stated: stated.or_else(|| document.symbol_beside(&path)),
        by_place: blocks.iter().all(|block| block.symbol.is_some()),
    };
    let records = Json::new(input.input, document, blocks, &names);
    let source = input.bound(records, &sample, layout, symbol, "the first row");
    source.map_err(|error| error.with_place(&format!("one JSON document, its rows are under {}", shown(&path))))
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
        [] => Err("is one JSON document, and nothing in it looks like rows of bars: give --layout".to_owned()),
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

/// The rows of the DBN of `reader`, which begins with `head`.
pub(crate) fn dbn(
    input: Input<'_>,
    head: &Head,
    reader: impl Read + Send + 'static,
) -> Result<Box<dyn RowSource>, InputError> {
    let records = DbnRecords::open(input.input, &head.bytes, reader)?;
    let sample = Sample {
        path: input.name.to_owned(),
        preamble: Vec::new(),
        names: records.names(),
        has_header: true,
        rows: records.sample(),
        json_paths: Vec::new(),
        index: None,
    };
    let layout = input.layouts.of(&sample).map_err(|reason| input.refused(&reason))?;
    input.bound(records, &sample, layout, DocumentSymbol::default(), "the records")
}

/// The rows of Arrow batches.
pub(crate) fn arrow(input: Input<'_>, records: ArrowRecords) -> Result<Box<dyn RowSource>, InputError> {
    let sample = Sample {
        path: input.name.to_owned(),
        preamble: Vec::new(),
        names: records.names(),
        has_header: true,
        rows: records.sample(),
        json_paths: Vec::new(),
        index: records.index(),
    };
    let layout = input.layouts.of(&sample).map_err(|reason| input.refused(&reason))?;
    let facts = Facts {
        sample: &sample,
        options: input.options,
        layout: layout.map(|(layout, _)| layout),
        layout_how: "",
        document: &DocumentSymbol::default(),
        names_in: "the schema",
    };
    let (plan, _) = bind(&facts).map_err(|reason| input.refused(&reason))?;
    let columns = plan.number_columns().chain(plan.symbol_columns()).chain(plan.frame.columns.iter().copied());
    if let Some((name, data_type)) = records.unreadable(columns) {
        return Err(input.refused(&format!("column {name} has type {data_type}, which is no number, text or time")));
    }
    input.bound(records, &sample, layout, DocumentSymbol::default(), "the schema")
}
