//! Detects the format of an input by its name and its first bytes.
//!
//! If the first bytes are those of Parquet or Arrow, they decide.
//! Otherwise the ending of the name decides: `.csv`, `.tsv`, `.psv`, `.txt`, `.ndjson`, `.jsonl`,
//! `.json`, `.parquet`, `.pq`, `.arrow`, `.arrows`, `.feather` or `.ipc`, each also with `.gz`.
//! Without such an ending a text that begins with `{` is NDJSON and any other text is CSV.

use std::path::Path;

use super::error::InputError;
use super::options::InputFormat;

/// The number of first bytes that [`detect`] needs, a byte order mark included.
pub(super) const HEAD_BYTES: usize = 16;

/// The first bytes of gzip.
const GZIP: &[u8] = b"\x1f\x8b";

/// First bytes of formats that barbus does not read, and the message for each.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"\x28\xB5\x2F\xFD", "is compressed with zstd: unpack it first"),
    (b"PK\x03\x04", "is a zip archive: unpack it first"),
    (b"BZh", "is compressed with bzip2: unpack it first"),
    (b"\xFD7zXZ", "is compressed with xz: unpack it first"),
    (b"FEA1", "is Feather version 1: write it as version 2 or Parquet"),
    (b"\xFF\xFE", "is UTF-16 text: convert it to UTF-8"),
];

/// A format, with the two forms of Arrow IPC distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DetectedFormat {
    Csv,
    Ndjson,
    Parquet,
    ArrowFile,
    ArrowStream,
}

/// Whether an input that begins with `head` is compressed with gzip.
pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(GZIP)
}

/// The format of the input that begins with `head`.
///
/// Messages call it `input`; the ending is that of `name`; `wanted` is the format the user gave.
///
/// # Errors
/// [`InputError`] when the first bytes contradict the wanted format or the ending, or belong to a
/// format that barbus does not read.
pub(super) fn detect(
    input: &str,
    name: &str,
    head: &[u8],
    wanted: Option<InputFormat>,
) -> Result<DetectedFormat, InputError> {
    let binary = by_first_bytes(head);
    // A text of a format that the user gave may begin with any bytes.
    if wanted.is_none()
        && binary.is_none()
        && let Some((_, reason)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic))
    {
        return Err(InputError::format(input, reason));
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let named = if binary.is_some() { None } else { by_ending(name) };
    match (wanted.or(named), binary) {
        (Some(InputFormat::Csv), _) => Ok(DetectedFormat::Csv),
        (Some(InputFormat::Ndjson), _) if text.starts_with(b"[") => Err(InputError::format(
            input,
            "is a JSON array: barbus reads one object per line (convert it with jq -c '.[]')",
        )),
        (Some(InputFormat::Ndjson), _) => Ok(DetectedFormat::Ndjson),
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
        (None, None) if text.starts_with(b"{") => Ok(DetectedFormat::Ndjson),
        (None, None) => Ok(DetectedFormat::Csv),
    }
}

fn by_first_bytes(head: &[u8]) -> Option<DetectedFormat> {
    if head.starts_with(b"PAR1") {
        Some(DetectedFormat::Parquet)
    } else if head.starts_with(b"ARROW1") {
        Some(DetectedFormat::ArrowFile)
    } else if head.starts_with(b"\xFF\xFF\xFF\xFF") {
        Some(DetectedFormat::ArrowStream)
    } else {
        None
    }
}

fn by_ending(name: &str) -> Option<InputFormat> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match Path::new(name).extension()?.to_str()? {
        "csv" | "tsv" | "psv" | "txt" => Some(InputFormat::Csv),
        "ndjson" | "jsonl" | "json" => Some(InputFormat::Ndjson),
        "parquet" | "pq" => Some(InputFormat::Parquet),
        "arrow" | "arrows" | "feather" | "ipc" => Some(InputFormat::Arrow),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(name: &str, head: &[u8]) -> DetectedFormat {
        detect(name, name, head, None).unwrap()
    }

    #[test]
    fn endings_decide_unless_the_first_bytes_do() {
        for name in ["a.csv", "a.CSV.GZ", "a.tsv", "dir.parquet/a.txt"] {
            assert_eq!(detected(name, b"{"), DetectedFormat::Csv, "{name}");
        }
        for name in ["a.ndjson", "a.jsonl.gz", "a.json"] {
            assert_eq!(detected(name, b"x"), DetectedFormat::Ndjson, "{name}");
        }
        assert_eq!(detected("-", b"{\"a\":1}"), DetectedFormat::Ndjson);
        assert_eq!(detected("-", b"\xEF\xBB\xBF \n{"), DetectedFormat::Ndjson);
        assert_eq!(detected("-", b"symbol,frame"), DetectedFormat::Csv);
        assert_eq!(detected("-", b"PAR1"), DetectedFormat::Parquet);
        assert_eq!(detected("-", b"ARROW1\0\0"), DetectedFormat::ArrowFile);
        assert_eq!(detected("-", b"\xFF\xFF\xFF\xFF\x10"), DetectedFormat::ArrowStream);
        assert_eq!(detected("a.arrows", b"ARROW1\0\0"), DetectedFormat::ArrowFile);
    }
}
