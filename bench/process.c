/*
 * process.c - processes under test, and the supervisor that cleans up after all of them.
 *
 * The program that was called is the supervisor: it only waits. The benches run in its child, which
 * leads a process group; servers and load generators are that child's children. So one kill ends
 * all there is, and a directory is removed by a process that no bench can crash.
 */
#include "process.h"
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS_MAX = 3600 };

static char directory[256];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- supervisor ---------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int process_supervise(int (*fn)(void *arg), void *arg)
{
    const char *base = getenv("TMPDIR");
    struct timespec limit = {.tv_sec = SECONDS_MAX};
    struct rlimit files;
    sigset_t set, old;
    int status = 1;
    int sig;

    snprintf(directory, sizeof(directory), "%s/bide-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(directory))
        die("mkdtemp");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old);
    prctl(PR_SET_CHILD_SUBREAPER,
          1); /* its grandchildren are its to reap when their parent is gone */

    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigprocmask(SIG_SETMASK, &old, NULL);
        status = fn(arg);
        fflush(NULL);
        _exit(status);
    }
    setpgid(pid, pid);
    do {
        sig = sigtimedwait(&set, NULL, &limit);
    } while (sig < 0 && errno == EINTR);
    if (sig != SIGCHLD)
        fprintf(stderr, "\nbench: %s\n", sig < 0 ? "takes too long" : "interrupted");
    else if (waitpid(pid, &status, 0) == pid)
        status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    kill(-pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (sig != SIGCHLD)
        status = sig < 0 ? 1 : 128 + sig;
    return status;
}

const char *bench_directory(void)
{
    return directory;
}

/* ---- children ------------------------------------------------------------------------------ */

void *bench_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

/* In a new child. On a machine with one core everything shares it. */
static void settle(int core)
{
    cpu_set_t cores;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (core < 0)
        return;
    CPU_ZERO(&cores);
    CPU_SET((size_t)core, &cores);
    sched_setaffinity(0, sizeof(cores), &cores);
}

pid_t bench_fork(int (*fn)(void *arg), void *arg, int core)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        bench_failed("fork: %s", strerror(errno));
    if (pid == 0) {
        settle(core);
        int status = fn(arg);
        fflush(NULL);
        _exit(status);
    }
    return pid;
}

pid_t bench_spawn(const char *const *argv, int core, int *ret_output)
{
    int ends[2] = {-1, -1};

    if (ret_output && pipe2(ends, O_CLOEXEC) < 0) {
        bench_failed("pipe: %s", strerror(errno));
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        settle(core);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(ret_output ? ends[1] : null, STDOUT_FILENO);
        execvp(argv[0], (char *const *)argv);
        fprintf(stderr, "bench: %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    if (pid < 0)
        bench_failed("fork: %s", strerror(errno));
    if (ret_output) {
        close(ends[1]);
        if (pid > 0)
            *ret_output = ends[0];
        else
            close(ends[0]);
    }
    return pid;
}

void bench_kill(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int bench_wait(pid_t pid, double seconds)
{
    double end = bench_clock() + seconds * 1e9;
    int status;

    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return status;
        if (got < 0 || bench_clock() > end)
            break;
        bench_sleep(0.005);
    }
    bench_kill(pid);
    return -1;
}

int bench_ended(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

int bench_in_child(int (*fn)(void *arg), void *arg, int core, double seconds)
{
    pid_t pid = bench_fork(fn, arg, core);

    if (pid < 0)
        return -1;
    int status = bench_wait(pid, seconds);
    if (status == 0)
        return 0;
    if (status == -1)
        bench_failed("a measurement took more than %g s", seconds);
    else if (WIFSIGNALED(status))
        bench_failed("a measurement died by signal %d", WTERMSIG(status));
    else
        bench_failed("a measurement failed with status %d", WEXITSTATUS(status));
    return -1;
}

double bench_cpu_time(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return -1;
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_memory(pid_t pid)
{
    char name[64], line[256];
    double pages = 0, tables = 0;

    snprintf(name, sizeof(name), "/proc/%d/statm", (int)pid);
    FILE *file = fopen(name, "r");
    if (file) {
        if (fscanf(file, "%*s %lf", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
    file = fopen(name, "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmPTE: %lf kB", &tables) == 1)
            break;
    if (file)
        fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE) + tables * 1024;
}

void bench_sleep(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds,
                         .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

/* ---- ports --------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

int bench_listen(int *ret_port)
{
    struct sockaddr_in addr = loopback(0);
    socklen_t size = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &size) < 0)
        die("a listening socket");
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

int bench_free_port(void)
{
    int port;

    close(bench_listen(&port));
    return port;
}

int bench_wait_port(int port, pid_t pid, double seconds)
{
    struct sockaddr_in addr = loopback(port);
    double end = bench_clock() + seconds * 1e9;

    while (bench_clock() < end && !bench_ended(pid)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int error = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
        close(fd);
        if (!error)
            return 0;
        bench_sleep(0.02);
    }
    return -1;
}
