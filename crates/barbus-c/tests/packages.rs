//! The Debian packages of the library: a program is compiled with what they install.

use std::process::Command;

use crate::support::{bus, cmake, crate_folder, has, ok};

#[test]
fn a_program_is_built_with_the_debian_packages() {
    if !has("dpkg-deb") || !has("pkg-config") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (root, build) = (folder.path().join("root"), std::env::current_exe().expect("a test program"));
    let mut packages = Command::new(crate_folder().join("../../bin/barbus/packaging/build-lib-deb"));
    packages.arg(folder.path()).env("BARBUS_BUILD", build.parent().expect("a folder"));
    let made = ok(&mut packages);
    let [library, development] = made.lines().collect::<Vec<_>>()[..] else { panic!("{made}") };
    assert!(library.contains("/libbarbus1_") && development.contains("/libbarbus-dev_"), "{made}");
    for package in [library, development] {
        ok(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root));
    }
    let depends = ok(Command::new("dpkg-deb").arg("--field").arg(development).arg("Depends"));
    assert_eq!(depends.trim(), format!("libbarbus1 (= {}-1)", env!("CARGO_PKG_VERSION")));

    let triple = ok(Command::new("cc").arg("-print-multiarch"));
    let libraries = root.join("usr/lib").join(triple.trim());
    let mut config = Command::new("pkg-config");
    config.args(["--cflags", "--libs", "barbus"]).env("PKG_CONFIG_SYSROOT_DIR", &root);
    // Folders of the system are left out of the flags, unless these are named.
    config.env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1").env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1");
    let flags = ok(config.env("PKG_CONFIG_PATH", libraries.join("pkgconfig")));
    let program = folder.path().join("latest");
    let mut cc = Command::new("cc");
    cc.arg(crate_folder().join("tests/programs/latest.c")).arg("-o").arg(&program).args(flags.split_whitespace());
    ok(&mut cc);
    let (bus, _writer) = bus(folder.path());
    let mut programs = vec![program];
    if has("cmake") {
        programs.push(cmake(folder.path(), &root.join("usr")));
    }
    for program in programs {
        let mut latest = Command::new(program);
        let output = latest.arg(bus.path()).arg("A").env("LD_LIBRARY_PATH", &libraries).output();
        assert_eq!(String::from_utf8_lossy(&output.expect("a program").stdout), "A 100\n");
    }
}
