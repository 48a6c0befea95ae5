//! The plan of an input: where each value of a bar comes from, decided before the first row.

use barbus_bars::DEFAULT_INTERVAL_MS;

use super::frame::FrameRule;
use crate::rows::NUMBERS;
use crate::values::clock_text::{DateOrder, TimeDigits};
use crate::values::number::NumberForm;

/// Where the values of the bars of an input come from.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How times are read.
    pub(crate) frame: FrameRule,
    /// The instruments of each record: one, or several side by side.
    pub(crate) groups: Vec<Group>,
    /// Columns in which a bar has one of some values.
    pub(crate) only: Vec<Only>,
    /// A column that states whether the bar is finished.
    pub(crate) closed: Option<usize>,
    /// How numbers are read.
    pub(crate) numbers: NumberForm,
    /// The digits that a symbol has which is a number.
    pub(crate) symbol_digits: Option<usize>,
    /// A symbol that the path states.
    pub(crate) path_symbol: Option<String>,
    /// A column of volumes that must be zero in every row, because another one was taken for it.
    pub(crate) zero_volume: Option<usize>,
}

/// The columns of one instrument.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Where its name comes from.
    pub(crate) symbol: SymbolRule,
    /// Open, high, low, close and volume.
    pub(crate) numbers: [NumberRule; NUMBERS],
    /// The optional columns of the bus.
    pub(crate) optional: Vec<NumberRule>,
}

/// Where the symbol of a bar comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SymbolRule {
    /// A column, with the exchange of another column behind a dot. Blank cells have `default`.
    Column { column: usize, exchange: Option<usize>, default: Option<String> },
    /// The same for every row.
    Constant(String),
    /// The place of the record in its document.
    Record,
}

/// Where a number of a bar comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NumberRule {
    /// Nowhere: zero for a volume, null for an optional column.
    Absent,
    /// A column.
    Column(usize),
    /// The sum of columns.
    Sum(Vec<usize>),
}

/// A column in which every bar has one of some values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Only {
    pub(crate) column: usize,
    pub(crate) name: String,
    /// The values of a bar; empty for any text that states one minute.
    pub(crate) values: Vec<String>,
}

impl NumberRule {
    fn columns(&self) -> &[usize] {
        match self {
            NumberRule::Absent => &[],
            NumberRule::Column(column) => std::slice::from_ref(column),
            NumberRule::Sum(columns) => columns,
        }
    }
}

impl Plan {
    /// A plan for no column.
    pub(crate) fn empty() -> Plan {
        Plan {
            frame: FrameRule {
                columns: Vec::new(),
                formats: Vec::new(),
                order: DateOrder::YearMonthDay,
                digits: TimeDigits::HoursMinutes,
                unit: None,
                midnight_ms: None,
                zone: None,
                epoch_zone: None,
                shift_ms: 0,
                interval_ms: DEFAULT_INTERVAL_MS,
                last_second: false,
            },
            groups: Vec::new(),
            only: Vec::new(),
            closed: None,
            numbers: NumberForm::default(),
            symbol_digits: None,
            path_symbol: None,
            zero_volume: None,
        }
    }

    /// The columns from which numbers are read.
    pub(crate) fn number_columns(&self) -> impl Iterator<Item = usize> {
        let rules = self.groups.iter().flat_map(|group| group.numbers.iter().chain(&group.optional));
        rules.flat_map(NumberRule::columns).copied()
    }

    /// The columns from which symbols are read.
    pub(crate) fn symbol_columns(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().filter_map(|group| match &group.symbol {
            SymbolRule::Column { column, .. } => Some(*column),
            _ => None,
        })
    }
}
