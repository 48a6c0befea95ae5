//! What separates the fraction of the numbers of an input: a point, or a comma as in much of Europe.

use super::binding::Facts;
use super::plan::{NumberRule, Plan};
use crate::values::number::{Decimal, Sign};

/// The separator that the options, the layout or the first rows show.
///
/// # Errors
/// The message that the numbers show both, or may be read in two ways.
pub(crate) fn of(facts: &Facts<'_>, plan: &Plan) -> Result<Decimal, String> {
    let by_layout = facts.layout.and_then(|layout| layout.text.decimal);
    if let Some(decimal) = facts.options.decimal.or(by_layout) {
        return Ok(decimal);
    }
    let (mut point, mut comma, mut open) = (None, None, None);
    for group in &plan.groups {
        for (i, rule) in group.numbers.iter().enumerate() {
            let is_price = i < 4;
            for text in columns(rule).flat_map(|column| facts.sample.column(column)) {
                match Sign::of(text) {
                    Some(Sign::Point) => point = point.or(Some(text)),
                    Some(Sign::Comma) => comma = comma.or(Some(text)),
                    // In a column of quantities three digits behind a comma are thousands.
                    Some(Sign::Open) if is_price => open = open.or(Some(text)),
                    _ => {}
                }
            }
        }
    }
    match (point, comma, open) {
        (Some(point), Some(comma), _) => Err(format!(
            "numbers such as {:?} and {:?} have different decimals: give --decimal comma or --decimal point",
            point.trim(),
            comma.trim()
        )),
        (None, Some(_), _) => Ok(Decimal::Comma),
        (None, None, Some(open)) => Err(format!(
            "{:?} may have a decimal comma or a separator of thousands: give --decimal comma or --decimal point",
            open.trim()
        )),
        _ => Ok(Decimal::Point { stated: false }),
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
