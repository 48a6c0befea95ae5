//! Questions over live and archived bars.

use std::mem::MaybeUninit;

use arrow::error::ArrowError;
use arrow::ffi_stream::FFI_ArrowArrayStream;

use crate::answer::{AnswerState, PanelState, shortfall};
use crate::failure::{Failure, call, given};
use crate::options;
use crate::raw::{CText, Shared, TextBuffer, barbus_answer, barbus_bus, barbus_panel, check_size, export_stream};
use crate::types::*;

/// Asks for bars, live and archived ones as one sequence: by trading day, and within a day by
/// symbol and frame. Each comes once, in its last correction. All of them are in memory then.
///
/// Null as `question`: all bars. Any number of threads may use the answer at once. On failure
/// `answer` is null.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_ask(
    bus: Option<&barbus_bus>,
    question: Option<&barbus_question<'_>>,
    answer: Option<&mut MaybeUninit<Option<&'static barbus_answer>>>,
) -> i32 {
    call(|| {
        let out = given("answer", answer)?.write(None);
        let bus = given("bus", bus)?.slot().get()?;
        let query = question.map_or_else(|| Ok(bus.0.bars()), |question| options::question(&bus.0, question))?;
        *out = Some(barbus_answer::of(Shared::open(AnswerState::new(query.collect()?, &bus.0)?)));
        Ok(())
    })
}

/// As barbus_ask, but as an Arrow stream that reads day by day: memory does not grow with the
/// number of days. `next_seq` may be null; it is set to the sequence number at which a reader goes
/// on, or to UINT64_MAX if the bus has no ring.
///
/// The stream belongs to one thread at a time and outlives the bus. The program calls its
/// `release`.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_ask_stream(
    bus: Option<&barbus_bus>,
    question: Option<&barbus_question<'_>>,
    stream: Option<&mut MaybeUninit<FFI_ArrowArrayStream>>,
    next_seq: Option<&mut MaybeUninit<u64>>,
) -> i32 {
    call(|| {
        let out = given("stream", stream)?;
        let bus = given("bus", bus)?.slot().get()?;
        let query = question.map_or_else(|| Ok(bus.0.bars()), |question| options::question(&bus.0, question))?;
        let schema = query.schema()?;
        let history = query.open()?;
        if let Some(next_seq) = next_seq {
            next_seq.write(history.next_seq().unwrap_or(u64::MAX));
        }
        let failed = |error: barbus::Error| ArrowError::ExternalError(Box::new(error));
        export_stream(schema, history.map(move |batch| batch.map_err(failed)), out);
        Ok(())
    })
}

/// Closes an answer. Null is not an error. Arrow streams of it stay until they are released.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_answer_close(answer: Option<&'static barbus_answer>) -> i32 {
    call(|| answer.map_or(Ok(()), |answer| answer.slot().close()))
}

/// What an answer has.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_answer_get(answer: Option<&barbus_answer>, info: Option<&mut barbus_answer_info>) -> i32 {
    call(|| {
        let out = given("info", info)?;
        check_size(out)?;
        let state = given("answer", answer)?.slot().get()?;
        *out = barbus_answer_info {
            size: out.size,
            bars: state.answer.rows(),
            symbols: state.symbols().len(),
            next_seq: state.answer.next_seq().unwrap_or(0),
            has_next_seq: state.answer.next_seq().is_some().into(),
            complete: state.answer.is_complete().into(),
            shortfalls: state.answer.shortfalls().len(),
        };
        Ok(())
    })
}

/// The bars of an answer as structs, valid until the answer is closed. Their ids are those of
/// barbus_answer_symbol; `seq`, `received_ns` and `revision` are 0. Columns that were not asked for
/// are 0.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_answer_bars(
    answer: Option<&barbus_answer>,
    bars: Option<&mut MaybeUninit<*const barbus_bar>>,
    count: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    call(|| {
        let (out, count) = (given("bars", bars)?, given("count", count)?);
        let state = given("answer", answer)?.slot().get()?;
        let bars = state.bars()?;
        out.write(bars.as_ptr());
        count.write(bars.len());
        Ok(())
    })
}

