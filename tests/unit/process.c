/* process.c - child processes: what they get, how they end, and that nothing of them is left. */
#include "fiber.h"

#include <bide/process.h>
#include <pthread.h>
#include <spawn.h>

enum { HOUR_S = 3600, LARGE = 300000 };

/* An emulator that makes a fork of a vfork hides the error of an exec. */
static bool exec_errors_are_seen(void)
{
    pid_t pid;
    char *argv[] = { "/no such program", NULL };
    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return true;
    waitpid(pid, NULL, 0);
    return false;
}

static void check_childless(void)
{
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
}

#define PROCESS_TEST(name)            \
    static void name##_process(void); \
    FIBER_TEST(name)                  \
    {                                 \
        name##_process();             \
        check_childless();            \
    }                                 \
    static void name##_process(void)

#define SHELL(command) .argv = BIDE_STRINGS("sh", "-c", (command))
#define OPTIONS(...) (&(struct bide_process_options){ __VA_ARGS__ })

/* What a process with these options writes, which is to be expected, and that it returns 0. */
#define CHECK_WRITES(expected, ...)                                                        \
    do {                                                                                   \
        char bytes[512];                                                                   \
        struct bide_process_output writes = { .data = bytes, .capacity = sizeof(bytes) };  \
        CHECK_EQ(bide_process_run(OPTIONS(__VA_ARGS__), NULL, 0, &writes, NULL), 0);       \
        CHECK_STR(bytes, expected);                                                        \
    } while (0)

static void check_read(int fd, const char *expected)
{
    char text[64] = "";
    ssize_t n = bide_read_all(fd, text, sizeof(text) - 1);
    CHECK_EQ(n, strlen(expected));
    CHECK_STR(text, expected);
}

/* ---- how it ends ---- */

PROCESS_TEST(exit_codes)
{
    static const int codes[] = { 0, 1, 77, 255 };
    for (int i = 0; i < 4; i++) {
        char command[32];
        snprintf(command, sizeof(command), "exit %d", codes[i]);
        BIDE_PROCESS(p, OPTIONS(SHELL(command))) {
            CHECK(p.pid > 0);
            CHECK(p.in == -1 && p.out == -1 && p.err == -1);
            int status = bide_process_wait(&p);
            CHECK(WIFEXITED(status));
            CHECK_EQ(WEXITSTATUS(status), codes[i]);
            CHECK_EQ(bide_process_wait(&p), status); /* again */
            CHECK_EQ(p.status, status);
        }
    }
}

PROCESS_TEST(signals_end_it)
{
    static const int signals[] = { SIGTERM, SIGKILL, SIGPIPE, SIGUSR1 };
    for (int i = 0; i < 4; i++) {
        BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("sleep", "3600"))) {
            CHECK_EQ(bide_process_kill(&p, signals[i]), 0);
            int status = bide_process_wait(&p);
            CHECK(WIFSIGNALED(status));
            CHECK_EQ(WTERMSIG(status), signals[i]);
            CHECK_EQ(bide_process_kill(&p, signals[i]), -ESRCH);
        }
    }
}

static void check_fails(const struct bide_process_options *options, int expected)
{
    struct bide_process p;
    int error = bide_process_start(&p, options);
    if (error != expected && !exec_errors_are_seen()) {
        CHECK_EQ(bide_process_wait(&p), 127 << 8);
    } else {
        CHECK_EQ(error, expected);
        CHECK_EQ(p.pid, 0);
        CHECK_EQ(p.in, -1);
        CHECK_EQ(bide_process_wait(&p), expected);
        CHECK_EQ(bide_process_kill(&p, SIGTERM), -ESRCH);
    }
    bide_process_release(&p);
}

PROCESS_TEST(errors_of_the_start)
{
    int bad = -1;
    check_fails(OPTIONS(.argv = BIDE_STRINGS("/no such program")), -ENOENT);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("no-such-program-in-path")), -ENOENT);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("/etc/passwd"), .in = BIDE_STDIO_PIPE), -EACCES);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("true"), .directory = "/no such directory"), -ENOENT);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("true"), .directory = "/etc/passwd"), -ENOTDIR);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("true"), .out = BIDE_STDIO_FD(9999)), -EBADF);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("true"), .pass = &bad, .pass_count = 1), -EBADF);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("true"), .out = BIDE_STDIO_STDOUT), -EINVAL);
    check_fails(OPTIONS(.argv = NULL), -EINVAL);
    check_fails(OPTIONS(.argv = BIDE_STRINGS(NULL)), -EINVAL);
}

