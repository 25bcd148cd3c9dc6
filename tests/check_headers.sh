#!/bin/sh
# check_headers.sh - each public header compiles alone, with every compiler there is.
failed=0
for cc in gcc clang; do
    command -v $cc >/dev/null || continue
    for header in include/bide/*.h; do
        echo "#include <bide/${header##*/}>" |
            $cc -std=gnu11 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c - || failed=1
    done
done
exit $failed
