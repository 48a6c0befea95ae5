//! Opens the records of texts, Arrow and DBN: samples their beginning, finds the layout, binds the
//! columns.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use encoding_rs::Encoding;

use crate::bind::binder::Binder;
use crate::bind::binding::{Facts, bind};
use crate::bind::plan::Plan;
use crate::bind::symbol::DocumentSymbol;
use crate::bound_source::{BoundSource, Rebind};
use crate::csv_source::CsvSource;
use crate::decode::arrow::ArrowRecords;
use crate::decode::csv::{Csv, CsvForm};
use crate::decode::csv_form::{Expected, TextStart, proposed_columns, split_start};
use crate::decode::dbn::DbnRecords;
use crate::decode::segments::Segments;
use crate::error::InputError;
use crate::head::Head;
use crate::layout::description::{Header, Layout};
use crate::layouts::Layouts;
use crate::options::InputOptions;
use crate::packing::live::Waiting;
use crate::packing::text_encoding::{self, Detected, Transcoder};
use crate::records::Records;
use crate::sample::Sample;
use crate::source::RowSource;
use crate::understood::Understood;

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
    /// Most bytes of a text that one thread reads at once; 0 to read records one by one.
    pub(crate) segment_bytes: usize,
}

impl Input<'_> {
    pub(crate) fn refused(&self, reason: &str) -> InputError {
        InputError::columns(self.input, reason)
    }

    /// Binds the sample and makes a source of the records.
    pub(crate) fn bound<R: Records + 'static>(
        &self,
        records: R,
        sample: &Sample,
        layout: Option<(&Layout, &str)>,
        document: DocumentSymbol,
        names_in: &'static str,
    ) -> Result<Box<dyn RowSource>, InputError> {
        let (plan, understood) = self.plan(sample, layout, &document, names_in)?;
        let binder = Binder::new(plan, &self.options.schema, self.options.ambiguous);
        let rebind = rebind(self.options, layout.map(|(layout, _)| layout), sample, document, names_in);
        Ok(Box::new(BoundSource::new(records, binder, rebind, understood).live(self.waiting.cloned())))
    }

    /// Binds the sample.
    fn plan(
        &self,
        sample: &Sample,
        layout: Option<(&Layout, &str)>,
        document: &DocumentSymbol,
        names_in: &str,
    ) -> Result<(Plan, Understood), InputError> {
        let facts = Facts {
            sample,
            options: self.options,
            layout: layout.map(|(layout, _)| layout),
            layout_how: layout.map_or("", |(_, how)| how),
            document,
            names_in,
        };
        let (plan, mut understood) = bind(&facts).map_err(|reason| self.refused(&reason))?;
        self.input.clone_into(&mut understood.input);
        Ok((plan, understood))
    }
}

/// Binds records whose columns are not those of the sample.
pub(crate) fn rebind(
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
    let document = DocumentSymbol::default();
    // Segments of an input that is still written would wait to be full.
    if input.waiting.is_some() || input.segment_bytes == 0 {
        return input.bound(Csv::new(input.input, reader, Arc::new(form)), &sample, layout, document, names_in);
    }
    let (plan, understood) = input.plan(&sample, layout, &document, names_in)?;
    let segments = Segments::new(reader, form.delimiter, input.segment_bytes);
    Ok(Box::new(CsvSource::new(segments, form, plan, options, understood)))
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
pub(crate) fn encoding(input: Input<'_>, head: &Head) -> Result<Option<&'static Encoding>, InputError> {
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
