#!/usr/bin/env python3
"""check.py PROGRAM SCRIPT - gdb with the script looks at tests/gdb/tree.c, alive and dead.

Skipped (77) where there is no gdb, or it may not trace. The part about a core file is left out
where the system does not write one into the current directory.
"""
import glob
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

PROGRAM, SCRIPT = (os.path.abspath(path) for path in sys.argv[1:])


def gdb(arguments, *commands):
    """What the commands print, each by itself."""
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-x", SCRIPT]
    for number, command in enumerate(commands):
        words += ["-ex", "echo <%d>\\n" % number, "-ex", command]
    run = subprocess.run(words + arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=50)
    output = re.split(r"^<\d+>\n", run.stdout, flags=re.MULTILINE)[1:]
    if re.search(r"ptrace: |Could not trace|Cannot PTRACE", run.stdout):
        skip("gdb may not trace")
    if len(output) != len(commands):
        fail("gdb ended early", run.stdout)
    return output


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def fail(why, output):
    sys.exit("FAIL: %s, in:\n%s" % (why, output))


def in_order(output, *patterns):
    """Each pattern matches a line, after that of the one before."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(output, at)
        if not found:
            fail("no %r%s" % (pattern, " there" if at else ""), output)
        at = found.end()


# ---- the parts --------------------------------------------------------------------------------

def check_tree(output, sleeps):
    on_worker = "on worker 1: " if os.environ.get("BIDE_WORKERS") != "1" else ""
    in_order(output,
             r"^worker 0, thread 1, (io_uring|epoll)$",
             r'^  #1 "all of it" whole\(\d\): runs$',
             r"^    scope at .*tree\.c:\d+, 6 left$",
             r'^      #2 "reader 1" serve\(\d+\): in read_request, recv on fd \d+ '
             r"\(spawned at .*tree\.c:\d+\)$",
             r'^      #3 "writer" hold_mutex\(\): event_wait\(0x[0-9a-f]+ <shared\+\d+>\)',
             r"^      #4 join_both\(\) \(spawned at .*tree\.c:\d+\)$",
             r"^        join at .*tree\.c:\d+, 2 left$",
             r"^          #5 want_mutex\(3\): mutex_lock\(0x[0-9a-f]+ <shared.*>\), held by #3$",
             r"^          #6 bide_sleep: %s$" % sleeps,
             r"^      #7 want_last\(\): mutex_lock\(0x[0-9a-f]+ <shared.*>\), held by #1 \(spawned",
             r"^      #8 on_any_worker\(\)",
             r"^      #9 on_any_worker\(\)")
    in_order(output, r"#[89] on_any_worker\(\)( on worker 1)?: event_wait")
    if on_worker:
        in_order(output, on_worker, r"^worker 1, thread \d+, (io_uring|epoll), asleep in it$")


def check_traces(reader, waiter, sleeper, main):
    in_order(waiter, r"^#5 want_mutex", r"^#0 .*(bide__context_switch|bide__switch) ",
             r"(bide_mutex_lock|lock_slowly) ", *[r"^#\d+ +0x[0-9a-f]+ in deep \(depth="] * 4,
             r" want_mutex \(depth=", r" join_both \(\)", r"bide.+fiber_start")
    in_order(reader, r'^#2 "reader 1"', r" bide_recv \(fd=", r" read_request \(fd=",
             r"^ +local_of_reader = 4711$", r" serve \(fd=")
    in_order(sleeper, r"^#6 bide_sleep", r"^It has no stack")
    in_order(main, r'^#1 "all of it" whole', r" whole \(aborts=", r" main \(argc=")
    for output in reader, waiter, sleeper, main:
        if "corrupt" in output or "Python Exception" in output:
            fail("an error", output)


TRACES = "bide bt 2 full", "bide bt 5", "bide bt 6", "bide bt 1"


def check_live():
    output = gdb([PROGRAM], "info bide", "break look_here", "run", "up", "info bide", *TRACES,
                 "bide bt 5 2", "bide bt 5 -2", "bide bt 99", "bide bt", "frame", "continue")
    in_order(output[0], r"^No process and no core file\.$")
    check_tree(output[4], r"sleep, (3600|3599.*) s left")
    check_traces(*output[5:9])
    if re.findall(r"^#\d+", output[9], re.MULTILINE) != ["#5", "#0", "#1"]:
        fail("not the two innermost frames", output[9])
    if "#0 " in output[10] or "fiber_start" not in output[10]:
        fail("not the two outermost frames", output[10])
    in_order(output[11], r"^There is no task 99: ")
    in_order(output[12], r"^Which task\? ")
    in_order(output[13], r"^#1 .*stop_here \(\)")  # as it was selected
    in_order(output[14], r"all wait", r"exited normally")


def check_core():
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([PROGRAM, "abort"], cwd=directory, stdout=subprocess.DEVNULL, timeout=50,
                       preexec_fn=lambda: resource.setrlimit(
                           resource.RLIMIT_CORE, [resource.getrlimit(resource.RLIMIT_CORE)[1]] * 2))
        cores = glob.glob(os.path.join(directory, "core*"))
        if not cores:
            print("no core file was written: only the live process was looked at")
            return
        output = gdb([PROGRAM, cores[0]], "info bide", *TRACES)
        check_tree(output[0], "sleep of 3600 s")
        check_traces(*output[1:])


if not shutil.which("gdb"):
    skip("there is no gdb")
if "yes" not in gdb([], "python print('yes')")[0]:
    skip("gdb was built without Python")
check_live()
check_core()
print("ok")
