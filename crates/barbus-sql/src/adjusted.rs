//! The function `adjusted('forward')`: the bars with adjusted prices as a table.

use std::sync::Arc;

use barbus::{Adjust, Bus};
use datafusion::catalog::{TableFunctionImpl, TableProvider};
use datafusion::common::{plan_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;

use crate::bars_table::BarsTable;
use crate::restriction::text;

#[derive(Debug)]
pub(crate) struct Adjusted(Bus);

impl Adjusted {
    pub(crate) fn new(bus: &Bus) -> Self {
        Self(bus.clone())
    }
}

impl TableFunctionImpl for Adjusted {
    fn call(&self, arguments: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let [Expr::Literal(word, _)] = arguments else {
            return plan_err!("adjusted takes one word: write adjusted('forward') or adjusted('backward')");
        };
        let Some(word) = text(word) else {
            return plan_err!("adjusted takes a text: write adjusted('forward')");
        };
        let adjust: Adjust = word.parse().map_err(|error: String| plan_datafusion_err!("adjusted: {error}"))?;
        Ok(Arc::new(BarsTable::new(&self.0, adjust)?))
    }
}
