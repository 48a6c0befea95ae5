//! [`Spec`]: what a new ring is laid out for, within the limits of the format.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::{MAX_OPTIONAL, RingError};

/// Type of the four price columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Price {
    /// 8 bytes.
    #[default]
    Float64,
    /// 4 bytes. A price is rounded when it is stored, in the columns and in the tip.
    Float32,
}

/// The sizes, columns and identity of a new ring.
#[derive(Debug, Clone)]
pub struct Spec {
    /// IANA name of the zone that `frame` is shown in.
    pub zone: String,
    /// Type of the prices.
    pub price: Price,
    /// Names of the optional float64 columns, at most [`MAX_OPTIONAL`].
    pub optional: Vec<String>,
    /// Blocks in the ring, 2 to 65,536.
    pub blocks: u32,
    /// How many of the blocks are the reserve, less than all: readers do not pin them, so the
    /// writer can go on when they have pinned all others. 0: no reserve.
    pub reserve: u32,
    /// Rows of a block: a multiple of 64, from 64 to 1,048,576.
    pub rows_per_block: u32,
    /// Capacity of the dictionary, 1 to 1,048,576 symbols.
    pub symbols: u32,
    /// Capacity of the dictionary, 1 to 268,435,456 bytes of text.
    pub symbol_bytes: u32,
    /// Rows of the tip: a power of two from 64 to 1,048,576.
    pub tip_rows: u32,
    /// Interval of a bar, milliseconds, not 0.
    pub interval_ms: u32,
    /// Identifies the continuous sequence of row numbers: a random number for a new bus, the old
    /// ring's number for a ring that replaces one.
    pub lineage: u64,
    /// Sequence number of the first row.
    pub first_seq: u64,
    /// Time of creation, nanoseconds since 1970-01-01 UTC.
    pub created_ns: i64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            zone: "UTC".into(),
            price: Price::Float64,
            optional: vec!["money".into(), "factor".into()],
            blocks: 64,
            reserve: 0,
            rows_per_block: 16_384,
            symbols: 8_192,
            symbol_bytes: 8_192 * 24,
            tip_rows: 8_192,
            interval_ms: 60_000,
            lineage: 0,
            first_seq: 0,
            created_ns: 0,
        }
    }
}

impl Spec {
    /// Checks every number against its limits.
    pub(crate) fn check(&self) -> Result<(), RingError> {
        let wrong = |what: String| Err(RingError::Spec { what });
        if self.optional.len() > MAX_OPTIONAL {
            return wrong(format!("{} optional columns: at most {MAX_OPTIONAL}", self.optional.len()));
        }
        if !(2..=65_536).contains(&self.blocks) {
            return wrong(format!("{} blocks: must be 2 to 65536", self.blocks));
        }
        if self.reserve >= self.blocks {
            return wrong(format!("a reserve of {} of {} blocks: must be less than all", self.reserve, self.blocks));
        }
        if self.rows_per_block == 0 || !self.rows_per_block.is_multiple_of(64) || self.rows_per_block > 1 << 20 {
            return wrong(format!("{} rows a block: must be a multiple of 64 from 64 to 1048576", self.rows_per_block));
        }
        if !(1..=1 << 20).contains(&self.symbols) || self.symbol_bytes == 0 || self.symbol_bytes > 1 << 28 {
            return wrong(format!(
                "{} symbols in {} bytes: must be 1 to 1048576 in 1 to 268435456",
                self.symbols, self.symbol_bytes
            ));
        }
        if !self.tip_rows.is_power_of_two() || !(64..=1 << 20).contains(&self.tip_rows) {
            return wrong(format!("{} rows in the tip: must be a power of two from 64 to 1048576", self.tip_rows));
        }
        if self.interval_ms == 0 {
            return wrong("an interval of 0 ms: must be at least 1".into());
        }
        // Half of `SEQ_LIMIT`: no ring ever writes that many rows.
        if self.first_seq >= 1 << 62 {
            return wrong(format!("first sequence number {}: must be below 2^62", self.first_seq));
        }
        Ok(())
    }

    /// The same with as many blocks as fit into a file of about `bytes`, at least 4, and with a
    /// sixteenth of them as reserve.
    ///
    /// The reserve has at least 2 blocks: one is written while the other one is archived. 8 are
    /// enough for the writer to append to while a part of a day is written.
    pub fn with_file_bytes(mut self, bytes: u64) -> Self {
        let slot = crate::Geometry::compute(&self, 0, 0).slot_bytes as u64;
        self.blocks = (bytes / slot).clamp(4, 65_536) as u32;
        self.reserve = (self.blocks / 16).clamp(2, 8);
        self
    }

    /// The Arrow schema of the ring: `symbol`, `frame`, four prices, `volume`, the optional
    /// columns, `seq`, `received`, `revision`.
    pub fn schema(&self) -> Schema {
        let price = match self.price {
            Price::Float64 => DataType::Float64,
            Price::Float32 => DataType::Float32,
        };
        let zone: Arc<str> = self.zone.as_str().into();
        let symbol = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let mut fields = vec![
            Field::new("symbol", symbol, false),
            Field::new("frame", DataType::Timestamp(TimeUnit::Millisecond, Some(zone)), false),
        ];
        fields.extend(["open", "high", "low", "close"].map(|name| Field::new(name, price.clone(), false)));
        fields.push(Field::new("volume", DataType::Float64, false));
        fields.extend(self.optional.iter().map(|name| Field::new(name, DataType::Float64, true)));
        fields.push(Field::new("seq", DataType::UInt64, false));
        let utc: Arc<str> = "UTC".into();
        fields.push(Field::new("received", DataType::Timestamp(TimeUnit::Nanosecond, Some(utc)), false));
        fields.push(Field::new("revision", DataType::UInt8, false));
        Schema::new(fields)
    }
}
