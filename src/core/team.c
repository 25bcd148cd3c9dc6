/*
 * core/team.c - the workers of a runtime: their threads, how work spreads over them, and how they
 * sleep and wake.
 *
 * The first worker is the thread of bide_run. The others start when something is first spawned in
 * parallel, so a program that never does stays a program of one thread. What is spawned in
 * parallel stands in its worker's ring, from which that worker and any idle one take it.
 */
#include "core/internal.h"
#include "core/ring.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MAX = 1024, STEAL = 32, CANDIDATES = 8 };
#define DOZE (20 * BIDE_US)

/* What a theft costs both sides, and each stolen child: about what it takes to move so many lines
 * from cache to cache. Children that are shorter are left to the worker that has them. */
#define THEFT_COST (2 * BIDE_US)
#define STOLEN_COST (BIDE_US / 2)
#define SHUN_FIRST (50 * BIDE_US)
#define SHUN_MOST (200 * BIDE_US)

struct bide__team {
    unsigned count;                 /* workers that there may be */
    unsigned threads;               /* atomic: made, and not joined; the first worker writes it */
    struct bide__worker **workers;  /* atomic each: NULL until it runs */
    pthread_t *ids;
    struct bide_config config;
    struct bide__pool *pool;        /* the first worker's */
    sigset_t signal_mask;           /* its thread's before the runtime */
    pthread_mutex_t lock;
    pthread_cond_t changed;         /* stopped or released */
    bool closing;                   /* under lock: workers are told to stop, and none begins */
    unsigned stopped;               /* under lock: threads that run no more */
    bool released;                  /* under lock: all have stopped; they may free their workers */
    unsigned unmade;                /* atomic: threads that could not make their worker */
    int sleepers;                   /* atomic: workers that wait in their reactors */
    int searching;                  /* atomic: one was woken that has not looked for work yet */
};

static struct bide__worker *member(const struct bide__team *team, unsigned i)
{
    return __atomic_load_n(&team->workers[i], __ATOMIC_ACQUIRE);
}

/* ---- how many ---- */

/* Processors that the control group's quota pays for, rounded up; 0: no limit known. */
static unsigned quota_of_cgroup(void)
{
    char line[512], path[1024] = "";
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", line + 3);
        }
    fclose(file);
    file = *path ? fopen(path, "re") : NULL;
    if (!file)
        return 0;
    long quota, period;
    unsigned cpus = 0;
    if (fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
        cpus = (unsigned)((quota + period - 1) / period);
    fclose(file);
    return cpus;
}

static unsigned processors(void)
{
    cpu_set_t set;
    unsigned cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned quota = quota_of_cgroup();
    if (quota && quota < cpus)
        cpus = quota;
    return cpus ? cpus : 1;
}

/* How many workers there may be. Looked up once: the answer could change. */
static unsigned team_size(struct bide__worker *w)
{
    unsigned *count = &w->config.workers;
    if (!*count)
        *count = processors();
    if (*count > WORKERS_MAX)
        *count = WORKERS_MAX;
    return *count;
}

unsigned bide_worker_index(void)
{
    struct bide__worker *w = bide__worker();
    return w ? w->index : 0;
}

unsigned bide_worker_count(void)
{
    struct bide__worker *w = bide__worker();
    return w && !w->alone ? team_size(w) : 1;
}

/* ---- threads ---- */

static void deliver_stop(struct bide__post *post)
{
    struct bide__worker *w = bide__container(post, struct bide__worker, stop);
    w->stopping = true;
    bide__wake(&w->root);
}

struct start {
    struct bide__team *team;
    unsigned index;
};

static struct bide__worker *join_team(struct bide__team *team, unsigned index)
{
    struct bide__worker *w;
    if (bide__worker_new(&team->config, team->pool, &w) < 0)
        return NULL;
    w->ring = bide__alloc_zero(sizeof(*w->ring));
    w->outbox = bide__alloc_zero(team->count * sizeof(*w->outbox));
    if (!w->ring || !w->outbox) {
        bide__worker_free(w);
        return NULL;
    }
    w->team = team;
    w->index = index;
    w->signal_mask = team->signal_mask;
    w->stop.deliver = deliver_stop;
    return w;
}

/* False: the team closes already. */
static bool publish(struct bide__team *team, struct bide__worker *w)
{
    pthread_mutex_lock(&team->lock);
    bool open = !team->closing;
    if (open)
        __atomic_store_n(&team->workers[w->index], w, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&team->lock);
    return open;
}

