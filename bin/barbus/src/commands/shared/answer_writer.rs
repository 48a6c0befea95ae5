//! Writes the batches of an answer as a table, CSV, JSON, Parquet or Arrow.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, SchemaRef, TimestampMillisecondType, UInt32Type,
};
use arrow::ipc::writer::FileWriter;
use barbus_bars::{PRICE_COLUMNS, date_from_epoch_days};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::stdout::stdout;
use crate::output::cell::Cell;
use crate::output::colour_wanted;
use crate::output::table::{Layout, Sheet};

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::commands) enum AnswerFormat {
    /// Aligned columns, for a terminal.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object per line.
    Json,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
}

impl AnswerFormat {
    /// The format of a file by its ending.
    pub(in crate::commands) fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" | "ndjson" | "jsonl" => Some(Self::Json),
            "parquet" | "pq" => Some(Self::Parquet),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            "txt" => Some(Self::Table),
            _ => None,
        }
    }

    /// Whether it is for programs only.
    pub(in crate::commands) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// Where an answer goes.
pub(in crate::commands) enum AnswerWriter {
    Sheet(Box<Sheet<Box<dyn Write>>>),
    Parquet(Box<ArrowWriter<Box<dyn Write + Send>>>),
    Arrow(Box<FileWriter<Box<dyn Write + Send>>>),
}

impl AnswerWriter {
    /// A writer to `file`, or to standard output.
    pub(in crate::commands) fn new(
        format: AnswerFormat,
        file: Option<std::fs::File>,
        schema: &SchemaRef,
        zone: TimeZone,
    ) -> anyhow::Result<Self> {
        let to_terminal = file.is_none();
        let target = || -> Box<dyn Write + Send> {
            match file {
                Some(file) => Box::new(io::BufWriter::new(file)),
                None => Box::new(stdout()),
            }
        };
        let layout = match format {
            AnswerFormat::Table => Layout::Table,
            AnswerFormat::Csv => Layout::Csv,
            AnswerFormat::Json => Layout::Json,
            AnswerFormat::Parquet => {
                let level = ZstdLevel::try_new(3)?;
                let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
                return Ok(Self::Parquet(Box::new(ArrowWriter::try_new(target(), schema.clone(), Some(properties))?)));
            }
            AnswerFormat::Arrow => return Ok(Self::Arrow(Box::new(FileWriter::try_new(target(), schema)?))),
        };
        let names = schema.fields().iter().map(|field| field.name().clone());
        let sheet = Sheet::new(target() as Box<dyn Write>, layout, names, zone);
        Ok(Self::Sheet(Box::new(sheet.coloured(to_terminal && colour_wanted()))))
    }

    /// Appends bars.
    pub(in crate::commands) fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        match self {
            Self::Parquet(writer) => Ok(writer.write(batch)?),
            Self::Arrow(writer) => Ok(writer.write(batch)?),
            Self::Sheet(sheet) => {
                let columns: Vec<CellColumn<'_>> = cell_columns(batch);
                for row in 0..batch.num_rows() {
                    sheet.row(columns.iter().map(|column| column(row)))?;
                }
                Ok(sheet.flush()?)
            }
        }
    }

    /// Writes what is left.
    pub(in crate::commands) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Parquet(writer) => Ok(writer.into_inner()?.flush()?),
            Self::Arrow(writer) => Ok(writer.into_inner()?.flush()?),
            Self::Sheet(sheet) => sheet.finish().map(drop).context("the bars"),
        }
    }
}

/// The cell of a row.
type CellColumn<'a> = Box<dyn Fn(usize) -> Cell + 'a>;

fn cell_columns(batch: &RecordBatch) -> Vec<CellColumn<'_>> {
    let fields = batch.schema_ref().fields().iter();
    let columns = fields.zip(batch.columns()).map(|(field, column)| -> CellColumn<'_> {
        let is_price = PRICE_COLUMNS.contains(&field.name().as_str());
        match field.data_type() {
            DataType::Dictionary(..) => {
                let keys = column.as_dictionary::<Int32Type>();
                let names = keys.values().as_string::<i32>();
                Box::new(move |row| Cell::from(names.value(keys.keys().value(row) as usize)))
            }
            DataType::Timestamp(..) => {
                let frames = column.as_primitive::<TimestampMillisecondType>();
                Box::new(move |row| Cell::Frame(frames.value(row)))
            }
            DataType::Float32 => {
                let values = column.as_primitive::<Float32Type>();
                Box::new(move |row| Cell::Single(values.value(row)))
            }
            DataType::Date32 => {
                let days = column.as_primitive::<Date32Type>();
                Box::new(move |row| date_from_epoch_days(days.value(row).into()).to_string().into())
            }
            DataType::UInt32 => {
                let values = column.as_primitive::<UInt32Type>();
                Box::new(move |row| Cell::Count(values.value(row).into()))
            }
            DataType::Boolean => {
                let flags = column.as_boolean();
                Box::new(move |row| Cell::Flag(flags.value(row)))
            }
            _ => {
                let values = column.as_primitive::<Float64Type>();
                Box::new(move |row| match values.is_null(row) {
                    true => Cell::Null,
                    false if is_price => Cell::Price(values.value(row)),
                    false => Cell::Number(values.value(row)),
                })
            }
        }
    });
    columns.collect()
}
