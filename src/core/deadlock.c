/*
 * core/deadlock.c - finding out that nothing will ever wake the tasks of a runtime.
 *
 * A worker that sleeps without a timer, an operation or a signal to wait for asks itself after a
 * while who should wake it: another worker, unless all of them sleep so; the blocking pool, unless
 * it has nothing to do; another thread of the process, unless there is none. Then every task waits
 * for another one, for ever. That is said, and the main future is cancelled, so that everything
 * ends in good order and bide_run returns -EDEADLK.
 *
 * Threads of the program's own may always do something later. While there are any the worker asks
 * again, at growing intervals; or the program says in bide_config that they will not.
 */
#include "core/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DOUBT_LEAST (100 * BIDE_MS)

/* In a simulation its reactor knows. */
bool bide__waits_for_nobody(const struct bide__worker *w)
{
    if (w->wheel.count || w->foreign || w->shuns_until)
        return false;
    if (w->reactor->ops->stuck)
        return w->reactor->ops->stuck(w->reactor);
    return !w->operations_pending && !w->promised && bide__list_empty(&w->signals);
}

void bide__promised(int change)
{
    bide__worker()->promised += (size_t)change;
}

/* At once where it is known. Workers that fell asleep together must not always wake together, and
 * take each other for busy. */
bide_time bide__doubt_until(const struct bide__worker *w)
{
    bide_time now = w->reactor->ops->now(w->reactor);
    bide_time span = w->doubt ? w->doubt : DOUBT_LEAST;
    return w->reactor->ops->stuck ? now : now + span + span / 4 * (w->index % 8);
}

/* Threads of the process (proc(5): /proc/pid/task has a link each, and two more); 0: not known. */
static nlink_t threads_of_process(void)
{
    struct stat st;
    return stat("/proc/self/task", &st) == 0 && st.st_nlink > 2 ? st.st_nlink - 2 : 0;
}

/* A thread of the kernel's, which works for a ring. It has nothing to do when no operation is
 * pending, but one stays. */
static bool works_for_ring(const char *thread)
{
    char path[64], name[8] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(name, sizeof(name), file);
    fclose(file);
    return read && (strcmp(name, "iou-wrk") == 0 || strcmp(name, "iou-sqp") == 0);
}

/* How many there are of those; fewer, where there was no descriptor or memory to find out. */
static nlink_t threads_of_rings(void)
{
    DIR *threads = opendir("/proc/self/task");
    nlink_t count = 0;
    if (!threads)
        return 0;
    for (const struct dirent *at; (at = readdir(threads));)
        count += works_for_ring(at->d_name);
    closedir(threads);
    return count;
}

/* True also where it is not known: a thread of a ring may begin or end just now. */
static bool has_other_threads(uint64_t own)
{
    nlink_t all = threads_of_process();
    return all != own && (all < own || all - threads_of_rings() != own ||
                          threads_of_process() != all);
}

static bool somebody_else_may_wake(struct bide__worker *w)
{
    if (bide__pool_busy(w->pool))
        return true;
    struct bide_stats stats;
    bide__pool_stats(w->pool, &stats);
    uint64_t own = bide__team_threads(w) + stats.offload_threads + bide__watch_threads() +
                   bide__sigquit_threads();
    return !w->config.closed_world && !w->simulated && has_other_threads(own);
}

static void report(struct bide__worker *w)
{
    static const char head[] = "bide: deadlock: every task waits for another one\n";
    char *tasks = bide__dump_deadlock(w);
    size_t size = sizeof(head) + (tasks ? strlen(tasks) : 0);
    char *text = bide__alloc(size);
    if (text)
        snprintf(text, size, "%s%s", head, tasks ? tasks : "");
    if (w->config.on_deadlock)
        w->config.on_deadlock(text ? text : head, w->config.on_deadlock_user);
    else
        fputs(text ? text : head, stderr);
    bide__free(text);
    bide__free(tasks);
}

/* On the first worker. */
static void deadlocked(struct bide__worker *w)
{
    report(w);
    if (w->deadlocked)
        bide__panic("deadlock: a shielded wait that nothing can end");
    w->deadlocked = true;
    bide__cancel_why(w->main, BIDE__CANCELLED);
}

static void deliver_deadlock(struct bide__post *post)
{
    deadlocked(bide__container(post, struct bide__worker, deadlock));
}

/* While all the others sleep: what comes from outside is in an inbox by then, or can't come. */
static bool nobody_wakes(struct bide__worker *w)
{
    uint64_t turns, then;
    return bide__team_asleep(w, &turns) && !somebody_else_may_wake(w) &&
           bide__team_asleep(w, &then) && turns == then && bide__list_empty(&w->ready) &&
           !__atomic_load_n(&w->inbox, __ATOMIC_SEQ_CST);
}

void bide__doubt(struct bide__worker *w)
{
    struct bide__worker *first = bide__team_first(w);
    w->doubt = w->doubt ? 2 * w->doubt : 2 * DOUBT_LEAST;
    if (!nobody_wakes(w))
        return;
    first->deadlock.deliver = deliver_deadlock;
    bide__post_from(w, first, &first->deadlock);
}