/* No worker is freed while another one may still look at it. */
static void wait_for_release(struct bide__team *team)
{
    pthread_mutex_lock(&team->lock);
    team->stopped++;
    pthread_cond_broadcast(&team->changed);
    while (!team->released)
        pthread_cond_wait(&team->changed, &team->lock);
    pthread_mutex_unlock(&team->lock);
}

/* A worker that can't be made leaves the work to the others. It is published when it has all that
 * it needs. */
static void *worker_thread(void *arg)
{
    struct start *start = arg;
    struct bide__team *team = start->team;
    struct bide__worker *w = join_team(team, start->index);
    bide__free(start);
    if (w) {
        bide__self = (struct bide__self){ .fiber = &w->root };
        bide__worker_thread_enter();
        bide__overflow_enter(w);
        bide__watch(w);
        bide__inspect_enter(w);
        if (publish(team, w))
            while (!w->stopping)
                bide__park(&w->root);
        bide__inspect_leave(w);
        bide__unwatch(w);
        bide__overflow_leave(w);
        bide__worker_thread_leave();
        bide__self = (struct bide__self){ 0 };
    } else {
        __atomic_add_fetch(&team->unmade, 1, __ATOMIC_RELEASE);
    }
    wait_for_release(team);
    if (w)
        bide__worker_free(w);
    return NULL;
}

/* With the caller's signal mask: a task finds the same on every worker. */
static int start_thread(struct bide__team *team, unsigned index)
{
    struct start *start = bide__alloc(sizeof(*start));
    if (!start)
        return -ENOMEM;
    *start = (struct start){ team, index };
    int error = bide__faulted() ? EAGAIN
                                : pthread_create(&team->ids[index], NULL, worker_thread, start);
    if (error)
        bide__free(start);
    return -error;
}

static void free_team(struct bide__team *team)
{
    pthread_mutex_destroy(&team->lock);
    pthread_cond_destroy(&team->changed);
    bide__free(team->workers);
    bide__free(team->ids);
    bide__free(team);
}

/* The team of w, made now if need be; NULL: there is to be, or can be, only one worker. */
struct bide__team *bide__team_of(struct bide__worker *w)
{
    if (w->team || w->alone)
        return w->team;
    w->alone = true; /* unless all goes well */
    unsigned count = team_size(w);
    if (count <= 1)
        return NULL;
    struct bide__team *team = bide__alloc_zero(sizeof(*team));
    if (!team)
        return NULL;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->changed, NULL);
    team->count = count;
    team->config = w->config;
    team->pool = w->pool;
    team->signal_mask = w->signal_mask;
    team->workers = bide__alloc_zero(count * sizeof(*team->workers));
    team->ids = bide__alloc_zero(count * sizeof(*team->ids));
    w->ring = bide__alloc_zero(sizeof(*w->ring));
    w->outbox = bide__alloc_zero(count * sizeof(*w->outbox));
    if (!team->workers || !team->ids || !w->ring || !w->outbox) {
        free_team(team);
        return NULL;
    }
    w->team = team;
    w->alone = false;
    team->workers[0] = w;
    for (unsigned i = 1; i < count && start_thread(team, i) == 0; i++)
        __atomic_store_n(&team->threads, i, __ATOMIC_RELEASE);
    return team;
}

/* The first worker has come to its end, and so has all that ran on the others. */
void bide__team_close(struct bide__worker *first)
{
    struct bide__team *team = first->team;
    if (!team)
        return;
    pthread_mutex_lock(&team->lock);
    team->closing = true;
    for (unsigned i = 1; i < team->count; i++)
        if (team->workers[i])
            bide__post_to(team->workers[i], &team->workers[i]->stop);
    while (team->stopped < team->threads)
        pthread_cond_wait(&team->changed, &team->lock);
    team->released = true;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
    for (unsigned i = 1; i <= team->threads; i++)
        pthread_join(team->ids[i], NULL);
    first->team = NULL;
    free_team(team);
}

/* The worker with the fewest children that were placed on it, equal ones in turn; of a large team,
 * the best of a few. NULL: some worker does not run yet. */
struct bide__worker *bide__least_placed(struct bide__worker *w)
{
    struct bide__team *team = w->team;
    struct bide__worker *best = NULL;
    unsigned n = team->count < CANDIDATES ? team->count : CANDIDATES, least = UINT_MAX;
    unsigned from = w->look_from++;
    for (unsigned i = 0; i < n; i++) {
        struct bide__worker *at = member(team, (from + i) % team->count);
        if (!at)
            return NULL;
        unsigned placed = __atomic_load_n(&at->placed, __ATOMIC_RELAXED);
        if (placed < least) {
            least = placed;
            best = at;
        }
    }
    return best;
}

