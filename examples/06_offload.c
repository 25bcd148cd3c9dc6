/*
 * 06_offload - a call that blocks, moved out of the way of everything else.
 *
 * A library that blocks would hold up every task of its thread. bide_offload drives a future on
 * a thread of the blocking pool, while the tasks here go on.
 */
#include <stdio.h>
#include <unistd.h>

#include <bide/keywords.h>

/* Somebody's library: it knows nothing of bide and blocks its thread in read(2). */
static int library_call(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 1 ? byte : -1;
}
ASYNC(int, library_call, int)

static int report(int fd)
{
    int value = bide_offload(async(library_call, fd));
    printf("the blocking call returned %d\n", value);
    return 0;
}
ASYNC(int, report, int)

/* The call above ends only because this goes on meanwhile. */
static int tick(int fd)
{
    for (int i = 1; i <= 3; i++) {
        bide_sleep(5 * BIDE_MS);
        printf("tick %d\n", i);
    }
    return bide_write(fd, "*", 1) == 1 ? 0 : -1;
}
ASYNC(int, tick, int)

static int demo(void)
{
    int fds[2];
    if (pipe(fds) < 0)
        return 1;
    int error = try_join(async(report, fds[0]), async(tick, fds[1]));
    bide_close(fds[0]);
    bide_close(fds[1]);
    return error;
}
ASYNC(int, demo)

int main(void)
{
    return bide_run(async(demo)) ? 1 : 0;
}
