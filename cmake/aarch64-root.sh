#!/bin/sh
# aarch64-root.sh DIRECTORY - unpacks what the cross compiler's packages lack, liburing for arm64,
# into DIRECTORY. A package index of its own gets it from Debian's archive: no root needed, and no
# foreign architecture added to this system.
set -eu
root=$1
index=$(mktemp -d)
trap 'rm -rf "$index"' EXIT
mkdir -p "$index/lists/partial" "$index/archives/partial"
set -- -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root \
    -o Dir::State::status=/dev/null -o Dir::State::lists="$index/lists" -o Dir::Cache="$index"
apt-get "$@" update
(cd "$index" && apt-get "$@" download liburing-dev liburing2)
mkdir -p "$root"
for package in "$index"/*.deb; do
    dpkg-deb -x "$package" "$root"
done
