/*
 * core/watchdog.c - reports a task that holds its worker too long.
 *
 * One thread a process looks at all workers now and then. The workers do nothing for it: they count
 * their turns, switches and steps in any case. One that is not asleep and whose counts have not
 * changed for its limit is reported, once until they change.
 *
 * When all have been asleep for a while the thread sleeps too, until a worker that wakes finds
 * bide__watch_dozes set. It is set one look before: a worker that may have missed it is seen awake
 * by that look.
 *
 * Names and frames are taken in the stalled thread, by a signal whose default action is to be
 * ignored, so that one that comes too late does no harm. Where the signal cannot be had the names
 * are read from here, and there are no frames.
 */
#include "core/internal.h"
#include "platform/backtrace.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 48, OWN_FRAMES = 2, NAME = 64, SITE = 128, ANSWER_MS = 1000 };
#define LIMIT_DEFAULT (50 * BIDE_MS)
#define TICK_MIN BIDE_MS
#define LINGER BIDE_S /* of nothing to do, before the thread dozes or leaves */

int bide__watch_dozes;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;   /* the thread waits for it */
static pthread_cond_t reported = PTHREAD_COND_INITIALIZER; /* those that leave wait for it */
static struct bide__list watched = { &watched, &watched }; /* bide__watch.link; under lock */
static enum { NO_THREAD, RUNS, LEFT } state;               /* under lock */
static pthread_t thread;
static bool ending; /* under lock: the process exits */
static const struct bide__worker *printed; /* under lock: the report on it is being printed */

/* ---- one report at a time: what is said in it ---- */

static struct report {
    char name[NAME], site[SITE];
    void *frames[FRAMES];
    int frame_count;
    bool moved_on; /* it goes on already: nothing else is valid */
} report;

enum { NOBODY_ASKED, ASKED, ANSWERS, ANSWERED };
static int phase;                    /* atomic: of asking the stalled thread */
static bool can_backtrace;           /* the library for it is there */
static struct bide__worker *suspect; /* atomic: who is asked */

/* Has w gone on since it was looked at? Any thread. */
static bool moved_on(const struct bide__worker *w)
{
    const struct bide__watch *watch = &w->watch;
    return watch->progress != bide__counted(&w->stats.turns) + bide__counted(&w->stats.switches) ||
           watch->until_poll != __atomic_load_n(&w->until_poll, __ATOMIC_RELAXED);
}

static void copy(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from && from[i] && i < size - 1; i++)
        to[i] = from[i];
    to[i] = '\0';
}

/* In the stalled thread. */
static void on_signal(int number)
{
    (void)number;
    int saved = errno, asked = ASKED;
    struct bide__fiber *fiber = bide__self.fiber;
    if (fiber && fiber->worker == __atomic_load_n(&suspect, __ATOMIC_RELAXED) &&
        __atomic_compare_exchange_n(&phase, &asked, ANSWERS, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
        report.moved_on = moved_on(fiber->worker);
        copy(report.name, NAME, bide_current_name());
        copy(report.site, SITE, fiber->site);
        report.frame_count = can_backtrace ? backtrace(report.frames, FRAMES) : 0;
        __atomic_store_n(&phase, ANSWERED, __ATOMIC_RELEASE);
    }
    errno = saved;
}

static bool answered_in_time(void)
{
    int asked = ASKED;
    for (int ms = 0; ms < ANSWER_MS; ms++) {
        if (__atomic_load_n(&phase, __ATOMIC_ACQUIRE) == ANSWERED)
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    if (__atomic_compare_exchange_n(&phase, &asked, NOBODY_ASKED, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_ACQUIRE))
        return false;
    while (__atomic_load_n(&phase, __ATOMIC_ACQUIRE) != ANSWERED) /* it is about to */
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return true;
}

/* False: the signal has an action of the program's, is blocked, or has no stack. */
static bool ask(struct bide__worker *w)
{
    struct sigaction before, now, ours = { .sa_handler = on_signal,
                                           .sa_flags = SA_RESTART | SA_ONSTACK };
    if (!w->watch.takes_signal || sigaction(SIGURG, NULL, &before) < 0 ||
        before.sa_flags & SA_SIGINFO ||
        (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN))
        return false;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGURG, &ours, NULL);
    __atomic_store_n(&suspect, w, __ATOMIC_RELAXED);
    __atomic_store_n(&phase, ASKED, __ATOMIC_RELEASE);
    bool answered = pthread_kill(w->watch.thread, SIGURG) == 0 && answered_in_time();
    __atomic_store_n(&phase, NOBODY_ASKED, __ATOMIC_RELAXED);
    if (sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == on_signal)
        sigaction(SIGURG, &before, NULL); /* a signal that is pending still is dropped */
    return answered;
}

/* Bytes that may change or vanish meanwhile, through a pipe: write(2) fails where there are none.
 * How many there were. */
static size_t peek(void *to, const void *from, size_t size)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 0;
    ssize_t n = syscall(SYS_write, ends[1], from, size); /* unseen by the thread sanitizer */
    if (n > 0)
        n = read(ends[0], to, (size_t)n);
    close(ends[0]);
    close(ends[1]);
    return n < 0 ? 0 : (size_t)n;
}

