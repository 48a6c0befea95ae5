//! A calendar's table, which is compiled when a day or a session is first asked for.
//!
//! Most programs that open a bus never ask: a reader goes by the days that the ring names.

use std::ops::Deref;
use std::sync::OnceLock;

use jiff::tz::TimeZone;

use super::compile::compile;
use super::tables::CalendarTables;
use super::trading_day::Table;

/// A table with what is known of it before it is compiled.
#[derive(Debug)]
pub(super) struct LazyTable {
    pub(super) name: String,
    pub(super) zone_name: String,
    pub(super) zone: TimeZone,
    table: OnceLock<Table>,
}

impl LazyTable {
    /// A table that is compiled.
    pub(super) fn compiled(table: Table) -> Self {
        let (name, zone_name, zone) = (table.name.clone(), table.zone_name.clone(), table.zone.clone());
        Self { name, zone_name, zone, table: OnceLock::from(table) }
    }

    /// A built-in table, whose zone the system has.
    pub(super) fn built_in(name: &str, zone_name: &str, zone: TimeZone) -> Self {
        Self { name: name.to_owned(), zone_name: zone_name.to_owned(), zone, table: OnceLock::new() }
    }
}

impl Deref for LazyTable {
    type Target = Table;

    #[inline]
    fn deref(&self) -> &Table {
        self.table.get_or_init(|| {
            let compiled = CalendarTables::built_in().resolve(&self.name, 0).and_then(compile);
            // A test compiles every built-in table.
            compiled.unwrap_or_else(|error| panic!("the built-in table {}: {error}", self.name))
        })
    }
}