PROCESS_TEST(a_block_runs_though_there_is_no_process)
{
    int runs = 0;
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("true"), .out = BIDE_STDIO_FD(9999))) {
        CHECK_EQ(p.pid, 0);
        CHECK_EQ(p.status, -EBADF);
        CHECK_EQ(bide_process_wait(&p), -EBADF);
        runs++;
    }
    CHECK_EQ(runs, 1);
}

/* ---- what it has ---- */

PROCESS_TEST(pipes)
{
    BIDE_PROCESS(p, OPTIONS(SHELL("cat; echo error >&2"), .in = BIDE_STDIO_PIPE,
                            .out = BIDE_STDIO_PIPE, .err = BIDE_STDIO_PIPE)) {
        CHECK(fcntl(p.in, F_GETFD) & FD_CLOEXEC && fcntl(p.out, F_GETFD) & FD_CLOEXEC);
        CHECK_EQ(bide_write_all(p.in, "hello\n", 6), 6);
        bide_process_close_in(&p);
        CHECK_EQ(p.in, -1);
        check_read(p.out, "hello\n");
        check_read(p.err, "error\n");
        CHECK_EQ(bide_process_wait(&p), 0);
    }
}

/* Only ours are non-blocking. */
PROCESS_TEST(its_ends_block)
{
    struct bide_process_output out = { 0 };
    unsigned in_flags = O_NONBLOCK, err_flags = O_NONBLOCK;
    CHECK_EQ(bide_process_run(OPTIONS(SHELL("sed -n 's/^flags://p' /proc/self/fdinfo/[02]"),
                                      .err = BIDE_STDIO_STDOUT), "x", 1, &out, NULL), 0);
    CHECK_EQ(sscanf(out.data, "%o %o", &in_flags, &err_flags), 2);
    free(out.data);
    CHECK_EQ(in_flags & (O_NONBLOCK | O_ACCMODE), O_RDONLY);
    CHECK_EQ(err_flags & (O_NONBLOCK | O_ACCMODE), O_WRONLY);
}

PROCESS_TEST(null)
{
    CHECK_WRITES("0\n", SHELL("cat | wc -c"), .in = BIDE_STDIO_NULL, .err = BIDE_STDIO_NULL);
    BIDE_PROCESS(p, OPTIONS(SHELL("echo lost && echo lost >&2"), .out = BIDE_STDIO_NULL,
                            .err = BIDE_STDIO_STDOUT)) {
        CHECK_EQ(bide_process_wait(&p), 0);
    }
}

PROCESS_TEST(errors_go_where_output_goes)
{
    CHECK_WRITES("one\ntwo\nthree\n", SHELL("echo one; echo two >&2; echo three"),
                 .err = BIDE_STDIO_STDOUT);
}

/* A pipeline, of a plain pipe. */
PROCESS_TEST(given_descriptors)
{
    int ends[2], status = -1;
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    BIDE_PROCESS(first, OPTIONS(SHELL("echo b; echo a"), .out = BIDE_STDIO_FD(ends[1]))) {
        BIDE_PROCESS(second, OPTIONS(.argv = BIDE_STRINGS("sort"), .in = BIDE_STDIO_FD(ends[0]),
                                     .out = BIDE_STDIO_PIPE)) {
            close(ends[0]);
            close(ends[1]);
            check_read(second.out, "a\nb\n");
            status = bide_process_wait(&second);
        }
        CHECK_EQ(bide_process_wait(&first), 0);
    }
    CHECK_EQ(status, 0);
}

/* Numbers that are others' in the child, and its own. */
PROCESS_TEST(low_descriptors)
{
    int ends[2], saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDIN_FILENO);
    CHECK_WRITES("", SHELL("echo to 4 >&4; echo to 2 >&2; cat <&3"), .in = BIDE_STDIO_NULL,
                 .err = BIDE_STDIO_FD(0),
                 .pass = (int[]){ open("/dev/null", O_RDONLY | O_CLOEXEC), 0 }, .pass_count = 2);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[1]);
    check_read(ends[0], "to 4\nto 2\n");
    close(ends[0]);
    CHECK_EQ(close(ends[1] + 1), 0); /* what was opened for the child */
}

