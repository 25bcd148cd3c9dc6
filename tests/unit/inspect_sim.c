/* inspect_sim.c - what is shown in a simulation, where offloaded functions run on tasks' stacks. */
#include "inspect.h"

#include <bide/sim.h>
#include <errno.h>
#include <fcntl.h>

static int dumps(void *arg)
{
    char *text = arg;
    size_t size = 7;
    CHECK_OR(bide_dump_with(NULL, &text, &size) == -EOPNOTSUPP, 1);
    CHECK_OR(text == arg && size == 7, 2);
    return bide_dump(STDERR_FILENO);
}

static int offloads_a_dump(void)
{
    return bide_offload_call(dumps, NULL);
}
ASYNC(int, offloads_a_dump)

TEST(an_offloaded_function_does_not_dump)
{
    struct bide_sim sim = { .seed = 1 };
    CHECK_EQ(bide_sim_run(&sim, async(offloads_a_dump)), -EOPNOTSUPP);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* It is to begin after a millisecond, and to end after another one. */
static void offloads(void)
{
    struct bide_description says;
    let call = async(bide_offload_call, nothing, NULL);
    scope(s) {
        bide_start(&call);
        bide_leaf_describe(&call.future, &says);
        CHECK_STR(says.text, "offloaded call, which queues for a thread");
        bide_sleep(1500 * BIDE_US);
        bide_leaf_describe(&call.future, &says);
        CHECK_STR(says.text, "offloaded call, which a thread runs");
        CHECK_EQ(bide_await(&call), 0);
    }
}
ASYNC_VOID(offloads)

TEST(an_offloaded_call_is_described)
{
    struct bide_sim sim = { .seed = 1, .offload_least = BIDE_MS, .offload_most = BIDE_MS };
    bide_sim_run(&sim, async(offloads));
}

static int opens(void *path)
{
    int fd = bide_open(path, O_RDONLY | O_CLOEXEC, 0);
    CHECK_OR(bide_fsync(-1) == -EBADF, 1);
    return fd < 0 ? fd : bide_close(fd);
}

static int offloads_an_open(void)
{
    return bide_offload_call(opens, (void *)"/dev/null");
}
ASYNC(int, offloads_an_open)

/* The operations on files are the machine's, and are in the trace all the same. */
TEST(every_operation_has_a_name_in_the_trace)
{
    char *text;
    size_t size;
    FILE *trace = open_memstream(&text, &size);
    struct bide_sim sim = { .seed = 1, .trace = trace };
    CHECK_EQ(bide_sim_run(&sim, async(offloads_an_open)), 0);
    fclose(trace);
    CHECK(strstr(text, " open: ") && strstr(text, " close: 0"));
    CHECK(strstr(text, " fsync: -9"));
    CHECK(!strstr(text, "null"));
    free(text);
}

TEST_MAIN()
