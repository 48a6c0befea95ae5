//! What SQL over a bus reads.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDate;

use crate::bars::Bars;
use crate::error::raised;
use crate::layout::Layout;
use crate::{event, question};

/// The files of days that are wholly in them, the bars of the other days, the newest day, and the
/// readers as JSON.
pub(crate) type Sources = (Vec<PathBuf>, Py<Bars>, Option<Py<PyDate>>, String);

/// The sources of a bus at one moment.
pub(crate) fn sources(py: Python<'_>, bus: &barbus::Bus) -> PyResult<Sources> {
    let sources = py.detach(|| -> barbus::Result<_> {
        let newest = bus.newest_day()?;
        let answer = newest.map(|_| bus.bars().beside_files()).transpose()?;
        Ok((newest, answer, barbus::readers(bus)?))
    });
    let (newest, answer, readers) = sources.map_err(question::error)?;
    let newest = newest.map(|day| event::date(py, day)).transpose()?.map(Bound::unbind);
    let (files, rest) = match answer {
        Some((files, rest)) => (files.into_iter().map(|(_, path)| path).collect(), question::bars(rest)),
        None => (Vec::new(), Bars::new(Layout::history(&bus.settings().schema), Vec::new(), false)),
    };
    Ok((files, Py::new(py, rest)?, newest, serde_json::to_string(&readers).map_err(raised)?))
}
