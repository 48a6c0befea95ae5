//! SQL over a bus: its live and archived bars, its readers and its quarantine, as tables of
//! [DataFusion](datafusion).
//!
//! | table | what it has |
//! |---|---|
//! | `bars` | live and archived bars as one sequence, each once, in its last revision |
//! | `today` | the bars of the newest trading day |
//! | `readers` | the readers of the bus |
//! | `quarantine` | the rows that were refused, with the reasons |
//!
//! | function | what it gives |
//! |---|---|
//! | `bucket('5m', frame)` | the end of the period that has the bar, by the sessions of the bus |
//! | `bucket('5m', frame, symbol)` | likewise, by the hours of the symbol's product group |
//! | `adjusted('forward')` | the table `bars` with adjusted prices: `forward` or `backward` |
//!
//! Conditions on `symbol`, `day` and `frame` decide which files, row groups and pages are read.
//!
//! ```no_run
//! # async fn ask() -> anyhow::Result<()> {
//! let bus = barbus::Bus::open("BUS")?;
//! let context = barbus_sql::context(&bus, None)?;
//! let query = "select symbol, max(high) from bars where day = '2024-07-04' group by symbol";
//! let batches = context.sql(query).await?.collect().await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod adjusted;
mod bars_scan;
mod bars_table;
mod bucket;
mod restriction;
mod small_tables;

use std::sync::Arc;

use barbus::{Adjust, Bus};
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};

pub use bars_table::BarsTable;

/// A session with the tables and functions of a bus. `memory` bounds what a query may use, in
/// bytes; what sorts and groups need beyond it goes to temporary files.
///
/// The tables `readers` and `quarantine` are as they are now; `bars` and `today` are read by each
/// query.
///
/// # Errors
/// Those of the bus's folders.
pub fn context(bus: &Bus, memory: Option<usize>) -> Result<SessionContext> {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        runtime = runtime.with_memory_limit(bytes, 1.0);
    }
    let config = SessionConfig::new().with_information_schema(true);
    let context = SessionContext::new_with_config_rt(config, runtime.build_arc()?);
    let calendar = bus.settings().calendar.clone();
    context.register_table("bars", Arc::new(BarsTable::new(bus, Adjust::None)?))?;
    context.register_table("today", Arc::new(BarsTable::today(bus)?))?;
    context.register_table("readers", small_tables::readers(bus)?)?;
    context.register_table("quarantine", small_tables::quarantine(bus)?)?;
    context.register_udf(ScalarUDF::from(bucket::Bucket::new(calendar)));
    context.register_udtf("adjusted", Arc::new(adjusted::Adjusted::new(bus)));
    Ok(context)
}

/// An error of the bus as one of DataFusion.
fn external(error: barbus::Error) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}
