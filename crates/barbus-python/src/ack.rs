//! The acknowledgement of a send.

use barbus::protocol;
use pyo3::prelude::*;

/// The result of a send: what the daemon did with the rows. ``rows`` is the sum of the six counts.
#[pyclass(module = "barbus", frozen, eq)]
#[derive(PartialEq, Eq)]
pub(crate) struct Ack(pub(crate) protocol::Ack);

#[pymethods]
impl Ack {
    /// Rows that the daemon has handled.
    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows
    }

    /// New bars.
    #[getter]
    fn accepted(&self) -> u64 {
        self.0.accepted
    }

    /// Bars that the bus already had with the same values; ignored.
    #[getter]
    fn duplicate(&self) -> u64 {
        self.0.duplicate
    }

    /// Bars that the bus already had with other values; published as revisions.
    #[getter]
    fn revised(&self) -> u64 {
        self.0.revised
    }

    /// Bars that the bus already had with other values from a source of higher priority; not
    /// published.
    #[getter]
    fn conflict(&self) -> u64 {
        self.0.conflict
    }

    /// Invalid rows; kept in the quarantine with the reason.
    #[getter]
    fn quarantined(&self) -> u64 {
        self.0.quarantined
    }

    /// Invalid rows that the quarantine has no room for; kept nowhere.
    #[getter]
    fn refused(&self) -> u64 {
        self.0.refused
    }

    /// Milliseconds that the rows waited for room in the ring.
    #[getter]
    fn waited_ms(&self) -> u64 {
        self.0.waited_ms
    }

    /// Sequence number of the last bar that this publisher published; None before the first.
    #[getter]
    fn seq(&self) -> Option<u64> {
        self.0.seq
    }

    fn __repr__(&self) -> String {
        let protocol::Ack { rows, accepted, duplicate, revised, conflict, quarantined, refused, seq, .. } = self.0;
        let seq = seq.map_or("None".to_owned(), |seq| seq.to_string());
        format!(
            "Ack(rows={rows}, accepted={accepted}, duplicate={duplicate}, revised={revised}, conflict={conflict}, quarantined={quarantined}, refused={refused}, seq={seq})"
        )
    }
}
