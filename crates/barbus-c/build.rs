//! Names the shared library by the version of its binary interface.

fn main() {
    // As `BARBUS_ABI_VERSION`, which a test compares.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libbarbus.so.1");
    println!("cargo:rerun-if-changed=build.rs");
}
