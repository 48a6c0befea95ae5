//! Publishers.

use std::mem::MaybeUninit;

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};

use crate::failure::{call, given};
use crate::publishing::PublisherState;
use crate::raw::{CText, NewBars, Slot, barbus_publisher, import_batch};
use crate::types::*;

/// Connects to the daemon of the bus in the directory `path`, to publish bars. Null as `options`:
/// the defaults.
///
/// The publisher belongs to the calling thread, see barbus_publisher_hand_over.
///
/// BARBUS_ERROR_NO_DAEMON if none runs. On failure `publisher` is null.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_publisher_open(
    path: CText<'_>,
    options: Option<&barbus_publisher_options<'_>>,
    publisher: Option<&mut MaybeUninit<Option<&'static barbus_publisher>>>,
) -> i32 {
    call(|| {
        let out = given("publisher", publisher)?.write(None);
        let state = PublisherState::open(path.required("path")?, options)?;
        *out = Some(barbus_publisher::of(Slot::open(state)));
        Ok(())
    })
}

/// Closes a publisher. Null is not an error. Bars that are not acknowledged may be lost: call
/// barbus_publisher_finish before.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_publisher_close(publisher: Option<&'static barbus_publisher>) -> i32 {
    call(|| publisher.map_or(Ok(()), |publisher| publisher.slot().close()))
}

/// Hands a publisher over: the next thread that uses it has it from then on.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_publisher_hand_over(publisher: Option<&barbus_publisher>) -> i32 {
    call(|| given("publisher", publisher)?.slot().hand_over())
}

/// Sends bars. With `ack` it waits until they are acknowledged, and counts their outcomes; an
/// acknowledged bar is committed. With null as `ack` it waits only while eight batches are on their
/// way. The bars are copied.
///
/// Sending again after a failure does no harm: bars that were committed are duplicates.
///
/// BARBUS_ERROR_REFUSED if the daemon rejects the bars, BARBUS_ERROR_CONNECTION if the connection
/// broke and could not be restored in time.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_publish(
    publisher: Option<&barbus_publisher>,
    bars: NewBars<'_>,
    count: usize,
    ack: Option<&mut barbus_ack>,
) -> i32 {
    call(|| {
        given("publisher", publisher)?.slot().with(|state| {
            let batch = state.batch(bars, count)?;
            state.send(&batch, ack)
        })
    })
}

/// Sends a record batch, as barbus_publish does with bars. It may have any columns that can be cast
/// to bars, as docs/OPERATING.md describes.
///
/// The array is moved, also on failure: its `release` is null afterwards. The schema is not.
///
/// BARBUS_ERROR_COLUMNS for an array that is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_publish_arrow(
    publisher: Option<&barbus_publisher>,
    array: Option<&mut FFI_ArrowArray>,
    schema: Option<&FFI_ArrowSchema>,
    ack: Option<&mut barbus_ack>,
) -> i32 {
    call(|| {
        let batch = import_batch(given("array", array)?, given("schema", schema)?)?;
        given("publisher", publisher)?.slot().with(|state| state.send(&batch, ack))
    })
}

/// States that no more bars follow of the minute that ends at `frame_ms`, and of those before it:
/// readers with `minutes` need not wait for the symbols that have no bar. `frame_ms` is the end of
/// the minute also if producers label bars by their start.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_done(publisher: Option<&barbus_publisher>, frame_ms: i64) -> i32 {
    call(|| given("publisher", publisher)?.slot().with(|state| Ok(state.publisher()?.done(frame_ms)?)))
}

/// Waits until all bars are acknowledged, and counts the outcomes of all bars of this publisher;
/// `ack` may be null. The publisher sends nothing any more: close it.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_publisher_finish(publisher: Option<&barbus_publisher>, ack: Option<&mut barbus_ack>) -> i32 {
    call(|| given("publisher", publisher)?.slot().with(|state| state.finish(ack)))
}