/* ---- finding work ---- */

/* f, taken from a ring, is to run here. */
static void adopt(struct bide__worker *w, void **entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !bide__ring_push(w->ring, entries[i]))
            bide__parallel_begin(w, entries[i]);
}

/* What found no room in the ring goes there when half of it is free again. The others are told:
 * they may have gone to sleep over an empty one. */
static void refill(struct bide__worker *w)
{
    if (bide__ring_count(w->ring) > BIDE__RING / 2)
        return;
    for (struct bide__list *link; (link = bide__list_pop(&w->overflow));) {
        if (!bide__ring_push(w->ring, bide__container(link, struct bide_future, ready))) {
            bide__list_push_front(&w->overflow, link);
            break;
        }
    }
    bide__wake_one(w->team);
}

/* One of our own, so that the others find some left. False: there is none, not in the overflow. */
bool bide__take_own(struct bide__worker *w)
{
    void *entry;
    if (!w->ring)
        return false;
    do {
        if (!bide__list_empty(&w->overflow))
            refill(w);
        if (bide__ring_take(w->ring, &entry, 1)) {
            bide__parallel_begin(w, entry);
            return true;
        }
    } while (!bide__list_empty(&w->overflow)); /* the others were quicker */
    return false;
}

/* The last theft has been worked off: was it worth its cost? If not, none for a while. */
static void judge_theft(struct bide__worker *w, bide_time now)
{
    bool worth = now - w->stole_at > THEFT_COST + w->stolen * STOLEN_COST;
    w->stolen = 0;
    w->shun_span = worth ? 0 : !w->shun_span ? SHUN_FIRST
                             : w->shun_span < SHUN_MOST ? 2 * w->shun_span : SHUN_MOST;
    w->shuns_until = worth ? 0 : now + w->shun_span;
}

static bool shuns(struct bide__worker *w, bide_time now)
{
    if (w->stolen)
        judge_theft(w, now);
    return now < w->shuns_until;
}

static bool steal(struct bide__worker *w)
{
    struct bide__team *team = w->team;
    void *entries[STEAL];
    bide_time now = bide__clock();
    if (shuns(w, now))
        return false;
    w->shuns_until = 0;
    for (unsigned i = 1; i < team->count; i++) {
        struct bide__worker *victim = member(team, (w->index + i) % team->count);
        size_t n = victim ? bide__ring_take(victim->ring, entries, STEAL) : 0;
        if (n == 0)
            continue;
        bide__count(&w->stats.steals, 1);
        w->stole_at = now;
        w->stolen = (unsigned)n;
        adopt(w, entries, n);
        return true;
    }
    return false;
}

static bool any_work(const struct bide__team *team)
{
    for (unsigned i = 0; i < team->count; i++) {
        const struct bide__worker *w = member(team, i);
        if (w && bide__ring_count(w->ring))
            return true;
    }
    return false;
}

static bool look(struct bide__worker *w)
{
    /* Before looking: a push that found us searching is seen by this look (it has changed
     * `searching` before this does), any later one wakes somebody. Who shuns work is not meant. */
    if (!w->shuns_until && __atomic_load_n(&w->team->searching, __ATOMIC_RELAXED))
        __atomic_exchange_n(&w->team->searching, 0, __ATOMIC_ACQ_REL);
    if (!bide__take_own(w) && !steal(w))
        return false;
    if (any_work(w->team))
        bide__wake_one(w->team);
    return true;
}

/*
 * Nothing is ready here: take or steal something to do. True when something is ready now.
 * A worker that has just had such work dozes for a moment first: being woken costs it, and who
 * wakes it, more than that.
 */
bool bide__find_work(struct bide__worker *w)
{
    bide__post_flush(w);
    if (look(w)) {
        w->dozes = true;
        return true;
    }
    if (!w->dozes || w->shuns_until)
        return false;
    w->dozes = false;
    bide_time end = bide__clock() + DOZE;
    do {
        for (int i = 0; i < 64; i++) {
            if (__atomic_load_n(&w->inbox, __ATOMIC_RELAXED))
                return false; /* the poll that follows reads it */
            bide__relax();
        }
        if (any_work(w->team) && look(w)) {
            w->dozes = true;
            return true;
        }
    } while (bide__clock() < end);
    return false;
}

/* ---- sleeping and waking ---- */

/* Until when, at the most; 0: not at all, there is work. One that shuns work need not be woken for
 * it, and looks again by itself. */
