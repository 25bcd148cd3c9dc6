#!/usr/bin/env python3
"""How the user service starts, fails, survives and stops."""
import json
import os
import pty
import resource
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from service import PATIENCE, PROGRAM, Service, Skip, main, until  # noqa: E402

POST = {"title": "t", "body": "b"}


def run(*options):
    done = subprocess.run([PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def refuses(status, words, *options):
    """It ends with status after one line on stderr that contains words, and nothing else."""
    code, out, errors = run(*options)
    assert code == status, (code, out, errors)
    assert errors.count("\n") == 1 and words in errors, errors
    assert errors.startswith("user-service: ") and "serving" not in out, (out, errors)


# ---- the command line ------------------------------------------------------------------------

def test_help_and_version():
    code, out, errors = run("--help")
    assert code == 0 and not errors
    for option in ["--db", "--port", "--host", "--latency", "--grace", "--version"]:
        assert option in out
    code, out, errors = run("--version")
    assert code == 0 and out.startswith("user-service") and not errors


def test_wrong_options():
    for options in [["--nonsense"], ["--port"], ["--port", "65536"], ["--port", "-1"],
                    ["--port", "80x"], ["--latency", "10ms"], ["--latency", "user=10"],
                    ["--latency", "user=10ms,post=8ms"], ["--latency", "user=-1ms"],
                    ["--grace", "soon"], ["--grace", "1h"], ["--users", "0"], ["stray"], ["-x"],
                    ["--body-max", "0"], ["--workers", "-1"], ["--workers", "many"]]:
        refuses(2, "", *options)


# ---- databases that are none -----------------------------------------------------------------

def test_unusable_databases():
    with tempfile.TemporaryDirectory() as directory:
        def make(name, data):
            path = os.path.join(directory, name)
            with open(path, "wb") as file:
                file.write(data)
            return path

        refuses(1, "directory", "--db", directory)
        refuses(1, "No such file", "--db", f"{directory}/no/such.db")
        refuses(1, "not a database", "--db", make("text.db", b"just a text\n" * 1000))
        refuses(1, "not a regular file", "--db", "/dev/null")
        other = os.path.join(directory, "other.db")
        with sqlite3.connect(other) as db:
            db.execute("CREATE TABLE bookmarks(url)")
        db.close()
        refuses(1, "another program", "--db", other)


def test_unreadable_database():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "secret.db")
        open(path, "wb").close()
        os.chmod(path, 0)
        os.chmod(directory, 0o755)

        def be_nobody():
            if os.geteuid() == 0:
                os.setuid(65534)

        try:
            done = subprocess.run([PROGRAM, "--db", path], preexec_fn=be_nobody, timeout=PATIENCE,
                                  stderr=subprocess.PIPE, text=True)
        except PermissionError:
            raise Skip("nobody may not run the program")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done
        assert "Permission denied" in done.stderr, done


def test_corrupt_database():
    with Service() as service:
        service.stop()
        with open(service.db, "r+b") as file:
            size = file.seek(0, 2)
            for page in range(2, size // 4096, 3):
                file.seek(page * 4096)
                file.write(b"\xa5" * 512)
        refuses(1, "corrupt", "--db", service.db, "--port", "0")


def test_cut_off_database():
    with Service() as service:
        service.stop()
        os.truncate(service.db, os.path.getsize(service.db) // 2 // 4096 * 4096)
        refuses(1, "corrupt", "--db", service.db, "--port", "0")


# ---- ports -----------------------------------------------------------------------------------

def test_port_in_use():
    with Service() as service, tempfile.TemporaryDirectory() as directory:
        options = ["--db", f"{directory}/a.db", "--users", "1"]
        refuses(1, "in use", *options, "--port", str(service.port))
        refuses(1, "cannot listen", *options, "--port", "0", "--host", "not-an-address")


# ---- the first start -------------------------------------------------------------------------

def test_fills_once():
    with Service(users=30) as service:
        assert "filling" in service.said
        assert service.get("/users/30").status == 200 and service.get("/users/31").status == 404
        assert service.stop() == (0, "")
        service.start()
        assert "filling" not in service.said
        assert service.get("/users/30").status == 200
        assert service.stop() == (0, "")


def started_filling(service):
    return "filling" in service.process.stdout.readline()


def test_killed_while_filling():
    with Service(users=200000, wait=False) as service:
        assert started_filling(service)
        until(lambda: os.path.exists(service.db + "-wal"))
        time.sleep(0.1)
        service.signal(signal.SIGKILL)
        service.end()
        service.command[service.command.index("200000")] = "40"
        service.start()
        assert "filling" in service.said, "it took a half-filled database for a full one"
        assert service.get("/users/40").status == 200 and service.get("/users/41").status == 404
        assert service.stop() == (0, "")


def test_interrupted_while_filling():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Service(users=200000, wait=False) as service:
            assert started_filling(service)
            service.signal(number)
            assert service.end() == (0, "")
            db = sqlite3.connect(service.db)
            assert db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
            db.close()


def test_progress_bar():
    """A bar on a terminal; plain lines otherwise."""
    with Service(users=300) as service:
        assert "%" not in service.said and "\r" not in service.said
    ours, theirs = pty.openpty()
    try:
        with tempfile.TemporaryDirectory() as directory:
            process = subprocess.Popen([PROGRAM, "--db", f"{directory}/a.db", "--users", "300",
                                        "--port", "0"], stdout=theirs, stderr=theirs)
            said = b""
            while b"serving on" not in said:
                assert select.select([ours], [], [], PATIENCE)[0], said
                said += os.read(ours, 4096)
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert b"100 %" in said and b"\r[" in said, said
    finally:
        os.close(ours)
        os.close(theirs)


def test_text_that_is_not_utf8():
    """Whatever a database holds, what is answered is JSON in UTF-8."""
    texts = {b"\xff": "\ufffd", b"a\x00b": "a\0b", b"\xc0\xaf": "\ufffd\ufffd",
             b"\xe2\x82": "\ufffd\ufffd", b"\xed\xa0\x80x": "\ufffd\ufffd\ufffdx",
             b"\xf4\x90\x80\x80": "\ufffd" * 4, b"\xf0\x9f\x98\x80": "\U0001f600",
             b"\x1f\x7f\"\\/\b": "\x1f\x7f\"\\/\b", b"\xc3\xa9\xe2\x82\xac": "\u00e9\u20ac"}
    with Service() as service:
        service.stop()
        with sqlite3.connect(service.db) as db:
            for text in texts:
                db.execute("INSERT INTO posts(user_id, title, body) "
                           "VALUES(9, CAST(? AS TEXT), '')", (text,))
        db.close()
        service.start()
        titles = [post["title"] for post in service.get("/users/9").json["posts"][10:]]
        assert titles == list(texts.values()), titles
        assert service.stop() == (0, "")


# ---- stopping --------------------------------------------------------------------------------

def in_flight(service, path="/users/1"):
    """A connection with a request that the service is at."""
    connection = service.connect()
    connection.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    time.sleep(0.1)
    return connection


def test_finishes_what_is_in_flight():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Service("--latency", "user=400ms") as service:
            idle, busy = service.connect(), in_flight(service)
            service.signal(number)
            assert idle.ended()
            response = busy.response()
            assert response.status == 200 and response.json["user"]["id"] == 1
            assert busy.ended()
            assert service.end() == (0, "")


def test_grace_ends():
    with Service("--latency", "user=60s", "--grace", "200ms") as service:
        busy = in_flight(service)
        service.signal(signal.SIGTERM)
        assert service.end() == (0, "")
        assert busy.ended()


def test_second_interrupt_at_once():
    with Service("--latency", "user=60s", "--grace", "60s") as service:
        in_flight(service)
        service.signal(signal.SIGINT)
        assert "stopping" in service.process.stdout.readline() + service.process.stdout.readline()
        service.signal(signal.SIGINT)
        status, errors = service.end()
        assert status == 130 and not errors


def test_refuses_new_connections_while_stopping():
    with Service("--latency", "user=500ms") as service:
        busy = in_flight(service)
        service.signal(signal.SIGTERM)

        def refused():
            try:
                socket.create_connection(("127.0.0.1", service.port), 1).close()
                return False
            except OSError:
                return True

        busy.response()
        until(refused)
        assert service.end() == (0, "")


def keep_asking(service, who, seen, wrong):
    """GETs and POSTs until the connection ends, which it may only between an answer and the next
    request, or before that has begun to be answered; then on a new one, until there is none."""
    while True:
        try:
            connection = service.connect()
        except OSError:
            return
        try:
            while True:
                response = connection.request("GET", f"/users/{who}")
                if response is None:
                    break
                if response.status != 200 or response.json["user"]["id"] != who:
                    wrong.append(response.body)
                if response.headers.get("connection") == "close":
                    break
                body = json.dumps(POST).encode()
                response = connection.request("POST", f"/users/{who}/posts", body=body)
                if response is None:
                    break
                if response.status != 201:
                    wrong.append(response.body)
                else:
                    seen.append(response.json["id"])
                if response.headers.get("connection") == "close":
                    break
        except OSError:
            pass  # reset: it came when the service had gone
        except AssertionError as error:
            wrong.append(error)  # cut off
        finally:
            connection.close()


def test_stops_under_load():
    for _ in range(5):
        with Service("--grace", "20s") as service:
            seen, wrong = [], []
            threads = [threading.Thread(target=keep_asking, args=(service, who, seen, wrong))
                       for who in range(1, 9)]
            for thread in threads:
                thread.start()
            until(lambda: len(seen) >= 50 or wrong)
            service.signal(signal.SIGTERM)
            assert service.end() == (0, "")
            for thread in threads:
                thread.join(PATIENCE)
            assert not wrong, wrong
            db = sqlite3.connect(service.db)
            kept = {id for id, in db.execute("SELECT id FROM posts")}
            db.close()
            assert set(seen) <= kept


# ---- surviving -------------------------------------------------------------------------------

def keep_posting(service, who, seen):
    """POSTs one after the other; the ids of those that were answered 201."""
    try:
        connection = service.connect()
        while True:
            body = json.dumps({"title": f"{who}", "body": "x" * 500}).encode()
            response = connection.request("POST", f"/users/{who}/posts", body=body)
            if response is None or response.status != 201:
                return
            seen.append((who, response.json["id"]))
    except (OSError, AssertionError):
        return  # killed


def test_killed_while_posting():
    with Service() as service:
        seen = []
        for _ in range(3):
            before = len(seen)
            threads = [threading.Thread(target=keep_posting, args=(service, who, seen))
                       for who in range(1, 9)]
            for thread in threads:
                thread.start()
            until(lambda: len(seen) >= before + 50)
            service.signal(signal.SIGKILL)
            service.end()
            for thread in threads:
                thread.join(PATIENCE)
            service.start()
        connection = service.connect()
        for who, id in seen:
            response = connection.request("GET", f"/users/{who}/posts/{id}")
            assert response.status == 200 and response.json["title"] == str(who), (who, id)
            if response.headers.get("connection") == "close":
                connection = service.connect()
        assert service.stop() == (0, "")
        db = sqlite3.connect(service.db)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM posts").fetchone()[0] >= 500 + len(seen)
        db.close()


def test_locked_database():
    with Service("--busy-timeout", "100ms") as service:
        other = sqlite3.connect(service.db, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        response = service.post("/users/1/posts", POST)
        assert response.status == 503 and "locked" in response.message
        assert response.headers["retry-after"] == "1"
        assert service.get("/users/1").status == 200  # reading goes on
        other.execute("ROLLBACK")
        other.close()
        assert service.post("/users/1/posts", POST).status == 201
        assert service.stop() == (0, "")


def test_locked_at_start():
    with Service() as service:
        service.stop()
        other = sqlite3.connect(service.db, isolation_level=None)
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        refuses(1, "locked", "--db", service.db, "--port", "0", "--busy-timeout", "50ms")
        other.close()


def test_full_disk():
    """No file may grow beyond 4 MiB: posts fail with 503, and what is there can be read."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))

    with Service(limits=limit) as service:
        connection = service.connect()
        body = json.dumps({"title": "t", "body": "x" * 60000}).encode()
        created, status = [], 201
        while status == 201:
            response = connection.request("POST", "/users/1/posts", body=body)
            status = response.status
            if status == 201:
                created.append(response.headers["location"])
            assert len(created) < 1000
        assert status == 503 and "full" in response.message, response.body
        for location in created[-3:]:
            assert service.get(location).status == 200
        assert service.get("/users/2").status == 200
        assert service.process.poll() is None


def test_no_descriptors_left():
    """It stops accepting, serves those that it has, and accepts again later."""
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    with Service(limits=limit) as service:
        first = service.connect()
        assert first.request("GET", "/users/1").status == 200
        crowd = [service.connect() for _ in range(60)]
        until(lambda: paused(first))
        assert first.request("GET", "/users/2").status == 200
        assert first.request("POST", "/users/2/posts", body=json.dumps(POST).encode()).status == 201
        for connection in crowd[:50]:
            connection.close()
        assert crowd[-1].request("GET", "/users/3").status == 200
        assert service.get("/users/4").status == 200
        assert service.stop() == (0, "")


def paused(connection):
    text = connection.request("GET", "/metrics").body.decode()
    values = [line.split()[-1] for line in text.splitlines()
              if "accept_pauses" in line and not line.startswith("#")]
    return values and float(values[0]) > 0


main(globals())
