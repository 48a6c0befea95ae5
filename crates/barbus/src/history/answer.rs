//! The answer to a question as a whole.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::shortfall::Shortfall;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
    pub(super) next_seq: Option<u64>,
    pub(super) shortfalls: Vec<Shortfall>,
}

impl Answer {
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The bars in their order; no batch has bars of two days, and all have the same dictionary of
    /// symbols.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The batches.
    pub fn into_batches(self) -> Vec<RecordBatch> {
        self.batches
    }

    /// Number of bars.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The number of the next bar of the bus: a reader at
    /// [`Start::Seq`](crate::Start::Seq) of it goes on without a gap or an overlap. `None` if the
    /// bus has no ring.
    pub fn next_seq(&self) -> Option<u64> {
        self.next_seq
    }

    /// What was asked for and is not in the answer.
    pub fn shortfalls(&self) -> &[Shortfall] {
        &self.shortfalls
    }

    /// Whether the answer has every bar that was asked for, as far as the bus can know.
    pub fn is_complete(&self) -> bool {
        self.shortfalls.iter().all(|shortfall| matches!(shortfall, Shortfall::NotAdjusted { .. }))
    }
}
