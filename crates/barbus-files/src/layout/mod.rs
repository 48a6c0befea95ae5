//! Layouts: how a vendor, an exchange or a program lays out its bars, as data.

pub(crate) mod description;
pub(crate) mod mapping;
pub(crate) mod pattern;
pub(crate) mod recognize;
pub(crate) mod registry;
