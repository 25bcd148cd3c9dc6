// The rows of bench-peers on Boost.Asio with C++20 coroutines: peer ROW N. Prints nanoseconds of
// one of N operations, a line for each batch after the first.

#include <boost/version.hpp>
#if BOOST_VERSION < 107800
#error "Boost 1.78 or newer is needed: before, Asio has no channels"
#endif

#include <boost/asio.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

namespace asio = boost::asio;
using asio::awaitable;
using asio::co_spawn;
using asio::detached;
using asio::use_awaitable;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr int batches = 6, spawned = 1000, not_offered = 77;
constexpr auto nap_time = 2s;

static double since(clock_type::time_point begin)
{
    return std::chrono::duration<double, std::nano>(clock_type::now() - begin).count();
}

template <typename Batch> awaitable<void> measure(long operations, Batch batch)
{
    for (int i = 0; i < batches; i++) {
        auto begin = clock_type::now();
        co_await batch();
        if (i)
            std::printf("%.3f\n", since(begin) / static_cast<double>(operations));
    }
}

// Waits for children that end on any thread.
class latch
{
  public:
    latch(asio::any_io_executor executor, long count) : timer_(executor), left_(count)
    {
        timer_.expires_at(clock_type::time_point::max());
    }
    void done()
    {
        if (--left_ == 0)
            asio::post(timer_.get_executor(), [this] { timer_.cancel(); });
    }
    awaitable<void> wait()
    {
        co_await timer_.async_wait(asio::experimental::as_tuple(use_awaitable));
    }

  private:
    asio::steady_timer timer_;
    std::atomic<long> left_;
};

// ---- what costs nanoseconds

awaitable<void> yield_often(long n, latch &done)
{
    for (long i = 0; i < n; i++)
        co_await asio::post(use_awaitable);
    done.done();
}

awaitable<void> yield_in_turns(long n)
{
    auto executor = co_await asio::this_coro::executor;
    latch done(executor, 2);
    co_spawn(executor, yield_often(n / 2, done), detached);
    co_spawn(executor, yield_often(n / 2, done), detached);
    co_await done.wait();
}

[[gnu::noinline]] void nothing()
{
    asm volatile("");
}

awaitable<void> do_nothing(latch &done)
{
    nothing();
    done.done();
    co_return;
}

// The children may run on any thread of pool; who waits for them runs on a strand.
awaitable<void> spawn_nothings(asio::any_io_executor pool, long n)
{
    auto executor = co_await asio::this_coro::executor;
    for (long i = 0; i < n; i += spawned) {
        latch done(executor, spawned);
        for (int k = 0; k < spawned; k++)
            co_spawn(pool, do_nothing(done), detached);
        co_await done.wait();
    }
}

[[gnu::noinline]] long add(long a, long b)
{
    asm volatile("");
    return a + b;
}

awaitable<long> add_later(long a, long b)
{
    co_return add(a, b);
}

volatile long total; // what add returns is seen, so the compiler keeps it

awaitable<void> await_adds(long n)
{
    long sum = 0;
    for (long i = 0; i < n; i++)
        sum += co_await add_later(i, 1);
    total = sum;
}

template <typename Channel> awaitable<void> answer(Channel &questions, Channel &answers)
{
    for (;;) {
        auto [error, question] =
            co_await questions.async_receive(asio::experimental::as_tuple(use_awaitable));
        if (error)
            co_return;
        co_await answers.async_send(error_code(), question, use_awaitable);
    }
}

template <typename Channel> awaitable<void> ask(long n, Channel &questions, Channel &answers)
{
    for (long i = 0; i < n; i++) {
        co_await questions.async_send(error_code(), i, use_awaitable);
        if (co_await answers.async_receive(use_awaitable) != i)
            std::abort();
    }
}

awaitable<void> channel(long n)
{
    using one = asio::experimental::channel<void(error_code, long)>;
    auto executor = co_await asio::this_coro::executor;
    one questions(executor, 1), answers(executor, 1);
    co_spawn(executor, answer(questions, answers), detached);
    co_await ask(n, questions, answers);
    questions.close();
    co_await asio::post(use_awaitable); // the other end has seen it
}

