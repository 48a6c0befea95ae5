//! Bars as bytes: an Arrow IPC stream, for pickle.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use pyo3::prelude::*;

use crate::bar::Bar;
use crate::bars::Bars;
use crate::batch;
use crate::error::raised;
use crate::layout::Layout;

/// Batches as an Arrow IPC stream.
pub(crate) fn write(schema: &Schema, batches: &[RecordBatch]) -> PyResult<Cow<'static, [u8]>> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(raised)?;
    for batch in batches {
        writer.write(batch).map_err(raised)?;
    }
    writer.into_inner().map(Cow::Owned).map_err(raised)
}

fn read(data: &[u8]) -> PyResult<(Arc<Layout>, Vec<RecordBatch>)> {
    let reader = StreamReader::try_new(data, None).map_err(raised)?;
    let layout = Layout::new(reader.schema());
    Ok((layout, reader.collect::<Result<_, _>>().map_err(raised)?))
}

/// What ``pickle`` calls for a ``Bars``.
#[pyfunction]
pub(crate) fn _bars_from_ipc(
    data: &[u8],
    next_seq: Option<u64>,
    complete: bool,
    shortfalls: Vec<String>,
) -> PyResult<Bars> {
    let (layout, batches) = read(data)?;
    Ok(Bars { next_seq, complete, shortfalls, ..Bars::new(layout, batches, false) })
}

/// What ``pickle`` calls for a ``Bar``.
#[pyfunction]
pub(crate) fn _bar_from_ipc(data: &[u8]) -> PyResult<Bar> {
    let (layout, batches) = read(data)?;
    let batch = batches.iter().find(|batch| batch.num_rows() == 1).ok_or_else(|| raised("these bytes are no bar"))?;
    Ok(batch::read_bar(&layout, batch, 0))
}
