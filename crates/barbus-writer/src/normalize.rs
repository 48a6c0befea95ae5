//! Normalization: turns the batches of producers into canonical columns, with a fault for each
//! invalid row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use barbus::protocol::{LABEL, REJECTS, SOURCE, ZONE};
use barbus::{Bus, Error, Result};
use barbus_bars::{BarBatch, BarSchema, CastError, CastOptions, Fault, Label, SymbolMemo};
use jiff::tz::TimeZone;

use crate::bar_ends::BarEnds;
use crate::clock::{Clock, Moment};
use crate::session_rule::SessionRule;
use crate::sources::{Priority, Rank};
use crate::trading_day::CurrentCalendar;

/// Normalizes batches for [`crate::Writer::ingest`].
///
/// Each producer has one of its own, which may be used in another thread than the writer.
#[derive(Debug, Clone)]
pub struct BatchNormalizer {
    schema: Arc<BarSchema>,
    options: CastOptions,
    ends: BarEnds,
    sessions: Option<SessionRule>,
    /// The binding of the last batch: the batches of a producer share their schema.
    last: Option<SchemaBinding>,
    symbols: SymbolMemo,
    priority: Priority,
    /// The name of the producer's user.
    user: Option<Arc<str>>,
    /// The log has been told of a rounded value: once for all producers.
    rounded_logged: Arc<AtomicBool>,
}

/// Most characters of the name that a producer gives itself: each quarantined row has it.
const MAX_SOURCE_CHARS: usize = 200;

/// How batches of one schema are read.
#[derive(Debug, Clone)]
struct SchemaBinding {
    schema: SchemaRef,
    options: CastOptions,
    /// The name that the producer gives itself.
    source: Option<String>,
    rank: Rank,
    columns: Columns,
}

#[derive(Debug, Clone)]
enum Columns {
    /// For each column of the bus the index of the batch's column.
    Bars(Vec<Option<usize>>),
    /// A required column is missing: every row is invalid.
    Missing(Fault),
    /// Rows that the producer rejected itself.
    Rejected,
}

/// A batch of a producer, normalized.
#[derive(Debug)]
pub struct NormalizedBatch {
    /// The batch as the producer sent it, for the quarantine.
    pub(crate) raw: RecordBatch,
    pub(crate) payload: Payload,
    pub(crate) source: String,
    /// The rank of the producer among the sources.
    pub(crate) rank: Rank,
    /// The number of rows that the producer sent before.
    pub(crate) first_row: u64,
}

#[derive(Debug)]
pub(crate) enum Payload {
    Bars(Box<BarBatch>),
    /// Every row is invalid, for this reason.
    Faulty(Fault),
    /// Rows that the producer rejected itself.
    Rejected,
}

impl SchemaBinding {
    /// The name of the producer in the quarantine; `peer` is its connection.
    fn source(&self, peer: &str) -> String {
        match &self.source {
            Some(source) => format!("{source} ({peer})"),
            None => peer.to_owned(),
        }
    }
}

impl BatchNormalizer {
    /// A normalizer for the bars of `bus`.
    pub fn new(bus: &Bus) -> Self {
        Self::with_clock(bus, Clock::start(), CurrentCalendar::new(bus.settings().calendar.clone()))
    }

    /// A normalizer for the bars of `bus`, by the clock of its writer.
    pub(crate) fn with_clock(bus: &Bus, clock: Clock, calendar: CurrentCalendar) -> Self {
        let settings = bus.settings();
        let options = CastOptions { default_label: settings.label, rules: settings.rules, ..CastOptions::default() };
        let ends = BarEnds::new(settings, clock);
        let sessions = SessionRule::new(settings, calendar);
        let schema = Arc::new(settings.schema.clone());
        let priority = Priority::new(&settings.sources);
        Self {
            schema,
            options,
            ends,
            sessions,
            last: None,
            symbols: SymbolMemo::default(),
            priority,
            user: None,
            rounded_logged: Arc::default(),
        }
    }

    /// The same for a producer of the Unix user `name`, which `sources.priority` may name.
    pub fn of_user(self, name: &str) -> Self {
        Self { user: Some(name.into()), ..self }
    }

