//! Buses, answers and panels: what handles of all threads hold.

use std::sync::OnceLock;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use arrow::error::ArrowError;
use barbus::{Answer, Bus, Panel, Shortfall};

use crate::batch::bars_of_batch;
use crate::failure::Failure;
use crate::raw::{SharedHandle, SharedPool};
use crate::types::{barbus_bar, barbus_text};

/// What the handle of a bus holds.
#[derive(Debug)]
pub(crate) struct BusState(pub(crate) Bus);

/// What the handle of an answer holds.
#[derive(Debug)]
pub(crate) struct AnswerState {
    pub(crate) answer: Answer,
    /// The optional columns of the bus.
    optional: Vec<String>,
    symbols: Vec<String>,
    /// The bars as structs, made when they are first wanted.
    bars: OnceLock<Vec<barbus_bar>>,
}

/// What the handle of a panel holds.
#[derive(Debug)]
pub(crate) struct PanelState {
    pub(crate) panel: Panel,
    /// Texts in the panel.
    pub(crate) symbols: Vec<barbus_text>,
}

/// Implements the handle of a state.
macro_rules! implement_handle {
    ($state:ty, $name:literal, $tag:literal) => {
        impl SharedHandle for $state {
            const TAG: u64 = $tag;
            const NAME: &'static str = $name;
            fn pool() -> &'static SharedPool<Self> {
                static POOL: SharedPool<$state> = SharedPool::new();
                &POOL
            }
        }
    };
}

implement_handle!(BusState, "bus", 0x0ba2_6e02);
implement_handle!(AnswerState, "answer", 0x0ba2_6e03);
implement_handle!(PanelState, "panel", 0x0ba2_6e04);

impl AnswerState {
    pub(crate) fn new(answer: Answer, bus: &Bus) -> Result<Self, Failure> {
        let symbols = answer.batches().first().map(dictionary).transpose()?.unwrap_or_default();
        let optional = bus.settings().schema.optional().to_vec();
        Ok(Self { answer, optional, symbols, bars: OnceLock::new() })
    }

    /// The bars as structs.
    pub(crate) fn bars(&self) -> Result<&[barbus_bar], Failure> {
        if let Some(bars) = self.bars.get() {
            return Ok(bars);
        }
        let mut bars = Vec::with_capacity(self.answer.rows());
        for batch in self.answer.batches() {
            bars.extend(bars_of_batch(batch, &self.optional)?);
        }
        Ok(self.bars.get_or_init(|| bars))
    }

    /// The texts of symbols, by id.
    pub(crate) fn symbols(&self) -> &[String] {
        &self.symbols
    }
}

impl PanelState {
    pub(crate) fn new(panel: Panel) -> Self {
        let symbols = panel.symbols.iter().map(|symbol| barbus_text::of(symbol)).collect();
        Self { panel, symbols }
    }
}

/// The dictionary of a batch's symbols, which all batches of an answer share.
fn dictionary(batch: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    let values = batch.column(0).as_dictionary::<Int32Type>().values();
    let texts = cast(values, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    Ok((0..texts.len()).map(|i| texts.value(i).to_owned()).collect())
}

/// A shortfall as text.
pub(crate) fn shortfall(shortfalls: &[Shortfall], index: usize) -> Result<String, Failure> {
    let none = || Failure::argument(format!("index: {index}: there are {} shortfalls", shortfalls.len()));
    shortfalls.get(index).map(ToString::to_string).ok_or_else(none)
}
