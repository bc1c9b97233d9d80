"""A real Chromium on real pages of a filled history."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.history import History, plausible

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
def address(history_path: Path) -> Iterator[str]:
    """Serve the pages in a process of its own, as a person would: ``hassette telemetry serve``."""
    server = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "hassette_sync", "serve", "--db", str(history_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    assert " at http://127.0.0.1:" in line, server.communicate(timeout=5)
    yield line.split(" at ")[1].split()[0].rstrip("/")
    server.terminate()
    _, complaints = server.communicate(timeout=5)
    assert server.returncode == 0
    assert complaints == ""


@pytest.fixture
def open_page(chromium: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open a page and hold it to its promises: no console message, no error, no request to another host."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(path: str = "/", *, wide: bool = True, dark: bool = False, **more: Any) -> Any:
        context = chromium.new_context(
            viewport={"width": 1320, "height": 900} if wide else {"width": 390, "height": 844},
            color_scheme="dark" if dark else "light",
            **more,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith(address) else complaints.append(f"request: {request.url}"),
        )
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(address + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: ``$HASSETTE_SCREENSHOTS``, or nowhere that stays."""
    folder = Path(os.environ.get("HASSETTE_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
