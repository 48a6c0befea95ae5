use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use barbus::{Date, Event, Reader, Replay, Row, View};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::bars::Bars;
use crate::batch;
use crate::error::raised;
use crate::event::{DayClosed, Lapped};
use crate::home::Home;

/// Longest wait without a look for signals.
const SLICE: Duration = Duration::from_millis(100);
/// Longest sleep between looks at a replay.
const REPLAY_SLICE: Duration = Duration::from_millis(5);
/// A pin makes two system calls: worth it for so many bars at once, which are copied otherwise.
const WORTH_A_PIN: usize = 256;
/// Batches without a bar of the symbols asked for, after which others get a turn.
const SKIPS: usize = 16;

/// What comes of a bus, as an iterator and as an asynchronous one: ``Bars``, ``DayClosed``, ``Lapped``.
#[pyclass(module = "barbus", frozen, weakref)]
pub(crate) struct Follow {
    home: Home,
    timeout: Option<Duration>,
    symbols: Option<HashSet<String>>,
    schema: SchemaRef,
    state: Mutex<State>,
    /// The thread that waits for an asynchronous reader.
    executor: Mutex<Option<Py<PyAny>>>,
}

/// Where events come from.
pub(crate) enum Source {
    Live(Box<Reader>),
    Replay(Box<Replay>),
}

impl Source {
    fn poll(&mut self) -> barbus::Result<Option<Event<'_>>> {
        match self {
            Self::Live(reader) => reader.poll(),
            Self::Replay(replay) => replay.poll(),
        }
    }

    /// The next bars in place; a replay's are nowhere.
    fn pin(&mut self) -> barbus::Result<Option<View>> {
        match self {
            Self::Live(reader) => reader.pin(),
            Self::Replay(_) => Ok(None),
        }
    }

    /// Waits for something to poll, and takes nothing.
    fn wait(&mut self, timeout: Duration) -> barbus::Result<()> {
        match self {
            Self::Live(reader) => reader.wait(timeout).map(drop),
            // It does not say when the next bars are due. Nobody waits who has not found that nothing is.
            Self::Replay(_) => {
                std::thread::sleep(timeout.min(REPLAY_SLICE));
                Ok(())
            }
        }
    }

    fn ended(&self) -> bool {
        match self {
            Self::Live(_) => false,
            Self::Replay(replay) => replay.ended(),
        }
    }

    fn position(&self) -> u64 {
        match self {
            Self::Live(reader) => reader.position(),
            Self::Replay(replay) => replay.position(),
        }
    }

    fn bus(&self) -> &barbus::Bus {
        match self {
            Self::Live(reader) => reader.bus(),
            Self::Replay(replay) => replay.bus(),
        }
    }
}

struct State {
    source: Source,
    /// Whether many bars wait to be read: these are pinned. At the tip they are copied.
    behind: bool,
}

enum Taken {
    Bars(RecordBatch, bool),
    DayClosed(Date),
    Lapped(u64),
}

impl State {
    /// What is there now.
    fn take(&mut self, schema: &SchemaRef, symbols: Option<&HashSet<String>>) -> PyResult<Option<Taken>> {
        for _ in 0..SKIPS {
            let Some(taken) = self.take_any(schema, symbols)? else { return Ok(None) };
            match taken {
                Taken::Bars(batch, _) if batch.num_rows() == 0 => continue,
                taken => return Ok(Some(taken)),
            }
        }
        Ok(None)
    }

    /// As `take`, the bars perhaps none.
    fn take_any(&mut self, schema: &SchemaRef, symbols: Option<&HashSet<String>>) -> PyResult<Option<Taken>> {
        if self.behind
            && let Some(view) = self.source.pin().map_err(raised)?
        {
            self.behind = view.num_rows() >= WORTH_A_PIN;
            let whole = batch::bare(view.into_batch().map_err(raised)?).map_err(raised)?;
            let rows = whole.num_rows();
            let batch = match symbols {
                Some(symbols) => batch::of_symbols(&whole, symbols).map_err(raised)?,
                None => whole,
            };
            let pinned = batch.num_rows() == rows;
            return Ok(Some(Taken::Bars(batch, pinned)));
        }
        Ok(Some(match self.source.poll().map_err(raised)? {
            None => return Ok(None),
            Some(Event::DayClosed(day)) => Taken::DayClosed(day),
            Some(Event::Lapped { missed }) => {
                self.behind = true;
                Taken::Lapped(missed)
            }
            Some(Event::Bars(bars)) => {
                self.behind = bars.len() >= WORTH_A_PIN;
                let wanted = bars.iter().filter(|bar| symbols.is_none_or(|symbols| symbols.contains(bar.symbol)));
                let (names, rows): (Vec<&str>, Vec<Row>) = wanted.map(|bar| (bar.symbol, *bar)).unzip();
                Taken::Bars(batch::of_rows(schema, &rows, &names).map_err(raised)?, false)
            }
        }))
    }
}

