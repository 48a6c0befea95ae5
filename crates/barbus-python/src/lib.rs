//! The native part of the Python package `barbus`.
//!
//! Users see it through `python/barbus/__init__.py` and `_barbus.pyi`.
//! It adds to the crate `barbus` only what Python needs: it waits without the interpreter's lock,
//! checks for signals meanwhile, and exchanges bars through Arrow's PyCapsule interface.
#![forbid(unsafe_code)]

mod ack;
mod arguments;
mod bar;
mod bars;
mod batch;
mod bus;
mod calendar;
mod capsule;
mod connection;
mod error;
mod event;
mod event_reader;
mod follow;
mod fork_guard;
mod gaps;
mod ipc;
mod layout;
mod panel;
mod publisher;
mod question;
mod read;
mod rejects;
mod signals;
mod sql;
mod tables;
mod waiting;

use pyo3::prelude::*;

// Each answer takes megabytes. The system's allocator gives their pages back to the kernel, which
// clears others for the next answer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bars from shared memory; import `barbus` instead.
#[pymodule]
mod _barbus {
    #[pymodule_export]
    use crate::ack::Ack;
    #[pymodule_export]
    use crate::bar::Bar;
    #[pymodule_export]
    use crate::bars::{Bars, BarsIterator};
    #[pymodule_export]
    use crate::bus::{Bus, open};
    #[pymodule_export]
    use crate::calendar::{Calendar, Session, calendar};
    #[pymodule_export]
    use crate::error::Error;
    #[pymodule_export]
    use crate::event::{_withdrawn, DayClosed, Lapped, MinuteClosed, Withdrawn};
    #[pymodule_export]
    use crate::follow::Follow;
    #[pymodule_export]
    use crate::gaps::Gaps;
    #[pymodule_export]
    use crate::ipc::{_bar_from_ipc, _bars_from_ipc};
    #[pymodule_export]
    use crate::panel::Panel;
    #[pymodule_export]
    use crate::publisher::{Publisher, publish};
    #[pymodule_export]
    use crate::read::read;

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        pyo3::types::PyModuleMethods::add(module, "__version__", env!("CARGO_PKG_VERSION"))
    }
}
