//! A bus, opened for reading.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use barbus::{Pace, Reader, Start};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyString};

use crate::arguments::Assembly;
use crate::bar::Bar;
use crate::bars::Bars;
use crate::calendar::Calendar;
use crate::error::raised;
use crate::event_reader::EventSource;
use crate::follow::Follow;
use crate::fork_guard::ForkGuard;
use crate::gaps::Gaps;
use crate::layout::Layout;
use crate::panel::Panel;
use crate::question::{self, Question};
use crate::{arguments, batch, event, sql, waiting};

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
///
/// ``wait`` is for how many seconds it waits for a bus that does not exist yet, or whose daemon has
/// not created the ring yet.
#[pyfunction]
#[pyo3(signature = (path, *, wait=None))]
pub(crate) fn open(py: Python<'_>, path: PathBuf, wait: Option<f64>) -> PyResult<Bus> {
    let bus = waiting::until_ready(py, wait, || {
        let bus = barbus::Bus::open(&path)?;
        if wait.is_some() {
            Reader::open(&path)?;
        }
        Ok(bus)
    })?;
    Ok(Bus { fork_guard: ForkGuard::new(bus.path()), bus, queries: Mutex::new(None) })
}

impl Bus {
    fn reader(&self) -> PyResult<Reader> {
        Reader::open(self.bus.path()).map_err(raised)
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
    /// If the ring has lost the beginning of the day at which the reader starts, ``on_gap`` is what
    /// it does: ``"fill"`` (the default) delivers these bars from the archive, ``"lapped"``
    /// delivers ``Lapped`` with their number, ``"error"`` raises.
    ///
    /// With ``by="minute"`` all bars of a minute come together, sorted by symbol, and then a
    /// ``MinuteClosed`` that names the symbols without a bar. A minute waits for the symbols of
    /// ``universe`` (by default those of the last trading day and of today), at most ``grace``
    /// seconds (2) after its end, or for ``Publisher.done``. Bars that come later are late: their
    /// frames are not after that of the last ``MinuteClosed``.
    ///
    /// With ``interval="5m"``, or any interval of ``bars``, ``Bars`` have bars of that length, each
    /// when its last minute is complete. A minute that comes late changes a bar, which is delivered
    /// again with the next ``revision``.
    #[pyo3(signature = (start=None, symbols=None, timeout=None, name=None, on_gap="fill", *, by=None, interval=None, universe=None, grace=None))]
    #[expect(clippy::too_many_arguments, reason = "Python has keyword arguments")]
    fn follow(
        &self,
        py: Python<'_>,
        start: Option<&Bound<'_, PyAny>>,
        symbols: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        name: Option<&str>,
        on_gap: &str,
        by: Option<&str>,
        interval: Option<&str>,
        universe: Option<&Bound<'_, PyAny>>,
        grace: Option<f64>,
    ) -> PyResult<Follow> {
        self.fork_guard.check()?;
        let assembly = arguments::assembly(by, interval, universe, grace)?;
        let start = start.map_or(Ok(Start::Live), arguments::start)?;
        let on_gap = arguments::on_gap(on_gap)?;
        let symbols = symbols.map(arguments::symbols).transpose()?;
        let reader = py.detach(|| self.reader()?.on_gap(on_gap).start_at(start).map_err(raised))?;
        let reader = match name {
            Some(name) => reader.name(name),
            None => reader,
        };
        let Some(assembly) = assembly else {
            return Follow::new(EventSource::Live(Box::new(reader)), start != Start::Live, symbols, timeout);
        };
        let reader = match symbols {
            Some(symbols) => reader.symbols(symbols),
            None => reader,
        };
        let source = py.detach(|| -> barbus::Result<_> {
            match assembly {
                Assembly::Minutes(options) => Ok(EventSource::LiveMinutes(Box::new(reader.minutes(options)?))),
                Assembly::Interval(interval, options) => {
                    Ok(EventSource::LiveResampled(Box::new(reader.resampled(interval, options)?)))
                }
            }
        });
        Follow::new(source.map_err(raised)?, false, None, timeout)
    }

    /// The archived days from ``first`` to ``last``, both included, with the same events as
    /// ``follow``:
    /// ``Bars`` in the order of their frames and ``DayClosed`` after each day. Then the iteration
    /// ends.
    /// A strategy needs no change.
    ///
    /// ``speed`` is ``"max"``, or a multiple of the market's speed such as ``60`` or ``"60x"``.
    /// ``revision`` is 0 and ``received`` is in 1970: the archive does not have them.
    /// ``by``, ``interval`` and ``universe`` are those of ``follow``.
    #[pyo3(signature = (first, last=None, symbols=None, speed=None, *, by=None, interval=None, universe=None))]
    #[expect(clippy::too_many_arguments, reason = "Python has keyword arguments")]
    fn replay(
        &self,
        py: Python<'_>,
        first: &Bound<'_, PyAny>,
        last: Option<&Bound<'_, PyAny>>,
        symbols: Option<&Bound<'_, PyAny>>,
        speed: Option<&Bound<'_, PyAny>>,
        by: Option<&str>,
        interval: Option<&str>,
        universe: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Follow> {
        self.fork_guard.check()?;
        let assembly = arguments::assembly(by, interval, universe, None)?;
        let first = arguments::date(first)?;
        let last = last.map_or(Ok(first), arguments::date)?;
        let symbols = symbols.map(arguments::symbols).transpose()?;
        let pace = match speed.map(|speed| speed.str()).transpose()? {
            None => Pace::Max,
            Some(text) => text.to_string().parse().map_err(|why| PyValueError::new_err(format!("speed: {why}")))?,
        };
        let replay = py.detach(|| self.bus.replay(first, last)).map_err(raised)?.pace(pace);
        let Some(assembly) = assembly else {
            return Follow::new(EventSource::Replay(Box::new(replay)), false, symbols, None);
        };
        let replay = match symbols {
            Some(symbols) => replay.symbols(symbols),
            None => replay,
        };
        let source = py.detach(|| -> barbus::Result<_> {
            match assembly {
                Assembly::Minutes(options) => Ok(EventSource::ReplayedMinutes(Box::new(replay.minutes(options)?))),
                Assembly::Interval(interval, options) => {
                    Ok(EventSource::ReplayedResampled(Box::new(replay.resampled(interval, options)?)))
                }
            }
        });
        Follow::new(source.map_err(raised)?, false, None, None)
    }

    /// Bars of the ring and of the archive as one sequence, by trading day, symbol and frame: each
    /// once, in its last revision.
    ///
    /// ``symbols`` is one symbol or several; None: all. ``start`` and ``end`` are the first and the
    /// last bar: a trading day (a date, or text such as ``"2024-07-04"``), the end of a bar (a
    /// datetime, or text such as ``"2024-07-04 10:31"``; without a zone in that of the bus), or
    /// ``"today"``. ``count`` limits to the last bars of each symbol. ``interval`` is ``"1m"`` to
    /// ``"240m"``, ``"1h"`` to ``"4h"``, ``"1d"``, ``"1w"`` or ``"1M"``. ``adjust`` is
    /// ``"forward"`` or ``"backward"``. ``columns`` are those besides ``symbol`` and ``frame``.
    ///
    /// ``complete`` of the result says whether all bars are there, ``shortfalls`` what is missing,
    /// and ``next_seq`` where ``follow`` goes on.
    ///
    /// Raises ``ValueError`` for a question that contradicts itself, and ``barbus.Error`` for an
    /// unknown symbol or a damaged file; ``skip_damaged=True`` leaves such a day out.
    #[pyo3(signature = (symbols=None, start=None, end=None, count=None, interval="1m", adjust=None, columns=None, skip_damaged=false))]
    #[expect(clippy::too_many_arguments, reason = "Python has keyword arguments")]
    fn bars(
        &self,
        py: Python<'_>,
        symbols: Option<&Bound<'_, PyAny>>,
        start: Option<&Bound<'_, PyAny>>,
        end: Option<&Bound<'_, PyAny>>,
        count: Option<i64>,
        interval: &str,
        adjust: Option<&str>,
        columns: Option<&Bound<'_, PyAny>>,
        skip_damaged: bool,
    ) -> PyResult<Bars> {
        self.fork_guard.check()?;
        let mut query = Question { symbols, start, end, count, interval, adjust, skip_damaged }.query(&self.bus)?;
        if let Some(columns) = columns {
            query = query.columns(arguments::texts("columns", columns)?);
        }
        py.detach(|| question::ask(query))
    }

    /// One column of the last ``count`` minutes that have a bar, minutes by symbols. The other
    /// arguments are those of ``bars``.
    #[pyo3(signature = (column, count, symbols=None, end=None, interval="1m", adjust=None))]
    #[expect(clippy::too_many_arguments, reason = "Python has keyword arguments")]
    fn panel(
        &self,
        py: Python<'_>,
        column: &str,
        count: i64,
        symbols: Option<&Bound<'_, PyAny>>,
        end: Option<&Bound<'_, PyAny>>,
        interval: &str,
        adjust: Option<&str>,
    ) -> PyResult<Panel> {
        self.fork_guard.check()?;
        let question =
            Question { symbols, start: None, end, count: Some(count), interval, adjust, skip_damaged: false };
        let query = question.query(&self.bus)?;
        let panel = py.detach(|| query.panel(column)).map_err(question::error)?;
        Ok(Panel::new(panel, self.bus.settings().schema.zone()))
    }

    /// The newest bar of a symbol: the last revision at the highest frame, as a ``Bar``; None if
    /// the bus has no bar of it.
    ///
    /// Of several symbols, or of all without an argument: ``Bars``, one of each.
    #[pyo3(signature = (symbols=None))]
    fn latest(&self, py: Python<'_>, symbols: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
        let Some(symbol) = symbols.and_then(|symbols| symbols.cast::<PyString>().ok()) else {
            self.fork_guard.check()?;
            let symbols = symbols.map(|symbols| arguments::texts("symbols", symbols)).transpose()?;
            let bars = py.detach(|| question::latest_of(&self.bus, symbols))?;
            return Ok(Some(Py::new(py, bars)?.into_any()));
        };
        let symbol = symbol.to_string();
        let row = self.query(py, |reader| match reader.latest(&symbol) {
            Err(barbus::Error::UnknownSymbol { .. }) => Ok(None),
            row => row,
        })?;
        let Some(row) = row else { return Ok(None) };
        let settings = self.bus.settings();
        let mut days = batch::TradingDays::new(&settings.calendar);
        // A bar of the archive has no number.
        let layout = match row.received_ns {
            0 => Layout::history(&settings.schema),
            _ => Layout::live(&settings.schema),
        };
        Ok(Some(Py::new(py, Bar::new(layout, symbol, row, &mut days))?.into_any()))
    }

    /// The last ``count`` bars of a symbol, oldest first, each in its last revision: those of the
    /// ring, and of the archive if the ring has too few.
    fn window(&self, py: Python<'_>, symbol: &str, count: i64) -> PyResult<Bars> {
        let count = usize::try_from(count).map_err(|_| PyValueError::new_err(format!("count: {count}: 0 or more")))?;
        let rows = self.query(py, |reader| reader.window(symbol, count))?;
        let settings = self.bus.settings();
        let (layout, mut days) = (Layout::history(&settings.schema), batch::TradingDays::new(&settings.calendar));
        let batch = batch::from_rows(&layout, &rows, &vec![symbol; rows.len()], &mut days).map_err(raised)?;
        Ok(Bars::new(layout, vec![batch], false))
    }

    /// The bars of a trading day, of the ring or the archive: sorted by symbol and frame, each in
    /// its last revision. Without a date: of the newest day.
    #[pyo3(signature = (date=None))]
    fn day(&self, py: Python<'_>, date: Option<&Bound<'_, PyAny>>) -> PyResult<Bars> {
        self.fork_guard.check()?;
        let date = date.map(arguments::date).transpose()?;
        py.detach(|| match date.map_or_else(|| self.bus.newest_day().map_err(raised), |day| Ok(Some(day)))? {
            Some(day) => question::of_day(&self.bus, day),
            None => Ok(Bars::new(Layout::history(&self.bus.settings().schema), Vec::new(), false)),
        })
    }

    /// The archived days, ascending.
    fn days<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDate>>> {
        self.fork_guard.check()?;
        let days = py.detach(|| self.bus.archived_days()).map_err(raised)?;
        days.into_iter().map(|day| event::date(py, day)).collect()
    }

    /// All symbols of the bus, also those without a bar in the ring.
    fn symbols(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.query(py, |reader| Ok(reader.symbol_names().to_vec()))
    }

    /// Identifies the sequence numbers of the bus: another lineage numbers its bars anew.
    #[getter]
    fn lineage(&self, py: Python<'_>) -> PyResult<u64> {
        self.query(py, |reader| Ok(reader.lineage()))
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
    ///
    /// A daemon that is silent for ``timeout`` seconds is stopped or hung: ``daemon_silent`` says
    /// why, and the rest is what the files show.
    #[pyo3(signature = (*, timeout=5.0))]
    fn stat<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Bound<'py, PyAny>> {
        self.fork_guard.check()?;
        let timeout = waiting::seconds("timeout", timeout)?;
        let stat = py.detach(|| barbus::stat_within(&self.bus, timeout)).map_err(raised)?;
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

    /// Asks in SQL, by DuckDB, which is imported now. The tables are ``bars`` (each bar once, live
    /// or archived, in its last revision, with its trading day ``day``), ``today`` (those of the
    /// newest day), ``readers`` and ``quarantine``.
    ///
    /// The day files are read by DuckDB, and only as far as the conditions need. Bars that they
    /// lack are those of the moment of the call. Returns a ``duckdb.DuckDBPyRelation``: ``.df()``,
    /// ``.pl()``, ``.arrow()``, ``.fetchall()``. Times without a zone are in that of the bus.
    fn sql<'py>(this: &Bound<'py, Self>, query: &str) -> PyResult<Bound<'py, PyAny>> {
        this.py().import("barbus._sql")?.call_method1("run", (this, query))
    }

    /// What ``sql`` reads: the files of days that are wholly in them, the bars of the other days,
    /// the newest day, and the readers as JSON.
    fn _sql_sources(&self, py: Python<'_>) -> PyResult<sql::Sources> {
        self.fork_guard.check()?;
        sql::sources(py, &self.bus)
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
