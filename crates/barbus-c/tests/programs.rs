//! Programs in C and C++ against the library, by two compilers and under their sanitizers.

use std::path::Path;
use std::process::Command;

use crate::support::{bus, compile, has, ok, prefix};
use crate::toolchain::{SANITIZERS, has_sanitizers};

const C11: &str = "-std=c11";

/// Every function of the header with good and bad input, by both compilers.
#[test]
fn c_programs_run_by_gcc_and_clang() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bus, _writer) = bus(folder.path());
    for compiler in ["gcc", "clang"].into_iter().filter(|compiler| has(compiler)) {
        let program = folder.path().join(compiler);
        compile(compiler, &[C11], "check.c", &program);
        let checks = ok(Command::new(program).arg(bus.path()));
        assert!(checks.ends_with(" checks\n"), "{checks}");
    }
}

/// The same program finds no access beyond what the library lends, and no undefined behaviour.
#[test]
fn sanitizers_find_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bus, _writer) = bus(folder.path());
    let with = |standard| [&[standard], &SANITIZERS[..]].concat();
    let program = folder.path().join("check");
    for (c, cpp) in [("gcc", "g++"), ("clang", "clang++")].into_iter().filter(|(_, cpp)| has_sanitizers(cpp)) {
        compile(c, &with(C11), "check.c", &program);
        ok(Command::new(&program).arg(bus.path()).env("ASAN_OPTIONS", "detect_leaks=1"));
        compile(cpp, &with("-std=c++17"), "check.cpp", &program);
        ok(Command::new(&program).arg(bus.path()).env("ASAN_OPTIONS", "detect_leaks=1"));
    }
}

#[test]
fn valgrind_finds_nothing() {
    if !has("valgrind") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bus, _writer) = bus(folder.path());
    let program = folder.path().join("check");
    compile("g++", &["-std=c++17"], "check.cpp", &program);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    ok(valgrind.arg(program).arg(bus.path()));
}

/// The header of C++ in both standards, by both compilers, with and without exceptions.
#[test]
fn cpp_programs_run_by_both_compilers_and_without_exceptions() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bus, _writer) = bus(folder.path());
    for (compiler, standard) in [("g++", "-std=c++17"), ("g++", "-std=c++20"), ("clang++", "-std=c++20")] {
        if has(compiler) {
            let program = folder.path().join("check");
            compile(compiler, &[standard], "check.cpp", &program);
            ok(Command::new(program).arg(bus.path()));
        }
    }
    compile("g++", &["-std=c++17", "-fno-exceptions", "-c"], "check.cpp", &folder.path().join("check.o"));
}

/// A program that polls makes no system call between its two marks, with bars and without.
#[test]
fn polling_makes_no_system_call() {
    if !has("strace") || !ok_or_skip(Command::new("strace").args(["-o", "/dev/null", "true"])) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (bus, _writer) = bus(folder.path());
    let program = folder.path().join("poll");
    compile("gcc", &[C11], "poll.c", &program);
    let log = folder.path().join("strace.log");
    ok(Command::new("strace").args(["-f", "-o"]).arg(&log).arg(&program).arg(bus.path()));
    let log = std::fs::read_to_string(log).expect("strace's log");
    let between: Vec<&str> = log
        .lines()
        .skip_while(|line| !line.contains("polling begins"))
        .take_while(|line| !line.contains("polling ends"))
        .collect();
    assert!(log.contains("polling ends"), "{log}");
    assert_eq!(between.len(), 1, "{between:#?}");
}

/// Whether processes can be traced here.
fn ok_or_skip(command: &mut Command) -> bool {
    let output = command.output().expect("it exists");
    if !output.status.success() {
        println!("skipped: tracing is not permitted here: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// The library of the tests is found in the prefix, and not elsewhere.
#[test]
fn the_library_has_the_name_of_its_interface() {
    assert!(prefix().join("lib/libbarbus.so.1").exists());
    let dynamic = ok(Command::new("readelf").arg("-d").arg(prefix().join("lib/libbarbus.so")));
    let soname = format!("[libbarbus.so.{}]", barbus_c::BARBUS_ABI_VERSION);
    assert!(dynamic.lines().any(|line| line.contains("SONAME") && line.contains(&soname)), "{dynamic}");
    assert!(Path::new(&prefix().join("include/barbus.hpp")).exists());
}
