//! The places for connections: how many there are, and how many one user may take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::peer::Peer;

/// Most producers at once.
const MAX_PRODUCERS: usize = 512;
/// Most connections with requests at once. They have places of their own, so that producers never
/// keep an operator out.
const MAX_REQUESTS: usize = 32;
/// Most of them of one user.
const MAX_REQUESTS_OF_USER: usize = 8;
/// Connections that came when no producer's place was free, and have not sent a request yet.
const MAX_NEWCOMERS: usize = 64;
/// Most of them of one user.
const MAX_NEWCOMERS_OF_USER: usize = 16;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Producer,
    Requests,
    Newcomer,
}

/// All places, by kind.
#[derive(Debug)]
pub(crate) struct Places {
    producers_of_user: usize,
    /// Taken places, by kind and user.
    taken: Mutex<[HashMap<Option<u32>, usize>; 3]>,
}

impl Places {
    /// `producers_of_user`: most producers of one user; the daemon's own user and root may have all
    /// places.
    pub(crate) fn new(producers_of_user: usize) -> Arc<Self> {
        Arc::new(Self { producers_of_user, taken: Mutex::default() })
    }

    /// A place for a connection of which nothing is known yet: that of a producer, or that of a
    /// newcomer, who may only send requests.
    ///
    /// # Errors
    /// There is none. The text is an answer to the peer.
    pub(crate) fn enter(self: &Arc<Self>, peer: Peer) -> Result<Place, String> {
        let user = if peer.is_trusted() { None } else { peer.uid };
        let place = |kind, rejection| Place { places: Arc::clone(self), kind, user, rejection };
        match self.take(Kind::Producer, user) {
            Ok(()) => Ok(place(Kind::Producer, String::new())),
            Err(why) => self.take(Kind::Newcomer, user).map_err(|_| why.clone()).map(|()| place(Kind::Newcomer, why)),
        }
    }

    fn take(&self, kind: Kind, user: Option<u32>) -> Result<(), String> {
        let (all, of_user) = match kind {
            Kind::Producer => (MAX_PRODUCERS, self.producers_of_user),
            Kind::Requests => (MAX_REQUESTS, MAX_REQUESTS_OF_USER),
            Kind::Newcomer => (MAX_NEWCOMERS, MAX_NEWCOMERS_OF_USER),
        };
        let mut taken = self.lock();
        let taken = &mut taken[kind as usize];
        if taken.values().sum::<usize>() >= all {
            return Err(format!("too many connections: {all} at once"));
        }
        let own = taken.get(&user).copied().unwrap_or(0);
        if let Some(uid) = user.filter(|_| own >= of_user) {
            return Err(format!(
                "too many connections of uid {uid}: {of_user} at once, see ingest.connections_per_user"
            ));
        }
        taken.insert(user, own + 1);
        Ok(())
    }

    fn leave(&self, kind: Kind, user: Option<u32>) {
        let mut taken = self.lock();
        let taken = &mut taken[kind as usize];
        if let Some(count) = taken.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&user);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, [HashMap<Option<u32>, usize>; 3]> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection; dropping it leaves the place.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    kind: Kind,
    user: Option<u32>,
    /// Why a newcomer may not be a producer.
    rejection: String,
}

impl Place {
    /// Why this connection may not be a producer, if that is so.
    pub(crate) fn rejection(&self) -> Option<&str> {
        (self.kind == Kind::Newcomer).then_some(&self.rejection)
    }

    /// Takes a place for requests instead.
    ///
    /// # Errors
    /// There is none. The text is an answer to the peer.
    pub(crate) fn move_to_requests(&mut self) -> Result<(), String> {
        self.places.take(Kind::Requests, self.user)?;
        self.places.leave(std::mem::replace(&mut self.kind, Kind::Requests), self.user);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.leave(self.kind, self.user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(places: &Arc<Places>, uid: u32) -> Vec<Place> {
        std::iter::from_fn(|| places.enter(Peer::of_user(uid)).ok()).take(10_000).collect()
    }

    #[test]
    fn one_user_does_not_shut_others_out() {
        let places = Places::new(100);
        let flood = many(&places, 7_777);
        assert_eq!(flood.iter().filter(|place| place.rejection().is_none()).count(), 100);
        assert_eq!(flood.len(), 100 + MAX_NEWCOMERS_OF_USER);
        let mut other = places.enter(Peer::of_user(8_888)).unwrap();
        assert_eq!(other.rejection(), None);
        other.move_to_requests().unwrap();
        drop((flood, other));
        assert!(places.lock().iter().all(HashMap::is_empty));
    }

    #[test]
    fn requests_have_places_when_all_producers_places_are_taken() {
        let places = Places::new(100);
        let own = nix::unistd::geteuid().as_raw();
        let all = many(&places, own);
        assert_eq!(all.len(), MAX_PRODUCERS + MAX_NEWCOMERS);
        let (producers, newcomers): (Vec<_>, Vec<_>) = all.into_iter().partition(|place| place.rejection().is_none());
        assert_eq!(producers.len(), MAX_PRODUCERS);
        drop(newcomers);
        let mut operator = places.enter(Peer::of_user(8_888)).unwrap();
        assert_eq!(operator.rejection(), Some("too many connections: 512 at once"));
        operator.move_to_requests().unwrap();
        assert_eq!(operator.rejection(), None);
    }
}
