//! Binding: which column of an input is which column of a bar, and how each is read.

pub(crate) mod binder;
pub(crate) mod binding;
pub(crate) mod columns;
pub(crate) mod decimal;
pub(crate) mod fold;
pub(crate) mod frame;
pub(crate) mod names;
pub(crate) mod number_symbols;
pub(crate) mod plain;
pub(crate) mod plan;
pub(crate) mod symbol;
pub(crate) mod times;
pub(crate) mod trading_dates;
pub(crate) mod wide;