bide_time bide__may_sleep(struct bide__worker *w)
{
    struct bide__team *team = w->team;
    if (w->shuns_until)
        return w->shuns_until;
    __atomic_add_fetch(&team->sleepers, 1, __ATOMIC_SEQ_CST);
    return any_work(team) ? 0 : BIDE_FOREVER;
}

/* Whoever was woken to look for work looks, whatever else has become ready meanwhile: one that was
 * still found asleep finds `searching` set. */
void bide__slept(struct bide__worker *w)
{
    if (!w->shuns_until)
        __atomic_sub_fetch(&w->team->sleepers, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&w->asleep, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&w->team->searching, __ATOMIC_SEQ_CST))
        look(w);
}

static bool wake_sleeper(struct bide__team *team)
{
    for (unsigned i = 0; i < team->count; i++) {
        struct bide__worker *w = member(team, i);
        if (w && __atomic_load_n(&w->asleep, __ATOMIC_SEQ_CST) == ASLEEP) {
            w->reactor->ops->wake(w->reactor);
            return true;
        }
    }
    return false;
}

/*
 * One worker that sleeps, if there is one and none is on its way already. After a push.
 *
 * Read-modify-writes, so that they come after the push in the order of all such: either this one of
 * `sleepers` counts the sleeper, or the sleeper's last look sees the push; and of `searching` as
 * look() says. Again when those that slept woke by themselves: others may have begun to sleep
 * behind this search while it kept a later push from waking them.
 */
void bide__wake_one(struct bide__team *team)
{
    while (__atomic_fetch_add(&team->sleepers, 0, __ATOMIC_ACQ_REL) &&
           !__atomic_exchange_n(&team->searching, 1, __ATOMIC_SEQ_CST) && !wake_sleeper(team))
        __atomic_exchange_n(&team->searching, 0, __ATOMIC_ACQ_REL);
}

/* ---- is anybody up? ---- */

/* False: one of the others runs, or may be about to. *ret_turns sums up those that they have had:
 * as long as it stays the same they sleep, for each has a turn before it sleeps again. */
bool bide__team_asleep(const struct bide__worker *w, uint64_t *ret_turns)
{
    const struct bide__team *team = w->team;
    unsigned missing = 0;
    *ret_turns = 0;
    /* The first worker comes first: while it sleeps it starts no thread. */
    for (unsigned i = 0; team && i <= __atomic_load_n(&team->threads, __ATOMIC_ACQUIRE); i++) {
        const struct bide__worker *other = member(team, i);
        missing += !other;
        if (!other || other == w)
            continue;
        if (!__atomic_load_n(&other->asleep, __ATOMIC_SEQ_CST) ||
            !__atomic_load_n(&other->quiet, __ATOMIC_RELAXED) ||
            __atomic_load_n(&other->inbox, __ATOMIC_SEQ_CST))
            return false;
        *ret_turns += bide__counted(&other->stats.turns);
    }
    return !missing || missing == __atomic_load_n(&team->unmade, __ATOMIC_ACQUIRE);
}

struct bide__worker *bide__team_first(struct bide__worker *w)
{
    return w->team ? member(w->team, 0) : w;
}

/* ---- posting in batches ---- */

void bide__post_later(struct bide__worker *from, struct bide__worker *to, struct bide__post *post)
{
    struct bide__outbox *box = &from->outbox[to->index];
    post->next = box->newest;
    if (!box->newest)
        box->oldest = post;
    box->newest = post;
    from->outboxes_used = true;
}

void bide__post_flush(struct bide__worker *w)
{
    if (!w->outboxes_used)
        return;
    w->outboxes_used = false;
    for (unsigned i = 0; i < w->team->count; i++) {
        struct bide__outbox *box = &w->outbox[i];
        if (!box->newest)
            continue;
        bide__post_chain(member(w->team, i), box->newest, box->oldest);
        box->newest = NULL;
    }
}

/* Those of workers that are running, the calling one included, and those that have none. */
unsigned bide__team_threads(struct bide__worker *w)
{
    unsigned threads = 1;
    if (w->team)
        threads += __atomic_load_n(&w->team->unmade, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; w->team && i < w->team->count; i++)
        threads += member(w->team, i) && member(w->team, i) != w;
    return threads;
}

/* Over all workers of the calling thread's runtime; the others' figures are of a moment ago. */
void bide__team_stats(struct bide__worker *w, void (*add)(struct bide__worker *w, void *to),
                      void *to)
{
    add(w, to);
    for (unsigned i = 0; w->team && i < w->team->count; i++)
        if (member(w->team, i) && member(w->team, i) != w)
            add(member(w->team, i), to);
}
