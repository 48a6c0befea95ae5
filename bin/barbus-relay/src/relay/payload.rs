//! The bars of a message: an Arrow IPC stream with the columns of the bus.

use std::collections::HashMap;
use std::io::Cursor;
use std::panic::catch_unwind;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use barbus::{Row, SymbolId};
use barbus_bars::{BarSchema, FIXED_COLUMNS, SYMBOL};

use super::ipc_limits;

/// The column of a part with the place of each bar among all bars of the parts, from 0.
const PLACE: &str = "place";

/// The columns of a bus as messages have them: those of its archive, with a dictionary of symbols.
pub(crate) fn wire_schema(schema: &BarSchema) -> SchemaRef {
    let symbol = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let archived = schema.archive_schema();
    let fields = archived.fields().iter().map(|field| match field.name().as_str() {
        SYMBOL => Field::new(SYMBOL, symbol.clone(), false),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What distinguishes the columns `theirs` from `ours`; `None` if nothing does.
pub(crate) fn difference(theirs: &Schema, ours: &Schema) -> Option<String> {
    let describe = |field: &Field| format!("{} {}", field.name(), field.data_type());
    let list = |names: Vec<&str>| names.join(", ");
    let missing = |in_one: &Schema, other: &Schema| -> Vec<String> {
        let names = in_one.fields().iter().map(|field| field.name());
        names.filter(|name| other.field_with_name(name).is_err()).cloned().collect()
    };
    let (lacks, has_more) = (missing(theirs, ours), missing(ours, theirs));
    if !lacks.is_empty() {
        return Some(format!("the bus has no column {}", list(lacks.iter().map(String::as_str).collect())));
    }
    if !has_more.is_empty() {
        return Some(format!("the stream has no column {}", list(has_more.iter().map(String::as_str).collect())));
    }
    let mut pairs = theirs.fields().iter().zip(ours.fields());
    let (their, our) = pairs.find(|(their, our)| {
        their.name() != our.name() || their.data_type() != our.data_type() || their.is_nullable() != our.is_nullable()
    })?;
    Some(format!("the stream has {} where the bus has {}", describe(their), describe(our)))
}

/// Bars as the payload of a message. The symbols of `rows` are indexes of `names`; `places` are
/// those of the bars of a part.
///
/// # Errors
/// Arrow cannot encode them.
pub(crate) fn encode(
    schema: &SchemaRef,
    rows: &[Row],
    names: &[String],
    places: Option<&[u32]>,
) -> Result<Vec<u8>, ArrowError> {
    let mut batch = batch_of_rows(schema, rows, names)?;
    if let Some(places) = places {
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new(PLACE, DataType::UInt32, false));
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(UInt32Array::from(places.to_vec())));
        batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    }
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)?;
    writer.write(&batch)?;
    writer.finish()?;
    writer.into_inner()
}

/// Bars as a record batch of `schema`, with a dictionary of only their own symbols.
fn batch_of_rows(schema: &SchemaRef, rows: &[Row], names: &[String]) -> Result<RecordBatch, ArrowError> {
    let (mut keys, mut own_names) = (HashMap::new(), Vec::new());
    let own_keys: Int32Array = rows
        .iter()
        .map(|row| {
            Some(*keys.entry(row.symbol).or_insert_with(|| {
                own_names.push(names[row.symbol.0 as usize].as_str());
                own_names.len() as i32 - 1
            }))
        })
        .collect();
    let symbols = DictionaryArray::try_new(own_keys, Arc::new(StringArray::from(own_names)))?;
    let frames = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.frame_ms));
    let frames = frames.with_data_type(schema.field(1).data_type().clone());
    let mut columns: Vec<ArrayRef> = vec![Arc::new(symbols), Arc::new(frames)];
    let fixed: [fn(&Row) -> f64; 5] =
        [|row| row.open, |row| row.high, |row| row.low, |row| row.close, |row| row.volume];
    for (value, field) in fixed.iter().zip(&schema.fields()[2..]) {
        columns.push(match field.data_type() {
            DataType::Float32 => Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| value(row) as f32))),
            _ => Arc::new(Float64Array::from_iter_values(rows.iter().map(value))),
        });
    }
    for i in 0..schema.fields().len() - FIXED_COLUMNS.len() {
        columns.push(Arc::new(rows.iter().map(|row| row.optional(i)).collect::<Float64Array>()));
    }
    RecordBatch::try_new(schema.clone(), columns)
}

