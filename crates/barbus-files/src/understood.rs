//! What was understood of an input, and why: the report that is given before anything is sent.

use barbus_bars::Label;

/// What was understood of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood {
    /// The path of the input.
    pub input: String,
    /// Its layout and how it was recognized; `None` where only the names of the columns decided.
    pub layout: Option<String>,
    /// Each column of a bar with the columns of the input that it is.
    pub columns: Vec<(String, String)>,
    /// Which end of a bar a time marks.
    pub label: Label,
    /// Why.
    pub label_why: String,
    /// The zone of times that carry none.
    pub zone: String,
    /// Why.
    pub zone_why: String,
    /// Where the symbol comes from.
    pub symbol: String,
    /// The name of the column of the symbol, if it is one.
    pub symbol_column: Option<String>,
    /// What else a user should know.
    pub notes: Vec<String>,
}

impl Understood {
    /// Whether two inputs were understood in the same way.
    pub fn is_like(&self, other: &Understood) -> bool {
        let without_symbol = |text: &str| text.split(": ").next().unwrap_or_default().to_owned();
        self.layout == other.layout
            && self.columns == other.columns
            && (self.label, &self.label_why) == (other.label, &other.label_why)
            && (&self.zone, &self.zone_why) == (&other.zone, &other.zone_why)
            && without_symbol(&self.symbol) == without_symbol(&other.symbol)
            && self.notes == other.notes
    }
}
