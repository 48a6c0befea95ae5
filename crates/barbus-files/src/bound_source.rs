//! Records and a binder together: the rows of one input.

use std::sync::atomic::Ordering;

use crate::bind::binder::{Binder, Outcome};
use crate::bind::plan::Plan;
use crate::error::InputError;
use crate::options::InputOptions;
use crate::packing::live::Waiting;
use crate::records::{Records, Step};
use crate::reject::Reject;
use crate::source::{BATCH_ROWS, ParsedRows, RowSource};
use crate::understood::Understood;

/// Makes a plan for records with other columns than those before.
pub(crate) type Rebind = Box<dyn Fn(&[String], &[Option<String>]) -> Result<Plan, String> + Send>;

/// The rows of one input.
pub(crate) struct BoundSource<R> {
    input: String,
    records: R,
    binder: Binder,
    rebind: Rebind,
    understood: Understood,
    /// Why the current records cannot be bound.
    unbound: Option<String>,
    ended: bool,
    /// The waiting bytes of an input that is still written.
    waiting: Option<Waiting>,
}

impl<R: Records> BoundSource<R> {
    pub(crate) fn new(records: R, binder: Binder, rebind: Rebind, understood: Understood) -> BoundSource<R> {
        let input = understood.input.clone();
        BoundSource { input, records, binder, rebind, understood, unbound: None, ended: false, waiting: None }
    }

    /// The same source for an input that is still written: rows are returned when no more wait.
    pub(crate) fn live(self, waiting: Option<Waiting>) -> BoundSource<R> {
        BoundSource { waiting, ..self }
    }

    fn is_waited_for(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.load(Ordering::Acquire) == 0)
    }

    /// The rows of records that are bound when they come, because none was there before.
    pub(crate) fn unbound(records: R, options: &InputOptions, rebind: Rebind, input: &str) -> BoundSource<R> {
        let understood = Understood {
            input: input.to_owned(),
            layout: None,
            columns: Vec::new(),
            label: options.label.unwrap_or(options.default_label),
            label_why: "nothing was read".to_owned(),
            zone: "none".to_owned(),
            zone_why: "nothing was read".to_owned(),
            symbol: "none".to_owned(),
            symbol_column: None,
            notes: Vec::new(),
        };
        let binder = Binder::new(Plan::empty(), &options.schema, options.ambiguous);
        BoundSource::new(records, binder, rebind, understood)
    }

    fn take(&mut self, parsed: &mut ParsedRows) {
        match &self.unbound {
            Some(reason) => reject(&self.input, &self.records, reason.clone(), parsed),
            None => take(&self.input, &self.records, &mut self.binder, parsed),
        }
    }

    fn bind_again(&mut self) {
        let names = self.records.names();
        let row = (0..names.len()).map(|column| self.records.cell(column).text().map(|text| text.into_owned()));
        match (self.rebind)(&names, &row.collect::<Vec<_>>()) {
            Ok(plan) => {
                self.binder.with_plan(plan);
                self.unbound = None;
            }
            Err(reason) => self.unbound = Some(reason),
        }
    }

    fn read_on(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError> {
        let enough = parsed.len() + BATCH_ROWS;
        // Records that are left out make no rows: they are counted too, so that a call ends.
        for _ in 0..BATCH_ROWS * 4 {
            if parsed.len() >= enough || (parsed.len() > enough - BATCH_ROWS && self.is_waited_for()) {
                break;
            }
            match self.records.advance()? {
                Step::End => return Ok(false),
                Step::Bad => reject(&self.input, &self.records, self.records.problem(), parsed),
                Step::NewNames => {
                    self.bind_again();
                    self.take(parsed);
                }
                Step::Record => self.take(parsed),
            }
        }
        Ok(true)
    }
}

/// Appends what the current record of `records` gives.
pub(crate) fn take(input: &str, records: &impl Records, binder: &mut Binder, parsed: &mut ParsedRows) {
    match binder.push(records, &mut parsed.bars) {
        Ok(Outcome::Bars) => {}
        Ok(Outcome::LeftOut(reason)) => *parsed.left_out.entry(reason).or_default() += 1,
        Err(fault) => reject(input, records, fault.to_string(), parsed),
    }
}

/// Rejects the current record of `records`.
pub(crate) fn reject(input: &str, records: &impl Records, reason: String, parsed: &mut ParsedRows) {
    let source = format!("{input}:{}", records.place());
    parsed.rejects.push_back(Reject { row: records.text(), source, reason });
}

impl<R: Records> RowSource for BoundSource<R> {
    fn read(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError> {
        if self.ended {
            return Ok(false);
        }
        let read = self.read_on(parsed);
        self.ended = !matches!(read, Ok(true));
        self.binder.settle(self.ended, parsed);
        read
    }

    fn understood(&self) -> Vec<Understood> {
        vec![self.understood.clone()]
    }
}
