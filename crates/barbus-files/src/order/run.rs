//! A sorted run of bars in a temporary file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use barbus_bars::BarSchema;

use crate::rows::Rows;

/// Rows of one batch of a run.
const BATCH_ROWS: usize = 8192;

/// Bars by frame, in a file without a name: it is gone when the process is.
#[derive(Debug)]
pub(crate) struct Run {
    file: File,
}

fn failed(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}

impl Run {
    /// Writes `rows` in feed order.
    pub(crate) fn write(rows: &mut Rows, schema: &BarSchema) -> io::Result<Run> {
        let file = tempfile::tempfile()?;
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME));
        let options = options.map_err(failed)?;
        let target = BufWriter::new(file.try_clone()?);
        let mut writer = StreamWriter::try_new_with_options(target, &schema.wire_schema(), options).map_err(failed)?;
        let order = rows.feed_order();
        for part in order.chunks(BATCH_ROWS) {
            writer.write(&rows.batch(part)).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        writer.get_mut().flush()?;
        Ok(Run { file })
    }

    /// The batches of the run, from its beginning. One reader at a time: readers share a position.
    pub(crate) fn read(&self) -> io::Result<RunReader> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        // The clones of a descriptor share its position: each reader has a buffer of its own and
        // the readers of different runs have different files.
        let reader = StreamReader::try_new(BufReader::new(file), None).map_err(failed)?;
        Ok(RunReader { reader })
    }
}

/// Reads a run.
pub(crate) struct RunReader {
    reader: StreamReader<BufReader<File>>,
}

impl RunReader {
    /// The next batch; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> io::Result<Option<RecordBatch>> {
        self.reader.next().transpose().map_err(failed)
    }
}
