/*
 * A file on an io_uring leaves a thread of the kernel's behind, which the process is shown to have.
 * It was taken for one that might still wake a task, so no deadlock was ever found.
 */
#include "test.h"
#include "threads.h"

#include <bide/keywords.h>
#include <fcntl.h>

static int reports;

static void hear(const char *report, void *user)
{
    (void)report;
    (void)user;
    reports++;
}

static int write_and_wait(void)
{
    struct bide_event never = { 0 };
    char path[] = "/tmp/bide-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || bide_unlink(path) < 0 || bide_write(fd, "x", 1) != 1 || bide_fsync(fd) < 0 ||
        bide_close(fd) < 0)
        return -EIO;
    return bide_event_wait(&never);
}
ASYNC(int, write_and_wait)

TEST(a_ring_s_thread_wakes_nobody)
{
    SKIP_UNLESS_ALONE();
    struct bide_config config = { .on_deadlock = hear };
    CHECK_EQ(bide_run_with(&config, async(write_and_wait)), -EDEADLK);
    CHECK_EQ(reports, 1);
}

TEST_MAIN()
