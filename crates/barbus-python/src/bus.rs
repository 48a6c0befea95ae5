use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use barbus::{Date, Pace, Reader, Row, Start};
use barbus_archive::{Archive, DayMeta};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyInt, PyString};

use crate::bar::Bar;
use crate::bars::Bars;
use crate::error::{Error, raised};
use crate::follow::{Follow, RingDay, Source, empty, newest_day};
use crate::home::Home;
use crate::{batch, event};

/// A bus, opened for reading; any number of processes may, and none can disturb it.
#[pyclass(module = "barbus", frozen)]
pub(crate) struct Bus {
    home: Home,
    bus: barbus::Bus,
    /// Answers questions about symbols.
    asked: Mutex<Option<Asked>>,
}

struct Asked {
    reader: Reader,
    /// Device and number of the ring's file when it was opened: another one may be put in its place.
    file: Option<(u64, u64)>,
}

/// Opens the bus at a path: a directory with a ``bus.toml``.
#[pyfunction]
pub(crate) fn open(path: PathBuf) -> PyResult<Bus> {
    let bus = barbus::Bus::open(&path).map_err(raised)?;
    Ok(Bus { home: Home::here(bus.path()), bus, asked: Mutex::new(None) })
}

impl Bus {
    fn reader(&self) -> PyResult<Reader> {
        Reader::open(self.bus.path()).map_err(raised)
    }

    fn archive(&self) -> Archive {
        let settings = self.bus.settings();
        Archive::open_existing(self.bus.archive(), settings.schema.clone(), settings.calendar.name())
    }

    /// Asks the one reader that keeps an index, in whatever ring is in place now.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&mut Reader) -> barbus::Result<T> + Send,
    ) -> PyResult<T> {
        self.home.check()?;
        py.detach(|| {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            // Looked at before the ring is opened: one put in place between the two is opened once more the next time.
            let file = std::fs::metadata(self.bus.ring()).ok().map(|found| (found.dev(), found.ino()));
            let asked = match &mut *asked {
                Some(asked) if asked.file == file => asked,
                other => other.insert(Asked { reader: self.reader()?, file }),
            };
            question(&mut asked.reader).map_err(raised)
        })
    }

    fn bars(&self, symbol: &str, rows: &[Row]) -> PyResult<Bars> {
        let schema = batch::ring_schema(&self.bus.settings().schema);
        let symbols = vec![symbol; rows.len()];
        Ok(Bars::copied(batch::of_rows(&schema, rows, &symbols).map_err(raised)?))
    }

    fn newest(&self) -> PyResult<RingDay> {
        newest_day(self.reader()?.anonymous().start_at(Start::Today).map_err(raised)?)
    }

    /// The newest day: what of it has left the ring is in the archive's parts, or in its file where it is closed.
    fn current_day(&self) -> PyResult<Bars> {
        let found = self.newest()?;
        let settings = self.bus.settings();
        let Some(day) = found.day else { return Ok(empty(batch::ring_schema(&settings.schema))) };
        let archive = self.archive();
        let mut metas = archive.part_metas(day).map_err(raised)?;
        metas.extend(archive.meta(day).map_err(raised)?);
        let first = found.batches.first().map(|first| batch::row(first, 0).1.seq);
        let rows = found.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        // The archive is also written while the ring has everything.
        let in_ring = |meta: &DayMeta| {
            meta.lineage == found.lineage && meta.rows <= rows && first.is_some_and(|first| first <= meta.first_seq)
        };
        if !found.gap && metas.iter().all(in_ring) {
            let schema = found.batches.first().map_or(batch::ring_schema(&settings.schema), |batch| batch.schema());
            return Ok(Bars::new(schema, found.batches, found.pinned));
        }
        let schema = settings.schema.archive_schema();
        let mut batches = Vec::new();
        let mut through = 0;
        if let Some((meta, archived)) = archive.read(day).map_err(raised)? {
            // Numbers of another ring say nothing of this one's.
            through = if meta.lineage == found.lineage { meta.through_seq } else { 0 };
            batches.push(archived);
        }
        for found in &found.batches {
            let newer = batch::from_seq(found, through).map_err(raised)?;
            batches.push(batch::as_archived(&newer, &schema).map_err(raised)?);
        }
        Ok(Bars::new(schema, batches, false))
    }

    fn archived_day(&self, day: Date) -> PyResult<Bars> {
        let archive = self.archive();
        if archive.path(day).exists()
            && let Some((_, bars)) = archive.read(day).map_err(raised)?
        {
            return Ok(Bars::copied(bars));
        }
        // Open yet, or closed a moment ago.
        if self.bus.ring().exists() && self.newest()?.day == Some(day) {
            return self.current_day();
        }
        let (bus, folder) = (self.bus.path().display(), self.bus.archive());
        Err(Error::new_err(format!(
            "{bus}: no bars of {day}: it is neither the newest day in the ring nor in {}",
            folder.display()
        )))
    }
}

