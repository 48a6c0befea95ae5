//! What the messages of a stream say, in order: bars to publish, days to close, complete minutes.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_nats::{HeaderMap, Subject};
use barbus::{Date, Selection};
use bytes::Bytes;
use jiff::Timestamp;

use super::failure::{Outcome, fatal};
use super::header::{Header, Kind, NotOurs};
use super::order::{Admission, Order};
use super::parts::Parts;
use super::payload::{decode, difference};
use super::position_file::Place;

/// A message of the stream.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Its number in the stream.
    pub(crate) number: u64,
    /// Where it is acknowledged.
    pub(crate) reply: Option<Subject>,
    pub(crate) subject: Subject,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
    /// Its size with subject and headers, bytes.
    pub(crate) bytes: usize,
    /// When the server got it.
    pub(crate) published: Timestamp,
    /// How many messages follow it.
    pub(crate) pending: u64,
}

/// A thing to do.
#[derive(Debug)]
pub(crate) enum Item {
    Bars(RecordBatch),
    Close(Date),
    /// The minute that ends then, milliseconds UTC, is complete.
    Done(i64),
    /// These bars are withdrawn.
    Withdraw(Box<Selection>),
}

/// Understands messages one after the other.
#[derive(Debug)]
pub(crate) struct Understanding {
    stream: String,
    /// The columns of the bus that gets the bars.
    schema: SchemaRef,
    order: Order,
    parts: Parts,
    /// What was counted since the last look.
    pub(crate) counts: Counts,
}

/// What became of messages.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Bars that the stream has dropped.
    pub(crate) missed: u64,
    /// Messages of others.
    pub(crate) foreign: u64,
    /// Bars to publish.
    pub(crate) bars: u64,
    /// The number of the source's next bar.
    pub(crate) next_seq: u64,
}

impl Understanding {
    /// After the messages through `applied`.
    pub(crate) fn new(stream: &str, schema: SchemaRef, applied: Option<&Place>) -> Self {
        Self {
            stream: stream.to_owned(),
            schema,
            order: Order::after(applied),
            parts: Parts::default(),
            counts: Counts::default(),
        }
    }

    /// The place after message `number`; `None` while parts are missing, or before the source is
    /// known.
    pub(crate) fn place(&self, number: u64) -> Option<Place> {
        self.order.place(number)
    }

    /// Whether the last message left something open.
    pub(crate) fn is_open(&self) -> bool {
        self.parts.is_open()
    }

    /// What the next message says.
    ///
    /// # Errors
    /// It is damaged, or of another version, of another bus, or with other columns.
    pub(crate) fn add(&mut self, message: &Incoming, items: &mut Vec<Item>) -> Outcome<()> {
        let (stream, number) = (&self.stream, message.number);
        let header = match Header::of_map(&message.headers) {
            Ok(header) => header,
            Err(NotOurs::Foreign) => {
                tracing::warn!(
                    "stream {stream}: message {number} on {} is not from a relay: it is skipped; find out who \
                     publishes there, or choose another --prefix",
                    message.subject
                );
                self.counts.foreign += 1;
                return Ok(());
            }
            Err(NotOurs::Version(version)) => {
                return fatal(format!(
                    "stream {stream}: message {number} is of version {version}: use a newer barbus-relay"
                ));
            }
        };
        match header.kind {
            Kind::Bars | Kind::Late | Kind::Fill => self.add_bars(&header, message, items),
            Kind::Start => {
                self.read(message)?;
                if let Admission::Take { missed, .. } = self.order.admit(&header)? {
                    self.count_missed(missed);
                }
                Ok(())
            }
            Kind::Withdrawn => {
                let selection = match serde_json::from_slice(&message.payload) {
                    Ok(selection) => selection,
                    Err(error) => return self.damaged(message, &error),
                };
                if self.order.admit(&header)? != Admission::Skip {
                    items.push(Item::Withdraw(Box::new(selection)));
                }
                Ok(())
            }
            Kind::Close | Kind::Done => {
                self.order.admit(&header)?;
                items.extend(match (header.kind, header.day) {
                    (Kind::Close, Some(day)) => Some(Item::Close(day)),
                    (Kind::Done, _) => Some(Item::Done(header.done_ms)),
                    _ => None,
                });
                Ok(())
            }
        }
    }

    fn add_bars(&mut self, header: &Header, message: &Incoming, items: &mut Vec<Item>) -> Outcome<()> {
        let decoded = self.read(message)?;
        let whole = self.parts.add(header, decoded);
        let batch = match whole {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(()),
            Err(error) => return self.damaged(message, &error),
        };
        if header.kind.has_numbered_bars() && batch.num_rows() as u64 != header.next - header.first {
            return self.damaged(message, &"it has another number of bars than its headers say");
        }
        let Admission::Take { known, missed } = self.order.admit(header)? else { return Ok(()) };
        self.count_missed(missed);
        let batch = batch.slice(known, batch.num_rows() - known);
        self.counts.bars += batch.num_rows() as u64;
        self.counts.next_seq = header.next;
        if batch.num_rows() > 0 {
            items.push(Item::Bars(batch));
        }
        Ok(())
    }

    /// Bars that the stream does not have any more.
    fn count_missed(&mut self, missed: u64) {
        if missed > 0 {
            tracing::error!(
                missed,
                "stream {}: it has dropped bars before they were read: copy their days with barbus backup, and let \
                 the stream keep more",
                self.stream
            );
        }
        self.counts.missed += missed;
    }

    /// The payload, if its columns are those of the bus.
    fn read(&self, message: &Incoming) -> Outcome<super::payload::Decoded> {
        let decoded = match decode(&message.payload) {
            Ok(decoded) => decoded,
            Err(error) => return self.damaged(message, &error),
        };
        match difference(&decoded.batch.schema(), &self.schema) {
            None => Ok(decoded),
            Some(difference) => fatal(format!(
                "stream {}: its bars have other columns: {difference}: give this bus the columns of the source in \
                 the section bars of bus.toml",
                self.stream
            )),
        }
    }

    fn damaged<T>(&self, message: &Incoming, why: &dyn std::fmt::Display) -> Outcome<T> {
        fatal(format!(
            "stream {}: message {} cannot be read: {why}: remove it with nats stream rmm, and its bars are counted \
             as missing",
            self.stream, message.number
        ))
    }
}
