//! The sources by priority, and which of them a producer is.

use std::sync::Arc;

use barbus::Sources;

use crate::sources::rank::Rank;

/// What messages call a source that is not in the priority.
const UNLISTED: &str = "other";

/// `sources.priority` of `bus.toml`.
#[derive(Debug, Clone)]
pub(crate) struct Priority(Arc<[String]>);

impl Priority {
    pub(crate) fn new(sources: &Sources) -> Self {
        Self(sources.priority.iter().cloned().collect())
    }

    /// Whether no source has a priority.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rank of a producer of `user` that states the name `stated`: that of the first entry
    /// which names either. A producer cannot state that it is another user.
    pub(crate) fn rank(&self, stated: Option<&str>, user: Option<&str>) -> Rank {
        let is_it = |entry: &String| match entry.strip_prefix(Sources::USER) {
            Some(name) => user == Some(name),
            None => stated == Some(entry),
        };
        self.0.iter().position(is_it).map_or(Rank::UNLISTED, Rank::listed)
    }

    /// The name of a source; `None` for one that is not known.
    pub(crate) fn name(&self, rank: Rank) -> Option<&str> {
        match rank {
            Rank::UNKNOWN => None,
            _ => Some(rank.place().and_then(|place| self.0.get(place)).map_or(UNLISTED, String::as_str)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_that_names_a_producer_counts() {
        let priority = ["feed-a", "user alice", "feed-b"].map(str::to_owned).to_vec();
        let priority = Priority::new(&Sources { priority, ..Sources::default() });
        let rank = |stated, user| priority.rank(stated, user).place();
        assert_eq!((rank(Some("feed-a"), None), rank(Some("feed-b"), Some("bob"))), (Some(0), Some(2)));
        assert_eq!((rank(Some("feed-b"), Some("alice")), rank(None, Some("alice"))), (Some(1), Some(1)));
        // A name is no user, and a user is no name.
        assert_eq!((rank(Some("user alice"), Some("bob")), rank(Some("alice"), Some("feed-a"))), (None, None));
        assert_eq!(rank(None, None), None);
        let names = [Rank::UNKNOWN, Rank::FIRST, Rank::listed(2), Rank::UNLISTED].map(|rank| priority.name(rank));
        assert_eq!(names, [None, Some("feed-a"), Some("feed-b"), Some("other")]);
    }
}
