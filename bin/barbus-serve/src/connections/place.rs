//! The places of connections, and which of them is idle.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use axum::body::Body;
use tokio::sync::Notify;

use super::body::Guarded;

/// All open connections.
#[derive(Default)]
pub(crate) struct Connections {
    open: Mutex<BTreeMap<u64, Weak<Place>>>,
    next: AtomicU64,
    /// How many idle connections have made room for others.
    closed_for_others: AtomicU64,
}

/// The place of one connection.
pub(super) struct Place {
    number: u64,
    all: Arc<Connections>,
    state: Mutex<PlaceState>,
    close: Notify,
}

struct PlaceState {
    requests: u32,
    idle_since: Instant,
    is_closing: bool,
}

/// A request that is being answered: its connection is not idle.
pub(super) struct Work(Arc<Place>);

impl Connections {
    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Weak<Place>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of open connections.
    pub(crate) fn len(&self) -> usize {
        self.open().len()
    }

    /// How many idle connections have made room for others, since the start.
    pub(crate) fn closed_for_others(&self) -> u64 {
        self.closed_for_others.load(Ordering::Relaxed)
    }

    /// A place for a new connection.
    pub(super) fn admit(self: &Arc<Self>) -> Arc<Place> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = PlaceState { requests: 0, idle_since: Instant::now(), is_closing: false };
        let place = Arc::new(Place { number, all: self.clone(), state: Mutex::new(state), close: Notify::new() });
        self.open().insert(number, Arc::downgrade(&place));
        place
    }

    /// Closes the connection that has been idle longest; returns whether there was one.
    pub(super) fn close_idlest(&self) -> bool {
        let idlest = {
            let open = self.open();
            let idle = open.values().filter_map(Weak::upgrade);
            idle.filter_map(|place| Some((place.idle_since()?, place))).min_by_key(|(since, _)| *since)
        };
        let Some((_, place)) = idlest else { return false };
        place.state().is_closing = true;
        place.close.notify_one();
        self.closed_for_others.fetch_add(1, Ordering::Relaxed);
        true
    }
}

impl Place {
    fn state(&self) -> std::sync::MutexGuard<'_, PlaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when it is idle; `None` while it answers a request, or if it is about to close.
    fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.requests == 0 && !state.is_closing).then_some(state.idle_since)
    }

    /// A request has begun.
    pub(super) fn begin(self: &Arc<Self>) -> Work {
        self.state().requests += 1;
        Work(self.clone())
    }

    /// Ends when the connection must make room.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.open().remove(&self.number);
    }
}

impl Work {
    /// The body of the answer: the request ends with it.
    pub(super) fn until_end_of(self, body: Body) -> Body {
        Body::new(Guarded::new(body, self))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_that_is_idle_longest_makes_room() {
        let connections = Arc::new(Connections::default());
        let (first, second, third) = (connections.admit(), connections.admit(), connections.admit());
        let work = first.begin();
        assert_eq!(connections.len(), 3);
        assert!(connections.close_idlest());
        assert!(second.state().is_closing && !first.state().is_closing && !third.state().is_closing);
        assert!(connections.close_idlest());
        assert!(third.state().is_closing, "the first one answers a request");
        assert!(!connections.close_idlest());
        drop(work);
        assert!(connections.close_idlest());
        assert_eq!(connections.closed_for_others(), 3);
        drop((first, second));
        assert_eq!(connections.len(), 1);
    }
}
