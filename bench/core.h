/* core.h - the benches of bench-core, by the file that they are in. */
#ifndef CORE_H
#define CORE_H

#include "bench.h"

/* Both in turns inside a runtime; reports ours as name and the other as bare_name. The bars are for
 * ours; 0: none. */
void core_compare(const char *name, bench_loop *ours, const char *bare_name, bench_loop *bare,
                  double most, double ratio_most);

/* workers.c: until so many workers run, which begins with the first parallel child */
void core_wait_for_workers(unsigned count);

/* core_calls.c: what costs nanoseconds */
void bench_await_cold(void);
void bench_yield(void);
void bench_spawn_join(void);
void bench_join2(void);

/* core_sync.c: what tasks coordinate with */
void bench_chan_pingpong(void);
void bench_chan_pingpong_2w(void);
void bench_mutex_uncontended(void);

/* core_sleep.c: what costs memory */
void bench_sleep_fiber_1m(void);
void bench_sleep_leaf_1m(void);
void bench_then_1m(void);
void bench_requests_10k(void);

/* core_timers.c */
void bench_timers_1m(void);

/* core_parallel.c: several workers */
void bench_parallel_speedup(void);
void bench_spawn_parallel(void);
void bench_steal_latency(void);
void bench_idle_cpu(void);

/* core_sim.c: a simulation */
void bench_sim_switches(void);
void bench_sim_idle(void);

/* core_dump.c, core_inspect.c: looking at what runs */
void bench_dump_100k(void);
void bench_inspect(void);

/* core_echo.c */
void bench_echo(void);

/* core_scale.c */
void bench_echo_scale(void);

#endif
