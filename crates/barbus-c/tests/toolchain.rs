//! Compilers of C and C++, and the library of this build for the programs that they make.
//!
//! The tests of this crate and the end-to-end tests of the project share this file.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The flags of a program that ends at a wrong access or undefined behaviour.
pub(crate) const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// The folder of the C library's crate.
pub(crate) fn crate_folder() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("crates/barbus-c")).find(|folder| folder.exists()).expect("the crate")
}

/// Whether a tool exists; with `CI` set it must.
pub(crate) fn has(tool: &str) -> bool {
    let exists = Command::new(tool).arg("--version").output().is_ok();
    exists_or_skip(tool, exists)
}

/// Whether a compiler exists and has its sanitizers; with `CI` set it must.
pub(crate) fn has_sanitizers(compiler: &str) -> bool {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let source = folder.path().join("main.cpp");
    std::fs::write(&source, "int main() { return 0; }\n").expect("can be written");
    let mut command = Command::new(compiler);
    command.args(SANITIZERS).args(["-x", "c++"]).arg(source).arg("-o").arg(folder.path().join("main"));
    let compiles = command.output().is_ok_and(|output| output.status.success());
    exists_or_skip(&format!("{compiler} with sanitizers"), compiles)
}

fn exists_or_skip(tool: &str, exists: bool) -> bool {
    assert!(exists || std::env::var_os("CI").is_none(), "{tool}: not found: .ci/run installs it");
    if !exists {
        println!("skipped: {tool} is not installed");
    }
    exists
}

/// Installs the library that cargo has built beside this test into a folder.
pub(crate) fn install(prefix: &Path) {
    let _ = std::fs::remove_dir_all(prefix);
    let program = std::env::current_exe().expect("a test program");
    let mut install = Command::new(crate_folder().join("install.sh"));
    ok(install.arg(prefix).env("BARBUS_BUILD", program.parent().expect("a folder")));
}

/// Compiles a program against the library in `prefix`, with warnings as errors; `flags` come first.
pub(crate) fn compile(prefix: &Path, compiler: &str, flags: &[&str], source: &Path, to: &Path) {
    let mut command = Command::new(compiler);
    command.args(flags).args(["-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(prefix.join("include"));
    command.arg(source).arg("-o").arg(to).arg("-L").arg(prefix.join("lib"));
    ok(command.args(["-lbarbus", "-lm", "-lpthread"]));
}

/// Runs a command to its end, which must be a success; returns its standard output.
#[track_caller]
pub(crate) fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: .ci/run installs it"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout
}
