//! Turns records into bars by a plan.
//!
//! A record becomes a bar, a rejected row, or it is left out: a row of another interval, one
//! without any price, an unfinished bar. What is left out is counted with the reason.

use std::collections::BTreeMap;

use barbus_bars::{BarSchema, FIXED_COLUMNS, Fault, SYMBOL};

use super::fold::{Fold, HeldRow, Postponed};
use super::frame::{Frame, FrameParser};
use super::number_symbols::NumberSymbols;
use super::plain::PlainPlan;
use super::plan::{Group, NumberRule, Only, Plan, SymbolRule};
use super::symbol::padded;
use super::trading_dates::TradingDates;
use crate::options::Ambiguous;
use crate::records::Records;
use crate::rows::{NUMBERS, Rows};
use crate::source::ParsedRows;
use crate::values::cell::Cell;
use crate::values::interval;
use crate::values::number::{NumberForm, number, unparseable};

/// Why records were left out, and how many.
pub type LeftOut = BTreeMap<String, u64>;

/// What happened to a record.
pub(crate) enum Outcome {
    /// It became bars.
    Bars,
    /// It is no bar, for this reason.
    LeftOut(String),
}

/// What a part of an input gives.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) parsed: ParsedRows,
    /// Rows whose instant shows in the order of all rows.
    postponed: Vec<Postponed>,
    trading_dates: TradingDates,
}

/// Turns records into bars.
pub(crate) struct Binder {
    pub(super) plan: Plan,
    /// The plan of plain rows, which are bound without the others' steps.
    pub(super) plain: Option<Box<PlainPlan>>,
    pub(super) schema: BarSchema,
    pub(super) frames: FrameParser,
    fold: Fold,
    policy: Ambiguous,
    /// The last frame, to tell the direction of a file.
    pub(super) last_ms: Option<i64>,
    pub(super) optional: Vec<Option<f64>>,
    /// The symbol of the last row.
    pub(super) symbol: String,
    /// The last symbol of a column that was examined.
    last_code: Vec<u8>,
    /// The symbols that are numbers, unless the plan says how many digits they have.
    pub(crate) number_symbols: NumberSymbols,
    /// The dates of rows that have them in a column of their own.
    pub(crate) trading_dates: TradingDates,
    /// Rows whose time was a date alone.
    pub(crate) date_only: u64,
    /// Rows whose volume was not zero although another column was taken for it.
    pub(crate) other_volume: u64,
}

impl Binder {
    pub(crate) fn new(plan: Plan, schema: &BarSchema, policy: Ambiguous) -> Binder {
        let mut number_symbols = NumberSymbols::default();
        if let (Some(symbol), None) = (&plan.path_symbol, plan.symbol_digits) {
            number_symbols.add(&Cell::Text(symbol.as_bytes().into()));
        }
        Binder {
            frames: FrameParser::new(plan.frame.clone()),
            plain: None,
            plan,
            schema: schema.clone(),
            fold: Fold::new(policy),
            policy,
            last_ms: None,
            optional: vec![None; schema.optional().len()],
            symbol: String::new(),
            last_code: Vec::new(),
            number_symbols,
            trading_dates: TradingDates::default(),
            date_only: 0,
            other_volume: 0,
        }
    }

    /// The same binder for records of other columns.
    pub(crate) fn with_plan(&mut self, plan: Plan) {
        self.frames = FrameParser::new(plan.frame.clone());
        self.plain = None;
        self.plan = plan;
    }

    /// A binder for parts of an input, each of which is then appended by the binder of the whole.
    pub(crate) fn of_parts(plan: Plan, schema: &BarSchema, policy: Ambiguous) -> Binder {
        let mut binder = Binder::new(plan, schema, policy);
        // The fold of a part holds no rows, so a plain row settles none.
        binder.fold = Fold::of_a_part(policy);
        binder.plain = PlainPlan::of(&binder.plan).map(Box::new);
        binder.number_symbols = NumberSymbols::default();
        binder
    }

