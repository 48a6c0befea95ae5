//! The thread that reads the bus, and makes messages of what it reads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use barbus::{Bus, Error, Event, OnGap, Reader, Start, WithdrawalRecord};
use tokio::sync::mpsc::Sender;

use super::author::{Author, Outgoing};
use super::composer::{Composer, Position};
use super::fill::{fill, received_ns};
use super::header::FillScope;
use super::options::Begin;
use super::resume::Resume;
use super::withdrawals::Withdrawals;

/// The longest wait for an event, before the thread checks whether it shall end.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What is read, and how.
#[derive(Debug, Clone)]
pub(crate) struct SourceOptions {
    pub(crate) bus: PathBuf,
    /// The name in the list of readers.
    pub(crate) reader_name: String,
    pub(crate) author: Arc<Author>,
    pub(crate) linger: Duration,
    /// Where a stream without messages begins.
    pub(crate) begin: Begin,
}

/// Reads the bus until the channel is closed.
///
/// # Errors
/// The bus cannot be read, or its ring was replaced by one of another lineage.
pub(crate) fn read(options: &SourceOptions, resume: Resume, messages: &Sender<Outgoing>) -> anyhow::Result<()> {
    let bus = Bus::open(&options.bus)?;
    let mut source =
        Source { options, messages, bus, known_below: 0, withdrawals: Withdrawals::default(), is_closed: false };
    source.run(resume)
}

struct Source<'a> {
    options: &'a SourceOptions,
    messages: &'a Sender<Outgoing>,
    bus: Bus,
    /// Bars below this number are on the stream.
    known_below: u64,
    /// Withdrawals that the stream does not have yet, the oldest one first.
    withdrawals: Withdrawals,
    /// Whether nobody takes messages any more.
    is_closed: bool,
}

