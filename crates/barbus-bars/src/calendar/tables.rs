//! The calendars that can be named: the built-in tables, and files that extend or replace them.

use jiff::tz::TimeZone;

use super::compile::compile;
use super::error::CalendarError;
use super::lazy_table::LazyTable;
use super::presets::{BUILT_IN, PRESETS, ZONES};
use super::spec::CalendarSpec;
use super::text::{TableError, parse, reject};
use super::trading_day::Calendar;
use crate::suggestion::nearest;

/// The calendars that can be named, with where each table comes from.
///
/// ```
/// use barbus_bars::{CalendarTables, Date};
///
/// let mut tables = CalendarTables::built_in();
/// let file = "name = \"XNYS\"\npreset = \"XNYS\"\nholidays = [2026-12-24]\n";
/// tables.add("calendar.d/mourning.toml", file)?;
/// assert!(!tables.calendar("XNYS")?.is_trading_day(Date::constant(2026, 12, 24)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CalendarTables {
    /// By name, in the order in which they became known.
    tables: Vec<(String, Vec<Layer>)>,
}

/// One table of those that make up a calendar.
#[derive(Debug, Clone)]
enum Layer {
    /// The text of a built-in table, which is parsed when it is needed: most programs use one.
    BuiltIn {
        about: &'static str,
        text: &'static str,
    },
    Added(Box<CalendarSpec>),
}

impl Layer {
    fn spec(&self) -> CalendarSpec {
        match self {
            Layer::BuiltIn { text, .. } => match parse(text) {
                Ok(spec) => spec,
                Err(error) => panic!("a built-in table: {error:?}"),
            },
            Layer::Added(spec) => (**spec).clone(),
        }
    }

    fn about(&self) -> Option<&str> {
        match self {
            Layer::BuiltIn { about, .. } => Some(about),
            Layer::Added(spec) => spec.about.as_deref(),
        }
    }
}

impl CalendarTables {
    /// The built-in tables.
    pub fn built_in() -> Self {
        let layers = PRESETS.iter().zip(BUILT_IN).map(|((name, about), text)| {
            let layer = Layer::BuiltIn { about, text };
            ((*name).to_owned(), vec![layer])
        });
        Self { tables: layers.collect() }
    }

    /// Adds a table in TOML, which has at least a `name`. With the same name as `preset` it extends
    /// the table that it names; otherwise it replaces one of its name.
    ///
    /// `place` is for the messages.
    ///
    /// # Errors
    /// [`TableError`] names the place, the line and what is wrong.
    pub fn add(&mut self, place: &str, text: &str) -> Result<(), TableError> {
        let at = |(line, what)| TableError { place: place.to_owned(), line, what };
        let spec = parse(text).map_err(at)?;
        let Some(name) = spec.name.clone() else {
            return Err(at((None, "the table has no name: add one, such as name = \"XSHG\"".to_owned())));
        };
        let mut tables = self.clone();
        tables.insert(spec);
        tables.calendar(&name).map_err(|error| at(reject(text, &error)))?;
        *self = tables;
        Ok(())
    }

    fn insert(&mut self, spec: CalendarSpec) {
        let name = spec.name.clone().unwrap_or_default();
        let extends = spec.preset.as_ref().is_some_and(|preset| preset.eq_ignore_ascii_case(&name));
        match self.tables.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, layers)) if extends => layers.push(Layer::Added(Box::new(spec))),
            Some((_, layers)) => *layers = vec![Layer::Added(Box::new(spec))],
            None => self.tables.push((name, vec![Layer::Added(Box::new(spec))])),
        }
    }

    /// The calendar of this name, in any case.
    ///
    /// # Errors
    /// [`CalendarError::UnknownPreset`] lists the names.
    pub fn calendar(&self, name: &str) -> Result<Calendar, CalendarError> {
        if let Some(calendar) = self.uncompiled(name) {
            return Ok(calendar);
        }
        compile(self.resolve(name, 0)?).map(|table| Calendar::of(LazyTable::compiled(table)))
    }

    /// The calendar that settings describe.
    ///
    /// # Errors
    /// [`CalendarError`] when a name, a time or a date is wrong, sessions overlap or cross the
    /// day's boundary, or a setting without a default is missing.
    pub fn describe(&self, spec: CalendarSpec) -> Result<Calendar, CalendarError> {
        let spec = match spec.preset.clone() {
            Some(preset) => spec.on(self.resolve(&preset, 0)?),
            None => spec,
        };
        compile(spec).map(|table| Calendar::of(LazyTable::compiled(table)))
    }

    /// The name of each calendar, and one line about it.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables.iter().map(|(name, layers)| {
            let about = layers.iter().rev().find_map(Layer::about);
            (name.as_str(), about.unwrap_or_default())
        })
    }

    /// A calendar of built-in tables only. It is compiled when it is first used.
    fn uncompiled(&self, name: &str) -> Option<Calendar> {
        let is_built_in = |layer: &Layer| matches!(layer, Layer::BuiltIn { .. });
        if !self.tables.iter().flat_map(|(_, layers)| layers).all(is_built_in) {
            return None;
        }
        let preset = PRESETS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))?;
        let (name, zone_name) = (PRESETS[preset].0, ZONES[preset]);
        let zone = TimeZone::get(zone_name).ok()?;
        Some(Calendar::of(LazyTable::built_in(name, zone_name, zone)))
    }

    /// The settings of a calendar with those of all tables that it extends.
    pub(super) fn resolve(&self, name: &str, depth: usize) -> Result<CalendarSpec, CalendarError> {
        if depth > self.tables.len() {
            return Err(CalendarError::PresetCircle(name.to_owned()));
        }
        let Some((known, layers)) = self.tables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return Err(CalendarError::UnknownPreset {
                name: name.to_owned(),
                nearest: nearest(name, self.tables.iter().map(|(known, _)| known.as_str())),
                known: self.tables.iter().map(|(known, _)| known.clone()).collect(),
            });
        };
        let mut resolved: Option<CalendarSpec> = None;
        for layer in layers.iter().map(Layer::spec) {
            let base = match (&layer.preset, resolved.take()) {
                // A layer with another preset is the first one.
                (Some(preset), None) if !preset.eq_ignore_ascii_case(known) => Some(self.resolve(preset, depth + 1)?),
                (Some(_), None) => return Err(CalendarError::PresetCircle(known.clone())),
                (_, base) => base,
            };
            resolved = Some(match base {
                Some(base) => layer.on(base),
                None => layer,
            });
        }
        Ok(resolved.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known before a table is compiled is what the table says.
    #[test]
    fn every_built_in_table_can_be_compiled_and_has_its_zone() {
        let tables = CalendarTables::built_in();
        for ((name, _), zone) in PRESETS.iter().zip(ZONES) {
            let table = compile(tables.resolve(name, 0).unwrap()).unwrap();
            assert_eq!((table.name.as_str(), table.zone_name.as_str()), (*name, *zone));
            let calendar = tables.calendar(&name.to_lowercase()).unwrap();
            assert_eq!((calendar.name(), calendar.zone_name(), calendar.zone()), (*name, *zone, &table.zone));
        }
        assert_eq!(PRESETS.len(), ZONES.len());
    }
}
