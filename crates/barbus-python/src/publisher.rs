//! A producer's side of a bus.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use barbus::protocol::{AckMode, LABEL, ZONE};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3_arrow::input::AnyRecordBatch;

use crate::ack::Ack;
use crate::calendar::instant_ms;
use crate::connection::Connection;
use crate::error::{Error, raised};
use crate::fork_guard::ForkGuard;
use crate::rejects::Rejects;
use crate::signals::CHECK_INTERVAL;
use crate::waiting;

/// A producer's connection to the daemon of a bus. Acknowledged bars are committed; sending bars
/// again is harmless.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Publisher {
    fork_guard: ForkGuard,
    /// Schema metadata of every batch: label and zone.
    metadata: HashMap<String, String>,
    /// The folder of the bus's quarantine.
    quarantine: PathBuf,
    connection: Arc<Mutex<Connection>>,
}

/// Connects to the daemon of the bus at a path.
///
/// ``label`` states what the times of the bars mark, ``"start"`` or ``"end"``. ``zone`` is the zone
/// of times without one. ``source`` names the producer in the quarantine, in ``stat`` and in
/// ``sources.priority`` of ``bus.toml``. ``ack`` is ``"commit"`` or ``"durable"``. After a lost
/// connection the publisher tries to reconnect for ``reconnect`` seconds. ``wait`` is for how many
/// seconds it waits for a bus that does not exist yet, or whose daemon is starting; by default it
/// waits 10 seconds for the daemon only. A daemon that is silent for ``timeout`` seconds is stopped
/// or hung, and ``send`` raises ``barbus.Error``; one that waits for its disk is not silent.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python has keyword arguments")]
#[pyo3(signature = (path, *, label=None, zone=None, source=None, ack=None, reconnect=0.0, wait=None, timeout=5.0))]
pub(crate) fn publish(
    py: Python<'_>,
    path: PathBuf,
    label: Option<String>,
    zone: Option<String>,
    source: Option<String>,
    ack: Option<&str>,
    reconnect: f64,
    wait: Option<f64>,
    timeout: f64,
) -> PyResult<Publisher> {
    let ack = ack.map(|text| text.parse::<AckMode>().map_err(|why| PyValueError::new_err(format!("ack: {why}"))));
    let ack = ack.transpose()?;
    let reconnect_for = waiting::seconds("reconnect", reconnect)?;
    let timeout = waiting::seconds("timeout", timeout)?;
    let metadata = [(LABEL, label), (ZONE, zone)];
    let metadata = metadata.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let connection = waiting::until_connected(py, wait, || {
        Connection::open(barbus::Bus::open(&path)?, source.clone(), ack, reconnect_for, timeout)
    })?;
    let (fork_guard, quarantine) = (ForkGuard::new(&path), connection.bus().quarantine());
    Ok(Publisher { fork_guard, metadata, quarantine, connection: Arc::new(Mutex::new(connection)) })
}

impl Publisher {
    /// The batches of a table, with the metadata of this publisher.
    fn batches(&self, data: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
        let py = data.py();
        // pandas 2.1 and older do not have the interface: `arrow` converts their frames with
        // pyarrow.
        let data = py.import("barbus._convert")?.call_method1("arrow", (data,))?;
        let (batches, schema) = data.extract::<AnyRecordBatch>()?.into_table()?.into_inner();
        let mut metadata = schema.metadata().clone();
        metadata.extend(self.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
        let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
        let batches = batches
            .into_iter()
            .filter(|batch| batch.num_rows() > 0)
            .map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()));
        batches.collect::<Result<_, ArrowError>>().map_err(raised)
    }
}

#[pymethods]
impl Publisher {
    /// Sends bars and waits for the acknowledgement. ``data`` is a table, batch or data frame with
    /// the Arrow PyCapsule interface (pyarrow, polars, pandas 3, DuckDB …).
    ///
    /// With ``strict`` it raises ``barbus.Error`` with the first reason if any row is invalid; the
    /// valid rows are published nevertheless.
    ///
    /// Ctrl-C ends the wait. The rows may then be published or not: send them again.
    #[pyo3(signature = (data, *, strict=false))]
    fn send(&self, py: Python<'_>, data: &Bound<'_, PyAny>, strict: bool) -> PyResult<Ack> {
        self.fork_guard.check()?;
        let batches = self.batches(data)?;
        let before = strict.then(|| Rejects::before(&self.quarantine));
        let connection = Arc::clone(&self.connection);
        let (done, answer) = channel();
        // On another thread, so that this one can check for signals.
        std::thread::spawn(move || {
            let sent = connection.lock().unwrap_or_else(PoisonError::into_inner).send(&batches);
            let _ = done.send(sent);
        });
        let answer = Mutex::new(answer);
        loop {
            let got = py.detach(|| answer.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(CHECK_INTERVAL));
            match got {
                Ok(sent) => {
                    let ack = sent?;
                    return match before {
                        Some(before) => before.check(&ack).map(|()| Ack(ack)),
                        None => Ok(Ack(ack)),
                    };
                }
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new_err("the sending thread ended without a result: send again"));
                }
            }
        }
    }

    /// ``send`` for asyncio: it runs on a thread. The sends of one publisher run one after the
    /// other; a cancelled one continues.
    #[pyo3(signature = (data, *, strict=false))]
    fn send_async<'py>(this: &Bound<'py, Self>, data: &Bound<'py, PyAny>, strict: bool) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("barbus._async")?.call_method1("send", (this, data, strict))
    }

    /// States that no more bars follow of the minute that ends at ``frame`` and of those before it:
    /// readers ``by="minute"`` do not wait for the symbols without a bar. ``frame`` is the end of
    /// the minute, a ``datetime`` with a zone or milliseconds since 1970-01-01 UTC, whatever
    /// ``label`` is. It is not waited for.
    fn done(&self, py: Python<'_>, frame: &Bound<'_, PyAny>) -> PyResult<()> {
        self.fork_guard.check()?;
        let frame_ms = match frame.extract::<i64>() {
            Ok(frame_ms) => frame_ms,
            Err(_) => instant_ms(frame)?,
        };
        py.detach(|| self.connection.lock().unwrap_or_else(PoisonError::into_inner).done(frame_ms))
    }

    /// Waits for the last acknowledgements and disconnects.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.fork_guard.check()?;
        py.detach(|| self.connection.lock().unwrap_or_else(PoisonError::into_inner).close()).map_err(raised)
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_why))]
    fn __exit__(&self, py: Python<'_>, _why: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    fn __aenter__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("barbus._async")?.call_method1("enter", (this,))
    }

    #[pyo3(signature = (*_why))]
    fn __aexit__<'py>(this: &Bound<'py, Self>, _why: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("barbus._async")?.call_method1("leave", (this,))
    }

    fn __repr__(&self) -> String {
        "<barbus.Publisher>".to_owned()
    }
}
