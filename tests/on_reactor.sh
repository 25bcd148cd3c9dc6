#!/bin/sh
# on_reactor.sh REACTOR HAVE_URING WORKERS COMMAND... - runs a test on one reactor, or skips it (77)
# where the kernel has no io_uring, and with so many workers where it asks for no number of its own.
# REACTOR auto leaves the choice to bide. TEST_WRAPPER, if set, is a command to run it under, such
# as valgrind. The watchdog is off: it would report what a sanitizer or a busy machine slows down.
# Its own tests ask for it.
reactor=$1 have_uring=$2
export BIDE_WORKERS="$3"
shift 3
unset BIDE_REACTOR
export BIDE_STALL_LIMIT=off
if [ "$reactor" = uring ] && ! "$have_uring"; then
    echo "skipped: no io_uring here"
    exit 77
fi
if [ "$reactor" != auto ]; then
    export BIDE_REACTOR="$reactor"
fi
exec $TEST_WRAPPER "$@"
