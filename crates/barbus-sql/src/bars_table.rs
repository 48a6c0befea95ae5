//! The bars of a bus as a table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use barbus::{Adjust, BarsQuery, Bus, Date};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use crate::bars_scan::BarsScan;
use crate::external;
use crate::restriction::Restriction;

/// Live and archived bars as one table; each query reads the bus anew.
#[derive(Debug)]
pub struct BarsTable {
    bus: Bus,
    adjust: Adjust,
    /// Only this day.
    day: Option<Date>,
    schema: SchemaRef,
}

impl BarsTable {
    /// The bars of `bus`, with prices as `adjust` says.
    ///
    /// # Errors
    /// None: every column of the bus is known.
    pub fn new(bus: &Bus, adjust: Adjust) -> Result<Self> {
        Ok(Self { bus: bus.clone(), adjust, day: None, schema: bus.bars().schema().map_err(external)? })
    }

    /// The bars of the newest trading day.
    ///
    /// # Errors
    /// Those of the ring and of the archive's directory.
    pub fn today(bus: &Bus) -> Result<Self> {
        let day = bus.newest_day().map_err(external)?.unwrap_or(Date::MIN);
        Ok(Self { day: Some(day), ..Self::new(bus, Adjust::None)? })
    }

    fn query(&self) -> BarsQuery {
        self.bus.bars().adjust(self.adjust)
    }
}

#[async_trait]
impl TableProvider for BarsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut restriction = Restriction::of(filters);
        if let Some(day) = self.day {
            restriction.first_day = restriction.first_day.max(Some(day));
            restriction.last_day = Some(restriction.last_day.map_or(day, |last| last.min(day)));
        }
        let columns: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema: SchemaRef = self.schema.project(&columns)?.into();
        if restriction.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        Ok(Arc::new(BarsScan::new(self.bus.clone(), self.query(), restriction, schema, limit)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Bounds only let fewer bars be read; the conditions are checked again.
        let kind = |filter: &&Expr| match Restriction::understands(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(kind).collect())
    }
}
