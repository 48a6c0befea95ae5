use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use barbus::protocol::{self, AckMode, LABEL, ZONE};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3_arrow::input::AnyRecordBatch;

use crate::error::{Error, raised};
use crate::home::Home;

/// Longest wait without a look for signals.
const SLICE: Duration = Duration::from_millis(100);

/// What became of the rows that were sent: ``rows`` is the sum of the four kinds.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(PartialEq, Eq)]
pub(crate) struct Ack(protocol::Ack);

#[pymethods]
impl Ack {
    /// Rows handled.
    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows
    }

    /// New bars.
    #[getter]
    fn accepted(&self) -> u64 {
        self.0.accepted
    }

    /// Bars that were there already with the same values.
    #[getter]
    fn duplicate(&self) -> u64 {
        self.0.duplicate
    }

    /// Bars that were there with other values.
    #[getter]
    fn revised(&self) -> u64 {
        self.0.revised
    }

    /// Rows put aside with a reason.
    #[getter]
    fn quarantined(&self) -> u64 {
        self.0.quarantined
    }

    /// Number of the last bar published by this publisher; None where there is none yet.
    #[getter]
    fn seq(&self) -> Option<u64> {
        self.0.seq
    }

    fn __repr__(&self) -> String {
        let protocol::Ack { rows, accepted, duplicate, revised, quarantined, seq } = self.0;
        let seq = seq.map_or("None".to_owned(), |seq| seq.to_string());
        format!(
            "Ack(rows={rows}, accepted={accepted}, duplicate={duplicate}, revised={revised}, quarantined={quarantined}, seq={seq})"
        )
    }
}

/// A producer's connection to the daemon of a bus. What is acknowledged is committed; sending again is harmless.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Publisher {
    home: Home,
    /// Metadata of every batch: label and zone.
    says: HashMap<String, String>,
    connection: Arc<Mutex<Connection>>,
}

struct Connection {
    bus: barbus::Bus,
    source: Option<String>,
    ack: Option<AckMode>,
    patience: Duration,
    publisher: Option<barbus::Publisher>,
    closed: bool,
}

impl Connection {
    fn open(&mut self) -> barbus::Result<&mut barbus::Publisher> {
        let mut publisher = barbus::Publisher::connect(&self.bus)?.reconnect_for(self.patience);
        if let Some(source) = &self.source {
            publisher = publisher.source(source);
        }
        if let Some(ack) = self.ack {
            publisher = publisher.ack_mode(ack);
        }
        Ok(self.publisher.insert(publisher))
    }

    fn send(&mut self, batches: &[RecordBatch]) -> PyResult<protocol::Ack> {
        if self.closed {
            return Err(Error::new_err(format!("{}: the publisher is closed", self.bus.path().display())));
        }
        let sent = self.try_send(batches);
        if sent.is_err() {
            // What the daemon refused would be the first thing to be sent again.
            self.publisher = None;
        }
        sent.map_err(raised)
    }

    fn try_send(&mut self, batches: &[RecordBatch]) -> barbus::Result<protocol::Ack> {
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            None => self.open()?,
        };
        let before = publisher.acked();
        if let Some((last, others)) = batches.split_last() {
            for batch in others {
                publisher.queue(batch)?;
            }
            publisher.send(last)?;
        }
        let now = publisher.acked();
        Ok(protocol::Ack {
            rows: now.rows - before.rows,
            accepted: now.accepted - before.accepted,
            duplicate: now.duplicate - before.duplicate,
            revised: now.revised - before.revised,
            quarantined: now.quarantined - before.quarantined,
            seq: now.seq,
        })
    }

    fn close(&mut self) -> barbus::Result<()> {
        self.closed = true;
        self.publisher.take().map_or(Ok(()), |publisher| publisher.finish().map(drop))
    }
}

/// Connects to the daemon of the bus at a path.
///
/// ``label`` says what the frames mark, ``"start"`` or ``"end"``; ``zone`` the zone of times without one; ``source`` is kept with rows in the
/// quarantine; ``ack`` is ``"commit"`` or ``"durable"``; ``reconnect`` is for how many seconds a daemon that went away is tried to be reached.
#[pyfunction]
#[pyo3(signature = (path, *, label=None, zone=None, source=None, ack=None, reconnect=0.0))]
pub(crate) fn publish(
    py: Python<'_>,
    path: PathBuf,
    label: Option<String>,
    zone: Option<String>,
    source: Option<String>,
    ack: Option<&str>,
    reconnect: f64,
) -> PyResult<Publisher> {
    let bus = barbus::Bus::open(&path).map_err(raised)?;
    let ack = ack.map(|text| text.parse::<AckMode>().map_err(|why| PyValueError::new_err(format!("ack: {why}"))));
    let patience = Duration::try_from_secs_f64(reconnect)
        .map_err(|_| PyValueError::new_err("reconnect: give seconds, 0 or more"))?;
    let home = Home::here(bus.path());
    let says = [(LABEL, label), (ZONE, zone)];
    let says = says.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let mut connection = Connection { bus, source, ack: ack.transpose()?, patience, publisher: None, closed: false };
    py.detach(|| connection.open().map(drop)).map_err(raised)?;
    Ok(Publisher { home, says, connection: Arc::new(Mutex::new(connection)) })
}

impl Publisher {
    fn batches(&self, data: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
        let py = data.py();
        // pandas 2 has no capsules; its frames go through pyarrow.
        let data = py.import("barbus._convert")?.call_method1("arrow", (data,))?;
        let (batches, schema) = data.extract::<AnyRecordBatch>()?.into_table()?.into_inner();
        let mut metadata = schema.metadata().clone();
        metadata.extend(self.says.iter().map(|(key, value)| (key.clone(), value.clone())));
        let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
        let named = batches
            .into_iter()
            .filter(|batch| batch.num_rows() > 0)
            .map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()));
        named.collect::<Result<_, ArrowError>>().map_err(raised)
    }
}

#[pymethods]
impl Publisher {
    /// Sends bars, anything with the Arrow PyCapsule interface (pyarrow, polars, pandas 3, DuckDB …), and waits for what became of them.
    ///
    /// Ctrl-C ends the wait; the rows may then be sent or not, and may be sent again.
    fn send(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Ack> {
        self.home.check()?;
        let batches = self.batches(data)?;
        let connection = Arc::clone(&self.connection);
        let (done, answer) = channel();
        // On a thread of its own, so that this one can look for signals.
        std::thread::spawn(move || {
            let sent = connection.lock().unwrap_or_else(PoisonError::into_inner).send(&batches);
            let _ = done.send(sent);
        });
        let answer = Mutex::new(answer);
        loop {
            let got = py.detach(|| answer.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(SLICE));
            match got {
                Ok(sent) => return sent.map(Ack),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => return Err(Error::new_err("the sending thread has ended")),
            }
        }
    }

    /// As ``send``, for asyncio: awaited on a thread. The sends of one publisher follow each other; one that is cancelled goes on.
    fn send_async<'py>(this: &Bound<'py, Self>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("barbus._async")?.call_method1("send", (this, data))
    }

    /// Ends the connection.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.home.check()?;
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
