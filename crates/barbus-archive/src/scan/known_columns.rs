//! Columns whose values are known without decoding a page.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

use super::footers::Footer;
use super::pages::SelectedGroup;
use super::row_keys::RowKeys;

/// The one value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Constant {
    Float32(f32),
    Float64(f64),
}

impl Constant {
    /// The value that all rows of a row group have, by its statistics.
    ///
    /// Statistics leave out what is no number. The files of barbus have no such value: a bar with
    /// one is invalid.
    fn of_chunk(chunk: &ColumnChunkMetaData) -> Option<Self> {
        let statistics = chunk.statistics().filter(|statistics| statistics.null_count_opt() == Some(0))?;
        match statistics {
            Statistics::Double(values) => {
                let (min, max) = (values.min_opt()?, values.max_opt()?);
                // Zeros of both signs are equal, and are not the same value.
                (min.to_bits() == max.to_bits()).then_some(Self::Float64(*min))
            }
            Statistics::Float(values) => {
                let (min, max) = (values.min_opt()?, values.max_opt()?);
                (min.to_bits() == max.to_bits()).then_some(Self::Float32(*min))
            }
            _ => None,
        }
    }

    fn rows(self, rows: usize) -> ArrayRef {
        match self {
            Self::Float32(value) => Arc::new(Float32Array::from_value(value, rows)),
            Self::Float64(value) => Arc::new(Float64Array::from_value(value, rows)),
        }
    }
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Symbols(&'a RowKeys),
    Frames(&'a RowKeys, &'a [Arc<[i64]>]),
    Constant(Constant),
}

/// The columns of the selected row groups of a file that are known, in the order of the file.
pub(super) struct KnownColumns<'a> {
    schema: SchemaRef,
    sources: Vec<Source<'a>>,
}

impl<'a> KnownColumns<'a> {
    /// Of the columns of `schema`, those that the row keys have, and those with the same value in
    /// all selected row groups.
    pub(super) fn new(footer: &Footer, keys: Option<&'a RowKeys>, selected: &[SelectedGroup], schema: &Schema) -> Self {
        let file = footer.metadata.metadata();
        let constant = |column: usize| {
            let of_group = |group: &SelectedGroup| Constant::of_chunk(file.row_group(group.number).column(column));
            let first = of_group(selected.first()?)?;
            selected.iter().all(|group| of_group(group) == Some(first)).then_some(first)
        };
        let source = |column: usize| match column {
            0 => keys.map(Source::Symbols),
            1 => keys.and_then(|keys| Some(Source::Frames(keys, keys.frames()?))),
            _ => constant(column).map(Source::Constant),
        };
        let fields = footer.in_dictionary.schema().fields().iter().enumerate();
        let wanted = fields.filter(|(_, field)| schema.index_of(field.name()).is_ok());
        let known = wanted.filter_map(|(column, field)| Some((Arc::clone(field), source(column)?)));
        let (fields, sources): (Vec<FieldRef>, Vec<Source<'a>>) = known.unzip();
        Self { schema: Schema::new(fields).into(), sources }
    }

    /// Whether a column is known.
    pub(super) fn has(&self, name: &str) -> bool {
        self.schema.index_of(name).is_ok()
    }

    /// The known columns of some rows, which ascending ranges count through the file.
    pub(super) fn of_rows(&self, ranges: &[Range<usize>]) -> Result<RecordBatch, ArrowError> {
        let rows = ranges.iter().map(Range::len).sum();
        let column = |(source, field): (&Source<'_>, &FieldRef)| match source {
            Source::Symbols(keys) => keys.symbol_column(ranges),
            Source::Frames(keys, frames) => Ok(keys.frame_column(frames, ranges, field.data_type())),
            Source::Constant(constant) => Ok(constant.rows(rows)),
        };
        let columns = self.sources.iter().zip(self.schema.fields()).map(column).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field};
    use parquet::arrow::ArrowWriter;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    /// The constant of a column with these values.
    fn constant(values: ArrayRef) -> Option<Constant> {
        let schema = Schema::new(vec![Field::new("close", values.data_type().clone(), true)]);
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, Arc::new(schema.clone()), None).unwrap();
        writer.write(&RecordBatch::try_new(schema.into(), vec![values]).unwrap()).unwrap();
        writer.close().unwrap();
        let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        Constant::of_chunk(file.metadata().row_group(0).column(0))
    }

    #[test]
    fn a_column_is_constant_if_all_its_rows_have_one_value() {
        let doubles = |values: &[Option<f64>]| constant(Arc::new(values.iter().copied().collect::<Float64Array>()));
        assert_eq!(doubles(&[Some(1.5), Some(1.5)]), Some(Constant::Float64(1.5)));
        assert_eq!(doubles(&[Some(1.5), Some(1.5000000000000002)]), None);
        assert_eq!(doubles(&[Some(1.5), None]), None);
        assert_eq!(doubles(&[None, None]), None);
        assert_eq!(doubles(&[Some(0.0), Some(-0.0)]), None);
        assert_eq!(constant(Arc::new(Float32Array::from(vec![2.5; 9]))), Some(Constant::Float32(2.5)));
        assert_eq!(constant(Arc::new(arrow::array::Int32Array::from(vec![7; 9]))), None);
        let rows = Constant::Float32(2.5).rows(3);
        assert_eq!((rows.data_type(), rows.len()), (&DataType::Float32, 3));
    }
}
