//! Symbols and their ids.

use std::mem::MaybeUninit;

use barbus::SymbolId;

use crate::failure::{Failure, call, given};
use crate::raw::{CText, barbus_reader, symbol};
use crate::types::*;

/// The text of a symbol's id in the bars of this reader. It is valid until the next barbus_poll or
/// barbus_next with this reader.
///
/// An id keeps its symbol until the reader meets a new ring: keep texts, not ids, from day to day.
///
/// BARBUS_ERROR_UNKNOWN_SYMBOL if there is no such id.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_symbol_name(
    reader: Option<&barbus_reader>,
    id: u32,
    name: Option<&mut MaybeUninit<barbus_text>>,
) -> i32 {
    call(|| {
        let out = given("name", name)?;
        given("reader", reader)?.slot().with(|state| {
            let unknown = || Failure::new(BARBUS_ERROR_UNKNOWN_SYMBOL, format!("no symbol has the id {id}"));
            out.write(barbus_text::of(state.feed.symbol_name(SymbolId(id)).ok_or_else(unknown)?));
            Ok(())
        })
    })
}

/// The id of a symbol in the bars of this reader. `length` is the number of bytes of `symbol`, or
/// BARBUS_NUL.
///
/// BARBUS_ERROR_UNKNOWN_SYMBOL if it has not occurred yet.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_symbol_id(
    reader: Option<&barbus_reader>,
    symbol: CText<'_>,
    length: usize,
    id: Option<&mut MaybeUninit<u32>>,
) -> i32 {
    call(|| {
        let (symbol, out) = (self::symbol(symbol, length)?, given("id", id)?);
        given("reader", reader)?.slot().with(|state| {
            let found = state.symbol_id(symbol);
            let unknown = || {
                let bus = state.feed.bus().path().display();
                Failure::new(BARBUS_ERROR_UNKNOWN_SYMBOL, format!("{bus}: no symbol {symbol:?} on the bus yet"))
            };
            out.write(found.ok_or_else(unknown)?);
            Ok(())
        })
    })
}

/// Number of symbols that have occurred: ids are below it, but for bars that come from the archive.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_symbol_count(reader: Option<&barbus_reader>, count: Option<&mut MaybeUninit<usize>>) -> i32 {
    call(|| {
        let out = given("count", count)?;
        given("reader", reader)?.slot().with(|state| {
            out.write(state.feed.symbol_names().len());
            Ok(())
        })
    })
}
