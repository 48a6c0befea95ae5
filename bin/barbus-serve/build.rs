//! Takes the script of the charts out of the crate that carries it, and packs it.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The crate gives HTML with two scripts: the charts, and formulas that the page does not use.
const OPENING: &str = "<script type=\"text/javascript\">";
const CLOSING: &str = "</script>";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let html = plotly::Plot::offline_js_sources();
    let (_, rest) = html.split_once(OPENING).expect("the crate gives a script");
    let (_, others) = rest.split_once(OPENING).expect("the crate gives two scripts");
    // The script may have the closing tag in a text of its own, so its end is the last one before
    // the second script.
    let first = &rest[..rest.len() - others.len() - OPENING.len()];
    let (script, _) = first.rsplit_once(CLOSING).expect("a script ends");
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(script.as_bytes()).and_then(|()| packed.try_finish()).expect("memory takes it");
    std::fs::write(folder.join("plotly.min.js.gz"), packed.get_ref()).expect("cargo's folder can be written");
}
