"""The rows of bench-peers in Python: peer.py asyncio|uvloop ROW N.

Prints nanoseconds of one of N operations, a line for each batch after the first.
"""
import asyncio
import socket
import sys
import threading
import time

BATCHES = 6
SPAWNED = 1000
SLEEP = 2
NOT_OFFERED = 77


async def measure(operations, batch):
    for i in range(BATCHES):
        begin = time.perf_counter_ns()
        await batch()
        if i:
            print(f"{(time.perf_counter_ns() - begin) / operations:.3f}")


# ---- what costs nanoseconds

async def yield_often(n):
    for _ in range(n):
        await asyncio.sleep(0)


async def yield_in_turns(n):
    await asyncio.gather(yield_often(n // 2), yield_often(n // 2))


async def nothing():
    pass


async def spawn_nothings(n):
    create_task = asyncio.get_running_loop().create_task
    for _ in range(n // SPAWNED):
        tasks = [create_task(nothing()) for _ in range(SPAWNED)]
        for task in tasks:
            await task


async def add(a, b):
    return a + b


async def await_adds(n):
    total = 0
    for i in range(n):
        total += await add(i, 1)


async def answer(n, questions, answers):
    for _ in range(n):
        await answers.put(await questions.get())


async def ask(n, questions, answers):
    for i in range(n):
        await questions.put(i)
        assert await answers.get() == i


async def channel(n):
    questions, answers = asyncio.Queue(1), asyncio.Queue(1)
    await asyncio.gather(answer(n, questions, answers), ask(n, questions, answers))


class Ends:
    """A loop in each of two threads, and what they call in each other."""

    def __init__(self, new_loop):
        self.here = asyncio.get_running_loop()
        self.there = new_loop()
        self.left = 0
        self.over = None
        threading.Thread(target=self.there.run_forever, daemon=True).start()

    def question(self):
        self.here.call_soon_threadsafe(self.answer)

    def answer(self):
        self.left -= 1
        if self.left:
            self.there.call_soon_threadsafe(self.question)
        else:
            self.over.set_result(None)

    async def ask(self, n):
        self.left = n
        self.over = self.here.create_future()
        self.there.call_soon_threadsafe(self.question)
        await self.over


async def channel_2(n, new_loop):
    ends = Ends(new_loop)
    await measure(n, lambda: ends.ask(n))


async def lock_often(n):
    lock = asyncio.Lock()
    for _ in range(n):
        async with lock:
            pass


# ---- what sleeps

async def sleep_memory(n):
    naps = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(n)]
    await asyncio.sleep(0.001)
    print("asleep", flush=True)
    await asyncio.sleep(3600)
    await asyncio.gather(*naps)


async def sleep_time(n):
    begin = time.perf_counter_ns()
    naps = [asyncio.create_task(asyncio.sleep(SLEEP)) for _ in range(n)]
    for nap in naps:
        await nap
    print(time.perf_counter_ns() - begin - SLEEP * 10**9)


async def sleep_twice():
    await asyncio.gather(asyncio.sleep(0.010), asyncio.sleep(0.008))


async def sleep_pairs(n):
    tasks = [asyncio.create_task(sleep_twice()) for _ in range(n)]
    for task in tasks:
        await task


# ---- echo

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.write = transport.write

    def data_received(self, data):
        self.write(data)


async def echo(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main():
    system, row, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if system == "uvloop":
        import uvloop
        new_loop = uvloop.new_event_loop
    else:
        new_loop = asyncio.new_event_loop
    rows = {
        "yield": lambda: measure(n, lambda: yield_in_turns(n)),
        "spawn": lambda: measure(n, lambda: spawn_nothings(n)),
        "await": lambda: measure(n, lambda: await_adds(n)),
        "channel": lambda: measure(n, lambda: channel(n)),
        "channel_2": lambda: channel_2(n, new_loop),
        "mutex": lambda: measure(n, lambda: lock_often(n)),
        "sleep_memory": lambda: sleep_memory(n),
        "sleep_time": lambda: sleep_time(n),
        "sleep_pairs": lambda: measure(1, lambda: sleep_pairs(n)),
        "echo": lambda: echo(n),
    }
    if row not in rows:
        sys.exit(NOT_OFFERED)
    new_loop().run_until_complete(rows[row]())


main()
