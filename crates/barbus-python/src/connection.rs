//! A producer's connection to the daemon.

use std::time::Duration;

use arrow::array::RecordBatch;
use barbus::protocol::{self, AckMode};
use pyo3::prelude::*;

use crate::error::{Error, raised};

/// A connection that is opened again after an error.
pub(crate) struct Connection {
    bus: barbus::Bus,
    source: Option<String>,
    ack_mode: Option<AckMode>,
    reconnect_for: Duration,
    /// How long the daemon may be silent.
    timeout: Duration,
    /// `None` after an error, and once closed.
    publisher: Option<barbus::Publisher>,
    closed: bool,
}

impl Connection {
    /// Connects to the daemon of `bus`.
    pub(crate) fn open(
        bus: barbus::Bus,
        source: Option<String>,
        ack_mode: Option<AckMode>,
        reconnect_for: Duration,
        timeout: Duration,
    ) -> barbus::Result<Self> {
        let mut connection = Self { bus, source, ack_mode, reconnect_for, timeout, publisher: None, closed: false };
        connection.connect()?;
        Ok(connection)
    }

    pub(crate) fn bus(&self) -> &barbus::Bus {
        &self.bus
    }

    fn connect(&mut self) -> barbus::Result<&mut barbus::Publisher> {
        // `waiting` waits, and checks for signals meanwhile.
        let options = barbus::ConnectOptions { wait: Duration::ZERO, timeout: self.timeout };
        let mut publisher = barbus::Publisher::connect_with(&self.bus, options)?.reconnect_for(self.reconnect_for);
        if let Some(source) = &self.source {
            publisher = publisher.source(source);
        }
        if let Some(ack_mode) = self.ack_mode {
            publisher = publisher.ack_mode(ack_mode);
        }
        Ok(self.publisher.insert(publisher))
    }

    /// Sends batches and waits for their acknowledgement.
    pub(crate) fn send(&mut self, batches: &[RecordBatch]) -> PyResult<protocol::Ack> {
        self.with_publisher(|publisher| {
            let before = publisher.acked();
            if let Some((last, others)) = batches.split_last() {
                for batch in others {
                    publisher.queue(batch)?;
                }
                publisher.send(last)?;
            }
            Ok(publisher.acked().since(before))
        })
    }

    /// States that no more bars follow of the minutes through `frame_ms`.
    pub(crate) fn done(&mut self, frame_ms: i64) -> PyResult<()> {
        self.with_publisher(|publisher| publisher.done(frame_ms))
    }

    fn with_publisher<T>(&mut self, work: impl FnOnce(&mut barbus::Publisher) -> barbus::Result<T>) -> PyResult<T> {
        if self.closed {
            return Err(Error::new_err(format!(
                "{}: the publisher is closed: open a new one with barbus.publish",
                self.bus.path().display()
            )));
        }
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            None => self.connect().map_err(raised)?,
        };
        let done = work(publisher);
        if done.is_err() {
            // A new connection, because this one would first send the rejected batch again.
            self.publisher = None;
        }
        done.map_err(raised)
    }

    /// Waits for the last acknowledgements and disconnects.
    pub(crate) fn close(&mut self) -> barbus::Result<()> {
        self.closed = true;
        self.publisher.take().map_or(Ok(()), |publisher| publisher.finish().map(drop))
    }
}
