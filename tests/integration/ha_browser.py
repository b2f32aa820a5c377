# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drives a headless Chromium through a pair of pipes (--remote-debugging-pipe): no port, no websocket, no package."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

from patience import HANG


class Browser:
    """A browser with one page at a time. Use it as a context manager."""

    def __enter__(self):
        self.place = tempfile.mkdtemp(prefix="faultline-chromium-")
        to_browser, from_us = os.pipe()
        from_browser, to_us = os.pipe()

        def numbered():
            # the browser reads 3 and writes 4, whatever these are called here
            spare = [os.dup(to_browser), os.dup(to_us)]
            high = [os.dup2(fd, 50 + number) for number, fd in enumerate(spare)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        argv = [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-device-scale-factor=1",
            f"--user-data-dir={self.place}", "--remote-debugging-pipe", "about:blank",
        ]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=numbered,
            start_new_session=True, env={**os.environ, "HOME": self.place})
        os.close(to_browser)
        os.close(to_us)
        self.sending, self.receiving = from_us, from_browser
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        try:
            target = next(each for each in self.ask("Target.getTargets")["targetInfos"] if each["type"] == "page")
            self.session = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.ask(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.sending)
        os.close(self.receiving)
        shutil.rmtree(self.place, ignore_errors=True)

    def ask(self, method, **parameters):
        """The result of one command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.sending, json.dumps(message).encode() + b"\0")
        mine, until = self.number, time.monotonic() + HANG
        while True:
            answer = self._message(until, method)
            if answer.get("id") == mine:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _message(self, until, what):
        while b"\0" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.receiving], [], [], left)[0]:
                raise TimeoutError(f"no answer to {what} in {HANG} s")
            some = os.read(self.receiving, 1 << 20)
            if not some:
                raise RuntimeError(f"the browser ended during {what}")
            self.rest += some
        first, _end, self.rest = self.rest.partition(b"\0")
        return json.loads(first)

    def open(self, path, width=1400, height=900, dark=False):
        """Load a file, and wait until it says that it is ready (data-ready on <html>)."""
        self.events.clear()
        self.size(width, height, dark)
        self.ask("Page.navigate", url=f"file://{path}")
        self.wait("document.readyState === 'complete' && (document.documentElement.dataset.ready === 'yes' || !document.getElementById('data'))")

    def size(self, width, height, dark=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def run(self, script):
        """The value of a JavaScript expression."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, script):
        """Wait until an expression is true."""
        until = time.monotonic() + HANG
        while not self.run(script):
            if time.monotonic() > until:
                raise TimeoutError(f"{script} is not true after {HANG} s")
            self.run("new Promise((done) => requestAnimationFrame(done))")

    def mouse(self, *steps):
        """steps: (type, x, y), as mouseMoved, mousePressed, mouseReleased; x and y in CSS pixels of the window."""
        for kind, x, y in steps:
            down = 1 if kind != "mouseReleased" else 0
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=down, clickCount=1)

    def key(self, key, **more):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, **more)

    def errors(self):
        """What the console would show in red, and exceptions."""
        self.ask("Runtime.evaluate", expression="1")
        found = []
        for event in self.events:
            told = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(told["exceptionDetails"].get("exception", {}).get("description") or told["exceptionDetails"]["text"])
            elif event.get("method") == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
                found.append(str(told["args"]))
            elif event.get("method") == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                found.append(told["entry"]["text"])
        return found

    def fetched(self):
        """The addresses of everything that the page asked for."""
        return [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]

    def picture(self, path, whole=True):
        """A PNG of the page."""
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))

    def printed(self, path):
        """The page as PDF."""
        data = self.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))
