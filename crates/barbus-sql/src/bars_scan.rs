//! Reading the bars of a query.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use barbus::{BarsQuery, Bus};
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crate::external;
use crate::restriction::Restriction;

/// Batches that wait for the rest of the plan.
const QUEUED: usize = 2;

/// Reads the bars that may satisfy the conditions, day by day.
#[derive(Debug)]
pub(crate) struct BarsScan {
    bus: Bus,
    query: BarsQuery,
    restriction: Restriction,
    limit: Option<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl BarsScan {
    pub(crate) fn new(
        bus: Bus,
        query: BarsQuery,
        restriction: Restriction,
        schema: SchemaRef,
        limit: Option<usize>,
    ) -> Self {
        let names = schema.fields().iter().map(|field| field.name().clone());
        let query = restriction.apply(query).columns(names);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self { bus, query, restriction, limit, schema, properties: Arc::new(properties), metrics }
    }
}

impl DisplayAs for BarsScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "BarsScan: columns=[{}]", names.join(", "))?;
        let Restriction { symbols, first_day, last_day, from_ms, to_ms } = &self.restriction;
        if let Some(symbols) = symbols {
            let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
            write!(f, ", symbols=[{}]", symbols.join(", "))?;
        }
        if first_day.is_some() || last_day.is_some() {
            let text = |day: &Option<_>| day.map_or_else(String::new, |day: barbus::Date| day.to_string());
            write!(f, ", days={}..{}", text(first_day), text(last_day))?;
        }
        if from_ms.is_some() || to_ms.is_some() {
            let text = |ms: &Option<i64>| {
                let time = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
                time.map_or_else(String::new, |time| time.to_string())
            };
            write!(f, ", frames={}..{}", text(from_ms), text(to_ms))?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for BarsScan {
    fn name(&self) -> &str {
        "BarsScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("BarsScan has no children"),
        }
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let bytes = MetricBuilder::new(&self.metrics).counter("bytes_read", partition);
        let rows = MetricBuilder::new(&self.metrics).counter("output_rows", partition);
        let (bus, query, schema, limit) = (self.bus.clone(), self.query.clone(), Arc::clone(&self.schema), self.limit);
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), QUEUED);
        let sender = stream.tx();
        stream.spawn_blocking(move || {
            let before = bus.archive_bytes_read();
            let mut left = limit.unwrap_or(usize::MAX);
            let history = query.open().map_err(external)?;
            for batch in history {
                let batch = project(&batch.map_err(external)?, &schema)?;
                let batch = batch.slice(0, batch.num_rows().min(left));
                left -= batch.num_rows();
                rows.add(batch.num_rows());
                // Nobody waits for bars any more.
                if sender.blocking_send(Ok(batch)).is_err() || left == 0 {
                    break;
                }
            }
            bytes.add((bus.archive_bytes_read() - before) as usize);
            Ok(())
        });
        Ok(stream.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// The columns of `schema`, of an answer that has `symbol` and `frame` besides.
fn project(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().filter_map(|field| batch.column_by_name(field.name()).cloned()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
