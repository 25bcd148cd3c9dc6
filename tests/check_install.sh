#!/bin/sh
# check_install.sh BUILD_DIR LIBRARY... - installs into an empty prefix, moves that elsewhere, and
# builds and runs a program against each library in the four ways: pkg-config and find_package,
# shared and static.
set -eu
build=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/staged" >/dev/null
mv "$work/staged" "$work/prefix"
test -f "$work/prefix/share/bide/gdb/bide.py"
libdir=$(dirname "$(find "$work/prefix" -name libbide.a)")
cc="cc -std=gnu11 -Wall -Wextra -Werror tests/install/consumer.c"

components=
for library in "$@"; do
    components="${components:+$components;}${library#bide-}"
    export PKG_CONFIG_PATH="$libdir/pkgconfig"
    # A program that needs nothing of a library still links it: what is missing shows.
    $cc -o "$work/shared" -Wl,--no-as-needed $(pkg-config --cflags --libs "$library")
    LD_LIBRARY_PATH="$libdir" "$work/shared"
    $cc -static -o "$work/static" -Wl,--whole-archive "$libdir/lib$library.a" \
        -Wl,--no-whole-archive $(pkg-config --static --cflags --libs "$library") \
        2>"$work/messages" || { cat "$work/messages"; exit 1; }
    "$work/static"
    readelf -d "$libdir/lib$library.so" | grep -q "SONAME.*\[lib$library\.so\.0\]"
    echo "$library: pkg-config, shared and static"
done
unset PKG_CONFIG_PATH

cmake -S tests/install -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCOMPONENTS="$components" >"$work/messages" || { cat "$work/messages"; exit 1; }
cmake --build "$work/consumer" >"$work/messages" || { cat "$work/messages"; exit 1; }
for library in "$@"; do
    "$work/consumer/${library#bide-}"
    "$work/consumer/${library#bide-}_static"
    echo "$library: find_package, shared and static"
done
