// The rows of bench-peers on Boost.Fiber: peer ROW N. Prints nanoseconds of one of N operations, a
// line for each batch after the first. Boost.Fiber has no sockets.

#include <boost/fiber/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace fibers = boost::fibers;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr int batches = 6, spawned = 1000, not_offered = 77;
constexpr std::size_t stack_size = 16 * 1024;
constexpr auto nap_time = 2s;

static double since(clock_type::time_point begin)
{
    return std::chrono::duration<double, std::nano>(clock_type::now() - begin).count();
}

template <typename Batch> static int measure(long operations, Batch batch)
{
    for (int i = 0; i < batches; i++) {
        auto begin = clock_type::now();
        batch();
        if (i)
            std::printf("%.3f\n", since(begin) / static_cast<double>(operations));
    }
    return 0;
}

// Stacks come from a pool, which is one thread's.
static fibers::pooled_fixedsize_stack &pool()
{
    static fibers::pooled_fixedsize_stack stacks(stack_size);
    return stacks;
}

template <typename Function> static fibers::fiber spawn(Function &&function)
{
    return fibers::fiber(std::allocator_arg, pool(), std::forward<Function>(function));
}

// ---- what costs nanoseconds

static void yield_often(long n)
{
    for (long i = 0; i < n; i++)
        boost::this_fiber::yield();
}

static void yield_in_turns(long n)
{
    fibers::fiber other = spawn([=] { yield_often(n / 2); });
    yield_often(n / 2);
    other.join();
}

[[gnu::noinline]] static void nothing()
{
    asm volatile("");
}

template <typename Spawn> static void spawn_nothings(long n, Spawn spawn_one)
{
    std::vector<fibers::fiber> children(spawned);
    for (long i = 0; i < n; i += spawned) {
        for (fibers::fiber &child : children)
            child = spawn_one();
        for (fibers::fiber &child : children)
            child.join();
    }
}

static int spawn_2(long n)
{
    using stealing = fibers::algo::work_stealing;
    fibers::mutex mutex;
    fibers::condition_variable_any changed;
    bool over = false;

    std::thread other([&] {
        fibers::use_scheduling_algorithm<stealing>(2);
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return over; });
    });
    fibers::use_scheduling_algorithm<stealing>(2);
    measure(n, [=] {
        spawn_nothings(n, [] {
            return fibers::fiber(std::allocator_arg, fibers::fixedsize_stack(stack_size), nothing);
        });
    });
    {
        std::unique_lock lock(mutex);
        over = true;
    }
    changed.notify_all();
    other.join();
    return 0;
}

using channel_type = fibers::buffered_channel<long>;

static void answer(channel_type &questions, channel_type &answers)
{
    for (long question : questions)
        answers.push(question);
}

static void ask(long n, channel_type &questions, channel_type &answers)
{
    for (long i = 0; i < n; i++) {
        questions.push(i);
        if (answers.value_pop() != i)
            std::abort();
    }
}

static void channel(long n)
{
    channel_type questions(2), answers(2);
    fibers::fiber other = spawn([&] { answer(questions, answers); });
    ask(n, questions, answers);
    questions.close();
    other.join();
}

static int channel_2(long n)
{
    channel_type questions(2), answers(2);
    std::thread other([&] { answer(questions, answers); });
    measure(n, [&] { ask(n, questions, answers); });
    questions.close();
    other.join();
    return 0;
}

static void lock_often(long n)
{
    fibers::mutex mutex;
    long count = 0;
    for (long i = 0; i < n; i++) {
        std::unique_lock lock(mutex);
        count++;
    }
    if (count != n)
        std::abort();
}

// ---- what sleeps

static std::vector<fibers::fiber> start_naps(long n, clock_type::duration span)
{
    std::vector<fibers::fiber> naps;
    naps.reserve(n);
    for (long i = 0; i < n; i++)
        naps.push_back(spawn([=] { boost::this_fiber::sleep_for(span); }));
    return naps;
}

static int sleep_memory(long n)
{
    auto naps = start_naps(n, 1h);
    boost::this_fiber::sleep_for(1ms);
    std::puts("asleep");
    std::fflush(stdout);
    boost::this_fiber::sleep_for(1h);
    return 0;
}

static int sleep_time(long n)
{
    auto begin = clock_type::now();
    auto naps = start_naps(n, nap_time);
    for (fibers::fiber &nap : naps)
        nap.join();
    std::printf("%.0f\n", since(begin + nap_time));
    return 0;
}

static void sleep_twice()
{
    fibers::fiber other = spawn([] { boost::this_fiber::sleep_for(8ms); });
    boost::this_fiber::sleep_for(10ms);
    other.join();
}

static void sleep_pairs(long n)
{
    std::vector<fibers::fiber> pairs;
    pairs.reserve(n);
    for (long i = 0; i < n; i++)
        pairs.push_back(spawn(sleep_twice));
    for (fibers::fiber &pair : pairs)
        pair.join();
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    std::string row = argv[1];
    long n = std::atol(argv[2]);

    if (row == "yield")
        return measure(n, [=] { yield_in_turns(n); });
    if (row == "spawn")
        return measure(n, [=] { spawn_nothings(n, [] { return spawn(nothing); }); });
    if (row == "spawn_2")
        return spawn_2(n);
    if (row == "channel")
        return measure(n, [=] { channel(n); });
    if (row == "channel_2")
        return channel_2(n);
    if (row == "mutex")
        return measure(n, [=] { lock_often(n); });
    if (row == "sleep_memory")
        return sleep_memory(n);
    if (row == "sleep_time")
        return sleep_time(n);
    if (row == "sleep_pairs")
        return measure(1, [=] { sleep_pairs(n); });
    return not_offered;
}
