"""A headless Chromium that a test drives through its DevTools pipe (--remote-debugging-pipe)."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """One page of one browser. Ends with `close`."""

    def __init__(self, page: Path) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        requests, self._to = os.pipe()
        self._from, answers = os.pipe()
        # It reads what is asked from file 3 and answers in file 4.
        link = f'exec 3<&{requests} 4>&{answers}; exec "$@"'
        options = ["--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu"]
        options += [f"--user-data-dir={self._profile.name}", "--disable-dev-shm-usage"]
        self._process = subprocess.Popen(
            ["bash", "-c", link, "bash", PROGRAM, *options, "about:blank"],
            pass_fds=(requests, answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(requests)
        os.close(answers)
        self._buffer, self._numbers, self._session = b"", itertools.count(1), None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.size(1280, 800)
        self.send("Page.navigate", url=page.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def close(self) -> None:
        self.send("Browser.close")
        self._process.wait(timeout=60)
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol; events that come meanwhile are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._from, 1 << 16)
            assert part, "the browser ended"
            self._buffer += part
        answer, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(answer)

    def size(self, width: int, height: int) -> None:
        """Give the window another size, in pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def look(self, **features: str) -> None:
        """Pretend another medium or preference: `media="print"`, `scheme="dark"`."""
        scheme = {"name": "prefers-color-scheme", "value": features.get("scheme", "light")}
        self.send("Emulation.setEmulatedMedia", media=features.get("media", ""), features=[scheme])

    def run(self, script: str) -> Any:
        """The value of an expression in the page, as JSON has it."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element in the window, after scrolling to it."""
        return tuple(
            self.run(
                f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
                e.scrollIntoView({{block: "center"}}); const b = e.getBoundingClientRect();
                return [b.left, b.top, b.width, b.height]; }})()"""
            )
        )

    def point(self, x: float, y: float, click: bool = False) -> None:
        """Move the mouse there, and click if asked."""
        kinds = ["mouseMoved", *(["mousePressed", "mouseReleased"] if click else [])]
        for kind in kinds:
            button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        left, top, width, height = self.box(selector)
        self.point(left + width / 2, top + height / 2, click=True)

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        codes = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35, "Enter": 13}
        typed = {"text": "\r"} if key == "Enter" else {}
        for kind, more in (("keyDown", typed), ("keyUp", {})):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=codes[key], **more)  # fmt: skip

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write what is in the window, or the whole page, as PNG."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def print(self, path: Path) -> None:
        """Print the page to a PDF of A4."""
        pages = self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(pages["data"]))
