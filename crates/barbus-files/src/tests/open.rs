//! Files as they are opened: formats, packings, messages.

use crate::input::Opener;
use crate::options::InputFormat;
use crate::packing::progress::Progress;
use crate::packing::progress::file_size;
use crate::source::ParsedRows;
use crate::testing::{HEADER, file, gzip, open_error, options, read};

const ROW: &str = "A,2022-03-01 09:31,1,1,1,1,1,,\n";

#[test]
fn a_given_format_is_used() {
    let mut options = options();
    options.format = Some(InputFormat::Csv);
    let found = read("a.json", format!("{HEADER}{ROW}"), &options).unwrap();
    assert_eq!(found.bars.len(), 1);
    options.format = Some(InputFormat::Parquet);
    let error = read("a.csv", HEADER, &options).err().unwrap();
    assert!(error.to_string().ends_with("a.csv: is not Parquet: it does not begin with PAR1"));
}

#[test]
fn inputs_that_are_not_bars_are_refused_by_name() {
    assert_eq!(open_error("a.parquet", ""), "a.parquet: the input is empty");
    assert_eq!(open_error("a.parquet", "text"), "a.parquet: is not Parquet: it does not begin with PAR1");
    assert_eq!(
        open_error("a.arrow", "text"),
        "a.arrow: is not Arrow IPC: it begins neither like a file nor like a stream"
    );
    assert!(open_error("a.csv", b"\x28\xB5\x2F\xFD...").starts_with("a.csv: "));
    assert!(open_error("a.zip", b"PK\x03\x04...").starts_with("a.zip: unreadable zip: "));
    let truncated = &gzip(HEADER)[..12];
    assert_eq!(
        open_error("a.csv.gz", truncated),
        "a.csv.gz: the packed data ends too early, at its beginning: the file is truncated"
    );
    let missing = Opener::new(options()).unwrap().open("/nowhere/a.csv", &Progress::default()).err().unwrap();
    assert_eq!(missing.to_string(), "/nowhere/a.csv: No such file or directory (os error 2)");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let error = Opener::new(options()).unwrap().open(path, &Progress::default()).err().unwrap();
    assert_eq!(error.to_string(), format!("{path}: is a directory: name the files in it"));
}

#[test]
fn all_bytes_are_counted() {
    let bytes = gzip(format!("{HEADER}{}", ROW.repeat(1000)));
    let (_directory, path) = file("a.csv.gz", &bytes);
    let progress = Progress::default();
    progress.expect(file_size(&path));
    let mut parsed = ParsedRows::new(&options().schema);
    let mut rows = Opener::new(options()).unwrap().open(&path, &progress).unwrap();
    while rows.read(&mut parsed).unwrap() {}
    assert_eq!(parsed.len(), 1000);
    // The first bytes are read twice.
    let read = progress.read();
    assert!((bytes.len() as u64..=bytes.len() as u64 + 16).contains(&read), "{read}");
    assert_eq!(progress.size(), Some(bytes.len() as u64));
    progress.expect(file_size("-"));
    assert_eq!(progress.size(), None);
}
