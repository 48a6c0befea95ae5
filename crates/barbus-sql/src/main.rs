//! `barbus-sql`: a query over a bus; `barbus sql` runs it.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::FileWriter;
use arrow::json::LineDelimitedWriter;
use arrow::util::pretty::pretty_format_batches;
use barbus::Bus;
use bytesize::ByteSize;
use clap::{Parser, ValueEnum};
use datafusion::error::DataFusionError;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Ask a bus in SQL: its live and archived bars, its readers and its quarantine.
///
/// Tables: bars, today, readers, quarantine. Functions: bucket('5m', frame[, symbol]) gives the end
/// of the period that has a bar, by the sessions of the bus; adjusted('forward') is the table bars
/// with adjusted prices.
#[derive(Debug, Parser)]
#[command(name = "barbus-sql", version, max_term_width = 100)]
struct Arguments {
    /// The bus; no daemon needs to run.
    bus: PathBuf,
    /// The query, such as "select symbol, max(high) from today group by symbol".
    query: String,
    /// Format of the answer; by default that of FILE's ending, or a table.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the query may use of the memory; sorts and groups go to temporary files beyond it.
    #[arg(long, value_name = "SIZE", default_value = "1GB")]
    memory: ByteSize,
}

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
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

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{error:#}");
            eprintln!("barbus: {}", text.lines().map(str::trim).collect::<Vec<_>>().join(" "));
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let format = arguments.format()?;
    let bus = Bus::open(&arguments.bus)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build().context("cannot start threads")?;
    runtime.block_on(async {
        let context = barbus_sql::context(&bus, usize::try_from(arguments.memory.as_u64()).ok()).map_err(plain)?;
        let mut batches = context.sql(&arguments.query).await.map_err(plain)?.execute_stream().await.map_err(plain)?;
        let file = arguments.output.as_ref().map(|path| Temporary::beside(path)).transpose()?;
        let mut writer = Writer::new(format, file.as_ref(), &batches.schema())?;
        while let Some(batch) = batches.next().await {
            writer.write(&batch.map_err(plain)?)?;
        }
        writer.finish()?;
        file.map_or(Ok(()), Temporary::persist)
    })
}

/// The error of the bus inside an error of DataFusion, or that error without its prefixes.
fn plain(error: DataFusionError) -> anyhow::Error {
    match error.find_root() {
        DataFusionError::External(inner) => anyhow::anyhow!("{inner}"),
        root => anyhow::anyhow!("the query: {}", root.strip_backtrace()),
    }
}

impl Arguments {
    fn format(&self) -> anyhow::Result<Format> {
        let ending = |path: &PathBuf| path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let of_file = self.output.as_ref().map(|path| match ending(path).as_deref() {
            Some("csv") => Ok(Format::Csv),
            Some("json" | "ndjson" | "jsonl") => Ok(Format::Json),
            Some("parquet" | "pq") => Ok(Format::Parquet),
            Some("arrow" | "feather" | "ipc") => Ok(Format::Arrow),
            Some("txt") => Ok(Format::Table),
            _ => bail!("{}: unknown ending: give --format", path.display()),
        });
        let format = match (self.format, of_file) {
            (Some(format), _) => format,
            (None, Some(format)) => format?,
            (None, None) => Format::Table,
        };
        let is_binary = matches!(format, Format::Parquet | Format::Arrow);
        if is_binary && self.output.is_none() && io::stdout().is_terminal() {
            bail!("standard output is a terminal: give -o FILE for this format");
        }
        Ok(format)
    }
}

/// A file that gets its name only when it is whole.
struct Temporary<'a> {
    file: tempfile::NamedTempFile,
    path: &'a PathBuf,
}

impl<'a> Temporary<'a> {
    fn beside(path: &'a PathBuf) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(std::path::Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder).with_context(|| path.display().to_string())?;
        Ok(Self { file, path })
    }

    fn persist(self) -> anyhow::Result<()> {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        self.file.as_file().set_permissions(mode)?;
        self.file.persist(self.path).map_err(|error| error.error).with_context(|| self.path.display().to_string())?;
        Ok(())
    }
}

type Target = Box<dyn Write + Send>;

/// Writes the batches of an answer.
enum Writer {
    /// A table has columns as wide as their widest value.
    Table(Vec<RecordBatch>, SchemaRef, Target),
    Csv(Box<arrow::csv::Writer<Target>>, SchemaRef, bool),
    Json(Box<LineDelimitedWriter<Target>>),
    Parquet(Box<ArrowWriter<Target>>),
    Arrow(Vec<RecordBatch>, SchemaRef, Target),
}

impl Writer {
    fn new(format: Format, file: Option<&Temporary<'_>>, schema: &SchemaRef) -> anyhow::Result<Self> {
        let target: Target = match file {
            Some(file) => Box::new(BufWriter::new(file.file.as_file().try_clone()? as File)),
            None => Box::new(BufWriter::new(io::stdout())),
        };
        let schema = schema.clone();
        Ok(match format {
            Format::Table => Self::Table(Vec::new(), schema, target),
            Format::Csv => Self::Csv(Box::new(arrow::csv::Writer::new(target)), schema, false),
            Format::Json => Self::Json(Box::new(LineDelimitedWriter::new(target))),
            Format::Parquet => {
                let zstd = Compression::ZSTD(ZstdLevel::try_new(3)?);
                let properties = WriterProperties::builder().set_compression(zstd).build();
                Self::Parquet(Box::new(ArrowWriter::try_new(target, schema, Some(properties))?))
            }
            Format::Arrow => Self::Arrow(Vec::new(), schema, target),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        match self {
            Self::Table(batches, ..) | Self::Arrow(batches, ..) => batches.push(batch.clone()),
            Self::Csv(writer, _, has_header) => {
                writer.write(batch)?;
                *has_header = true;
            }
            Self::Json(writer) => writer.write(batch)?,
            Self::Parquet(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Table(mut batches, schema, mut target) => {
                if batches.is_empty() {
                    batches.push(RecordBatch::new_empty(schema));
                }
                writeln!(target, "{}", pretty_format_batches(&batches)?)?;
                Ok(target.flush()?)
            }
            Self::Csv(mut writer, schema, has_header) => {
                if !has_header {
                    writer.write(&RecordBatch::new_empty(schema))?;
                }
                Ok(writer.into_inner().flush()?)
            }
            Self::Json(mut writer) => {
                writer.finish()?;
                Ok(writer.into_inner().flush()?)
            }
            Self::Parquet(writer) => Ok(writer.into_inner()?.flush()?),
            Self::Arrow(batches, schema, target) => {
                // An Arrow file has one dictionary for all batches.
                let whole = arrow::compute::concat_batches(&schema, &batches)?;
                let mut writer = FileWriter::try_new(target, &schema)?;
                writer.write(&whole)?;
                Ok(writer.into_inner()?.flush()?)
            }
        }
    }
}
