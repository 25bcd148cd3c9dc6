#!/usr/bin/env python3
"""Every endpoint of the user service and every bad input, over real sockets."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from service import Service, Skip, main, until  # noqa: E402

shared = Service("--body-max", "65536", "--head-max", "16384")


def timing(response):
    """Server-Timing as {name: {"start": ms, "dur": ms}}."""
    result = {}
    for entry in response.headers["server-timing"].split(","):
        name, *params = entry.strip().split(";")
        result[name] = {key: float(value) for key, value in (p.split("=") for p in params)}
    return result


# ---- what is there ---------------------------------------------------------------------------

def test_user_and_posts():
    response = shared.get("/users/42")
    assert response.status == 200, response.body
    assert response.headers["content-type"] == "application/json"
    body = response.json
    assert list(body) == ["user", "posts"]
    assert list(body["user"]) == ["id", "name", "email"]
    assert body["user"]["id"] == 42 and "@example.org" in body["user"]["email"]
    assert len(body["posts"]) == 10
    assert list(body["posts"][0]) == ["id", "title", "body"]
    ids = [post["id"] for post in body["posts"]]
    assert ids == sorted(ids)


def test_modes_give_the_same():
    sequential = shared.get("/users/7?mode=sequential")
    concurrent = shared.get("/users/7?mode=concurrent")
    assert sequential.status == concurrent.status == 200
    assert sequential.body == concurrent.body == shared.get("/users/7").body


def test_server_timing():
    with Service("--latency", "user=60ms,posts=40ms") as far:
        apart = timing(far.get("/users/1?mode=sequential"))
        at_once = timing(far.get("/users/1"))
    for t in (apart, at_once):
        assert t["user"]["dur"] >= 60 and t["posts"]["dur"] >= 40
    # One after the other: the second begins when the first is over. At once: it does not wait.
    assert apart["posts"]["start"] >= apart["user"]["start"] + apart["user"]["dur"] - 0.01
    assert apart["total"]["dur"] >= 100
    assert at_once["posts"]["start"] < at_once["user"]["start"] + at_once["user"]["dur"]
    assert at_once["total"]["dur"] < apart["total"]["dur"]


def test_pages_through_users():
    path, ids = "/users?limit=20", []
    while path:
        body = shared.get(path).json
        ids += [user["id"] for user in body["users"]]
        path = body["next"]
    assert ids == list(range(1, 51))
    assert len(shared.get("/users").json["users"]) == 50
    assert shared.get("/users").json["next"] is None
    assert shared.get("/users?after=50").json == {"users": [], "next": None}
    assert shared.get("/users?after=10&limit=10").json["next"] == "/users?after=20&limit=10"


def test_adds_a_post():
    post = {"title": "quotes \" and \\ and \u0007", "body": "na\u00efve \U0001f600\n\t\u2028"}
    response = shared.post("/users/5/posts", post)
    assert response.status == 201, response.body
    created = response.json
    assert response.headers["location"] == f"/users/5/posts/{created['id']}"
    assert {"title": created["title"], "body": created["body"]} == post
    assert shared.get(response.headers["location"]).json == created
    assert shared.get("/users/5").json["posts"][-1] == created
    assert shared.get(f"/users/6/posts/{created['id']}").status == 404


def test_ignores_other_fields():
    response = shared.post("/users/6/posts", {"id": 1, "title": "t", "body": "", "x": [1, {}]})
    assert response.status == 201 and response.json["id"] != 1


def test_chunked_body_and_continue():
    connection = shared.connect()
    connection.send(b"POST /users/8/posts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                    b"Expect: 100-continue\r\n\r\n")
    assert connection.response().status == 100
    connection.send(b"b\r\n{\"title\":\"c\r\nd\r\n\",\"body\":\"d\"}\r\n0\r\n\r\n")
    response = connection.response()
    assert response.status == 201 and response.json["title"] == "c", response.body
    connection.close()


def test_head_and_keep_alive_and_pipelining():
    connection = shared.connect()
    head = connection.request("HEAD", "/users/42")
    assert head.status == 200 and not head.body
    assert int(head.headers["content-length"]) > 100
    connection.send(b"".join(b"GET /users/%d HTTP/1.1\r\nHost: a\r\n\r\n" % i
                             for i in range(1, 21)))
    assert [connection.response().json["user"]["id"] for _ in range(20)] == list(range(1, 21))
    connection.close()


def test_health():
    response = shared.get("/healthz")
    assert response.status == 200 and response.json == {"status": "ok"}


def test_metrics():
    shared.get("/users/3")
    shared.get("/users/999999")
    response = shared.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = response.body.decode()
    values = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-z_]+(?:\{(?:[a-z_]+="[^"]*",?)*\})?) ([-+.0-9eInf]+)', line)
        assert match, line
        assert match[1] not in values, f"twice: {line}"
        values[match[1]] = float(match[2])

    def count(status):
        return sum(value for name, value in values.items()
                   if name.startswith("bide_http_requests_total{") and
                   "/users/{id" in name and f'status="{status}"' in name)

    assert count(200) >= 1 and count(404) >= 1, text
    buckets = [value for name, value in values.items()
               if "_duration_seconds_bucket" in name and "/users/{id" in name and
               "posts" not in name]
    assert buckets and buckets == sorted(buckets)
    assert values["bide_tasks"] >= 1
    assert values["bide_fibers"] + values["bide_fibers_idle"] >= 1
    assert values["bide_reactor_turns_total"] > 1
    assert values["bide_sqlite_reads_in_place_total"] > 0


def metric(service, name):
    for line in service.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[-1])
    raise AssertionError(f"no {name}")


def test_workers():
    """The counters are those of all of them."""
    for workers in (1, 2):
        with Service("--workers", str(workers)) as service:
            crowd = [service.connect() for _ in range(12)]
            for id in range(1, 4):
                for connection in crowd:
                    assert connection.request("GET", f"/users/{id}").json["user"]["id"] == id
            until(lambda: metric(service, "bide_workers") == workers)
            name = 'bide_http_requests_total{method="GET",route="/users/{id:uint}",status="200"}'
            assert metric(service, name) == 36
            assert metric(service, "bide_http_connections") >= 12
            assert service.stop() == (0, "")


def test_the_page():
    response = shared.get("/")
    assert response.status == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    page = response.body.decode()
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)


def test_curl():
    if not shutil.which("curl"):
        raise Skip("no curl")
    url = f"http://127.0.0.1:{shared.port}/users/42"
    done = subprocess.run(["curl", "-sf", "--max-time", "20", url], stdout=subprocess.PIPE)
    assert done.returncode == 0 and json.loads(done.stdout)["user"]["id"] == 42


# ---- what is wrong ---------------------------------------------------------------------------

def test_unknown_users_and_paths():
    assert shared.get("/users/999999").message == "there is no user 999999"
    for path in ["/users/0", "/users/999999", "/users/9223372036854775807", "/users/1/posts/999999",
                 "/nowhere", "/users/1/posts/1/2", "/USERS/1"]:
        response = shared.get(path)
        assert response.status == 404 and response.message, path
    response = shared.post("/users/999999/posts", {"title": "t", "body": "b"})
    assert response.status == 404 and "999999" in response.message


def test_wrong_ids():
    for id in ["abc", "-1", "1.5", "1e3", "9223372036854775808", "99999999999999999999", "%20",
               "0x10", "1%00", "+1"]:
        response = shared.get(f"/users/{id}")
        assert response.status == 400 and response.message, id
        assert shared.post(f"/users/{id}/posts", {"title": "t", "body": "b"}).status == 400


def test_wrong_query():
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "after=-1", "after=x",
                  "after=9223372036854775808", "limit=1%"]:
        response = shared.get(f"/users?{query}")
        if query == "limit=1%":
            assert response.status in (200, 400)
            continue
        assert response.status == 400 and response.message, query
    assert shared.get("/users/1?mode=fast").status == 400


def test_wrong_bodies():
    good = {"title": "t", "body": "b"}
    wrong = [b"", b"{", b"[]", b'"x"', b"null", b"{}", b'{"title":"t"}', b'{"body":"b"}',
             b'{"title":1,"body":"b"}', b'{"title":"t","body":null}', b'{"title":"t","body":[]}',
             b'{"title":"","body":"b"}', b'{"title":"t","body":"b"} x',
             b'{"title":"t","title":"u","body":"b"}', b'{"title":"\xff","body":"b"}',
             b'{"title":"\xed\xa0\x80","body":"b"}', b'{"title":"\xc0\xaf","body":"b"}',
             b'{"title":"\\u0000","body":"b"}', b'{"title":"\\ud800","body":"b"}',
             b'{"title":"a\nb","body":"b"}', b"{'title':'t','body':'b'}", b"\xff\xfe", b"\x00",
             b'{"a":' * 1000 + b"1" + b"}" * 1000, b"[" * 60000,
             json.dumps({**good, "title": "x" * 201}).encode()]
    for body in wrong:
        response = shared.post("/users/1/posts", body)
        assert response.status == 400 and response.message, (response.status, body[:60])
    assert len(shared.get("/users/1").json["posts"]) == 10
    assert shared.post("/users/1/posts", good).status == 201


def test_too_large():
    connection = shared.connect()
    response = connection.request("POST", "/users/1/posts", headers=[("Content-Length", "70000")])
    assert response.status == 413 and response.message
    assert connection.ended()
    assert shared.get("/users/1", headers=[("X-Long", "x" * 20000)]).status == 431
    assert shared.get("/" + "x" * 9000).status == 414
    assert shared.get("/users/1").status == 200


def test_methods():
    for method in ["PUT", "DELETE", "PATCH", "POST"]:
        response = shared.request(method, "/users/1", body=b"")
        assert response.status == 405 and "GET" in response.headers["allow"], method
    assert shared.get("/users/1/posts").headers["allow"].startswith("POST")
    for method in ["BREW", "get", "G\x01T"]:
        assert shared.request(method, "/users/1").status in (400, 501), method


def test_smuggling():
    head = b"POST /users/1/posts HTTP/1.1\r\nHost: a\r\n"
    body = b'\r\n{"title":"smuggled","body":"b"}'
    for bad in [b"Content-Length: 31\r\nTransfer-Encoding: chunked\r\n",
                b"Content-Length: 31\r\nContent-Length: 30\r\n",
                b"Content-Length: 31\r\nX: a\r\n folded\r\n",
                b"Content-Length : 31\r\n", b"Content-Length: 31\r\nA: b\rC: d\r\n",
                b"Content-Length: +31\r\n", b"Content-Length: 0x1f\r\n",
                b"Transfer-Encoding: chunked, identity\r\n", b"Content-Length: -1\r\n"]:
        connection = shared.connect()
        connection.send(head + bad + body)
        response = connection.response()
        assert response.status in (400, 501) and response.message, bad
        assert connection.ended(), bad
    titles = [post["title"] for post in shared.get("/users/1").json["posts"]]
    assert "smuggled" not in titles


def test_slow_and_silent_clients():
    with Service("--header-timeout", "100ms", "--body-timeout", "100ms",
                 "--idle-timeout", "100ms") as hasty:
        slow_head, slow_body, silent = hasty.connect(), hasty.connect(), hasty.connect()
        slow_head.send(b"GET /users/1 HT")
        slow_body.send(b"POST /users/1/posts HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        assert slow_head.response().status == 408 and slow_head.ended()
        assert slow_body.response().status == 408 and slow_body.ended()
        assert silent.ended()
        assert hasty.get("/users/1").status == 200


def test_stops():
    status, errors = shared.stop()
    assert status == 0 and not errors, errors


try:
    main(globals())
finally:
    shared.__exit__()
