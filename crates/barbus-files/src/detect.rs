//! Detects the format of an input by its name and its first bytes.
//!
//! If the first bytes are those of Parquet, Arrow or DBN, they decide.
//! A text that begins with `{` or `[` is JSON: one document, or a record on each line.
//! Otherwise the ending of the name decides: `.parquet`, `.pq`, `.arrow`, `.arrows`, `.feather`,
//! `.ipc`, `.ndjson`, `.jsonl` or `.json`, each also with the ending of a packing.
//! Any other text is CSV.

use std::path::Path;

use crate::decode::dbn::is_dbn;
use crate::decode::json::is_time;
use crate::decode::json_text;
use crate::error::InputError;
use crate::layout::pattern::without_packed_ending;
use crate::options::InputFormat;

/// First bytes of formats that barbus does not read, and the message for each.
const FOREIGN: [(&[u8], &str); 12] = [
    (
        b"SQLite format 3\0",
        "is an SQLite database: write its table as CSV, such as with sqlite3 -header -csv FILE 'select * from TABLE'",
    ),
    (b"\xD0\xCF\x11\xE0", "is a file of Excel (xls): save it as CSV"),
    (b"7z\xBC\xAF\x27\x1C", "is a 7z archive: unpack it first"),
    (b"Rar!", "is a RAR archive: unpack it first"),
    (b"\x93NUMPY", "is an array of NumPy: write it as Parquet with the names of its columns"),
    (
        b"\x80\x04\x95",
        "is a pickle of Python: write it as Parquet, such as with pandas.read_pickle(FILE).to_parquet(OUT)",
    ),
    (
        b"\x80\x05\x95",
        "is a pickle of Python: write it as Parquet, such as with pandas.read_pickle(FILE).to_parquet(OUT)",
    ),
    (b"\x5D\x00\x00", "is packed with LZMA (Dukascopy's bi5 has ticks, no bars): unpack it first"),
    (b"Obj\x01", "is Avro: write it as Parquet"),
    (b"ORC", "is ORC: write it as Parquet"),
    (b"FEA1", "is Feather version 1: write it as version 2 or Parquet"),
    (b"\x89HDF\r\n", "is HDF5: write it as Parquet, such as with pandas.read_hdf(FILE).to_parquet(OUT)"),
];

/// A format, with the two forms of Arrow IPC distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DetectedFormat {
    Csv,
    Ndjson,
    Json,
    Parquet,
    ArrowFile,
    ArrowStream,
    Dbn,
}

/// Whether these first bytes are text: a row may begin with the letters of a format, as `ORCL,`
/// begins with those of ORC.
fn is_text(head: &[u8]) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r".contains(byte);
    // A character may be cut at the end.
    let is_utf8 = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !head.iter().any(is_control)
}

/// The format of the input that begins with `head`, which is all of it where it is `complete`.
///
/// Messages call it `input`; the ending is that of `name`; `wanted` is the format the user gave.
///
/// # Errors
/// [`InputError`] when the first bytes contradict the wanted format or the ending, or belong to a
/// format that barbus does not read.
pub(crate) fn detect(
    input: &str,
    name: &str,
    head: &[u8],
    complete: bool,
    wanted: Option<InputFormat>,
) -> Result<DetectedFormat, InputError> {
    let binary = by_first_bytes(head);
    // A text of a format that the user gave may begin with any bytes.
    if wanted.is_none()
        && binary.is_none()
        && !is_text(head)
        && let Some((_, reason)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic))
    {
        return Err(InputError::format(input, reason));
    }
    if wanted.is_none() && head.get(257..262) == Some(b"ustar") {
        return Err(InputError::format(input, "is a tar archive: unpack it first"));
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let named = if binary.is_some() { None } else { by_ending(name) };
    match (wanted.or(named), binary) {
        (Some(InputFormat::Csv), _) => Ok(DetectedFormat::Csv),
        (Some(InputFormat::Ndjson), _) if wanted.is_some() => Ok(DetectedFormat::Ndjson),
        (Some(InputFormat::Json), _) if wanted.is_some() => Ok(DetectedFormat::Json),
        (Some(InputFormat::Ndjson | InputFormat::Json), _) if head.is_empty() => Ok(DetectedFormat::Ndjson),
        (Some(InputFormat::Ndjson | InputFormat::Json), _) => Ok(json_form(text, complete)),
        (Some(InputFormat::Parquet), Some(DetectedFormat::Parquet)) => Ok(DetectedFormat::Parquet),
        (Some(InputFormat::Arrow), Some(form @ (DetectedFormat::ArrowFile | DetectedFormat::ArrowStream))) => Ok(form),
        (Some(_), _) if head.is_empty() => Err(InputError::empty(input)),
        (Some(InputFormat::Parquet), _) => {
            Err(InputError::format(input, "is not Parquet: it does not begin with PAR1"))
        }
        (Some(InputFormat::Arrow), _) => {
            Err(InputError::format(input, "is not Arrow IPC: it begins neither like a file nor like a stream"))
        }
        (None, Some(format)) => Ok(format),
        (None, None) if text.starts_with(b"{") || text.starts_with(b"[") => Ok(json_form(text, complete)),
        (None, None) => Ok(DetectedFormat::Csv),
    }
}

