/*
 * core/internal.h - the worker, the fiber, and what the files of the core ask of each other.
 *
 * All of it belongs to one thread, the worker's, except where a field says otherwise.
 */
#ifndef BIDE_CORE_INTERNAL_H
#define BIDE_CORE_INTERNAL_H

#include "base/list.h"
#include "base/memory.h"
#include "base/panic.h"
#include "platform/context.h"
#include "platform/hooks.h"
#include "platform/lock.h"
#include "platform/reactor.h"
#include "platform/stack.h"

#include <bide/context.h>
#include <bide/io.h>
#include <bide/join.h>
#include <bide/leaf.h>
#include <bide/offload.h>
#include <bide/promise.h>
#include <bide/runtime.h>
#include <bide/scope.h>
#include <bide/signal.h>
#include <bide/time.h>
#include <pthread.h>
#include <signal.h>

enum { NAME_SIZE = 32, POLL_EVERY = 64, BUDGET = 128, PREFETCH_LINES = 8 };
enum { WHY = BIDE__CANCELLED | BIDE__TIMEDOUT };

/* Stands for a suspended fiber in the run queue, and begins as a future does. */
struct bide__resume {
    const struct bide_type *type; /* &bide__resume_type */
    struct bide__list ready;
};
_Static_assert(offsetof(struct bide__resume, type) == offsetof(struct bide_future, type) &&
                   offsetof(struct bide__resume, ready) == offsetof(struct bide_future, ready),
               "the run queue holds both");

/*
 * A stack that can be suspended. Lives at the top of that stack, so that a parked fiber touches one
 * page. Between tasks it is a runner: it calls one cold future after another, and when one of
 * them suspends the stack is that future's until its end.
 */
struct bide__fiber {
    struct bide__context context;
    struct bide__resume resume;
    struct bide_future *current; /* bide__self.current, while the fiber does not run */
    struct bide__worker *worker;
    /* The second cache line. */
    struct bide_future *leaf;    /* that the fiber waits for; NULL if none */
    struct bide__lazy_join *lazy; /* joins that have no group yet, innermost first */
    struct bide__list groups;    /* open joins, races and scopes, bide__group.open */
    struct bide_future *task;    /* that runs on this stack; NULL in a runner */
    bide_time deadline;          /* of what runs now */
    struct bide__binding *bindings; /* that it sees, innermost first */
    uint8_t cancelled;           /* WHY bits that the running code sees */
    uint8_t marked;              /* some future of the task was cancelled */
    uint8_t parked;              /* waits to be made ready */
    uint8_t yielded;             /* simulated: is ready, after all that was when it became so */
    uint32_t parked_at;          /* bide__tick: since when it does, or did last */
    /* The third. */
    char name[NAME_SIZE];        /* given by bide_name; "" if none */
    const char *site;            /* where the task was spawned or driven */
    struct bide__local *locals;  /* of tasks on this stack, newest first */
    struct bide__list link;      /* in worker->idle, or in a group's awaiters */
    char *bottom;                /* of the stack; NULL: a thread's own */
    struct bide__hooks hooks;
};

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 11 };

