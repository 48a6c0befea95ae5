//! Builds the workspace of the peers on demand, because only it needs their dependencies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use barbus_bench_link::{About, BurstAbout};

use crate::between::System;

/// Builds the peers, with Aeron if possible, and lists them; `notes` gets what is missing.
pub(crate) fn systems(notes: &mut Vec<String>) -> Vec<System> {
    let built = build(&["--features", "aeron"]).or_else(|error| {
        notes.push(format!("Aeron IPC: could not be built: it needs cmake and libclang ({error:#})"));
        build(&[])
    });
    match built.and_then(|program| list(&program)) {
        Ok(systems) => systems,
        Err(error) => {
            notes.push(format!("the peers: could not be built ({error:#})"));
            Vec::new()
        }
    }
}

/// Builds the peers, with ZeroMQ if possible, and lists those that can send a minute's burst.
pub(crate) fn bursts(notes: &mut Vec<String>) -> Vec<(PathBuf, BurstAbout)> {
    let built = build(&["--features", "zeromq"]).or_else(|error| {
        notes.push(format!("ZeroMQ: could not be built: it needs libzmq and pkg-config ({error:#})"));
        build(&[])
    });
    let listed = built.and_then(|program| {
        let output = Command::new(&program).arg("burst-list").output().context("cannot run the peers")?;
        let all: Vec<BurstAbout> =
            serde_json::from_slice(&output.stdout).context("the peers did not list themselves")?;
        Ok(all.into_iter().map(|about| (program.clone(), about)).collect())
    });
    listed.unwrap_or_else(|error| {
        notes.push(format!("the peers: could not be built ({error:#})"));
        Vec::new()
    })
}

/// The manifest in the tree that this program was built from.
fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/Cargo.toml")
}

fn build(features: &[&str]) -> anyhow::Result<PathBuf> {
    eprintln!("building the peers {}", features.join(" "));
    let program = std::env::current_exe()?;
    // The build is beside this program's own, in target/peers.
    let target = program.ancestors().nth(2).context("no target directory")?.join("peers");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(manifest())
        .args(features)
        .env("CARGO_TARGET_DIR", &target)
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        // The reason is the last line about a requirement; cargo's own lines follow it.
        let reason = text.lines().rfind(|line| {
            ["required", "not found", "No such file", "Unable to find"].iter().any(|word| line.contains(word))
        });
        let reason = reason.or_else(|| text.lines().find(|line| line.starts_with("error")));
        bail!("{}", reason.unwrap_or("cargo failed").trim());
    }
    Ok(target.join("release/barbus-bench-peers"))
}

fn list(program: &Path) -> anyhow::Result<Vec<System>> {
    let output = Command::new(program).arg("list").output().context("cannot run the peers")?;
    let all: Vec<About> = serde_json::from_slice(&output.stdout).context("the peers did not list themselves")?;
    Ok(all.into_iter().map(|about| System { program: program.to_owned(), about }).collect())
}
