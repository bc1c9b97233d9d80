"""The pages in a real browser: live, by keyboard, on a phone, in the dark, and without JavaScript."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PAGES = {
    "overview": "/",
    "handlers": "/handlers",
    "jobs": "/jobs",
    "handler": "/registrations/4",
    "runs": "/runs",
    "failed-runs": "/runs?status=failed",
    "errors": "/errors",
    "error": "/errors/1",
    "sessions": "/sessions",
}
RUN_LINK = "#recent tbody tr a[href^='/runs/']"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])
def test_no_page_is_wider_than_its_window_and_each_has_its_picture(
    open_page: Callable[..., Any], address: str, screenshots: Path, wide: bool, dark: bool
) -> None:
    page = open_page("/", wide=wide, dark=dark)
    page.goto(address + "/runs?app=motion_light&text=kitchen")
    story = page.locator(RUN_LINK).first.get_attribute("href")
    page.goto(address + "/runs?status=failed&app=climate_guard")
    failed_story = page.locator(RUN_LINK).first.get_attribute("href")
    grounds = set()
    for name, path in {**PAGES, "run": story, "failed-run": failed_story}.items():
        page.goto(address + str(path))
        wider_by = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        look = f"{name}-{'wide' if wide else 'narrow'}-{'dark' if dark else 'light'}"
        page.screenshot(path=screenshots / f"{look}.png", full_page=True)
        assert wider_by <= 0, f"{look} is {wider_by} px too wide"
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ({"rgb(18, 22, 23)"} if dark else {"rgb(244, 245, 244)"})


def test_a_new_run_appears_by_itself_and_is_announced(
    open_page: Callable[..., Any], history_path: Path, histories: ModuleType, heartbeat: None
) -> None:
    page = open_page("/")
    page.locator("#connection[data-state=on]").wait_for(timeout=5_000)
    assert page.locator("#connection").inner_text() == "Following the file"
    runs_before = page.locator("#tiles .figure").first.inner_text()
    with histories.History(history_path) as history:
        history._counter, history._names = 500_000, dict(history.db.execute("SELECT name, id FROM names"))
        at_us = int(time.time() * 1_000_000)
        id_ = history.run(
            5, at_us, session_id=3, entity_id="binary_sensor.back_door", old_state="off", new_state="on",
            status="error", error=("exception", "GateError", "the gate is stuck"),
        )  # fmt: skip
    row = page.locator(f"#recent tr[data-id='{id_}']")
    row.wait_for(timeout=5_000)
    assert "binary_sensor.back_door" in row.inner_text()
    assert "GateError: the gate is stuck" in row.inner_text()
    assert page.locator("#tiles .figure").first.inner_text() != runs_before
    assert "GateError" in page.locator("#attention").inner_text()
    assert page.locator("#announcement").inner_text() == "door_reminder on_door failed."


def test_the_page_says_when_the_server_has_gone_and_comes_back(
    chromium: Any, history_path: Path, histories: ModuleType
) -> None:
    import asyncio
    import threading

    from hassette_sync import DataSyncService
    from hassette_sync.plugin import create_web_service
    from hassette_sync.settings import WebSettings

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def make(port: int) -> Any:
        return await create_web_service(DataSyncService(history_path), WebSettings(port=port)).__aenter__()

    service = run(make(0))
    url = service.url
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(url)
        page.locator("#connection[data-state=on]").wait_for(timeout=5_000)
        run(service.stop())
        page.locator("#connection[data-state=off]").wait_for(timeout=5_000)
        assert page.locator("#connection").inner_text() == "Reconnecting…"
        assert page.locator("#recent tbody tr").count() > 0, "what was known stays on the page"
        service = run(make(int(url.rsplit(":", 1)[1].strip("/"))))
        page.locator("#connection[data-state=on]").wait_for(timeout=15_000)
        assert page.locator("#announcement").inner_text() == "The live connection is back."
    finally:
        context.close()
        run(service.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "the skip link shows itself"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if page.evaluate("document.activeElement === document.body"):
            break
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        seen.append(page.evaluate("document.activeElement.getAttribute('href') || ''"))
    assert any(href.startswith("/errors/") for href in seen)
    assert any(re.fullmatch(r"/runs/\d+", href) for href in seen)


def test_a_live_update_leaves_the_focus_where_it_is(
    open_page: Callable[..., Any], history_path: Path, histories: ModuleType, heartbeat: None
) -> None:
    page = open_page("/")
    page.locator("#connection[data-state=on]").wait_for(timeout=5_000)
    link = page.locator(RUN_LINK).nth(2)
    link.focus()
    focused = link.get_attribute("href")
    with histories.History(history_path) as history:
        history._counter, history._names = 600_000, dict(history.db.execute("SELECT name, id FROM names"))
        id_ = history.run(5, int(time.time() * 1_000_000), session_id=3)
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=5_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == focused


def test_without_javascript_every_page_says_the_same(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/", java_script_enabled=False)
    assert page.locator("#recent tbody tr").count() == 15
    assert page.locator("#connection").is_hidden()
    page.locator("nav a", has_text="Runs").click()
    page.locator("select[name=status]").select_option("failed")
    page.locator("button", has_text="Show").click()
    assert "status=failed" in page.url
    assert page.locator("#recent tbody tr").count() > 5
    assert page.locator("#recent tbody tr.is-success").count() == 0


def test_a_name_that_is_a_script_is_shown_and_not_run(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/")
    for path in ("/", "/handlers", "/registrations/6", "/runs?app=odd", "/errors"):
        page.goto(address + path)
        assert "<script>alert(" in page.locator("main").inner_text()
        assert page.locator("main script").count() == 0


def test_the_way_from_the_overview_to_the_cause_is_three_clicks(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator("#attention .problem", has_text="unavailable").click()
    assert "could not convert string to float" in page.locator("main").inner_text()
    page.locator("table.runs tbody a[href^='/runs/']").first.click()
    story = page.locator(".story").inner_text()
    assert "What caused it" in story
    assert "sensor.bedroom_temperature" in story
    assert "Traceback (most recent call last)" in story
    assert "The sensor says unavailable" in story


def test_a_page_is_quick(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/")
    page.goto(address + "/")
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    assert timing["domContentLoadedEventEnd"] < 1_500
    weight = page.evaluate(
        "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)"
    )
    assert weight + timing["encodedBodySize"] < 120_000, "a page and all that it loads"
