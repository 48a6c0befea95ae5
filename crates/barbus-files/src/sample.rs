//! The beginning of an input: what its layout is recognized by and its columns are bound with.

/// Most rows of a sample.
pub(crate) const SAMPLE_ROWS: usize = 512;

/// The beginning of an input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The path of the input; that of a member of an archive follows the path of the archive.
    pub(crate) path: String,
    /// The lines before the header.
    pub(crate) preamble: Vec<String>,
    /// The names of the columns; numbers from one where there is no header.
    pub(crate) names: Vec<String>,
    /// Whether the input names its columns.
    pub(crate) has_header: bool,
    /// The texts of the first rows; a missing value is `None`.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// The paths to the rows of a JSON document that barbus found.
    pub(crate) json_paths: Vec<String>,
    /// The column that the writer of the input marked as its index.
    pub(crate) index: Option<usize>,
}

impl Sample {
    /// The values of a column in the first rows.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = &str> + Clone {
        self.rows.iter().filter_map(move |row| row.get(column)?.as_deref())
    }
}