/* Timers by deadline: src/core/timer.c. */
struct bide__wheel {
    bide_time cursor; /* nothing in the wheel is due before it */
    uint64_t count; /* any thread may read it */
    uint64_t occupied[WHEEL_LEVELS];   /* bit s: slot s is not empty */
    uint64_t disordered[WHEEL_LEVELS]; /* bit s: its timers may not be in order */
    struct bide__list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* What the watchdog keeps of a worker: src/core/watchdog.c. Under its lock, or constant. */
struct bide__watch {
    struct bide__list link;
    bide_time limit;               /* 0: not watched */
    pthread_t thread;
    const struct bide__self *self; /* the thread's */
    bool takes_signal;             /* it had SIGURG unblocked, and a stack for it */
    bool reported, reporting;      /* it was, since it went on last; it is just now */
    uint64_t progress;             /* as it was at the last look */
    int until_poll;
    bide_time since;               /* it has not gone on; 0 while it is asleep */
};

/* What inspect.c keeps of a worker: under its lock, or constant. */
struct bide__inspected {
    struct bide__list link;        /* in the list of all workers of the process */
    const struct bide__self *self; /* the thread's */
    unsigned asked;                /* messages on their way to it */
};

struct bide__worker {
    struct bide__list ready;   /* bide_future.ready: cold futures and fibers' resumes */
    int callbacks;             /* under way: leaves' hooks and the like, which must not suspend */
    int until_poll;            /* steps until the reactor is looked at; others read it */
    int budget;                /* operations that may complete at once until the fiber yields */
    struct bide__list idle;    /* runners, most recently used first */
    uint64_t idle_count, idle_low; /* now; the least since the last trim */
    bide_time trim_at;
    bide_time clock;           /* when it last looked: when it was woken, and now and then */
    uint64_t fibers;           /* stacks, idle ones too */
    struct bide__fiber root;   /* the thread's own stack: bide_run's future runs on it */
    bool draining;             /* bide__cancel is at work on cancelling */
    bool simulated;            /* its reactor is bide__sim */
    struct bide__list cancelling; /* groups whose children are to be cancelled */
    struct bide__reactor *reactor;
    size_t operations_pending; /* handed to the reactor, not over */
    size_t promised;           /* tasks that a thread of another library of bide's will wake */
    bool foreign;              /* a foreign loop waits for it: its wakes are read in every poll */
    struct bide__wheel wheel;
    struct bide__stacks stacks;
    struct bide__slab slab;
    struct bide__pool *pool;   /* the runtime's; the first worker frees it */
    struct bide__list signals; /* bide_signal futures */
    int signal_slot;           /* in the table of runtimes that signals wake; -1: none */
    struct bide__team *team;   /* NULL while there is no other worker */
    bool alone;                /* and there will be none */
    bool first;                /* bide_run's: the runtime ends with it */
    unsigned generation;       /* of the process that made it: bide__fork_generation */
    unsigned index;            /* in the team */
    struct bide__ring *ring;   /* what others may take; any thread. NULL without a team */
    struct bide__list overflow; /* bide_future.ready: what found no room in the ring */
    struct bide__list adopted; /* bide__parallel.adopted: other workers' children that run here */
    struct bide__outbox {
        struct bide__post *newest, *oldest;
    } *outbox;                 /* a team member each: posts for it, sent in the next poll */
    bool outboxes_used;
    bool dozes;                /* it has just had parallel work, or a message */
    unsigned stolen;           /* children of the last theft, until it has been judged */
    bide_time stole_at;
    bide_time shuns_until;     /* it does not steal; 0: it does */
    bide_time shun_span;       /* the last one; 0: its last theft was worth it */
    bool stopping;             /* the team closes */
    struct bide__post stop;
    struct bide_future *main;  /* bide_run's; NULL in the other workers */
    bide_time doubt;           /* how long it waits for nobody until it asks why; 0: the least */
    bool deadlocked;           /* main was cancelled because nothing could go on */
    struct bide__post deadlock; /* to the first worker */
    struct bide_config config;
    struct bide_stats stats;
    sigset_t signal_mask;      /* the thread's before the runtime */
    void *alternate;           /* signal stack that overflow.c made; NULL if none */
    bool overflow_reported;
    struct bide__watch watch;
    struct bide__inspected inspected;

    unsigned look_from;        /* where bide__least_placed begins */

    /* Written by other threads. */
    unsigned placed;           /* atomic: children of bide_spawn_spread that run, or go, here */
    struct bide__post *inbox;  /* atomic: newest first */
    int asleep;                /* atomic: how the worker waits in the reactor, or is about to */
    int posting;               /* atomic: threads that are inside bide__post */

