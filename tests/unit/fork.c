/*
 * fork.c - a child that execs or exits at once leaves its parent unharmed; one that goes on in its
 * parent's runtime says so; one that was forked outside of a runtime makes its own.
 */
#include "fiber.h"

#include <bide/promise.h>
#include <bide/signal.h>
#include <bide/time.h>
#include <pthread.h>
#include <spawn.h>

enum { HOUR_S = 3600 };

/* What waits while others fork: a timer, a read, a call on the pool. */
struct waiters {
    int ends[2];
    char byte;
    struct bide_sleep_future sleep;
    struct bide_read_future read;
    struct bide_offload_call_future call;
};

static int read_a_byte(void *arg)
{
    char byte;
    return read(*(int *)arg, &byte, 1) == 1 ? byte : -errno;
}

static void start_waiters(struct waiters *w)
{
    CHECK_EQ(pipe(w->ends), 0);
    w->sleep = bide_async(bide_sleep, HOUR_S * BIDE_S);
    w->read = bide_async(bide_read, w->ends[0], &w->byte, 1);
    w->call = bide_async(bide_offload_call, read_a_byte, &w->ends[0]);
    bide_start(&w->sleep);
    bide_start(&w->call);
    settle();
}

/* They still wait, and are still served. */
static void finish_waiters(struct waiters *w)
{
    CHECK(!bide_done(&w->sleep) && !bide_done(&w->call));
    CHECK_EQ(bide_write(w->ends[1], "a", 1), 1);
    CHECK_EQ(bide_await(&w->call), 'a');
    bide_start(&w->read);
    CHECK_EQ(bide_write(w->ends[1], "b", 1), 1);
    CHECK_EQ(bide_await(&w->read), 1);
    CHECK_EQ(w->byte, 'b');
    bide_cancel(&w->sleep);
    CHECK_EQ(bide_await(&w->sleep), -ECANCELED);
    bide_close(w->ends[0]);
    bide_close(w->ends[1]);
}

static int wait_there(void *arg)
{
    int status;
    return waitpid(*(pid_t *)arg, &status, 0) < 0 ? -errno : status;
}

static int status_of(pid_t pid)
{
    return bide_offload_call(wait_there, &pid);
}

static void exec_shell(const char *command)
{
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* ---- exec or _exit at once ---- */

FIBER_TEST(exec_and_exit)
{
    struct waiters w;
    int rounds = test_small() ? 3 : 20;
    BIDE_SCOPE(s) {
        start_waiters(&w);
        for (int i = 0; i < rounds; i++) {
            pid_t pid = fork();
            if (pid == 0 && i % 2)
                exec_shell("exit 3");
            if (pid == 0)
                _exit(3);
            CHECK(pid > 0);
            CHECK_EQ(status_of(pid), 3 << 8);
            CHECK_EQ(bide_sleep(BIDE_US), 0);
        }
        finish_waiters(&w);
    }
}

FIBER_TEST(without_the_handlers_of_fork)
{
    struct waiters w;
    BIDE_SCOPE(s) {
        start_waiters(&w);
        char *argv[] = { "sh", "-c", "exit 4", NULL }, line[16] = "";
        pid_t pid;
        CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
        CHECK_EQ(status_of(pid), 4 << 8);
        FILE *pipe = popen("echo hello", "r");
        CHECK(pipe && fgets(line, sizeof(line), pipe));
        CHECK_STR(line, "hello\n");
        CHECK_EQ(pclose(pipe), 0);
        CHECK_EQ(system("exit 5"), 5 << 8);
        finish_waiters(&w);
    }
}

static int exec_elsewhere(int *statuses)
{
    pid_t pid = fork();
    if (pid == 0)
        exec_shell("exit 6");
    *statuses = status_of(pid);
    return 0;
}
BIDE_ASYNC(int, exec_elsewhere, int *)

enum { CHILDREN = 12 };

static int exec_from_all_workers(int *statuses)
{
    BIDE_SCOPE(s)
        for (int i = 0; i < CHILDREN; i++)
            CHECK_OR(bide_spawn_parallel(&s, bide_async(exec_elsewhere, &statuses[i])) == 0, 1);
    return 0;
}
BIDE_ASYNC(int, exec_from_all_workers, int *)

TEST(from_any_worker)
{
    int statuses[CHILDREN] = { 0 };
    struct bide_config three = { .workers = 3 };
    CHECK_EQ(bide_run_with(&three, bide_async(exec_from_all_workers, statuses)), 0);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(statuses[i], 6 << 8);
}

/* ---- what the executed program finds ---- */

/* The signals that a shell may be ended by: those it has not blocked. */
static int ended_by(int number)
{
    char command[64];
    snprintf(command, sizeof(command), "kill -%d $$; exit 7", number);
    pid_t pid = fork();
    if (pid == 0)
        exec_shell(command);
    int status = bide__self.fiber ? status_of(pid) : wait_there(&pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -status;
}
BIDE_ASYNC(int, ended_by, int)

static int check_masks(int number)
{
    CHECK_OR(ended_by(number) == number, 1);
    CHECK_OR(bide_offload(bide_async(ended_by, number)) == number, 2);
    return 0;
}
BIDE_ASYNC(int, check_masks, int)

static int check_masks_everywhere(void)
{
    int error = 0;
    BIDE_SCOPE(s) {
        for (int i = 0; i < CHILDREN; i++)
            (void)bide_spawn_parallel(&s, bide_async(check_masks, i % 2 ? SIGPIPE : SIGTERM));
        error = bide_scope_wait(&s);
    }
    return error;
}
BIDE_ASYNC(int, check_masks_everywhere)

TEST(signals_are_unblocked_as_before)
{
    struct bide_config three = { .workers = 3 };
    sigset_t pipe_only, before;
    CHECK_EQ(bide_run_with(&three, bide_async(check_masks_everywhere)), 0);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    int kept = bide_run(bide_async(ended_by, SIGPIPE)); /* blocked by the program itself */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    CHECK_EQ(kept, -(7 << 8));
}

static bool maps_a_ring(void)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof(line), maps))
        found |= strstr(line, "io_uring") != NULL;
    if (maps)
        fclose(maps);
    return found;
}

