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
    if format == Format::Csv && !text.starts_with(b"\x1f\x8b") {
        // Lines with a blank before their end are no plain ones: read by the parser of all others they are the same bars.
        let (header, lines) = text.split_at(end_of_header(text));
        let mut blanks = header.to_vec();
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    let (line, end) = line.strip_suffix(b"\r").map_or((line, &b"\n"[..]), |line| (line, b"\r\n"));
                    blanks.extend([line, b" ", end].concat());
                }
                None => blanks.extend(line),
            }
        }
        let other = read("input", Cursor::new(blanks), Some(format), &schema);
        assert_eq!(other.rejects.num_rows(), content.rejects.num_rows());
        // Not a number is not equal to itself; as text it is.
        assert!(other.bars == content.bars || format!("{:?}", other.bars) == format!("{:?}", content.bars));
    }
    // What can be read is passed on: that an infinite price is no bar, the bus says.
    for column in content.bars.columns() {
        assert_eq!(column.len(), content.bars.num_rows());
    }
}

/// Where the header's line ends, the blank lines before it included.
fn end_of_header(text: &[u8]) -> usize {
    let mut end = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let blank = line.strip_prefix(b"\xEF\xBB\xBF").filter(|_| end == 0).unwrap_or(line).trim_ascii().is_empty();
        end += line.len();
        if !blank {
            break;
        }
    }
    end
}