// A context on each of two threads.
int channel_2(long n)
{
    using two = asio::experimental::concurrent_channel<void(error_code, long)>;
    asio::io_context here(1), there(1);
    two questions(there, 1), answers(here, 1);
    co_spawn(there, answer(questions, answers), detached);
    std::thread other([&] { there.run(); });
    co_spawn(here, measure(n, [&] { return ask(n, questions, answers); }),
             [&](std::exception_ptr) { questions.close(); });
    here.run();
    other.join();
    return 0;
}

// ---- what sleeps

awaitable<void> nap(clock_type::duration span, latch &done)
{
    asio::steady_timer timer(co_await asio::this_coro::executor, span);
    co_await timer.async_wait(use_awaitable);
    done.done();
}

awaitable<void> sleep_memory(long n)
{
    auto executor = co_await asio::this_coro::executor;
    latch done(executor, n + 1);
    for (long i = 0; i < n; i++)
        co_spawn(executor, nap(1h, done), detached);
    co_await asio::steady_timer(executor, 1ms).async_wait(use_awaitable);
    std::puts("asleep");
    std::fflush(stdout);
    co_await done.wait();
}

awaitable<void> sleep_time(long n)
{
    auto executor = co_await asio::this_coro::executor;
    auto begin = clock_type::now();
    latch done(executor, n);
    for (long i = 0; i < n; i++)
        co_spawn(executor, nap(nap_time, done), detached);
    co_await done.wait();
    std::printf("%.0f\n", since(begin + nap_time));
}

awaitable<void> sleep_twice(latch &done)
{
    using namespace asio::experimental::awaitable_operators;
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer ten(executor, 10ms), eight(executor, 8ms);
    co_await (ten.async_wait(use_awaitable) && eight.async_wait(use_awaitable));
    done.done();
}

awaitable<void> sleep_pairs(long n)
{
    auto executor = co_await asio::this_coro::executor;
    latch done(executor, n);
    for (long i = 0; i < n; i++)
        co_spawn(executor, sleep_twice(done), detached);
    co_await done.wait();
}

// ---- echo

awaitable<void> echo_connection(tcp::socket socket)
{
    constexpr auto token = asio::experimental::as_tuple(use_awaitable);
    char buffer[512];
    for (;;) {
        auto [read_error, got] = co_await socket.async_read_some(asio::buffer(buffer), token);
        if (read_error)
            co_return;
        auto [error, sent] = co_await asio::async_write(socket, asio::buffer(buffer, got), token);
        if (error)
            co_return;
    }
}

awaitable<void> echo(unsigned short port)
{
    auto executor = co_await asio::this_coro::executor;
    tcp::acceptor listener(executor);
    listener.open(tcp::v4());
    listener.set_option(tcp::acceptor::reuse_address(true));
    listener.bind({asio::ip::address_v4::loopback(), port});
    listener.listen(4096);
    for (;;) {
        tcp::socket socket = co_await listener.async_accept(use_awaitable);
        socket.set_option(tcp::no_delay(true));
        co_spawn(executor, echo_connection(std::move(socket)), detached);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    std::string row = argv[1];
    long n = std::atol(argv[2]);
    asio::io_context context(1); // one thread runs it
    auto run = [&](auto &&body) {
        co_spawn(context, std::forward<decltype(body)>(body), detached);
        context.run();
        return 0;
    };

    if (row == "yield")
        return run(measure(n, [=] { return yield_in_turns(n); }));
    if (row == "spawn")
        return run(measure(n, [&] { return spawn_nothings(context.get_executor(), n); }));
    if (row == "spawn_2") {
        asio::thread_pool pool(2);
        co_spawn(asio::make_strand(pool),
                 measure(n, [&] { return spawn_nothings(pool.get_executor(), n); }), detached);
        pool.join();
        return 0;
    }
    if (row == "await")
        return run(measure(n, [=] { return await_adds(n); }));
    if (row == "channel")
        return run(measure(n, [=] { return channel(n); }));
    if (row == "channel_2")
        return channel_2(n);
    if (row == "sleep_memory")
        return run(sleep_memory(n));
    if (row == "sleep_time")
        return run(sleep_time(n));
    if (row == "sleep_pairs")
        return run(measure(1, [=] { return sleep_pairs(n); }));
    if (row == "echo")
        return run(echo(static_cast<unsigned short>(n)));
    return not_offered;
}
