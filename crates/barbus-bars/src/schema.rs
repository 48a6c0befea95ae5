//! The columns of the bars of one bus: the fixed ones, their types, and the optional ones.
//!
//! A schema may have no optional column. It is rejected when it has more than
//! [`MAX_OPTIONAL_COLUMNS`], an empty name, a name twice or a reserved name, and when the time zone
//! database does not have its zone.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

/// Name of the column with the instrument's name.
pub const SYMBOL: &str = "symbol";
/// Name of the column with the end of the bar, milliseconds since 1970-01-01T00:00:00Z.
pub const FRAME: &str = "frame";
/// Name of the column with the first price of the bar.
pub const OPEN: &str = "open";
/// Name of the column with the highest price of the bar.
pub const HIGH: &str = "high";
/// Name of the column with the lowest price of the bar.
pub const LOW: &str = "low";
/// Name of the column with the last price of the bar.
pub const CLOSE: &str = "close";
/// Name of the column with the traded quantity, in the market's own unit.
pub const VOLUME: &str = "volume";
/// Name of the optional column with the traded amount of money.
pub const MONEY: &str = "money";
/// Name of the optional column with the price adjustment factor.
pub const FACTOR: &str = "factor";
/// Name of the column with the row number on the bus; only in the ring and in parts of the archive.
pub const SEQ: &str = "seq";
/// Name of the column with the time at which the bus received the bar, nanoseconds UTC; only in the
/// ring.
pub const RECEIVED: &str = "received";

/// The columns that every bar has, in order.
pub const FIXED_COLUMNS: [&str; 7] = [SYMBOL, FRAME, OPEN, HIGH, LOW, CLOSE, VOLUME];
/// The four prices, in order.
pub const PRICE_COLUMNS: [&str; 4] = [OPEN, HIGH, LOW, CLOSE];
/// Names that an optional column may not have: the fixed columns, and those that the bus adds.
pub const RESERVED_COLUMNS: [&str; 9] = [SYMBOL, FRAME, OPEN, HIGH, LOW, CLOSE, VOLUME, SEQ, RECEIVED];
/// Most optional columns of a schema: with them a row still fits a 128-byte tip slot of the ring.
pub const MAX_OPTIONAL_COLUMNS: usize = 6;
/// Longest symbol, in bytes of UTF-8.
pub const MAX_SYMBOL_BYTES: usize = 64;

/// The type of the four prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriceType {
    /// 64-bit floating point.
    #[default]
    Float64,
    /// 32-bit floating point: the bus rounds each price to the nearest `f32`.
    Float32,
}

impl PriceType {
    /// The Arrow type of a price column.
    pub fn data_type(self) -> DataType {
        match self {
            PriceType::Float64 => DataType::Float64,
            PriceType::Float32 => DataType::Float32,
        }
    }
}

/// Why a schema is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The time zone database does not have the zone.
    #[error("unknown time zone {0:?}: give an IANA name such as \"Asia/Shanghai\" or \"UTC\"")]
    UnknownZone(String),
    /// An optional column has no name.
    #[error("an optional column has an empty name: name it or remove it")]
    EmptyName,
    /// An optional column is named twice.
    #[error("optional column {0:?} is listed twice: remove one of them")]
    DuplicateName(String),
    /// An optional column has a name of [`RESERVED_COLUMNS`].
    #[error("optional column {0:?} has the name of a fixed column: choose another name")]
    ReservedName(String),
    /// More optional columns than [`MAX_OPTIONAL_COLUMNS`].
    #[error("the schema has {0} optional columns: give at most {MAX_OPTIONAL_COLUMNS}")]
    TooManyColumns(usize),
}

/// The columns of one bus.
///
/// ```
/// use barbus_bars::{BarSchema, PriceType};
///
/// let schema = BarSchema::new("America/New_York", PriceType::Float64, ["vwap"])?;
/// assert_eq!(schema.archive_schema().field(7).name(), "vwap");
/// # Ok::<(), barbus_bars::SchemaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSchema")]
pub struct BarSchema {
    zone: String,
    price: PriceType,
    optional: Vec<String>,
}

/// A schema as serde reads it, before the checks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSchema {
    zone: String,
    #[serde(default)]
    price: PriceType,
    #[serde(default = "default_optional")]
    optional: Vec<String>,
}

fn default_optional() -> Vec<String> {
    vec![MONEY.to_owned(), FACTOR.to_owned()]
}

impl TryFrom<RawSchema> for BarSchema {
    type Error = SchemaError;

    fn try_from(raw: RawSchema) -> Result<BarSchema, SchemaError> {
        BarSchema::new(raw.zone, raw.price, raw.optional)
    }
}