/// Whether a JSON text has a record on each line, or is one document.
fn json_form(text: &[u8], complete: bool) -> DetectedFormat {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.split('\n').map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return DetectedFormat::Ndjson };
    let is_value = serde_json::from_str::<&serde_json::value::RawValue>(first).is_ok();
    if !is_value {
        // A first line that is cut is that of a document. A damaged one is named like any line.
        let cut = !complete && !text.contains('\n');
        let more_records = !cut && first.len() > 1 && lines.next().is_some_and(|line| line.starts_with(['{', '[']));
        return if more_records && first.starts_with('{') { DetectedFormat::Ndjson } else { DetectedFormat::Json };
    }
    match lines.next() {
        Some(_) => DetectedFormat::Ndjson,
        None if !complete => DetectedFormat::Ndjson,
        None if is_flat(first) => DetectedFormat::Ndjson,
        None => DetectedFormat::Json,
    }
}

/// Whether a JSON value is one record and holds none.
fn is_flat(value: &str) -> bool {
    let scalars = |values: Vec<&str>| values.len() >= 4 && values.iter().all(|value| json_text::is_scalar(value));
    match json_text::members(value) {
        Some(members) => {
            let holds_rows = |(_, value): &(_, &str)| holds_rows(value, 0);
            !members.iter().any(holds_rows) && members.iter().any(|(_, value)| json_text::is_scalar(value))
        }
        None => json_text::elements(value).is_some_and(scalars),
    }
}

/// Most objects around each other that are searched.
const MAX_DEPTH: usize = 4;

/// Whether a value holds rows of a document: in a list, under times, or several objects side by
/// side. An event holds its one bar in an object.
fn holds_rows(value: &str, depth: usize) -> bool {
    let Some(members) = json_text::members(value) else {
        return json_text::elements(value).is_some_and(|list| !list.is_empty());
    };
    let objects = members.iter().filter(|(_, value)| value.starts_with('{'));
    objects.clone().count() > 1
        || objects.clone().any(|(key, _)| is_time(key))
        || depth == MAX_DEPTH
        || members.iter().any(|(_, value)| holds_rows(value, depth + 1))
}

fn by_first_bytes(head: &[u8]) -> Option<DetectedFormat> {
    if head.starts_with(b"PAR1") {
        Some(DetectedFormat::Parquet)
    } else if head.starts_with(b"ARROW1") {
        Some(DetectedFormat::ArrowFile)
    } else if head.starts_with(b"\xFF\xFF\xFF\xFF") {
        Some(DetectedFormat::ArrowStream)
    } else if is_dbn(head) {
        Some(DetectedFormat::Dbn)
    } else {
        None
    }
}

fn by_ending(name: &str) -> Option<InputFormat> {
    let name = name.to_ascii_lowercase();
    match Path::new(without_packed_ending(&name)).extension()?.to_str()? {
        "ndjson" | "jsonl" => Some(InputFormat::Ndjson),
        "json" => Some(InputFormat::Json),
        "parquet" | "pq" => Some(InputFormat::Parquet),
        "arrow" | "arrows" | "feather" | "ipc" => Some(InputFormat::Arrow),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(name: &str, head: &[u8]) -> DetectedFormat {
        detect(name, name, head, true, None).unwrap()
    }

    #[test]
    fn first_bytes_and_endings_decide() {
        for name in ["a.csv", "a.CSV.GZ", "a.tsv", "dir.parquet/a.txt", "-"] {
            assert_eq!(detected(name, b"symbol,frame"), DetectedFormat::Csv, "{name}");
        }
        assert_eq!(detected("-", b"PAR1"), DetectedFormat::Parquet);
        assert_eq!(detected("-", b"ARROW1\0\0"), DetectedFormat::ArrowFile);
        assert_eq!(detected("-", b"\xFF\xFF\xFF\xFF\x10"), DetectedFormat::ArrowStream);
        assert_eq!(detected("a.arrows", b"ARROW1\0\0"), DetectedFormat::ArrowFile);
        assert_eq!(detected("a.csv", b"DBN\x03"), DetectedFormat::Dbn);
        assert_eq!(detected("a.csv", b"DBN,a"), DetectedFormat::Csv);
        assert_eq!(detected("-", b"ORCL,2024-03-04 09:31,1"), DetectedFormat::Csv);
    }

    #[test]
    fn documents_are_told_from_lines() {
        for lines in [
            &b"{\"a\":1}\n{\"a\":2}\n"[..],
            b"{\"a\":1}",
            b"\xEF\xBB\xBF \n{\"a\":1}\n",
            b"[1,2,3,4]\n[1,2,3,4]",
            b"[1,2,3,4,5]",
            b"{\"stream\":\"a@kline_1m\",\"data\":{\"e\":\"kline\",\"k\":{\"o\":1}}}",
        ] {
            assert_eq!(detected("-", lines), DetectedFormat::Ndjson, "{lines:?}");
        }
        for document in [
            &b"{\"a\":{\"b\":[1]}}"[..],
            b"[\n{\"a\":1}\n]",
            b"[[1,2,3,4,5],[1,2,3,4,5]]",
            b"{\n\"a\":1}",
            b"[]",
            b"{\"a\":1,\"b\":{\"2024-03-04 09:31\":{\"o\":1}}}",
            b"{\"bar\":{\"o\":1}}",
        ] {
            assert_eq!(detected("a.json", document), DetectedFormat::Json, "{document:?}");
        }
        let damaged = b"{\"symbol\":\"A\",\n{\"symbol\":\"A\"}\n";
        assert_eq!(detected("a.json", damaged), DetectedFormat::Ndjson);
    }
}
