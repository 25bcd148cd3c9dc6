/*
 * io/process_start.c - making a child process, with posix_spawn(3).
 *
 * What the child gets as its descriptor n is first copied to a number that is above all of the
 * child's, so that putting one in place overwrites none that is still needed, whatever the numbers
 * are. Of ours nothing is open across an exec, not even for a moment: other threads may start
 * processes at the same time.
 */
#include "base/memory.h"

#include <bide/offload.h>
#include <bide/process.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STREAMS = 3 };
static const bide_time grace_default = 5 * BIDE_S;

struct launch {
    const struct bide_process_options *options;
    struct bide_process *process;
    struct bide_stdio streams[STREAMS];
    int count;        /* of the child's descriptors: its streams and what is passed on */
    int *copies;      /* [count]: of what becomes descriptor i; below 0: nothing. Owned */
    const char **env; /* options->env with options->env_add; NULL without. Owned */
};

/* ---- descriptors ---- */

static int copy_above(int fd, int count)
{
    int copy = bide__faulted() ? (errno = EMFILE, -1) : fcntl(fd, F_DUPFD_CLOEXEC, count);
    return copy < 0 ? -errno : copy;
}

/* Only ours is non-blocking: the child expects a pipe like any other. */
static int make_pipe(struct launch *l, int number, int *ret_ours)
{
    int ends[2];
    if (bide__faulted())
        return -EMFILE;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int ours = ends[number == STDIN_FILENO], theirs = ends[number != STDIN_FILENO];
    fcntl(ours, F_SETFL, O_NONBLOCK);
    *ret_ours = ours;
    l->copies[number] = copy_above(theirs, l->count);
    close(theirs);
    return l->copies[number] < 0 ? l->copies[number] : 0;
}

static int prepare_stream(struct launch *l, int number, int *ret_ours)
{
    switch (l->streams[number].kind) {
    case BIDE__STDIO_INHERIT:
    case BIDE__STDIO_NULL:
        return 0;
    case BIDE__STDIO_PIPE:
        return make_pipe(l, number, ret_ours);
    case BIDE__STDIO_FD:
        l->copies[number] = copy_above(l->streams[number].fd, l->count);
        return l->copies[number] < 0 ? l->copies[number] : 0;
    case BIDE__STDIO_STDOUT:
        return number == STDERR_FILENO ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static int prepare_descriptors(struct launch *l)
{
    struct bide_process *p = l->process;
    int *const ours[STREAMS] = { &p->in, &p->out, &p->err };
    l->copies = bide__alloc((size_t)l->count * sizeof(*l->copies));
    if (!l->copies)
        return -ENOMEM;
    memset(l->copies, -1, (size_t)l->count * sizeof(*l->copies));
    int error = 0;
    for (int i = 0; i < l->count && error >= 0; i++) {
        if (i < STREAMS)
            error = prepare_stream(l, i, ours[i]);
        else
            error = l->copies[i] = copy_above(l->options->pass[i - STREAMS], l->count);
    }
    return error < 0 ? error : 0;
}

/* ---- environment ---- */

static size_t length(const char *const *strings)
{
    size_t n = 0;
    while (strings && strings[n])
        n++;
    return n;
}

/* Is entry, "NAME=value", of one of the names in list? */
static bool named(const char *entry, const char *const *list)
{
    for (; *list; list++) {
        size_t n = strcspn(*list, "=");
        if (strncmp(entry, *list, n) == 0 && entry[n] == '=')
            return true;
    }
    return false;
}

static int prepare_env(struct launch *l)
{
    const char *const *base = l->options->env, *const *add = l->options->env_add;
    if (!base)
        base = (const char *const *)environ;
    if (!add)
        return 0;
    size_t n = 0;
    l->env = bide__alloc((length(base) + length(add) + 1) * sizeof(*l->env));
    if (!l->env)
        return -ENOMEM;
    for (; base && *base; base++)
        if (!named(*base, add))
            l->env[n++] = *base;
    for (; *add; add++)
        if (strchr(*add, '='))
            l->env[n++] = *add;
    l->env[n] = NULL;
    return 0;
}

/* ---- posix_spawn ---- */

static int describe_descriptors(const struct launch *l, posix_spawn_file_actions_t *actions)
{
    int error = 0;
    for (int i = 0; i < l->count && !error; i++) {
        int kind = i < STREAMS ? l->streams[i].kind : BIDE__STDIO_FD;
        if (l->copies[i] >= 0)
            error = posix_spawn_file_actions_adddup2(actions, l->copies[i], i);
        else if (kind == BIDE__STDIO_NULL)
            error = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
        else if (kind == BIDE__STDIO_STDOUT)
            error = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, i);
    }
    if (!error && l->options->directory)
        error = posix_spawn_file_actions_addchdir_np(actions, l->options->directory);
    /* Also what other code has opened without O_CLOEXEC. */
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, l->count);
    return error;
}

static void describe_signals(const struct launch *l, posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (l->options->session)
        flags |= POSIX_SPAWN_SETSID;
    else if (l->options->group)
        flags |= POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(attributes, (short)flags);
}

static int spawn_so(struct launch *l, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attributes)
{
    const struct bide_process_options *o = l->options;
    const char *const *env = l->env ? l->env : o->env;
    pid_t pid;
    if (bide__faulted())
        return -EAGAIN;
    int error = posix_spawnp(&pid, o->program ? o->program : o->argv[0], actions, attributes,
                             (char *const *)o->argv, env ? (char *const *)env : environ);
    if (error)
        return -error;
    l->process->pid = pid;
    /* Without one (old kernels, valgrind, no descriptor left) the number has to do. */
    l->process->pidfd = bide__faulted() ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    return 0;
}

/* On a thread of the pool. */
static int spawn(void *arg)
{
    struct launch *l = arg;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = -posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = -posix_spawnattr_init(&attributes);
    if (!error) {
        describe_signals(l, &attributes);
        error = -describe_descriptors(l, &actions);
        if (!error)
            error = spawn_so(l, &actions, &attributes);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* ---- bide_process_start ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* bide has not operated on it */
    *fd = -1;
}

static int check(const struct bide_process_options *o)
{
    if (!o->argv || !o->argv[0])
        return -EINVAL;
    return o->pass_count > 1024 ? -EINVAL : 0;
}

static int launch(struct launch *l)
{
    int saved = errno; /* the caller's affair */
    int error = check(l->options);
    if (!error)
        error = prepare_descriptors(l);
    if (!error)
        error = prepare_env(l);
    errno = saved;
    if (!error)
        error = bide_offload_call_with(&(struct bide_offload_options){ .brief = 1 }, spawn, l);
    for (int i = 0; l->copies && i < l->count; i++)
        close_fd(&l->copies[i]);
    bide__free(l->copies);
    bide__free(l->env);
    return error;
}

int bide_process_start(struct bide_process *p, const struct bide_process_options *options)
{
    const struct bide_process_options *o = options;
    struct launch l = { .options = o, .process = p, .streams = { o->in, o->out, o->err },
                        .count = STREAMS + (int)o->pass_count };
    *p = (struct bide_process){ .in = -1, .out = -1, .err = -1, .pidfd = -1,
                                .stop_signal = o->stop_signal ? o->stop_signal : SIGTERM,
                                .grace = o->grace ? o->grace : grace_default,
                                .group = o->group || o->session };
    int error = launch(&l);
    if (error < 0) {
        close_fd(&p->in);
        close_fd(&p->out);
        close_fd(&p->err);
    }
    p->status = error;
    p->running = !error;
    return error;
}
