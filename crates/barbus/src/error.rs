//! The errors of this crate.

use std::path::{Path, PathBuf};

use barbus_bars::Date;

use crate::suggestion::did_you_mean;

/// Why an operation on a bus failed.
///
/// A message names the file or directory first, and ends with the next step if there is one. The
/// programs print it after `barbus: `.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory is not a bus.
    #[error("{}: not a bus: {why}", path.display())]
    NotABus {
        /// The directory.
        path: PathBuf,
        /// What is missing, and the next step.
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
    /// A call to the operating system failed.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The bus has no ring yet.
    #[error("{}: no ring yet: start the daemon with: barbusd {}", ring.display(), bus.display())]
    NoRing {
        /// Where the ring will be.
        ring: PathBuf,
        /// The bus.
        bus: PathBuf,
    },
    /// The ring's file was removed, and the daemon could not make another one yet.
    #[error("{}: removed or moved while the daemon runs: see barbus stat {}", ring.display(), bus.display())]
    RingLost {
        /// Where the ring was.
        ring: PathBuf,
        /// The bus.
        bus: PathBuf,
    },
    /// The machine was rebooted, and no writer has recovered the ring since.
    #[error(
        "{}: last written before the machine was rebooted: start the daemon with: barbusd {}",
        ring.display(),
        bus.display()
    )]
    OtherBoot {
        /// The ring.
        ring: PathBuf,
        /// The bus.
        bus: PathBuf,
    },
    /// The ring cannot be used.
    #[error(transparent)]
    Ring(#[from] barbus_ring::RingError),
    /// The archive cannot be used.
    #[cfg(feature = "archive")]
    #[error(transparent)]
    Archive(#[from] barbus_archive::ArchiveError),
    /// Another process is the bus's writer.
    #[error(
        "{}: the bus has a writer already, process {pid}{}: stop it first",
        bus.display(),
        if *is_here { "" } else { " of another pid namespace" }
    )]
    Busy {
        /// The bus.
        bus: PathBuf,
        /// The process that holds the writer's lock, in its own pid namespace.
        pid: u32,
        /// Whether that is the pid namespace of this process.
        is_here: bool,
    },
    /// The writer of another bus uses the same ring, archive or quarantine.
    #[error(
        "{}: {}, process {pid}, writes it: give each bus its own, or stop that process first",
        path.display(),
        by.as_ref().map_or("another bus".to_owned(), |bus| format!("the bus {}", bus.display()))
    )]
    InUse {
        /// The ring, or the folder.
        path: PathBuf,
        /// The other bus, if this process may see it.
        by: Option<PathBuf>,
        /// The process that writes it; 0 if it is not known.
        pid: u32,
    },
    /// A file or folder that another user could change is not used.
    #[error("{}: refused: {why}", path.display())]
    Untrusted {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with its owner, type or mode, and the next step.
        why: String,
    },
    /// The requested start of a reader is not in the ring, or the requested days of a replay are
    /// not in the archive.
    #[error("{}: {what}", bus.display())]
    Start {
        /// The bus.
        bus: PathBuf,
        /// What is missing.
        what: String,
    },
    /// A question for bars that cannot be answered.
    #[error("{}: {what}", bus.display())]
    Question {
        /// The bus.
        bus: PathBuf,
        /// What is wrong with the question.
        what: String,
    },
    /// The bus changed too fast while a question was answered. The same question may succeed.
    #[error("{}: {what}", bus.display())]
    Changing {
        /// The bus.
        bus: PathBuf,
        /// What changed, and the next step.
        what: String,
    },
    /// No daemon listens on the bus's socket.
    #[error("{}: no daemon is running: start one with: barbusd {}", socket.display(), bus.display())]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
        /// The bus.
        bus: PathBuf,
    },
    /// The daemon is stopped or hung: it is silent.
    #[error("{}: {why}", bus.display())]
    Unresponsive {
        /// The bus.
        bus: PathBuf,
        /// The process, why it is silent or since when, and the next step.
        why: String,
        /// The process, if it is in the pid namespace of this one.
        pid: Option<u32>,
    },
    /// A request to close the day was given up, because the daemon is silent or has ended.
    #[error("{}: {why}; {outcome}", bus.display())]
    GivenUp {
        /// The bus.
        bus: PathBuf,
        /// Why it was given up.
        why: String,
        /// Whether the day was closed, as far as the bus's files show that.
        carried_out: Option<bool>,
        /// The same as text, and how to learn it where it is not known.
        outcome: String,
    },
    /// The daemon rejected a request or a stream.
    #[error("{}: the daemon refused: {why}", bus.display())]
    Refused {
        /// The bus.
        bus: PathBuf,
        /// The daemon's reason.
        why: String,
    },
    /// The daemon closed the connection, or its answer cannot be understood.
    #[error("{}: {what}", bus.display())]
    Protocol {
        /// The bus.
        bus: PathBuf,
        /// What happened.
        what: String,
    },
    /// The columns of a batch cannot be cast to bars.
    #[error(transparent)]
    Cast(#[from] barbus_bars::CastError),
    /// The metadata of a stream's schema has an invalid value.
    #[error("schema metadata {key}: {why}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        why: String,
    },
    /// A backup cannot be made, or is not whole.
    #[error("{}: {what}", path.display())]
    Backup {
        /// The directory or the file.
        path: PathBuf,
        /// What is wrong with it, and the next step.
        what: String,
    },
    /// A closed day is not in the archive yet. Its bars stay in the ring, and the flush is retried.
    #[error("{day}: not archived yet: {why}")]
    Flush {
        /// The day.
        day: Date,
        /// Why the last attempt failed.
        why: String,
    },
    /// The symbol never occurred on the bus.
    #[error("{}: no symbol {symbol:?} on the bus{}", bus.display(), did_you_mean(suggestion.as_deref()))]
    UnknownSymbol {
        /// The bus.
        bus: PathBuf,
        /// The requested symbol.
        symbol: String,
        /// The most similar symbol on the bus.
        suggestion: Option<String>,
    },
}

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Io`] about `path`; `action` is a verb phrase such as "create" or "read".
    #[doc(hidden)]
    pub fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }
}