/* Without standard input of our own, its number is the first that anything gets. */
PROCESS_TEST(our_own_number_0)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    close(STDIN_FILENO);
    char bytes[16], error[16];
    struct bide_process_output text = { .data = bytes, .capacity = sizeof(bytes) };
    struct bide_process_output errors = { .data = error, .capacity = sizeof(error) };
    int status = bide_process_run(OPTIONS(.argv = BIDE_STRINGS("cat")), "hello", 5, &text, &errors);
    int other = bide_process_run(OPTIONS(.argv = BIDE_STRINGS("cat")), "hello", 5, &text, NULL);
    dup2(saved, STDIN_FILENO);
    close(saved);
    CHECK_EQ(status, 0);
    CHECK_EQ(other, 0);
    CHECK_STR(bytes, "hello");
}

PROCESS_TEST(nothing_else_is_open)
{
    int leak = fcntl(STDERR_FILENO, F_DUPFD, 50); /* not close-on-exec */
    char command[64];
    snprintf(command, sizeof(command), "test -e /proc/self/fd/2 && test ! -e /proc/self/fd/%d",
             leak);
    for (int i = 0; i < 2; i++) {
        struct bide_process_options o = { SHELL(command) };
        if (i)
            o.in = o.out = o.err = BIDE_STDIO_PIPE;
        BIDE_PROCESS(p, &o) {
            CHECK_EQ(bide_process_wait(&p), 0);
        }
    }
    CHECK_WRITES("0\n1\n2\n", SHELL("ls -1 /proc/self/fd | grep -v 3"), .in = BIDE_STDIO_NULL);
    close(leak);
}

PROCESS_TEST(directory)
{
    CHECK_WRITES("/\n", SHELL("pwd -P"), .directory = "/");
    CHECK_WRITES("/proc\n", .argv = BIDE_STRINGS("./self/exe", "-P"), .directory = "/proc",
                 .program = "/bin/pwd");
}

PROCESS_TEST(environment)
{
    setenv("BIDE_A", "ours", 1);
    setenv("BIDE_B", "ours", 1);
    setenv("BIDE_BB", "ours", 1);
    CHECK_WRITES("ours-ours\n", SHELL("echo $BIDE_A-$BIDE_B"));
    CHECK_WRITES("1--\n", SHELL("echo $BIDE_A-$BIDE_B-"), .env = BIDE_STRINGS("BIDE_A=1"));
    CHECK_WRITES("2--ours-x=y\n", SHELL("echo $BIDE_A-$BIDE_B-$BIDE_BB-$BIDE_C"),
                 .env_add = BIDE_STRINGS("BIDE_A=2", "BIDE_B", "BIDE_C=x=y"));
    CHECK_WRITES("1--3\n", SHELL("echo $BIDE_A-$BIDE_B-$BIDE_C"),
                 .env = BIDE_STRINGS("BIDE_A=1", "BIDE_B=1"),
                 .env_add = BIDE_STRINGS("BIDE_B", "BIDE_C=3", "BIDE_D"));
    unsetenv("BIDE_A");
    unsetenv("BIDE_B");
    unsetenv("BIDE_BB");
}