FIBER_TEST(the_ring_is_not_the_childs)
{
    if (strcmp(stats_now().reactor, "io_uring") != 0)
        return;
    CHECK(maps_a_ring());
    pid_t pid = fork();
    if (pid == 0)
        _exit(maps_a_ring());
    CHECK_EQ(status_of(pid), 0);
}

/* ---- going on in the parent's runtime ---- */

static int child_goes_on(int (*with)(void));
static int (*going_on)(void);

static int returning(void)
{
    return 0;
}
BIDE_ASYNC(int, returning)

static int sleeping(void)
{
    return bide_sleep(BIDE_MS);
}
BIDE_ASYNC(int, sleeping)

static int yielding(void)
{
    while (bide_yield() == 0)
        ;
    return 0;
}

static int reading(void)
{
    int ends[2];
    char byte;
    return pipe(ends) ? -errno : (int)bide_read(ends[0], &byte, 1);
}

static int opening(void)
{
    return bide_open("/dev/null", O_RDONLY, 0);
}

static int offloading(void)
{
    return bide_offload(bide_async(returning));
}

static int joining(void)
{
    return bide_join(bide_async(sleeping), bide_async(sleeping));
}

static int running(void)
{
    return bide_run(bide_async(sleeping));
}

static int signalling(void)
{
    return bide_signal(SIGUSR1);
}

static int promising(void)
{
    BIDE_PROMISE(int) p;
    bide_promise_init(&p);
    return bide_await(&p);
}

static int spawning(void)
{
    BIDE_SCOPE(s)
        (void)bide_spawn(&s, bide_async(returning));
    return 0;
}

static int asking(void)
{
    return (int)stats_now().offload_threads;
}

static void reap_or_abort(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        fprintf(stderr, "the child did not abort: status 0x%x\n", status);
        _exit(1);
    }
    abort(); /* for expect_abort, which sees what the child wrote */
}

/* The child does `with`, and then returns from its task. */
static int child_goes_on(int (*with)(void))
{
    bide_name("forking");
    pid_t pid = fork();
    if (pid != 0)
        reap_or_abort(pid);
    return with();
}
BIDE_ASYNC(int, child_goes_on, int (*)(void))

static int as_a_task(int (*with)(void))
{
    BIDE_SCOPE(s) {
        bide_spawn(&s, bide_async(child_goes_on, with));
        bide_sleep(BIDE_S);
    }
    return 0;
}
BIDE_ASYNC(int, as_a_task, int (*)(void))

static int fork_there(void *arg)
{
    (void)arg;
    pid_t pid = fork();
    if (pid != 0)
        reap_or_abort(pid);
    return 0;
}

static void in_the_main_task(void *arg)
{
    (void)arg;
    bide_run(bide_async(child_goes_on, going_on));
}

static void in_a_task(void *arg)
{
    (void)arg;
    bide_run(bide_async(as_a_task, going_on));
}

static void on_the_pool(void *arg)
{
    bide_run(bide_async(bide_offload_call, fork_there, arg));
}

static void in_a_foreign_loop(void *arg)
{
    struct bide_runtime *rt;
    CHECK_EQ(bide_runtime_open(NULL, &rt), 0);
    pid_t pid = fork();
    if (pid != 0)
        reap_or_abort(pid);
    if (arg)
        bide_runtime_turn(rt);
    else
        bide_runtime_close(rt);
}

