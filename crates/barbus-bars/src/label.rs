//! Whether a producer's times mark the start or the end of a bar.
//!
//! On the bus a frame always marks the end: the cast adds one interval to times with
//! [`Label::Start`].

use serde::{Deserialize, Serialize};

/// What a producer's times mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// The instant at which the bar begins; the cast adds one interval.
    Start,
    /// The instant at which the bar ends.
    #[default]
    End,
}

/// A label that is neither `start` nor `end`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown label {0:?}: give \"start\" or \"end\", the instant of the bar that its time marks")]
pub struct LabelError(pub String);

impl Label {
    /// The word used in settings, on the command line and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Label::Start => "start",
            Label::End => "end",
        }
    }

    /// Milliseconds to add to a producer's time to get the end of a bar of `interval_ms`.
    pub fn shift_ms(self, interval_ms: i64) -> i64 {
        match self {
            Label::Start => interval_ms,
            Label::End => 0,
        }
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Label {
    type Err = LabelError;

    fn from_str(word: &str) -> Result<Label, LabelError> {
        match word {
            "start" => Ok(Label::Start),
            "end" => Ok(Label::End),
            _ => Err(LabelError(word.to_owned())),
        }
    }
}
