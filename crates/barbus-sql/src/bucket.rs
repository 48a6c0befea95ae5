//! The function `bucket('5m', frame[, symbol])`: the end of the period that has a bar.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use barbus::Interval;
use barbus_bars::{Calendar, Periods};
use datafusion::common::{exec_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::restriction::text;

/// How it is called.
const USAGE: &str = "write bucket('5m', frame) or bucket('5m', frame, symbol)";

#[derive(Debug)]
pub(crate) struct Bucket {
    calendar: Calendar,
    signature: Signature,
}

impl Bucket {
    pub(crate) fn new(calendar: Calendar) -> Self {
        Self { calendar, signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

// A session has one bus.
impl PartialEq for Bucket {
    fn eq(&self, other: &Self) -> bool {
        self.calendar.name() == other.calendar.name()
    }
}

impl Eq for Bucket {}

impl Hash for Bucket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.calendar.name().hash(state);
    }
}

impl ScalarUDFImpl for Bucket {
    fn name(&self) -> &str {
        "bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [_, DataType::Timestamp(TimeUnit::Millisecond, zone)]
            | [_, DataType::Timestamp(TimeUnit::Millisecond, zone), _] => {
                Ok(DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))
            }
            _ => plan_err!("bucket: {USAGE}"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let interval = match arguments.args.first() {
            Some(ColumnarValue::Scalar(word)) => text(word),
            _ => None,
        };
        let interval = interval.ok_or_else(|| exec_datafusion_err!("bucket: the interval is not a text: {USAGE}"))?;
        let interval: Interval = interval.parse().map_err(|error| exec_datafusion_err!("bucket: {error}"))?;
        let frames = arguments.args[1].to_array(rows)?;
        let frames = frames.as_primitive::<TimestampMillisecondType>();
        let symbols = arguments.args.get(2).map(|symbols| symbols.to_array(rows)).transpose()?;
        let symbols = symbols.map(|symbols| cast(&symbols, &DataType::Utf8)).transpose()?;
        let symbols = symbols.as_ref().map(|symbols| symbols.as_string::<i32>());
        let mut of_market = Periods::new(self.calendar.clone(), interval);
        let mut of_symbols: HashMap<String, Periods> = HashMap::new();
        let ends = (0..rows).map(|row| {
            let frame_ms = frames.is_valid(row).then(|| frames.value(row))?;
            let Some(symbol) = symbols.filter(|symbols| symbols.is_valid(row)).map(|symbols| symbols.value(row)) else {
                return Some(of_market.of(frame_ms).end_ms);
            };
            let periods = match of_symbols.get_mut(symbol) {
                Some(periods) => periods,
                None => {
                    let periods = Periods::new(self.calendar.of_symbol(symbol), interval);
                    of_symbols.entry(symbol.to_owned()).or_insert(periods)
                }
            };
            Some(periods.of(frame_ms).end_ms)
        });
        let ends: TimestampMillisecondArray = ends.collect();
        Ok(ColumnarValue::Array(Arc::new(ends.with_data_type(arguments.return_field.data_type().clone()))))
    }
}