/// A date as `datetime.date` or as text.
fn date_of(value: &Bound<'_, PyAny>) -> PyResult<Date> {
    let text = value.str()?;
    let text = text.to_string();
    if !value.is_instance_of::<PyString>() && !value.is_instance_of::<PyDate>() {
        return Err(PyTypeError::new_err(format!("{text}: give a datetime.date, or text such as \"2024-07-03\"")));
    }
    let wrong = || PyValueError::new_err(format!("{text:?}: not a date such as \"2024-07-03\""));
    // A datetime is a date to Python; which day it would be depends on a zone.
    if text.len() != 10 {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

fn start_of(value: &Bound<'_, PyAny>) -> PyResult<Start> {
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<pyo3::types::PyBool>() {
        return Ok(Start::Seq(value.extract()?));
    }
    Ok(match value.cast::<PyString>().ok().map(|text| text.to_string()).as_deref() {
        Some("live") => Start::Live,
        Some("oldest") => Start::Oldest,
        Some("today") => Start::Today,
        _ => Start::Day(date_of(value).map_err(|error| match error.is_instance_of::<PyValueError>(value.py()) {
            true => PyValueError::new_err(format!(
                "start: {:?}: say \"live\", \"oldest\", \"today\", a date such as \"2024-07-03\", or a sequence number",
                value.to_string()
            )),
            false => error,
        })?),
    })
}

fn symbols_of(value: &Bound<'_, PyAny>) -> PyResult<HashSet<String>> {
    if value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("symbols: give a list, also of one"));
    }
    value.try_iter()?.map(|symbol| symbol?.extract()).collect()
}

#[pymethods]
impl Bus {
    /// What the bus has from ``start`` on and what comes, as an iterator, plain or asynchronous, of ``Bars``, ``DayClosed`` and ``Lapped``.
    ///
    /// ``start`` is ``"live"`` (only what comes from now on), ``"oldest"``, ``"today"`` (from the newest trading day's first bar), a date, or
    /// a sequence number. ``symbols`` are the ones wanted, all where it is None. With ``timeout`` the iteration ends when nothing came for so
    /// many seconds: 0 reads what is there.
    /// ``name`` is what ``barbus readers`` calls this reader.
    #[pyo3(signature = (start=None, symbols=None, timeout=None, name=None))]
    fn follow(
        &self,
        py: Python<'_>,
        start: Option<&Bound<'_, PyAny>>,
        symbols: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        name: Option<&str>,
    ) -> PyResult<Follow> {
        self.home.check()?;
        let start = start.map_or(Ok(Start::Live), start_of)?;
        let symbols = symbols.map(symbols_of).transpose()?;
        let reader = py.detach(|| self.reader()?.start_at(start).map_err(raised))?;
        let reader = match name {
            Some(name) => reader.name(name),
            None => reader,
        };
        Follow::new(Source::Live(Box::new(reader)), start != Start::Live, symbols, timeout)
    }

