"""Lists, keyboard and pause in a real browser."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.history import History
from support.waiting import patience

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

LIMIT_MS = patience(15) * 1_000
NAMES = (
    "[...document.querySelectorAll('#registrations tbody tr')].filter((row) => row.offsetParent)"
    ".map((row) => row.querySelector('.name .name').textContent)"
)
RUNS = "[...document.querySelectorAll('#registrations td[data-label=runs]')].map((cell) => Number(cell.dataset.value))"


def test_list_is_sorted_in_the_page_and_after_a_reload(open_page: Callable[..., Any]) -> None:
    page = open_page("/handlers")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    head = page.locator("th a", has_text="Runs")
    head.click()
    assert page.evaluate(RUNS) == sorted(page.evaluate(RUNS), reverse=True)
    head.click()
    assert page.evaluate(RUNS) == sorted(page.evaluate(RUNS))
    assert "sort=runs" in page.url
    assert [url for url in requests if "/handlers" in url] == [], "sorting loads no page"
    names = page.evaluate(NAMES)
    page.reload()
    assert page.evaluate(NAMES) == names
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Runs")


def test_list_is_sorted_without_javascript(open_page: Callable[..., Any]) -> None:
    page = open_page("/handlers", java_script_enabled=False)
    page.locator("th a", has_text="Runs").click()
    counts = [int(cell.get_attribute("data-value") or "") for cell in page.locator("td[data-label=runs]").all()]
    assert counts == sorted(counts, reverse=True)
    assert not page.locator("#registrations-find").is_visible(), "a field without a function is hidden"


def test_list_is_filtered_by_typing_and_stays_filtered(open_page: Callable[..., Any], history_path: Path) -> None:
    page = open_page("/handlers")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    page.keyboard.press("/")
    page.keyboard.type("kitchen MOTION")
    assert page.evaluate(NAMES) == ["on_motion"]
    assert page.locator("#registrations-find-count").inner_text() == "1 shown"
    before = page.locator("footer time").get_attribute("datetime")
    with History(history_path) as history:
        history.run(2, int(time.time() * 1_000_000), session_id=3)
    page.wait_for_function("(before) => document.querySelector('footer time').dateTime !== before", arg=before)
    assert page.evaluate(NAMES) == ["on_motion"], "a live update keeps the filter"
    page.reload()
    assert page.evaluate(NAMES) == ["on_motion"], "the address holds the filter"


def test_words_are_sought_in_all_rows_of_a_long_list(open_page: Callable[..., Any], history_path: Path) -> None:
    with History(history_path) as history:
        now_us = int(time.time() * 1_000_000)
        for n in range(60):
            error = ("exception", f"Error{n:02}", "boom")
            history.run(5, now_us - (90 - n) * 1_000_000, session_id=3, status="error", error=error)
    page = open_page("/errors")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    types = page.locator("#errors tbody .type")
    assert types.count() == 50
    page.keyboard.press("/")
    page.keyboard.type("error01 BOOM")
    page.wait_for_function("() => document.querySelectorAll('#errors tbody tr').length === 1", timeout=LIMIT_MS)
    assert types.inner_text().endswith("Error01")
    assert "find=error01+BOOM" in page.url
    page.keyboard.type(" nowhere")
    page.get_by_text("No error matches").wait_for(timeout=LIMIT_MS)
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.wait_for_function("() => document.querySelectorAll('#errors tbody tr').length === 50", timeout=LIMIT_MS)
    assert "find" not in page.url


def test_unfolded_runs_stay_unfolded_over_live_updates(open_page: Callable[..., Any], history_path: Path) -> None:
    with History(history_path) as history:
        now_us = int(time.time() * 1_000_000)
        for n in range(7):
            history.run(5, now_us - n * 1_000_000, session_id=3, entity_id="binary_sensor.gate")
    page = open_page("/runs?text=binary_sensor.gate")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    page.locator("a[data-unfold]").click()
    visible = "() => [...document.querySelectorAll('#recent tbody tr')].filter((row) => row.offsetParent).length"
    assert page.evaluate(visible) == 7
    with History(history_path) as history:
        history.run(5, int(time.time() * 1_000_000), session_id=3, entity_id="binary_sensor.gate")
    page.wait_for_function(f"() => ({visible})() === 8", timeout=LIMIT_MS)
    page.locator("a[data-unfold][aria-expanded=true]").click()
    assert page.evaluate(visible) == 1


def test_equal_runs_unfold_and_fold_again(open_page: Callable[..., Any], address: str, history_path: Path) -> None:
    with History(history_path) as history:
        now_us = int(time.time() * 1_000_000)
        for n in range(7):
            history.run(5, now_us - n * 1_000_000, session_id=3, entity_id="binary_sensor.gate")
    page = open_page("/runs?text=binary_sensor.gate")
    visible = page.locator("#recent tbody tr:visible")
    assert visible.count() == 1
    link = page.locator("a[data-unfold]")
    assert link.inner_text().startswith("and 6 equal in ")
    link.click()
    assert visible.count() == 7
    link.click()
    assert visible.count() == 1
    plain = open_page("/runs?text=binary_sensor.gate", java_script_enabled=False)
    plain.locator("a[data-unfold]").click()
    assert "registration=5" in plain.url


def test_pages_open_by_letters_and_rows_by_keys(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    for letter, path in (
        ("a", "/apps"),
        ("j", "/jobs"),
        ("r", "/runs"),
        ("l", "/logs"),
        ("v", "/events"),
        ("h", "/handlers"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(f"**{path}")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.evaluate("document.activeElement.closest('tr').rowIndex")
    page.keyboard.press("k")
    assert (second, page.evaluate("document.activeElement.closest('tr').rowIndex")) == (2, 1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/registrations/*")


def test_keys_do_nothing_while_a_visitor_types(open_page: Callable[..., Any]) -> None:
    page = open_page("/runs")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "text"
    page.keyboard.type("gaj?")
    assert page.locator("input[name=text]").input_value() == "gaj?"
    assert not page.locator("dialog[open]").is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_help_lists_the_keys_and_closes(open_page: Callable[..., Any]) -> None:
    page = open_page("/runs")
    page.keyboard.press("?")
    text = page.locator("dialog[open]").inner_text()
    assert "search or ask" in text
    assert "Handlers" in text
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_paused_page_does_not_change_until_it_resumes(open_page: Callable[..., Any], history_path: Path) -> None:
    page = open_page("/runs")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    page.keyboard.press("p")
    assert page.locator("#announcement").inner_text() == "Live updates are paused."
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    with History(history_path) as history:
        id_ = history.run(5, int(time.time() * 1_000_000), session_id=3)
    follower = open_page("/runs")
    follower.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)
    assert page.locator(f"#recent tr[data-id='{id_}']").count() == 0
    page.locator("#pause").click()
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)


@pytest.mark.parametrize("path", ["/", "/runs", "/sessions"])
def test_menu_is_complete_on_a_narrow_phone(open_page: Callable[..., Any], path: str) -> None:
    page = open_page(path)
    page.set_viewport_size({"width": 360, "height": 780})
    cut = page.evaluate(
        "[...document.querySelectorAll('.top nav a')].filter((link) => { const box = link.getBoundingClientRect();"
        " return box.left < 0 || box.right > 360 || box.width === 0; }).map((link) => link.textContent)"
    )
    assert cut == []
    assert page.locator(".top nav a").count() == 11
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_texts_stay_in_their_card_on_a_narrow_phone(open_page: Callable[..., Any]) -> None:
    page = open_page("/errors/1")
    page.set_viewport_size({"width": 360, "height": 780})
    outside = page.evaluate(
        "[...document.querySelectorAll('.card > h2 *')].filter((part) => part.getBoundingClientRect().right >"
        " part.closest('.card').getBoundingClientRect().right).map((part) => part.textContent)"
    )
    assert page.locator(".card > h2 a").count() > 0
    assert outside == []


@pytest.mark.parametrize("width", [360, 1440])
def test_labels_of_durations_are_whole(open_page: Callable[..., Any], width: int) -> None:
    page = open_page("/handlers")
    page.goto(page.locator("a.who").first.evaluate("one => one.href"))
    page.set_viewport_size({"width": width, "height": 780})
    page.locator("#heat-chart .y-axis text").first.wait_for(timeout=LIMIT_MS)
    # The widest label of a band. It is cut on the left, because its text ends at the chart.
    cut = page.evaluate(
        "(() => { const axis = document.querySelector('#heat-chart .y-axis');"
        " const label = axis.querySelector('text'); label.textContent = '≤ 300 ms';"
        " return label.getBoundingClientRect().left < axis.getBoundingClientRect().left; })()"
    )
    assert cut is False


def test_state_of_a_stopped_framework_is_red_on_each_page(
    open_page: Callable[..., Any], history_path: Path, address: str
) -> None:
    with History(history_path) as history:
        history.db.execute("UPDATE sessions SET ended_us = heartbeat_us, outcome = 'clean' WHERE ended_us IS NULL")
    page = open_page("/")
    assert page.locator("h1").inner_text() == "Hassette is not running"
    assert page.locator(".verdict.bad").count() == 1
    for path in ("/", "/runs", "/errors", "/events"):
        page.goto(address + path)
        assert page.locator("#framework.bad").inner_text() == "not running"