static void peek_string(char *to, size_t size, const char *from)
{
    to[from ? peek(to, from, size - 1) : 0] = '\0';
}

/* The same as on_signal, from outside. */
void bide__peek_task(const struct bide__self *at, char *name, char *site)
{
    struct bide__self self;
    struct bide__fiber fiber;
    struct bide_future future;
    struct bide_type type;
    *name = *site = '\0';
    if (peek(&self, at, sizeof(self)) != sizeof(self) || !self.fiber ||
        peek(&fiber, self.fiber, sizeof(fiber)) != sizeof(fiber))
        return;
    const struct bide_future *task = fiber.task ? fiber.task : self.current;
    peek_string(site, SITE, fiber.site);
    if (fiber.name[0])
        copy(name, NAME_SIZE, fiber.name);
    else if (task && peek(&future, task, sizeof(future)) == sizeof(future) &&
             peek(&type, future.type, sizeof(type)) == sizeof(type))
        peek_string(name, NAME, type.name);
}

/* It counts only if the worker has not gone on. */
static void look_inside(const struct bide__worker *w)
{
    memset(&report, 0, sizeof(report));
    bide__peek_task(w->watch.self, report.name, report.site);
    report.moved_on = moved_on(w);
}

/* ---- telling ---- */

static size_t print_frame(char *to, size_t size, int number, const void *frame)
{
    int n = snprintf(to, size, "  #%d ", number);
    if (n > 0 && (size_t)n < size)
        n += bide__frame_text(frame, to + n, size - (size_t)n);
    if (n < 0 || (size_t)n + 1 >= size)
        return 0;
    to[n] = '\n';
    return (size_t)n + 1;
}

static void print(const struct bide_stall *stall)
{
    char text[8192];
    size_t at = (size_t)snprintf(
        text, sizeof(text), "bide: task \"%s\", spawned at %s, has held its worker for %lld ms%s\n",
        stall->name, stall->site, (long long)(stall->held / BIDE_MS),
        stall->frame_count ? ":" : " (no backtrace: SIGURG is taken or blocked, or no memory)");
    for (int i = 0; i < stall->frame_count; i++)
        at += print_frame(text + at, sizeof(text) - at, i, stall->frames[i]);
    ssize_t written = write(STDERR_FILENO, text, at);
    (void)written;
}

/* Nothing of w is looked at any more: it may end. */
static void let_go(struct bide__worker *w, bool prints)
{
    pthread_mutex_lock(&lock);
    w->watch.reporting = false;
    if (prints)
        printed = w;
    pthread_cond_broadcast(&reported);
    pthread_mutex_unlock(&lock);
}

/*
 * Without the lock: w stays because it is being reported on. Not while the report is printed, since
 * to name the frames is to wait for the loader's lock. A constructor in a library that the stalled
 * thread loads runs under it, and bide_run in there has to return before the lock is free.
 */
static void tell(struct bide__worker *w, bide_time held)
{
    if (!ask(w))
        look_inside(w);
    int own = report.frame_count > OWN_FRAMES ? OWN_FRAMES : 0; /* the handler's, and its caller */
    struct bide_stall stall = { .name = report.name,
                                .site = report.site,
                                .held = held,
                                .frames = report.frames + own,
                                .frame_count = report.frame_count - own };
    /* Moved on a moment ago: whose stall it was is not to be known any more. */
    bool prints = !report.moved_on && !w->config.on_stall;
    if (!report.moved_on && w->config.on_stall) {
        w->config.on_stall(&stall, w->config.on_stall_user);
        if (w->generation != bide__fork_generation)
            bide__forked("on_stall returns");
    }
    let_go(w, prints);
    if (prints)
        print(&stall);
}

