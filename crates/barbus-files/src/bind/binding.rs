//! Makes the plan of an input, and the report of what was understood.

use barbus_bars::{FIXED_COLUMNS, FRAME, Label, PRICE_COLUMNS, SYMBOL, VOLUME, stated_label, stated_zone};

use super::columns::Columns;
use super::decimal;
use super::frame::FrameRule;
use super::plan::{Group, NumberRule, Only, Plan, SymbolRule};
use super::symbol::{self, DocumentSymbol, FoundSymbol};
use super::times::{self, Choice};
use super::wide;
use crate::layout::description::{First, Layout};
use crate::layout::pattern::{Fit, Found, PathPattern, hive};
use crate::options::InputOptions;
use crate::sample::Sample;
use crate::understood::Understood;
use crate::values::clock_text::DateOrder;
use crate::values::interval;
use crate::values::number::{Decimal, NumberForm};
use crate::values::zone;

/// Names of columns with the length of a bar, in normal form.
const INTERVALS: [&str; 9] =
    ["interval", "period", "freq", "frequency", "timeframe", "bar_size", "per", "bar_type", "resolution"];
/// Names of columns that state whether a bar is finished, in normal form.
const CLOSED: [&str; 6] = ["is_closed", "closed", "is_final", "final", "confirm", "is_complete"];

/// Everything that binding knows about an input.
pub(crate) struct Facts<'a> {
    pub(crate) sample: &'a Sample,
    pub(crate) options: &'a InputOptions,
    pub(crate) layout: Option<&'a Layout>,
    /// How the layout was found.
    pub(crate) layout_how: &'a str,
    pub(crate) document: &'a DocumentSymbol,
    /// Where the names of the columns are: `the header`, `the schema`.
    pub(crate) names_in: &'a str,
}

/// The plan of an input, and what was understood.
///
/// # Errors
/// The reason why it cannot be bound, with the flag that helps.
pub(crate) fn bind(facts: &Facts<'_>) -> Result<(Plan, Understood), String> {
    let Facts { sample, options, layout, .. } = *facts;
    let mut columns = Columns::find(sample, options, layout)?;
    let time = Time::find(facts, &mut columns)?;
    let mut notes = Vec::new();
    let wide = match columns.missing().len() {
        4.. => wide::groups(&sample.names),
        _ => Vec::new(),
    };
    let symbol_missing = |columns: &mut Columns<'_>| symbol::find(columns, sample, options, layout, facts.document);
    let (groups, symbol) = if wide.is_empty() {
        let missing = columns.missing();
        if !missing.is_empty() {
            return Err(columns.missing_message(&missing, facts.names_in, None));
        }
        let found = symbol_missing(&mut columns)?;
        let (numbers, optional) = columns.numbers();
        (vec![Group { symbol: found.rule.clone(), numbers, optional }], found)
    } else {
        let how = format!("the names of the columns: {}", wide.len());
        let groups = wide.iter().map(|group| {
            let (numbers, optional) = columns.numbers_of(group);
            Group { symbol: SymbolRule::Constant(group.symbol.clone()), numbers, optional }
        });
        (groups.collect(), FoundSymbol { rule: SymbolRule::Record, how, column: None, by_path: None })
    };
    let mut plan = Plan {
        frame: time.rule,
        groups,
        only: only(facts, &columns),
        closed: closed(facts, &columns),
        numbers: NumberForm::default(),
        symbol_digits: options.symbol_digits,
        path_symbol: symbol.by_path.clone(),
        zero_volume: None,
    };
    volume_if_zero(facts, &columns, &mut plan, &mut notes);
    scale(facts, &mut plan, &mut notes)?;
    plan.numbers.decimal = decimal::of(facts, &plan)?;
    if plan.numbers.decimal == Decimal::Comma {
        notes.push("numbers have a decimal comma".to_owned());
    }
    if plan.groups.iter().any(|group| group.numbers[4] == NumberRule::Absent) {
        notes.push("there is no volume: it is 0".to_owned());
    }
    notes.extend(time.note);
    let understood = Understood {
        input: sample.path.clone(),
        layout: layout.map(|layout| format!("{} ({})", layout.name, facts.layout_how)),
        columns: origins(&plan, &columns, sample, options),
        label: time.label.0,
        label_why: time.label.1,
        zone: time.zone.0,
        zone_why: time.zone.1,
        symbol: symbol.how,
        symbol_column: symbol.column,
        notes,
    };
    Ok((plan, understood))
}

