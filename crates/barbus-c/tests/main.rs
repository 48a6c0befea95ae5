//! Tests of the C library as its users have it: the header, the symbols, programs in C and C++.
//!
//! - `guide`: the blocks of docs/C.md compile
//! - `header`: `barbus.h` is what cbindgen writes
//! - `symbols`: no function of the binary interface changes or goes
//! - `programs`: programs by gcc and clang, with their sanitizers, under valgrind and strace
//! - `packages`: the Debian packages libbarbus1 and libbarbus-dev
//! - `install`: programs that find an installed library by pkg-config and CMake
//!
//! The end-to-end tests of the project have further ones, with a daemon: `tests/c_reader.rs`,
//! `tests/c_stream.rs`, `tests/c_examples.rs` and `tests/conformance.rs`.
#![forbid(unsafe_code)]

mod guide;
mod header;
mod install;
mod packages;
mod programs;
mod support;
mod symbols;
mod toolchain;
