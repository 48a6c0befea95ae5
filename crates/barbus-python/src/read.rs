//! Reading bar files of any layout, without a bus.

use std::path::PathBuf;

use barbus_bars::{BarSchema, Calendar, Label};
use barbus_files::{
    Ambiguous, CheckOptions, Decimal, InputOptions, Mapping, Opener, PathPattern, Progress, Reading, Scale,
    encoding_named, expand_inputs, find_layout, usual_ends_ms, zone_named,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::bars::Bars;
use crate::error::{Error, raised};
use crate::layout::Layout;

/// One path or several.
#[derive(FromPyObject)]
pub(crate) enum Paths {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

/// Reads bar files of any layout: CSV, JSON, Parquet, Arrow, packed or not, as ``barbus convert``.
///
/// ``path`` is a file, a folder, a pattern such as ``"bars/*.csv"``, or a list of these. The bars
/// are those of minutes, with their end in ``frame``, sorted by time. Times without a zone are in
/// ``zone``, else in what the file states, else in the zone of ``calendar``.
///
/// The other arguments settle what a file does not state, as the flags of the same names do:
/// ``label``, ``epoch_zone``, ``map``, ``symbol``, ``symbol_digits``, ``symbol_from``, ``layout``,
/// ``columns``, ``encoding``, ``scale``, ``decimal``, ``date_format``, ``ambiguous``.
///
/// Raises ``barbus.Error`` for a file that cannot be read, for rows that cannot be read, and for
/// what is doubtful, such as bars of a longer interval; ``trust=True`` reads in spite of doubts and
/// leaves such rows out.
#[pyfunction]
#[pyo3(signature = (path, *, calendar=None, trust=false, **flags))]
pub(crate) fn read(
    py: Python<'_>,
    path: Paths,
    calendar: Option<&str>,
    trust: bool,
    flags: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bars> {
    let calendar = calendar.map(Calendar::preset).transpose().map_err(raised)?;
    let options = options(calendar.as_ref(), flags)?;
    let zone =
        zone_named(options.schema.zone()).ok_or_else(|| Error::new_err("the zone of the calendar is unknown"))?;
    let paths = match path {
        Paths::One(path) => vec![path],
        Paths::Several(paths) => paths,
    };
    let paths: Vec<String> = paths.into_iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let check = CheckOptions { calendar, zone, ends_ms: usual_ends_ms(), label: None };
    py.detach(|| read_files(&paths, options, check, trust)).map_err(Error::new_err)
}

/// Reads, and says in a sentence why that is not possible.
fn read_files(paths: &[String], options: InputOptions, check: CheckOptions, trust: bool) -> Result<Bars, String> {
    let opener = Opener::new(options).map_err(|error| error.to_string())?;
    let reading = Reading::of(expand_inputs(paths), &opener, &Progress::default());
    let mut reading = reading.map_err(|error| format!("the temporary file of the sorted bars: {error}"))?;
    if let Some(failure) = reading.failures.first() {
        return Err(failure.to_string());
    }
    let findings = reading.examine(check).map_err(|error| error.to_string())?;
    if !trust {
        if let Some(doubt) = findings.doubts.first() {
            return Err(format!("{}: {}; trust=True reads in spite of it", doubt.what, doubt.way_out));
        }
        if let Some(reject) = reading.rejects.first() {
            let count = reading.rejects.len();
            return Err(format!("{count} rows cannot be read, such as {}: {}", reject.source, reject.reason));
        }
    }
    let schema = opener.options().schema.wire_schema();
    let mut batches = Vec::new();
    while let Some(batch) = reading.bars.next_batch().map_err(|error| error.to_string())? {
        batches.push(batch);
    }
    let schema = batches.first().map_or(schema, |batch| batch.schema());
    Ok(Bars::new(Layout::new(schema), batches, false))
}

/// The options that the keyword arguments state.
fn options(calendar: Option<&Calendar>, flags: Option<&Bound<'_, PyDict>>) -> PyResult<InputOptions> {
    let schema = BarSchema::in_zone(calendar.map_or("UTC", Calendar::zone_name)).map_err(raised)?;
    let mut options = InputOptions::new(schema);
    if calendar.is_none() {
        options.default_zone = None;
    }
    for (name, value) in flags.into_iter().flatten() {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        set(&mut options, &name, &value)?;
    }
    Ok(options)
}

fn set(options: &mut InputOptions, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let text = || value.extract::<String>();
    let wrong = |why: String| PyValueError::new_err(format!("{name}: {why}"));
    let zone = || {
        let text = text()?;
        zone_named(&text).ok_or_else(|| {
            wrong(format!("unknown time zone {text:?}: give an IANA name such as Asia/Shanghai, or +08:00"))
        })
    };
    match name {
        "label" => options.label = Some(parsed::<Label>(name, &text()?)?),
        "zone" => options.zone = Some(zone()?),
        "epoch_zone" => options.epoch_zone = Some(zone()?),
        "map" => options.map = parsed::<Mapping>(name, &text()?)?,
        "symbol" => options.symbol = Some(text()?),
        "symbol_digits" => {
            let digits: usize = value.extract()?;
            options.symbol_digits = Some(digits).filter(|digits| (1..=32).contains(digits));
            options.symbol_digits.ok_or_else(|| wrong("give a number from 1 to 32".to_owned()))?;
        }
        "symbol_from" => options.symbol_from = vec![parsed::<PathPattern>(name, &text()?)?],
        "layout" => options.layout = Some(find_layout(&text()?).map_err(|error| wrong(error.to_string()))?),
        "columns" => options.columns = value.extract()?,
        "encoding" => {
            let text = text()?;
            let encoding = encoding_named(&text);
            options.encoding =
                Some(encoding.ok_or_else(|| wrong(format!("unknown encoding {text:?}: give gbk etc.")))?);
        }
        "scale" => options.scale = Some(parsed::<Scale>(name, &value.str()?.to_string())?),
        "decimal" => options.decimal = Some(parsed::<Decimal>(name, &text()?)?),
        "date_format" => options.date_format = Some(text()?),
        "ambiguous" => options.ambiguous = parsed::<Ambiguous>(name, &text()?)?,
        _ => {
            let known = "label, zone, epoch_zone, map, symbol, symbol_digits, symbol_from, layout, columns, \
                         encoding, scale, decimal, date_format, ambiguous";
            return Err(wrong(format!("no such argument: give calendar, trust, {known}")));
        }
    }
    Ok(())
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> PyResult<T> {
    text.parse().map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
}
