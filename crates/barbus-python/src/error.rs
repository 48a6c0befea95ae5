use pyo3::exceptions::PyException;
use pyo3::prelude::*;

pyo3::create_exception!(
    barbus,
    Error,
    PyException,
    "Why something could not be done with a bus, in the words of the command line."
);

/// The exception of an error of the library, with its words.
pub(crate) fn raised(error: impl std::fmt::Display) -> PyErr {
    Error::new_err(error.to_string())
}
