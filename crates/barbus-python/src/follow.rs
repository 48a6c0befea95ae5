//! The iterator over the events of a bus, for `for` and for `async for`.

use std::collections::HashSet;
use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyUserWarning, PyValueError};
use pyo3::prelude::*;

use crate::event_reader::{EventReader, EventSource};
use crate::fork_guard::ForkGuard;
use crate::signals::CHECK_INTERVAL;

/// The warning to a program that keeps pinned bars.
const PIN_LIMIT: &CStr = c"this program keeps as many bars in the ring as a reader may (readers.max_pins): \
    further ones are copies; keep bars.copy() or to_polars(copy=True) instead";

/// The events of a bus, as an iterator and as an asynchronous iterator: ``Bars``, ``DayClosed`` and
/// ``Lapped``.
#[pyclass(module = "barbus", frozen, weakref)]
pub(crate) struct Follow {
    fork_guard: ForkGuard,
    timeout: Option<Duration>,
    reader: Mutex<EventReader>,
    /// The thread that waits for an asynchronous iterator.
    executor: Mutex<Option<Py<PyAny>>>,
}

impl Follow {
    pub(crate) fn new(
        source: EventSource,
        catching_up: bool,
        symbols: Option<HashSet<String>>,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let timeout = timeout.map(Duration::try_from_secs_f64).transpose();
        Ok(Self {
            fork_guard: ForkGuard::new(source.bus().path()),
            timeout: timeout.map_err(|_| PyValueError::new_err("timeout: give seconds, 0 or more"))?,
            reader: Mutex::new(EventReader::new(source, catching_up, symbols)),
            executor: Mutex::new(None),
        })
    }

    /// Warns once if bars were copied because the caller keeps too many others. It is called
    /// before an event is taken: if warnings are errors, no event is lost.
    fn warn(&self, py: Python<'_>) -> PyResult<()> {
        if self.reader.try_lock().is_ok_and(|mut reader| reader.take_warning()) {
            let category = py.get_type::<PyUserWarning>();
            PyErr::warn(py, &category, PIN_LIMIT, 1)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, EventReader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Follow {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// The next event. While it waits, other threads run, and Ctrl-C takes effect within a tenth of
    /// a second.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.fork_guard.check()?;
        self.warn(py)?;
        let end = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = end.map_or(CHECK_INTERVAL, |end| end.saturating_duration_since(Instant::now()));
            let (taken, ended) = py.detach(|| {
                let mut reader = self.lock();
                let mut taken = reader.take()?;
                let ended = reader.ended();
                if taken.is_none() && !ended {
                    reader.wait(left.min(CHECK_INTERVAL))?;
                    taken = reader.take()?;
                }
                PyResult::Ok((taken, ended))
            })?;
            if let Some(taken) = taken {
                return taken.into_python(py).map(Some);
            }
            if ended {
                return Ok(None);
            }
            py.check_signals()?;
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(None);
            }
        }
    }

    /// Ends the iteration, also for a thread that waits, and lets go of the ring: ``barbus
    /// readers`` does not list it any more. Pinned bars that were read stay as they are.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.fork_guard.check()?;
        py.detach(|| self.lock().close());
        Ok(())
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_why))]
    fn __exit__(&self, py: Python<'_>, _why: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    fn __aiter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __anext__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("barbus._async")?.call_method1("next_event", (this,))
    }

    /// Waits until an event may be ready, at most ``seconds``. It takes no event, so a cancelled
    /// wait loses none.
    fn _wait(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        self.fork_guard.check()?;
        let timeout = Duration::try_from_secs_f64(seconds).unwrap_or(CHECK_INTERVAL);
        py.detach(|| self.lock().wait(timeout))
    }

    /// The next event; None when none is ready, or another thread waits on this object.
    fn _take(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.fork_guard.check()?;
        self.warn(py)?;
        let taken = match self.reader.try_lock() {
            Ok(mut reader) => reader.take()?,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take()?,
            Err(TryLockError::WouldBlock) => None,
        };
        taken.map(|taken| taken.into_python(py)).transpose()
    }

    /// Whether no event will follow: at the end of a replay.
    #[getter]
    fn _ended(&self) -> bool {
        self.reader.try_lock().is_ok_and(|reader| reader.ended())
    }

    #[getter]
    fn _timeout(&self) -> Option<f64> {
        self.timeout.map(|timeout| timeout.as_secs_f64())
    }

    #[getter]
    fn _executor(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        match &*executor {
            Some(executor) => Ok(executor.clone_ref(py)),
            None => {
                let new = py.import("barbus._async")?.call_method0("executor")?.unbind();
                Ok(executor.insert(new).clone_ref(py))
            }
        }
    }

    /// Sequence number of the next bar.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        self.fork_guard.check()?;
        Ok(py.detach(|| self.lock().position()))
    }

    fn __repr__(&self) -> String {
        "<barbus.Follow>".to_owned()
    }
}
