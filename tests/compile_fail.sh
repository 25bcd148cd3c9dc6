#!/bin/sh
# compile_fail.sh SOURCE FLAGS... - SOURCE must be refused by every compiler there is, with a
# message that matches its first line, `// expect: REGEX`. With -DCONTROL, which leaves the mistake
# out, it must compile: so it cannot be refused for another reason.
source=$1
shift
expect=$(sed -n '1s|^// expect: ||p' "$source")
if [ -z "$expect" ]; then
    echo "$source:1: no // expect: REGEX"
    exit 1
fi
failed=0
for cc in gcc clang; do
    command -v $cc >/dev/null || continue
    try="$cc -std=gnu11 -O2 -Wall -Wextra -Werror $* -c -o /dev/null"
    if ! $try -DCONTROL "$source"; then
        echo "$cc: the control does not compile"
        failed=1
    fi
    if messages=$($try "$source" 2>&1); then
        echo "$cc: compiles"
        failed=1
    elif ! printf '%s\n' "$messages" | grep -Eq -- "$expect"; then
        printf '%s: no message matches "%s" in:\n%s\n' "$cc" "$expect" "$messages"
        failed=1
    fi
done
exit $failed