    /// Reads the part of the input between the last call and this one.
    pub(crate) fn take_part(&mut self, mut parsed: ParsedRows) -> Part {
        self.settle(false, &mut parsed);
        // The next part must not depend on this one.
        self.last_code.clear();
        self.last_ms = None;
        Part { parsed, postponed: self.fold.take_postponed(), trading_dates: std::mem::take(&mut self.trading_dates) }
    }

    /// Appends the next part of the input to `parsed`; returns the bars of the part.
    pub(crate) fn append(&mut self, part: Part, parsed: &mut ParsedRows) -> Rows {
        let Part { parsed: part, postponed, trading_dates } = part;
        self.trading_dates.append(trading_dates, self.plan.frame.digits);
        if postponed.is_empty() && self.fold.is_empty() {
            parsed.bars.append(&part.bars);
            self.last_ms = part.bars.frames_ms().last().copied().or(self.last_ms);
        } else {
            self.append_one_by_one(&part.bars, postponed, &mut parsed.bars);
        }
        parsed.append_all_but_bars(part)
    }

    /// Appends bars of a part, and those among them whose instant shows in the order of all rows.
    fn append_one_by_one(&mut self, bars: &Rows, postponed: Vec<Postponed>, rows: &mut Rows) {
        let mut postponed = postponed.into_iter().peekable();
        for row in 0..=bars.len() {
            while let Some(next) = postponed.next_if(|next| next.rows_before == row) {
                self.fold.add(&next.symbol, next.row, self.last_ms, rows);
            }
            if row < bars.len() {
                let (symbol, ms, numbers) = bars.get(row, &mut self.optional);
                self.fold.settle(symbol, Some(ms), rows);
                rows.push(symbol, ms, numbers, &self.optional);
                self.last_ms = Some(ms);
            }
        }
        if let Some(column) = bars.rounded() {
            rows.note_rounded(column);
        }
    }

    /// Moves what was found beside bars to `parsed`; at the end of the input also the bars that
    /// wait.
    pub(crate) fn settle(&mut self, ended: bool, parsed: &mut ParsedRows) {
        if ended {
            self.fold.settle_all(&mut parsed.bars);
            parsed.night_dates.push(self.trading_dates.found());
        }
        parsed.undecided.extend(self.fold.take_undecided());
        parsed.date_only += std::mem::take(&mut self.date_only);
        parsed.other_volume += std::mem::take(&mut self.other_volume);
        parsed.number_symbols.merge(std::mem::take(&mut self.number_symbols));
    }

    /// Appends the bars of the current record.
    ///
    /// # Errors
    /// The first value that cannot be read; nothing is appended.
    pub(crate) fn push(&mut self, records: &impl Records, rows: &mut Rows) -> Result<Outcome, Fault> {
        let plan = std::mem::take(&mut self.plan.groups);
        let result = self.push_groups(&plan, records, rows);
        self.plan.groups = plan;
        result
    }

    fn push_groups(&mut self, groups: &[Group], records: &impl Records, rows: &mut Rows) -> Result<Outcome, Fault> {
        if let Some(reason) = self.left_out(records) {
            return Ok(Outcome::LeftOut(reason));
        }
        let side_by_side = groups.len() > 1;
        let mut pushed = false;
        let mut frame = None;
        for group in groups {
            if has_no_price(group, records) {
                continue;
            }
            let frame = match frame {
                Some(frame) => frame,
                None => *frame.insert(self.frame(records)?),
            };
            self.push_group(group, frame, records, rows)?;
            if !pushed {
                self.note_date(frame, records);
            }
            pushed = true;
        }
        match pushed {
            true => Ok(Outcome::Bars),
            false if side_by_side => Ok(Outcome::LeftOut("no prices".to_owned())),
            // A row without prices but with a readable time is no bar; other rows are faulty.
            false => self.frame(records).map(|_| Outcome::LeftOut("no prices".to_owned())),
        }
    }

