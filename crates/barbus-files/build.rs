//! Lists the files of `layouts/`, so that a new layout is a new file and nothing else.

use std::fmt::Write;
use std::path::Path;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&root).join("layouts");
    println!("cargo::rerun-if-changed=layouts");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder layouts is beside this file")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    let mut list = String::from("/// The name and the text of each built-in layout.\n");
    list.push_str("pub(crate) const FILES: &[(&str, &str)] = &[\n");
    for path in &paths {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_stem().and_then(|name| name.to_str()).expect("names of layouts are UTF-8");
        writeln!(list, "    ({name:?}, include_str!({path:?})),").expect("a string takes any text");
    }
    list.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("layouts.rs"), list).expect("the build folder can be written");
}
