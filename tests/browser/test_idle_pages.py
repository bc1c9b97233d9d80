"""An idle page asks the server whether something has changed, and gets no second copy of what it shows."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.history import HOUR, History
from support.waiting import patience

pytestmark = pytest.mark.browser
LIMIT_MS = 1_000 * patience(15)


@pytest.fixture
def history_path(tmp_path: Path) -> Path:
    """A history whose newest run is an hour old, so that no page shows seconds."""
    now_us = int(time.time() * 1_000_000)
    with History(tmp_path / "hassette.db") as history:
        history.session(now_us - 3 * HOUR)
        history.run(history.listener("hall", "on_motion", "state_changed.binary_sensor.hall"), now_us - HOUR)
    return history.path


def test_idle_page_is_not_sent_again_until_something_happens(open_page: Callable[..., Any], history_path: Path) -> None:
    page = open_page("/sessions")
    page.clock.install()
    page.goto(page.url.replace("/sessions", "/"))
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    statuses: list[int] = []
    for _ in range(3):  # one of them may be in a new minute
        with page.expect_response(page.url, timeout=LIMIT_MS) as answer:
            page.clock.fast_forward(15_000)
        statuses.append(answer.value.status)
    assert statuses.count(304) >= 2, statuses
    with History(history_path) as history:
        id_ = history.run(1, int(time.time() * 1_000_000))
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)
    # A part in which the visitor selects text is kept, so the next answer must contain it again.
    page.evaluate("getSelection().selectAllChildren(document.getElementById('recent'))")
    with History(history_path) as history:
        kept = history.run(1, int(time.time() * 1_000_000))
    with page.expect_response(page.url, timeout=LIMIT_MS) as answer:
        page.clock.fast_forward(1_000)
    assert answer.value.status == 200
    page.wait_for_function("document.body.dataset.tag === ''", timeout=LIMIT_MS)
    assert page.locator(f"#recent tr[data-id='{kept}']").count() == 0
    page.evaluate("getSelection().removeAllRanges()")
    page.clock.fast_forward(15_000)
    page.locator(f"#recent tr[data-id='{kept}']").wait_for(timeout=LIMIT_MS)
