/*
 * watchdog.c - a task that holds its worker is reported, once.
 *
 * Tasks hold their worker until the report comes, and only the reports on the task that a test is
 * about count: on a busy machine any other may be reported too.
 */
#include "fiber.h"

#include <pthread.h>
#include <time.h>

#define LIMIT (10 * BIDE_MS)
#define PATIENCE (150 * BIDE_MS) /* where nobody is to be reported */

/* What the last report said; written by the watchdog's thread before it counts the report. */
static struct {
    char name[64], site[128];
    bide_time held;
    int frames;
} last;
static atomic_int reports;
static const char *subject; /* the name of the task; NULL: any */

static void note(const struct bide_stall *stall, void *user)
{
    if (subject && strcmp(stall->name, subject) != 0)
        return;
    snprintf(last.name, sizeof(last.name), "%s", stall->name);
    snprintf(last.site, sizeof(last.site), "%s", stall->site);
    last.held = stall->held;
    last.frames = stall->frame_count;
    atomic_fetch_add((atomic_int *)user, 1);
}

static struct bide_config config(bide_time limit, const char *task)
{
    subject = task;
    atomic_store(&reports, 0);
    memset(&last, 0, sizeof(last));
    return (struct bide_config){
        .stall_limit = limit,
        .on_stall = note,
        .on_stall_user = &reports,
    };
}

/* Valgrind's frame of a signal ends an unwinder's way. */
static bool has_frames(void)
{
    return last.frames > 0 || RUNNING_ON_VALGRIND;
}

static void burn(bide_time span)
{
    for (bide_time end = bide_now() + span; bide_now() < end;)
        bide__relax();
}

/* Holds the worker until the n-th report, and then some: still n. */
static int burn_until(int n)
{
    while (atomic_load(&reports) < n)
        bide__relax();
    burn(5 * LIMIT);
    return atomic_load(&reports);
}
BIDE_ASYNC(int, burn_until, int)

static int block_until(int n)
{
    while (atomic_load(&reports) < n)
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL); /* the report interrupts it */
    return n;
}
BIDE_ASYNC(int, block_until, int)

/* ---- first, while the process has one thread ---- */

static int fail_at, acquisitions;

static bool fail_kth(void)
{
    return ++acquisitions == fail_at;
}

static int burn_some(void)
{
    burn(5 * LIMIT);
    return atomic_load(&reports);
}
BIDE_ASYNC(int, burn_some)

/* The first failure that leaves a runtime is that of the thread. */
TEST(without_its_thread_nobody_watches)
{
    struct bide_config c = config(LIMIT, NULL);
    int value;
    c.reactor = BIDE_REACTOR_EPOLL;
    c.no_overflow_report = 1;
    bide__fault = fail_kth;
    do {
        fail_at++;
        acquisitions = 0;
    } while ((value = bide_run_with(&c, bide_async(burn_some))) < 0);
    bide__fault = NULL;
    CHECK_EQ(value, 0);
    CHECK_EQ(acquisitions, fail_at);
}

/* Holds the worker until something is on stderr, and shows that. */
static int burn_and_abort(void)
{
    char text[4096];
    int ends[2], shown = dup(STDERR_FILENO);
    struct pollfd said = { .events = POLLIN };
    CHECK_OR(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0, 1);
    said.fd = ends[0];
    bide_name("cruncher %d", 7);
    while (poll(&said, 1, 0) <= 0)
        ;
    ssize_t n = read(ends[0], text, sizeof(text));
    CHECK_OR(n > 0 && write(shown, text, (size_t)n) == n, 1);
    abort();
}
BIDE_ASYNC(int, burn_and_abort)

static void stall_loudly(void *arg)
{
    (void)arg;
    bide_run_with(&(struct bide_config){ .stall_limit = LIMIT }, bide_async(burn_and_abort));
}

TEST(says_so_on_stderr)
{
    expect_abort(stall_loudly, NULL, "bide: task \"cruncher 7\", spawned at " __FILE__ ":");
    if (!RUNNING_ON_VALGRIND)
        expect_abort(stall_loudly, NULL, " ms:\n  #0 ");
}

/* ---- who, where, how often ---- */

static int spawn_one(bool blocks, const char **ret_site)
{
    BIDE_SCOPE(s) {
        if (blocks)
            *ret_site = BIDE__SITE, (void)bide_spawn(&s, bide_async(block_until, 1));
        else
            *ret_site = BIDE__SITE, (void)bide_spawn(&s, bide_async(burn_until, 1));
    }
    return atomic_load(&reports);
}
BIDE_ASYNC(int, spawn_one, bool, const char **)