    fn frame(&mut self, records: &impl Records) -> Result<Frame, Fault> {
        let (frame, date_only) = match self.plan.frame.columns[..] {
            [column] => self.frames.read(&[records.cell(column)])?,
            [date, time, ..] => self.frames.read(&[records.cell(date), records.cell(time)])?,
            [] => return Err(Fault::MissingValue { column: FIXED_COLUMNS[1].to_owned() }),
        };
        self.date_only += u64::from(date_only);
        Ok(frame)
    }

    fn push_group(
        &mut self,
        group: &Group,
        frame: Frame,
        records: &impl Records,
        rows: &mut Rows,
    ) -> Result<(), Fault> {
        let mut symbol = std::mem::take(&mut self.symbol);
        symbol.clear();
        let written = write_symbol(&group.symbol, records, self.plan.symbol_digits, &mut symbol);
        self.symbol = symbol;
        written?;
        if let (SymbolRule::Column { column, .. }, None) = (&group.symbol, self.plan.symbol_digits) {
            self.note_code(&records.cell(*column));
        }
        let prices = &self.plan.numbers;
        let others = NumberForm { scale: None, ..*prices };
        let mut numbers = [0.0; NUMBERS];
        for (i, value) in numbers.iter_mut().enumerate() {
            let form = if i < 4 { prices } else { &others };
            *value = match &group.numbers[i] {
                NumberRule::Absent => 0.0,
                rule => sum(FIXED_COLUMNS[i + 2], rule, records, form, rows)?
                    .ok_or_else(|| Fault::MissingValue { column: FIXED_COLUMNS[i + 2].to_owned() })?,
            };
        }
        for (i, rule) in group.optional.iter().enumerate() {
            self.optional[i] = sum(&self.schema.optional()[i], rule, records, &others, rows)?;
        }
        if let Some(column) = self.plan.zero_volume
            && number(FIXED_COLUMNS[6], &records.cell(column), &others, rows)?.is_some_and(|value| value != 0.0)
        {
            self.other_volume += 1;
        }
        self.push_bar(frame, numbers, rows)
    }

    /// Notes the date of a record that has it in a column of its own.
    fn note_date(&mut self, frame: Frame, records: &impl Records) {
        let ([date, time], Frame::At(ms)) = (&self.plan.frame.columns[..], frame) else { return };
        let (date, time) = (records.cell(*date), records.cell(*time));
        if let (Cell::Text(date), Cell::Text(time)) = (&date, &time) {
            self.trading_dates.add(&self.symbol, ms, date, time, self.plan.frame.digits);
        } else if let (Some(date), Some(time)) = (date.shown(), time.shown()) {
            self.trading_dates.add(&self.symbol, ms, date.as_bytes(), time.as_bytes(), self.plan.frame.digits);
        }
    }

    /// Counts the symbol of a record if it is a number.
    pub(super) fn note_code(&mut self, code: &Cell<'_>) {
        match code {
            // Files are mostly grouped by symbol.
            Cell::Text(text) if **text == *self.last_code => {}
            Cell::Text(text) => {
                self.last_code.clear();
                self.last_code.extend_from_slice(text);
                self.number_symbols.add(code);
            }
            code => self.number_symbols.add(code),
        }
    }

    fn push_bar(&mut self, frame: Frame, numbers: [f64; NUMBERS], rows: &mut Rows) -> Result<(), Fault> {
        match frame {
            Frame::At(ms) => {
                if !self.fold.is_empty() {
                    self.fold.settle(&self.symbol, Some(ms), rows);
                }
                rows.push(&self.symbol, ms, numbers, &self.optional);
                self.last_ms = Some(ms);
            }
            Frame::Twice(first, _) if self.policy == Ambiguous::Refuse => {
                let text = format!("{}, which a clock showed twice (give --ambiguous),", utc(first));
                return Err(Fault::Unparseable { column: FIXED_COLUMNS[1].to_owned(), text });
            }
            Frame::Twice(first, second) => {
                let row = HeldRow { frames_ms: (first, second), numbers, optional: self.optional.clone() };
                self.fold.add(&self.symbol, row, self.last_ms, rows);
            }
        }
        Ok(())
    }