/// The text of a symbol's id in an answer, valid until the answer is closed.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_answer_symbol(
    answer: Option<&barbus_answer>,
    id: u32,
    name: Option<&mut MaybeUninit<barbus_text>>,
) -> i32 {
    call(|| {
        let out = given("name", name)?;
        let state = given("answer", answer)?.slot().get()?;
        let unknown = || Failure::new(BARBUS_ERROR_UNKNOWN_SYMBOL, format!("no symbol of the answer has the id {id}"));
        out.write(barbus_text::of(state.symbols().get(id as usize).ok_or_else(unknown)?));
        Ok(())
    })
}

/// The bars of an answer as an Arrow stream, without a copy. The stream outlives the answer. The
/// program calls its `release`.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_answer_stream(
    answer: Option<&barbus_answer>,
    stream: Option<&mut MaybeUninit<FFI_ArrowArrayStream>>,
) -> i32 {
    call(|| {
        let out = given("stream", stream)?;
        let state = given("answer", answer)?.slot().get()?;
        let batches: Vec<_> = state.answer.batches().to_vec();
        export_stream(state.answer.schema().clone(), batches.into_iter().map(Ok), out);
        Ok(())
    })
}

/// Writes what was asked for and is not in the answer, in words: the shortfall number `index`, with
/// NUL at its end, cut to `capacity` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_answer_shortfall(
    answer: Option<&barbus_answer>,
    index: usize,
    text: TextBuffer<'_>,
    capacity: usize,
) -> i32 {
    call(|| {
        let state = given("answer", answer)?.slot().get()?;
        text.write(capacity, &shortfall(state.answer.shortfalls(), index)?)
    })
}

/// Asks for one column of the last minutes, or intervals, that have a bar: minutes by symbols. The
/// question must have `last`.
///
/// Any number of threads may use the panel at once. On failure `panel` is null.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_ask_panel(
    bus: Option<&barbus_bus>,
    question: Option<&barbus_question<'_>>,
    column: CText<'_>,
    panel: Option<&mut MaybeUninit<Option<&'static barbus_panel>>>,
) -> i32 {
    call(|| {
        let out = given("panel", panel)?.write(None);
        let bus = given("bus", bus)?.slot().get()?;
        let query = options::question(&bus.0, given("question", question)?)?;
        let found = query.panel(column.required("column")?)?;
        *out = Some(barbus_panel::of(Shared::open(PanelState::new(found))));
        Ok(())
    })
}

/// Closes a panel. Null is not an error.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_panel_close(panel: Option<&'static barbus_panel>) -> i32 {
    call(|| panel.map_or(Ok(()), |panel| panel.slot().close()))
}

/// The arrays of a panel.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_panel_get(panel: Option<&barbus_panel>, data: Option<&mut barbus_panel_data>) -> i32 {
    call(|| {
        let out = given("data", data)?;
        check_size(out)?;
        let state = given("panel", panel)?.slot().get()?;
        let panel = &state.panel;
        *out = barbus_panel_data {
            size: out.size,
            frames_ms: panel.frames_ms.as_ptr(),
            minutes: panel.frames_ms.len(),
            symbols: state.symbols.as_ptr(),
            symbol_count: state.symbols.len(),
            values: panel.values.as_ptr(),
            shortfalls: panel.shortfalls.len(),
        };
        Ok(())
    })
}

/// As barbus_answer_shortfall, of a panel.
#[unsafe(no_mangle)]
pub extern "C" fn barbus_panel_shortfall(
    panel: Option<&barbus_panel>,
    index: usize,
    text: TextBuffer<'_>,
    capacity: usize,
) -> i32 {
    call(|| {
        let state = given("panel", panel)?.slot().get()?;
        text.write(capacity, &shortfall(&state.panel.shortfalls, index)?)
    })
}
