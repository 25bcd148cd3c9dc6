#!/bin/sh
# check_exports.sh BUILD_DIR LIBRARY... - the shared libraries export bide_ names and no others.
build=$1
shift
failed=0
for library in "$@"; do
    names=$(nm -D --defined-only "$build/lib$library.so" | awk '{ print $3 }')
    foreign=$(echo "$names" | grep -v '^bide_')
    if [ -z "$names" ]; then
        echo "lib$library.so exports nothing"
        failed=1
    elif [ -n "$foreign" ]; then
        printf 'lib%s.so exports\n%s\n' "$library" "$foreign"
        failed=1
    fi
done
exit $failed
