//! One Arrow stream to the daemon, and the acknowledgements on it.

use std::fmt::Display;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

use crate::ack::AckMode;
use crate::bus::Bus;
use crate::error::Error;
use crate::protocol::{ACK, Answer, SOURCE};
use crate::requests::is_alive;
use crate::socket::{LiveSocket, Silence};

/// Why a stream ended.
pub(crate) enum StreamError {
    /// The connection broke: another stream may succeed.
    Disconnected(String),
    /// The daemon rejected the stream or a batch, and would reject it again; or it is silent.
    Final(Error),
}

/// An open stream. All its batches have one schema.
pub(crate) struct IngestStream {
    schema: SchemaRef,
    writer: StreamWriter<BufWriter<LiveSocket>>,
    answers: BufReader<LiveSocket>,
    silence: Silence,
    /// Whether a batch was sent on this stream.
    has_sent: bool,
    /// Batches that were sent on this stream and are not acknowledged.
    pub(crate) in_flight: usize,
    /// Rows of the batches that were acknowledged on this stream.
    pub(crate) acked_rows: u64,
}

impl std::fmt::Debug for IngestStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IngestStream")
            .field("schema", &self.schema)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

impl IngestStream {
    /// Connects to the daemon and sends the schema. The stream ends if the daemon is silent for
    /// `timeout` and does not live.
    pub(crate) fn open(
        bus: &Bus,
        schema: SchemaRef,
        source: Option<&str>,
        ack_mode: Option<AckMode>,
        timeout: Duration,
    ) -> Result<Self, StreamError> {
        let disconnected = |error: &dyn Display| StreamError::Disconnected(error.to_string());
        let socket = LiveSocket::connect(bus, timeout, is_alive).map_err(|error| match error {
            Error::Unresponsive { .. } => StreamError::Final(error),
            error => disconnected(&error),
        })?;
        let silence = socket.silence();
        let answers = BufReader::new(socket.try_clone().map_err(|error| disconnected(&error))?);
        let mut metadata = schema.metadata().clone();
        if let Some(source) = source {
            metadata.insert(SOURCE.to_owned(), source.to_owned());
        }
        if let Some(mode) = ack_mode {
            metadata.insert(ACK.to_owned(), mode.as_str().to_owned());
        }
        let with_metadata = Schema::new_with_metadata(schema.fields().clone(), metadata);
        let writer = StreamWriter::try_new_buffered(socket, &with_metadata).map_err(|error| disconnected(&error))?;
        Ok(Self { schema, writer, answers, silence, has_sent: false, in_flight: 0, acked_rows: 0 })
    }

    /// Whether batches of `schema` can be sent on this stream.
    pub(crate) fn accepts(&self, schema: &SchemaRef) -> bool {
        self.schema == *schema
    }

    /// The error of the daemon of `bus`, if this stream has ended because it is silent.
    pub(crate) fn silence(&self, bus: &Bus) -> Option<Error> {
        self.silence.error(bus)
    }

    /// Sends a batch.
    pub(crate) fn send(&mut self, batch: &RecordBatch) -> Result<(), String> {
        self.writer.write(batch).and_then(|()| self.writer.flush()).map_err(|error| error.to_string())?;
        self.has_sent = true;
        self.in_flight += 1;
        Ok(())
    }

    /// Sends the encoded message of a batch without rows.
    pub(crate) fn send_encoded(&mut self, message: &[u8]) -> Result<(), String> {
        self.repeat_done(message)?;
        self.in_flight += 1;
        Ok(())
    }

    /// Sends the encoded message of a batch without rows, which is not waited for.
    pub(crate) fn repeat_done(&mut self, message: &[u8]) -> Result<(), String> {
        let send = |stream: &mut Self| -> Result<(), ArrowError> {
            if !stream.has_sent {
                // The message needs the dictionaries of the schema before it.
                stream.writer.write(&RecordBatch::new_empty(stream.schema.clone()))?;
                stream.has_sent = true;
            }
            stream.writer.get_mut().write_all(message)?;
            stream.writer.flush()
        };
        send(self).map_err(|error| error.to_string())
    }

    /// Reads the daemon's next answer.
    pub(crate) fn answer(&mut self) -> Result<Answer, String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err("it hung up".into()),
            Ok(_) => serde_json::from_str(&line).map_err(|error| format!("it answered {:?}: {error}", line.trim_end())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes the end marker of the stream.
    pub(crate) fn finish(&mut self) {
        // All batches are acknowledged: the daemon needs no marker, so a failure does no harm.
        let _ = self.writer.finish();
    }
}
