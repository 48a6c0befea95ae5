//! Reads inputs to their end and examines what they hold, before anything is done with it.

use std::io;

use barbus_bars::Label;

use crate::doubts::{CheckOptions, Checker, Doubt, Findings};
use crate::error::InputError;
use crate::input::Opener;
use crate::order::{FeedOrder, Ordered, RejectStore};
use crate::packing::progress::Progress;
use crate::source::{LeftOut, NightDates, NumberSymbols, ParsedRows, Undecided};
use crate::understood::Understood;

/// Everything that inputs hold.
pub struct Reading {
    /// The bars in feed order.
    pub bars: Ordered,
    /// The rows that could not be read.
    pub rejects: RejectStore,
    /// The inputs that could not be read, or not to their end.
    pub failures: Vec<InputError>,
    /// What was understood of each input.
    pub understood: Vec<Understood>,
    /// The records that are no bars.
    pub left_out: LeftOut,
    undecided: Vec<Undecided>,
    date_only: u64,
    other_volume: u64,
    number_symbols: NumberSymbols,
    night_dates: Vec<NightDates>,
    zone: String,
    rows: u64,
}

impl Reading {
    /// Reads all `inputs` to their end. An input that cannot be read does not stop the others.
    ///
    /// # Errors
    /// When a temporary file cannot be written.
    pub fn of(inputs: Vec<Result<String, InputError>>, opener: &Opener, progress: &Progress) -> io::Result<Reading> {
        let schema = &opener.options().schema;
        let mut order = FeedOrder::new(schema);
        let mut parsed = ParsedRows::new(schema);
        let mut rejects = RejectStore::default();
        let (mut failures, mut understood) = (Vec::new(), Vec::new());
        let mut rows = 0;
        for input in inputs {
            let mut source = match input.and_then(|path| opener.open(&path, progress)) {
                Ok(source) => source,
                Err(error) => {
                    failures.push(error);
                    continue;
                }
            };
            loop {
                std::mem::swap(&mut parsed.bars, order.rows());
                let before = parsed.bars.len();
                let read = source.read(&mut parsed);
                rows += (parsed.bars.len() - before) as u64;
                std::mem::swap(&mut parsed.bars, order.rows());
                order.make_room()?;
                rejects.add(parsed.rejects.drain(..))?;
                match read {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        failures.push(error);
                        break;
                    }
                }
            }
            understood.extend(source.understood());
        }
        Ok(Reading {
            bars: order.finish()?,
            rejects,
            failures,
            understood,
            left_out: parsed.left_out,
            undecided: parsed.undecided,
            date_only: parsed.date_only,
            other_volume: parsed.other_volume,
            number_symbols: parsed.number_symbols,
            night_dates: parsed.night_dates,
            zone: schema.zone().to_owned(),
            rows,
        })
    }

    /// The number of bars.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Examines all bars. Afterwards they are read from the first one on again.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub fn examine(&mut self, options: CheckOptions) -> io::Result<Findings> {
        let label = self.label();
        let zone = options.zone.clone();
        let mut checker = Checker::new(CheckOptions { label: options.label.clone().or(label), ..options });
        self.bars.rewind();
        while let Some(batch) = self.bars.next_batch()? {
            checker.observe(&batch);
        }
        self.bars.rewind();
        let mut findings = checker.finish();
        let mut doubts = self.doubts(|ms| crate::doubts::show(ms, &zone));
        doubts.append(&mut findings.doubts);
        // A date without a time explains every other doubt about times.
        let dates = self.date_only * 2 > self.rows && self.rows > 0;
        doubts.truncate(if dates { 1 } else { usize::MAX });
        Ok(Findings { doubts, ..findings })
    }

    /// The label of all inputs, if they have the same.
    fn label(&self) -> Option<(Label, String)> {
        let first = self.understood.first()?;
        let same = self.understood.iter().all(|other| other.label == first.label);
        same.then(|| (first.label, first.label_why.clone()))
    }

    /// The doubts that reading left.
    fn doubts(&self, shown: impl Fn(i64) -> String) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        if self.date_only * 2 > self.rows && self.rows > 0 {
            doubts.push(Doubt {
                what: format!(
                    "{} of {} rows have a date without a time of day: all bars of a day would end at midnight",
                    self.date_only, self.rows
                ),
                way_out: "name the column with the time of day too, such as --map 'frame=DATE+TIME'".to_owned(),
            });
        }
        if let Some(longer) = self.longer() {
            doubts.push(longer);
        }
        if let Some(first) = self.undecided.first() {
            let rows: u64 = self.undecided.iter().map(|undecided| undecided.rows).sum();
            doubts.push(Doubt {
                what: format!(
                    "{rows} rows, such as those of {} from {} on, are in an hour that clocks showed twice, and their order does not tell which",
                    first.symbol,
                    shown(first.frame_ms)
                ),
                way_out: "give --ambiguous first or --ambiguous last, or times with an offset".to_owned(),
            });
        }
        if self.other_volume > 0 {
            doubts.push(Doubt {
                what: format!(
                    "{} rows have a volume that is not 0, and another column was taken for it because the first rows have 0",
                    self.other_volume
                ),
                way_out: "name the column with --map volume=NAME".to_owned(),
            });
        }
        if let Some(night) = self.night_dates.iter().find(|night| night.steps > 0) {
            let steps: u64 = self.night_dates.iter().map(|night| night.steps).sum();
            doubts.push(Doubt {
                what: format!(
                    "the clock goes back within a date {steps} times, such as {}: the dates are those of trading days, and bars of the night belong to an evening before",
                    night.example
                ),
                way_out: "name a column with the date of the clock with --map frame=NAME".to_owned(),
            });
        }
        let number = |text: &std::sync::Arc<str>| text.bytes().all(|byte| byte.is_ascii_digit());
        let ids = self.understood.iter().filter_map(|understood| understood.symbol_column.as_ref());
        if ids.clone().any(|name| barbus_bars::normalize_name(name) == "instrument_id")
            && self.bars.symbols().iter().all(number)
        {
            doubts.push(Doubt {
                what: "the symbols are numbers from the column instrument_id, which name an instrument for a day only"
                    .to_owned(),
                way_out:
                    "add the symbols to the file (Databento: map_symbols), or name their column with --map symbol=NAME"
                        .to_owned(),
            });
        } else {
            doubts.extend(self.number_symbols.doubt(&self.zone));
        }
        doubts
    }

    /// The doubt that every row is of another interval.
    fn longer(&self) -> Option<Doubt> {
        if self.rows > 0 {
            return None;
        }
        let (reason, count) = self.left_out.iter().max_by_key(|(_, count)| **count)?;
        let (_, value) = reason.split_once(' ')?;
        let length = crate::values::interval::minutes(value).filter(|minutes| *minutes > 1)?;
        let words = crate::values::interval::in_words(u64::from(length));
        Some(Doubt {
            what: format!("all {count} rows are bars of {words} and not of 1 minute ({reason})"),
            way_out: "take files of 1-minute bars".to_owned(),
        })
    }
}