/// How times are read, and why.
struct Time {
    rule: FrameRule,
    label: (Label, String),
    zone: (String, String),
    note: Option<String>,
}

impl Time {
    fn find(facts: &Facts<'_>, columns: &mut Columns<'_>) -> Result<Time, String> {
        let Facts { sample, options, layout, .. } = *facts;
        let date = date_of_path(sample, layout);
        let chosen = match columns.of(FRAME) {
            Some(chosen) => chosen.to_vec(),
            None => choose(facts, columns, date.is_some())?,
        };
        if chosen.len() > 2 {
            return Err("frame can be one column, or a date and a time of day".to_owned());
        }
        columns.give(FRAME, chosen.clone());
        let names: Vec<&str> = chosen.iter().map(|&column| columns.names.raw(column)).collect();
        let stated = names.iter().rev().find_map(|name| Some((stated_label(name)?, *name)));
        let label = label(options, layout, stated);
        let (time_zone, zone_name, zone_why) = time_zone(options, layout, &names);
        let note = match (options.label, stated) {
            (Some(given), Some((by_name, name))) if given != by_name => {
                Some(format!("the name {name} states the {by_name} of a bar, and --label says {given}"))
            }
            _ => None,
        };
        let first = layout.and_then(|layout| layout.frame.first);
        let formats = match (&options.date_format, layout) {
            (Some(format), _) => vec![format.clone()],
            (None, Some(layout)) => layout.frame.formats.clone(),
            (None, None) => Vec::new(),
        };
        let order = match first {
            Some(First::Day) => DateOrder::DayMonthYear,
            Some(First::Month) => DateOrder::MonthDayYear,
            None if !formats.is_empty() => DateOrder::YearMonthDay,
            None => times::date_order(sample, chosen[0]).ok_or_else(|| open_order(sample, chosen[0]))?,
        };
        let by_date = chosen.len() == 1 && layout.is_none_or(|layout| !layout.frame.date_files.is_empty());
        let counts = by_date && times::counts_from_midnight(sample, chosen[0], layout);
        Ok(Time {
            rule: FrameRule {
                digits: times::time_digits(sample, *chosen.last().unwrap_or(&0)),
                columns: chosen,
                formats,
                order,
                unit: layout.and_then(|layout| layout.frame.unit),
                midnight_ms: date.filter(|_| counts),
                zone: time_zone,
                epoch_zone: options.epoch_zone.clone(),
                shift_ms: label.0.shift_ms(options.interval_ms),
                interval_ms: options.interval_ms,
                last_second: stated.is_some_and(|(by_name, _)| by_name == Label::End) && label.0 == Label::End,
            },
            label,
            zone: (zone_name, zone_why),
            note,
        })
    }
}

/// The columns of the time, by names and rows.
fn choose(facts: &Facts<'_>, columns: &Columns<'_>, has_date: bool) -> Result<Vec<usize>, String> {
    match times::choose(&columns.names, facts.sample, has_date, facts.options.label) {
        Choice::Columns(chosen) => Ok(chosen),
        Choice::None => {
            let mut missing = vec![FRAME];
            missing.extend(columns.missing());
            // The prices of instruments side by side have other names.
            let wide = missing.len() > 4 && !wide::groups(&facts.sample.names).is_empty();
            let time = times::only_time(&columns.names, facts.sample).map(|column| columns.names.raw(column));
            Err(columns.missing_message(if wide { &missing[..1] } else { &missing }, facts.names_in, time))
        }
        Choice::Unclear(candidates) => {
            let names: Vec<&str> = candidates.iter().map(|&column| columns.names.raw(column).trim()).collect();
            Err(format!(
                "columns {} may all be the time: name the one with the whole time with --map 'frame=NAME', or join a date and a time of day with --map 'frame=DATE+TIME'",
                names.join(" and ")
            ))
        }
    }
}