impl BarSchema {
    /// A schema with frames in `zone` (an IANA name), prices of type `price`, and the `optional`
    /// Float64 columns in the order given.
    ///
    /// # Errors
    /// [`SchemaError`] when the zone is unknown, a name is empty, reserved or repeated, or there
    /// are too many.
    pub fn new<I>(zone: impl Into<String>, price: PriceType, optional: I) -> Result<BarSchema, SchemaError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let zone = zone.into();
        if jiff::tz::TimeZone::get(&zone).is_err() {
            return Err(SchemaError::UnknownZone(zone));
        }
        let optional: Vec<String> = optional.into_iter().map(Into::into).collect();
        for (i, name) in optional.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(SchemaError::EmptyName);
            }
            if RESERVED_COLUMNS.contains(&name.as_str()) {
                return Err(SchemaError::ReservedName(name.clone()));
            }
            if optional[..i].contains(name) {
                return Err(SchemaError::DuplicateName(name.clone()));
            }
        }
        if optional.len() > MAX_OPTIONAL_COLUMNS {
            return Err(SchemaError::TooManyColumns(optional.len()));
        }
        Ok(BarSchema { zone, price, optional })
    }

    /// The default schema: Float64 prices, optional `money` and `factor`.
    ///
    /// # Errors
    /// [`SchemaError::UnknownZone`] when `zone` is not an IANA name.
    pub fn in_zone(zone: impl Into<String>) -> Result<BarSchema, SchemaError> {
        BarSchema::new(zone, PriceType::Float64, default_optional())
    }

    /// The layout of the zillionare data sets: Float32 prices, `money` and `factor`, in
    /// Asia/Shanghai.
    pub fn zillionare() -> BarSchema {
        BarSchema { zone: "Asia/Shanghai".to_owned(), price: PriceType::Float32, optional: default_optional() }
    }

    /// IANA name of the zone of `frame`.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The type of the prices.
    pub fn price(&self) -> PriceType {
        self.price
    }

    /// Names of the optional columns, in order.
    pub fn optional(&self) -> &[String] {
        &self.optional
    }

    /// Names of all columns of a bar in the order of the archive: the fixed ones, then the optional
    /// ones.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        FIXED_COLUMNS.into_iter().chain(self.optional.iter().map(String::as_str))
    }

    /// The Arrow type of `frame`: milliseconds, in the schema's zone.
    pub(crate) fn frame_type(&self) -> DataType {
        DataType::Timestamp(TimeUnit::Millisecond, Some(self.zone.as_str().into()))
    }

    /// The schema of an archived day: `symbol` Utf8, `frame` Timestamp(ms, zone), prices and
    /// `volume` Float64, none of them nullable, then each optional column as nullable Float64.
    pub fn archive_schema(&self) -> SchemaRef {
        self.arrow_schema(DataType::Utf8, self.price.data_type())
    }

    /// The schema of batches that a producer sends: the archive's, but with `symbol` as
    /// Dictionary(Int32, Utf8), and prices always Float64.
    pub fn wire_schema(&self) -> SchemaRef {
        let symbol = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        self.arrow_schema(symbol, DataType::Float64)
    }

    fn arrow_schema(&self, symbol: DataType, price: DataType) -> SchemaRef {
        let mut fields = vec![Field::new(SYMBOL, symbol, false), Field::new(FRAME, self.frame_type(), false)];
        fields.extend(PRICE_COLUMNS.map(|name| Field::new(name, price.clone(), false)));
        fields.push(Field::new(VOLUME, DataType::Float64, false));
        let optional = self.optional.iter();
        fields.extend(optional.map(|name| Field::new(name, DataType::Float64, true)));
        Arc::new(Schema::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zillionare_has_the_published_order_and_types() {
        let schema = BarSchema::zillionare().archive_schema();
        let got: Vec<String> =
            schema.fields().iter().map(|f| format!("{} {} {}", f.name(), f.data_type(), f.is_nullable())).collect();
        assert_eq!(
            got,
            [
                "symbol Utf8 false",
                "frame Timestamp(ms, \"Asia/Shanghai\") false",
                "open Float32 false",
                "high Float32 false",
                "low Float32 false",
                "close Float32 false",
                "volume Float64 false",
                "money Float64 true",
                "factor Float64 true",
            ]
        );
    }

    #[test]
    fn rejects_bad_names_and_zones() {
        let new = |names: &[&str]| BarSchema::new("UTC", PriceType::Float64, names.iter().copied()).unwrap_err();
        assert_eq!(new(&["a", " "]), SchemaError::EmptyName);
        assert_eq!(new(&["a", "a"]), SchemaError::DuplicateName("a".to_owned()));
        assert_eq!(new(&["seq"]), SchemaError::ReservedName("seq".to_owned()));
        assert_eq!(new(&["a", "b", "c", "d", "e", "f", "g"]), SchemaError::TooManyColumns(7));
        assert_eq!(
            BarSchema::in_zone("Asia/Shanghia").unwrap_err(),
            SchemaError::UnknownZone("Asia/Shanghia".to_owned())
        );
    }

    #[test]
    fn serde_checks_what_it_reads() {
        let schema: BarSchema = toml::from_str("zone = \"UTC\"").unwrap();
        assert_eq!(schema, BarSchema::in_zone("UTC").unwrap());
        let again: BarSchema = toml::from_str(&toml::to_string(&schema).unwrap()).unwrap();
        assert_eq!(again, schema);
        let err = toml::from_str::<BarSchema>("zone = \"UTC\"\noptional = [\"open\"]").unwrap_err();
        assert!(err.to_string().contains("fixed column"), "{err}");
    }
}
