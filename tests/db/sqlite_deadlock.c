/* A statement that takes its time is no deadlock, also where no other thread wakes tasks. */
#include "sqlite_test.h"

static int reports;

static void hear(const char *report, void *user)
{
    (void)report;
    (void)user;
    reports++;
}

static int take_long(struct bide_sqlite_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    usleep(300000);
    return 0;
}

static int write_slowly(struct bide_sqlite *db)
{
    return bide_sqlite_write(db, take_long, NULL);
}
BIDE_ASYNC(int, write_slowly, struct bide_sqlite *)

TEST(a_slow_statement)
{
    struct bide_config config = { .on_deadlock = hear, .closed_world = 1 };
    struct bide_sqlite *db = open_with(NULL);
    CHECK_EQ(bide_run_with(&config, bide_async(write_slowly, db)), 0);
    CHECK_EQ(reports, 0);
    close_and_clean(db);
}

/* Afterwards one is found again. */
static int write_and_wait(struct bide_sqlite *db)
{
    struct bide_event never = { 0 };
    int error = bide_sqlite_write(db, take_long, NULL);
    return error ? error : bide_event_wait(&never);
}
BIDE_ASYNC(int, write_and_wait, struct bide_sqlite *)

TEST(a_deadlock_after_a_statement)
{
    struct bide_config config = { .on_deadlock = hear, .closed_world = 1 };
    struct bide_sqlite *db = open_with(NULL);
    reports = 0;
    CHECK_EQ(bide_run_with(&config, bide_async(write_and_wait, db)), -EDEADLK);
    CHECK_EQ(reports, 1);
    close_and_clean(db);
}

TEST_MAIN()
