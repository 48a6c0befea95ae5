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
        ParsedRows {
            bars: Rows::new(schema),
            rejects: VecDeque::new(),
            left_out: LeftOut::new(),
            undecided: Vec::new(),
            date_only: 0,
            other_volume: 0,
            number_symbols: NumberSymbols::default(),
            night_dates: Vec::new(),
        }
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
