//! polars and DuckDB read a bucket directly.

use std::path::Path;
use std::process::Command;

use crate::support::bus::TestBus;
use crate::support::program::finish;
use crate::support::seaweed::{self, READER, Seaweed};

#[test]
fn polars_and_duckdb_read_a_bucket() {
    let server = Seaweed::shared();
    let mut bus = TestBus::with_days(3);
    let url = server.url("read");
    let path = bus.path().to_str().unwrap().to_owned();
    server.run_archive("push", &[&path, &url]).ok();
    // The bars of before do not appear beside the revised ones.
    bus.revise(1, 30, 500.0);
    server.run_archive("push", &[&path, &url]).ok();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bucket/read_bucket.py");
    let mut command = Command::new(seaweed::environment().join("bin/python"));
    command.arg(script).args([&server.endpoint(), READER.0, READER.1, &url]);
    let found = finish(command.env("PYTHONDONTWRITEBYTECODE", "1")).json();
    for reader in ["polars", "duckdb"] {
        assert_eq!(found[reader]["rows"], 3 * 240, "{reader}");
        assert_eq!(found[reader]["days"], 3, "{reader}");
        assert_eq!(found[reader]["revised"], 60, "{reader}");
    }
}
