//! Readers and replays: opening, events, the last bars of a symbol.

use std::mem::MaybeUninit;

use crate::failure::{call, given};
use crate::options;
use crate::raw::{CText, Slot, barbus_reader, bars, symbol};
use crate::reader::ReaderState;
use crate::types::*;

/// Opens a reader of the bus in the directory `path`. Null as `options`: after the newest bar.
///
/// The reader belongs to the calling thread, and no other thread may use it, see
/// barbus_reader_hand_over. Each thread that reads opens its own. A reader continues after a
/// restart of the daemon and in the place of the ring that follows.
///
/// On failure `reader` is null.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_reader_open(
    path: CText<'_>,
    options: Option<&barbus_reader_options<'_>>,
    reader: Option<&mut MaybeUninit<Option<&'static barbus_reader>>>,
) -> i32 {
    call(|| {
        let out = given("reader", reader)?.write(None);
        let feed = options::live(path.required("path")?, options)?;
        *out = Some(barbus_reader::of(Slot::open(ReaderState::new(feed))));
        Ok(())
    })
}

/// Opens a replay of archived days of the bus in the directory `path`. Its events are those of a
/// live reader, so a strategy runs on both; barbus_ended says when the last day is over.
///
/// BARBUS_ERROR_START if none of the days is archived. On failure `reader` is null.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_replay_open(
    path: CText<'_>,
    options: Option<&barbus_replay_options<'_>>,
    reader: Option<&mut MaybeUninit<Option<&'static barbus_reader>>>,
) -> i32 {
    call(|| {
        let out = given("reader", reader)?.write(None);
        let feed = options::replay(path.required("path")?, given("options", options)?)?;
        *out = Some(barbus_reader::of(Slot::open(ReaderState::new(feed))));
        Ok(())
    })
}

/// Closes a reader or a replay. Null is not an error. What it lent is not valid any more; Arrow
/// arrays of it stay until they are released. In a forked child it does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_reader_close(reader: Option<&'static barbus_reader>) -> i32 {
    call(|| reader.map_or(Ok(()), |reader| reader.slot().close()))
}

/// Hands a reader over: the next thread that uses it has it from then on. Only the thread that has
/// the reader may call this.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_reader_hand_over(reader: Option<&barbus_reader>) -> i32 {
    call(|| given("reader", reader)?.slot().hand_over())
}

/// The next event, or BARBUS_EVENT_NONE. It never waits, and if there is nothing new it makes no
/// system call.
///
/// The first call lists the reader for `barbus readers`, and the one that meets a new ring opens
/// it. A reader that is behind gets up to 1,024 bars at once. What the event points to is valid
/// until the next call with this reader.
///
/// BARBUS_ERROR_RING if the ring is corrupt; BARBUS_ERROR_START if another ring with other sequence
/// numbers has taken its place: open a new reader.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_poll(reader: Option<&barbus_reader>, event: Option<&mut barbus_event>) -> i32 {
    call(|| {
        let event = given("event", event)?;
        given("reader", reader)?.slot().with(|state| state.poll(event))
    })
}

/// The next event; waits for it for at most `timeout_ms` milliseconds, without a limit if that is
/// negative. BARBUS_EVENT_NONE if there is none in this time, or at the end of a replay.
///
/// How it waits is set when the reader is opened. BARBUS_ERROR_INTERRUPTED if a signal handler ran
/// while it slept; no event is lost. Other errors as barbus_poll, and BARBUS_ERROR_RING_LOST if the
/// ring was removed.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_next(
    reader: Option<&barbus_reader>,
    timeout_ms: i64,
    event: Option<&mut barbus_event>,
) -> i32 {
    call(|| {
        let event = given("event", event)?;
        given("reader", reader)?.slot().with(|state| state.next(timeout_ms, event))
    })
}

/// Whether no event will follow: 1 after the last day of a replay, 0 before, and always 0 for a
/// live reader.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_ended(reader: Option<&barbus_reader>, ended: Option<&mut MaybeUninit<i32>>) -> i32 {
    call(|| {
        let out = given("ended", ended)?;
        given("reader", reader)?.slot().with(|state| {
            out.write(state.feed.ended().into());
            Ok(())
        })
    })
}

/// Whether the last BARBUS_EVENT_WITHDRAWN of this reader has the bar of `symbol` that ends at
/// `frame_ms`, which is one of its day. `length` is the number of bytes of `symbol`, or BARBUS_NUL.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_event_covers(
    reader: Option<&barbus_reader>,
    symbol: CText<'_>,
    length: usize,
    frame_ms: i64,
    covers: Option<&mut MaybeUninit<i32>>,
) -> i32 {
    call(|| {
        let (symbol, out) = (self::symbol(symbol, length)?, given("covers", covers)?);
        given("reader", reader)?.slot().with(|state| {
            out.write(state.withdrawal_covers(symbol, frame_ms)?.into());
            Ok(())
        })
    })
}

/// The newest bar of a symbol in its last correction, whatever the reader has read. `length` is the
/// number of bytes of `symbol`, or BARBUS_NUL. `found` is 0 if the symbol has no bar.
///
/// The first question reads the whole ring; later ones read the bars since then. With `minutes` or
/// `interval`, too, the answer is a bar of one minute.
///
/// BARBUS_ERROR_UNKNOWN_SYMBOL if the symbol never occurred on the bus.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_latest(
    reader: Option<&barbus_reader>,
    symbol: CText<'_>,
    length: usize,
    latest: Option<&mut MaybeUninit<barbus_bar>>,
    found: Option<&mut MaybeUninit<i32>>,
) -> i32 {
    call(|| {
        let symbol = self::symbol(symbol, length)?;
        let (out, found) = (given("latest", latest)?, given("found", found)?);
        given("reader", reader)?.slot().with(|state| {
            let newest = bars(state.window(symbol, 1)?).last();
            found.write(newest.is_some().into());
            if let Some(bar) = newest {
                out.write(*bar);
            }
            Ok(())
        })
    })
}

/// The last `count` bars of a symbol, oldest first, each in its last correction; fewer if the bus
/// has no more. `length` is the number of bytes of `symbol`, or BARBUS_NUL.
///
/// Bars that the ring does not have any more come from the archive. The bars are valid until the
/// next call with this reader.
///
/// Errors as barbus_latest.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_window(
    reader: Option<&barbus_reader>,
    symbol: CText<'_>,
    length: usize,
    count: usize,
    window: Option<&mut MaybeUninit<*const barbus_bar>>,
    found: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    call(|| {
        let symbol = self::symbol(symbol, length)?;
        let (out, found) = (given("window", window)?, given("found", found)?);
        given("reader", reader)?.slot().with(|state| {
            let rows = bars(state.window(symbol, count)?);
            out.write(rows.as_ptr());
            found.write(rows.len());
            Ok(())
        })
    })
}
