/* service.c - bench-service: what is built on the core, beside servers that do as little as they
 * can. */
#include "service.h"
#include "bench.h"

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"http", "CPU time of a plaintext answer, beside a bare epoll server that parses nothing",
         bench_http},
        {"service", "GET /users/ID of the user service, beside nginx and bare SQLite", bench_users},
        {"service_scale", "the same on two workers against one, on all cores together with wrk",
         bench_users_scale},
        {0},
    };

    return bench_main(argc, argv, benches);
}