/* Whatever is blocked and ignored here. */
PROCESS_TEST(signals_are_as_in_the_beginning)
{
    sigset_t usr1, before;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
    void (*hup_before)(int) = signal(SIGHUP, SIG_IGN);
    struct bide_process_output text = { 0 };
    unsigned long long blocked = 0, ignored = 0;
    CHECK_EQ(bide_process_run(OPTIONS(.argv = BIDE_STRINGS("grep", "-E", "SigBlk|SigIgn",
                                                           "/proc/self/status")),
                              NULL, 0, &text, NULL), 0);
    CHECK_EQ(sscanf(text.data, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    free(text.data);
    CHECK_EQ(blocked, 0);
    CHECK_EQ(ignored & 0x7fffffff, 0); /* above are those of libc and of emulators */
    CHECK_WRITES("y\n", SHELL("yes | head -n 1"));
    signal(SIGPIPE, pipe_before);
    signal(SIGHUP, hup_before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

PROCESS_TEST(sessions_and_groups)
{
    static const char ids[] = "read -r pid name state ppid pgrp sid rest </proc/self/stat;"
                              "echo $((pid == pgrp)) $((pid == sid))";
    CHECK_WRITES("0 0\n", SHELL(ids));
    CHECK_WRITES("1 0\n", SHELL(ids), .group = 1);
    CHECK_WRITES("1 1\n", SHELL(ids), .session = 1);
}

PROCESS_TEST(errno_is_left_alone)
{
    struct bide_process p;
    errno = 77;
    bide_process_start(&p, OPTIONS(.argv = BIDE_STRINGS("/no such program")));
    bide_process_release(&p);
    bide_process_start(&p, OPTIONS(.argv = BIDE_STRINGS("true"), .out = BIDE_STDIO_FD(-1)));
    bide_process_release(&p);
    bide_process_start(&p, OPTIONS(.argv = BIDE_STRINGS("true")));
    bide_process_kill(&p, 9999);
    bide_process_wait(&p);
    bide_process_release(&p);
    CHECK_EQ(errno, 77);
}

/* ---- released ---- */

PROCESS_TEST(a_block_ends_it)
{
    int status = 0;
    for (int i = 0; i < 3; i++) {
        struct bide_process p;
        CHECK_EQ(bide_process_start(&p, OPTIONS(.argv = BIDE_STRINGS("sleep", "3600"),
                                                .in = BIDE_STDIO_PIPE, .out = BIDE_STDIO_PIPE,
                                                .stop_signal = i == 1 ? SIGINT : 0,
                                                .grace = i == 2 ? -1 : HOUR_S * BIDE_S)), 0);
        bide_process_release(&p);
        status = bide_process_wait(&p);
        CHECK(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == (i == 1 ? SIGINT : SIGTERM) ||
              (i == 2 && WTERMSIG(status) == SIGKILL));
        CHECK(p.in == -1 && p.out == -1 && p.pidfd == -1);
        bide_process_release(&p); /* harmless */
    }
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("sleep", "3600"))) {
        break;
    }
}

static int return_from_a_block(void)
{
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("sleep", "3600"))) {
        return p.pid;
    }
    return 0;
}

PROCESS_TEST(returning_from_a_block_ends_it)
{
    CHECK(return_from_a_block() > 0);
}

PROCESS_TEST(grace_for_clean_up)
{
    struct bide_process p;
    char c;
    CHECK_EQ(bide_process_start(&p, OPTIONS(SHELL("trap 'echo last words; exit 7' TERM; echo;"
                                                  "sleep 3600 & wait"),
                                            .out = BIDE_STDIO_PIPE, .group = 1,
                                            .grace = HOUR_S * BIDE_S)), 0);
    CHECK_EQ(bide_read(p.out, &c, 1), 1);
    bide_process_release(&p);
    CHECK_EQ(p.status, 7 << 8);
}

PROCESS_TEST(sigkill_for_those_that_ignore_it)
{
    struct bide_process p;
    char c;
    CHECK_EQ(bide_process_start(&p, OPTIONS(SHELL("trap '' TERM; echo; exec sleep 3600"),
                                            .out = BIDE_STDIO_PIPE, .grace = BIDE_MS)), 0);
    CHECK_EQ(bide_read(p.out, &c, 1), 1);
    bide_process_release(&p);
    CHECK(WIFSIGNALED(p.status));
    CHECK_EQ(WTERMSIG(p.status), SIGKILL);
}

/* Its end frees the pipe that another of its group holds. */
PROCESS_TEST(a_group_ends_as_a_whole)
{
    struct bide_process p;
    char c;
    CHECK_WRITES("begun\n", SHELL("sleep 3600 & echo begun"), .group = 1);
    CHECK_WRITES("begun\n", SHELL("sleep 3600 & echo begun"), .session = 1);
    CHECK_EQ(bide_process_start(&p, OPTIONS(SHELL("sleep 3600 & echo; wait"), .group = 1,
                                            .out = BIDE_STDIO_PIPE, .grace = HOUR_S * BIDE_S)), 0);
    CHECK_EQ(bide_read(p.out, &c, 1), 1);
    int out = p.out;
    p.out = -1; /* taken over */
    bide_process_release(&p);
    CHECK_EQ(bide_read(out, &c, 1), 0);
    bide_close(out);
}