TEST(names_the_task_and_its_site)
{
    for (int blocks = 0; blocks < 2; blocks++) {
        struct bide_config c = config(LIMIT, blocks ? "block_until" : "burn_until");
        const char *site = "";
        CHECK_EQ(bide_run_with(&c, bide_async(spawn_one, blocks, &site)), 1);
        CHECK_STR(last.site, site);
        CHECK(last.held >= LIMIT);
        CHECK(has_frames());
    }
}

static int stall_thrice(void)
{
    bide_name("again and again");
    for (int i = 1; i <= 3; i++) {
        if (burn_until(i) != i)
            return -i;
        if (i == 1)
            bide_sleep(BIDE_MS);
        else
            bide_yield(); /* alone, so it goes on at once */
    }
    return 3;
}
BIDE_ASYNC(int, stall_thrice)

TEST(each_stall_once)
{
    struct bide_config c = config(LIMIT, "again and again");
    CHECK_EQ(bide_run_with(&c, bide_async(stall_thrice)), 3);
    CHECK(strstr(last.site, "watchdog.c:"));
}

static int busy_elsewhere(void)
{
    BIDE_SCOPE(s) {
        bide_spawn_parallel(&s, bide_async(burn_until, 1));
        bide_spawn_parallel(&s, bide_async(burn_until, 1));
        bide_sleep(BIDE_MS);
    }
    return atomic_load(&reports);
}
BIDE_ASYNC(int, busy_elsewhere)

/* Both may be reported before either sees that one was. */
TEST(every_worker_is_watched)
{
    struct bide_config c = config(LIMIT, "burn_until");
    c.workers = 3;
    CHECK(bide_run_with(&c, bide_async(busy_elsewhere)) >= 1);
    CHECK(has_frames());
}

/* ---- what is no stall ---- */

static int sleep_and_yield(void)
{
    bide_sleep(5 * LIMIT);
    for (int i = 0; i < 60; i++) { /* less than a turn of the reactor in between */
        burn(20 * BIDE_MS);
        bide_yield();
    }
    return atomic_load(&reports);
}
BIDE_ASYNC(int, sleep_and_yield)

TEST(who_gives_way_does_not_stall)
{
    struct bide_config c = config(BIDE_S, NULL);
    CHECK_EQ(bide_run_with(&c, bide_async(sleep_and_yield)), 0);
}

static int sleep_long(void)
{
    return bide_sleep(3 * PATIENCE) ? -1 : atomic_load(&reports);
}
BIDE_ASYNC(int, sleep_long)

TEST(sleeping_is_no_stall)
{
    struct bide_config c = config(PATIENCE, NULL);
    CHECK_EQ(bide_run_with(&c, bide_async(sleep_long)), 0);
}

static int burn_unseen(void)
{
    burn(10 * LIMIT);
    return bide__worker()->watch.limit ? -1 : atomic_load(&reports);
}
BIDE_ASYNC(int, burn_unseen)

TEST(off)
{
    const char *given = getenv("BIDE_STALL_LIMIT");
    char *saved = given ? strdup(given) : NULL;
    struct bide_config c = config(BIDE_FOREVER, NULL);
    int forever = bide_run_with(&c, bide_async(burn_unseen));
    c = config(-1, NULL);
    int negative = bide_run_with(&c, bide_async(burn_unseen));
    c = config(0, NULL);
    setenv("BIDE_STALL_LIMIT", "off", 1);
    int off = bide_run_with(&c, bide_async(burn_unseen));
    c = config(0, "burn_until");
    setenv("BIDE_STALL_LIMIT", "7", 1);
    int by_name = bide_run_with(&c, bide_async(burn_until, 1));
    unsetenv("BIDE_STALL_LIMIT");
    c = config(0, "burn_until");
    int by_default = bide_run_with(&c, bide_async(burn_until, 1));
    if (saved)
        setenv("BIDE_STALL_LIMIT", saved, 1);
    free(saved);
    CHECK_EQ(forever, 0);
    CHECK_EQ(negative, 0);
    CHECK_EQ(off, 0);
    CHECK_EQ(by_name, 1);
    CHECK_EQ(by_default, 1);
    CHECK(last.held >= 50 * BIDE_MS);
}