/* ---- looking ---- */

/* True when w runs, or has run since the last look. @late: the machine or the process was stopped
 * meanwhile, or this thread did not get a processor; then w may not have had one either. */
static bool look_at(struct bide__worker *w, bide_time now, bool late)
{
    struct bide__watch *watch = &w->watch;
    bool asleep = __atomic_load_n(&w->asleep, __ATOMIC_ACQUIRE), ran = moved_on(w);
    if (ran) {
        watch->progress = bide__counted(&w->stats.turns) + bide__counted(&w->stats.switches);
        watch->until_poll = __atomic_load_n(&w->until_poll, __ATOMIC_RELAXED);
        watch->reported = false;
    }
    if (asleep)
        watch->since = 0;
    else if (ran || late || !watch->since)
        watch->since = now;
    return ran || !asleep;
}

static bool is_due(const struct bide__watch *watch, bide_time now)
{
    return watch->since && !watch->reported && now - watch->since >= watch->limit;
}

static struct bide__worker *worker_of(struct bide__list *link)
{
    return bide__container(link, struct bide__worker, watch.link);
}

/* The first backtrace loads a library, and without memory each one tries: no work for a handler.
 * Without the lock, and before anybody is reported on: it waits for the loader's lock as well. */
static void load_backtrace(void)
{
    void *frame;
    if (can_backtrace)
        return;
    pthread_mutex_unlock(&lock);
    can_backtrace = backtrace(&frame, 1) > 0;
    pthread_mutex_lock(&lock);
}

static bool any_due(bide_time now)
{
    for (struct bide__list *at = watched.next; at != &watched; at = at->next)
        if (is_due(&worker_of(at)->watch, now))
            return true;
    return false;
}

/* From the beginning each time, since the list may change while one is told of. */
static void report_due(bide_time now)
{
    if (any_due(now))
        load_backtrace();
    for (struct bide__list *at = watched.next; at != &watched; at = at->next) {
        struct bide__worker *w = worker_of(at);
        if (!is_due(&w->watch, now))
            continue;
        w->watch.reported = w->watch.reporting = true;
        pthread_mutex_unlock(&lock);
        tell(w, now - w->watch.since);
        pthread_mutex_lock(&lock);
        printed = NULL;
        pthread_cond_broadcast(&reported);
        at = &watched;
    }
}

/* How long until the next look: two within the shortest limit. */
static bide_time tick(void)
{
    bide_time least = LIMIT_DEFAULT;
    for (struct bide__list *at = watched.next; at != &watched; at = at->next)
        if (worker_of(at)->watch.limit < least || at == watched.next)
            least = worker_of(at)->watch.limit;
    return least / 2 > TICK_MIN ? least / 2 : TICK_MIN;
}

static bool look_at_all(bide_time now, bool late)
{
    bool any = false;
    for (struct bide__list *at = watched.next; at != &watched; at = at->next)
        any |= look_at(worker_of(at), now, late);
    return any;
}

/* False: the time is over. */
static bool wait_until(pthread_cond_t *changed, bide_time until)
{
    struct timespec at = { .tv_sec = until / BIDE_S, .tv_nsec = until % BIDE_S };
    return pthread_cond_clockwait(changed, &lock, CLOCK_MONOTONIC, &at) == 0;
}

static void *thread_main(void *unused)
{
    pthread_mutex_lock(&lock);
    bide_time now = bide__clock(), busy = now, due = now;
    while (!ending) {
        if (look_at_all(now, now - due > tick())) {
            busy = now;
            __atomic_store_n(&bide__watch_dozes, 0, __ATOMIC_SEQ_CST);
        }
        report_due(now);
        bool idle = now - busy > LINGER;
        if (idle && bide__list_empty(&watched))
            break;
        if (idle && bide__watch_dozes) {
            while (bide__watch_dozes && !ending)
                pthread_cond_wait(&called, &lock);
            due = busy = bide__clock();
        } else {
            if (idle)
                __atomic_store_n(&bide__watch_dozes, 1, __ATOMIC_SEQ_CST);
            due = bide__clock() + tick();
            wait_until(&called, due);
        }
        now = bide__clock();
    }
    state = LEFT;
    pthread_mutex_unlock(&lock);
    return unused;
}

