//! The options of a cast.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;

use crate::column_map::ColumnMap;
use crate::label::Label;
use crate::rules::Rules;
use crate::time_name::{stated_label, stated_zone};

/// Default length of a bar, milliseconds: one minute.
pub const DEFAULT_INTERVAL_MS: i64 = 60_000;

/// How a producer's batch is read.
#[derive(Debug, Clone)]
pub struct CastOptions {
    /// What the producer's frame marks, whatever the name of its column states. Default (`None`):
    /// what the name states, otherwise [`CastOptions::default_label`].
    pub label: Option<Label>,
    /// What a frame marks if nothing else states it. Default: the end.
    pub default_label: Label,
    /// Length of a bar, milliseconds, above zero. Default: one minute.
    pub interval_ms: i64,
    /// Zone of times without one, whatever the name of their column states. Default (`None`): the
    /// zone in the name, otherwise the schema's zone.
    pub zone: Option<TimeZone>,
    /// Whether a time in the last second of an interval means its end, as in `close_time`:
    /// 09:30:59.999 becomes 09:31. Default: no, unless the name of the column states the end.
    pub last_second: bool,
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
            label: None,
            default_label: Label::default(),
            interval_ms: DEFAULT_INTERVAL_MS,
            zone: None,
            last_second: false,
            map: ColumnMap::default(),
            rules: Rules::default(),
            ends_ms: i64::MIN..=i64::MAX,
        }
    }
}

impl CastOptions {
    /// The options for frames in a column called `name`: what the name states decides what these
    /// options leave open.
    pub fn for_frames_named(&self, name: &str) -> CastOptions {
        let stated = stated_label(name);
        CastOptions {
            label: self.label.or(stated),
            zone: self.zone.clone().or_else(|| stated_zone(name)),
            last_second: self.last_second || (stated == Some(Label::End) && self.label != Some(Label::Start)),
            ..self.clone()
        }
    }

    /// Milliseconds to add to a producer's time to get the end of its bar.
    pub(crate) fn shift_ms(&self) -> i64 {
        self.label.unwrap_or(self.default_label).shift_ms(self.interval_ms)
    }
}
