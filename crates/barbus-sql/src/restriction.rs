//! What the conditions of a query say about symbol, day and frame.

use std::collections::BTreeSet;

use barbus::{BarsQuery, Bound, Date};
use barbus_bars::{date_from_epoch_days, epoch_days};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use jiff::Timestamp;

/// Bounds that every wanted bar satisfies. They may let other bars pass: the conditions are checked
/// again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Restriction {
    pub(crate) symbols: Option<BTreeSet<String>>,
    pub(crate) first_day: Option<Date>,
    pub(crate) last_day: Option<Date>,
    pub(crate) from_ms: Option<i64>,
    pub(crate) to_ms: Option<i64>,
}

impl Restriction {
    /// That of conditions which all hold.
    pub(crate) fn of(conditions: &[Expr]) -> Self {
        let mut restriction = Self::default();
        conditions.iter().for_each(|condition| {
            restriction.add(condition);
        });
        restriction
    }

    /// Whether a condition restricts anything.
    pub(crate) fn understands(condition: &Expr) -> bool {
        Self::default().add(condition)
    }

    /// Whether no bar can satisfy it.
    pub(crate) fn is_empty(&self) -> bool {
        let days = self.first_day.zip(self.last_day).is_some_and(|(first, last)| first > last);
        let times = self.from_ms.zip(self.to_ms).is_some_and(|(from, to)| from > to);
        days || times || self.symbols.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// The question with these bounds.
    pub(crate) fn apply(&self, mut query: BarsQuery) -> BarsQuery {
        if let Some(symbols) = &self.symbols {
            query = query.symbols(symbols.iter().cloned());
        }
        let time = |ms: i64| Timestamp::from_millisecond(ms).ok().map(Bound::Time);
        if let Some(from) = self.from_ms.and_then(time).or(self.first_day.map(Bound::Day)) {
            query = query.from(from);
        }
        if let Some(to) = self.to_ms.and_then(time).or(self.last_day.map(Bound::Day)) {
            query = query.to(to);
        }
        query
    }

    /// Narrows it by a condition; false if the condition says nothing about these columns.
    fn add(&mut self, condition: &Expr) -> bool {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                let (left, right) = (self.add(left), self.add(right));
                left || right
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (column(left), literal(right)) {
                (Some(name), Some(value)) => self.compare(name, *op, value),
                _ => match (literal(left), column(right), op.swap()) {
                    (Some(value), Some(name), Some(op)) => self.compare(name, op, value),
                    _ => false,
                },
            },
            Expr::Between(Between { expr, negated: false, low, high }) => {
                match (column(expr), literal(low), literal(high)) {
                    (Some(name), Some(low), Some(high)) => {
                        let low = self.compare(name, Operator::GtEq, low);
                        self.compare(name, Operator::LtEq, high) || low
                    }
                    _ => false,
                }
            }
            Expr::InList(InList { expr, list, negated: false }) if column(expr) == Some("symbol") => {
                let texts: Option<BTreeSet<String>> = list.iter().map(|item| literal(item).and_then(text)).collect();
                texts.is_some_and(|texts| self.only(texts))
            }
            _ => false,
        }
    }

    fn compare(&mut self, name: &str, op: Operator, value: &ScalarValue) -> bool {
        match name {
            "symbol" if op == Operator::Eq => text(value).is_some_and(|symbol| self.only(BTreeSet::from([symbol]))),
            "day" => match value {
                ScalarValue::Date32(Some(days)) => self.bound_days(op, i64::from(*days)),
                _ => false,
            },
            "frame" => match value {
                ScalarValue::TimestampMillisecond(Some(ms), _) => self.bound_frames(op, *ms, *ms),
                ScalarValue::TimestampMicrosecond(Some(us), _) => {
                    self.bound_frames(op, us.div_euclid(1_000), -(-us).div_euclid(1_000))
                }
                ScalarValue::TimestampNanosecond(Some(ns), _) => {
                    self.bound_frames(op, ns.div_euclid(1_000_000), -(-ns).div_euclid(1_000_000))
                }
                ScalarValue::TimestampSecond(Some(s), _) => self.bound_frames(op, s * 1_000, s * 1_000),
                _ => false,
            },
            _ => false,
        }
    }

    fn only(&mut self, symbols: BTreeSet<String>) -> bool {
        self.symbols = Some(match self.symbols.take() {
            None => symbols,
            Some(known) => known.intersection(&symbols).cloned().collect(),
        });
        true
    }

    fn bound_days(&mut self, op: Operator, days: i64) -> bool {
        let mut bounds = [self.first_day, self.last_day].map(|day| day.map(epoch_days));
        let is_bound = narrow(&mut bounds, op, days, days);
        [self.first_day, self.last_day] = bounds.map(|days| days.map(date_from_epoch_days));
        is_bound
    }

    /// `floor_ms` and `ceil_ms` are the millisecond before and after the value.
    fn bound_frames(&mut self, op: Operator, floor_ms: i64, ceil_ms: i64) -> bool {
        let mut bounds = [self.from_ms, self.to_ms];
        let is_bound = narrow(&mut bounds, op, floor_ms, ceil_ms);
        [self.from_ms, self.to_ms] = bounds;
        is_bound
    }
}

/// Narrows a first and a last value by a comparison with a value between `floor` and `ceil`; false
/// if the comparison is no bound.
fn narrow([first, last]: &mut [Option<i64>; 2], op: Operator, floor: i64, ceil: i64) -> bool {
    let (at_least, at_most) = match op {
        Operator::Eq => (Some(ceil), Some(floor)),
        Operator::GtEq => (Some(ceil), None),
        Operator::Gt => (Some(floor + 1), None),
        Operator::LtEq => (None, Some(floor)),
        Operator::Lt => (None, Some(ceil - 1)),
        _ => return false,
    };
    *first = (*first).max(at_least);
    *last = [*last, at_most].into_iter().flatten().min();
    true
}

/// The name of a column, also inside a cast of its text.
fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(cast) => column(&cast.expr).filter(|name| *name == "symbol"),
        Expr::TryCast(cast) => column(&cast.expr).filter(|name| *name == "symbol"),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// The text of a value.
pub(crate) fn text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.clone(),
        ScalarValue::Dictionary(_, value) => text(value),
        _ => None,
    }
}