    /// The archived days from ``first`` to ``last``, both included, given out again as ``follow`` gave them: ``Bars`` in the order of their
    /// frames and ``DayClosed`` after each day, then the iteration ends. A strategy does not know the difference.
    ///
    /// ``speed`` is ``"max"`` or how many times faster than the market, ``60`` or ``"60x"``. ``revision`` and ``received`` are 0 and 1970: the
    /// archive does not have them.
    #[pyo3(signature = (first, last=None, symbols=None, speed=None))]
    fn replay(
        &self,
        py: Python<'_>,
        first: &Bound<'_, PyAny>,
        last: Option<&Bound<'_, PyAny>>,
        symbols: Option<&Bound<'_, PyAny>>,
        speed: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Follow> {
        self.home.check()?;
        let first = date_of(first)?;
        let last = last.map_or(Ok(first), date_of)?;
        let symbols = symbols.map(symbols_of).transpose()?;
        let pace = match speed.map(|speed| speed.str()).transpose()? {
            None => Pace::Max,
            Some(text) => text.to_string().parse().map_err(|why| PyValueError::new_err(format!("speed: {why}")))?,
        };
        let replay = py.detach(|| self.bus.replay(first, last)).map_err(raised)?.pace(pace);
        Follow::new(Source::Replay(Box::new(replay)), false, symbols, None)
    }

    /// The newest bar of a symbol: of the highest frame, its last revision. None where it has left the ring.
    fn latest(&self, py: Python<'_>, symbol: &str) -> PyResult<Option<Bar>> {
        let row = self.ask(py, |reader| reader.latest(symbol))?;
        let schema = batch::ring_schema(&self.bus.settings().schema);
        Ok(row.map(|row| Bar::new(schema, symbol.to_owned(), row)))
    }

    /// The last ``count`` bars of a symbol that the ring has, oldest first, the last revision of each.
    fn window(&self, py: Python<'_>, symbol: &str, count: usize) -> PyResult<Bars> {
        let rows = self.ask(py, |reader| reader.window(symbol, count))?;
        self.bars(symbol, &rows)
    }

    /// The bars of a day: without a date those of the newest one, as they came, zero-copy; of an archived one, sorted by symbol and
    /// frame, the last revision of each.
    #[pyo3(signature = (date=None))]
    fn day(&self, py: Python<'_>, date: Option<&Bound<'_, PyAny>>) -> PyResult<Bars> {
        self.home.check()?;
        match date.map(date_of).transpose()? {
            None => py.detach(|| self.current_day()),
            Some(day) => py.detach(|| self.archived_day(day)),
        }
    }

    /// The archived days, ascending.
    fn days<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDate>>> {
        self.home.check()?;
        let days = py.detach(|| self.archive().days()).map_err(raised)?;
        days.into_iter().map(|day| event::date(py, day)).collect()
    }

    /// Every symbol that was ever on the bus.
    fn symbols(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, |reader| Ok(reader.symbol_names().to_vec()))
    }

    /// Whether a writer is at work now: bars that are old then are old because none came.
    fn writer_alive(&self, py: Python<'_>) -> PyResult<bool> {
        self.ask(py, |reader| Ok(reader.writer_alive()))
    }

    /// Seconds since the newest bar was received; None where there is none.
    fn newest_age(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.ask(py, |reader| Ok(reader.newest_age().map(|age| age.as_secs_f64())))
    }

    /// How the bus is, as ``barbus stat --format json`` says it: the daemon's process, the age of the newest bar, counts.
    fn stat<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.home.check()?;
        let stat = py.detach(|| barbus::stat(&self.bus)).map_err(raised)?;
        let text = serde_json::to_string(&stat).map_err(raised)?;
        py.import("json")?.call_method1("loads", (text,))
    }

    /// The directory.
    #[getter]
    fn path(&self) -> PathBuf {
        self.bus.path().to_owned()
    }

    fn __repr__(&self) -> String {
        format!("<barbus.Bus {:?}>", self.bus.path())
    }
}
