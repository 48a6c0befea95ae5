//! A raw producer: it connects to the socket and writes an Arrow stream or invalid bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::Schema;
use arrow::ipc::writer::StreamWriter;
use serde_json::Value;

use super::bus::Bus;
use super::market::Bar;
use super::wait;

/// A connection to the daemon's ingest socket.
pub(crate) struct Producer {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Producer {
    /// Connects to the daemon of `bus`, which must be running.
    pub(crate) fn connect(bus: &Bus) -> Self {
        let stream = UnixStream::connect(bus.path().join("ingest.sock")).expect("the daemon listens");
        stream.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout can be set");
        let answers = BufReader::new(stream.try_clone().expect("a descriptor can be duplicated"));
        Producer { stream, answers }
    }

    /// Sends raw bytes. A daemon that has hung up is not a failure here; the answers show it.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// A stream on this connection that sends a batch at a time.
    pub(crate) fn begin(&self, schema: &Schema) -> StreamWriter<UnixStream> {
        let stream = self.stream.try_clone().expect("a descriptor can be duplicated");
        StreamWriter::try_new(stream, schema).expect("a stream can be begun")
    }

    /// The next answer line.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer within the timeout");
        assert!(!line.is_empty(), "the daemon hung up without an answer");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// Ends the sending side and returns every answer that was still due.
    pub(crate) fn finish(mut self) -> Vec<Value> {
        let _ = self.stream.shutdown(Shutdown::Write);
        let mut text = String::new();
        self.answers.read_to_string(&mut text).expect("the daemon hangs up within the timeout");
        text.lines().map(|line| serde_json::from_str(line).expect("answers are JSON")).collect()
    }
}

/// An Arrow stream of these batches, which share a schema, with its end marker.
pub(crate) fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    stream_with(&batches[0].schema(), batches)
}

/// The same with another schema, whose metadata states label and zone.
pub(crate) fn stream_with(schema: &Schema, batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).expect("a stream can be begun");
    for batch in batches {
        writer.write(batch).expect("a batch of the schema");
    }
    writer.into_inner().expect("a stream can be ended")
}

/// These bars as a batch with plain columns: string symbols, frames in UTC milliseconds.
pub(crate) fn batch(bars: &[Bar]) -> RecordBatch {
    let symbols: StringArray = bars.iter().map(|bar| Some(bar.symbol.as_str())).collect();
    let frames: TimestampMillisecondArray = bars.iter().map(|bar| Some(bar.frame.as_millisecond())).collect();
    let numbers =
        |value: fn(&Bar) -> Option<f64>| -> ArrayRef { Arc::new(bars.iter().map(value).collect::<Float64Array>()) };
    // The last argument is whether a column may have nulls.
    RecordBatch::try_from_iter_with_nullable([
        ("symbol", Arc::new(symbols) as ArrayRef, false),
        ("frame", Arc::new(frames.with_timezone("UTC")), false),
        ("open", numbers(|bar| Some(bar.open)), false),
        ("high", numbers(|bar| Some(bar.high)), false),
        ("low", numbers(|bar| Some(bar.low)), false),
        ("close", numbers(|bar| Some(bar.close)), false),
        ("volume", numbers(|bar| Some(bar.volume)), false),
        ("money", numbers(|bar| bar.money), true),
        ("factor", numbers(|bar| bar.factor), true),
    ])
    .expect("columns of one length")
}
