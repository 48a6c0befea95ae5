//! The interface of every input: a source of rows.

use std::collections::VecDeque;

use barbus_bars::BarSchema;

pub use crate::bind::binder::LeftOut;
pub use crate::bind::fold::Undecided;
pub use crate::bind::number_symbols::NumberSymbols;
pub use crate::bind::trading_dates::NightDates;
use crate::error::InputError;
use crate::reject::Reject;
use crate::rows::Rows;
use crate::understood::Understood;

/// Most rows of one batch on the way to the daemon.
pub const BATCH_ROWS: usize = 8192;

/// The rows of one input.
pub trait RowSource: Send {
    /// Appends about [`BATCH_ROWS`] rows to `parsed`; returns `false` when the input has no more.
    ///
    /// # Errors
    /// [`InputError`] when reading fails. The rows before the failure are in `parsed`.
    fn read(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError>;

    /// What was understood of the input, or of the parts of it that were opened so far.
    fn understood(&self) -> Vec<Understood>;
}

/// Rows read from inputs.
#[derive(Debug)]
pub struct ParsedRows {
    /// The bars.
    pub bars: Rows,
    /// The rows that could not be read.
    pub rejects: VecDeque<Reject>,
    /// The records that are no bars of the bus.
    pub left_out: LeftOut,
    /// Bars at times that a clock showed twice, between which nothing decided.
    pub undecided: Vec<Undecided>,
    /// The number of bars whose time was a date without a time of day.
    pub date_only: u64,
    /// The number of bars with a volume in a column that was taken to be always zero.
    pub other_volume: u64,
    /// The symbols that are numbers, unless the options say how many digits they have.
    pub number_symbols: NumberSymbols,
    /// Inputs whose dates are those of trading days.
    pub night_dates: Vec<NightDates>,
}

impl ParsedRows {
    /// No rows yet.
    pub fn new(schema: &BarSchema) -> ParsedRows {
        ParsedRows::of(Rows::new(schema))
    }

    /// These bars and nothing else.
    pub(crate) fn of(bars: Rows) -> ParsedRows {
        ParsedRows {
            bars,
            rejects: VecDeque::new(),
            left_out: LeftOut::new(),
            undecided: Vec::new(),
            date_only: 0,
            other_volume: 0,
            number_symbols: NumberSymbols::default(),
            night_dates: Vec::new(),
        }
    }

    /// Appends all of `other` but its bars, and returns these.
    pub(crate) fn append_all_but_bars(&mut self, other: ParsedRows) -> Rows {
        let ParsedRows {
            bars,
            mut rejects,
            left_out,
            mut undecided,
            date_only,
            other_volume,
            number_symbols,
            mut night_dates,
        } = other;
        self.rejects.append(&mut rejects);
        for (reason, rows) in left_out {
            *self.left_out.entry(reason).or_default() += rows;
        }
        self.undecided.append(&mut undecided);
        self.date_only += date_only;
        self.other_volume += other_volume;
        self.number_symbols.merge(number_symbols);
        self.night_dates.append(&mut night_dates);
        bars
    }

    /// The number of bars and rejects.
    pub fn len(&self) -> usize {
        self.bars.len() + self.rejects.len()
    }

    /// Whether there are neither bars nor rejects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of records that are no bars.
    pub fn left_out_rows(&self) -> u64 {
        self.left_out.values().sum()
    }
}
