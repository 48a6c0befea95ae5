//! Bars as Arrow record batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Date32Type, Field, TimeUnit};
use barbus_bars::date_from_epoch_days;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDate, PyDict, PySlice, PyString, PyTuple};
use pyo3_arrow::PyArray;
use pyo3_arrow::error::PyArrowResult;
use pyo3_arrow::input::AnyRecordBatch;

use crate::bar::Bar;
use crate::error::raised;
use crate::layout::Layout;
use crate::{arguments, batch, capsule, event, ipc, tables};

/// Bars as Arrow record batches, which Arrow libraries take without a copy (PyCapsule interface):
/// ``pyarrow.table(bars)``, ``polars.DataFrame(bars)``, ``pandas.DataFrame.from_arrow(bars)``,
/// ``duckdb.sql("FROM bars")``.
///
/// ``bars[-1]`` is a ``Bar``, ``bars[10:20]`` are ``Bars``, ``bars["close"]`` is a numpy array.
///
/// If ``pinned`` is true, they lie in the ring itself. The writer does not reuse their place while
/// this object, or anything made from it without a copy, exists. Keep such bars no longer than you
/// need them, or keep ``bars.copy()``.
#[pyclass(module = "barbus", frozen, weakref)]
pub(crate) struct Bars {
    pub(crate) layout: Arc<Layout>,
    pub(crate) batches: Vec<RecordBatch>,
    /// Whether any of the bars lie in the ring itself.
    #[pyo3(get)]
    pub(crate) pinned: bool,
    /// Of the answer to a question: the number of the next bar of the bus, with which
    /// ``follow(start=…)`` goes on without a gap or an overlap. None without a ring, and for other
    /// bars.
    #[pyo3(get)]
    pub(crate) next_seq: Option<u64>,
    /// Whether the answer has every bar that was asked for, as far as the bus can know.
    #[pyo3(get)]
    pub(crate) complete: bool,
    /// What was asked for and is not in the answer, each as a sentence.
    #[pyo3(get)]
    pub(crate) shortfalls: Vec<String>,
}

impl Bars {
    /// Batches of one layout.
    pub(crate) fn new(layout: Arc<Layout>, batches: Vec<RecordBatch>, pinned: bool) -> Self {
        Self { layout, batches, pinned, next_seq: None, complete: true, shortfalls: Vec::new() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// All bars as one batch: a copy if there are several batches.
    fn concat(&self) -> PyResult<RecordBatch> {
        match &self.batches[..] {
            [only] => Ok(only.clone()),
            batches => concat_batches(&self.layout.schema, batches).map_err(raised),
        }
    }

    pub(crate) fn bar(&self, mut index: usize) -> Option<Bar> {
        for batch in &self.batches {
            if index < batch.num_rows() {
                return Some(batch::read_bar(&self.layout, batch, index));
            }
            index -= batch.num_rows();
        }
        None
    }

    /// The bars of a slice with positive step 1 in place, of any other step as a copy.
    fn slice(&self, slice: &Bound<'_, PySlice>) -> PyResult<Self> {
        let range = slice.indices(self.rows() as isize)?;
        let (start, length) = (range.start as usize, range.slicelength);
        if range.step != 1 {
            let indices = (0..length as isize).map(|i| (range.start + i * range.step) as u64);
            let indices = UInt64Array::from_iter_values(indices);
            let taken = take_record_batch(&self.concat()?, &indices).map_err(raised)?;
            return Ok(Self::new(Arc::clone(&self.layout), vec![taken], false));
        }
        let (mut batches, mut first) = (Vec::new(), 0);
        for batch in &self.batches {
            let end = first + batch.num_rows();
            let (from, to) = (start.max(first), (start + length).min(end));
            if from < to {
                batches.push(batch.slice(from - first, to - from));
            }
            first = end;
        }
        let pinned = self.pinned && !batches.is_empty();
        Ok(Self::new(Arc::clone(&self.layout), batches, pinned))
    }

    /// A column as an array that numpy accepts, with the unit of its times: times as integers,
    /// symbols as text, nulls as NaN.
    fn numpy_column(field: &Field, column: &ArrayRef) -> PyResult<(&'static str, PyArray)> {
        let plain: ArrayRef = match field.data_type() {
            DataType::Timestamp(..) => arrow::compute::cast(column, &DataType::Int64).map_err(raised)?,
            DataType::Date32 => {
                let days = arrow::compute::cast(column, &DataType::Int32).map_err(raised)?;
                arrow::compute::cast(&days, &DataType::Int64).map_err(raised)?
            }
            DataType::Dictionary(..) => arrow::compute::cast(column, &DataType::Utf8).map_err(raised)?,
            DataType::Float64 => batch::nan_for_null(column),
            _ => Arc::clone(column),
        };
        let unit = match field.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, _) => "ms",
            DataType::Timestamp(..) => "ns",
            DataType::Date32 => "D",
            _ => "",
        };
        let plain_field = Arc::new(Field::new(field.name(), plain.data_type().clone(), false));
        Ok((unit, PyArray::new(plain, plain_field)))
    }
}

