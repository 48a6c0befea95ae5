//! The options of a cast.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;

use crate::column_map::ColumnMap;
use crate::label::Label;
use crate::rules::Rules;

/// Default length of a bar, milliseconds: one minute.
pub const DEFAULT_INTERVAL_MS: i64 = 60_000;

/// How a producer's batch is read.
#[derive(Debug, Clone)]
pub struct CastOptions {
    /// What the producer's frame marks. Default: the end.
    pub label: Label,
    /// Length of a bar, milliseconds, above zero. Default: one minute.
    pub interval_ms: i64,
    /// Zone of times without one. Default (`None`): the schema's zone.
    pub zone: Option<TimeZone>,
    /// How the producer's columns map to those of the bus. Default: by the usual vendor names.
    pub map: ColumnMap,
    /// Which optional rules apply. Default: all.
    pub rules: Rules,
    /// When a bar may end, milliseconds UTC: an earlier one is [`Fault::Past`], a later one
    /// [`Fault::Future`]. Default: at any time.
    ///
    /// [`Fault::Past`]: crate::Fault::Past
    /// [`Fault::Future`]: crate::Fault::Future
    pub ends_ms: RangeInclusive<i64>,
}

impl Default for CastOptions {
    fn default() -> CastOptions {
        CastOptions {
            label: Label::default(),
            interval_ms: DEFAULT_INTERVAL_MS,
            zone: None,
            map: ColumnMap::default(),
            rules: Rules::default(),
            ends_ms: i64::MIN..=i64::MAX,
        }
    }
}
