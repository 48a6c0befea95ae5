//! Each message says which one it follows, and the server refuses one that does not.

use std::collections::HashMap;

/// Which message the next one follows.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Whether the stream has messages of this bus only.
    pub(crate) is_exclusive: bool,
    /// The number of the last message that was sent.
    last: u64,
    /// The last message of each subject, as far as it is known.
    of_subjects: HashMap<String, u64>,
}

/// What the server compares before it stores a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    OfStream(u64),
    OfSubject(u64),
    Unknown,
}

impl Chain {
    /// After message `last` of the stream.
    pub(crate) fn new(is_exclusive: bool, last: u64) -> Self {
        Self { is_exclusive, last, of_subjects: HashMap::new() }
    }

    /// What the next message on `subject` follows; it is counted as sent.
    pub(crate) fn expected(&mut self, subject: &str) -> Expected {
        match self.is_exclusive {
            true => {
                self.last += 1;
                Expected::OfStream(self.last - 1)
            }
            false => self.of_subjects.get(subject).map_or(Expected::Unknown, |last| Expected::OfSubject(*last)),
        }
    }

    /// Whether the last message on `subject` is known.
    pub(crate) fn knows(&self, subject: &str) -> bool {
        self.of_subjects.contains_key(subject)
    }

    /// A message was stored.
    pub(crate) fn add(&mut self, subject: &str, sequence: u64) {
        if !self.is_exclusive {
            self.of_subjects.insert(subject.to_owned(), sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_form_one_chain() {
        let mut one_bus = Chain::new(true, 7);
        assert_eq!((one_bus.expected("a"), one_bus.expected("b")), (Expected::OfStream(7), Expected::OfStream(8)));
        let mut several = Chain::new(false, 7);
        assert_eq!(several.expected("a"), Expected::Unknown);
        several.add("a", 9);
        assert_eq!((several.expected("a"), several.expected("b")), (Expected::OfSubject(9), Expected::Unknown));
    }
}