impl Follow {
    pub(crate) fn new(
        source: Source,
        behind: bool,
        symbols: Option<HashSet<String>>,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let timeout = timeout.map(Duration::try_from_secs_f64).transpose();
        Ok(Self {
            home: Home::here(source.bus().path()),
            timeout: timeout.map_err(|_| PyValueError::new_err("timeout: give seconds, 0 or more"))?,
            symbols,
            schema: batch::ring_schema(&source.bus().settings().schema),
            state: Mutex::new(State { source, behind }),
            executor: Mutex::new(None),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, py: Python<'_>, taken: Taken) -> PyResult<Py<PyAny>> {
        Ok(match taken {
            Taken::Bars(batch, pinned) => Py::new(py, Bars::new(batch.schema(), vec![batch], pinned))?.into_any(),
            Taken::DayClosed(day) => Py::new(py, DayClosed(day))?.into_any(),
            Taken::Lapped(missed) => Py::new(py, Lapped { missed })?.into_any(),
        })
    }
}

#[pymethods]
impl Follow {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// What comes next; the interpreter is free meanwhile, and a signal (Ctrl-C) is handled within a tenth of a second.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.home.check()?;
        let end = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()).min(SLICE));
            let (taken, ended) = py.detach(|| {
                let mut state = self.lock();
                let mut taken = state.take(&self.schema, self.symbols.as_ref())?;
                let ended = state.source.ended();
                if taken.is_none() && !ended {
                    state.source.wait(left).map_err(raised)?;
                    taken = state.take(&self.schema, self.symbols.as_ref())?;
                }
                PyResult::Ok((taken, ended))
            })?;
            if let Some(taken) = taken {
                return self.event(py, taken).map(Some);
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

    fn __aiter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __anext__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("barbus._async")?.call_method1("next_event", (this,))
    }

    /// Waits for something to take, at most so many seconds. It takes nothing, so that a wait that was given up loses nothing.
    fn _wait(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        self.home.check()?;
        let timeout = Duration::try_from_secs_f64(seconds).unwrap_or(SLICE);
        py.detach(|| self.lock().source.wait(timeout)).map_err(raised)
    }

    /// What is there now; None where there is nothing, or another thread waits on this object.
    fn _take(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.home.check()?;
        let taken = match self.state.try_lock() {
            Ok(mut state) => state.take(&self.schema, self.symbols.as_ref())?,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(&self.schema, self.symbols.as_ref())?,
            Err(TryLockError::WouldBlock) => None,
        };
        taken.map(|taken| self.event(py, taken)).transpose()
    }

    /// Whether nothing will ever come: of a replay that is over.
    #[getter]
    fn _ended(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| state.source.ended())
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
                let made = py.import("barbus._async")?.call_method0("executor")?.unbind();
                Ok(executor.insert(made).clone_ref(py))
            }
        }
    }

    /// Number of the next bar.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        self.home.check()?;
        Ok(py.detach(|| self.lock().source.position()))
    }

    fn __repr__(&self) -> String {
        "<barbus.Follow>".to_owned()
    }
}

/// Bars of the ring's newest trading day.
pub(crate) struct RingDay {
    pub(crate) day: Option<Date>,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) pinned: bool,
    /// Whether bars between them have left the ring.
    pub(crate) gap: bool,
    /// Of their sequence numbers.
    pub(crate) lineage: u64,
}

/// Everything that the ring has of its newest trading day, in order, by a reader at its beginning: pinned, but for what is not in the columns yet.
pub(crate) fn newest_day(mut reader: Reader) -> PyResult<RingDay> {
    let (calendar, schema) = {
        let settings = reader.bus().settings();
        (settings.calendar.clone(), batch::ring_schema(&settings.schema))
    };
    let mut found = RingDay { day: None, batches: Vec::new(), pinned: false, gap: false, lineage: reader.lineage() };
    loop {
        for view in reader.views() {
            let view = view.map_err(raised)?;
            found.day = found.day.max(view.day());
            found.batches.push(batch::bare(view.into_batch().map_err(raised)?).map_err(raised)?);
            found.pinned = true;
        }
        match reader.poll().map_err(raised)? {
            None => break,
            Some(Event::DayClosed(_)) => {}
            // The writer took the blocks before they were pinned, or one before them is held by somebody and stays.
            Some(Event::Lapped { .. }) => found.gap = true,
            Some(Event::Bars(bars)) => {
                let (names, rows): (Vec<&str>, Vec<Row>) = bars.iter().map(|bar| (bar.symbol, *bar)).unzip();
                found.batches.push(batch::of_rows(&schema, &rows, &names).map_err(raised)?);
                found.day = found.day.max(reader.day());
            }
        }
    }
    let Some(day) = found.day else { return Ok(found) };
    // Late bars of other days lie among them.
    let mut known = None::<barbus_bars::TradingDay>;
    let mut of_day = |frame: i64| match &known {
        Some(known) if known.contains(frame) => true,
        _ => {
            let other = calendar.trading_day(frame);
            let is = other.date == day;
            if is {
                known = Some(other);
            }
            is
        }
    };
    let mut batches = Vec::new();
    for batch in std::mem::take(&mut found.batches) {
        let kept = batch::of_frames(&batch, &mut of_day).map_err(raised)?;
        if kept.num_rows() > 0 {
            batches.push(kept);
        }
    }
    found.batches = batches;
    Ok(found)
}

/// The schema that bars of a bus have where there are none.
pub(crate) fn empty(schema: SchemaRef) -> Bars {
    Bars::new(Arc::clone(&schema), Vec::new(), false)
}