/// The bars of a payload, and the places of those of a part.
#[derive(Debug, Clone)]
pub(crate) struct Decoded {
    pub(crate) batch: RecordBatch,
    pub(crate) places: Option<Vec<u32>>,
}

/// Reads a payload.
///
/// # Errors
/// It is not an Arrow stream with one batch of bars.
pub(crate) fn decode(payload: &[u8]) -> anyhow::Result<Decoded> {
    ipc_limits::check(payload)?;
    // The decoder of Arrow panics on some damaged input.
    let read = catch_unwind(|| -> Result<Option<RecordBatch>, ArrowError> {
        StreamReader::try_new(Cursor::new(payload), None)?.next().transpose()
    });
    let batch = read.map_err(|_| anyhow!("its Arrow data is damaged"))??;
    let Some(batch) = batch else { bail!("it has no batch") };
    let last = batch.num_columns().saturating_sub(1);
    if batch.schema().fields().last().is_none_or(|field| field.name() != PLACE) {
        return Ok(Decoded { batch, places: None });
    }
    let Some(places) = batch.column(last).as_any().downcast_ref::<UInt32Array>() else {
        bail!("the places of its bars are not numbers");
    };
    let places = places.values().to_vec();
    let batch = batch.project(&(0..last).collect::<Vec<_>>())?;
    Ok(Decoded { batch, places: Some(places) })
}

/// Texts of symbols, each with a number of its own.
#[derive(Debug, Default)]
pub(crate) struct SymbolNames {
    names: Vec<String>,
    ids: HashMap<String, SymbolId>,
}

impl SymbolNames {
    /// The number of a symbol.
    pub(crate) fn id(&mut self, name: &str) -> SymbolId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = SymbolId(self.names.len() as u32);
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }

    /// The texts, by number.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, TimestampMillisecondType};
    use barbus_bars::PriceType;

    fn rows(count: u32) -> Vec<Row> {
        let row = |i: u32| Row {
            symbol: SymbolId(i % 3),
            frame_ms: 60_000 * i64::from(i),
            open: f64::from(i) + 0.1,
            high: 2.0,
            low: 1.0,
            close: 1.5,
            volume: 100.0,
            present: 0b01,
            optional: [f64::from(i), 0.0, 0.0, 0.0, 0.0, 0.0],
            ..Row::default()
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn bars_survive_the_way() {
        let schema = wire_schema(&BarSchema::in_zone("Asia/Shanghai").unwrap());
        let names = ["A", "B", "C"].map(String::from);
        let places: Vec<u32> = (0..10).rev().collect();
        for places in [None, Some(&places[..])] {
            let payload = encode(&schema, &rows(10), &names, places).unwrap();
            let decoded = decode(&payload).unwrap();
            assert_eq!(difference(&decoded.batch.schema(), &schema), None);
            assert_eq!(decoded.places.as_deref(), places);
            let frames = decoded.batch.column(1).as_primitive::<TimestampMillisecondType>();
            assert_eq!(frames.value(9), 540_000);
            assert_eq!(decoded.batch.column(2).as_primitive::<Float64Type>().value(3), 3.1);
            assert_eq!(decoded.batch.column(8).null_count(), 10);
        }
    }

    #[test]
    fn damaged_payloads_are_errors() {
        let schema = wire_schema(&BarSchema::in_zone("UTC").unwrap());
        let payload = encode(&schema, &rows(100), &["A", "B", "C"].map(String::from), None).unwrap();
        assert!(decode(&[]).is_err());
        // Each byte inverted: a length that no memory has is an error, not the end of the process.
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 0xff;
            let _ = decode(&damaged);
        }
        assert!((1..payload.len() - 8).step_by(13).all(|end| decode(&payload[..end]).is_err()));
    }

    #[test]
    fn other_columns_are_named() {
        let schema =
            |price, optional: &[&str]| wire_schema(&BarSchema::new("UTC", price, optional.iter().copied()).unwrap());
        let ours = schema(PriceType::Float64, &["money"]);
        let of = |theirs: SchemaRef| difference(&theirs, &ours).unwrap();
        assert_eq!(of(schema(PriceType::Float64, &["money", "vwap"])), "the bus has no column vwap");
        assert_eq!(of(schema(PriceType::Float64, &[])), "the stream has no column money");
        assert_eq!(
            of(schema(PriceType::Float32, &["money"])),
            "the stream has open Float32 where the bus has open Float64"
        );
        let shanghai = wire_schema(&BarSchema::new("Asia/Shanghai", PriceType::Float64, ["money"]).unwrap());
        assert!(of(shanghai).contains("Asia/Shanghai"));
    }
}