/* ---- the thread's life ---- */

/* When the process exits, or unloads the library. Not from on_stall. */
static void end_thread(void)
{
    pthread_mutex_lock(&lock);
    bool there = state != NO_THREAD && !pthread_equal(thread, pthread_self());
    ending = true;
    pthread_cond_signal(&called);
    pthread_mutex_unlock(&lock);
    if (there)
        pthread_join(thread, NULL);
}

/* With all signals blocked, so that they reach the threads that the program made. Without a thread
 * nobody watches until the next runtime. */
static void need_thread(void)
{
    static bool registered;
    if (state == RUNS || ending)
        return;
    if (state == LEFT)
        pthread_join(thread, NULL);
    state = NO_THREAD;
    if (!registered && atexit(end_thread) != 0)
        return;
    registered = true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!bide__faulted() && pthread_create(&thread, NULL, thread_main, NULL) == 0)
        state = RUNS;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

unsigned bide__watch_threads(void)
{
    pthread_mutex_lock(&lock);
    unsigned threads = state == RUNS;
    pthread_mutex_unlock(&lock);
    return threads;
}

void bide__watch_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

/* A child has neither the thread nor any of the workers. */
void bide__watch_after_fork(bool child)
{
    struct sigaction now;
    if (child) {
        state = NO_THREAD;
        bide__list_init(&watched);
        bide__watch_dozes = 0;
        called = reported = (pthread_cond_t)PTHREAD_COND_INITIALIZER; /* nobody waits any more */
        printed = NULL;
        phase = NOBODY_ASKED;
        if (sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == on_signal)
            signal(SIGURG, SIG_DFL);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- the workers' side ---- */

static bide_time limit_of(const struct bide_config *config)
{
    const char *ms = getenv("BIDE_STALL_LIMIT");
    if (config->stall_limit)
        return config->stall_limit < 0 ? BIDE_FOREVER : config->stall_limit;
    if (!ms || !*ms)
        return LIMIT_DEFAULT;
    long value = strtol(ms, NULL, 10);
    return value > 0 ? value * BIDE_MS : BIDE_FOREVER;
}

void bide__watch_wake(void)
{
    pthread_mutex_lock(&lock);
    __atomic_store_n(&bide__watch_dozes, 0, __ATOMIC_SEQ_CST);
    pthread_cond_signal(&called);
    pthread_mutex_unlock(&lock);
}

void bide__watch(struct bide__worker *w)
{
    bide_time limit = w->simulated ? BIDE_FOREVER : limit_of(&w->config);
    if (limit == BIDE_FOREVER)
        return;
    stack_t signal_stack;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    bool has_stack =
        sigaltstack(NULL, &signal_stack) == 0 && !(signal_stack.ss_flags & SS_DISABLE);
    w->watch = (struct bide__watch){
        .limit = limit,
        .thread = pthread_self(),
        .self = &bide__self,
        .takes_signal = has_stack && !sigismember(&blocked, SIGURG),
    };
    pthread_mutex_lock(&lock);
    bide__list_push(&watched, &w->watch.link);
    need_thread();
    pthread_mutex_unlock(&lock);
    bide__watch_awake();
}

/* A report is out before bide_run returns, if its printing does not have to wait. */
static void wait_for_print(const struct bide__worker *w)
{
    bide_time until = bide__clock() + ANSWER_MS * BIDE_MS;
    while (printed == w && wait_until(&reported, until))
        continue;
}

void bide__unwatch(struct bide__worker *w)
{
    if (!w->watch.limit)
        return;
    pthread_mutex_lock(&lock);
    while (w->watch.reporting)
        pthread_cond_wait(&reported, &lock);
    bide__list_remove(&w->watch.link);
    wait_for_print(w);
    bool last = bide__list_empty(&watched);
    pthread_mutex_unlock(&lock);
    if (last)
        bide__watch_awake(); /* it leaves then */
}
