//! Counts the rows of each source of bars, for the state of the bus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barbus::internal::printable;
use barbus::protocol::{Ack, SourceStat};
use jiff::Timestamp;

use crate::peer::Peer;

/// Most sources that are counted by themselves: a producer may state any name.
const MAX_SOURCES: usize = 64;
/// Where the streams of further sources are counted.
const OTHER: &str = "other";

/// The sources since the daemon started, by name.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<BTreeMap<String, Arc<Mutex<SourceStat>>>>);

impl Sources {
    /// The counts for a stream of `peer` that states the source `stated`.
    pub(crate) fn of_stream(&self, stated: Option<&str>, peer: Peer) -> CountedSource {
        let name = stated.map_or_else(|| format!("user {}", peer.user_name()), printable);
        let mut sources = lock(&self.0);
        let is_full = sources.keys().filter(|name| *name != OTHER).count() >= MAX_SOURCES;
        let name = if is_full && !sources.contains_key(&name) { OTHER.to_owned() } else { name };
        let counts = Arc::clone(sources.entry(name).or_default());
        drop(sources);
        lock(&counts).connected += 1;
        CountedSource(counts)
    }

    /// The counts of all sources.
    pub(crate) fn stat(&self) -> BTreeMap<String, SourceStat> {
        lock(&self.0).iter().map(|(name, counts)| (name.clone(), lock(counts).clone())).collect()
    }
}

/// The counts of a stream's source; the stream counts as connected until this is dropped.
#[derive(Debug)]
pub(crate) struct CountedSource(Arc<Mutex<SourceStat>>);

impl CountedSource {
    /// Counts a batch that was handled; `newest_frame_ms` is that of its valid bars.
    pub(crate) fn add(&self, batch: Ack, newest_frame_ms: Option<i64>) {
        let frame = newest_frame_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        lock(&self.0).add(batch, frame, Timestamp::now());
    }
}

impl Drop for CountedSource {
    fn drop(&mut self) {
        lock(&self.0).connected -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_limited_and_streams_of_one_name_are_one_source() {
        let sources = Sources::default();
        let root = Peer::of_user(0);
        let first = sources.of_stream(None, root);
        let again = sources.of_stream(None, root);
        let many: Vec<_> = (0..100).map(|number| sources.of_stream(Some(&format!("feed {number}")), root)).collect();
        let known = sources.of_stream(Some("feed 3"), root);
        first.add(Ack { rows: 1, accepted: 1, ..Ack::default() }, Some(60_000));
        again.add(Ack { rows: 2, duplicate: 2, ..Ack::default() }, None);
        let stat = sources.stat();
        assert_eq!(stat.len(), MAX_SOURCES + 1);
        assert_eq!((stat["user root"].rows, stat["user root"].connected), (3, 2));
        assert_eq!((stat["feed 3"].connected, stat[OTHER].connected), (2, 100 - 63));
        drop((first, again, many, known));
        assert!(sources.stat().values().all(|source| source.connected == 0));
    }

    #[test]
    fn a_name_has_no_control_characters() {
        let sources = Sources::default();
        drop(sources.of_stream(Some("a\u{1b}[2J\n"), Peer::of_user(0)));
        assert_eq!(sources.stat().into_keys().collect::<Vec<_>>(), [r"a\u{1b}[2J\n"]);
    }
}
