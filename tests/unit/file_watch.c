/* file_watch.c - events of files and directories. */
#include "fiber.h"

#include <bide/file_watch.h>
#include <pthread.h>
#include <sys/stat.h>

enum { HOUR_S = 3600 };

struct place {
    struct bide_file_watch w;
    char dir[64];
    int id;
};

static const char *path_in(const struct place *p, const char *name)
{
    static char path[2][320];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", p->dir, name);
    return path[turn];
}

static void make_file(const struct place *p, const char *name)
{
    int fd = open(path_in(p, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    close(fd);
}

static void begin(struct place *p, uint32_t mask)
{
    snprintf(p->dir, sizeof(p->dir), "/tmp/bide-watch-%d-XXXXXX", getpid());
    CHECK(mkdtemp(p->dir) != NULL);
    CHECK_EQ(bide_file_watch_init(&p->w), 0);
    p->id = bide_file_watch_add(&p->w, p->dir, mask);
    CHECK(p->id > 0);
}

static void end(struct place *p)
{
    bide_file_watch_release(&p->w);
    CHECK_EQ(rmdir(p->dir), 0);
}

/* The next event, which is to be of the directory. */
static uint32_t next(struct place *p, const char *name)
{
    struct bide_file_event event;
    int error = bide_file_watch_next(&p->w, &event);
    CHECK_OR(error == 0, 0);
    CHECK_OR(event.id == p->id, 0);
    CHECK_OR(strcmp(event.name, name) == 0, 0);
    return event.mask;
}

FIBER_TEST(what_happens_in_a_directory)
{
    struct place p;
    begin(&p, 0);
    make_file(&p, "a");
    CHECK_EQ(mkdir(path_in(&p, "d"), 0700), 0);
    CHECK_EQ(rmdir(path_in(&p, "d")), 0);
    CHECK_EQ(unlink(path_in(&p, "a")), 0);
    CHECK_EQ(next(&p, "a"), IN_CREATE);
    CHECK_EQ(next(&p, "a"), IN_CLOSE_WRITE);
    CHECK_EQ(next(&p, "d"), IN_CREATE | IN_ISDIR);
    CHECK_EQ(next(&p, "d"), IN_DELETE | IN_ISDIR);
    CHECK_EQ(next(&p, "a"), IN_DELETE);
    end(&p);
}

static int wait_for(struct place *p, const char *name)
{
    return (int)next(p, name);
}
BIDE_ASYNC(int, wait_for, struct place *, const char *)

FIBER_TEST(waiting_for_it)
{
    struct place p;
    begin(&p, IN_CREATE);
    for (int i = 0; i < 3; i++) {
        bide_let f = bide_async(wait_for, &p, "a");
        BIDE_SCOPE(s) {
            bide_start(&f);
            settle();
            CHECK(!bide_done(&f));
            make_file(&p, "a");
        }
        CHECK_EQ(f.value, IN_CREATE);
        CHECK_EQ(unlink(path_in(&p, "a")), 0);
    }
    end(&p);
}

FIBER_TEST(a_renaming_has_a_cookie)
{
    struct place p;
    struct bide_file_event from, to;
    char name[16];
    begin(&p, IN_MOVE);
    make_file(&p, "old");
    CHECK_EQ(rename(path_in(&p, "old"), path_in(&p, "a longer name")), 0);
    CHECK_EQ(bide_file_watch_next(&p.w, &from), 0);
    CHECK_EQ(from.mask, IN_MOVED_FROM);
    snprintf(name, sizeof(name), "%s", from.name); /* valid until the next call */
    CHECK_EQ(bide_file_watch_next(&p.w, &to), 0);
    CHECK_EQ(to.mask, IN_MOVED_TO);
    CHECK_STR(name, "old");
    CHECK_STR(to.name, "a longer name");
    CHECK(from.cookie && from.cookie == to.cookie);
    CHECK_EQ(unlink(path_in(&p, "a longer name")), 0);
    end(&p);
}

FIBER_TEST(a_file_and_its_end)
{
    struct place p;
    struct bide_file_event event;
    begin(&p, IN_ONLYDIR | IN_CREATE);
    make_file(&p, "a");
    CHECK_EQ(next(&p, "a"), IN_CREATE);
    int id = bide_file_watch_add(&p.w, path_in(&p, "a"), IN_DELETE_SELF);
    CHECK(id > 0 && id != p.id);
    CHECK_EQ(bide_file_watch_add(&p.w, path_in(&p, "a"), IN_DELETE_SELF | IN_ATTRIB), id);
    CHECK_EQ(unlink(path_in(&p, "a")), 0);
    CHECK_EQ(bide_file_watch_next(&p.w, &event), 0);
    CHECK_EQ(event.mask, IN_ATTRIB); /* its link count */
    CHECK_EQ(bide_file_watch_next(&p.w, &event), 0);
    CHECK_EQ(event.mask, IN_DELETE_SELF);
    CHECK_EQ(event.id, id);
    CHECK_STR(event.name, "");
    CHECK_EQ(bide_file_watch_next(&p.w, &event), 0);
    CHECK_EQ(event.mask, IN_IGNORED);
    CHECK_EQ(event.id, id);
    CHECK_EQ(bide_file_watch_remove(&p.w, id), -EINVAL);
    end(&p);
}

FIBER_TEST(removing)
{
    struct place p;
    begin(&p, IN_CREATE);
    make_file(&p, "a");
    CHECK_EQ(bide_file_watch_remove(&p.w, p.id), 0);
    make_file(&p, "b");
    CHECK_EQ(next(&p, "a"), IN_CREATE);
    CHECK_EQ(next(&p, ""), IN_IGNORED);
    struct bide_file_event event;
    CHECK_EQ(bide_within(BIDE_MS, bide_async(bide_file_watch_next, &p.w, &event)), -ETIMEDOUT);
    CHECK_EQ(unlink(path_in(&p, "a")), 0);
    CHECK_EQ(unlink(path_in(&p, "b")), 0);
    end(&p);
}

FIBER_TEST(errors)
{
    struct place p;
    errno = 77;
    begin(&p, 0);
    errno = 77;
    CHECK_EQ(bide_file_watch_add(&p.w, "/no such directory", 0), -ENOENT);
    CHECK_EQ(bide_file_watch_add(&p.w, "/etc/passwd", IN_ONLYDIR), -ENOTDIR);
    CHECK_EQ(bide_file_watch_remove(&p.w, 9999), -EINVAL);
    CHECK_EQ(errno, 77);
    end(&p);
    bide_file_watch_release(&p.w); /* harmless */
}

/* ---- more than there is room for ---- */

FIBER_TEST(many_buffers_full)
{
    enum { FILES = 400 };
    struct place p;
    char name[200];
    begin(&p, IN_CREATE);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "%0*d", i % 100 + 4, i);
        make_file(&p, name);
    }
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "%0*d", i % 100 + 4, i);
        CHECK_EQ(next(&p, name), IN_CREATE);
        CHECK_EQ(unlink(path_in(&p, name)), 0);
    }
    end(&p);
}

