//! The status of a reader and of its bus.

use std::mem::MaybeUninit;

use crate::abi::bus::optional_place;
use crate::failure::{Failure, call, given};
use crate::options::day_number;
use crate::raw::{CText, barbus_reader};
use crate::reader::ReaderState;
use crate::types::*;

/// Sequence number of the next bar to be delivered: a reader that starts there goes on without a
/// gap. For a replay, the number of bars so far.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_position(reader: Option<&barbus_reader>, seq: Option<&mut MaybeUninit<u64>>) -> i32 {
    call(|| {
        let out = given("seq", seq)?;
        given("reader", reader)?.slot().with(|state| {
            out.write(state.feed.position());
            Ok(())
        })
    })
}

/// Identifies the continuous sequence of numbers: keep it with a position. A ring that starts anew
/// has another one.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_lineage(reader: Option<&barbus_reader>, lineage: Option<&mut MaybeUninit<u64>>) -> i32 {
    call(|| {
        let out = given("lineage", lineage)?;
        given("reader", reader)?.slot().with(|state| {
            out.write(live(state)?.lineage());
            Ok(())
        })
    })
}

/// The trading day that was open when the last bars were written, days since 1970-01-01;
/// BARBUS_NO_DAY between two days.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_day(reader: Option<&barbus_reader>, day: Option<&mut MaybeUninit<i32>>) -> i32 {
    call(|| {
        let out = given("day", day)?;
        given("reader", reader)?.slot().with(|state| {
            out.write(state.feed.day().map_or(BARBUS_NO_DAY, day_number));
            Ok(())
        })
    })
}

/// Whether the writer of the bus runs: it counts as dead after a second without a heartbeat. In a
/// quiet market a running writer has no new bars, see barbus_newest_age.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_writer_alive(reader: Option<&barbus_reader>, alive: Option<&mut MaybeUninit<i32>>) -> i32 {
    call(|| {
        let out = given("alive", alive)?;
        given("reader", reader)?.slot().with(|state| {
            out.write(live(state)?.writer_alive().into());
            Ok(())
        })
    })
}

/// How long ago the newest bar of the bus was received, of any symbol, read or not, nanoseconds; -1
/// if the ring has no bar yet.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_newest_age(reader: Option<&barbus_reader>, age_ns: Option<&mut MaybeUninit<i64>>) -> i32 {
    call(|| {
        let out = given("age_ns", age_ns)?;
        given("reader", reader)?.slot().with(|state| {
            let age = live(state)?.newest_age();
            out.write(age.map_or(-1, |age| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)));
            Ok(())
        })
    })
}

/// The place of the optional column `name` in barbus_bar.optional: 0 to 5.
///
/// BARBUS_ERROR_QUESTION if the bus has no such column.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_reader_optional(
    reader: Option<&barbus_reader>,
    name: CText<'_>,
    place: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    call(|| {
        let (name, out) = (name.required("name")?, given("place", place)?);
        given("reader", reader)?.slot().with(|state| {
            out.write(optional_place(state.feed.bus(), name)?);
            Ok(())
        })
    })
}

/// The reader of the ring.
pub(super) fn live(state: &ReaderState) -> Result<&barbus::Reader, Failure> {
    state.feed.reader().ok_or_else(|| Failure::argument("reader: it is a replay, which has no ring: ask a live reader"))
}
