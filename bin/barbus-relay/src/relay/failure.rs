//! Failures: those that end the relay, and those after which it begins again.

use std::fmt;

/// Why a session ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A person has to change something.
    Fatal(anyhow::Error),
    /// Another session may succeed.
    Retry(anyhow::Error),
}

/// The result of a step of a session.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// The error, whatever follows from it.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Fatal(error) | Self::Retry(error) => error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fatal(error) | Self::Retry(error) => write!(f, "{error:#}"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

/// A failure that a person has to remove.
pub(crate) fn fatal<T>(what: String) -> Outcome<T> {
    Err(Failure::Fatal(anyhow::anyhow!(what)))
}

/// A failure after which the relay begins again.
pub(crate) fn retry<T>(what: String) -> Outcome<T> {
    Err(Failure::Retry(anyhow::anyhow!(what)))
}