fn label(options: &InputOptions, layout: Option<&Layout>, stated: Option<(Label, &str)>) -> (Label, String) {
    if let Some(label) = options.label {
        return (label, "--label".to_owned());
    }
    if let Some((label, name)) = stated {
        return (label, format!("the name {name}"));
    }
    match layout.and_then(|layout| layout.label) {
        Some(label) => (label, "the layout".to_owned()),
        None => (options.default_label, "the default of the bus".to_owned()),
    }
}

fn time_zone(
    options: &InputOptions,
    layout: Option<&Layout>,
    names: &[&str],
) -> (Option<jiff::tz::TimeZone>, String, String) {
    let by_name = names.iter().find_map(|name| Some((stated_zone(name)?, format!("the name {name}"))));
    let by_layout = || Some((layout?.time_zone()?, "the layout".to_owned()));
    let given = options.zone.clone().map(|zone| (zone, "--zone".to_owned()));
    let default = || options.default_zone.clone().map(|zone| (zone, "the zone of the bus".to_owned()));
    match given.or(by_name).or_else(by_layout).or_else(default) {
        Some((zone, why)) => (Some(zone.clone()), zone::name(&zone), why),
        None => (None, "none".to_owned(), "no zone is known".to_owned()),
    }
}

/// The midnight of the date in the path.
fn date_of_path(sample: &Sample, layout: Option<&Layout>) -> Option<i64> {
    let full = symbol::full_path(&sample.path);
    let patterns = layout.map_or(&[][..], |layout| &layout.frame.date_files);
    let by_layout = patterns.iter().filter_map(|text| text.parse::<PathPattern>().ok());
    let mut fits = by_layout.flat_map(|pattern| symbol::paths(&full).map(move |path| pattern.fit(path)));
    let found = fits.find_map(|fit| match fit {
        Fit::Yes(Found { date_ms, .. }) => date_ms,
        _ => None,
    });
    found.or_else(|| hive(&full).date_ms)
}

/// The message for dates whose order is open.
fn open_order(sample: &Sample, column: usize) -> String {
    let example = sample.column(column).next().unwrap_or_default().trim().to_owned();
    format!(
        "{example:?} may begin with the day or with the month: give --date-format, such as '%d/%m/%Y' or '%m/%d/%Y %H:%M'"
    )
}

/// The columns in which a bar has one of some values.
fn only(facts: &Facts<'_>, columns: &Columns<'_>) -> Vec<Only> {
    let names = &columns.names;
    let mut only = Vec::new();
    for (name, values) in facts.layout.iter().flat_map(|layout| &layout.rows.only) {
        let found = names.find(&crate::layout::mapping::ColumnRef::Name(name.clone()));
        only.extend(found.map(|column| Only { column, name: name.clone(), values: values.clone() }));
    }
    let states_minutes = |column: usize| {
        let mut values = facts.sample.column(column).filter(|text| !text.trim().is_empty()).peekable();
        values.peek().is_some() && values.all(|text| interval::minutes(text).is_some())
    };
    let by_name = names.free().filter(|&column| INTERVALS.contains(&names.normal(column)) && states_minutes(column));
    for column in by_name.filter(|column| !only.iter().any(|other| other.column == *column)).collect::<Vec<_>>() {
        only.push(Only { column, name: names.raw(column).to_owned(), values: Vec::new() });
    }
    only
}

/// The column that states whether a bar is finished.
fn closed(facts: &Facts<'_>, columns: &Columns<'_>) -> Option<usize> {
    let names = &columns.names;
    if let Some(name) = facts.layout.and_then(|layout| layout.rows.closed.clone()) {
        return names.find(&crate::layout::mapping::ColumnRef::Name(name));
    }
    let is_flag = |text: &str| matches!(text.trim().to_lowercase().as_str(), "true" | "false" | "0" | "1");
    let mut by_name = names.free().filter(|&column| CLOSED.contains(&names.normal(column)));
    by_name.find(|&column| {
        let mut values = facts.sample.column(column).peekable();
        values.peek().is_some() && values.all(is_flag)
    })
}

