"""A running user service, HTTP over plain sockets, and a small harness. Standard library only."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM = os.environ.get("USER_SERVICE", "build/user-service")
PATIENCE = 20  # seconds that anything may take before it is a failure; nothing is timed by it


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        """Of an error, whose form is checked."""
        error = self.json["error"]
        assert error["status"] == self.status, self.body
        assert self.headers["content-type"] == "application/json", self.headers
        return error["message"]


class Connection:
    """One connection: raw bytes out, responses in."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.read = b""

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, body=None, headers=()):
        head = f"{method} {path} HTTP/1.1\r\nHost: test\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        if body is not None:
            head += f"Content-Length: {len(body)}\r\n"
        self.send(head.encode("latin-1") + b"\r\n" + (body or b""))
        return self.response(method)

    def more(self):
        data = self.socket.recv(65536)
        self.read += data
        return len(data) > 0

    def response(self, method="GET"):
        """The next one; None when the connection has ended."""
        while b"\r\n\r\n" not in self.read:
            if not self.more():
                assert not self.read, self.read
                return None
        head, _, self.read = self.read.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        size = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        while len(self.read) < size:
            assert self.more(), "cut off"
        body, self.read = self.read[:size], self.read[size:]
        return Response(status, headers, body)

    def ended(self):
        """True once the other side has closed. Nothing more may come."""
        while True:
            try:
                if not self.more():
                    return self.read == b""
            except ConnectionResetError:
                return True
            assert not self.read, self.read

    def close(self):
        self.socket.close()


class Service:
    """The program. Started; used in a `with`, it is over at its end."""

    def __init__(self, *options, db=None, users=50, wait=True, limits=None, **popen):
        self.directory = tempfile.mkdtemp(prefix="bide-service-")
        self.db = db or os.path.join(self.directory, "users.db")
        self.command = [PROGRAM, "--db", self.db, "--users", str(users), "--port", "0", *options]
        self.limits, self.popen, self.port = limits, popen, None
        self.start(wait)

    def start(self, wait=True):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.PIPE, preexec_fn=self.limits,
                                        **self.popen)
        if wait:
            self.wait_until_serving()

    def wait_until_serving(self):
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            match = re.match(r"serving on http://.*:(\d+)$", line)
            if match:
                self.port = int(match[1])
                return
        raise AssertionError(f"did not serve: {self.said}{self.process.stderr.read()}")

    def connect(self):
        return Connection(self.port)

    def request(self, *args, **named):
        connection = self.connect()
        try:
            return connection.request(*args, **named)
        finally:
            connection.close()

    def get(self, path, **named):
        return self.request("GET", path, **named)

    def post(self, path, value, **named):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.request("POST", path, body=body, **named)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Wait for its end. Returns its status and what it wrote to stderr."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=PATIENCE)
        shutil.rmtree(self.directory, ignore_errors=True)


def until(what, seconds=PATIENCE):
    """Wait until what() is true, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain")


class Skip(Exception):
    pass


def main(namespace):
    """Run all functions named test_..., or those whose name contains argv[1]."""
    passed = failed = 0
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, function in list(namespace.items()):
        if not name.startswith("test_") or only not in name:
            continue
        try:
            function()
        except Skip as reason:
            print(f"skip {name}: {reason}", flush=True)
            continue
        except Exception:
            failed += 1
            print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            continue
        passed += 1
        print(f"ok {name}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0 if passed else 77)
