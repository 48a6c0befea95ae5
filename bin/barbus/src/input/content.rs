//! All that one input holds, at once, for whoever has its bytes.

use std::io::Read;

use arrow::array::RecordBatch;
use barbus_bars::BarSchema;

use super::{Format, Input, InputError, Options, Parsed, reject_batch};

/// What an input holds.
#[derive(Debug)]
pub struct Content {
    /// The bars that could be read, in the order of the input; columns as the bus's schema has them on the wire.
    pub bars: RecordBatch,
    /// The rows that could not, each with its place and the reason.
    pub rejects: RecordBatch,
    /// Why it was not read, or not to its end: a whole message that begins with the input's name.
    pub failure: Option<String>,
}

/// Reads all that `reader` gives as `barbus publish` would read a file called `name`, into bars of `schema`. Without a `format` it is found out.
///
/// ```
/// let schema = barbus_bars::BarSchema::in_zone("UTC").unwrap();
/// let text = "symbol,frame,open,high,low,close,volume\nA,2024-07-04 09:31,1,2,1,2,10\nA,2024-07-04 09:32,one,2,1,2,10\n";
/// let content = barbus_cli::read("a.csv", text.as_bytes(), None, &schema);
/// assert_eq!((content.bars.num_rows(), content.rejects.num_rows(), content.failure), (1, 1, None));
/// ```
pub fn read(name: &str, reader: impl Read + Send + 'static, format: Option<Format>, schema: &BarSchema) -> Content {
    let mut parsed = Parsed::new(schema);
    let options = Options { format, ..Options::new(schema.clone()) };
    let all = || -> Result<(), InputError> {
        let mut input = Input::of_reader(name, reader, &options)?;
        while input.read(&mut parsed)? {}
        Ok(())
    };
    let failure = all().err().map(|error| error.to_string());
    let Parsed { bars, mut rejects } = parsed;
    Content { bars: bars.into_batch(), rejects: reject_batch(rejects.make_contiguous()), failure }
}
