//! What separates the fraction of the numbers of an input: a point, or a comma as in much of
//! Europe.

use super::binding::Facts;
use super::plan::{NumberRule, Plan};
use crate::values::number::{Decimal, Sign};

/// Fewest numbers with other decimals than the rest that are no mistakes of single rows.
const MIN_MIXED: usize = 3;

/// The separator that the options, the layout or the first rows show.
///
/// # Errors
/// The message that the numbers show both, or may be read in two ways.
pub(crate) fn of(facts: &Facts<'_>, plan: &Plan) -> Result<Decimal, String> {
    let by_layout = facts.layout.and_then(|layout| layout.text.decimal);
    if let Some(decimal) = facts.options.decimal.or(by_layout) {
        return Ok(decimal);
    }
    let (mut points, mut commas, mut open) = (Shown::default(), Shown::default(), None);
    for group in &plan.groups {
        for (i, rule) in group.numbers.iter().enumerate() {
            let is_price = i < 4;
            for text in columns(rule).flat_map(|column| facts.sample.column(column)) {
                match Sign::of(text) {
                    Some(Sign::Point) => points.add(text),
                    Some(Sign::Comma) => commas.add(text),
                    // In a column of quantities three digits behind a comma are thousands.
                    Some(Sign::Open) if is_price => open = open.or(Some(text)),
                    _ => {}
                }
            }
        }
    }
    // A few numbers of the other kind are faulty rows, which are rejected.
    let (fewer, more) = (points.count.min(commas.count), points.count.max(commas.count));
    if fewer >= MIN_MIXED && fewer * 5 >= more {
        return Err(format!(
            "numbers such as {:?} and {:?} have different decimals: give --decimal comma or --decimal point",
            points.first, commas.first
        ));
    }
    match open {
        _ if commas.count > points.count => Ok(Decimal::Comma),
        Some(open) if points.count == 0 => Err(format!(
            "{:?} may have a decimal comma or a separator of thousands: give --decimal comma or --decimal point",
            open.trim()
        )),
        _ => Ok(Decimal::Point { stated: false }),
    }
}

/// Numbers with one kind of decimals.
#[derive(Default)]
struct Shown {
    count: usize,
    first: String,
}

impl Shown {
    fn add(&mut self, text: &str) {
        if self.count == 0 {
            text.trim().clone_into(&mut self.first);
        }
        self.count += 1;
    }
}

fn columns(rule: &NumberRule) -> impl Iterator<Item = usize> {
    let columns = match rule {
        NumberRule::Absent => &[][..],
        NumberRule::Column(column) => std::slice::from_ref(column),
        NumberRule::Sum(columns) => columns,
    };
    columns.iter().copied()
}
