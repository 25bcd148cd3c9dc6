/*
 * io/process.c - waiting for child processes, and ending them.
 *
 * A pidfd becomes readable when the process ends, in either reactor, and stands for that very
 * process. Where there is none, its number does until its status is taken, which only we may do:
 * then one looks from time to time. SIGCHLD would belong to the whole program.
 */
#include <bide/io.h>
#include <bide/join.h>
#include <bide/leaf.h>
#include <bide/process.h>
#include <bide/scope.h>
#include <bide/time.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static const bide_time look_again_min = BIDE_MS, look_again_max = 32 * BIDE_MS;

/* ---- its end ---- */

static int wait_status(const siginfo_t *info)
{
    int status = info->si_status & 0xff;
    if (info->si_code == CLD_EXITED)
        return status << 8;
    return info->si_code == CLD_DUMPED ? status | WCOREFLAG : status;
}

/* Has it ended? Its wait status, -EAGAIN or -errno. */
static int look(const struct bide_process *p, int options)
{
    siginfo_t info = { 0 };
    idtype_t type = p->pidfd >= 0 ? P_PIDFD : P_PID;
    id_t id = (id_t)(p->pidfd >= 0 ? p->pidfd : p->pid);
    int saved = errno;
    int error = waitid(type, id, &info, WEXITED | WNOHANG | options) < 0 ? -errno : 0;
    errno = saved;
    if (error < 0)
        return error;
    return info.si_pid ? wait_status(&info) : -EAGAIN;
}

static int send_signal(const struct bide_process *p, int signal)
{
    int saved = errno;
    long failed = p->group        ? kill(-p->pid, signal)
                  : p->pidfd >= 0 ? syscall(SYS_pidfd_send_signal, p->pidfd, signal, NULL, 0)
                                  : kill(p->pid, signal);
    int error = failed ? -errno : 0;
    errno = saved;
    return error;
}

/* Take its status if it has ended. A group's number is its first process's, and may be another's
 * as soon as that is gone: so the rest of the group is ended just before. */
static int reap(struct bide_process *p)
{
    if (p->group && look(p, WNOWAIT) >= 0)
        send_signal(p, SIGKILL);
    int status = look(p, 0);
    if (status == -EAGAIN)
        return status;
    p->running = 0;
    p->status = status;
    return status;
}

/* ---- bide_process_wait ---- */

static struct bide_process_wait_future *wait_of(struct bide_future *f)
{
    return (struct bide_process_wait_future *)f;
}

/* The next part: the pidfd becomes readable. Where it cannot be waited for, or was readable to no
 * end (a debugger has the status first), a pause, each time a longer one. */
static struct bide_future *next_part(struct bide_process_wait_future *f)
{
    int pidfd = f->args.process->pidfd;
    bide_time pause = f->pause;
    f->pause = pause ? 2 * pause : look_again_min;
    if (f->pause > look_again_max)
        f->pause = look_again_max;
    if (pidfd >= 0 && !pause) {
        f->readable = bide_async(bide_poll, pidfd, POLLIN);
        return &f->readable.future;
    }
    f->sleep = bide_async(bide_sleep, pause);
    return &f->sleep.future;
}

/* Is it over? Then its value is written. */
static bool over(struct bide_process_wait_future *f)
{
    struct bide_process *p = f->args.process;
    if (p->running && reap(p) == -EAGAIN) {
        f->value = f->future.error = bide_leaf_reason(&f->future);
        return f->value < 0;
    }
    f->value = p->status;
    return true;
}

static enum bide_leaf_start go_on(struct bide_future *f)
{
    while (!over(wait_of(f)))
        if (bide_leaf_begin(f, next_part(wait_of(f))) == BIDE_LEAF_PENDING)
            return BIDE_LEAF_PENDING;
    return BIDE_LEAF_DONE;
}

static enum bide_leaf_start wait_start(struct bide_future *f)
{
    wait_of(f)->pause = 0;
    return go_on(f);
}

static void wait_part_ended(struct bide_future *f, struct bide_future *part)
{
    (void)part;
    if (go_on(f) == BIDE_LEAF_DONE)
        bide_leaf_done(f);
}

static void wait_cancel(struct bide_future *f)
{
    bide_leaf_cancel(f, &wait_of(f)->readable.future);
}

static void wait_block(struct bide_future *f)
{
    wait_of(f)->pause = 0;
    while (!over(wait_of(f)))
        bide__await(next_part(wait_of(f)), f->type->name);
}

static void wait_describe(const struct bide_future *f, struct bide_description *to)
{
    snprintf(to->text, sizeof(to->text), "end of process %d",
             (int)((const struct bide_process_wait_future *)f)->args.process->pid);
}

static const struct bide_parts_ops wait_ops = {
    { wait_start, wait_cancel, wait_block, wait_describe },
    wait_part_ended,
};
const struct bide_type bide_process_wait_type = BIDE_LEAF_TYPE(bide_process_wait, &wait_ops.leaf);

int bide_process_wait(struct bide_process *p)
{
    return bide_await(bide_process_wait_async(p));
}

/* ---- ending it ---- */

int bide_process_kill(struct bide_process *p, int signal)
{
    return p->running ? send_signal(p, signal) : -ESRCH;
}

static void close_fd(int *fd)
{
    int closing = *fd;
    *fd = -1;
    if (closing >= 0)
        bide_close(closing);
}

void bide_process_close_in(struct bide_process *p)
{
    close_fd(&p->in);
}

static void stop(struct bide_process *p)
{
    bide_process_kill(p, p->stop_signal);
    if (bide_within(p->grace, bide_async(bide_process_wait, p)) == 0)
        return;
    bide_process_kill(p, SIGKILL);
    bide_process_wait(p);
}

/* Its output stays open until it has ended: a write of its last words must not fail. */
void bide_process_release(struct bide_process *p)
{
    bide_shield() {
        bide_process_close_in(p);
        if (p->running && reap(p) == -EAGAIN)
            stop(p);
        close_fd(&p->out);
        close_fd(&p->err);
        close_fd(&p->pidfd);
    }
}

struct bide_process *bide__process_enter(struct bide_process *p,
                                         const struct bide_process_options *options)
{
    bide_process_start(p, options);
    return p;
}
