use arrow_array::RecordBatch;
use barbus_bars::{BarBatch, BarSchema, CastError, CastOptions, Fault, Label};

use crate::protocol::{LABEL, REJECTS, SOURCE, ZONE};
use crate::{Bus, Error, Result};

/// Turns producers' batches into bars; it may be used beside the writer, in as many threads as there are producers.
#[derive(Debug, Clone)]
pub struct Intake {
    schema: BarSchema,
    options: CastOptions,
}

/// A producer's batch, cast, with what is wrong in it; ready for [`crate::Writer::take`].
#[derive(Debug)]
pub struct Incoming {
    /// As it came, for the quarantine.
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

impl Intake {
    /// Casts to the bars of `bus`.
    pub fn new(bus: &Bus) -> Self {
        let settings = bus.settings();
        let options = CastOptions { label: settings.label, rules: settings.rules, ..CastOptions::default() };
        Self { schema: settings.schema.clone(), options }
    }

    /// Casts a batch by its schema's metadata. `source` names the producer, `first_row` is the number of rows that it sent before.
    ///
    /// A batch without a required column becomes rows for the quarantine; one that cannot be understood at all (two columns for the same, a
    /// column of a type that is no number or time) is an error, and nothing of it is taken.
    pub fn cast(&self, raw: RecordBatch, source: &str, first_row: u64) -> Result<Incoming> {
        let schema = raw.schema();
        let metadata = schema.metadata();
        let mut options = self.options.clone();
        if let Some(label) = metadata.get(LABEL) {
            options.label = label.parse::<Label>().map_err(|e| bad_metadata(LABEL, &e.to_string()))?;
        }
        if let Some(zone) = metadata.get(ZONE) {
            let found = jiff::tz::TimeZone::get(zone);
            options.zone = Some(found.map_err(|e| bad_metadata(ZONE, &e.to_string()))?);
        }
        let source = match metadata.get(SOURCE) {
            Some(named) => format!("{named} ({source})"),
            None => source.to_owned(),
        };
        let bars = match metadata.get(REJECTS).map(String::as_str) {
            Some("1") => Content::Rejected,
            _ => match BarBatch::cast(&raw, &self.schema, &options) {
                Ok(bars) => Content::Bars(Box::new(bars)),
                Err(CastError::MissingColumn { column, .. }) => Content::Faulty(Fault::MissingColumn { column }),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Incoming { raw, bars, source, first_row })
    }
}

fn bad_metadata(key: &'static str, why: &str) -> Error {
    Error::Metadata { key, why: why.to_owned() }
}

impl Incoming {
    /// Rows in the batch, good and bad.
    pub fn rows(&self) -> usize {
        self.raw.num_rows()
    }
}
