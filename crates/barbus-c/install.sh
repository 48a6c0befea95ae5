#!/bin/sh
# Installs libbarbus with its headers, its pkg-config file and its CMake package:
#
#     cargo build --release -p barbus-c
#     crates/barbus-c/install.sh /usr/local
#
# DESTDIR is put before every path, as packagers expect. LIBDIR is the folder of the libraries in
# the prefix (lib), and BARBUS_BUILD the folder of the built ones (target/release).
set -eu

prefix=${1:?"usage: install.sh PREFIX"}
here=$(cd "$(dirname "$0")" && pwd)
build=${BARBUS_BUILD:-${CARGO_TARGET_DIR:-$here/../../target}/release}
libdir=${LIBDIR:-lib}
to=${DESTDIR:-}$prefix
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml" | head -n 1)
abi=$(sed -n 's/^#define BARBUS_ABI_VERSION //p' "$here/include/barbus.h")

[ -e "$build/libbarbus_c.so" ] || {
  echo "install.sh: $build/libbarbus_c.so: missing: run cargo build --release -p barbus-c" >&2
  exit 1
}
mkdir -p "$to/include" "$to/$libdir/pkgconfig" "$to/$libdir/cmake/barbus"
install -m 644 "$here/include/barbus.h" "$here/include/barbus.hpp" "$here/include/barbus_questions.hpp" "$to/include"
install -m 755 "$build/libbarbus_c.so" "$to/$libdir/libbarbus.so.$abi"
ln -sf "libbarbus.so.$abi" "$to/$libdir/libbarbus.so"
# The static library is optional: a build for one program may not have it.
[ ! -e "$build/libbarbus_c.a" ] || install -m 644 "$build/libbarbus_c.a" "$to/$libdir/libbarbus.a"
# From the CMake package up to the prefix.
up=$(echo "$libdir/cmake/barbus" | sed 's|[^/][^/]*|..|g')
for file in pkgconfig/barbus.pc cmake/barbus/barbusConfig.cmake cmake/barbus/barbusConfigVersion.cmake; do
  sed -e "s|@PREFIX@|$prefix|g; s|@LIBDIR@|$libdir|g; s|@VERSION@|$version|g; s|@ABI@|$abi|g; s|@UP@|$up|g" \
    "$here/packaging/$(basename "$file").in" > "$to/$libdir/$file"
done