    /* Read by other threads. */
    bool quiet;                /* atomic: while it is asleep, it waits for nothing outside */
};

/* bide__worker.asleep, when it is not 0. */
enum { ASLEEP = 1, SHUNS_WORK = 2 /* not to be woken for what it might steal */ };

extern const struct bide_type bide__resume_type;

/* Counters that one worker writes and others read: of a moment ago, but never torn. */
static inline void bide__count(uint64_t *counter, int n)
{
    __atomic_store_n(counter, *counter + (uint64_t)(int64_t)n, __ATOMIC_RELAXED);
}
static inline uint64_t bide__counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ---- worker.c ---- */
static inline struct bide__worker *bide__worker(void)
{
    return bide__self.fiber ? bide__self.fiber->worker : NULL;
}

/* What stands for the kernel here; NULL: nothing does. */
static inline struct bide__reactor *bide__reactor_here(void)
{
    struct bide__worker *w = bide__worker();
    return w ? w->reactor : bide__stand_in;
}

/* A time in milliseconds, almost: in 2^20 ns. */
static inline uint32_t bide__tick(bide_time time)
{
    return (uint32_t)((uint64_t)time >> 20);
}

void bide__read_inbox(struct bide__worker *w);
void bide__post_to(struct bide__worker *w, struct bide__post *post); /* any thread */
void bide__post_from(struct bide__worker *from, struct bide__worker *w, struct bide__post *post);
void bide__post_chain(struct bide__worker *w, struct bide__post *newest, struct bide__post *oldest);
void bide__poll(struct bide__worker *w, bool wait);
void bide__idle(struct bide__worker *w); /* nothing is ready: find something, or wait for it */
/* The first worker of a runtime, or with @pool, which it borrows, another one. 0 or -errno. */
int bide__worker_new(const struct bide_config *config, struct bide__pool *pool,
                     struct bide__worker **ret_worker);
void bide__worker_free(struct bide__worker *w);
/* Run f, which is cold, as the main future of w, and free w. */
void bide__worker_run(struct bide__worker *w, struct bide_future *f, const char *site);

/* ---- fiber.c ---- */
struct bide__fiber *bide__fiber_new(struct bide__worker *w);
void bide__fiber_free_all(struct bide__worker *w);
void bide__fiber_init(struct bide__fiber *fiber, struct bide__worker *w);
void bide__fiber_trim(struct bide__worker *w, bide_time now);
struct bide__fiber *bide__runner(struct bide__worker *w); /* idle or new; NULL: no memory */
void bide__switch(struct bide__fiber *from, struct bide__fiber *to);
void bide__schedule(struct bide__fiber *fiber); /* run others until fiber is taken from ready */
void bide__park(struct bide__fiber *fiber);     /* the same, until bide__wake */
void bide__give_way(struct bide__fiber *fiber); /* to all that is ready now */

/* A fiber that runs soon: its own lines and those of the frames below them, where it stands. */
static inline void bide__prefetch(const struct bide__fiber *fiber)
{
    for (int line = -PREFETCH_LINES; line < 2; line++)
        __builtin_prefetch((const char *)fiber + 64 * line, 1);
}

static inline void bide__wake(struct bide__fiber *fiber)
{
    if (fiber->parked) {
        fiber->parked = 0;
        bide__list_push(&fiber->worker->ready, &fiber->resume.ready);
    }
}

/* ---- future.c ---- */
int bide__why(int bits); /* WHY bits to -errno, or 0 */
void bide__fail(struct bide_future *f, int error); /* it ended without having begun */
void bide__write_errno(struct bide_future *f, int error);
bool bide__check_cold(const struct bide_future *f, const char *verb, const char *site);
void bide__begin_leaf(struct bide_future *f, struct bide__fiber *fiber);
void bide__begun_cancelled(struct bide__fiber *fiber);
int bide__value_error(const struct bide_future *f);

/* ---- describe.c ---- */

/* As sprintf, into to->text. */
void bide__say(struct bide_description *to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- group.c ---- */
enum { POLICY_ALL, POLICY_FIRST_DONE = 1, POLICY_FIRST_ERROR = 2, POLICY_SCOPE = 4,
       POLICY_BY_HAND = 8 };

/* What bide_spawn makes of a future. */
struct bide__spawned {
    const char *site;
    bide_time at; /* when; 0 outside a runtime */
    struct bide_future future;
};

/* What bide_spawn_parallel makes of one; src/core/parallel.c says what belongs to whom. */
struct bide__parallel {
    struct bide__post post;       /* to the owner: it is over, or was withdrawn */
    struct bide__post cancel;     /* to the runner, and back */
    struct bide__list adopted;    /* runner: among those of other workers that run there */
    const struct bide_type *type; /* of the future, when it was spawned */
    struct bide__worker *owner;   /* of the scope; NULL outside a runtime */
    struct bide__worker *runner;  /* atomic; valid once claimed */
    size_t size;                  /* of the future */
    int claim;                    /* atomic */
    int why, why_posted;          /* owner: cancellation asked for, and sent to the runner */
    bool shared;                  /* it went into a ring, or to another worker */
    bool under_way;               /* owner: it may still be there, not begun */
    bool placed;                  /* counted in the `placed` of the worker that it went to */
    bool withdrawn;               /* owner: cancelled before anybody claimed it */
    bool cancelling;              /* owner: `cancel` is under way */
    bool ended;                   /* owner: it has left its group */
    bool over;                    /* runner: its end is posted */
    struct bide__spawned spawned __attribute__((aligned(16)));
};

static inline size_t bide__spawned_size(size_t future_size)
{
    return offsetof(struct bide__spawned, future) + future_size;
}
void bide__group_open(struct bide__group *g, struct bide__fiber *fiber, int policy,
                      const char *site);
void bide__group_open_in(struct bide__group *g, struct bide__fiber *fiber, int policy,
                         const char *site, struct bide_future *frame, bide_time deadline,
                         struct bide__binding *bindings);
bool bide__group_add(struct bide__group *g, struct bide_future *f); /* false: over already */
void bide__group_wait(struct bide__group *g);
void bide__group_close(struct bide__group *g);
const char *bide__child_site(const struct bide_future *f);

/*
 * May f take effect? Of the children of a race only one may. Who asks, on any thread, while f is
 * running, makes it the winner, and has to see to it that f is done then; unless another one is it
 * already: then the cancellation of f is on its way.
 */
static inline bool bide__claim(struct bide_future *f)
{
    struct bide__group *g = f->group;
    return !g || !(g->policy & POLICY_FIRST_DONE) || bide__claim_word(&g->winner, f);
}
void bide__group_enqueue(struct bide__group *g, struct bide_future *f);
void bide__child_ended(struct bide_future *f);
void bide__run_here(struct bide__fiber *fiber, struct bide_future *f);

void bide__child_left(struct bide_future *f);

/* ---- scope.c ---- */
struct bide__worker *bide__scope_worker(const struct bide_scope *scope, const char *site);
void bide__begin_child(struct bide__group *g, struct bide_future *f);

/* ---- parallel.c ---- */
void bide__parallel_begin(struct bide__worker *w, struct bide_future *f);
bool bide__parallel_ended(struct bide_future *f);
void bide__parallel_free(struct bide_future *f);
void bide__parallel_cancel(struct bide_future *f, int why);

/* The worker that has f, a child in a group's `parallel`, or that ran it last. NULL: none has begun
 * it. On the worker of the group. */
struct bide__worker *bide__parallel_runner(const struct bide_future *f);

/* ---- team.c ---- */
struct bide__team *bide__team_of(struct bide__worker *w);
void bide__team_close(struct bide__worker *first);
struct bide__worker *bide__least_placed(struct bide__worker *w);
bool bide__take_own(struct bide__worker *w);
bool bide__find_work(struct bide__worker *w);
bide_time bide__may_sleep(struct bide__worker *w);
void bide__slept(struct bide__worker *w);
void bide__wake_one(struct bide__team *team);
void bide__post_later(struct bide__worker *from, struct bide__worker *to, struct bide__post *post);
void bide__post_flush(struct bide__worker *w);
bool bide__team_asleep(const struct bide__worker *w, uint64_t *ret_turns);
struct bide__worker *bide__team_first(struct bide__worker *w);
unsigned bide__team_threads(struct bide__worker *w);
void bide__team_stats(struct bide__worker *w, void (*add)(struct bide__worker *w, void *to),
                      void *to);

/* ---- deadlock.c ---- */
bool bide__waits_for_nobody(const struct bide__worker *w);
bide_time bide__doubt_until(const struct bide__worker *w);
void bide__doubt(struct bide__worker *w); /* it has slept so long for nobody */

/* ---- join.c ---- */
void bide__join_publish(struct bide__fiber *fiber);
const struct bide_future *bide__join_running(const struct bide__fiber *fiber);

/* ---- context.c ---- */
struct bide__binding **bide__bindings(void); /* where the calling fiber or thread has them */
struct bide__binding *bide__bindings_of(const struct bide_future *leaf); /* that is running */

/* ---- local.c ---- */
struct bide__local **bide__locals(void); /* where the calling fiber or thread has them */
void bide__locals_end(struct bide_future *task); /* which has BIDE__LOCALS, and is still running */

/* ---- cancel.c ---- */
void bide__cancel_why(struct bide_future *f, int why);
void bide__cancel_one(struct bide_future *f, int why);
void bide__cancel_group(struct bide__group *g, int why);
int bide__seen_from(const struct bide_future *frame, const struct bide__fiber *fiber);

/* ---- timer.c ---- */
bide_time bide__now(void); /* as bide_now, of bide's own accord */
void bide__wheel_init(struct bide__wheel *wheel, bide_time now);
void bide__timer_set(struct bide__wheel *wheel, struct bide__timer *timer);
void bide__timer_clear(struct bide__wheel *wheel, struct bide__timer *timer);
void bide__wheel_fire(struct bide__wheel *wheel, bide_time now);
bide_time bide__wheel_next(struct bide__wheel *wheel);

/* ---- promise.c ---- */
bool bide__promise_abandon(struct bide_future *f);

/* ---- pool.c ---- */
enum bide__lane { BIDE__LANE_LONG, BIDE__LANE_SHORT };
struct bide__pool *bide__pool_new(const struct bide_config *config); /* NULL: no memory */
void bide__pool_free(struct bide__pool *pool); /* waits for its threads; nothing is in its queues */
void bide__pool_stats(struct bide__pool *pool, struct bide_stats *stats); /* those of offloading */
bool bide__pool_busy(struct bide__pool *pool);

/* job->work is to be called on a thread of the pool, and then job->post delivered on w. 0, or
 * -EAGAIN when there is no thread that could do it. */
int bide__pool_submit(struct bide__worker *w, struct bide__job *job, enum bide__lane which);

/* Take back a job that no thread has begun: true, and it never will. */
bool bide__pool_withdraw(struct bide__job *job);

/* Has a thread begun it? */
bool bide__pool_begun(const struct bide__job *job);

/* Have hook->work called on another thread, unless job, which has begun, is over. job->work then
 * ends with bide__pool_over: when it returns, hook is over or never begins. */
void bide__pool_interrupt(struct bide__job *job, struct bide__job *hook);
void bide__pool_over(struct bide__job *job, struct bide__job *hook);

/* ---- simulation.c ---- */
void bide__sim_begin_step(struct bide__worker *w); /* before and after each look at the reactor */
void bide__sim_end_step(struct bide__worker *w, bool waited);
int bide__sim_offload(struct bide__worker *w, struct bide__job *job);
bool bide__sim_withdraw(struct bide__job *job);
bool bide__sim_begun(const struct bide__job *job);

/* ---- offload.c ---- */
int bide__offload_cancelled(void); /* as bide_cancelled, on a thread of the pool */
struct bide__worker *bide__offload_worker(void); /* for which this thread runs a call, or NULL */

/* ---- signal.c ---- */
void bide__signals_deliver(struct bide__worker *w);
void bide__signals_leave(struct bide__worker *w);
void bide__signals_before_fork(void);
void bide__signals_after_fork(bool child);

/* ---- overflow.c ---- */
void bide__overflow_enter(struct bide__worker *w);
void bide__overflow_leave(struct bide__worker *w);
void bide__overflow_before_fork(void);
void bide__overflow_after_fork(bool child);

/* ---- watchdog.c ---- */
extern int bide__watch_dozes; /* atomic: the next worker that wakes is to call bide__watch_wake */
void bide__watch(struct bide__worker *w);
void bide__unwatch(struct bide__worker *w); /* waits for a report that is under way */
void bide__watch_wake(void);

/* w, or another, is asleep no more. */
static inline void bide__watch_awake(void)
{
    if (BIDE__UNLIKELY(__atomic_load_n(&bide__watch_dozes, __ATOMIC_RELAXED)))
        bide__watch_wake();
}

unsigned bide__watch_threads(void); /* of the process: 0 or 1 */

/* Of the task that runs on another thread, whatever it does meanwhile; "" where that is not to be
 * known. `name` has room for 64 bytes, `site` for 128. */
void bide__peek_task(const struct bide__self *self, char *name, char *site);

void bide__watch_before_fork(void);
void bide__watch_after_fork(bool child);

/* ---- inspect.c ---- */
void bide__inspect_enter(struct bide__worker *w); /* on its thread: from now on it may be asked */
void bide__inspect_leave(struct bide__worker *w); /* answers what was asked, and no more */

/* All tasks of w's runtime, which has come to rest, and a circle of them; w is the calling worker.
 * Owned by the caller: bide__free. NULL: no memory. */
char *bide__dump_deadlock(struct bide__worker *w);
void bide__inspect_before_fork(void);
void bide__inspect_after_fork(bool child);

/* ---- inspect_sigquit.c ---- */
void bide__sigquit_enter(struct bide__worker *w); /* if its configuration asks for it */
void bide__sigquit_leave(struct bide__worker *w);
unsigned bide__sigquit_threads(void); /* of the process: 0 or 1 */
void bide__sigquit_before_fork(void);
void bide__sigquit_after_fork(bool child);

/* ---- fork.c ---- */
extern unsigned bide__fork_generation; /* one more in each forked child */
int bide__fork_init(void); /* before a runtime is made. 0 or -errno */

/* Abort: what (NULL: this task) goes on with a runtime of its parent. */
void bide__forked(const char *what) __attribute__((noreturn, cold));

/* ---- io.c ---- */
extern const struct bide__reactor_host bide__io_host;

/* ---- io/describe.c ---- */
void bide__io_describe(const struct bide_future *f, struct bide_description *to);

#endif
