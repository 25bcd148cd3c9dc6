#!/usr/bin/env python3
"""The user service's --debug: who sees its tasks, and in which form."""
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from service import PATIENCE, Connection, Service, Skip, main, until  # noqa: E402


def walk(tasks):
    for task in tasks:
        yield task
        yield from walk(task["children"])


def functions(response):
    (runtime,) = response.json["runtimes"]
    return [task["function"] for task in walk(runtime["tasks"])]


def test_off_by_default():
    with Service() as service:
        assert service.get("/debug/tasks").status == 404


def test_text():
    with Service("--debug") as service:
        response = service.get("/debug/tasks")
        assert response.status == 200
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        text = response.body.decode()
        for words in ("service (run): waits for ", "stop_on_signal: waits for its race",
                      "bide_signal: waits for signal SIGTERM", ": running [worker ",
                      "accept on fd ", f" at 127.0.0.1:{service.port}"):
            assert words in text, (words, text)


def test_json():
    with Service("--debug") as service:
        asked = service.get("/debug/tasks?format=json")
        assert asked.status == 200 and asked.headers["content-type"] == "application/json"
        accepted = service.get("/debug/tasks", headers=[("Accept", "text/html, application/json")])
        assert accepted.headers["content-type"] == "application/json"
        overruled = service.get("/debug/tasks?format=text",
                                headers=[("Accept", "application/json")])
        assert overruled.headers["content-type"].startswith("text/plain")
        for response in (asked, accepted):
            found = functions(response)
            assert "run" in found and "stop_on_signal" in found, found
        assert service.get("/debug/tasks?format=xml").status == 400


def test_a_request_in_flight():
    with Service("--debug", "--latency", "user=1m,posts=1m", "--grace", "0") as service:
        waiting = service.connect()
        waiting.send(b"GET /users/7 HTTP/1.1\r\nHost: test\r\n\r\n")
        until(lambda: "fetch_user" in functions(service.get("/debug/tasks?format=json")))
        text = service.get("/debug/tasks").body.decode()
        assert "fetch_user: waits for sleep, " in text, text
        assert "fetch_posts: waits for sleep, " in text, text
        waiting.close()


def other_address():
    """One of this machine's that is not loopback."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return probe.getsockname()[0]
    except OSError:
        raise Skip("no address but loopback")


def test_not_for_others():
    address = other_address()
    with Service("--debug", "--host", "0.0.0.0") as service:
        connection = service.connect()
        assert connection.request("GET", "/debug/tasks").status == 200
        connection.close()
        connection = Connection(service.port)
        connection.socket.close()
        connection.socket = socket.create_connection((address, service.port), PATIENCE)
        response = connection.request("GET", "/debug/tasks")
        assert response.status == 403 and response.message == "only for this machine"
        connection.close()


def test_ipv6():
    try:
        service = Service("--debug", "--host", "::")
    except AssertionError:
        raise Skip("no IPv6")
    with service:
        assert service.get("/debug/tasks").status == 200  # of ::ffff:127.0.0.1
        connection = service.connect()
        connection.socket.close()
        try:
            connection.socket = socket.create_connection(("::1", service.port), PATIENCE)
        except OSError:
            raise Skip("no ::1")
        assert connection.request("GET", "/debug/tasks").status == 200
        connection.close()


def test_sigquit():
    with Service("--debug") as service:
        service.signal(signal.SIGQUIT)
        assert service.get("/users/1").status == 200
        assert " tasks, " in service.process.stderr.readline()
        while "service (run): waits for " not in service.process.stderr.readline():
            pass
        assert service.stop()[0] == 0


def test_sigquit_ends_it_without():
    with Service() as service:
        service.signal(signal.SIGQUIT)
        status, _ = service.end()
        assert status == -signal.SIGQUIT, status


if __name__ == "__main__":
    main(globals())