PROCESS_TEST(one_that_has_ended_is_released)
{
    struct bide_process p;
    CHECK_EQ(bide_process_start(&p, OPTIONS(SHELL("exit 3"), .out = BIDE_STDIO_PIPE)), 0);
    check_read(p.out, "");
    CHECK_EQ(waitid(P_PID, (id_t)p.pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
    bide_process_release(&p);
    CHECK_EQ(p.status, 3 << 8);
}

/* ---- cancellation ---- */

PROCESS_TEST(cancelled_waits)
{
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("cat"), .in = BIDE_STDIO_PIPE)) {
        bide_let wait = bide_async(bide_process_wait, &p);
        CHECK_EQ(bide_race(&wait, bide_async(bide_sleep, BIDE_MS)), 1);
        CHECK_EQ(wait.value, -ECANCELED);
        bide_let bounded = bide_async(bide_process_wait, &p);
        CHECK_EQ(bide_within(BIDE_MS, &bounded), -ETIMEDOUT);
        CHECK_EQ(bounded.value, -ETIMEDOUT);
        bide_process_close_in(&p);
        bide_let last = bide_async(bide_process_wait, &p);
        CHECK_EQ(bide_within(HOUR_S * BIDE_S, &last), 0);
        CHECK_EQ(last.value, 0);
    }
}

static int start_cancelled(void)
{
    while (!bide_cancelled())
        bide_yield();
    int status = 0;
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("true"), .in = BIDE_STDIO_PIPE)) {
        status = p.pid ? p.pid : bide_process_wait(&p);
    }
    return status;
}
BIDE_ASYNC(int, start_cancelled)

PROCESS_TEST(starting_when_cancelled)
{
    bide_let f = bide_async(start_cancelled);
    bide_race(&f, bide_async(bide_yield));
    CHECK_EQ(f.value, -ECANCELED);
}

static int start_and_wait(void)
{
    int status = -1;
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("sleep", "3600"))) {
        status = bide_process_wait(&p);
    }
    return status;
}
BIDE_ASYNC(int, start_and_wait)

/* At whatever moment. */
PROCESS_TEST(cancelled_at_any_time)
{
    for (int i = 0; i < (test_small() ? 10 : 100); i++) {
        bide_let f = bide_async(start_and_wait);
        CHECK_EQ(bide_within(i * 20 * BIDE_US, &f), -ETIMEDOUT);
        CHECK(bide_error(&f) == -ETIMEDOUT || f.value == -ETIMEDOUT);
    }
}

PROCESS_TEST(two_wait)
{
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("cat"), .in = BIDE_STDIO_PIPE)) {
        bide_let a = bide_async(bide_process_wait, &p);
        bide_let b = bide_async(bide_process_wait, &p);
        BIDE_SCOPE(s) {
            bide_start(&a);
            bide_start(&b);
            settle();
            CHECK_EQ(stats_now().fibers, 0); /* they are leaves */
            bide_process_close_in(&p);
        }
        CHECK_EQ(a.value, 0);
        CHECK_EQ(b.value, 0);
    }
}

/* ---- others' children, other kernels ---- */

PROCESS_TEST(others_children_are_left_alone)
{
    fflush(NULL);
    pid_t other = fork();
    if (other == 0)
        _exit(5);
    CHECK_WRITES("hello\n", .argv = BIDE_STRINGS("echo", "hello"));
    int status;
    CHECK_EQ(waitpid(other, &status, 0), other);
    CHECK_EQ(WEXITSTATUS(status), 5);
}

PROCESS_TEST(a_status_that_somebody_took)
{
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("true"))) {
        CHECK_EQ(waitpid(p.pid, NULL, 0), p.pid);
        CHECK_EQ(bide_process_wait(&p), -ECHILD);
        CHECK_EQ(bide_process_kill(&p, SIGTERM), -ESRCH);
    }
}

