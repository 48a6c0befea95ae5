//! Files that would need all memory: an error, or the other rows, in bounded memory.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::command::{self, Finished};

/// Most address space of the command, kilobytes. The inputs below are a gigabyte.
const LIMIT_KB: u32 = 900_000;
const GIGABYTE: u64 = 1 << 30;
const HEADER: &str = "symbol,frame,open,high,low,close,volume\n";
const ROW: &str = "A,2024-03-04T00:01:00Z,1,2,1,2,5\n";

/// Converts `file` in bounded memory.
fn convert(file: &Path, out: &Path) -> Finished {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {LIMIT_KB}; exec \"$0\" \"$@\"")]).arg(env!("CARGO_BIN_EXE_barbus"));
    shell.arg("convert").arg(file).arg("-o").arg(out).env("TZ", "UTC").env_remove("RUST_BACKTRACE");
    command::finish(&mut shell, None)
}

/// A file that begins with `start`, goes on with a gigabyte of zero bytes, and ends with `end`.
fn sparse(path: &Path, start: &str, end: &str) {
    let mut file = File::create(path).expect("a file");
    file.write_all(start.as_bytes()).expect("room");
    file.seek(SeekFrom::Current(GIGABYTE as i64)).expect("a sparse file");
    file.write_all(end.as_bytes()).expect("room");
}

/// Promise 9: a line of a gigabyte costs one row and no memory.
#[test]
fn a_line_of_a_gigabyte_is_one_rejected_row() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (out, csv, ndjson) =
        (folder.path().join("out.csv"), folder.path().join("a.csv"), folder.path().join("a.ndjson"));
    sparse(&csv, &format!("{HEADER}{ROW}"), &format!("\n{}", ROW.replace("00:01", "00:02")));
    let run = convert(&csv, &out);
    run.fails(1, &["1 rows cannot be read", "the line is too long"]);
    assert_eq!(std::fs::read_to_string(&out).expect("the bars").lines().count(), 3);
    let row = "{\"symbol\":\"A\",\"frame\":\"2024-03-04T00:01:00Z\",\"open\":1,\"high\":2,\"low\":1,\"close\":2,\"volume\":5}\n";
    sparse(&ndjson, row, "\n");
    convert(&ndjson, &out).fails(1, &["1 rows cannot be read", "the line is too long"]);
    let first = folder.path().join("first.csv");
    sparse(&first, "symbol", "\n");
    convert(&first, &out).fails(1, &["first.csv: not CSV: the first line"]);
}

/// Promise 9: packed data that unpacks to much more than its size is an error.
#[test]
fn bombs_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let out = folder.path().join("out.csv");
    let zeros = vec![0; 1 << 20];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..GIGABYTE >> 20 {
        encoder.write_all(&zeros).expect("memory");
    }
    let bomb = encoder.finish().expect("memory");
    for name in ["a.csv.gz", "a.json.gz", "a.parquet.gz", "a.dbn.gz"] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bomb).expect("room");
        convert(&path, &out).fails(1, &[name]);
    }
    // Rows that repeat: the text is sound as far as it goes.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(HEADER.as_bytes()).expect("memory");
    let blank = vec![b'\n'; 1 << 20];
    for _ in 0..GIGABYTE >> 20 {
        encoder.write_all(&blank).expect("memory");
    }
    let path = folder.path().join("blank.csv.gz");
    std::fs::write(&path, encoder.finish().expect("memory")).expect("room");
    convert(&path, &out).fails(1, &["200 times its size"]);
}

/// Promise 9: more digits than a float holds are said, whatever becomes of the file.
#[test]
fn rounded_values_are_said_by_convert() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (out, csv) = (folder.path().join("out.csv"), folder.path().join("a.csv"));
    std::fs::write(&csv, format!("{HEADER}{}", ROW.replace(",5\n", ",90071992547409931\n"))).expect("room");
    let run = convert(&csv, &out);
    assert!(run.stderr.contains("volume: values have more digits than a 64-bit float holds"), "{run}");
    run.ok();
}

/// Promise 9: a million columns, and values in a million lists, are an error.
#[test]
fn a_million_columns_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let out = folder.path().join("out.csv");
    let long = HEADER.trim().to_owned() + &",c".repeat(1_000_000) + "\n" + ROW;
    let wide = HEADER.trim().to_owned() + &",c".repeat(100_000) + "\n" + ROW;
    let members: String = (0..1_000_000).map(|i| format!(",\"c{i}\":1")).collect();
    let object = format!("{{\"symbol\":\"A\"{members}}}\n");
    let list = format!("[1{}]\n", ",1".repeat(1_000_000));
    let deep = "[".repeat(5_000_000);
    for (name, content, words) in [
        ("long.csv", &long, "the first line"),
        ("wide.csv", &wide, "100007 columns: barbus reads at most 65536"),
        ("object.ndjson", &object, ""),
        ("list.json", &list, ""),
        ("deep.json", &deep, ""),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("room");
        convert(&path, &out).fails(1, &[name, words]);
    }
}
