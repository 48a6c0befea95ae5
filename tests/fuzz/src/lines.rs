//! Any bytes as CSV or as NDJSON: bars, rejected lines, or a message that names the input. No line is lost.

use std::io::Cursor;

use barbus_bars::BarSchema;
use barbus_cli::{Format, read};

/// Reads `data` as lines of text; its first byte says of which format.
pub fn run(data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let format = [Format::Csv, Format::Ndjson][usize::from(first & 1)];
    let schema = if first & 2 == 0 {
        BarSchema::in_zone("Asia/Shanghai").expect("a zone that there is")
    } else {
        BarSchema::zillionare()
    };
    let content = read("input", Cursor::new(text.to_vec()), Some(format), &schema);
    if let Some(failure) = &content.failure {
        assert!(failure.starts_with("input: "), "{failure:?} does not name the input");
    }
    if !text.starts_with(b"\x1f\x8b") {
        let lines = text.split(|&byte| byte == b'\n').enumerate().filter(|(number, line)| {
            let line = if *number == 0 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
            !line.trim_ascii().is_empty()
        });
        let header = usize::from(format == Format::Csv);
        let rows = content.bars.num_rows() + content.rejects.num_rows();
        // The header's line, where there is one, is neither a bar nor a reject.
        match content.failure {
            None => assert_eq!(rows + header, lines.count()),
            Some(_) => assert!(rows <= lines.count()),
        }
    }
    // What can be read is passed on: that an infinite price is no bar, the bus says.
    for column in content.bars.columns() {
        assert_eq!(column.len(), content.bars.num_rows());
    }
}