PROCESS_TEST(without_pidfd)
{
    for (int i = 0; i < 2; i++) {
        struct bide_process p;
        CHECK_EQ(bide_process_start(&p, OPTIONS(.argv = BIDE_STRINGS("cat"),
                                                .in = BIDE_STDIO_PIPE)), 0);
        if (p.pidfd >= 0)
            close(p.pidfd);
        p.pidfd = -1;
        bide_let wait = bide_async(bide_process_wait, &p);
        CHECK_EQ(bide_within(BIDE_MS, &wait), -ETIMEDOUT);
        if (i == 0)
            bide_process_close_in(&p);
        else
            CHECK_EQ(bide_process_kill(&p, SIGKILL), 0);
        CHECK_EQ(bide_process_wait(&p), i == 0 ? 0 : SIGKILL);
        bide_process_release(&p);
    }
}

/* ---- run ---- */

PROCESS_TEST(more_than_a_pipe_holds)
{
    char *input = malloc(LARGE);
    for (int i = 0; i < LARGE; i++)
        input[i] = (char)(i * 7 + i / 251);
    struct bide_process_output out = { 0 }, err = { 0 };
    CHECK_EQ(bide_process_run(OPTIONS(SHELL("tee /dev/stderr")), input, LARGE, &out, &err), 0);
    CHECK_EQ(out.size, LARGE);
    CHECK_EQ(err.size, LARGE);
    CHECK_EQ(memcmp(out.data, input, LARGE), 0);
    CHECK_EQ(memcmp(err.data, input, LARGE), 0);
    CHECK_EQ(out.data[LARGE], 0);
    free(out.data);
    free(err.data);
    free(input);
}

PROCESS_TEST(input_that_is_not_read)
{
    char *input = calloc(1, LARGE);
    CHECK_EQ(bide_process_run(OPTIONS(.argv = BIDE_STRINGS("true")), input, LARGE, NULL, NULL), 0);
    free(input);
}

PROCESS_TEST(no_output)
{
    struct bide_process_output out = { 0 }, err = { 0 };
    CHECK_EQ(bide_process_run(OPTIONS(.argv = BIDE_STRINGS("cat")), NULL, 0, &out, &err), 0);
    CHECK_EQ(out.size + err.size, 0);
    CHECK_STR(out.data, "");
    CHECK_STR(err.data, "");
    free(out.data);
    free(err.data);
}

PROCESS_TEST(limits)
{
    char small[8];
    struct bide_process_output out = { .data = small, .capacity = sizeof(small) };
    CHECK_EQ(bide_process_run(OPTIONS(SHELL("printf 1234567")), NULL, 0, &out, NULL), 0);
    CHECK_STR(small, "1234567");
    CHECK_EQ(out.dropped, 0);
    CHECK_EQ(bide_process_run(OPTIONS(SHELL("printf 123456789")), NULL, 0, &out, NULL), -EMSGSIZE);
    CHECK_STR(small, "1234567");
    CHECK_EQ(out.dropped, 2);
    out.truncate = 1;
    CHECK_EQ(bide_process_run(OPTIONS(SHELL("printf 123456789; exit 1")), NULL, 0, &out, NULL),
             1 << 8);
    CHECK_STR(small, "1234567");
    CHECK_EQ(out.size, 7);
    CHECK_EQ(out.dropped, 2);
    struct bide_process_output heap = { .capacity = 100 };
    CHECK_EQ(bide_process_run(OPTIONS(.argv = BIDE_STRINGS("yes")), NULL, 0, &heap, NULL),
             -EMSGSIZE);
    CHECK_EQ(heap.size, 99);
    CHECK_EQ(heap.data[98], 'y');
    CHECK_EQ(heap.data[99], 0);
    free(heap.data);
}

PROCESS_TEST(errors_of_run)
{
    char byte;
    struct bide_process_output empty = { .data = &byte };
    struct bide_process_options o = { .argv = BIDE_STRINGS("true") };
    CHECK_EQ(bide_process_run(&o, NULL, 0, &empty, NULL), -EINVAL);
    o.in = BIDE_STDIO_PIPE;
    CHECK_EQ(bide_process_run(&o, NULL, 0, NULL, NULL), -EINVAL);
    o.in = BIDE_STDIO_INHERIT;
    o.err = BIDE_STDIO_PIPE;
    CHECK_EQ(bide_process_run(&o, NULL, 0, NULL, NULL), -EINVAL);
    o.err = BIDE_STDIO_FD(9999);
    CHECK_EQ(bide_process_run(&o, NULL, 0, NULL, NULL), -EBADF);
}

