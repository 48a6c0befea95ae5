//! `include/barbus.h` is what cbindgen writes from this crate.
//!
//! `BARBUS_WRITE_HEADER=1 cargo test -p barbus-c header` writes it anew.

use std::path::Path;

/// Handles that are changed through a shared reference, because their slot has a thread of its own:
/// to C they are not constant.
const MUTABLE: [&str; 2] = ["barbus_reader", "barbus_publisher"];

fn generated() -> String {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_folder.join("cbindgen.toml")).expect("cbindgen.toml");
    let bindings = cbindgen::Builder::new().with_crate(crate_folder).with_config(config).generate();
    let mut text = Vec::new();
    bindings.expect("the crate can be parsed").write(&mut text);
    let mut text = String::from_utf8(text).expect("a header is UTF-8");
    // What cbindgen cannot say: pointers of its renamed types, and a sign that binds to its number.
    text = text.replace("const const char * *", "const char *const *");
    for pointer in ["const char * ", "char * ", "const barbus_new_bar * ", "const barbus_bar * "] {
        text = text.replace(pointer, &pointer[..pointer.len() - 1]);
    }
    let negative = |line: &str| match line.rsplit_once(" -") {
        Some((name, number)) if line.starts_with("#define") => format!("{name} (-{number})\n"),
        _ => format!("{line}\n"),
    };
    text = text.lines().map(negative).collect();
    for handle in MUTABLE {
        text = text.replace(&format!("const {handle} *"), &format!("{handle} *"));
    }
    text
}

#[test]
fn the_header_is_what_cbindgen_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/barbus.h");
    let generated = generated();
    if std::env::var_os("BARBUS_WRITE_HEADER").is_some() {
        std::fs::write(&path, &generated).expect("the header can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(generated.lines()).position(|(kept, generated)| kept != generated);
    assert!(
        kept == generated,
        "{}: not up to date from line {}: run BARBUS_WRITE_HEADER=1 cargo test -p barbus-c header",
        path.display(),
        differs.unwrap_or(0) + 1,
    );
}
