//! The native part of the Python package `barbus`; what users see of it is in `python/barbus/__init__.py` and `_barbus.pyi`.
//!
//! It knows nothing that the crate `barbus` does not know: it waits without the interpreter's lock, looks for signals meanwhile, and hands
//! bars out and takes them in through Arrow's PyCapsule interface.
#![forbid(unsafe_code)]

mod bar;
mod bars;
mod batch;
mod bus;
mod error;
mod event;
mod follow;
mod home;
mod publisher;

use pyo3::prelude::*;

/// Bars from shared memory; import `barbus` instead.
#[pymodule]
mod _barbus {
    #[pymodule_export]
    use crate::bar::Bar;
    #[pymodule_export]
    use crate::bars::{Bars, BarsIterator};
    #[pymodule_export]
    use crate::bus::{Bus, open};
    #[pymodule_export]
    use crate::error::Error;
    #[pymodule_export]
    use crate::event::{DayClosed, Lapped};
    #[pymodule_export]
    use crate::follow::Follow;
    #[pymodule_export]
    use crate::publisher::{Ack, Publisher, publish};
}