PROCESS_TEST(a_deadline_ends_it)
{
    struct bide_process_output out = { 0 };
    bide_let f = bide_async(bide_process_run, OPTIONS(SHELL("echo begun; exec sleep 3600")), NULL,
                            0, &out, NULL);
    BIDE_SCOPE(s) {
        bide_start(&f);
        while (!out.size)
            bide_sleep(BIDE_MS);
        bide_cancel(&f);
    }
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_STR(out.data, "begun\n");
    free(out.data);
    bide_let bounded = bide_async(bide_process_run, OPTIONS(.argv = BIDE_STRINGS("yes"),
                                                            .out = BIDE_STDIO_NULL), NULL, 0, NULL,
                                  NULL);
    CHECK_EQ(bide_within(5 * BIDE_MS, &bounded), -ETIMEDOUT);
    CHECK_EQ(bounded.value, -ETIMEDOUT);
}

/* ---- many ---- */

static int echo(int number)
{
    char bytes[16], expected[16];
    struct bide_process_output out = { .data = bytes, .capacity = sizeof(bytes) };
    snprintf(expected, sizeof(expected), "%d\n", number);
    int status = bide_process_run(OPTIONS(.argv = BIDE_STRINGS("cat")), expected, strlen(expected),
                                  &out, NULL);
    return status ? status : strcmp(bytes, expected);
}
BIDE_ASYNC(int, echo, int)

PROCESS_TEST(a_hundred_at_once)
{
    enum { MANY = 100 };
    struct echo_future all[MANY];
    for (int i = 0; i < MANY; i++)
        all[i] = bide_async(echo, i);
    CHECK_EQ(bide_join_all(all, MANY), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(all[i].value, 0);
}

static int on_several_workers(void)
{
    int error = 0;
    BIDE_SCOPE(s) {
        for (int i = 0; i < 20; i++)
            bide_spawn_parallel(&s, bide_async(echo, i));
        error = bide_scope_wait(&s);
    }
    return error;
}
BIDE_ASYNC(int, on_several_workers)

TEST(several_workers)
{
    int before = open_descriptors();
    struct bide_config config = { .workers = 3 };
    CHECK_EQ(bide_run_with(&config, bide_async(on_several_workers)), 0);
    CHECK_EQ(open_descriptors(), before);
    check_childless();
}

/* ---- outside a runtime ---- */

TEST(in_a_plain_thread)
{
    int before = open_descriptors();
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("cat"), .in = BIDE_STDIO_PIPE,
                            .out = BIDE_STDIO_PIPE)) {
        CHECK_EQ(bide_write_all(p.in, "hello", 5), 5);
        bide_process_close_in(&p);
        check_read(p.out, "hello");
        CHECK_EQ(bide_process_wait(&p), 0);
    }
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("cat"), .in = BIDE_STDIO_PIPE)) {
        CHECK_EQ(bide_within(BIDE_MS, bide_async(bide_process_wait, &p)), -ETIMEDOUT);
    }
    BIDE_PROCESS(p, OPTIONS(.argv = BIDE_STRINGS("sleep", "3600"))) {
        CHECK(p.pid > 0);
    }
    struct bide_process p;
    char c;
    CHECK_EQ(bide_process_start(&p, OPTIONS(SHELL("trap '' TERM; echo; exec sleep 3600"),
                                            .out = BIDE_STDIO_PIPE, .grace = BIDE_MS)), 0);
    CHECK_EQ(bide_read(p.out, &c, 1), 1);
    bide_process_release(&p);
    CHECK_EQ(p.status, SIGKILL);
    check_fails(OPTIONS(.argv = BIDE_STRINGS("/no such program")), -ENOENT);
    more_than_a_pipe_holds_process();
    CHECK_EQ(open_descriptors(), before);
    check_childless();
}

TEST_MAIN()
