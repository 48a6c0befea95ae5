//! Bars in Arrow's C Data Interface.

use std::collections::HashMap;
use std::mem::MaybeUninit;

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use barbus::SymbolId;

use crate::batch::live_batch;
use crate::failure::{call, given};
use crate::feed::Feed;
use crate::raw::{BarArray, barbus_reader, export_batch};

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
