//! A bus, opened for reading.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use barbus::{Pace, Reader, Start};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDate;

use crate::bar::Bar;
use crate::bars::Bars;
use crate::calendar::Calendar;
use crate::days::Days;
use crate::error::raised;
use crate::event_reader::EventSource;
use crate::follow::Follow;
use crate::fork_guard::ForkGuard;
use crate::gaps::Gaps;
use crate::{arguments, batch, event};

/// A bus, opened for reading. Any number of processes may read it; none of them can disturb it.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Bus {
    fork_guard: ForkGuard,
    bus: barbus::Bus,
    /// Opened at the first query, and kept for its index of the symbols' bars.
    queries: Mutex<Option<QueryReader>>,
}

struct QueryReader {
    reader: Reader,
    /// Device and inode of the ring file when it was opened: another file may replace it.
    file: Option<(u64, u64)>,
}

/// Opens the bus at a path: a directory with a ``bus.toml``.
#[pyfunction]
pub(crate) fn open(path: PathBuf) -> PyResult<Bus> {
    let bus = barbus::Bus::open(&path).map_err(raised)?;
    Ok(Bus { fork_guard: ForkGuard::new(bus.path()), bus, queries: Mutex::new(None) })
}

impl Bus {
    fn reader(&self) -> PyResult<Reader> {
        Reader::open(self.bus.path()).map_err(raised)
    }

    fn ring_schema(&self) -> SchemaRef {
        batch::ring_schema(&self.bus.settings().schema)
    }

    fn trading_days(&self) -> Days<'_> {
        Days { bus: &self.bus }
    }

    /// Runs a query on the current ring.
    fn query<T: Send>(&self, py: Python<'_>, run: impl FnOnce(&mut Reader) -> barbus::Result<T> + Send) -> PyResult<T> {
        self.fork_guard.check()?;
        py.detach(|| {
            let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
            // Before the ring is opened: if another file replaces it in between, the next query
            // opens the ring again.
            let file = std::fs::metadata(self.bus.ring()).ok().map(|file| (file.dev(), file.ino()));
            let current = match &mut *queries {
                Some(current) if current.file == file => current,
                other => other.insert(QueryReader { reader: self.reader()?, file }),
            };
            run(&mut current.reader).map_err(raised)
        })
    }
}

#[pymethods]
impl Bus {
    /// The bars from ``start`` on, past and future, as an iterator or asynchronous iterator of
    /// ``Bars``, ``DayClosed`` and ``Lapped``.
    ///
    /// ``start`` is ``"live"`` (only new bars), ``"oldest"``, ``"today"`` (from the first bar of
    /// the newest trading day), a date, or a sequence number. ``symbols`` selects symbols; None
    /// selects all.
    /// With ``timeout`` the iteration ends when no event arrives for that many seconds; 0 reads
    /// what the ring has. ``barbus readers`` shows ``name``.
    ///
    /// With ``by="minute"`` all bars of a minute come together, sorted by symbol, and then a
    /// ``MinuteClosed`` that names the symbols without a bar. A minute waits for the symbols of
    /// ``universe`` (by default those of the last trading day and of today), at most ``grace``
    /// seconds (2) after its end, or for ``Publisher.done``. Bars that come later are late: their
    /// frames are not after that of the last ``MinuteClosed``.
    #[pyo3(signature = (start=None, symbols=None, timeout=None, name=None, *, by=None, universe=None, grace=None))]
    #[allow(clippy::too_many_arguments)]
    fn follow(
        &self,
        py: Python<'_>,
        start: Option<&Bound<'_, PyAny>>,
        symbols: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        name: Option<&str>,
        by: Option<&str>,
        universe: Option<&Bound<'_, PyAny>>,
        grace: Option<f64>,
    ) -> PyResult<Follow> {
        self.fork_guard.check()?;
        let minutes = arguments::minutes(by, universe, grace)?;
        let start = start.map_or(Ok(Start::Live), arguments::start)?;
        let symbols = symbols.map(arguments::symbols).transpose()?;
        let reader = py.detach(|| self.reader()?.start_at(start).map_err(raised))?;
        let reader = match name {
            Some(name) => reader.name(name),
            None => reader,
        };
        if let Some(options) = minutes {
            let reader = match symbols {
                Some(symbols) => reader.symbols(symbols),
                None => reader,
            };
            let minutes = py.detach(|| reader.minutes(options)).map_err(raised)?;
            return Follow::new(EventSource::LiveMinutes(Box::new(minutes)), false, None, timeout);
        }
        Follow::new(EventSource::Live(Box::new(reader)), start != Start::Live, symbols, timeout)
    }