/// Calls a function of `barbus._convert`, which imports other packages when it needs them.
fn convert<'py>(bars: &Bound<'py, Bars>, function: &str) -> PyResult<Bound<'py, PyAny>> {
    bars.py().import("barbus._convert")?.call_method1(function, (bars,))
}

#[pymethods]
impl Bars {
    fn __len__(&self) -> usize {
        self.rows()
    }

    /// Number of bars.
    #[getter]
    fn num_rows(&self) -> usize {
        self.rows()
    }

    /// Names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.layout.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// A ``Bar`` by its number, ``Bars`` by a slice, or a column by its name as a numpy array.
    fn __getitem__<'py>(bars: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (bars.py(), bars.get());
        if let Ok(slice) = key.cast::<PySlice>() {
            return Ok(Bound::new(py, this.slice(slice)?)?.into_any());
        }
        if key.is_instance_of::<PyString>() {
            return py.import("barbus._convert")?.call_method1("column", (bars, key));
        }
        let Ok(index) = key.extract::<isize>() else {
            let kind = key.get_type().name()?;
            return Err(PyTypeError::new_err(format!("{kind}: give a number, a slice, or the name of a column")));
        };
        let from_start = if index < 0 { this.rows().checked_add_signed(index) } else { Some(index as usize) };
        let bar = from_start.and_then(|index| this.bar(index));
        let bar =
            bar.ok_or_else(|| PyIndexError::new_err(format!("no bar {index}: there are {} bars", this.rows())))?;
        Ok(Bound::new(py, bar)?.into_any())
    }

    fn __iter__(bars: Bound<'_, Self>) -> BarsIterator {
        BarsIterator { bars: Some(bars.unbind()), batch: 0, row: 0 }
    }

    fn __repr__(&self) -> String {
        let pinned = if self.pinned { ", pinned" } else { "" };
        let complete = if self.complete { "" } else { ", not complete" };
        format!("<barbus.Bars: {} bars{pinned}{complete}>", self.rows())
    }

    fn _repr_html_<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        bars.py().import("barbus._html")?.call_method1("table", (bars,))
    }

    /// The trading day of the bars; None if they are of several days, or of none.
    #[getter]
    fn day<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDate>>> {
        let Some(at) = self.layout.day else { return Ok(None) };
        let mut days = self.batches.iter().flat_map(|batch| batch.column(at).as_primitive::<Date32Type>().values());
        let first = days.next();
        let only = first.filter(|first| days.all(|day| day == *first));
        only.map(|day| event::date(py, date_from_epoch_days((*day).into()))).transpose()
    }

    /// As one Arrow record batch (PyCapsule interface). That is a copy if the bars are in several
    /// blocks of the ring; the stream never is.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyTuple>> {
        capsule::array(py, self.concat()?, requested_schema)
    }

    /// As a stream of Arrow record batches (PyCapsule interface), never copied.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyCapsule>> {
        capsule::stream(py, &self.layout.schema, self.batches.clone(), requested_schema)
    }

    /// The columns (PyCapsule interface).
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyArrowResult<Bound<'py, PyCapsule>> {
        capsule::schema(py, &self.layout.schema)
    }

    /// The columns as arrays that numpy accepts, each with the unit of its times.
    fn _columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let batch = self.concat()?;
        let columns = PyDict::new(py);
        for (field, column) in self.layout.schema.fields().iter().zip(batch.columns()) {
            columns.set_item(field.name(), Self::numpy_column(field, column)?)?;
        }
        Ok(columns)
    }

    /// One of ``_columns``.
    fn _column(&self, name: &str) -> PyResult<(&'static str, PyArray)> {
        let Some((at, field)) = self.layout.schema.column_with_name(name) else {
            return Err(PyKeyError::new_err(format!("{name}: the columns are {}", self.column_names().join(", "))));
        };
        let arrays: Vec<_> = self.batches.iter().map(|batch| batch.column(at).as_ref()).collect();
        let column = match arrays[..] {
            [] => arrow::array::new_empty_array(field.data_type()),
            [_] => Arc::clone(self.batches[0].column(at)),
            _ => arrow::compute::concat(&arrays).map_err(raised)?,
        };
        Self::numpy_column(field, &column)
    }

    /// IANA zone of ``frame``.
    #[getter]
    fn zone(&self) -> &str {
        self.layout.zone()
    }

    /// Only these columns after ``symbol`` and ``frame``, without a copy. With the columns of other
    /// bars it gives their schema: ``live.select(history.column_names)``.
    fn select(&self, columns: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut places = vec![0, 1];
        for name in arguments::texts("columns", columns)? {
            let Some((at, _)) = self.layout.schema.column_with_name(&name) else {
                let known = self.column_names().join(", ");
                return Err(PyValueError::new_err(format!("no column {name:?}: the columns are {known}")));
            };
            if !places.contains(&at) {
                places.push(at);
            }
        }
        let batches = self.batches.iter().map(|batch| batch.project(&places)).collect::<Result<_, _>>();
        let layout = Layout::new(Arc::new(self.layout.schema.project(&places).map_err(raised)?));
        Ok(Self {
            next_seq: self.next_seq,
            complete: self.complete,
            shortfalls: self.shortfalls.clone(),
            ..Self::new(layout, batches.map_err(raised)?, self.pinned)
        })
    }

    /// The same bars in memory of this process: they hold nothing of the ring.
    fn copy(&self) -> PyResult<Self> {
        let batches = self.batches.iter().map(batch::deep_copy).collect::<Result<_, _>>();
        Ok(Self {
            next_seq: self.next_seq,
            complete: self.complete,
            shortfalls: self.shortfalls.clone(),
            ..Self::new(Arc::clone(&self.layout), batches.map_err(raised)?, false)
        })
    }

    /// Bars of any table, batch or data frame with the Arrow PyCapsule interface, for example to
    /// test a strategy.
    ///
    /// It needs the columns ``symbol`` and ``frame``, the end of each bar. Prices, volume and
    /// optional columns are numbers. ``zone`` is the IANA zone of frames that state none.
    ///
    /// Raises ``ValueError`` if the columns are not those of bars.
    #[staticmethod]
    #[pyo3(signature = (table, *, zone=None))]
    fn from_arrow(table: &Bound<'_, PyAny>, zone: Option<&str>) -> PyResult<Self> {
        let table = table.py().import("barbus._convert")?.call_method1("arrow", (table,))?;
        let (batches, schema) = table.extract::<AnyRecordBatch>()?.into_table()?.into_inner();
        let (layout, batches) = tables::to_bars(&schema, &batches, zone).map_err(PyValueError::new_err)?;
        Ok(Self::new(layout, batches, false))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let data = ipc::write(&self.layout.schema, &self.batches)?;
        let load = py.import("barbus._barbus")?.getattr("_bars_from_ipc")?;
        (load, (data, self.next_seq, self.complete, self.shortfalls.clone())).into_pyobject(py)
    }

    /// As a ``pyarrow.Table``, without a copy.
    fn to_pyarrow<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_pyarrow")
    }

    /// As a ``polars.DataFrame``. Of pinned bars the frame uses the memory of the ring; with
    /// ``copy=True`` it has its own, and may be kept.
    #[pyo3(signature = (*, copy=false))]
    fn to_polars<'py>(bars: &Bound<'py, Self>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        match copy && bars.get().pinned {
            true => convert(&Bound::new(bars.py(), bars.get().copy()?)?, "to_polars"),
            false => convert(bars, "to_polars"),
        }
    }

    /// As a ``pandas.DataFrame``, a copy. It does not need pyarrow.
    fn to_pandas<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_pandas")
    }

    /// As a dict of numpy arrays by column, copies: times as ``datetime64`` in UTC, symbols as
    /// ``str`` objects, nulls as NaN.
    fn to_numpy<'py>(bars: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        convert(bars, "to_numpy")
    }

    /// Candles of one symbol, side by side: no gap for a break, a night or a holiday. ``symbol`` is
    /// needed if there are bars of several. Returns the axes of matplotlib, which is imported now.
    #[pyo3(signature = (symbol=None, *, ax=None))]
    fn plot<'py>(
        bars: &Bound<'py, Self>,
        symbol: Option<&str>,
        ax: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        bars.py().import("barbus._plot")?.call_method1("candles", (bars, symbol, ax))
    }
}

/// Iterates over the bars of a ``Bars``.
#[pyclass(module = "barbus")]
pub(crate) struct BarsIterator {
    bars: Option<Py<Bars>>,
    batch: usize,
    row: usize,
}

#[pymethods]
impl BarsIterator {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self) -> Option<Bar> {
        let bars = self.bars.as_ref()?.get();
        while let Some(batch) = bars.batches.get(self.batch) {
            if self.row < batch.num_rows() {
                let bar = batch::read_bar(&bars.layout, batch, self.row);
                self.row += 1;
                return Some(bar);
            }
            (self.batch, self.row) = (self.batch + 1, 0);
        }
        self.bars = None;
        None
    }
}
