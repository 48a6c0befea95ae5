//! The place of a source in the priority.

use barbus::Sources;

/// The place of a source: a lower one has a higher priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u8);

impl Rank {
    /// How many ranks there are.
    pub(crate) const COUNT: usize = 16;

    /// Of the source of a bar that the writer found when it started.
    pub(crate) const UNKNOWN: Self = Self(0);
    /// Of the first source in the priority.
    pub(crate) const FIRST: Self = Self(1);
    /// Of every source that is not in the priority.
    pub(crate) const UNLISTED: Self = Self(Self::COUNT as u8 - 1);

    /// Of the source at this place in the priority, counted from 0.
    pub(crate) fn listed(place: usize) -> Self {
        const { assert!(Sources::MAX <= Self::COUNT - 2) };
        debug_assert!(place < Sources::MAX);
        Self(place as u8 + 1)
    }

    /// The place in the priority, counted from 0, if it has one.
    pub(crate) fn place(self) -> Option<usize> {
        (self != Self::UNKNOWN && self != Self::UNLISTED).then(|| usize::from(self.0) - 1)
    }

    /// A number below [`Rank::COUNT`], lower for a higher priority.
    pub(crate) fn index(self) -> usize {
        self.0.into()
    }
}
