//! One column of one row group in memory: encoded, found again, summed.

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::datatypes::{Float32Type, TimestampMillisecondType};
use parquet::data_type::FloatType;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::schema::types::ColumnDescPtr;

use crate::checksum::ColumnDigest;
use crate::chunk::{Chunk, Found, Result, Zstd};
use crate::dictionary::Dictionary;
use crate::numbers::{self, Plans};
use crate::{frames, symbols};

/// What a thread encodes with, column after column.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) zstd: Zstd,
    pub(crate) dictionary: Dictionary,
    pub(crate) buffer: Vec<u8>,
}

pub(crate) enum Column<'a> {
    /// Each with the number of its rows.
    Symbols(Vec<(&'a str, usize)>),
    /// Any other.
    Values(ArrayRef),
}

impl Column<'_> {
    /// Encodes it, 64-bit floats by what `plans` say, made of what `sample` gives.
    pub(crate) fn encode(
        &self,
        column: &ColumnDescPtr,
        plans: &Plans,
        sample: &dyn Fn() -> ArrayRef,
        properties: &WriterPropertiesPtr,
        tools: &mut Tools,
    ) -> Result<Chunk> {
        let array = match self {
            Column::Symbols(runs) => return symbols::encode(column, runs, &mut tools.zstd),
            Column::Values(array) => array,
        };
        match array.data_type() {
            DataType::Timestamp(..) => {
                frames::encode(column, array.as_primitive::<TimestampMillisecondType>().values(), tools)
            }
            DataType::Float32 => {
                let prices = array.as_primitive::<Float32Type>().values();
                Chunk::by_library::<FloatType>(column, properties, prices)
            }
            DataType::Float64 => numbers::encode(column, array.as_primitive(), plans, sample, tools),
            other => Err(ParquetError::General(format!("no encoding for column {} of {other}", column.name()))),
        }
    }

    /// Whether `chunk`, decoded, is this column, to the bit.
    pub(crate) fn is_in(&self, chunk: Found<'_>) -> Result<bool> {
        let array = match self {
            Column::Symbols(runs) => return symbols::reads_as(chunk, runs),
            Column::Values(array) => array,
        };
        match array.data_type() {
            DataType::Timestamp(..) => {
                frames::reads_as(chunk, array.as_primitive::<TimestampMillisecondType>().values())
            }
            DataType::Float32 => {
                let prices = array.as_primitive::<Float32Type>().values();
                chunk.reads_as::<FloatType>(prices.len(), |row, levels, found| {
                    let meant = prices.get(row..row + found.len());
                    let same = |meant: &[f32]| meant.iter().zip(found).all(|(a, b)| a.to_bits() == b.to_bits());
                    levels.is_none() && meant.is_some_and(same)
                })
            }
            _ => numbers::reads_as(chunk, array.as_primitive()),
        }
    }

    /// Its part in the checksum of the values.
    pub(crate) fn digest(&self, nullable: bool) -> ColumnDigest {
        match self {
            Column::Symbols(runs) => ColumnDigest::of_symbols(runs),
            Column::Values(array) => ColumnDigest::of(array, nullable),
        }
    }
}
