//! Record batches as PyCapsules: the interface through which Arrow libraries take them without a
//! copy.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::datatypes::{Field, Schema};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::error::PyArrowResult;
use pyo3_arrow::ffi::{ArrayIterator, to_array_pycapsules, to_schema_pycapsule, to_stream_pycapsule};

/// A batch as `__arrow_c_array__` returns it.
pub(crate) fn array<'py>(
    py: Python<'py>,
    batch: RecordBatch,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyArrowResult<Bound<'py, PyTuple>> {
    let field = struct_field(batch.schema_ref());
    to_array_pycapsules(py, field, &StructArray::from(batch), requested_schema)
}

/// Batches of `schema` as `__arrow_c_stream__` returns them.
pub(crate) fn stream<'py>(
    py: Python<'py>,
    schema: &Schema,
    batches: Vec<RecordBatch>,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyArrowResult<Bound<'py, PyCapsule>> {
    let arrays = batches.into_iter().map(|batch| Ok(Arc::new(StructArray::from(batch)) as ArrayRef));
    to_stream_pycapsule(py, Box::new(ArrayIterator::new(arrays, struct_field(schema))), requested_schema)
}

/// A schema as `__arrow_c_schema__` returns it.
pub(crate) fn schema<'py>(py: Python<'py>, schema: &Schema) -> PyArrowResult<Bound<'py, PyCapsule>> {
    to_schema_pycapsule(py, schema)
}

fn struct_field(schema: &Schema) -> Arc<Field> {
    Arc::new(Field::new_struct("", schema.fields().clone(), false))
}
