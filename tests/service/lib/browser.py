"""Chromium without a window, driven through its DevTools protocol over a pipe."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE = 30  # seconds
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=800,1000",
         "--remote-debugging-pipe"]


class Browser:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="bide-browser-")
        from_us, self.write = os.pipe()
        self.read, to_us = os.pipe()

        def give_pipes():  # the protocol's are descriptors 3 and 4
            low = [os.dup(from_us), os.dup(to_us)]
            os.dup2(low[0], 3)
            os.dup2(low[1], 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self.process = subprocess.Popen(
            [PROGRAM, *FLAGS, f"--user-data-dir={self.directory}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=give_pipes, close_fds=False, start_new_session=True)
        os.close(from_us)
        os.close(to_us)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def receive(self, end):
        """The next message."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self.read, 1 << 20)
            assert data, "the browser is gone"
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data):]
        end = time.monotonic() + PATIENCE
        while True:
            answer = self.receive(end)
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def evaluate(self, expression):
        """The expression's value in the page; of a promise, what it becomes."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"waited in vain for {expression}")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href.startsWith({url!r})")

    def type(self, text):
        """Into what has the focus, as a keyboard does."""
        self.call("Input.insertText", text=text)

    def click(self, selector):
        box = self.evaluate(f"""(() => {{
            const box = document.querySelector({selector!r}).getBoundingClientRect();
            return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }};
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def drain(self):
        """All events so far."""
        self.evaluate("0")
        return self.events

    def requests(self):
        return [event["params"]["request"]["url"] for event in self.drain()
                if event["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What a developer would see in red. Not the network's own word of an answer like 404."""
        result = []
        for event in self.drain():
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                result.append(params["exceptionDetails"])
            if event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error",
                                                                                    "warning"):
                result.append(params["args"])
            if (event["method"] == "Log.entryAdded" and
                    params["entry"]["level"] in ("error", "warning") and
                    params["entry"]["source"] != "network"):
                result.append(params["entry"])
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.write)  # it ends with its pipe
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        os.close(self.read)
        shutil.rmtree(self.directory, ignore_errors=True)
