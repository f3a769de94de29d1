"""A headless Chromium through chromedriver, in the few words of the WebDriver protocol that the tests need."""

import base64
import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS = 60


class Browser:
    """One window."""

    def __init__(self, server: str):
        self.server = server
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        arguments += ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
        options = {"binary": CHROMIUM, "args": arguments}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        answer = self._post("/session", capabilities={"alwaysMatch": wanted})
        self.session = f"/session/{answer['sessionId']}"

    def open(self, page: Path, *, width: int) -> None:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", **metrics)
        self._post(f"{self.session}/url", url=page.absolute().as_uri())

    def run(self, script: str):
        """What a JavaScript function body returns."""
        return self._post(f"{self.session}/execute/sync", script=script, args=[])

    def log(self, kind: str) -> list[dict]:
        """Entries since the last call: `browser` for the console, `performance` for the network among others."""
        return self._post(f"{self.session}/se/log", type=kind)

    def requests(self) -> list[str]:
        """Addresses the page asked for since the last call, but those inside it."""
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]

    def screenshot(self, top: int = 0, height: int | None = None) -> bytes:
        """A PNG of the page from `top` on, beyond the window."""
        size = self.run("const e = document.documentElement; return [e.clientWidth, e.scrollHeight];")
        clip = {"x": 0, "y": top, "width": size[0], "height": min(height or size[1], size[1] - top), "scale": 1}
        return base64.b64decode(self._devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])

    def close(self) -> None:
        self._send("DELETE", self.session)

    def _devtools(self, command: str, **parameters):
        return self._post(f"{self.session}/goog/cdp/execute", cmd=command, params=parameters)

    def _post(self, path: str, **content):
        return self._send("POST", path, json.dumps(content).encode())

    def _send(self, method: str, path: str, body: bytes | None = None):
        request = Request(self.server + path, body, {"Content-Type": "application/json"}, method=method)
        try:
            # The driver is on this machine: no proxy lies between.
            with build_opener(ProxyHandler({})).open(request, timeout=SECONDS) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from error


@contextmanager
def browser():
    """A browser that is closed in the end, whatever happens."""
    with subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            line = next(line for line in driver.stdout if "started successfully on port" in line)
            window = Browser(f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}")
            try:
                yield window
            finally:
                window.close()
        finally:
            driver.terminate()
