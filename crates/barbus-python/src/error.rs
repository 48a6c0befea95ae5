//! The exception of the package.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

pyo3::create_exception!(
    barbus,
    Error,
    PyException,
    "Why an operation on a bus failed, with the message of the command line."
);

/// The exception for an error of the library, with its message.
pub(crate) fn raised(error: impl std::fmt::Display) -> PyErr {
    Error::new_err(error.to_string())
}
