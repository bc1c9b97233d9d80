"""A real Chromium and the served pages of a filled history."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.history import History
from support.plausible_history import plausible
from support.processes import Start
from support.waiting import patience
from support.zones import hour_on_this_machine

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def hour() -> int:
    """Return the hour that the server and the browser show at the start of a test."""
    return 12


@pytest.fixture(autouse=True)
def zone(hour: int) -> Iterator[str]:
    """Give this process and the processes that the test starts a time zone in which it is the hour of the test."""
    with hour_on_this_machine(hour):
        yield os.environ["TZ"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def history_path(tmp_path: Path) -> Path:
    path = tmp_path / "hassette.db"
    plausible(path)
    return path


@pytest.fixture
def heartbeat(history_path: Path) -> Iterator[None]:
    """Keep the history's last session alive, as a framework in another process would."""
    done = threading.Event()

    def beat() -> None:
        with History(history_path) as history:
            while not done.wait(1):
                at_us = int(time.time() * 1_000_000)
                history.db.execute("UPDATE sessions SET heartbeat_us = ? WHERE ended_us IS NULL", (at_us,))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.fixture
def expected_log() -> str:
    """Return a text that each line of the server's log may contain; empty for a server that must log nothing."""
    return ""


@pytest.fixture
def address(history_path: Path, expected_log: str) -> Iterator[str]:
    """Serve the pages in another process: ``hassette telemetry serve``."""
    server = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "hassette_sync", "serve", "--db", str(history_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    assert " at http://127.0.0.1:" in line, server.communicate(timeout=patience(5))
    yield line.split(" at ")[1].split()[0].rstrip("/")
    server.terminate()
    _, problems = server.communicate(timeout=patience(5))
    assert server.returncode == 0
    assert [line for line in problems.splitlines() if not expected_log or expected_log not in line] == []


@pytest.fixture
def open_page(chromium: Any, address: str, zone: str) -> Iterator[Callable[..., Any]]:
    """Open pages. At the end, fail if there was a console message, a script error or a request to another host."""
    contexts: list[Any] = []
    problems: list[str] = []

    def open_(path: str = "/", *, wide: bool = True, dark: bool = False, **more: Any) -> Any:
        context = chromium.new_context(
            viewport={"width": 1440, "height": 900} if wide else {"width": 360, "height": 800},
            color_scheme="dark" if dark else "light",
            timezone_id=zone,
            **more,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith(address) else problems.append(f"request: {request.url}"),
        )
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(address + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def start_demo(start: Start, tmp_path: Path) -> Callable[..., str]:
    """Return a function that starts ``hassette demo`` with an environment and returns the address of its pages."""

    def start_demo(**environment: str) -> str:
        demo = start("demo", "--data-dir", tmp_path / "demo", "--port", 0, "--speed", 1, **environment)
        return demo.wait_for("Page: http").removeprefix("Page: ").rstrip("/")

    return start_demo


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Folder for pictures: ``$HASSETTE_SCREENSHOTS``, or a temporary one."""
    folder = Path(os.environ.get("HASSETTE_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