/* ---- a foreign loop ---- */

TEST(between_turns_nobody_stalls)
{
    struct bide_config c = config(PATIENCE, NULL);
    struct bide_runtime *rt;
    CHECK_EQ(bide_runtime_open(&c, &rt), 0);
    burn(2 * PATIENCE);
    bide_let f = bide_async(burn_until, 1);
    CHECK_EQ(bide_runtime_turn(rt), 0);
    burn(2 * PATIENCE);
    CHECK_EQ(atomic_load(&reports), 0);
    bide_runtime_start(rt, &f);
    burn(2 * PATIENCE);
    CHECK_EQ(atomic_load(&reports), 0);
    while (bide_runtime_turn(rt) > 0)
        ;
    bide_runtime_close(rt);
    CHECK_EQ(f.value, 1);
    CHECK_STR(last.name, "burn_until");
}

/* ---- without the signal ---- */

static int stall_once(void)
{
    return burn_until(1);
}
BIDE_ASYNC(int, stall_once)

static int stall_behind_mask(void)
{
    sigset_t urgent, before, pending;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, &before);
    int value = burn_until(1);
    sigpending(&pending);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return sigismember(&pending, SIGURG) ? -1 : value;
}
BIDE_ASYNC(int, stall_behind_mask)

static void check_without_signal(void)
{
    CHECK(strstr(last.site, "watchdog.c:"));
    CHECK_EQ(last.frames, 0);
}

TEST(the_signal_is_blocked)
{
    struct bide_config c = config(LIMIT, "stall_once");
    sigset_t urgent, before;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, &before);
    int value = bide_run_with(&c, bide_async(stall_once));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    CHECK_EQ(value, 1);
    check_without_signal();
}

TEST(the_signal_is_blocked_later)
{
    struct bide_config c = config(LIMIT, "stall_behind_mask");
    CHECK_EQ(bide_run_with(&c, bide_async(stall_behind_mask)), 1);
    check_without_signal();
}

static void on_urgent(int number)
{
    (void)number;
}

TEST(the_signal_is_the_programs)
{
    struct bide_config c = config(LIMIT, "stall_once");
    struct sigaction ours = { .sa_handler = on_urgent }, now;
    sigaction(SIGURG, &ours, NULL);
    int value = bide_run_with(&c, bide_async(stall_once));
    sigaction(SIGURG, NULL, &now);
    signal(SIGURG, SIG_DFL);
    CHECK_EQ(value, 1);
    CHECK(now.sa_handler == on_urgent);
    check_without_signal();
}

TEST(the_signal_is_given_back)
{
    struct sigaction now;
    for (int ignored = 0; ignored < 2; ignored++) {
        struct bide_config c = config(LIMIT, "stall_once");
        signal(SIGURG, ignored ? SIG_IGN : SIG_DFL);
        CHECK_EQ(bide_run_with(&c, bide_async(stall_once)), 1);
        CHECK_EQ(sigaction(SIGURG, NULL, &now), 0);
        CHECK(now.sa_handler == (ignored ? SIG_IGN : SIG_DFL));
        CHECK(has_frames());
    }
    signal(SIGURG, SIG_DFL);
}

/* ---- coming and going ---- */

static int stall_shortly(void)
{
    burn(2 * BIDE_MS);
    bide_sleep(BIDE_US);
    burn(2 * BIDE_MS);
    return 0;
}
BIDE_ASYNC(int, stall_shortly)

static void *come_and_go(void *arg)
{
    for (int i = 0; i < (test_small() ? 5 : 20); i++)
        bide_run_with(arg, bide_async(stall_shortly));
    return NULL;
}

/* Workers end while they are looked at and reported on. */
TEST(runtimes_come_and_go)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct bide_config c = config(BIDE_MS, NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, come_and_go, &c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

TEST(the_thread_dozes_and_leaves)
{
    struct bide_config c = config(LIMIT, "stall_once");
    CHECK_EQ(bide_run_with(&c, bide_async(bide_sleep, 1300 * BIDE_MS)), 0);
    c = config(LIMIT, "stall_once");
    CHECK_EQ(bide_run_with(&c, bide_async(stall_once)), 1);
    usleep(1200000);
    c = config(LIMIT, "stall_once");
    CHECK_EQ(bide_run_with(&c, bide_async(stall_once)), 1);
}

TEST_MAIN()
