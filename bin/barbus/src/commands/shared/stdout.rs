//! Standard output, buffered; that its reader went away (`barbus tail … | head`) is told from other failures.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

/// Standard output, buffered until [`Write::flush`].
pub(crate) struct Out(BufWriter<Stdout>);

/// The pipe that standard output is has no reader any more.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed;

/// Standard output of this process.
pub(crate) fn stdout() -> Out {
    Out(BufWriter::with_capacity(64 * 1024, io::stdout()))
}

/// Whether `error` came from writing to a closed standard output.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<Closed>())
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::BrokenPipe {
        return io::Error::new(ErrorKind::BrokenPipe, Closed);
    }
    io::Error::new(error.kind(), format!("standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_output_ends_quietly() {
        assert!(is_closed(&named(ErrorKind::BrokenPipe.into()).into()));
        assert!(!is_closed(&named(ErrorKind::StorageFull.into()).into()));
        let elsewhere: io::Error = ErrorKind::BrokenPipe.into();
        assert!(!is_closed(&elsewhere.into()), "a daemon that hung up is a failure");
    }
}
