//! Bars in Arrow's C Data Interface.

use std::collections::HashMap;
use std::mem::MaybeUninit;

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use barbus::SymbolId;

use crate::batch::live_batch;
use crate::failure::{call, given};
use crate::feed::Feed;
use crate::options;
use crate::raw::{BarArray, barbus_reader, export_batch, export_stream};
use crate::reader_stream::ReaderStream;
use crate::types::barbus_stream_options;

/// The next bars as an array of structs, in the memory of the ring if possible: all committed bars
/// of the reader's block. The reader's position moves behind them. For many bars at once; for the
/// next one, barbus_poll is cheaper.
///
/// `count` is their number. It is 0 if there is nothing new, or if the next event is not bars:
/// barbus_poll has it then. Then `array` and `schema` are not set and need no release.
///
/// The values do not change until `array->release` is called, in any thread. Until then the writer
/// goes around the block; a reader pins at most the part `readers.max_pins` of the ring, and gets
/// copies beyond it. `pinned` is 0 for a copy. The symbols of the reader do not filter these bars.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_pin(
    reader: Option<&barbus_reader>,
    array: Option<&mut MaybeUninit<FFI_ArrowArray>>,
    schema: Option<&mut MaybeUninit<FFI_ArrowSchema>>,
    count: Option<&mut MaybeUninit<usize>>,
    pinned: Option<&mut MaybeUninit<i32>>,
) -> i32 {
    call(|| {
        let (array, schema) = (given("array", array)?, given("schema", schema)?);
        let (count, pinned) = (given("count", count)?.write(0), given("pinned", pinned)?.write(0));
        given("reader", reader)?.slot().with(|state| {
            let Feed::Live(reader) = &mut state.feed else { return Ok(()) };
            let Some(view) = reader.pin()? else { return Ok(()) };
            let (rows, is_pinned) = (view.num_rows(), view.is_pinned());
            export_batch(view.into_batch()?, array, schema)?;
            (*count, *pinned) = (rows, is_pinned.into());
            Ok(())
        })
    })
}

/// Copies bars of this reader, such as those of an event or of barbus_window, into an array of
/// structs: symbol (a dictionary of texts), frame, open, high, low, close, volume, the optional
/// columns, seq, received and revision. The program calls `release` of both.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_bars_arrow(
    reader: Option<&barbus_reader>,
    bars: BarArray<'_>,
    count: usize,
    array: Option<&mut MaybeUninit<FFI_ArrowArray>>,
    schema: Option<&mut MaybeUninit<FFI_ArrowSchema>>,
) -> i32 {
    call(|| {
        let (array, schema) = (given("array", array)?, given("schema", schema)?);
        let bars = bars.slice(count)?;
        given("reader", reader)?.slot().with(|state| {
            let mut names: HashMap<u32, String> = HashMap::new();
            for bar in bars {
                if let Some(name) = state.feed.symbol_name(SymbolId(bar.symbol)) {
                    names.entry(bar.symbol).or_insert_with(|| name.to_owned());
                }
            }
            let batch = live_batch(&state.schema(), bars, |id| names.get(&id).map(String::as_str))?;
            export_batch(batch, array, schema)
        })
    })
}

/// Makes an Arrow stream of a reader's bars, or of a replay's, from its position on, with the
/// columns of barbus_bars_arrow. The stream has the reader then, whose handle is closed. Null as
/// `options`: the stream ends at the newest bar. On failure the reader stays as it is.
///
/// `get_next` gives the bars that have come, many of them in the memory of the ring as barbus_pin
/// does, and waits for the next ones as the options say. With `symbols`, `minutes` or `interval` of
/// the reader, bars are copies.
///
/// The stream ends without an array if there is no bar in time, after a day's close if the options
/// say so, and after the last day of a replay. This end is a pause: `get_next` may be called again,
/// and has the bars that came since.
///
/// What an array cannot say is an error of one `get_next`, EIO: that bars were missed, with their
/// exact number in `get_last_error`; that an operator has withdrawn bars; that a signal handler ran
/// during a wait. The next call goes on behind it. Closed days and minutes have no mark.
///
/// One thread at a time uses the stream, any thread. The program calls its `release`, which closes
/// the reader; arrays stay until they are released. In a forked child `get_next` fails, and
/// `release` leaves the reader to the parent.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_reader_stream(
    reader: Option<&'static barbus_reader>,
    options: Option<&barbus_stream_options>,
    stream: Option<&mut MaybeUninit<FFI_ArrowArrayStream>>,
) -> i32 {
    call(|| {
        let (out, options) = (given("stream", stream)?, options::stream(options)?);
        let batches = ReaderStream::new(given("reader", reader)?.slot().take()?, options);
        export_stream(batches.schema(), batches, out);
        Ok(())
    })
}
