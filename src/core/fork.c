/*
 * core/fork.c - what a forked child finds.
 *
 * It has one thread, a copy of the memory, and its parent's descriptors. To exec or _exit it needs
 * nothing of ours. Were it to go on in a runtime that it was forked in, it would wait for threads
 * that are not there and take its parent's events. So the child's copy of that runtime is spoiled:
 * whatever suspends in it, or asks its reactor, says so and aborts.
 *
 * A child that was forked outside of any runtime may make its own. Our locks that belong to the
 * process are held across the fork, so that it finds them free and what they guard complete. Locks
 * of a runtime are not; whoever gets to one looks at the generation first.
 */
#include "core/internal.h"
#include "platform/lock.h"

#include <errno.h>
#include <pthread.h>

unsigned bide__fork_generation;

void bide__forked(const char *what)
{
    static const char rest[] =
        "in a forked child, but the runtime is its parent's: after fork call exec or _exit";
    const struct bide__fiber *fiber = bide__self.fiber;
    if (what)
        bide__panic("%s %s", what, rest);
    else if (fiber)
        bide__panic("task \"%s\", spawned at %s, goes on %s", bide_current_name(),
                    fiber->site ? fiber->site : "?", rest);
    else
        bide__panic("a runtime is used %s", rest);
}

/* ---- the spoiled runtime ---- */

static enum bide__submitted no_submit(struct bide__reactor *reactor, struct bide_io *io)
{
    (void)reactor, (void)io;
    bide__forked(NULL);
}

static void no_cancel(struct bide__reactor *reactor, struct bide_io *io)
{
    (void)reactor, (void)io;
    bide__forked(NULL);
}

static void no_turn(struct bide__reactor *reactor, bide_time until)
{
    (void)reactor, (void)until;
    bide__forked(NULL);
}

static int no_pollable(struct bide__reactor *reactor, bide_time until)
{
    (void)reactor, (void)until;
    bide__forked(NULL);
}

static void no_wake(struct bide__reactor *reactor)
{
    (void)reactor;
    bide__forked(NULL);
}

static void no_destroy(struct bide__reactor *reactor)
{
    no_wake(reactor);
}

static const struct bide__reactor_ops spoiled = {
    .name = "of the parent",
    .destroy = no_destroy,
    .now = bide__kernel_now,
    .wall = bide__kernel_wall,
    .ask = bide__kernel_now,
    .random = bide__kernel_random,
    .submit = no_submit,
    .cancel = no_cancel,
    .call = bide__kernel_call,
    .turn = no_turn,
    .pollable = no_pollable,
    .wake = no_wake,
};

static void spoil(struct bide__worker *w)
{
    w->reactor->ops = &spoiled;
    __atomic_store_n(&w->until_poll, 0, __ATOMIC_RELAXED); /* the next step looks, and finds out */
}

/* What a program that is executed by the child should find as this one did. */
static void restore_mask(const struct bide__worker *w)
{
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (w != bide__worker()) /* a thread of the pool: all are blocked */
        pthread_sigmask(SIG_SETMASK, &w->signal_mask, NULL);
    else if (!sigismember(&w->signal_mask, SIGPIPE))
        pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
}

/* ---- around fork(2) ---- */

static const struct {
    void (*before)(void);
    void (*after)(bool child);
} parts[] = {
    { bide__signals_before_fork, bide__signals_after_fork },
    { bide__overflow_before_fork, bide__overflow_after_fork },
    { bide__watch_before_fork, bide__watch_after_fork },
    { bide__sigquit_before_fork, bide__sigquit_after_fork },
    { bide__inspect_before_fork, bide__inspect_after_fork },
    { bide__lock_before_fork, bide__lock_after_fork },
};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static void before_fork(void)
{
    for (int i = 0; i < PARTS; i++)
        parts[i].before();
}

static void after_fork(bool child)
{
    for (int i = PARTS; i-- > 0;)
        parts[i].after(child);
}

static void in_parent(void)
{
    after_fork(false);
}

static void in_child(void)
{
    struct bide__worker *w = bide__worker();
    bide__fork_generation++;
    after_fork(true);
    if (w)
        spoil(w);
    else
        w = bide__offload_worker();
    if (w)
        restore_mask(w);
}

int bide__fork_init(void)
{
    static int registered; /* atomic */
    int no = 0;
    if (!__atomic_compare_exchange_n(&registered, &no, 1, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return 0;
    int error = pthread_atfork(before_fork, in_parent, in_child);
    if (error)
        __atomic_store_n(&registered, 0, __ATOMIC_RELEASE);
    return -error;
}
