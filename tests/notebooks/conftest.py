"""The notebooks as scripts, and in a browser without a connection to other machines."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.clone import ROOT

NOTEBOOKS = sorted(
    path for path in (ROOT / "notebooks").glob("*.py") if "marimo.App(" in path.read_text("utf-8")
)
SCREENSHOTS = ROOT / "build"  # kept for inspection; not in git
WIDE, PHONE = 1280, 390  # widths of the browser's window, in pixels
# The element that contains the whole page and can be scrolled, in JavaScript.
SCROLLED = (
    "[...document.querySelectorAll('*')].reduce((a, b) => a.scrollHeight >= b.scrollHeight ? a : b)"
)

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

Open = Callable[..., Page]


def free_port() -> int:
    """Return a port of 127.0.0.1 that no program uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def notebooks_root() -> Path:
    """The folder that has the folder `notebooks`; a test module can replace it by a copy."""
    return ROOT


@pytest.fixture(scope="module")
def address(notebooks_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of all notebooks, started as in `make notebooks`."""
    port = free_port()
    log = tmp_path_factory.mktemp("notebooks") / "log.txt"
    command = ["marimo", "run", "notebooks", "--host", "127.0.0.1", "--headless"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)],
            cwd=notebooks_root,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_server(server, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for_server(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return as soon as the server accepts connections, within a minute."""
    for _ in range(300):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.2)
    pytest.fail(f"the server of the notebooks did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of the system."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_notebook(address: str, browser: Browser) -> Iterator[Open]:
    """Open a notebook and wait for its cells: `page = open_notebook("mlp_by_hand")`.

    The tests of a module share a page. At their end, it must have run all cells without an error,
    requested nothing from another machine, and fit a wide window and a phone.
    """
    problems: list[str] = []
    pages: list[Page] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if urlsplit(request.url).scheme not in {"data", "blob"} and not request.url.startswith(
            address
        ):
            problems.append(f"request to another machine: {request.url}")

    def on_response(response: Response) -> None:
        if response.status >= 400:
            problems.append(f"status {response.status}: {response.url}")

    def open_(name: str) -> Page:
        page = browser.new_page(viewport={"width": WIDE, "height": 900})
        page.set_default_timeout(60_000)
        page.on("console", on_console)
        page.on("pageerror", lambda error: problems.append(f"JavaScript: {error}"))
        page.on("request", on_request)
        page.on("requestfailed", lambda failed: problems.append(f"failed: {failed.url}"))
        page.on("response", on_response)
        finished: list[str] = []

        def on_message(message: str | bytes) -> None:
            if "completed-run" in str(message):
                finished.append(name)
            # A cell that waits for valid input stops the cells below it.
            failed = "application/vnd.marimo+error" in str(message)
            if failed and "ancestor-stopped" not in str(message):
                problems.append(f"{name}: a cell failed: {message!r}")

        page.on("websocket", lambda socket: socket.on("framereceived", on_message))
        page.goto(f"{address}/?file={name}.py")
        pages.append(page)
        for _ in range(600):
            if finished:
                page.get_by_role("heading", level=1).wait_for()
                page.wait_for_timeout(500)  # the last pictures are drawn
                return page
            page.wait_for_timeout(100)
        pytest.fail(f"{name}: the cells did not run to their end within a minute")

    yield open_
    SCREENSHOTS.mkdir(exist_ok=True)
    for page in pages:
        name = Path(urlsplit(page.url).query.partition("=")[2]).stem
        for width in (WIDE, PHONE):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)  # the page is laid out again
            too_wide = page.evaluate(f"{SCROLLED}.scrollWidth - {SCROLLED}.clientWidth")
            if too_wide > 0:
                problems.append(f"{name}: {too_wide} pixels too wide for a window of {width}")
            height = page.evaluate(f"{SCROLLED}.scrollHeight")
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png")
        page.remove_listener("console", on_console)  # closing the page ends its connection
        page.close()
    assert problems == []
