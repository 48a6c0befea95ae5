//! Writes canonical bars to a file: Parquet, CSV or Arrow IPC.
//!
//! The file appears under its name when it is whole.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef, TimestampMillisecondType};
use arrow::ipc::writer::FileWriter;
use barbus_bars::BarSchema;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::order::Ordered;

/// The format of a file of canonical bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarsFormat {
    /// Parquet, packed with zstd.
    Parquet,
    /// Text with a header; frames are instants in UTC.
    Csv,
    /// An Arrow IPC file.
    Arrow,
}

/// A name whose ending is that of no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: unknown ending: give a file that ends in .parquet, .csv or .arrow")]
pub struct UnknownEnding(String);

impl BarsFormat {
    /// The format of the ending of `path`.
    ///
    /// # Errors
    /// [`UnknownEnding`].
    pub fn of(path: &Path) -> Result<BarsFormat, UnknownEnding> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Ok(BarsFormat::Parquet),
            "csv" => Ok(BarsFormat::Csv),
            "arrow" | "feather" | "ipc" => Ok(BarsFormat::Arrow),
            _ => Err(UnknownEnding(path.display().to_string())),
        }
    }
}

/// Writes all `bars` to the file at `path`.
///
/// # Errors
/// When reading the bars or writing the file fails; then there is no file.
pub fn write_bars(bars: &mut Ordered, schema: &BarSchema, format: BarsFormat, path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = tempfile::NamedTempFile::new_in(folder)?;
    let target = BufWriter::new(temporary.as_file().try_clone()?);
    bars.rewind();
    match format {
        BarsFormat::Parquet => write_parquet(bars, schema, target)?,
        BarsFormat::Arrow => write_arrow(bars, schema, target)?,
        BarsFormat::Csv => write_csv(bars, schema, target)?,
    }
    temporary.as_file().sync_all()?;
    // Temporary files are private; this one becomes a file like any other.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary.as_file().set_permissions(mode)?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The batch with the types of an archived day.
fn archived(batch: &RecordBatch, schema: &SchemaRef) -> io::Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).map_err(io::Error::other));
    RecordBatch::try_new(schema.clone(), columns.collect::<io::Result<Vec<ArrayRef>>>()?).map_err(io::Error::other)
}

fn write_parquet(bars: &mut Ordered, schema: &BarSchema, target: impl Write + Send) -> io::Result<()> {
    let schema = schema.archive_schema();
    let level = ZstdLevel::try_new(3).map_err(io::Error::other)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(target, schema.clone(), Some(properties)).map_err(io::Error::other)?;
    while let Some(batch) = bars.next_batch()? {
        writer.write(&archived(&batch, &schema)?).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

fn write_arrow(bars: &mut Ordered, schema: &BarSchema, target: impl Write) -> io::Result<()> {
    let schema = schema.archive_schema();
    let mut writer = FileWriter::try_new(target, &schema).map_err(io::Error::other)?;
    while let Some(batch) = bars.next_batch()? {
        writer.write(&archived(&batch, &schema)?).map_err(io::Error::other)?;
    }
    writer.finish().map_err(io::Error::other)
}

fn write_csv(bars: &mut Ordered, schema: &BarSchema, mut target: impl Write) -> io::Result<()> {
    let names: Vec<&str> = schema.column_names().collect();
    writeln!(target, "{}", names.join(","))?;
    while let Some(batch) = bars.next_batch()? {
        let symbols = cast(batch.column(0), &DataType::Utf8).map_err(io::Error::other)?;
        let symbols = symbols.as_string::<i32>();
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
        for row in 0..batch.num_rows() {
            let at = jiff::Timestamp::from_millisecond(frames.value(row)).map_err(io::Error::other)?;
            write!(target, "{},{at}", quoted(symbols.value(row)))?;
            for column in &batch.columns()[2..] {
                let column = column.as_primitive::<Float64Type>();
                match arrow::array::Array::is_valid(column, row) {
                    true => write!(target, ",{}", column.value(row))?,
                    false => write!(target, ",")?,
                }
            }
            writeln!(target)?;
        }
    }
    target.flush()
}

/// A text as a field of CSV.
fn quoted(text: &str) -> Arc<str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}
