//! Buffered standard output that distinguishes a closed pipe (`barbus tail … | head`) from
//! failures.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

/// Standard output, buffered until [`Write::flush`].
pub(in crate::commands) struct StandardOutput(BufWriter<Stdout>);

/// Standard output is a pipe without a reader.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed;

/// The standard output of this process.
pub(in crate::commands) fn stdout() -> StandardOutput {
    StandardOutput(BufWriter::with_capacity(64 * 1024, io::stdout()))
}

/// Whether `error` is a write to a closed standard output.
pub(in crate::commands) fn is_closed(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<Closed>())
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(from_stdout)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(from_stdout)
    }
}

fn from_stdout(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::BrokenPipe {
        return io::Error::new(ErrorKind::BrokenPipe, Closed);
    }
    io::Error::new(error.kind(), format!("standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_output_is_no_failure() {
        assert!(is_closed(&from_stdout(ErrorKind::BrokenPipe.into()).into()));
        assert!(!is_closed(&from_stdout(ErrorKind::StorageFull.into()).into()));
        let elsewhere: io::Error = ErrorKind::BrokenPipe.into();
        assert!(!is_closed(&elsewhere.into()), "a connection that breaks is a failure");
    }
}
