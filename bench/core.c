/* core.c - bench-core: the costs of the core, beside the bare mechanisms that it stands on. */
#include "core.h"
#include "bench.h"

#include <bide/bide.h>

struct measurement {
    bench_loop *ours, *bare;
    struct bench_pair result;
};

static int measure(struct measurement *m)
{
    m->result = bench_alternate(m->ours, m->bare, NULL);
    return 0;
}
BIDE_ASYNC(int, measure, struct measurement *)

void core_compare(const char *name, bench_loop *ours, const char *bare_name, bench_loop *bare,
                  double most, double ratio_most)
{
    struct measurement m = {.ours = ours, .bare = bare};

    bench_progress("%s", name);
    struct bide_config config = {.stall_limit = BIDE_FOREVER}; /* it holds its worker: that is it */
    int error = bide_run_with(&config, bide_async(measure, &m));
    if (error) {
        bench_failed("%s: no runtime: error %d", name, -error);
        return;
    }
    bench_figure(&(struct figure){.name = name,
                                  .value = m.result.ours,
                                  .unit = "ns",
                                  .ratio_to = bare_name,
                                  .ratio = m.result.ratio,
                                  .most = most,
                                  .ratio_most = ratio_most});
    bench_figure(&(struct figure){.name = bare_name, .value = m.result.bare, .unit = "ns"});
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"await_cold", "awaiting a function that does not suspend, beside calling it",
         bench_await_cold},
        {"yield", "two fibers in turns through the run queue, beside a bare switch", bench_yield},
        {"spawn_join", "1,000 empty tasks in a scope, each; beside a list of callbacks",
         bench_spawn_join},
        {"join2", "join of two functions that do not suspend, beside calling both", bench_join2},
        {"chan_pingpong", "an int to another task and back, through two channels",
         bench_chan_pingpong},
        {"chan_pingpong_2w", "the same across two workers; beside two threads that spin, or sleep",
         bench_chan_pingpong_2w},
        {"mutex_uncontended", "locking and unlocking a mutex that nobody else wants",
         bench_mutex_uncontended},
        {"sleep_fiber_1m", "bytes of each of a million sleeping fibers", bench_sleep_fiber_1m},
        {"sleep_leaf_1m", "bytes of each of a million sleeping leaf futures", bench_sleep_leaf_1m},
        {"then_1m", "bytes of each of a million sleeps that a function follows", bench_then_1m},
        {"timers_1m", "setting, clearing and firing a million timers, each", bench_timers_1m},
        {"parallel_speedup", "children that burn 20 us each, on two workers against one",
         bench_parallel_speedup},
        {"spawn_parallel", "1,000 empty children on two workers, each; beside bide_spawn",
         bench_spawn_parallel},
        {"steal_latency", "until another worker begins a child", bench_steal_latency},
        {"idle_cpu", "percent of a core while 10,000 tasks sleep", bench_idle_cpu},
        {"dump_100k", "a dump of 100,000 tasks, and how long it keeps others from running",
         bench_dump_100k},
        {"inspect", "what it costs that one may look: yield, spawn_join, echo; beside compiled out",
         bench_inspect},
        {"requests_10k", "10,000 concurrent requests that sleep 10 and 8 ms at once",
         bench_requests_10k},
        {"sim_switches", "switches of a simulation with 100 tasks, in a second of real time",
         bench_sim_switches},
        {"sim_idle", "1,000 simulated seconds of an HTTP server with 100 idle connections",
         bench_sim_idle},
        {"echo", "CPU time of an echo over TCP, beside bare epoll and io_uring servers",
         bench_echo},
        {"echo_scale", "the echo on two workers against one, on all cores together with the load",
         bench_echo_scale},
        {0},
    };

    return bench_main(argc, argv, benches);
}
