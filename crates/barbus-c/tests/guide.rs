//! Every block of C and C++ in docs/C.md and README.md compiles.

use std::process::Command;

use crate::support::{crate_folder, ok, prefix};

/// The blocks of a language in a document.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(crate_folder().join("../..").join(document)).expect("a document");
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.map(str::to_owned).collect()
}

fn compile(compiler: &str, standard: &str, suffix: &str, text: &str) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let source = folder.path().join("block").with_extension(suffix);
    std::fs::write(&source, text).expect("can be written");
    let mut command = Command::new(compiler);
    command.args([standard, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I"]).arg(prefix().join("include"));
    ok(command.arg(&source));
}

#[test]
fn the_blocks_of_the_guide_compile() {
    let c = blocks("docs/C.md", "c");
    let cpp = [blocks("docs/C.md", "cpp"), blocks("README.md", "cpp")].concat();
    assert!(!c.is_empty() && cpp.len() > 3, "{} blocks of C, {} of C++", c.len(), cpp.len());
    for block in c {
        compile("gcc", "-std=c11", "c", &block);
    }
    for block in cpp {
        // A part of a program is the body of a function.
        let whole = match block.contains("int main") {
            true => block,
            false => format!("#include <cstdio>\n#include <barbus.hpp>\nvoid part();\nvoid part() {{\n{block}\n}}\n"),
        };
        let unused = whole.replace("const barbus_ack ack =", "[[maybe_unused]] const barbus_ack ack =");
        compile("g++", "-std=c++17", "cpp", &unused);
    }
}
