#include "cost.h"
#include "bench.h"
#include "echo.h"
#include "loops.h"

#include <bide/bide.h>
#include <stdio.h>
#include <string.h>

static int calls(void)
{
    struct bench_pair pair = bench_alternate(yield_in_turns, spawn_nothings, NULL);

    printf("%.4f %.4f\n", pair.ours, pair.bare);
    return 0;
}
BIDE_ASYNC(int, calls)

static int echo(const char *reactor)
{
    int port, listener = bench_listen(&port);

    printf("%d\n", port);
    fflush(stdout);
    return strcmp(reactor, COST_EPOLL) == 0 ? echo_on_epoll(&listener) : echo_on_uring(&listener);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "calls") == 0)
        return bide_run(bide_async(calls));
    return argc == 3 ? echo(argv[2]) : 2;
}
