//! Values of inputs: cells, numbers, scaled decimals, dates and times of day.

pub(crate) mod cell;
pub(crate) mod clock_text;
pub(crate) mod interval;
pub(crate) mod kind;
pub(crate) mod number;
pub(crate) mod scale;
pub(crate) mod zone;
