//! Finds the commit that is built: `BARBUS_COMMIT` if that is set, else git's for a release build.
//!
//! A debug build names no commit, so that a commit rebuilds nothing on a developer's machine.
//! Without git, or in an unpacked archive of the sources, no commit is named.

#[path = "src/git_commit.rs"]
mod git_commit;

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/git_commit.rs");
    println!("cargo::rerun-if-env-changed=BARBUS_COMMIT");
    let given = std::env::var("BARBUS_COMMIT").ok().filter(|commit| !commit.is_empty());
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let of_git = || {
        let commit = is_release.then(|| git_commit::of(&root)).flatten()?;
        for file in &commit.files {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        Some(commit.short)
    };
    if let Some(commit) = given.or_else(of_git) {
        println!("cargo::rustc-env=BARBUS_COMMIT={commit}");
    }
}