    /// Normalizes a batch as the metadata of its schema requires. `source` names the producer;
    /// `first_row` is the number of rows that it sent before.
    ///
    /// All rows of a batch that lacks a required column are invalid; they go to the quarantine.
    ///
    /// # Errors
    /// Returns an error if the batch cannot be understood: two columns for the same value, a column
    /// of an unsupported type, or bad metadata. Nothing of the batch is published then.
    pub fn normalize(&mut self, raw: RecordBatch, source: &str, first_row: u64) -> Result<NormalizedBatch> {
        let known = self.last.take().filter(|last| std::ptr::eq(&*last.schema, &**raw.schema_ref()));
        let binding = match known {
            Some(binding) => binding,
            None => self.bind(raw.schema())?,
        };
        let binding = self.last.insert(binding);
        binding.options.ends_ms = self.ends.allowed(Moment::read());
        let source = binding.source(source);
        let payload = match &binding.columns {
            Columns::Bars(columns) => {
                let mut bars =
                    BarBatch::cast_columns(&raw, columns, &self.schema, &binding.options, Some(&mut self.symbols))?;
                if let Some(column) = bars.rounded()
                    && !self.rounded_logged.swap(true, Ordering::Relaxed)
                {
                    tracing::warn!(
                        column,
                        source,
                        "values have more digits than a 64-bit float holds and are rounded: send fewer digits; this is logged once"
                    );
                }
                if let Some(rule) = &mut self.sessions {
                    rule.check_batch(&mut bars);
                }
                Payload::Bars(Box::new(bars))
            }
            Columns::Missing(fault) => Payload::Faulty(fault.clone()),
            Columns::Rejected => Payload::Rejected,
        };
        Ok(NormalizedBatch { rank: binding.rank, raw, payload, source, first_row })
    }

    /// The name of the source that the producer of the last batch states.
    pub fn stated_source(&self) -> Option<&str> {
        self.last.as_ref()?.source.as_deref()
    }

    /// The rule on bars outside the sessions, for single bars.
    pub(crate) fn session_rule(&mut self) -> Option<&mut SessionRule> {
        self.sessions.as_mut()
    }

    /// Bars outside the sessions, of all producers; `None` if they are not counted.
    pub(crate) fn outside_sessions(&self) -> Option<u64> {
        self.sessions.as_ref().map(SessionRule::count)
    }

    fn bind(&self, schema: SchemaRef) -> Result<SchemaBinding> {
        let metadata = schema.metadata();
        let mut options = self.options.clone();
        if let Some(label) = metadata.get(LABEL) {
            options.label = Some(label.parse::<Label>().map_err(|e| bad_metadata(LABEL, &e.to_string()))?);
        }
        if let Some(zone) = metadata.get(ZONE) {
            let found = TimeZone::get(zone);
            options.zone = Some(found.map_err(|e| bad_metadata(ZONE, &e.to_string()))?);
        }
        let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        let columns = match metadata.get(REJECTS).map(String::as_str) {
            Some("1") => Columns::Rejected,
            _ => match options.map.resolve(&names, &self.schema) {
                Ok(columns) => {
                    options = self.for_frames(options, columns[1].map_or("", |frame| names[frame]));
                    Columns::Bars(columns)
                }
                Err(CastError::MissingColumn { column, .. }) => Columns::Missing(Fault::MissingColumn { column }),
                Err(error) => return Err(error.into()),
            },
        };
        let source: Option<String> = metadata.get(SOURCE).map(|name| name.chars().take(MAX_SOURCE_CHARS).collect());
        Ok(SchemaBinding {
            rank: self.priority.rank(source.as_deref(), self.user.as_deref()),
            source,
            options,
            columns,
            schema,
        })
    }
}

impl BatchNormalizer {
    /// The options for frames in a column called `name`, which may state their label and zone.
    fn for_frames(&self, options: CastOptions, name: &str) -> CastOptions {
        let mut options = options.for_frames_named(name);
        // Looked up once for all batches of the schema.
        options.zone = options.zone.or_else(|| TimeZone::get(self.schema.zone()).ok());
        options
    }
}

fn bad_metadata(key: &'static str, why: &str) -> Error {
    Error::Metadata { key, why: why.to_owned() }
}

impl NormalizedBatch {
    /// The number of rows, valid and invalid.
    pub fn rows(&self) -> usize {
        self.raw.num_rows()
    }

    /// The newest frame of the valid bars, milliseconds UTC; `None` without a valid bar.
    pub fn newest_frame_ms(&self) -> Option<i64> {
        let Payload::Bars(bars) = &self.payload else { return None };
        let mut faulty = bars.faults().iter().map(|(row, _)| *row).peekable();
        let mut is_valid = |row: usize| faulty.next_if_eq(&row).is_none();
        bars.frames_ms().iter().enumerate().filter(|(row, _)| is_valid(*row)).map(|(_, frame)| *frame).max()
    }
}
