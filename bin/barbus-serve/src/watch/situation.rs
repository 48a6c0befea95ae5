//! The state of a bus at one moment, for metrics and pages.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use barbus::protocol::Stat;
use barbus::{Bus, Health, Reader, ReaderStat, RelayStat};

use super::ServedBus;
use super::free_space::Place;
use crate::api::{ApiError, BusState, blocking};

/// A state of this age is new enough for a page.
const STATE_AGE: Duration = Duration::from_secs(1);

/// The state of a bus.
#[derive(Debug, Default)]
pub(crate) struct Situation {
    pub(crate) stat: Stat,
    /// Whether the daemon has answered: without it, what only it knows is absent.
    pub(crate) daemon_answers: bool,
    pub(crate) readers: Vec<ReaderStat>,
    /// What carries bars to and from other machines.
    pub(crate) relays: Vec<RelayStat>,
    pub(crate) health: Health,
    /// Why the ring cannot be read, if it cannot.
    pub(crate) error: Option<String>,
    /// Seconds until the disk is full.
    pub(crate) until_full_s: BTreeMap<Place, f64>,
}

impl ServedBus {
    /// The state, from files and from the daemon if it answers in time.
    pub(crate) async fn situation(&self, grace: Duration) -> Result<Situation, ApiError> {
        let (stat, silent) = self.daemon.stat().await;
        let bus = self.bus.clone();
        let mut situation = blocking(move || Situation::of(&bus, stat, silent, grace)).await?;
        let now = Instant::now();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let until_full =
            situation.free_bytes().filter_map(|(place, bytes)| Some((place, free.note(place, bytes, now)?)));
        situation.until_full_s = until_full.collect();
        Ok(situation)
    }
}

impl ServedBus {
    /// The state for pages. All pages share one answer of a second.
    pub(crate) async fn state_text(&self, grace: Duration) -> Result<Arc<str>, ApiError> {
        let mut kept = self.state.lock().await;
        if let Some((at, text)) = &*kept
            && at.elapsed() < STATE_AGE
        {
            return Ok(text.clone());
        }
        let situation = self.situation(grace).await?;
        let text = serde_json::to_string(&BusState::new(&self.name, &situation)).map_err(ApiError::internal)?;
        let text: Arc<str> = text.into();
        *kept = Some((Instant::now(), text.clone()));
        Ok(text)
    }
}

impl Situation {
    fn of(bus: &Bus, daemon: Option<Stat>, silent: Option<String>, grace: Duration) -> Self {
        let daemon_answers = daemon.is_some();
        let mut error = None;
        let from_files = || match Reader::open(bus.path()) {
            Ok(reader) => Stat { daemon_silent: silent, ..reader.stat() },
            Err(why) => {
                error = Some(why.to_string());
                let days_archived = bus.archived_days().map_or(0, |days| days.len() as u64);
                Stat { days_archived, ..Stat::default() }
            }
        };
        let stat = daemon.unwrap_or_else(from_files);
        let readers = barbus::readers(bus).unwrap_or_default();
        let relays = barbus::relays(bus).unwrap_or_default();
        let health = barbus::health(bus, grace);
        Self { stat, daemon_answers, readers, relays, health, error, until_full_s: BTreeMap::new() }
    }

    /// What is free, as far as it is known.
    pub(crate) fn free_bytes(&self) -> impl Iterator<Item = (Place, u64)> {
        let stat = &self.stat;
        let known = [
            (Place::Archive, stat.archive_free_bytes),
            (Place::Quarantine, stat.quarantine_free_bytes),
            (Place::Ring, stat.ring_free_bytes),
        ];
        known.into_iter().filter_map(|(place, bytes)| Some((place, bytes?)))
    }
}