    /// The archived days from ``first`` to ``last``, both included, with the same events as
    /// ``follow``:
    /// ``Bars`` in the order of their frames and ``DayClosed`` after each day. Then the iteration
    /// ends.
    /// A strategy needs no change.
    ///
    /// ``speed`` is ``"max"``, or a multiple of the market's speed such as ``60`` or ``"60x"``.
    /// ``revision`` is 0 and ``received`` is in 1970: the archive does not have them.
    /// ``by`` and ``universe`` are those of ``follow``.
    #[pyo3(signature = (first, last=None, symbols=None, speed=None, *, by=None, universe=None))]
    #[allow(clippy::too_many_arguments)]
    fn replay(
        &self,
        py: Python<'_>,
        first: &Bound<'_, PyAny>,
        last: Option<&Bound<'_, PyAny>>,
        symbols: Option<&Bound<'_, PyAny>>,
        speed: Option<&Bound<'_, PyAny>>,
        by: Option<&str>,
        universe: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Follow> {
        self.fork_guard.check()?;
        let minutes = arguments::minutes(by, universe, None)?;
        let first = arguments::date(first)?;
        let last = last.map_or(Ok(first), arguments::date)?;
        let symbols = symbols.map(arguments::symbols).transpose()?;
        let pace = match speed.map(|speed| speed.str()).transpose()? {
            None => Pace::Max,
            Some(text) => text.to_string().parse().map_err(|why| PyValueError::new_err(format!("speed: {why}")))?,
        };
        let replay = py.detach(|| self.bus.replay(first, last)).map_err(raised)?.pace(pace);
        if let Some(options) = minutes {
            let replay = match symbols {
                Some(symbols) => replay.symbols(symbols),
                None => replay,
            };
            let minutes = py.detach(|| replay.minutes(options)).map_err(raised)?;
            return Follow::new(EventSource::ReplayedMinutes(Box::new(minutes)), false, None, None);
        }
        Follow::new(EventSource::Replay(Box::new(replay)), false, symbols, None)
    }

    /// The newest bar of a symbol: the last revision at the highest frame. None if it has left the
    /// ring.
    fn latest(&self, py: Python<'_>, symbol: &str) -> PyResult<Option<Bar>> {
        let row = self.query(py, |reader| reader.latest(symbol))?;
        let schema = self.ring_schema();
        Ok(row.map(|row| Bar::new(schema, symbol.to_owned(), row)))
    }

    /// The last ``count`` bars of a symbol in the ring, oldest first, each with its last revision.
    fn window(&self, py: Python<'_>, symbol: &str, count: usize) -> PyResult<Bars> {
        let rows = self.query(py, |reader| reader.window(symbol, count))?;
        let symbols = vec![symbol; rows.len()];
        Ok(Bars::copied(batch::from_rows(&self.ring_schema(), &rows, &symbols).map_err(raised)?))
    }

    /// The bars of a day. Without a date: the newest day, in order of arrival and without a copy.
    /// With a date: an archived day, sorted by symbol and frame, each bar with its last revision.
    #[pyo3(signature = (date=None))]
    fn day(&self, py: Python<'_>, date: Option<&Bound<'_, PyAny>>) -> PyResult<Bars> {
        self.fork_guard.check()?;
        match date.map(arguments::date).transpose()? {
            None => py.detach(|| self.trading_days().newest()),
            Some(day) => py.detach(|| self.trading_days().of_date(day)),
        }
    }

    /// The archived days, ascending.
    fn days<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDate>>> {
        self.fork_guard.check()?;
        let days = py.detach(|| self.trading_days().archived())?;
        days.into_iter().map(|day| event::date(py, day)).collect()
    }

    /// All symbols of the bus, also those without a bar in the ring.
    fn symbols(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.query(py, |reader| Ok(reader.symbol_names().to_vec()))
    }

    /// Whether a writer is running. If it is, old bars mean that no newer ones arrived.
    fn writer_alive(&self, py: Python<'_>) -> PyResult<bool> {
        self.query(py, |reader| Ok(reader.writer_alive()))
    }

    /// Seconds since the bus received the newest bar; None without a bar.
    fn newest_age(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.query(py, |reader| Ok(reader.newest_age().map(|age| age.as_secs_f64())))
    }

    /// The state of the bus as ``barbus stat --format json`` prints it: the daemon's process, the
    /// age of the newest bar, counts.
    fn stat<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.fork_guard.check()?;
        let stat = py.detach(|| barbus::stat(&self.bus)).map_err(raised)?;
        let text = serde_json::to_string(&stat).map_err(raised)?;
        py.import("json")?.call_method1("loads", (text,))
    }

    /// The calendar of the bus: trading days, sessions and minutes, as they were when the bus was
    /// opened.
    #[getter]
    fn calendar(&self) -> Calendar {
        Calendar(self.bus.settings().calendar.clone())
    }

    /// The minutes without a bar of each symbol that has bars on a trading day, or on the days from
    /// ``first`` to ``last``. Without a date: of the newest day.
    /// With ``symbol`` only of that one, also if it has no bar.
    #[pyo3(signature = (first=None, last=None, symbol=None))]
    fn gaps(
        &self,
        py: Python<'_>,
        first: Option<&Bound<'_, PyAny>>,
        last: Option<&Bound<'_, PyAny>>,
        symbol: Option<&str>,
    ) -> PyResult<Vec<Gaps>> {
        self.fork_guard.check()?;
        let first = first.map(arguments::date).transpose()?;
        let last = last.map(arguments::date).transpose()?;
        let days = py.detach(|| -> barbus::Result<_> {
            let Some(first) = first.or(last).map_or_else(|| self.bus.newest_day(), |day| Ok(Some(day)))? else {
                return Ok(Vec::new());
            };
            self.bus.gaps(first, last.unwrap_or(first), symbol)?.collect::<barbus::Result<Vec<_>>>()
        });
        let zone = self.bus.settings().schema.zone();
        Ok(days.map_err(raised)?.into_iter().flat_map(|day| Gaps::of_day(day, zone)).collect())
    }

    /// The directory of the bus.
    #[getter]
    fn path(&self) -> PathBuf {
        self.bus.path().to_owned()
    }

    fn __repr__(&self) -> String {
        format!("<barbus.Bus {:?}>", self.bus.path())
    }
}
