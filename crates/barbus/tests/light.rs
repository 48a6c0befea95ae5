//! A program that only follows, queries and publishes stays light: it compiles no Parquet, and has
//! no code that writes a ring.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use barbus::Bus;
use barbus_writer::Writer;

/// The names of the packages that barbus depends on, itself included.
fn packages(arguments: &[&str]) -> BTreeSet<String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--manifest-path", manifest])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

/// The limit guards the first build of a small program. Raise it only with a reason.
#[test]
fn without_default_features_there_is_no_parquet_and_no_writer() {
    let light = packages(&["--no-default-features"]);
    assert!(light.contains("barbus") && light.contains("arrow"), "{light:?}");
    for heavy in ["parquet", "zstd", "zstd-sys", "barbus-archive"] {
        assert!(!light.contains(heavy), "{heavy}");
    }
    // Three of them are tracing, by which a library reports what its user should know; one is
    // memoffset, by which nix tells which process is at the other end of a socket.
    assert!(light.len() <= 79, "{} packages: {light:?}", light.len());
    let all = packages(&["--all-features"]);
    assert!(all.contains("parquet") && all.contains("barbus-archive"), "{all:?}");
    assert!(!all.contains("barbus-writer"), "{all:?}");
}

/// The crate of the ring has a reader and a writer. The linker leaves out what a program does not
/// use.
#[test]
fn a_program_that_only_reads_contains_no_function_that_writes_a_ring() {
    // In both manglings, a function of the module `barbus_ring::writer`.
    let writes = |program: &Path| {
        let bytes = std::fs::read(program).unwrap();
        let name = b"11barbus_ring6writer";
        bytes.windows(name.len()).any(|window| window == name)
    };
    let this = std::env::current_exe().unwrap();
    std::hint::black_box(Writer::open as fn(&Bus) -> barbus::Result<Writer>);
    assert!(writes(&this), "this test uses the writer");
    let example = this.ancestors().nth(2).unwrap().join("examples/late_joiner");
    if !example.exists() {
        return println!("skipped: the examples are not built: run cargo test without --test");
    }
    assert!(!writes(&example));
}