static int queue_limit(void)
{
    int limit = 0;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (!file || fscanf(file, "%d", &limit) != 1)
        limit = 0;
    if (file)
        fclose(file);
    return limit;
}

FIBER_TEST(an_overflow_is_an_error)
{
    int limit = queue_limit(), taken = 0, error;
    struct place p;
    struct bide_file_event event;
    if (limit < 1 || limit > 100000)
        SKIP("the queue is too long to fill");
    begin(&p, IN_OPEN | IN_CLOSE_WRITE | IN_CREATE);
    for (int i = 0; i <= limit / 2; i++) /* two that alternate: equal neighbours are one event */
        make_file(&p, i & 1 ? "a" : "b");
    while ((error = bide_file_watch_next(&p.w, &event)) == 0)
        taken++;
    CHECK_EQ(error, -EOVERFLOW);
    CHECK(taken >= limit);
    CHECK_EQ(unlink(path_in(&p, "a")), 0);
    CHECK_EQ(unlink(path_in(&p, "b")), 0);
    make_file(&p, "c"); /* and it goes on */
    CHECK_EQ(next(&p, "c"), IN_CREATE);
    CHECK_EQ(unlink(path_in(&p, "c")), 0);
    end(&p);
}

/* ---- cancellation ---- */

FIBER_TEST(cancelled_while_waiting)
{
    struct place p;
    struct bide_file_event event;
    begin(&p, IN_CREATE);
    bide_let f = bide_async(bide_file_watch_next, &p.w, &event);
    CHECK_EQ(bide_race(&f, bide_async(bide_sleep, BIDE_MS)), 1);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(bide_within(BIDE_MS, bide_async(bide_file_watch_next, &p.w, &event)), -ETIMEDOUT);
    make_file(&p, "a");
    CHECK_EQ(next(&p, "a"), IN_CREATE);
    CHECK_EQ(unlink(path_in(&p, "a")), 0);
    end(&p);
}

