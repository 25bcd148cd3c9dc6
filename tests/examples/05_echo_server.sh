# 05_echo_server.sh PROGRAM - several clients at once, then a signal while one is still connected.
exec python3 - "$1" <<'END'
import re
import signal
import socket
import subprocess
import sys

TIMEOUT_S = 20


def connect(port):
    return socket.create_connection(("127.0.0.1", port), TIMEOUT_S)


def receive(client, size):
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        assert part, f"closed after {len(data)} of {size} bytes"
        data += part
    return data


def echoes(client, message):
    client.sendall(message)
    assert receive(client, len(message)) == message


def run(number):
    server = subprocess.Popen([sys.argv[1], "0"], stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        port = int(re.fullmatch(r"listening on port (\d+)\n", line).group(1))
        clients = [connect(port) for _ in range(20)]
        for i, client in enumerate(clients):
            echoes(client, b"client %d" % i)
        for client in reversed(clients[1:]):
            echoes(client, bytes(range(256)) * 100)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        server.send_signal(number)
        assert clients[0].recv(1) == b"", "the last connection was not closed"
        rest = server.communicate(timeout=TIMEOUT_S)[0]
        assert rest == f"ended by {number.name}\n", rest
        assert server.returncode == 0, server.returncode
    finally:
        server.kill()
        server.wait()


run(signal.SIGTERM)
run(signal.SIGINT)
END
