//! The binary interface: its functions and the prototypes of each.
//!
//! `abi.txt` keeps them. What is added is added there by `BARBUS_WRITE_ABI=1 cargo test -p barbus-c
//! symbols`; a line that changes or goes breaks programs, and needs another `BARBUS_ABI_VERSION`.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{crate_folder, ok, prefix};

/// The prototypes of the header, one a line.
fn prototypes() -> BTreeSet<String> {
    let header = std::fs::read_to_string(crate_folder().join("include/barbus.h")).expect("the header");
    let code: Vec<&str> = header.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join(" ");
    let (_, functions) = code.split_once("extern \"C\" {").expect("functions");
    let statements = functions.split(';').map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "));
    let functions = statements.filter_map(|one| {
        let start =
            ["int32_t barbus_", "uint32_t barbus_", "const char *barbus_"].iter().find_map(|kind| one.find(kind))?;
        // `int32_t` is a part of `uint32_t`.
        let start = if one[..start].ends_with('u') { start - 1 } else { start };
        Some(one[start..].to_owned())
    });
    functions.collect()
}

fn name(prototype: &str) -> &str {
    let start = prototype.find("barbus_").expect("a function");
    prototype[start..].split('(').next().expect("a name")
}

#[test]
fn the_interface_is_the_kept_one() {
    let path = crate_folder().join("abi.txt");
    let now = prototypes();
    let text: String = now.iter().map(|prototype| format!("{prototype};\n")).collect();
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let gone: Vec<&str> = kept.lines().filter(|line| !text.lines().any(|now| now == *line)).collect();
    assert!(gone.is_empty(), "changed or gone: programs of ABI version 1 break: {gone:#?}");
    if std::env::var_os("BARBUS_WRITE_ABI").is_some() {
        std::fs::write(&path, &text).expect("abi.txt can be written");
    } else {
        assert_eq!(kept, text, "new functions: BARBUS_WRITE_ABI=1 cargo test -p barbus-c symbols");
    }
}

/// What the shared library exports is what the header declares.
#[test]
fn the_library_exports_what_the_header_declares() {
    let listed = ok(Command::new("nm").args(["-D", "--defined-only"]).arg(prefix().join("lib/libbarbus.so")));
    let exported: BTreeSet<&str> = listed.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    let prototypes = prototypes();
    let declared: BTreeSet<&str> = prototypes.iter().map(|prototype| name(prototype)).collect();
    assert_eq!(exported, declared);
    assert!(declared.len() > 40, "{declared:?}");
}
