#!/bin/sh
# run_expecting.sh FILE COMMAND... - runs a program that must exit 0 and, if FILE exists, print
# exactly what it holds.
expected=$1
shift
[ -e "$expected" ] || exec "$@"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
"$@" >"$output"
status=$?
diff -u "$expected" "$output" || exit 1
exit $status
