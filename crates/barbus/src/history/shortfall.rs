//! Why an answer has fewer bars than were asked for.

use std::fmt;

use barbus_bars::Date;

/// Something that an answer does not have and that was asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shortfall {
    /// Trading days of the question without any bar on the bus.
    MissingDays {
        /// The first of them.
        first: Date,
        /// The last of them.
        last: Date,
        /// How many trading days these are, with the first and the last.
        days: usize,
    },
    /// A symbol has fewer bars than were asked for.
    FewerBars {
        /// The symbol.
        symbol: String,
        /// The bars in the answer.
        found: usize,
        /// The bars that were asked for.
        asked: usize,
    },
    /// The file of a day, or a part of it, is damaged; the day was left out, as asked.
    Damaged {
        /// The day.
        day: Date,
        /// The file and what is wrong with it.
        error: String,
    },
    /// The ring could not be read: bars that are not in the archive yet are not in the answer.
    NoRing {
        /// Why not.
        error: String,
    },
    /// A symbol has no bar with a factor: its prices are as they were traded.
    NotAdjusted {
        /// The symbol.
        symbol: String,
    },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shortfall::MissingDays { first, days: 1, .. } => write!(f, "{first}: no bars on the bus"),
            Shortfall::MissingDays { first, last, days } => {
                write!(f, "{first} to {last}: no bars on the bus, {days} trading days")
            }
            Shortfall::FewerBars { symbol, found, asked } => {
                write!(f, "{symbol}: {found} of {asked} bars, the bus has no earlier ones")
            }
            Shortfall::Damaged { day, error } => write!(f, "{day} left out: {error}"),
            Shortfall::NoRing { error } => write!(f, "only archived bars: {error}"),
            Shortfall::NotAdjusted { symbol } => write!(f, "{symbol}: not adjusted, its bars have no factor"),
        }
    }
}
