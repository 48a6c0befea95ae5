//! Follows the bars of the newest day into the market.

use std::time::{Duration, Instant};

use barbus::{Bus, Error, Event, Reader, Start};

use super::market::Market;
use super::model::Shared;
use super::worker::lock;

/// For how long bars are read before the screen may be drawn.
const SLICE: Duration = Duration::from_millis(20);

/// Reads the bars of a bus, and begins again where that is needed.
pub(super) struct BarFollower {
    bus: Bus,
    model: Shared,
    reader: Option<Reader>,
}

/// How a reading went.
enum Outcome {
    /// There are more bars to read at once.
    More,
    CaughtUp,
    /// The day must be read again: bars were withdrawn, or missed while this process was stopped.
    Again,
}

impl BarFollower {
    /// A follower that has not read anything.
    pub(super) fn new(bus: &Bus, model: &Shared) -> BarFollower {
        BarFollower { bus: bus.clone(), model: model.clone(), reader: None }
    }

    /// Reads all bars that are there.
    pub(super) fn step(&mut self) {
        // A day is read again at most once in a step.
        for attempt in 1..=2 {
            match self.read_all() {
                Ok(Outcome::Again) if attempt == 1 => self.reader = None,
                Ok(_) => break,
                Err(error) => {
                    lock(&self.model).bars_error = Some(error.to_string());
                    self.reader = None;
                    break;
                }
            }
        }
    }

    fn read_all(&mut self) -> Result<Outcome, Error> {
        if self.reader.is_none() {
            // Figures of another process must not count this one.
            let reader = Reader::open(self.bus.path())?.anonymous().start_at(Start::Today)?;
            let mut model = lock(&self.model);
            model.market = Market::new(self.bus.settings().calendar.clone());
            model.bars_error = None;
            self.reader = Some(reader);
        }
        let reader = self.reader.as_mut().expect("it was opened");
        loop {
            match read_slice(reader, &self.model)? {
                Outcome::More => {}
                Outcome::CaughtUp => break,
                Outcome::Again => return Ok(Outcome::Again),
            }
        }
        let revised = lock(&self.model).market.to_recount();
        for (name, bars) in revised {
            let rows = reader.window(&name, bars)?;
            lock(&self.model).market.recount(&name, &rows);
        }
        Ok(Outcome::CaughtUp)
    }
}

/// Reads bars for a moment, with the lock only while there is no need to wait for a file.
fn read_slice(reader: &mut Reader, model: &Shared) -> Result<Outcome, Error> {
    let begun = Instant::now();
    loop {
        let event = reader.next(Duration::ZERO)?;
        let mut model = lock(model);
        let market = &mut model.market;
        match event {
            None => {
                market.note_caught_up(Instant::now());
                return Ok(Outcome::CaughtUp);
            }
            Some(Event::Bars(bars)) => bars.iter().for_each(|bar| market.take(bar.symbol, &bar)),
            Some(Event::DayClosed(day)) => market.close(day),
            Some(Event::Withdrawn(_)) => return Ok(Outcome::Again),
            Some(Event::Lapped { .. }) if market.has_caught_up => return Ok(Outcome::Again),
            Some(Event::Lapped { missed }) => market.missed += missed,
            Some(Event::MinuteClosed(_)) => {}
        }
        if begun.elapsed() >= SLICE {
            return Ok(Outcome::More);
        }
    }
}