#define SAYS "\", spawned at " __FILE__ ":"
#define ADVICE "in a forked child, but the runtime is its parent's: after fork call exec or _exit"

TEST(who_goes_on_there_aborts)
{
    static int (*const ways[])(void) = {
        sleeping, yielding, reading,   opening,   offloading, joining,
        running,  asking,   signalling, promising, spawning,
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        going_on = ways[i];
        int before = atomic_load(&test_failures);
        expect_abort(in_the_main_task, NULL, "bide: task \"forking" SAYS);
        expect_abort(in_a_task, NULL, ADVICE);
        if (atomic_load(&test_failures) != before)
            printf("     with way %zu\n", i);
    }
}

TEST(who_returns_there_aborts)
{
    going_on = returning;
    expect_abort(in_the_main_task, NULL, "bide: bide_run returns " ADVICE);
    expect_abort(in_a_task, NULL, ADVICE);
    expect_abort(on_the_pool, NULL, "bide: an offloaded call returns " ADVICE);
    expect_abort(in_a_foreign_loop, NULL, "bide: a runtime is used " ADVICE);
    expect_abort(in_a_foreign_loop, "turn", "bide: a runtime is used " ADVICE);
}

/* ---- forked outside of any runtime ---- */

static void *until_unlocked(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* Not under the thread sanitizer and some emulators, when the parent has threads. */
static bool children_may_have_threads(void)
{
    static pthread_mutex_t closed = PTHREAD_MUTEX_INITIALIZER, open = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    pthread_mutex_lock(&closed);
    CHECK_OR(pthread_create(&thread, NULL, until_unlocked, &closed) == 0, false);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        _exit(pthread_create(&thread, NULL, until_unlocked, &open) || pthread_join(thread, NULL));
    }
    pthread_mutex_unlock(&closed);
    pthread_join(thread, NULL);
    return wait_there(&pid) == 0;
}

static int everything(void)
{
    int count = 0, ends[2];
    char byte = 0;
    BIDE_SCOPE(s)
        for (int i = 0; i < 4; i++)
            (void)bide_spawn_parallel(&s, bide_async(sleeping));
    bide_let read = bide_async(bide_read, 0, &byte, 1);
    CHECK_OR(pipe(ends) == 0, 1);
    read.args.fd = ends[0];
    CHECK_OR(bide_within(BIDE_MS, &read) == -ETIMEDOUT, 2);
    CHECK_OR(bide_write(ends[1], "x", 1) == 1, 3);
    CHECK_OR(bide_offload_call(read_a_byte, &ends[0]) == 'x', 4);
    CHECK_OR(bide_within(BIDE_US, bide_async(bide_signal, SIGUSR2)) == -ETIMEDOUT, 5);
    bide_close(ends[0]);
    bide_close(ends[1]);
    return count;
}
BIDE_ASYNC(int, everything)

static const struct bide_config two = { .workers = 2, .stall_limit = 100 * BIDE_MS };
static atomic_int enough;

static int until_enough(void)
{
    while (!atomic_load(&enough)) {
        int error = everything();
        if (error)
            return error;
    }
    return 0;
}
BIDE_ASYNC(int, until_enough)

static void *run_until_enough(void *arg)
{
    while (!atomic_load(&enough)) /* several runtimes, one after the other */
        *(int *)arg |= bide_run_with(&two, bide_async(everything));
    *(int *)arg |= bide_run_with(&two, bide_async(until_enough));
    return NULL;
}

/* The parent's threads hold locks of all kinds meanwhile. */
TEST(a_plain_thread_forks)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    int values[THREADS] = { 0 }, rounds = 30;
    if (UNDER_ASAN || RUNNING_ON_VALGRIND)
        SKIP("the allocator's locks may be taken in a child");
    if (!children_may_have_threads())
        SKIP("children may have no threads here");
    atomic_store(&enough, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_until_enough, &values[i]), 0);
    for (int i = 0; i < rounds; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(bide_run_with(&two, bide_async(everything)) ? 1 : 0);
        CHECK_EQ(wait_there(&pid), 0);
    }
    atomic_store(&enough, 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(values[i], 0);
    }
}

/* A child of a child, each with a runtime of its own. */
TEST(generations)
{
    if (!children_may_have_threads())
        SKIP("children may have no threads here");
    CHECK_EQ(bide_run_with(&two, bide_async(everything)), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int error = bide_run_with(&two, bide_async(everything));
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(bide_run_with(&two, bide_async(everything)) ? 1 : 0);
        _exit(error || wait_there(&grandchild) ? 1 : 0);
    }
    CHECK_EQ(wait_there(&pid), 0);
    CHECK_EQ(bide_run_with(&two, bide_async(everything)), 0);
}

TEST_MAIN()
