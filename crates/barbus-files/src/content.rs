//! Reads a whole input at once: for programs that embed the command line's readers.

use std::io::Read;

use arrow::array::RecordBatch;
use barbus_bars::BarSchema;

use crate::error::InputError;
use crate::input::Opener;
use crate::options::{InputFormat, InputOptions};
use crate::reject::reject_batch;
use crate::source::ParsedRows;

/// The rows of an input.
#[derive(Debug)]
pub struct InputContent {
    /// The bars in the order of the input, under the wire schema of the bus.
    pub bars: RecordBatch,
    /// The rows that could not be read: `row`, `source` and `reason` of each.
    pub rejects: RecordBatch,
    /// The number of records that are no bars of a bus of minutes.
    pub left_out: u64,
    /// Why the input was not read, or not to its end: a message that begins with the input's name.
    pub failure: Option<String>,
}

/// Reads all bytes of `reader` as `barbus publish` reads a file called `name`.
///
/// The bars have the columns of `schema`. Without a `format` it is detected.
///
/// ```
/// let schema = barbus_bars::BarSchema::in_zone("UTC").unwrap();
/// let text = "symbol,frame,open,high,low,close,volume\n\
///             A,2024-07-04 09:31,1,2,1,2,10\n\
///             A,2024-07-04 09:32,one,2,1,2,10\n";
/// let content = barbus_files::read_input("a.csv", text.as_bytes(), None, &schema);
/// assert_eq!((content.bars.num_rows(), content.rejects.num_rows()), (1, 1));
/// assert_eq!(content.failure, None);
/// ```
pub fn read_input(
    name: &str,
    reader: impl Read + Send + 'static,
    format: Option<InputFormat>,
    schema: &BarSchema,
) -> InputContent {
    let mut parsed = ParsedRows::new(schema);
    let options = InputOptions { format, ..InputOptions::new(schema.clone()) };
    let read_all = |parsed: &mut ParsedRows| -> Result<(), InputError> {
        let opener = Opener::new(options).map_err(|error| InputError::format(name, &error.to_string()))?;
        let mut source = opener.open_stream(name, name, Box::new(reader))?;
        while source.read(parsed)? {}
        Ok(())
    };
    let failure = read_all(&mut parsed).err().map(|error| error.to_string());
    let left_out = parsed.left_out_rows();
    let ParsedRows { bars, mut rejects, .. } = parsed;
    InputContent { bars: bars.into_batch(), rejects: reject_batch(rejects.make_contiguous()), left_out, failure }
}
