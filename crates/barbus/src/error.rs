use std::path::{Path, PathBuf};

use barbus_bars::Date;

/// Why something could not be done with a bus. Messages read well behind `barbus: `.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory is not a bus.
    #[error("{}: not a bus: {why}", path.display())]
    NotABus {
        /// The directory.
        path: PathBuf,
        /// What is missing, and what to do.
        why: String,
    },
    /// `bus.toml` cannot be used.
    #[error("{}: {what}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        what: String,
    },
    /// The system refused something.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The bus has no ring yet.
    #[error("{}: there is no ring yet: start the daemon with: barbusd {}", ring.display(), bus.display())]
    NoRing {
        /// Where it would be.
        ring: PathBuf,
        /// The bus.
        bus: PathBuf,
    },
    /// The machine was started again and no writer has taken the ring over yet.
    #[error("{}: written before the machine was started again: start the daemon first with: barbusd {}", ring.display(), bus.display())]
    OtherBoot {
        /// The ring.
        ring: PathBuf,
        /// The bus.
        bus: PathBuf,
    },
    /// The ring cannot be used.
    #[error(transparent)]
    Ring(#[from] barbus_ring::RingError),
    /// The archive refused.
    #[error(transparent)]
    Archive(#[from] barbus_archive::Error),
    /// Another process writes this bus.
    #[error("{}: the bus has a writer already: process {pid}", bus.display())]
    Busy {
        /// The bus.
        bus: PathBuf,
        /// The process that holds the lock.
        pid: u32,
    },
    /// The ring does not have what a reader was to start from, or the archive what was to be replayed.
    #[error("{}: {what}", bus.display())]
    Start {
        /// The bus.
        bus: PathBuf,
        /// What is not there.
        what: String,
    },
    /// Nobody listens on the bus's socket.
    #[error("{}: no daemon is running: start one with: barbusd {}", socket.display(), bus.display())]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
        /// The bus.
        bus: PathBuf,
    },
    /// The daemon refused what it was sent.
    #[error("{}: the daemon refused: {why}", bus.display())]
    Refused {
        /// The bus.
        bus: PathBuf,
        /// Its reason.
        why: String,
    },
    /// The daemon answered something that makes no sense, or hung up.
    #[error("{}: {what}", bus.display())]
    Protocol {
        /// The bus.
        bus: PathBuf,
        /// What happened.
        what: String,
    },
    /// The batch cannot be understood as bars.
    #[error(transparent)]
    Cast(#[from] barbus_bars::CastError),
    /// A stream's metadata says something that makes no sense.
    #[error("schema metadata {key}: {why}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        why: String,
    },
    /// A closed day could not be archived; it stays in the ring and is tried again.
    #[error("{day}: not archived yet: {why}")]
    Flush {
        /// The day.
        day: Date,
        /// What the last try said.
        why: String,
    },
    /// The symbol was never on the bus.
    #[error("{}: no symbol {symbol:?} on the bus{}", bus.display(), nearest.as_ref().map_or(String::new(), |n| format!(": did you mean {n:?}?")))]
    UnknownSymbol {
        /// The bus.
        bus: PathBuf,
        /// The symbol asked for.
        symbol: String,
        /// One that looks like it.
        nearest: Option<String>,
    },
}

/// What this crate's operations return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Io`] about `path`; `action` is a verb phrase: "create", "read".
    pub fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }
}

/// The known word that looks most like `word`, if one does.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .min()
        .filter(|(distance, _)| *distance <= 1 + word.chars().count() / 3)
        .map(|(_, candidate)| candidate.to_owned())
}