/// Takes another column as the volume where a layout says so and the volume is zero in every row.
fn volume_if_zero(facts: &Facts<'_>, columns: &Columns<'_>, plan: &mut Plan, notes: &mut Vec<String>) {
    let Some(name) = facts.layout.and_then(|layout| layout.volume_if_zero.as_deref()) else { return };
    let other = columns.names.find(&crate::layout::mapping::ColumnRef::Name(name.to_owned()));
    if facts.options.map.get(VOLUME).is_some() {
        return;
    }
    for group in &mut plan.groups {
        let (NumberRule::Column(volume), Some(other)) = (&group.numbers[4], other) else { continue };
        let volume = *volume;
        let is_zero = |text: &str| text.trim().parse::<f64>().is_ok_and(|value| value == 0.0);
        if facts.sample.column(volume).all(is_zero) {
            notes.push(format!("{} is always 0: volume is {name}", columns.names.raw(volume)));
            group.numbers[4] = NumberRule::Column(other);
            plan.zero_volume = Some(volume);
        }
    }
}

/// The factor for prices.
fn scale(facts: &Facts<'_>, plan: &mut Plan, notes: &mut Vec<String>) -> Result<(), String> {
    if let Some(scale) = facts.options.scale {
        notes.push(format!("prices are multiplied by {scale}"));
        plan.numbers.scale = Some(scale);
        return Ok(());
    }
    let Some(rule) = facts.layout.and_then(|layout| layout.scale.as_ref()) else { return Ok(()) };
    let prices = plan.groups.iter().flat_map(|group| &group.numbers[..4]);
    let prices = prices.filter_map(|rule| match rule {
        NumberRule::Column(column) => Some(*column),
        _ => None,
    });
    let prices: Vec<usize> = prices.collect();
    let has_fraction = |&column: &usize| facts.sample.column(column).any(|text| text.contains('.'));
    if rule.only_integers && prices.iter().any(has_fraction) {
        return Ok(());
    }
    let scale = rule.factor.parse().map_err(|error: crate::values::scale::ScaleError| error.to_string())?;
    notes.push(format!("prices are multiplied by {scale}, because the layout has whole numbers"));
    plan.numbers.scale = Some(scale);
    Ok(())
}

/// Each column of a bar with the columns of the input that it is.
fn origins(plan: &Plan, columns: &Columns<'_>, sample: &Sample, options: &InputOptions) -> Vec<(String, String)> {
    let joined = |columns: &[usize]| -> String {
        let name = |column: &usize| match sample.has_header {
            true => sample.names[*column].trim().to_owned(),
            false => format!("#{}", column + 1),
        };
        let named = |column: &usize| Some(name(column)).filter(|name| !name.is_empty());
        let names = columns.iter().map(|column| named(column).unwrap_or_else(|| format!("#{}", column + 1)));
        names.collect::<Vec<_>>().join("+")
    };
    let mut origins = Vec::new();
    if let Some(found) = columns.of(SYMBOL).filter(|found| !found.is_empty()) {
        origins.push((SYMBOL.to_owned(), joined(found)));
    }
    origins.push((FRAME.to_owned(), joined(&plan.frame.columns)));
    let Some(group) = plan.groups.first() else { return origins };
    let targets = PRICE_COLUMNS.into_iter().chain([VOLUME]).map(str::to_owned);
    let targets = targets.chain(options.schema.optional().iter().cloned());
    for (target, rule) in targets.zip(group.numbers.iter().chain(&group.optional)) {
        let origin = match rule {
            NumberRule::Absent if FIXED_COLUMNS.contains(&target.as_str()) => "0".to_owned(),
            NumberRule::Absent => continue,
            NumberRule::Column(column) => joined(&[*column]),
            NumberRule::Sum(columns) => joined(columns),
        };
        origins.push((target, origin));
    }
    origins
}
