//! Where the columns of bars are in a record batch.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use barbus_bars::{BarSchema, FRAME, RECEIVED, SEQ, SYMBOL};

/// The trading day of a bar.
pub(crate) const DAY: &str = "day";
/// The number of minutes in a bar of a longer interval.
pub(crate) const BARS: &str = "bars";
/// Whether the period of a bar has ended.
pub(crate) const COMPLETE: &str = "complete";
/// 0 for the first bar of its symbol and frame, n for its n-th revision.
pub(crate) const REVISION: &str = "revision";
/// Prices and volume.
pub(crate) const VALUES: [&str; 5] = ["open", "high", "low", "close", "volume"];
/// Columns with other names are optional ones.
pub(crate) const KNOWN: [&str; 13] =
    [SYMBOL, FRAME, "open", "high", "low", "close", "volume", DAY, BARS, COMPLETE, SEQ, RECEIVED, REVISION];

/// The columns of bars, and the place of each; the first two are the symbol and the frame.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) schema: SchemaRef,
    /// Those of [`VALUES`].
    pub(crate) values: [Option<usize>; 5],
    /// The optional columns of the bus.
    pub(crate) optional: Vec<usize>,
    pub(crate) day: Option<usize>,
    pub(crate) bars: Option<usize>,
    pub(crate) complete: Option<usize>,
    pub(crate) seq: Option<usize>,
    pub(crate) received: Option<usize>,
    pub(crate) revision: Option<usize>,
}

impl Layout {
    /// The layout of a schema of bars.
    pub(crate) fn new(schema: SchemaRef) -> Arc<Self> {
        let place = |name: &str| schema.column_with_name(name).map(|(at, _)| at);
        let fields = schema.fields().iter().enumerate();
        let optional = fields.filter(|(_, field)| !KNOWN.contains(&field.name().as_str())).map(|(at, _)| at).collect();
        Arc::new(Self {
            values: VALUES.map(place),
            optional,
            day: place(DAY),
            bars: place(BARS),
            complete: place(COMPLETE),
            seq: place(SEQ),
            received: place(RECEIVED),
            revision: place(REVISION),
            schema,
        })
    }

    /// Bars of a question: those of the archive, with their trading days.
    pub(crate) fn history(bars: &BarSchema) -> Arc<Self> {
        Self::new(Arc::new(Schema::new(history_fields(bars))))
    }

    /// Bars of a reader: those of a question, then what only the ring has.
    pub(crate) fn live(bars: &BarSchema) -> Arc<Self> {
        let mut fields = history_fields(bars);
        fields.push(Field::new(SEQ, DataType::UInt64, false));
        fields.push(Field::new(RECEIVED, DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false));
        fields.push(Field::new(REVISION, DataType::UInt8, false));
        Self::new(Arc::new(Schema::new(fields)))
    }

    /// IANA zone of the column `frame`.
    pub(crate) fn zone(&self) -> &str {
        match self.schema.field(1).data_type() {
            DataType::Timestamp(_, Some(zone)) => zone,
            _ => "UTC",
        }
    }
}

/// The type of the column `symbol`.
pub(crate) fn symbol_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn history_fields(bars: &BarSchema) -> Vec<Field> {
    let mut fields: Vec<Field> = bars.archive_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[0] = Field::new(SYMBOL, symbol_type(), false);
    fields.push(Field::new(DAY, DataType::Date32, false));
    fields
}
