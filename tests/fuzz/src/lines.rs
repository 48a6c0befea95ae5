//! Any bytes as CSV or as NDJSON: each line is a bar or a reject, or a message names the input.

use std::io::Cursor;

use barbus_bars::BarSchema;
use barbus_files::{InputFormat, read_input};

/// Reads `data` as lines of text; its first byte chooses the format and the schema.
pub fn run(data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let format = [InputFormat::Csv, InputFormat::Ndjson][usize::from(first & 1)];
    let schema = if first & 2 == 0 {
        BarSchema::in_zone("Asia/Shanghai").expect("a known zone")
    } else {
        BarSchema::zillionare()
    };
    let content = read_input("input", Cursor::new(text.to_vec()), Some(format), &schema);
    if let Some(failure) = &content.failure {
        assert!(failure.starts_with("input: "), "{failure:?} does not name the input");
    }
    // Other encodings have other lines, and packed bytes have none.
    let is_plain = std::str::from_utf8(text).is_ok() && !text.contains(&0) && !text.starts_with(b"BZh");
    if is_plain {
        let lines = text.split(|&byte| byte == b'\n').enumerate().filter(|(number, line)| {
            let line = if *number == 0 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
            !line.trim_ascii().is_empty()
        });
        let rows = content.bars.num_rows() + content.rejects.num_rows() + content.left_out as usize;
        let lines = lines.count();
        match (format, &content.failure) {
            (InputFormat::Ndjson, None) => assert_eq!(rows, lines),
            // A header and lines before it are neither bars nor rejects, and a record with a line
            // break in quotes has several lines.
            (_, None) if !text.contains(&b'"') => assert!(rows < lines || lines == 0),
            _ => assert!(rows <= lines),
        }
    }
    if format == InputFormat::Csv && is_plain {
        // A blank before the end of a line changes no bar.
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
        let other = read_input("input", Cursor::new(blanks), Some(format), &schema);
        assert_eq!(other.rejects.num_rows(), content.rejects.num_rows());
        // NaN is not equal to itself, but its text is.
        assert!(other.bars == content.bars || format!("{:?}", other.bars) == format!("{:?}", content.bars));
    }
    for column in content.bars.columns() {
        assert_eq!(column.len(), content.bars.num_rows());
    }
}

/// The end of the header line and of the blank lines before it.
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
