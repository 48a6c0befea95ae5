//! What the conditions of a query say about symbol, day and frame.

use std::collections::BTreeSet;

use barbus::{BarsQuery, Bound, Date};
use barbus_bars::date_from_epoch_days;
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
        let raise = |bound: &mut Option<Date>, days: i64| {
            *bound = (*bound).max(Some(date_from_epoch_days(days)));
        };
        let lower = |bound: &mut Option<Date>, days: i64| {
            let day = date_from_epoch_days(days);
            *bound = Some(bound.map_or(day, |known| known.min(day)));
        };
        match op {
            Operator::Eq => {
                raise(&mut self.first_day, days);
                lower(&mut self.last_day, days);
            }
            Operator::GtEq => raise(&mut self.first_day, days),
            Operator::Gt => raise(&mut self.first_day, days + 1),
            Operator::LtEq => lower(&mut self.last_day, days),
            Operator::Lt => lower(&mut self.last_day, days - 1),
            _ => return false,
        }
        true
    }

    /// `floor_ms` and `ceil_ms` are the millisecond before and after the value.
    fn bound_frames(&mut self, op: Operator, floor_ms: i64, ceil_ms: i64) -> bool {
        let raise = |bound: &mut Option<i64>, ms: i64| *bound = (*bound).max(Some(ms));
        let lower = |bound: &mut Option<i64>, ms: i64| *bound = Some(bound.map_or(ms, |known| known.min(ms)));
        match op {
            Operator::Eq => {
                raise(&mut self.from_ms, ceil_ms);
                lower(&mut self.to_ms, floor_ms);
            }
            Operator::GtEq => raise(&mut self.from_ms, ceil_ms),
            Operator::Gt => raise(&mut self.from_ms, floor_ms + 1),
            Operator::LtEq => lower(&mut self.to_ms, floor_ms),
            Operator::Lt => lower(&mut self.to_ms, ceil_ms - 1),
            _ => return false,
        }
        true
    }
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