impl Source<'_> {
    fn run(&mut self, resume: Resume) -> anyhow::Result<()> {
        let none = Position { lineage: 0, next: 0, received_ns: 0, done_ms: 0, closed: None, withdrawals: 0 };
        let position = match resume {
            Resume::Empty => none,
            Resume::Fill(_, position) | Resume::At(position, _) => position,
        };
        let calendar = self.bus.settings().calendar.clone();
        let mut composer = Composer::new(self.options.author.clone(), calendar, position);
        let mut reader = match resume {
            Resume::Empty => self.begin(&mut composer)?,
            Resume::Fill(scope, _) => self.fill(scope, &mut composer)?,
            Resume::At(position, remainder) => match self.reader_at(position)? {
                Some(reader) => {
                    remainder.into_iter().for_each(|remainder| composer.complete(remainder));
                    self.withdrawals.load(&self.bus, &composer)?;
                    reader
                }
                None => self.fill(FillScope::Since(position.received_ns), &mut composer)?,
            },
        };
        while !self.is_closed {
            self.step(&mut reader, &mut composer)?;
        }
        Ok(())
    }

    /// A reader without a name and a position.
    fn open(&self) -> barbus::Result<Reader> {
        Ok(Reader::open(self.bus.path())?.name(&self.options.reader_name))
    }

    /// The reader of a stream that is new.
    fn begin(&mut self, composer: &mut Composer) -> anyhow::Result<Reader> {
        composer.set_withdrawals(WithdrawalRecord::load(&self.bus)?.len() as u64);
        let start = match self.options.begin {
            Begin::Live => Start::Live,
            Begin::Today => Start::Today,
            Begin::Day(day) => Start::Day(day),
            Begin::All => return self.fill(FillScope::All, composer),
        };
        let reader = match self.open()?.on_gap(OnGap::Error).start_at(start) {
            Ok(reader) => reader,
            // The ring lacks the beginning of the day.
            Err(Error::Start { .. }) => {
                let newest =
                    || Ok::<_, anyhow::Error>(self.open()?.stat().day.or(self.bus.archived_days()?.last().copied()));
                let scope = match start {
                    Start::Day(day) => FillScope::From(day),
                    _ => newest()?.map_or(FillScope::All, FillScope::From),
                };
                return self.fill(scope, composer);
            }
            Err(error) => return Err(error.into()),
        };
        let next = reader.position();
        composer.start(reader.lineage(), next, received_ns(&self.bus, next).unwrap_or(0))?;
        self.send(composer)?;
        Ok(reader)
    }

    /// The reader of the bars from `position` on; `None` if the ring does not follow the stream.
    ///
    /// It begins with the bar before, which the stream has: a reader that begins behind the last
    /// bar of a day does not see the close of the day.
    fn reader_at(&mut self, position: Position) -> anyhow::Result<Option<Reader>> {
        let reader = self.open()?;
        if reader.lineage() != position.lineage {
            tracing::info!("the ring was made anew since the last message");
            return Ok(None);
        }
        let before = received_ns(&self.bus, position.next);
        // After a loss of power the ring may have given the numbers of lost bars to others.
        if position.received_ns != 0 && before.is_some_and(|before| before != position.received_ns) {
            tracing::warn!("the last bars of the stream are not in the ring");
            return Ok(None);
        }
        self.known_below = position.next;
        match reader.start_at(Start::Seq(position.next - u64::from(before.is_some()))) {
            Ok(reader) => Ok(Some(reader)),
            Err(Error::Start { .. }) => {
                tracing::warn!("the last bars of the stream are not in the ring");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn fill(&mut self, scope: FillScope, composer: &mut Composer) -> anyhow::Result<Reader> {
        self.known_below = 0;
        self.withdrawals = Withdrawals::default();
        let bus = self.bus.clone();
        let name = self.options.reader_name.clone();
        fill(&bus, &name, scope, composer, |composer| self.send(composer))
    }

    /// Handles the next event, or that there is none.
    fn step(&mut self, reader: &mut Reader, composer: &mut Composer) -> anyhow::Result<()> {
        let (position, lineage) = (composer.position(), reader.lineage());
        // Bars of the minutes up to this watermark are delivered once a poll finds nothing.
        let watermark_ms = reader.watermark_ms();
        let timeout = composer.patience(self.options.linger).unwrap_or(POLL_INTERVAL);
        let mut lapped = false;
        match reader.next_or_watermark(timeout, position.done_ms)? {
            Some(Event::Bars(bars)) => {
                for bar in bars.into_iter().filter(|bar| bar.seq >= self.known_below) {
                    // A withdrawal concerns the bars before it only.
                    self.withdrawals.send_before(bar.seq, lineage, composer)?;
                    composer.push(bar.symbol, &bar)?;
                }
            }
            Some(Event::DayClosed(day)) => composer.close(day)?,
            Some(Event::Lapped { missed }) => {
                tracing::warn!(missed, "the ring has lost bars before they were read");
                lapped = true;
            }
            Some(Event::Withdrawn(_)) => self.withdrawals.load(&self.bus, composer)?,
            Some(Event::MinuteClosed(_)) => {}
            None if watermark_ms > position.done_ms => composer.done(watermark_ms)?,
            None => {}
        }
        if !lapped {
            self.withdrawals.send_before(composer.next_to_read(), lineage, composer)?;
        }
        if lapped {
            composer.give_up_remainder()?;
            self.send(composer)?;
            *reader = self.fill(FillScope::Since(composer.position().received_ns), composer)?;
            return Ok(());
        }
        if composer.patience(self.options.linger).is_some_and(|patience| patience.is_zero()) {
            composer.flush()?;
        }
        self.send(composer)
    }

    /// Hands over the messages that are ready; waits while the channel is full.
    fn send(&mut self, composer: &mut Composer) -> anyhow::Result<()> {
        for message in composer.take() {
            if self.messages.blocking_send(message).is_err() {
                self.is_closed = true;
                bail!("the session has ended");
            }
        }
        self.is_closed |= self.messages.is_closed();
        Ok(())
    }
}
