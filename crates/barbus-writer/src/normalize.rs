use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use barbus_bars::{BarBatch, BarSchema, CastError, CastOptions, Fault, Label};
use jiff::tz::TimeZone;

use barbus::protocol::{LABEL, REJECTS, SOURCE, ZONE};
use barbus::{Bus, Error, Result};

/// Turns producers' batches into bars; it may be used beside the writer, one for each producer.
#[derive(Debug, Clone)]
pub struct BatchNormalizer {
    schema: Arc<BarSchema>,
    options: CastOptions,
    /// How batches of the schema that came last are read: a producer's share theirs.
    last: Option<Reading>,
}

/// What a schema says.
#[derive(Debug, Clone)]
struct Reading {
    of: SchemaRef,
    options: CastOptions,
    /// The producer's own name for itself.
    named: Option<String>,
    columns: Columns,
}

#[derive(Debug, Clone)]
enum Columns {
    Bars(Vec<Option<usize>>),
    /// A required column is not there.
    Missing(Fault),
    /// Rows that the producer put aside itself.
    Rejected,
}

/// A producer's batch, cast, with what is wrong in it; ready for [`crate::Writer::ingest`].
#[derive(Debug)]
pub struct NormalizedBatch {
    /// The batch as the producer sent it, for the quarantine.
    pub(crate) raw: RecordBatch,
    pub(crate) bars: Content,
    pub(crate) source: String,
    pub(crate) first_row: u64,
}

#[derive(Debug)]
pub(crate) enum Content {
    Bars(Box<BarBatch>),
    /// No row is a bar, each for this reason.
    Faulty(Fault),
    /// Rows that the producer put aside itself.
    Rejected,
}

impl Reading {
    /// What the quarantine calls a producer that connects as `peer`.
    fn source(&self, peer: &str) -> String {
        match &self.named {
            Some(named) => format!("{named} ({peer})"),
            None => peer.to_owned(),
        }
    }
}

impl BatchNormalizer {
    /// Casts to the bars of `bus`.
    pub fn new(bus: &Bus) -> Self {
        let settings = bus.settings();
        let zone = TimeZone::get(settings.schema.zone()).ok();
        let options = CastOptions { label: settings.label, rules: settings.rules, zone, ..CastOptions::default() };
        Self { schema: Arc::new(settings.schema.clone()), options, last: None }
    }

    /// Casts a batch by its schema's metadata. `source` names the producer, `first_row` is the number of rows that it sent before.
    ///
    /// A batch without a required column becomes rows for the quarantine; one that cannot be understood at all (two columns for the same, a
    /// column of a type that is no number or time) is an error, and nothing of it is taken.
    pub fn normalize(&mut self, raw: RecordBatch, source: &str, first_row: u64) -> Result<NormalizedBatch> {
        let known = self.last.take().filter(|last| std::ptr::eq(&*last.of, &**raw.schema_ref()));
        let reading = match known {
            Some(reading) => reading,
            None => self.read(raw.schema())?,
        };
        let reading = self.last.insert(reading);
        let source = reading.source(source);
        let bars = match &reading.columns {
            Columns::Bars(columns) => {
                Content::Bars(Box::new(BarBatch::cast_columns(&raw, columns, &self.schema, &reading.options)?))
            }
            Columns::Missing(fault) => Content::Faulty(fault.clone()),
            Columns::Rejected => Content::Rejected,
        };
        Ok(NormalizedBatch { raw, bars, source, first_row })
    }

    fn read(&self, of: SchemaRef) -> Result<Reading> {
        let metadata = of.metadata();
        let mut options = self.options.clone();
        if let Some(label) = metadata.get(LABEL) {
            options.label = label.parse::<Label>().map_err(|e| bad_metadata(LABEL, &e.to_string()))?;
        }
        if let Some(zone) = metadata.get(ZONE) {
            let found = TimeZone::get(zone);
            options.zone = Some(found.map_err(|e| bad_metadata(ZONE, &e.to_string()))?);
        }
        let names: Vec<&String> = of.fields().iter().map(|field| field.name()).collect();
        let columns = match metadata.get(REJECTS).map(String::as_str) {
            Some("1") => Columns::Rejected,
            _ => match options.map.resolve(&names, &self.schema) {
                Ok(columns) => Columns::Bars(columns),
                Err(CastError::MissingColumn { column, .. }) => Columns::Missing(Fault::MissingColumn { column }),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Reading { named: metadata.get(SOURCE).cloned(), options, columns, of })
    }
}

fn bad_metadata(key: &'static str, why: &str) -> Error {
    Error::Metadata { key, why: why.to_owned() }
}

impl NormalizedBatch {
    /// Rows in the batch, valid and invalid.
    pub fn rows(&self) -> usize {
        self.raw.num_rows()
    }
}