static int take_when_cancelled(struct place *p)
{
    struct bide_file_event event;
    while (!bide_cancelled())
        bide_yield();
    return bide_file_watch_next(&p->w, &event);
}
BIDE_ASYNC(int, take_when_cancelled, struct place *)

/* What was read with an earlier event stays where it is. */
FIBER_TEST(cancelled_with_events_at_hand)
{
    struct place p;
    begin(&p, IN_CREATE);
    make_file(&p, "a");
    make_file(&p, "b");
    CHECK_EQ(next(&p, "a"), IN_CREATE);
    bide_let f = bide_async(take_when_cancelled, &p);
    CHECK_EQ(bide_race(&f, bide_async(bide_yield)), 1);
    CHECK_EQ(f.value, -ECANCELED);
    CHECK_EQ(next(&p, "b"), IN_CREATE);
    CHECK_EQ(unlink(path_in(&p, "a")), 0);
    CHECK_EQ(unlink(path_in(&p, "b")), 0);
    end(&p);
}

FIBER_TEST(released_while_one_waits)
{
    struct place p;
    struct bide_file_event event;
    begin(&p, IN_CREATE);
    bide_let f = bide_async(bide_file_watch_next, &p.w, &event);
    BIDE_SCOPE(s) {
        bide_start(&f);
        settle();
        CHECK_EQ(stats_now().fibers, 0); /* it is a leaf */
        bide_file_watch_release(&p.w);
    }
    CHECK_EQ(f.value, -EBADF);
    end(&p);
}

static void wait_twice_body(void)
{
    struct place p;
    struct bide_file_event event;
    begin(&p, IN_CREATE);
    rmdir(p.dir);
    bide_let a = bide_async(bide_file_watch_next, &p.w, &event); /* takes IN_IGNORED */
    bide_let b = bide_async(bide_file_watch_next, &p.w, &event);
    bide_let c = bide_async(bide_file_watch_next, &p.w, &event);
    bide_join(&a, &b, &c);
}
BIDE_ASYNC_VOID(wait_twice_body)

static void wait_twice(void *arg)
{
    (void)arg;
    bide_run(bide_async(wait_twice_body));
}

TEST(one_waits_at_a_time)
{
    expect_abort(wait_twice, NULL, "another task waits for the next event already");
}

/* ---- outside a runtime ---- */

static void *make_later(void *arg)
{
    usleep(2000);
    make_file(arg, "a");
    return NULL;
}

TEST(in_a_plain_thread)
{
    struct place p;
    pthread_t thread;
    int before = open_descriptors();
    begin(&p, IN_CREATE);
    CHECK_EQ(pthread_create(&thread, NULL, make_later, &p), 0);
    CHECK_EQ(next(&p, "a"), IN_CREATE);
    pthread_join(thread, NULL);
    CHECK_EQ(unlink(path_in(&p, "a")), 0);
    end(&p);
    CHECK_EQ(open_descriptors(), before);
}

TEST_MAIN()
