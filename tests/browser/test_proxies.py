"""The pages in a real browser behind proxies: live where a WebSocket passes, otherwise polling, with the reason."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.history import History
from support.proxy import Proxy
from support.waiting import patience

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

LIMIT_MS = patience(30) * 1_000


@pytest.fixture
def behind(address: str) -> Iterator[Callable[..., str]]:
    """Return a function that starts a proxy with options in front of the pages, and returns its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = contextlib.AsyncExitStack()

    def start(**options: Any) -> str:
        proxy = Proxy(upstream=f"{address}/", **options)
        return asyncio.run_coroutine_threadsafe(stack.enter_async_context(proxy.serve()), loop).result()

    async def stop() -> None:
        await stack.aclose()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    yield start
    asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def expected_log() -> str:
    return "Live connection arrived without its header Upgrade"


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def a_new_run_appears(page: Any, path: Path) -> None:
    with History(path) as history:
        run = history.run(1, int(time.time() * 1_000_000), session_id=3)
    page.locator(f'#recent tr[data-id="{run}"]').wait_for(timeout=LIMIT_MS)


@pytest.mark.parametrize("prefix", ["", "/hassette"])
def test_page_behind_a_proxy_that_replaces_the_host_name_is_live(
    behind: Callable[..., str], page: Any, history_path: Path, prefix: str
) -> None:
    page.goto(f"{behind(prefix=prefix)}/")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    assert page.locator("#live-hint").is_hidden()
    a_new_run_appears(page, history_path)
    page.locator("nav a", has_text="Sessions").click()
    page.locator("h1", has_text="Sessions").wait_for(timeout=LIMIT_MS)
    assert page.url.endswith(f"{prefix}/sessions")


@pytest.mark.parametrize("websockets", ["strip", "refuse", "hang"])
def test_page_polls_and_names_the_cause_if_no_websocket_passes(
    behind: Callable[..., str], page: Any, history_path: Path, screenshots: Path, websockets: str
) -> None:
    page.goto(f"{behind(websockets=websockets, prefix='/hassette')}/")
    page.locator("#connection[data-state=poll]").wait_for(timeout=LIMIT_MS)
    assert page.locator("#connection").inner_text() == "Updated every 5 s"
    page.locator("#live-hint", has_text="let it pass on the headers Upgrade and Connection").wait_for(timeout=LIMIT_MS)
    a_new_run_appears(page, history_path)
    page.screenshot(path=screenshots / f"polling-{websockets}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