    /// Why the record is no bar of this bus.
    fn left_out(&self, records: &impl Records) -> Option<String> {
        for Only { column, name, values } in &self.plan.only {
            let cell = records.cell(*column);
            let text = cell.text();
            let Some(text) = text.as_deref().map(str::trim).filter(|text| !text.is_empty()) else { continue };
            let is_bar = match values.is_empty() {
                true => interval::minutes(text).is_none_or(|minutes| minutes == 1),
                false => values.iter().any(|value| value == text),
            };
            if !is_bar {
                return Some(format!("{name} {}", crate::text::shortened(text, 20)));
            }
        }
        let closed = records.cell(self.plan.closed?);
        let text = closed.text()?;
        let open = matches!(text.trim().to_lowercase().as_str(), "false" | "0");
        open.then(|| "not finished".to_owned())
    }
}

fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

/// Whether none of the four prices has a number.
fn has_no_price(group: &Group, records: &impl Records) -> bool {
    group.numbers[..4].iter().all(|rule| match rule {
        NumberRule::Column(column) => records.cell(*column).is_no_number(),
        _ => true,
    })
}

/// Writes the symbol of the current record.
fn write_symbol(
    rule: &SymbolRule,
    records: &impl Records,
    digits: Option<usize>,
    symbol: &mut String,
) -> Result<(), Fault> {
    let missing = || Fault::MissingValue { column: SYMBOL.to_owned() };
    match rule {
        SymbolRule::Constant(text) => symbol.push_str(text),
        SymbolRule::Record => symbol.push_str(records.symbol().ok_or_else(missing)?),
        SymbolRule::Column { column, exchange, default } => {
            let cell = records.cell(*column);
            match (&cell, default) {
                (Cell::Missing, None) => return Err(missing()),
                (Cell::Truth(value), _) => return Err(unparseable(SYMBOL, value.to_string().as_bytes())),
                (cell, Some(default)) if cell.is_blank() => symbol.push_str(default),
                (Cell::Text(bytes), _) => {
                    symbol.push_str(std::str::from_utf8(bytes).map_err(|_| unparseable(SYMBOL, bytes))?);
                }
                (cell, _) => symbol.push_str(&cell.text().ok_or_else(missing)?),
            }
            if let Some(padded) = digits.and_then(|digits| padded(symbol, digits)) {
                *symbol = padded;
            }
            if let Some(exchange) = exchange {
                let cell = records.cell(*exchange);
                let name = cell.text().unwrap_or_default();
                let name = name.trim();
                let has_it = symbol.ends_with(name) && symbol[..symbol.len() - name.len()].ends_with('.');
                if !name.is_empty() && !symbol.is_empty() && !has_it {
                    symbol.push('.');
                    symbol.push_str(name);
                }
            }
        }
    }
    Ok(())
}

/// The sum of the columns of a rule; `None` if any of them is blank.
fn sum(
    column: &str,
    rule: &NumberRule,
    records: &impl Records,
    form: &NumberForm,
    rows: &mut Rows,
) -> Result<Option<f64>, Fault> {
    match rule {
        NumberRule::Absent => Ok(None),
        NumberRule::Column(index) => number(column, &records.cell(*index), form, rows),
        NumberRule::Sum(columns) => {
            let mut sum = 0.0;
            for index in columns {
                match number(column, &records.cell(*index), form, rows)? {
                    Some(value) => sum += value,
                    None => return Ok(None),
                }
            }
            Ok(Some(sum))
        }
    }
}
